"""HTTP/1.1 as bytes: reading one request from a buffered stream, writing the head of a reply.

A small reader of our own because the standard one parses headers as an e-mail, which costs a third of the provider's
throughput. Knows Content-Length and chunked bodies and `Expect: 100-continue`; nothing else is needed on loopback.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Incoming", "MalformedRequestError", "head_bytes", "read_request"]

_MAX_LINE_BYTES = 65_536
_MAX_HEADERS = 200
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class MalformedRequestError(ValueError):
    """The bytes are not HTTP/1.1; the connection cannot be used any further."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A whole request. `arrived` is `time.monotonic()` when its first line was there; header names are lower-case."""

    arrived: float
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


def read_request(stream: BinaryIO, send_continue: Callable[[], None]) -> Incoming | None:
    """The next request, or None when the client hung up, between requests or inside one.

    `send_continue` is called when the client waits for `100 Continue` before it sends the body.
    """
    line = stream.readline(_MAX_LINE_BYTES)
    arrived = time.monotonic()
    if not line.endswith(b"\n"):
        return None
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise MalformedRequestError(f"not an HTTP/1.1 request line: {line[:80]!r}")
    method, target, version = words
    headers = _read_headers(stream)
    if headers is None:
        return None
    if headers.get("expect", "").lower() == "100-continue":
        send_continue()
    body = _read_body(stream, headers)
    if body is None:
        return None
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
    return Incoming(arrived, method, target, headers, body, keep_alive)


def _read_headers(stream: BinaryIO) -> dict[str, str] | None:
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS):
        line = stream.readline(_MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            return None
        if line in (b"\r\n", b"\n"):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise MalformedRequestError("a header line without a colon")
        # Interned because a ledger of a million requests keeps a million copies of the same few headers.
        headers[sys.intern(name.strip().lower())] = sys.intern(value.strip())
    raise MalformedRequestError(f"more than {_MAX_HEADERS} headers")


def _read_body(stream: BinaryIO, headers: Mapping[str, str]) -> bytes | None:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _read_chunks(stream)
    length = _number(headers.get("content-length", "0"), base=10)
    body = stream.read(length) if length else b""
    return body if len(body) == length else None


def _read_chunks(stream: BinaryIO) -> bytes | None:
    parts: list[bytes] = []
    while True:
        line = stream.readline(_MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            return None
        size = _number(line.decode("latin-1").partition(";")[0], base=16)
        if size == 0:
            return b"".join(parts) if _read_headers(stream) is not None else None
        part = stream.read(size + 2)
        if len(part) != size + 2:
            return None
        parts.append(part[:-2])


def _number(text: str, *, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        number = -1
    if number < 0:
        raise MalformedRequestError(f"not a size: {text[:40]!r}")
    return number


def head_bytes(status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers, with a Date."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}", f"date: {formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
