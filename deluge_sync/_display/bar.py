"""The "tqdm" display: one bar, of widgets in a notebook, that nests below the bars a program already shows."""

from __future__ import annotations

import itertools
import os
import threading
from typing import TYPE_CHECKING, Any, TextIO, cast

from tqdm.auto import tqdm

from deluge_sync._display.lines import encodable
from deluge_sync._display.redirect import Redirect
from deluge_sync._display.wording import cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from deluge_sync.tracker import Snapshot

__all__ = ["Bar"]

_PAUSE_S = 0.2
_UNTOLD_SIZE = (80, 24)


class Bar:
    """A tqdm bar of finished prompts; its time left follows the recent rate (tqdm's moving average)."""

    def __init__(self, stream: TextIO, label: str, interval_s: float | None = None) -> None:
        self.pauses_s: Iterable[float] = itertools.chain((0.0,), itertools.repeat(interval_s or _PAUSE_S))
        self._stream = _Deferring(stream)
        self._label = label
        self._bar: tqdm[Any] | None = None
        self._prints = _PrintsAbove(self._stream)

    def show(self, snapshot: Snapshot) -> None:
        bar = self._open(snapshot) if self._bar is None else self._bar  # a bar is falsy, or refuses bool()
        if bar.total != snapshot.total:
            self._change_total(bar, snapshot.total)
        bar.set_postfix_str(_postfix(snapshot), refresh=False)
        if not bar.update(snapshot.finished - bar.n):
            bar.refresh()
        self._stream.check()

    def finish(self, snapshot: Snapshot) -> None:
        self.show(snapshot)
        self._prints.close()
        if self._bar is not None:
            # A bar below others closes on the line of the first: both lines are cleared for it.
            self._bar.clear()
            if self._stream.wrapped.isatty():
                self._stream.write("\r\x1b[K")
            self._bar.close()
        self._stream.check()

    def abandon(self) -> None:
        """Close the bar without a trace: one that is only dropped would keep its row while something refers to it."""
        self._prints.redirect.stop()
        self._stream.mute()
        if self._bar is not None:
            self._bar.close()

    def _open(self, snapshot: Snapshot) -> tqdm[Any]:
        columns, rows = _UNTOLD_SIZE if _has_no_size(self._stream.wrapped) else (None, None)
        self._bar = tqdm(
            total=snapshot.total, desc=self._label, unit="", file=cast("TextIO", self._stream), ncols=columns,
            nrows=rows, dynamic_ncols=columns is None, leave=True, mininterval=0, miniters=1,
        )  # fmt: skip
        if self._stream.wrapped.isatty():
            self._prints.redirect.start()
        return self._bar

    @staticmethod
    def _change_total(bar: tqdm[Any], total: int | None) -> None:
        """`reset` is the one way that also reaches the widgets of a notebook; it would start the time anew."""
        started, finished = bar.start_t, bar.n
        bar.reset(total)
        bar.total = total
        bar.start_t, bar.n = started, finished


def _has_no_size(stream: TextIO) -> bool:
    """Whether it is a terminal that does not tell its size, as in some containers. Tqdm would show an empty line."""
    try:
        return os.get_terminal_size(stream.fileno()).columns == 0
    except (OSError, ValueError):
        return False


def _postfix(snapshot: Snapshot) -> str:
    words = [
        (snapshot.failed, f"{snapshot.failed:,} failed"),
        (snapshot.retried, f"{snapshot.retried:,} retried"),
        (True, cost(snapshot)),
    ]
    return ", ".join(text for is_shown, text in words if is_shown)


class _Deferring:
    """A stream whose errors wait for `check()`.

    tqdm holds one lock for all bars of the process while it writes, and never lets go of it if the write raises: the
    program's own bars would then hang. Equal to the stream it wraps, by which tqdm knows the bars of one terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.wrapped = stream
        self._error: Exception | None = None
        self._is_muted = False

    def mute(self) -> None:
        """From now on nothing reaches the stream."""
        self._is_muted = True

    def write(self, text: str) -> int:
        self._attempt(lambda: self.wrapped.write(text))
        return len(text)

    def flush(self) -> None:
        self._attempt(self.wrapped.flush)

    def _attempt(self, act: Callable[[], object]) -> None:
        if self._error is None and not self._is_muted:
            try:
                act()
            except (OSError, ValueError) as error:
                self._error = error

    def check(self) -> None:
        """Raise what went wrong since the last look."""
        if self._error is not None:
            raise self._error

    def __eq__(self, other: object) -> bool:
        return self.wrapped is (other.wrapped if isinstance(other, _Deferring) else other)

    def __hash__(self) -> int:
        return hash(self.wrapped)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


class _PrintsAbove:
    """What the program prints meanwhile, line by line above all bars. The lock guards the unfinished line."""

    def __init__(self, stream: _Deferring) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._unfinished = ""
        self.redirect = Redirect(stream.wrapped, self)

    def write_above(self, stream: TextIO, text: str) -> bool:  # noqa: ARG002 (all go to the one terminal)
        with self._lock:
            complete, newline, self._unfinished = (self._unfinished + text).rpartition("\n")
        if newline:
            self._write(complete + newline)
        return True

    def flush(self) -> None:
        """An unfinished line waits for its end: there is no place for it beside the bars."""

    def close(self) -> None:
        self.redirect.stop()
        with self._lock:
            rest, self._unfinished = self._unfinished, ""
        if rest:
            self._write(rest + "\n")

    def _write(self, text: str) -> None:
        with tqdm.external_write_mode(file=cast("TextIO", self._stream)):
            self._stream.write(encodable(text, self._stream.wrapped))
