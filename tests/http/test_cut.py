"""A call can be cut from another thread at every stage, and a cut that comes late hurts nobody."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from time import monotonic
from typing import Any

import pytest
from urllib3.util import wait_for_write

from deluge_sync._http import HttpReply, HttpRequest, Leash, Transport, connection
from deluge_sync.errors import TransportError

Start = Callable[..., Any]
Post = Callable[..., HttpRequest]

WAKES_WITHIN_S = 0.05
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def leash() -> Leash:
    return Leash(monotonic() + 30)


@pytest.fixture
def assert_cut_wakes(leash: Leash, own_time: Callable[[], float]) -> Callable[..., None]:
    def cut(call: Future[HttpReply], *, may_have_been_processed: bool) -> None:
        assert not call.done()
        started = own_time()
        leash.cut("cancelled")
        error = call.exception(5)
        assert own_time() - started < WAKES_WITHIN_S
        assert isinstance(error, TransportError)
        assert (error.kind, error.may_have_been_processed) == ("cancelled", may_have_been_processed)

    return cut


@pytest.fixture
def start(transport: Transport, leash: Leash) -> Any:
    """Sends a request in another thread."""
    with ThreadPoolExecutor(1) as threads:
        yield lambda request: threads.submit(transport.send, request, timeout_s=30, leash=leash)


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nx-a", OK[:-1], OK[:17] + b"\r\nhalf of it"])
def test_while_the_reply_is_awaited(
    sent: bytes, is_tls: bool, listen: Start, tls: ssl.SSLContext, start: Start, post: Post, assert_cut_wakes: Start
) -> None:
    def stop_there(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(sent)
        peer.reached.set()
        peer.stopping.wait()

    peer = listen(stop_there, tls if is_tls else None)
    call = start(post(peer.url))
    assert peer.reached.wait(5)
    assert_cut_wakes(call, may_have_been_processed=True)


@pytest.mark.parametrize("is_tls", [False, True])
def test_while_the_request_is_sent(
    is_tls: bool, listen: Start, tls: ssl.SSLContext, start: Start, post: Post, assert_cut_wakes: Start
) -> None:
    def read_a_little(peer: Any, sock: socket.socket) -> None:
        sock.recv(100)
        peer.reached.set()
        peer.stopping.wait()

    peer = listen(read_a_little, tls if is_tls else None)
    call = start(post(peer.url, b"x" * 32_000_000))
    assert peer.reached.wait(5)
    assert_cut_wakes(call, may_have_been_processed=True)


def test_in_the_tls_handshake(listen: Start, start: Start, post: Post, assert_cut_wakes: Start) -> None:
    def read_the_hello(peer: Any, sock: socket.socket) -> None:
        sock.recv(1)
        peer.reached.set()
        peer.stopping.wait()

    peer = listen(read_the_hello)
    call = start(post(peer.url.replace("http:", "https:")))
    assert peer.reached.wait(5)
    assert_cut_wakes(call, may_have_been_processed=False)


def test_while_connecting(
    full_backlog: str, start: Start, post: Post, monkeypatch: pytest.MonkeyPatch, assert_cut_wakes: Start
) -> None:
    is_connecting = threading.Event()

    def tell(*args: Any) -> bool:
        is_connecting.set()
        return wait_for_write(*args)

    monkeypatch.setattr("deluge_sync._http.sockets.wait_for_write", tell)
    call = start(post(full_backlog))
    assert is_connecting.wait(5)
    assert_cut_wakes(call, may_have_been_processed=False)


def test_while_the_name_is_looked_up(
    start: Start, post: Post, monkeypatch: pytest.MonkeyPatch, assert_cut_wakes: Start
) -> None:
    is_asked, answer = threading.Event(), threading.Event()

    def hang(*_: Any, flags: int = 0, **__: Any) -> Any:
        if flags:
            raise socket.gaierror
        is_asked.set()
        answer.wait(10)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    call = start(post("http://slow.example"))
    assert is_asked.wait(5)
    try:
        assert_cut_wakes(call, may_have_been_processed=False)
    finally:
        answer.set()


def test_before_it_is_sent(answering: Start, transport: Transport, leash: Leash, post: Post) -> None:
    peer = answering(OK)
    leash.cut("cancelled")
    with pytest.raises(TransportError) as caught:
        transport.send(post(peer.url), timeout_s=5, leash=leash)
    assert (caught.value.kind, caught.value.may_have_been_processed) == ("cancelled", False)
    assert peer.connections == 0


def test_the_first_reason_stays(leash: Leash) -> None:
    leash.cut("cancelled")
    leash.cut("timeout")
    assert leash.cut_reason == "cancelled"


def test_a_cut_after_the_end_leaves_the_connection_to_the_next_call(
    listen: Start, transport: Transport, leash: Leash, post: Post
) -> None:
    def answer_when_cut(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(OK)
        peer.read_request(sock)
        leash.cut("cancelled")  # the second call waits on the connection that the first one had
        sock.sendall(OK)

    peer = listen(answer_when_cut)
    assert transport.send(post(peer.url), timeout_s=5, leash=leash).body == b"ok"
    assert transport.send(post(peer.url), timeout_s=5).body == b"ok"
    assert (peer.connections, len(peer.requests)) == (1, 2)


def test_the_leash_lets_go_before_the_connection_is_anyone_elses(
    answering: Start, transport: Transport, leash: Leash, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_when_put = []
    put = connection._Idle.put

    def look(idle: Any, item: Any, *, block: bool = False) -> None:
        if item is not None:
            held_when_put.append(leash._hang_up)
        put(idle, item, block=block)

    monkeypatch.setattr(connection._Idle, "put", look)
    assert transport.send(post(answering(OK).url), timeout_s=5, leash=leash).body == b"ok"
    assert held_when_put == [None]


def test_a_connection_that_was_cut_at_the_last_moment_is_not_used_again(
    answering: Start, transport: Transport, leash: Leash, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = answering(OK)
    take_back = Leash.take_back

    def cut_first(this: Leash) -> None:
        if this is leash:
            this.cut("cancelled")
        take_back(this)

    monkeypatch.setattr(Leash, "take_back", cut_first)
    with pytest.raises(TransportError, match="cut"):
        transport.send(post(peer.url), timeout_s=5, leash=leash)
    assert transport.send(post(peer.url), timeout_s=5).body == b"ok"
    assert (peer.connections, len(peer.requests)) == (2, 2)


def test_thousands_of_cuts_at_any_moment_hurt_nobody_else(listen: Start, transport: Transport, post: Post) -> None:
    """Half of the calls are cut around the time they end; the others share their connections and must not notice."""

    def echo(peer: Any, sock: socket.socket) -> None:
        while request := peer.read_request(sock):
            body = request.partition(b"\r\n\r\n")[2]
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    url = listen(echo).url
    being_cut: SimpleQueue[Leash | None] = SimpleQueue()

    def cut_all() -> None:
        while leash := being_cut.get():
            leash.cut("cancelled")

    def call(number: int) -> bool:
        body = b"%d" % number
        leash = Leash(monotonic() + 30)
        if number % 2:
            being_cut.put(leash)
        try:
            return transport.send(post(url, body), timeout_s=30, leash=leash).body == body
        except TransportError as error:
            return bool(number % 2) and error.kind == "cancelled"

    cutter = threading.Thread(target=cut_all)
    cutter.start()
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(call, range(3000)))
    being_cut.put(None)
    cutter.join()
    assert outcomes == [True] * 3000
