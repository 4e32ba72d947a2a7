"""AWS event streams come out the same however they are cut, and as botocore's own decoder reads them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deluge_sync._adapters import aws_event_stream
from deluge_sync._adapters.aws_event_stream import AwsEvent, AwsEventDecoder
from deluge_sync.errors import ReplyFormatError

Header = tuple[int, bytes]
"""The number of its type, and its value as it is sent."""

# From the test cases that AWS gives to writers of decoders: the smallest message there is.
EMPTY = bytes.fromhex("00000010 00000000 05c248eb 7d98c8ff")


def text(value: str) -> Header:
    data = value.encode()
    return 7, struct.pack(">H", len(data)) + data


def frame(headers: bytes, payload: bytes, *, total: int | None = None) -> bytes:
    start = struct.pack(">II", 16 + len(headers) + len(payload) if total is None else total, len(headers))
    start += struct.pack(">I", zlib.crc32(start))
    return start + headers + payload + struct.pack(">I", zlib.crc32(start + headers + payload))


def message(headers: Mapping[str, Header], payload: bytes = b"") -> bytes:
    names = {name: name.encode() for name in headers}
    written = [
        bytes([len(names[name])]) + names[name] + bytes([kind]) + value for name, (kind, value) in headers.items()
    ]
    return frame(b"".join(written), payload)


def event(name: str, payload: bytes) -> bytes:
    return message(
        {":event-type": text(name), ":content-type": text("application/json"), ":message-type": text("event")}, payload
    )


CONVERSE = [event("messageStart", b'{"role":"assistant"}'), event("contentBlockDelta", b'{"delta":{"text":"hi"}}')]
READ = [AwsEvent("messageStart", b'{"role":"assistant"}'), AwsEvent("contentBlockDelta", b'{"delta":{"text":"hi"}}')]
THROTTLED = message(
    {":exception-type": text("throttlingException"), ":message-type": text("exception")}, b'{"message":"slow down"}'
)
FAILED = message({":message-type": text("error"), ":error-code": text("InternalError"), ":error-message": text("oh é")})

TABLE = {
    "nothing": (b"", []),
    "the smallest message": (EMPTY, [AwsEvent(None, b"")]),
    "two events": (b"".join(CONVERSE), READ),
    "an exception after an event": (
        CONVERSE[0] + THROTTLED,
        [READ[0], AwsEvent(None, b'{"message":"slow down"}', "throttlingException")],
    ),
    "an error": (FAILED, [AwsEvent(None, b"", "InternalError", "oh é")]),
    "an exception without a type": (
        message({":message-type": text("exception")}),
        [AwsEvent(None, b"", "unknown")],
    ),
    "an error without a code": (message({":message-type": text("error")}), [AwsEvent(None, b"", "unknown")]),
    "no message type": (message({":event-type": text("ping")}), [AwsEvent("ping", b"")]),
    "headers of every type": (
        message(
            {
                "t": (0, b""),
                "f": (1, b""),
                "byte": (2, b"\xff"),
                "short": (3, b"\xff" * 2),
                "int": (4, b"\xff" * 4),
                "long": (5, b"\xff" * 8),
                "bytes": (6, b"\0\3abc"),
                "time": (8, b"\0" * 8),
                "uuid": (9, b"\7" * 16),
                ":event-type": text("last"),
            },
            b"x",
        ),
        [AwsEvent("last", b"x")],
    ),
}


def decode(*pieces: bytes) -> tuple[list[AwsEvent], bool]:
    decoder = AwsEventDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)], decoder.close()


@pytest.fixture(scope="module")
def judge() -> Any:
    return pytest.importorskip("botocore.eventstream")


def judged(judge: Any, stream: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Each message of a stream as botocore reads it: headers and payload."""
    buffer = judge.EventStreamBuffer()
    buffer.add_data(stream)
    return [(message.headers, message.payload) for message in buffer]


@pytest.mark.parametrize(("stream", "events"), TABLE.values(), ids=TABLE)
def test_a_stream_is_read_whole_and_cut_anywhere(stream: bytes, events: list[AwsEvent]) -> None:
    assert decode(stream) == (events, True)
    assert decode(*[bytes([byte]) for byte in stream]) == (events, True)
    for point in range(len(stream)):
        assert decode(stream[:point], stream[point:]) == (events, True)


@pytest.mark.parametrize(("stream", "events"), TABLE.values(), ids=TABLE)
def test_botocore_reads_the_same(stream: bytes, events: list[AwsEvent], judge: Any) -> None:
    for (headers, payload), ours in zip(judged(judge, stream), events, strict=True):
        assert payload == ours.payload
        assert headers.get(":event-type") == ours.event_type
        assert headers.get(":error-message") == ours.error_message
        assert headers.get(":exception-type", headers.get(":error-code", ours.exception)) == ours.exception


_VALUES = (
    st.text(max_size=20).map(text)
    | st.binary(max_size=20).map(lambda value: (6, struct.pack(">H", len(value)) + value))
    | st.sampled_from([(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)]).flatmap(
        lambda kind: st.binary(min_size=kind[1], max_size=kind[1]).map(lambda value: (kind[0], value))
    )
)
_NAMES = st.sampled_from([":event-type", ":message-type", ":exception-type"]) | st.text(min_size=1, max_size=20)
_MESSAGES = st.lists(
    st.builds(message, st.dictionaries(_NAMES, _VALUES, max_size=5), st.binary(max_size=50)), max_size=4
)


@given(_MESSAGES, st.sets(st.integers(0, 500)))
def test_any_messages_cut_anywhere_are_what_botocore_reads(judge: Any, messages: list[bytes], points: set[int]) -> None:
    stream = b"".join(messages)
    ends = sorted({0, len(stream)} | {point % (len(stream) + 1) for point in points})
    events, is_whole = decode(*[stream[start:end] for start, end in pairwise(ends)])
    told = judged(judge, stream)
    assert is_whole
    assert [ours.payload for ours in events] == [payload for _, payload in told]
    assert [ours.exception is not None for ours in events] == [
        headers.get(":message-type") in {"exception", "error"} for headers, _ in told
    ]


@given(st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_never_read(judge: Any, place: int, change: int) -> None:
    stream = bytearray(CONVERSE[0])
    stream[place % len(stream)] ^= change
    decoder = AwsEventDecoder()
    with pytest.raises(ReplyFormatError, match="checksum"):
        decoder.feed(bytes(stream))
    with pytest.raises(judge.ParserError):
        judged(judge, bytes(stream))


def test_what_came_before_the_damage_is_kept() -> None:
    damaged = CONVERSE[1][:-1] + b"\0"
    decoder = AwsEventDecoder()
    assert decoder.feed(CONVERSE[0] + damaged) == READ[:1]
    assert decoder.close() is False
    for _ in range(2):
        with pytest.raises(ReplyFormatError, match="checksum"):
            decoder.feed(CONVERSE[1])


UNREADABLE = {
    "a header without a value": b"\1a",
    "a name that goes beyond the end": b"\7a",
    "a value that goes beyond the end": b"\1a\7\0\5abc",
    "half a number": b"\1a\4\0\0",
    "half a length": b"\1a\7\0",
    "a type that does not exist": b"\1a\12",
    "a name that is no UTF-8": b"\1\xff\7\0\1a",
    "a value that is no UTF-8": b"\1a\7\0\1\xff",
}


@pytest.mark.parametrize("headers", UNREADABLE.values(), ids=UNREADABLE)
def test_headers_that_cannot_be_read_are_told(headers: bytes) -> None:
    with pytest.raises(ReplyFormatError, match="headers"):
        AwsEventDecoder().feed(frame(headers, b""))


@pytest.mark.parametrize("total", [0, 15, 17, aws_event_stream.MAX_MESSAGE_BYTES + 1, 2**32 - 1])
def test_a_length_that_cannot_be_is_refused_at_once(total: int) -> None:
    with pytest.raises(ReplyFormatError, match="length"):
        AwsEventDecoder().feed(frame(b"\1a", b"", total=total)[:12])


def test_a_stream_that_ends_within_a_message_is_told() -> None:
    for end in range(1, len(CONVERSE[1])):
        assert decode(CONVERSE[0] + CONVERSE[1][:end]) == (READ[:1], False)
