"""Messages of an AWS event stream as bytes: what `application/vnd.amazon.eventstream` bodies are made of.

    total length, length of headers, CRC-32 of these two | headers | payload | CRC-32 of all before

Source: https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html (read 2026-11).
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MEDIA_TYPE", "event_message", "exception_message"]

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_JSON = "application/json"
_STRING = 7
_FRAME_BYTES = 16


def event_message(name: str, document: Mapping[str, Any]) -> bytes:
    """An ordinary event."""
    headers = {":event-type": name, ":content-type": _JSON, ":message-type": "event"}
    return _message(headers, json.dumps(document).encode())


def exception_message(name: str, document: Mapping[str, Any]) -> bytes:
    """What ends a stream that goes wrong, such as `throttlingException`."""
    headers = {":exception-type": name, ":content-type": _JSON, ":message-type": "exception"}
    return _message(headers, json.dumps(document).encode())


def _message(headers: Mapping[str, str], payload: bytes) -> bytes:
    head = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    start = struct.pack(">II", _FRAME_BYTES + len(head) + len(payload), len(head))
    guarded = start + struct.pack(">I", zlib.crc32(start)) + head + payload
    return guarded + struct.pack(">I", zlib.crc32(guarded))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">BH", _STRING, len(value)) + value
