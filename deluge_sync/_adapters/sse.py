"""Server-sent events out of the bytes of a stream, whatever pieces they come in.

A pure decoder: it reads nothing, waits for nothing and does not know what the events mean. The stream readers of the
wire formats feed it the chunks that the transport hands over.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation (read 2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass

from deluge_sync.errors import ReplyFormatError

__all__ = ["MAX_EVENT_BYTES", "ServerEvent", "SseDecoder"]

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Of one event, and of one line. An event may hold a whole image in base64, or repeat the whole answer at its end."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. `data` is its `data:` lines joined with a line feed; `event` is None where the stream names none.

    `id` is the last one that the stream has given up to here, in this event or before it; None if it gave none.
    """

    event: str | None
    data: bytes
    id: str | None = None


class SseDecoder:
    """Feed it every chunk of one stream, in order. For one thread."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._may_begin_with_bom = True
        self._skips_line_feed = False
        self._id: str | None = None
        self._start_event()

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that `chunk` completes. How the stream is cut into chunks makes no difference to the events.

        Raises:
            ReplyFormatError: one event or line exceeds `MAX_EVENT_BYTES`.
        """
        if self._skips_line_feed and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skips_line_feed = False
        events: list[ServerEvent] = []
        for piece in chunk.splitlines(keepends=True):  # of bytes: at CR, LF and CRLF, and nowhere else
            self._line += piece
            self._check_size(len(self._line))
            if piece.endswith((b"\n", b"\r")):
                self._end_line(events)
        # A CR ends its line at once. If the next chunk shows it to be half of a CRLF, the LF is no line of its own.
        self._skips_line_feed = self._skips_line_feed or chunk.endswith(b"\r")
        return events

    def close(self) -> ServerEvent | None:
        """What the end of the stream cut off, or None if it ended between two events. To be called once, at the end.

        By the standard an event without the blank line that ends it does not count, and a reader that cannot tell
        whole data from half must drop it. Some servers leave out the last blank line.
        """
        line = self._take_line()
        is_within_line = bool(line) and not line.startswith(b":")
        self._read_field(line)
        if not (is_within_line or self._data or self._event):
            return None
        return self._take_event()

    def _end_line(self, events: list[ServerEvent]) -> None:
        line = self._take_line()
        if line:
            self._read_field(line)
        elif self._data:
            events.append(self._take_event())
        else:  # without a `data:` line there is no event, whatever else was said
            self._start_event()

    def _take_line(self) -> bytes:
        line = bytes(self._line).rstrip(b"\r\n")
        self._line.clear()
        if self._may_begin_with_bom:
            line, self._may_begin_with_bom = line.removeprefix(_BOM), False
        return line

    def _read_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data_bytes += len(value) + 1
            self._check_size(self._data_bytes)
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")

    def _take_event(self) -> ServerEvent:
        event = ServerEvent(self._event or None, b"\n".join(self._data), self._id)
        self._start_event()
        return event

    def _start_event(self) -> None:
        self._event = ""
        self._data: list[bytes] = []
        self._data_bytes: int = 0

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > MAX_EVENT_BYTES:
            raise ReplyFormatError(f"an event of the stream exceeds {MAX_EVENT_BYTES:,} bytes")
