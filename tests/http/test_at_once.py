"""What is read of a reply in one piece is what the long way reads of it, or nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deluge_sync._http import HttpReply, HttpRequest, Leash
from deluge_sync._http.at_once import read_at_once
from deluge_sync._http.body import receive
from deluge_sync._http.leash import leashed
from deluge_sync._http.reply import PlainReply, Reply
from deluge_sync.errors import TransportError
from tests.http.conftest import FlightTransport

Start = Callable[..., Any]
Post = Callable[..., HttpRequest]

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Id: a: b \r\nContent-Length: 2\r\n\r\n{}"


def read_the_long_way(data: bytes) -> tuple[HttpReply | TransportError, bool]:
    """What the long way makes of `data` and the end after it, and whether the connection could be used again."""
    ours, peers = socket.socketpair()
    with ours, peers:
        peers.sendall(data)
        peers.shutdown(socket.SHUT_WR)
        leash, given_back = Leash(inf), list[bool]()
        with leashed(leash):
            reply = Reply(ours, method="POST")
            reply.begin()
            plain = PlainReply(reply, lambda: given_back.append(True), lambda: None)
            return receive(plain, leash, None, most_bytes=10**6), bool(given_back) and not ours.recv(1)


def test_a_plain_reply_is_read() -> None:
    headers = {"content-type": "application/json", "x-id": "a: b", "content-length": "2"}
    assert read_at_once(PLAIN) == HttpReply(200, headers, b"{}")
    assert (read_the_long_way(PLAIN)) == (HttpReply(200, headers, b"{}"), True)


NOT_PLAIN = {
    "nothing": b"",
    "half a head": PLAIN[:40],
    "half a body": PLAIN[:-1],
    "more than the body": PLAIN + b"H",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
    "no body": PLAIN.replace(b"200 OK", b"204 No Content"),
    "older": PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "other status": PLAIN.replace(b"200 OK", b"2000 OK"),
    "closes": PLAIN.replace(b"X-Id: a", b"Connection: close"),
    "in chunks": PLAIN.replace(b"X-Id: a: b", b"Transfer-Encoding: chunked"),
    "packed": PLAIN.replace(b"X-Id: a: b", b"Content-Encoding: gzip"),
    "no length": PLAIN.replace(b"Content-Length", b"X-Length"),
    "two lengths": PLAIN.replace(b"X-Id: a: b", b"Content-Length: 2"),
    "odd length": PLAIN.replace(b"Length: 2", b"Length: +2"),
    "folded": PLAIN.replace(b"X-Id", b" X-Id"),
    "no colon": PLAIN.replace(b"X-Id: a: b", b"X-Id"),
    "a bare line end": PLAIN.replace(b"200 OK", b"200 \nOK"),
    "bare line ends": PLAIN.replace(b"X-Id: a", b"X-Id: a\nX-More: c"),
    "too many headers": PLAIN.replace(b"X-Id: a: b", b"\r\n".join(b"x-%d: y" % n for n in range(100))),
}


@pytest.mark.parametrize("data", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_anything_else_is_left_to_the_long_way(data: bytes) -> None:
    assert read_at_once(data) is None


WORDS = [b"HTTP/1.1 ", b"HTTP/1.0 ", b"200", b"503", b" OK", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"a", b"\xff"]
LINES = [b"Content-Length: 2", b"content-length:2 ", b"Content-Length: 02", b"connection: Keep-Alive", b"x-a: b"]
ENDS = [b"\r\n\r\n", b"{}", b"\r\nTransfer-Encoding: chunked\r\n", b"Connection: upgrade\r\n"]
PIECES = st.sampled_from([*WORDS, *(line + b"\r\n" for line in LINES), *ENDS])


@settings(max_examples=1_000, deadline=None)
@given(st.integers(0, len(PLAIN)), st.integers(0, 30), st.lists(PIECES, max_size=6).map(b"".join))
def test_what_is_read_at_once_is_what_the_long_way_reads(at: int, replaced: int, inserted: bytes) -> None:
    data = PLAIN[:at] + inserted + PLAIN[at + replaced :]
    reply = read_at_once(data)
    if reply is not None:
        assert read_the_long_way(data) == (reply, True)


@pytest.mark.parametrize("cut_at", range(0, len(PLAIN), 7))
def test_a_reply_in_two_pieces_is_read_whole(cut_at: int, listen: Start, post: Post) -> None:
    def answer(peer: Any, sock: socket.socket) -> None:
        while peer.read_request(sock):
            sock.sendall(PLAIN[:cut_at])
            peer.reached.wait(0.02 if cut_at else 0)
            sock.sendall(PLAIN[cut_at:])

    peer, transport = listen(answer), FlightTransport()
    for _ in range(3):
        assert transport.send(post(peer.url), timeout_s=5).body == b"{}"
    transport.close()
    assert (transport.flights, peer.connections) == (2, 1)


def test_a_reply_that_is_too_large_is_refused_also_in_one_piece(answering: Start, post: Post) -> None:
    peer, transport = answering(PLAIN), FlightTransport()
    transport.send(post(peer.url), timeout_s=5)
    transport._most_bytes = 1
    with pytest.raises(TransportError, match="exceeds 1 bytes"):
        transport.send(post(peer.url), timeout_s=5)
    transport.close()
    assert transport.flights == 1
