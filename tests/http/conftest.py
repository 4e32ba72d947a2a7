"""Shared by the transport's tests: servers that do exactly what a test scripts, byte by byte."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import takewhile
from pathlib import Path
from time import monotonic

import pytest

from deluge_sync._http import HttpReply, HttpRequest, Leash, Transport
from deluge_sync._secret import Secret

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Peer:
    """A server on loopback. `script(peer, sock)` runs in a thread for every connection, which is closed after it."""

    def __init__(self, script: Callable[[Peer, socket.socket], None], context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.reached = threading.Event()
        self.stopping = threading.Event()
        self._script = script
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="peer-accept")]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.port}"

    def read_request(self, sock: socket.socket) -> bytes:
        """One whole request, which is noted in `requests`; nothing when the client has gone."""
        with sock.makefile("rb") as stream:
            head = b"".join(takewhile(lambda line: line not in (b"", b"\r\n"), iter(stream.readline, None)))
            lines = head.lower().splitlines()
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            body = stream.read(length)
        if head:
            self.requests.append(head + b"\r\n" + body)
        return self.requests[-1] if head else b""

    def drip(self, sock: socket.socket, data: bytes) -> None:
        """`data` again and again, a byte every 20 ms, until the test or the client ends it."""
        while not self.stopping.is_set():
            for byte in data:
                sock.sendall(bytes([byte]))
                self.stopping.wait(0.02)

    def stop(self) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._serve, args=(sock,), name="peer-serve")
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        self._open.add(sock)
        try:
            with suppress(OSError):  # the client cut the connection, which is what many tests are about
                if self._context is not None:
                    plain, sock = sock, self._context.wrap_socket(sock, server_side=True)
                    self._open.discard(plain)
                    self._open.add(sock)
                self._script(self, sock)
        finally:
            self._open.discard(sock)
            sock.close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own proxies and certificates play no part."""
    for name in _PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def listen() -> Iterator[Callable[..., Peer]]:
    """Starts peers; all end with the test."""
    with ExitStack() as stack:

        def start(script: Callable[[Peer, socket.socket], None], context: ssl.SSLContext | None = None) -> Peer:
            peer = Peer(script, context)
            stack.callback(peer.stop)
            return peer

        yield start


@pytest.fixture
def answering(listen: Callable[..., Peer]) -> Callable[..., Peer]:
    """Starts a peer that answers every request with the same bytes, over TLS if it is given a context."""

    def start(reply: bytes, *, then_close: bool = False, context: ssl.SSLContext | None = None) -> Peer:
        def answer(peer: Peer, sock: socket.socket) -> None:
            while peer.read_request(sock):
                sock.sendall(reply)
                if then_close:
                    return

        return listen(answer, context)

    return start


class FlightTransport(Transport):
    """Sends in two halves whatever can be, as the engine does."""

    def __init__(self) -> None:
        super().__init__()
        self.flights = 0

    def send(self, request: HttpRequest, *, timeout_s: float, leash: Leash | None = None) -> HttpReply:
        flight = self.ready(request)
        if flight is None:
            return super().send(request, timeout_s=timeout_s, leash=leash)
        self.flights += 1
        flight.send(leash or Leash(monotonic() + timeout_s))
        if flight.fileno() >= 0:
            with selectors.DefaultSelector() as selector:
                selector.register(flight.fileno(), selectors.EVENT_READ)
                assert selector.select(60), "nobody told that the call was over"
        return flight.finish()


@pytest.fixture(params=[Transport, FlightTransport], ids=["whole", "in halves"])
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    transport: Transport = request.param()
    yield transport
    transport.close()


@pytest.fixture
def post() -> Callable[..., HttpRequest]:
    """Builds a request with a key in a header."""

    def build(url: str, body: bytes = b"{}", key: str = "sk-0123456789", **headers: str) -> HttpRequest:
        url = url if url.count("/") > 2 else f"{url}/v1/chat/completions"
        return HttpRequest("POST", url, {"x-api-key": Secret(key), **headers}, body)

    return build


@pytest.fixture
def tls(loopback_pem: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a peer needs to speak TLS; transports of this test trust it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(loopback_pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(loopback_pem)
    return context


@pytest.fixture
def full_backlog() -> Iterator[str]:
    """The URL of a server that accepts nothing and whose queue is full, so that connecting hangs."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
