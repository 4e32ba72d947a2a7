"""Reads replies: http.client's reader, told to the leash as it hears, with headers that are not parsed as e-mail.

`Reply` reads up to the body; `PlainReply` is what `body` takes it from. Used by `connection` and `transport`.
"""

from __future__ import annotations

import io
from http.client import SWITCHING_PROTOCOLS, HTTPException, HTTPResponse, IncompleteRead, LineTooLong, UnknownProtocol
from typing import TYPE_CHECKING, Any, BinaryIO

from urllib3 import HTTPResponse as DecodingResponse

from deluge_sync._http.leash import calling

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import BaseHTTPResponse

    from deluge_sync._http.leash import Leash

__all__ = ["PlainReply", "Reply"]

# The bounds of http.client.
_LONGEST_LINE = 65_536
_MOST_HEADERS = 100
_NO_BODY = frozenset({204, 304})


class Reply(HTTPResponse):
    """A reply as far as its headers: a dict, with names in lower case; a repeated header has its last value.

    http.client parses them as e-mail, which takes longer than everything else about a short reply, and hands out a 103
    (Early Hints) as the reply; here every interim reply is skipped.
    """

    headers: dict[str, str]  # type: ignore[assignment]  # http.client has a mail message there

    def __init__(self, sock: Any, *, method: str | None = None, begun: bytes = b"", **options: Any) -> None:
        """`begun` is what has been read of it."""
        super().__init__(sock, method=method, **options)
        if begun:
            self.fp = io.BufferedReader(_Resumed(begun, self.fp.detach()))

    def begin(self) -> None:
        """Read up to the body.

        Raises:
            HTTPException, OSError: what came is no reply.
        """
        version, status, reason = self._read_status()
        while 100 <= status < 200 and status != SWITCHING_PROTOCOLS:
            _read_headers(self.fp)
            version, status, reason = self._read_status()
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise UnknownProtocol(version)
        self.version = 10 if version in ("HTTP/1.0", "HTTP/0.9") else 11
        self.code, self.status, self.reason = status, status, reason.strip()
        self.headers = _read_headers(self.fp)
        self.msg = self.headers  # type: ignore[assignment]  # as above
        calling.leash.listen()
        self._frame()

    def read1(self, n: int = -1) -> bytes:
        data = super().read1(n)
        calling.leash.listen()
        return data

    def _read_status(self) -> tuple[str, int, str]:
        # The first read fills the buffer, and the line below is taken from there. http.client cannot tell afterwards
        # whether a connection that was reset had brought a byte.
        leash: Leash = calling.leash
        leash.has_reply_begun = leash.has_reply_begun or bool(self.fp.peek(1))
        status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # the stubs leave it out
        leash.listen()
        return status

    def _frame(self) -> None:
        """Where the body ends, by the rules of http.client."""
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = None if self.chunked else _length(self.headers.get("content-length"))
        if self.status in _NO_BODY or self.status < 200:
            self.length = 0
        is_open_ended = not self.chunked and self.length is None
        self.will_close = is_open_ended or self._check_close()  # type: ignore[attr-defined]  # the stubs leave it out


class _Resumed(io.RawIOBase):
    """A raw file of which the beginning has been read already."""

    def __init__(self, begun: bytes, rest: io.RawIOBase) -> None:
        self._begun = begun
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if not self._begun:
            return self._rest.readinto(buffer)
        taken, self._begun = self._begun[: len(buffer)], self._begun[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        self._rest.close()
        super().close()


class PlainReply:
    """A reply whose body is read as it comes: a file, and as much of urllib3's response as `body` needs.

    `give_back` is called when the body has ended and the connection can serve another call, `drop` otherwise.
    """

    def __init__(self, reply: Reply, give_back: Callable[[], None], drop: Callable[[], None]) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.closed = False
        self._reply = reply
        self._give_back = give_back
        self._drop = drop
        if reply.length == 0:
            self._end()

    def decoded(self) -> PlainReply | BaseHTTPResponse:
        """The same with its body decompressed, if that is compressed."""
        if "content-encoding" not in self.headers:
            return self
        # As much of a file as the decoder needs.
        body: Any = self
        return DecodingResponse(body, self.headers, self.status, preload_content=False, decode_content=False)

    def read1(self, amount: int = -1, *, decode_content: bool = False) -> bytes:  # noqa: ARG002  (nothing to decode)
        """What has arrived of the body, at most so many bytes; nothing at its end.

        Raises:
            HTTPException, OSError: it broke off.
        """
        if self.closed:
            return b""
        data = self._reply.read1(amount)
        if not data and self._reply.length:
            raise IncompleteRead(data, self._reply.length)
        if not data or self._reply.length == 0:
            self._end()
        return data

    read = read1

    def close(self) -> None:
        """Drop the connection, unless the body was read to its end."""
        if not self.closed:
            self.closed = True
            self._reply.close()
            self._drop()

    def _end(self) -> None:
        self.closed = True
        self._reply.close()
        if self._reply.will_close:
            self._drop()
        else:
            self._give_back()


def _length(told: str | None) -> int | None:
    """The bytes of a body; None where that is not told, or told wrongly."""
    return int(told) if told is not None and told.isascii() and told.isdigit() else None


def _read_headers(file: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    name = ""
    for _ in range(_MOST_HEADERS):
        line = file.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise LineTooLong("header line")
        text = line.decode("iso-8859-1").rstrip("\r\n")
        if not text:
            return headers
        if text[0] in " \t" and name:  # goes on with the line before
            headers[name] += text.rstrip()
            continue
        name, value = _header(text)
        if name == "content-length" and headers.get(name, value) != value:
            raise HTTPException("two lengths")
        headers[name] = value
    raise HTTPException("too many headers")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise HTTPException("headers that cannot be read")
    return name.lower(), value.strip()
