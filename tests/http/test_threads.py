"""Many threads on one transport, and what is left of it when it is closed or dropped."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import deluge_sync._http as http
from deluge_sync._http import HttpRequest, Transport, connection

Start = Callable[..., Any]
Post = Callable[..., HttpRequest]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def echo(peer: Any, sock: socket.socket) -> None:
    while request := peer.read_request(sock):
        body = request.partition(b"\r\n\r\n")[2]
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    peer.reached.set()  # the client has closed its end


def test_every_thread_gets_its_own_answers_over_few_connections(
    listen: Start, transport: Transport, post: Post
) -> None:
    peer = listen(echo)

    def talk(thread: int) -> list[bytes]:
        return [transport.send(post(peer.url, b"%d/%d" % (thread, turn)), timeout_s=30).body for turn in range(50)]

    with ThreadPoolExecutor(64) as threads:
        answers = list(threads.map(talk, range(64)))
    assert answers == [[b"%d/%d" % (thread, turn) for turn in range(50)] for thread in range(64)]
    assert len(peer.requests) == 3200
    assert peer.connections <= 64


def test_every_origin_has_its_own_connections(answering: Start, transport: Transport, post: Post) -> None:
    peers = [answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number) for number in range(3)]
    for _ in range(2):
        assert [transport.send(post(peer.url), timeout_s=5).body for peer in peers] == [b"0", b"1", b"2"]
    assert [peer.connections for peer in peers] == [1, 1, 1]


def test_closing_ends_connections_and_thread_and_a_later_call_works(listen: Start, post: Post) -> None:
    peer = listen(echo)
    transport = Transport()
    for number in range(2):
        assert transport.send(post(peer.url, b"%d" % number), timeout_s=5).body == b"%d" % number
        thread = transport._reaper._thread
        assert thread is not None
        transport.close()
        transport.close()
        assert not thread.is_alive()
        assert peer.reached.wait(5)
        peer.reached.clear()
    assert peer.connections == 2


def test_closing_spares_a_call_in_flight(listen: Start, transport: Transport, post: Post) -> None:
    def answer_later(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        peer.reached.set()
        peer.may_answer.wait(5)
        sock.sendall(OK)

    peer = listen(answer_later)
    peer.may_answer = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(transport.send, post(peer.url), timeout_s=5)
        assert peer.reached.wait(5)
        transport.close()
        peer.may_answer.set()
        assert call.result(5).body == b"ok"


def test_a_dropped_transport_leaves_nothing(listen: Start, post: Post) -> None:
    peer = listen(echo)
    transport = Transport(idle_s=0.02)
    transport.send(post(peer.url), timeout_s=100)
    thread = transport._reaper._thread
    assert thread is not None
    del transport
    gc.collect()
    assert peer.reached.wait(5)
    thread.join(5)
    assert not thread.is_alive()


def test_connections_beyond_what_is_kept_are_closed(listen: Start, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_KEPT_CONNECTIONS", 1)
    together = threading.Barrier(2)

    def answer_together(peer: Any, sock: socket.socket) -> None:
        while peer.read_request(sock):
            together.wait(5)
            sock.sendall(OK)

    small = Transport()
    peer = listen(answer_together)
    for _ in range(2):
        with ThreadPoolExecutor(2) as threads:
            calls = [threads.submit(small.send, post(peer.url), timeout_s=5) for _ in range(2)]
            assert [call.result(5).body for call in calls] == [b"ok", b"ok"]
    small.close()
    assert peer.connections == 3


def test_direct_calls_share_one_transport(answering: Start, post: Post) -> None:
    peer = answering(OK)
    for _ in range(3):
        assert http.send(post(peer.url), timeout_s=5).body == b"ok"
    assert peer.connections == 1
    assert http.Transport is Transport
    http.transport.shared.close()


def test_importing_the_sdk_does_not_load_requests() -> None:
    probe = "import sys, deluge_sync.sdk.openai; print('requests' in sys.modules or 'urllib3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout == "False\n"
