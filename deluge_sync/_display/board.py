"""Places lines at the bottom of a terminal and redraws them in place, below whatever else is printed.

One board per terminal, shared by all panels on it, so that two clients in two threads show one above the other.
It never hides the cursor and changes no mode: there is nothing to restore when the process is killed.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, TextIO

from deluge_sync._display.lines import encodable
from deluge_sync._display.redirect import Redirect
from deluge_sync._display.wording import columns_of, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["TerminalBoard", "has_board", "join_board", "leave_board"]

_CLEAR_LINE = "\x1b[K"
_CLEAR_BELOW = "\x1b[J"
_UNBOUNDED = 2**31

# The boards on show by the id of their stream, which each board keeps alive.
_boards: dict[int, TerminalBoard] = {}
_boards_lock = threading.Lock()


class TerminalBoard:
    """The lines at the bottom of one terminal.

    `reflows` says that the terminal breaks lines anew when it is made narrower, as nearly all do.

    The lock guards all attributes and also the writing itself: two writers would mix their cursor movements. Only
    display threads and the program's own prints take it, so a terminal that hangs holds up no request.
    """

    def __init__(self, stream: TextIO, size: Callable[[], tuple[int, int]], *, reflows: bool = True) -> None:
        self.stream = stream
        self._size = size
        self._reflows = reflows
        self._lock = threading.RLock()
        self._frames: dict[object, Sequence[str]] = {}
        self._unfinished: dict[int, str] = {}
        self._drawn_widths: list[int] = []
        self._is_open = True
        self.redirect = Redirect(stream, self)

    def room(self) -> tuple[int, int]:
        """Columns and rows for one panel. One column stays free, so that no line ever wraps."""
        columns, rows = self._size()
        return max(1, columns - 1), max(1, (rows - 1) // max(1, len(self._frames)))

    @property
    def has_panels(self) -> bool:
        return bool(self._frames)

    def add(self, panel: object) -> None:
        """Make room for `panel`; nothing is written yet."""
        with self._lock:
            self._frames[panel] = ()

    def show(self, panel: object, lines: Sequence[str]) -> None:
        """Replace what `panel` shows."""
        with self._lock:
            self._frames[panel] = lines
            if self._is_open:
                self._paint()

    def remove(self, panel: object, last_line: str) -> None:
        """Take the panel away and leave `last_line` above the others, for good."""
        with self._lock:
            self._frames.pop(panel, None)
            if self._is_open:
                self._paint(above=last_line + "\n")

    def drop(self, panel: object) -> None:
        """Forget the panel without writing anything."""
        with self._lock:
            self._frames.pop(panel, None)

    def write_above(self, stream: TextIO, text: str) -> bool:
        with self._lock:
            if not self._is_open:
                return False
            complete, newline, rest = (self._unfinished.get(id(stream), "") + text).rpartition("\n")
            # A bar that redraws its line by "\r" shows only what came last.
            self._unfinished[id(stream)] = rest.rpartition("\r")[2] or rest
            if newline:
                self._paint(above=complete + newline)
            return True

    def flush(self) -> None:
        with self._lock:
            if self._is_open and any(self._unfinished.values()):
                self._paint()

    def close(self) -> None:
        """Write out what is left of unfinished lines; from now on prints go to their streams directly."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                if rest := "".join(self._unfinished.values()):
                    self._write(self._to_top() + _CLEAR_BELOW + rest)

    def forget(self) -> None:
        """In a forked child: the panel, and whoever held the lock, are the parent's."""
        self._lock = threading.RLock()
        self._is_open = False

    def _paint(self, above: str = "") -> None:
        columns, rows = self._size()
        pending = [plain(text)[: columns - 1] for text in self._unfinished.values() if text]
        lines = [*pending, *(line for frame in self._frames.values() for line in frame)][-max(1, rows - 1) :]
        body = "".join(f"{line}{_CLEAR_LINE}\n" for line in lines)
        # Cleared first only where other text comes: rows that are overwritten in place do not flicker.
        start = self._to_top() + _CLEAR_BELOW + above if above else self._to_top()
        self._drawn_widths = [columns_of(line) for line in lines]
        self._write(start + body + _CLEAR_BELOW)

    def _to_top(self) -> str:
        """Moves the cursor to where the drawn lines begin, which have become more rows where the window shrank."""
        columns = max(1, self._size()[0]) if self._reflows else _UNBOUNDED
        rows = sum(max(1, -(-width // columns)) for width in self._drawn_widths)
        return f"\r\x1b[{rows}A" if rows else "\r"

    def _write(self, text: str) -> None:
        self.stream.write(encodable(text, self.stream))
        self.stream.flush()


def has_board(stream: TextIO | None) -> bool:
    """Whether a panel is on this stream now."""
    return id(stream) in _boards


def join_board(panel: object, make: Callable[[], TerminalBoard], stream: TextIO) -> TerminalBoard:
    """The board of this stream, made and put in place for the first panel on it."""
    with _boards_lock:
        board = _boards.get(id(stream))
        if board is None:
            board = _boards[id(stream)] = make()
            board.redirect.start()
        board.add(panel)
        return board


def leave_board(board: TerminalBoard) -> None:
    """Give the program its streams back when the last panel has gone."""
    with _boards_lock:
        if not board.has_panels and _boards.get(id(board.stream)) is board:
            del _boards[id(board.stream)]
            board.redirect.stop()
            board.close()


def _forget_boards() -> None:
    global _boards_lock
    _boards_lock = threading.Lock()  # the parent's may be held for ever
    for board in _boards.values():
        board.forget()
        board.redirect.stop()
    _boards.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_boards)
