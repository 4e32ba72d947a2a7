"""Reads replies that came in one piece, as most short ones do, without a file and its buffer: a third of the time.

Pure. Only plain replies are read, in the one way that can be meant; of all others `reply` knows the rules.
"""

from __future__ import annotations

from deluge_sync._http.message import HttpReply

__all__ = ["read_at_once"]

_MOST_HEADERS = 99
_BODILESS = frozenset({204, 304})
_FRAMED_OTHERWISE = frozenset({"transfer-encoding", "content-encoding"})


def read_at_once(data: bytes) -> HttpReply | None:
    """The reply that `data` is, if it is all of one that leaves its connection open; None where that is not plain."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("iso-8859-1").split("\r\n")
    has_one_meaning = head.count(b"\n") == head.count(b"\r") == len(lines) <= _MOST_HEADERS
    status = _status(first) if has_one_meaning else None
    headers = _headers(lines) if status is not None else None
    if status is None or headers is None or not _is_framed(headers, len(body)):
        return None
    return HttpReply(status, headers, body)


def _status(line: str) -> int | None:
    """That of a final reply that has a body."""
    version, digits, rest = line[:9], line[9:12], line[12:13]
    if version != "HTTP/1.1 " or not (digits.isascii() and digits.isdigit()) or rest not in ("", " "):
        return None
    status = int(digits)
    return status if 200 <= status < 600 and status not in _BODILESS else None


def _headers(lines: list[str]) -> dict[str, str] | None:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip() or name in headers:
            return None
        headers[name] = value.strip()
    return headers


def _is_framed(headers: dict[str, str], length: int) -> bool:
    """Whether the body has just the length that is told, and nothing else says where it ends."""
    stays = headers.get("connection", "keep-alive").lower() == "keep-alive"
    return stays and headers.get("content-length") == str(length) and _FRAMED_OTHERWISE.isdisjoint(headers)
