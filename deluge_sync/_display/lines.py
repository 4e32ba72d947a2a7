"""Progress where nothing can be redrawn: plain lines into a pipe or a CI log, or records into `logging`."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, TextIO

from deluge_sync._display.wording import status_line, summary_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deluge_sync.tracker import Snapshot

__all__ = ["LogLines", "StreamLines", "encodable"]

progress_log = logging.getLogger("deluge_sync.progress")

_LOG_PAUSE_S = 30.0
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0


class LogLines:
    """One INFO record of the logger `deluge_sync.progress` every 30 s, and one at the end."""

    def __init__(self, label: str, interval_s: float | None = None) -> None:
        self._label = label
        self.pauses_s: Iterable[float] = itertools.repeat(interval_s or _LOG_PAUSE_S)

    def show(self, snapshot: Snapshot) -> None:
        progress_log.info("%s", status_line(snapshot, self._label))

    def finish(self, snapshot: Snapshot) -> None:
        progress_log.info("%s", summary_line(snapshot, self._label))

    def abandon(self) -> None:
        """Nothing was taken."""


class StreamLines:
    """Lines without control characters, less and less often: a short run shows its end, a long one does not flood."""

    def __init__(self, stream: TextIO, label: str, interval_s: float | None = None) -> None:
        self._stream = stream
        self._label = label
        self.pauses_s: Iterable[float] = itertools.repeat(interval_s) if interval_s else _growing_pauses()

    def show(self, snapshot: Snapshot) -> None:
        self._write(status_line(snapshot, self._label))

    def finish(self, snapshot: Snapshot) -> None:
        self._write(summary_line(snapshot, self._label))

    def abandon(self) -> None:
        """Nothing was taken."""

    def _write(self, line: str) -> None:
        self._stream.write(encodable(line, self._stream) + "\n")
        self._stream.flush()


def encodable(text: str, stream: TextIO) -> str:
    """`text` with a `?` for what the stream's encoding lacks, which would raise under LANG=C."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _growing_pauses() -> Iterator[float]:
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
