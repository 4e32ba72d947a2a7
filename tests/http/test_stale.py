"""A kept connection that the server closed is replaced at once, once, and only while nothing was answered."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from deluge_sync._http import HttpRequest, Leash, Transport, reply
from deluge_sync._http import transport as transport_module
from deluge_sync.errors import TransportError

Start = Callable[..., Any]
Post = Callable[..., HttpRequest]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def reset(sock: socket.socket) -> None:
    """Close with a RST instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture(autouse=True)
def unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked whether an idle connection was closed; here that always comes to pass after the look."""
    monkeypatch.setattr("deluge_sync._http.connection.is_untouched", lambda _: True)


def broken(transport: Transport, request: HttpRequest) -> TransportError:
    with pytest.raises(TransportError) as caught:
        transport.send(request, timeout_s=5)
    assert (caught.value.kind, caught.value.may_have_been_processed) == ("broken", True)
    return caught.value


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize("is_reset", [False, True])
def test_a_connection_closed_while_idle_is_replaced(
    is_tls: bool, is_reset: bool, listen: Start, tls: ssl.SSLContext, transport: Transport, post: Post
) -> None:
    def answer_once(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(OK)
        if is_reset:
            reset(sock)

    peer = listen(answer_once, tls if is_tls else None)
    for _ in range(10):
        assert transport.send(post(peer.url, b"x" * 100_000), timeout_s=5).body == b"ok"
    assert len(peer.requests) == peer.connections == 10


def test_the_resend_takes_a_connection_that_cannot_be_stale_too(
    listen: Start, transport: Transport, post: Post
) -> None:
    together = threading.Barrier(3)

    def answer_once(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        if len(peer.requests) <= 3:
            together.wait(5)  # three connections at the same time, all idle and closed afterwards
        sock.sendall(OK)

    peer = listen(answer_once)
    request = post(peer.url)
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(transport.send, request, timeout_s=5) for _ in range(3)]
        assert [call.result(5).body for call in calls] == [b"ok"] * 3
    assert transport.send(request, timeout_s=5).body == b"ok"
    assert len(peer.requests) == peer.connections == 4


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_request_is_resent_once_only(is_reset: bool, listen: Start, transport: Transport, post: Post) -> None:
    def answer_the_first(peer: Any, sock: socket.socket) -> None:
        while peer.read_request(sock) and len(peer.requests) == 1:
            sock.sendall(OK)
        if is_reset:
            reset(sock)

    peer = listen(answer_the_first)
    assert transport.send(post(peer.url), timeout_s=5).body == b"ok"
    broken(transport, post(peer.url))
    assert len(peer.requests) == 3  # the answered one, one on the same connection, one on a fresh one
    broken(transport, post(peer.url))
    assert len(peer.requests) == 4  # nothing was kept, so nothing was stale


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("sent", [b"H", b"HTTP/1.1 2", OK[:-1], b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_nothing_is_resent_once_a_byte_has_come(
    sent: bytes, is_reset: bool, listen: Start, transport: Transport, post: Post
) -> None:
    def break_off(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(OK)
        peer.read_request(sock)
        sock.sendall(sent)
        peer.reached.wait(5)
        if is_reset:
            reset(sock)

    peer = listen(break_off)
    assert transport.send(post(peer.url), timeout_s=5).body == b"ok"
    peek = reply.Reply._read_status
    try:
        with pytest.MonkeyPatch.context() as patch:

            def read_first(heard: Any) -> Any:
                heard.fp.peek(1)  # the byte has come; only then does the connection break
                peer.reached.set()
                return peek(heard)

            patch.setattr(reply.Reply, "_read_status", read_first)
            broken(transport, post(peer.url))
    finally:
        peer.reached.set()
    assert len(peer.requests) == 2


def test_nor_when_it_broke_late(
    listen: Start, transport: Transport, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_once(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(OK)
        peer.read_request(sock)
        peer.stopping.wait(0.06)

    monkeypatch.setattr(transport_module, "_STALE_WITHIN_S", 0.05)
    peer = listen(answer_once)
    assert transport.send(post(peer.url), timeout_s=5).body == b"ok"
    broken(transport, post(peer.url))
    assert len(peer.requests) == 2


def test_a_fresh_connection_that_breaks_is_not_retried(listen: Start, transport: Transport, post: Post) -> None:
    peer = listen(lambda peer, sock: peer.read_request(sock) and None)
    error = broken(transport, post(peer.url))
    assert "RemoteDisconnected" in str(error)
    assert len(peer.requests) == 1


@pytest.mark.parametrize("is_reset", [False, True])
def test_the_leash_tells_how_often_the_request_left(
    is_reset: bool, listen: Start, transport: Transport, post: Post
) -> None:
    """A request that met a reset connection may have been processed twice."""

    def answer_once(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(OK)
        if is_reset:
            reset(sock)

    peer = listen(answer_once)
    for sends in (1, 2, 2):
        leash = Leash(monotonic() + 5)
        assert transport.send(post(peer.url), timeout_s=5, leash=leash).body == b"ok"
        assert leash.sends == sends


def test_a_request_that_never_left_counts_as_none(full_backlog: str, transport: Transport, post: Post) -> None:
    for url in (full_backlog, "http://nowhere.invalid", "ftp://127.0.0.1"):
        leash = Leash(monotonic() + 0.2)
        with pytest.raises(TransportError):
            transport.send(post(url), timeout_s=5, leash=leash)
        assert leash.sends == 0


def test_once_it_left_it_may_have_been_processed_even_if_it_cannot_leave_again(
    listen: Start, transport: Transport, post: Post
) -> None:
    def answer_and_go(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        peer._listener.shutdown(socket.SHUT_RDWR)  # from now on connections are refused
        sock.sendall(OK)
        peer.read_request(sock)

    peer = listen(answer_and_go)
    url = peer.url
    assert transport.send(post(url), timeout_s=5).body == b"ok"
    leash = Leash(monotonic() + 5)
    with pytest.raises(TransportError) as caught:
        transport.send(post(url), timeout_s=5, leash=leash)
    assert (caught.value.kind, caught.value.may_have_been_processed) == ("connect", True)
    assert leash.sends == 1
