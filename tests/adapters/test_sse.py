"""Server-sent events come out the same however the stream is cut. The table is from the standard's own rules."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deluge_sync._adapters import sse
from deluge_sync._adapters.sse import ServerEvent, SseDecoder
from deluge_sync.errors import ReplyFormatError


def plain(*data: bytes) -> list[ServerEvent]:
    return [ServerEvent(None, each) for each in data]


TABLE = {
    "line feeds": (b"data: a\n\ndata: b\n\n", plain(b"a", b"b")),
    "carriage returns": (b"data: a\r\rdata: b\r\r", plain(b"a", b"b")),
    "both": (b"data: a\r\n\r\ndata: b\r\n\r\n", plain(b"a", b"b")),
    "mixed": (b"data: a\n\r\ndata: b\r\n\rdata: c\r\n\n", plain(b"a", b"b", b"c")),
    "a line feed before a carriage return ends two lines": (b"data: a\n\rdata: b\n\n", plain(b"a", b"b")),
    "comments": (b": keep-alive\n\n:\n: x\ndata: a\n:data: b\n\n", plain(b"a")),
    "blank lines": (b"\n\n\r\n\r\ndata: a\n\n\n\n\n", plain(b"a")),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", plain(b"a")),
    "byte order mark before a blank line": (b"\xef\xbb\xbf\ndata: a\n\n", plain(b"a")),
    "a later byte order mark is part of a name": (b"data: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n", plain(b"a", b"c")),
    "no colon": (b"data\n\ndata: a\nid\nevent\n\n", [ServerEvent(None, b""), ServerEvent(None, b"a", "")]),
    "no space": (b"event:x\ndata:a\n\n", [ServerEvent("x", b"a")]),
    "one space only is taken away": (b"data:  a \ndata:\tb\n\n", plain(b" a \n\tb")),
    "colons in the value": (b'data: {"a": "b:c"}\n\n', plain(b'{"a": "b:c"}')),
    "several data lines": (b"data: a\ndata:\ndata: b\n\n", plain(b"a\n\nb")),
    "empty data": (b"data:\n\ndata: \n\n", plain(b"", b"")),
    "two empty lines of data": (b"data\ndata\n\n", plain(b"\n")),
    "no data is no event": (b"event: ping\n\ndata: a\n\n", plain(b"a")),
    "event": (b'event: message_stop\ndata: {"type":"message_stop"}\n\n', [
        ServerEvent("message_stop", b'{"type":"message_stop"}')
    ]),
    "the last event name counts": (b"event: x\nevent: y\ndata: a\n\ndata: b\n\n", [
        ServerEvent("y", b"a"), ServerEvent(None, b"b")
    ]),
    "id": (b"id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\n", [
        ServerEvent(None, b"a", "1"), ServerEvent(None, b"b", "1"), ServerEvent(None, b"c", "2")
    ]),
    "an id with a NUL is none": (b"id: 1\0\ndata: a\n\n", plain(b"a")),
    "retry and unknown fields": (b"retry: 10\nfoo: bar\nDATA: x\n data: y\ndata: a\n\n", plain(b"a")),
    "line ends of Unicode": ("data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\n\n".encode(), plain(
        "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg".encode()
    )),
    "bytes that are no UTF-8": (b"event: \xff\ndata: \xff\xe2\x80\n\n", [ServerEvent("\ufffd", b"\xff\xe2\x80")]),
    "the end mark of OpenAI": (b"data: {}\n\ndata: [DONE]\n\n", plain(b"{}", b"[DONE]")),
}  # fmt: skip

LEFT = {
    "nothing": (b"data: a\n\n", None),
    "nothing at all": (b"", None),
    "blank lines": (b"data: a\n\n\n\r\n", None),
    "a comment": (b"data: a\n\n: keep", None),
    "a whole comment": (b"data: a\n\n: keep-alive\n", None),
    "an id only": (b"data: a\n\nid: 2\n", None),
    "no blank line": (b"data: [DONE]\n", ServerEvent(None, b"[DONE]")),
    "no line end": (b"event: x\ndata: a\ndata: b", ServerEvent("x", b"a\nb")),
    "half a value": (b'data: {"a": ', ServerEvent(None, b'{"a": ')),
    "a name only": (b"data: a\n\nevent: error\n", ServerEvent("error", b"")),
    "half a name": (b"data: a\n\nda", ServerEvent(None, b"")),
}


def decode(pieces: list[bytes]) -> tuple[list[ServerEvent], ServerEvent | None]:
    decoder = SseDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events, decoder.close()


def cut(stream: bytes, points: set[int]) -> list[bytes]:
    ends = sorted({0, len(stream)} | {point % (len(stream) + 1) for point in points})
    return [stream[start:end] for start, end in pairwise(ends)]


@pytest.mark.parametrize(("stream", "events"), TABLE.values(), ids=TABLE)
def test_a_stream_is_read_as_the_standard_says(stream: bytes, events: list[ServerEvent]) -> None:
    assert decode([stream]) == (events, None)


@pytest.mark.parametrize(("stream", "events"), TABLE.values(), ids=TABLE)
def test_it_is_the_same_byte_by_byte_and_cut_in_two_anywhere(stream: bytes, events: list[ServerEvent]) -> None:
    assert decode([bytes([byte]) for byte in stream]) == (events, None)
    for point in range(len(stream) + 1):
        assert decode([stream[:point], b"", stream[point:]]) == (events, None), point


_LINES = st.lists(
    st.sampled_from([b"data: ", b"data:", b"event: x", b"id: 1", b":", b" ", b"\xef\xbb\xbf", "é\u2028".encode()])
    | st.sampled_from([b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"\n\n", b"\r\r"])
    | st.binary(max_size=6),
    max_size=30,
)


@given(_LINES.map(b"".join), st.sets(st.integers(0, 400)))
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", {8, 10})
def test_no_cut_changes_what_is_read(stream: bytes, points: set[int]) -> None:
    assert decode(cut(stream, points)) == decode([stream])


@given(st.lists(st.tuples(st.sampled_from([None, "x", "é"]), st.lists(st.text("ab \u2028é:"), min_size=1, max_size=3))))
def test_what_is_written_is_read(written: list[tuple[str | None, list[str]]]) -> None:
    stream = "".join(
        (f"event: {name}\r\n" if name else "") + "".join(f"data: {line}\r\n" for line in lines) + "\r\n"
        for name, lines in written
    )
    assert decode([stream.encode()]) == (
        [ServerEvent(name, "\n".join(lines).encode()) for name, lines in written],
        None,
    )


@pytest.mark.parametrize(("stream", "left"), LEFT.values(), ids=LEFT)
def test_an_event_that_was_cut_off_is_told_apart(stream: bytes, left: ServerEvent | None) -> None:
    events, rest = decode([stream])
    assert rest == left
    assert events == (plain(b"a") if stream.startswith(b"data: a\n\n") else [])


def test_an_event_comes_with_the_byte_that_ends_it() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\r\n") == []
    assert decoder.feed(b"\r") == plain(b"a")
    assert decoder.feed(b"\ndata: b\n\n") == plain(b"b")


@pytest.mark.parametrize(
    "endless",
    [[b"data: ", *[b"x" * 100] * 20], [b"data: " + b"x" * 10 + b"\n"] * 200, [b": "] * 1000],
    ids=["value", "data lines", "comment"],
)
def test_what_does_not_end_is_refused_at_the_cap(endless: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    with pytest.raises(ReplyFormatError, match="1,000 bytes"):
        decode(endless)


def test_the_cap_is_for_one_event_not_for_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    data = b"x" * 900
    assert decode([b": keep-alive\ndata: " + data + b"\n\n"] * 10) == (plain(*[data] * 10), None)
