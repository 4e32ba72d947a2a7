"""What counts as a complete reply, in every framing, and what does not."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync._http import HttpRequest, Transport
from deluge_sync._http.body import MAX_REPLY_BYTES
from deluge_sync.errors import TransportError

Start = Callable[..., Any]
Post = Callable[..., HttpRequest]

MIB = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


COMPLETE = {
    "length": (reply(b"hello"), b"hello", True),
    "no body": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "chunked": (
        CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        b"hello",
        True,
    ),
    "gzip": (reply(gzip.compress(b"hello"), "Content-Encoding: gzip"), b"hello", True),
    "deflate": (reply(zlib.compress(b"hello"), "Content-Encoding: deflate"), b"hello", True),
    "closed": (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello", False),
    "asked to close": (reply(b"hello", "Connection: close"), b"hello", False),
    "after 100": (b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"hello"), b"hello", True),
    "after 103": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + reply(b"hello"), b"hello", True),
    "large": (reply(b"x" * 5 * MIB), b"x" * 5 * MIB, True),
}


@pytest.mark.parametrize(("sent", "body", "is_kept"), COMPLETE.values(), ids=COMPLETE)
def test_every_framing_is_read_to_its_end(
    sent: bytes, body: bytes, is_kept: bool, answering: Start, transport: Transport, post: Post
) -> None:
    peer = answering(sent, then_close=not is_kept)
    for _ in range(2):
        assert transport.send(post(peer.url), timeout_s=5).body == body
    assert peer.connections == (1 if is_kept else 2)


BROKEN = {
    "short body": reply(b"hello")[:-1],
    "short chunk": CHUNKED + b"ff\r\nhello",
    "no last chunk": CHUNKED + b"5\r\nhello\r\n",
    "chunk of no size": CHUNKED + b"zz\r\nhello\r\n",
    "not gzip": reply(b"hello", "Content-Encoding: gzip"),
    "half a gzip": reply(gzip.compress(b"hello" * 1000), "Content-Encoding: gzip")[:-20],
    "not http": b"220 mail.example ESMTP\r\n",
    "nothing": b"",
    "huge header": b"HTTP/1.1 200 OK\r\nx-a: " + b"a" * 70_000 + b"\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 200 + b"\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "an interim reply only": b"HTTP/1.1 103 Early Hints\r\n\r\n",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_anything_less_is_broken_and_may_have_been_billed(
    sent: bytes, answering: Start, transport: Transport, post: Post
) -> None:
    peer = answering(sent, then_close=True)
    with pytest.raises(TransportError) as caught:
        transport.send(post(peer.url), timeout_s=5)
    assert (caught.value.kind, caught.value.may_have_been_processed) == ("broken", True)
    assert len(peer.requests) == 1


def test_headers_that_are_cut_off_within_a_line_are_no_reply(
    answering: Start, transport: Transport, post: Post
) -> None:
    peer = answering(b"HTTP/1.1 200 OK\r\nContent-Ty", then_close=True)
    with pytest.raises(TransportError) as caught:
        transport.send(post(peer.url), timeout_s=5)
    assert caught.value.kind == "broken"


def test_headers_that_are_cut_off_after_a_line_give_an_empty_body(
    answering: Start, transport: Transport, post: Post
) -> None:
    """http.client takes the end of the connection for that of the headers; whoever reads the reply must refuse it."""
    peer = answering(b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n", then_close=True)
    assert transport.send(post(peer.url), timeout_s=5).body == b""


def test_header_names_are_lower_case_and_the_last_of_a_repeated_one_counts(
    answering: Start, transport: Transport, post: Post
) -> None:
    peer = answering(reply(b"", "Retry-After: 3", "X-Many: a", "x-many: b", status="429 Too Many Requests"))
    got = transport.send(post(peer.url), timeout_s=5)
    assert (got.status, got.headers["retry-after"], got.headers["x-many"]) == (429, "3", "b")


def test_the_request_arrives_as_it_was_given(answering: Start, transport: Transport, post: Post) -> None:
    peer = answering(reply(b""))
    transport.send(post(f"{peer.url}/v1/x?y=%20z", b'{"a": 1}', key="sk-abc"), timeout_s=5)
    transport.send(HttpRequest("GET", peer.url, {}), timeout_s=5)
    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/x?y=%20z HTTP/1.1\r\n")
    assert b"x-api-key: sk-abc" in head
    assert body == b'{"a": 1}'
    assert peer.requests[1].startswith(b"GET / HTTP/1.1\r\n")


def send_forever(prelude: bytes, chunk: bytes) -> Callable[[Any, socket.socket], None]:
    def script(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(prelude)
        while True:
            sock.sendall(chunk)

    return script


def test_a_reply_without_end_is_refused_at_the_cap(listen: Start, transport: Transport, post: Post) -> None:
    peer = listen(send_forever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * MIB))
    with pytest.raises(TransportError, match="67,108,864") as caught:
        transport.send(post(peer.url), timeout_s=20)
    assert (caught.value.kind, caught.value.may_have_been_processed) == ("too_large", True)


def test_a_reply_of_exactly_the_cap_passes(answering: Start, transport: Transport, post: Post) -> None:
    compressed = gzip.compress(bytes(MAX_REPLY_BYTES), 1)
    peer = answering(reply(compressed, "Content-Encoding: gzip"))
    assert len(transport.send(post(peer.url), timeout_s=20).body) == MAX_REPLY_BYTES
    assert peer.connections == 1


BOMB = """
import resource, sys
from deluge_sync._http import HttpRequest, Transport
from deluge_sync.errors import TransportError

def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

transport = Transport()
assert transport.send(HttpRequest("POST", sys.argv[1] + "/small", {}), timeout_s=20).body == b"x"
before = peak_kib()
try:
    transport.send(HttpRequest("POST", sys.argv[1], {}), timeout_s=20)
except TransportError as error:
    print(error.kind, (peak_kib() - before) // 1024)
"""


def test_a_bomb_is_refused_before_it_fills_the_memory(listen: Start) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeeze.compress(bytes(MIB)) for _ in range(300)) + squeeze.flush()

    def explode(peer: Any, sock: socket.socket) -> None:
        while request := peer.read_request(sock):
            small = b"/small" in request
            sock.sendall(reply(gzip.compress(b"x") if small else bomb, "Content-Encoding: gzip"))

    command = [sys.executable, "-c", BOMB, listen(explode).url]
    kind, grown_mib = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert kind == "too_large"
    assert int(grown_mib) < 90


@pytest.mark.parametrize(
    ("method", "body", "told"),
    [("POST", None, ["0"]), ("POST", b"", ["0"]), ("POST", b"ab", ["2"]), ("GET", None, []), ("DELETE", None, [])],
)
def test_the_length_is_told_wherever_a_body_could_be(
    method: str, body: bytes | None, told: list[str], answering: Start, transport: Transport
) -> None:
    peer = answering(reply(b"ok"))
    transport.send(HttpRequest(method, f"{peer.url}/x", {}, body), timeout_s=5)
    lines = peer.requests[0].partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    assert [line.partition(": ")[2] for line in lines if line.startswith("content-length")] == told
