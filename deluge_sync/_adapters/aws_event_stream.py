"""Messages out of the bytes of an `application/vnd.amazon.eventstream` body, whatever pieces they come in.

A pure decoder, as `sse` is: it does not know what the messages mean. Bedrock's stream reader feeds it. botocore has one
too, but with a bearer token nothing else of botocore is needed.

    total length, length of headers, CRC-32 of these two | headers | payload | CRC-32 of all before

Numbers are big-endian; the first three and the last take four bytes each.

Source: https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html and
https://smithy.io/2.0/aws/amazon-eventstream.html (read 2026-11).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from deluge_sync.errors import ReplyFormatError

__all__ = ["MAX_MESSAGE_BYTES", "AwsEvent", "AwsEventDecoder"]

MAX_MESSAGE_BYTES = 24 * 1024 * 1024
"""Of one message. AWS allows 24 MB of payload at most; a length beyond it means that this is something else."""

_PRELUDE = struct.Struct(">II")
_CRC = struct.Struct(">I")
_SIZE = struct.Struct(">H")
_START_BYTES = _PRELUDE.size + _CRC.size
_LEAST_BYTES = _START_BYTES + _CRC.size

_BYTES, _STRING = 6, 7
# By the number of a header's type: true, false, byte, short, integer, long, timestamp, UUID.
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


@dataclass(frozen=True, slots=True)
class AwsEvent:
    """One message. `event_type` names an ordinary one, `exception` one that says why the stream ends here.

    The payload of an exception is a JSON document of its own kind. An error that AWS has no document for is an
    exception too: then `exception` is its code, `error_message` its text and the payload is empty.
    """

    event_type: str | None
    payload: bytes
    exception: str | None = None
    error_message: str | None = None


class AwsEventDecoder:
    """Feed it every chunk of one stream, in order. For one thread."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[AwsEvent]:
        """The messages that `chunk` completes.

        Raises:
            ReplyFormatError: the bytes are no such stream, or were damaged on their way. Messages before the damage
                are given first, and nothing can be read after it: then every call raises.
        """
        self._rest += chunk
        events: list[AwsEvent] = []
        try:
            while (event := self._take_event()) is not None:
                events.append(event)
        except ReplyFormatError:
            if not events:
                raise
        return events

    def close(self) -> bool:
        """Whether the stream ended between two messages, as it should. To be called at its end."""
        return not self._rest

    def _take_event(self) -> AwsEvent | None:
        if len(self._rest) < _START_BYTES:
            return None
        total_bytes = _checked_length(bytes(self._rest[:_START_BYTES]))
        if len(self._rest) < total_bytes:
            return None
        event = _read_message(bytes(self._rest[:total_bytes]))
        del self._rest[:total_bytes]  # not before: a message that cannot be read stays where it is
        return event


def _checked_length(start: bytes) -> int:
    """The length of the whole message that begins with `start`."""
    _check(start)
    total_bytes, headers_bytes = _PRELUDE.unpack_from(start)
    if not _LEAST_BYTES + headers_bytes <= total_bytes <= MAX_MESSAGE_BYTES:
        raise ReplyFormatError(f"a message of the event stream claims a length of {total_bytes:,} bytes")
    return int(total_bytes)


def _check(guarded: bytes) -> None:
    """Compare the CRC at the end of `guarded` with what comes before it."""
    if zlib.crc32(guarded[: -_CRC.size]) != _CRC.unpack_from(guarded, len(guarded) - _CRC.size)[0]:
        raise ReplyFormatError("a message of the event stream is damaged: its checksum does not fit")


def _read_message(message: bytes) -> AwsEvent:
    _check(message)
    _, headers_bytes = _PRELUDE.unpack_from(message)
    payload_at = _START_BYTES + headers_bytes
    payload = message[payload_at : -_CRC.size]
    try:
        headers = _read_headers(message[_START_BYTES:payload_at])
    except (struct.error, IndexError, KeyError, UnicodeDecodeError):
        raise ReplyFormatError("a message of the event stream has headers that cannot be read") from None
    match headers.get(":message-type"):
        case "exception":
            return AwsEvent(None, payload, headers.get(":exception-type", "unknown"))
        case "error":
            return AwsEvent(None, payload, headers.get(":error-code", "unknown"), headers.get(":error-message"))
        case _:
            return AwsEvent(headers.get(":event-type"), payload)


def _read_headers(data: bytes) -> dict[str, str]:
    """The headers whose value is a string; nothing else is of use here."""
    headers: dict[str, str] = {}
    position = 0
    while position < len(data):
        name, position = _slice(data, position + 1, data[position])
        kind = data[position]
        if kind in (_BYTES, _STRING):
            (size,) = _SIZE.unpack_from(data, position + 1)
            value, position = _slice(data, position + 1 + _SIZE.size, size)
        else:
            value, position = _slice(data, position + 1, _FIXED_SIZES[kind])
        if kind == _STRING:
            headers[name.decode()] = value.decode()
    return headers


def _slice(data: bytes, start: int, size: int) -> tuple[bytes, int]:
    """`size` bytes from `start`, and where they end."""
    end = start + size
    if end > len(data):
        raise IndexError(end)
    return data[start:end], end
