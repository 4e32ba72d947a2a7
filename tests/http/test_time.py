"""The total time of a call holds, whatever the server does, and the error says whether it may have been billed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from deluge_sync._http import HttpRequest, Transport
from deluge_sync.errors import DeadlineExceededError

Start = Callable[..., Any]
Post = Callable[..., HttpRequest]
LateBy = Callable[..., tuple[float, bool]]

TIMEOUT_S = 0.3
LATE_S = 0.1


def say_nothing(peer: Any, sock: socket.socket) -> None:
    peer.read_request(sock)
    peer.stopping.wait()


def drip_headers(peer: Any, sock: socket.socket) -> None:
    peer.read_request(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    peer.drip(sock, b"x-more: y\r\n")


def drip_body(peer: Any, sock: socket.socket) -> None:
    peer.read_request(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    peer.drip(sock, b"x")


def drip_until_the_end(peer: Any, sock: socket.socket) -> None:
    """The reply has no length, so that a connection that is cut looks like its end."""
    peer.read_request(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    peer.drip(sock, b"x")


def drip_chunks(peer: Any, sock: socket.socket) -> None:
    peer.read_request(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.drip(sock, b"1\r\nx\r\n")


def drip_interim_replies(peer: Any, sock: socket.socket) -> None:
    peer.read_request(sock)
    peer.drip(sock, b"HTTP/1.1 103 Early Hints\r\n\r\n")


def read_nothing(peer: Any, _: socket.socket) -> None:
    peer.stopping.wait()


FAULTS = [
    say_nothing,
    drip_headers,
    drip_body,
    drip_until_the_end,
    drip_chunks,
    drip_interim_replies,
    read_nothing,
]


@pytest.fixture
def late_by(own_time: Callable[[], float]) -> LateBy:
    """How long after its time the call ended, in seconds, and whether it may have been processed."""

    def call(transport: Transport, request: HttpRequest, timeout_s: float = TIMEOUT_S) -> tuple[float, bool]:
        started, own_started = monotonic(), own_time()
        with pytest.raises(DeadlineExceededError) as caught:
            transport.send(request, timeout_s=timeout_s)
        assert monotonic() - started >= timeout_s
        return own_time() - own_started - timeout_s, caught.value.may_have_been_processed

    return call


@pytest.mark.parametrize("fault", FAULTS)
def test_a_slow_server_costs_no_more_than_the_total_time(
    fault: Any, listen: Start, transport: Transport, post: Post, late_by: LateBy
) -> None:
    body = b"x" * (32_000_000 if fault is read_nothing else 1000)
    late_s, may_have_been_processed = late_by(transport, post(listen(fault).url, body))
    assert late_s < LATE_S
    assert may_have_been_processed


@pytest.mark.parametrize("fault", FAULTS)
def test_nor_does_it_over_tls(
    fault: Any, listen: Start, tls: ssl.SSLContext, transport: Transport, post: Post, late_by: LateBy
) -> None:
    body = b"x" * (32_000_000 if fault is read_nothing else 1000)
    late_s, may_have_been_processed = late_by(transport, post(listen(fault, tls).url, body))
    assert late_s < LATE_S
    assert may_have_been_processed


def test_a_handshake_that_hangs_ends_in_time_and_nothing_was_processed(
    listen: Start, transport: Transport, post: Post, late_by: LateBy
) -> None:
    url = listen(read_nothing).url.replace("http:", "https:")
    late_s, may_have_been_processed = late_by(transport, post(url))
    assert late_s < LATE_S
    assert not may_have_been_processed


def test_a_server_that_does_not_accept_ends_in_time_and_nothing_was_processed(
    full_backlog: str, transport: Transport, post: Post, late_by: LateBy
) -> None:
    late_s, may_have_been_processed = late_by(transport, post(full_backlog))
    assert late_s < LATE_S
    assert not may_have_been_processed


def test_a_reused_connection_is_timed_like_a_fresh_one(
    listen: Start, transport: Transport, post: Post, late_by: LateBy
) -> None:
    def answer_once(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        drip_body(peer, sock)

    request = post(listen(answer_once).url)
    assert transport.send(request, timeout_s=5).status == 200
    late_s, may_have_been_processed = late_by(transport, request)
    assert late_s < LATE_S
    assert may_have_been_processed


def test_no_time_left_means_nothing_is_sent(
    answering: Start, transport: Transport, post: Post, late_by: LateBy
) -> None:
    peer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    for timeout_s in (0.0, -1.0):
        _, may_have_been_processed = late_by(transport, post(peer.url), timeout_s)
        assert not may_have_been_processed
    assert peer.connections == 0


def test_a_timeout_may_be_infinite(answering: Start, transport: Transport, post: Post, late_by: LateBy) -> None:
    peer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    for timeout_s in (float("inf"), 1e30):
        assert transport.send(post(peer.url), timeout_s=timeout_s).body == b"ok"
    # The thread that keeps the deadlines has survived them.
    late_s, _ = late_by(transport, post(peer.url), 0.0)
    assert late_s < LATE_S


def test_a_hundred_at_once_all_end_in_time(listen: Start, transport: Transport, post: Post, late_by: LateBy) -> None:
    faults = [drip_headers, drip_body, say_nothing]

    def misbehave(peer: Any, sock: socket.socket) -> None:
        faults[peer.connections % len(faults)](peer, sock)

    request = post(listen(misbehave).url)
    with ThreadPoolExecutor(100) as threads:
        calls = [threads.submit(late_by, transport, request, 1.0) for _ in range(200)]
        late_s = sorted(call.result(10)[0] for call in calls)
    assert late_s[197] < LATE_S
