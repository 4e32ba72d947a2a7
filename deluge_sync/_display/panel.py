"""The "rich" display: a panel at the bottom of the terminal. Layout is rich's, placing is `board`'s.

`rich.live` is not used: it shows one display a process, hides the cursor, sends stdout to stderr even where stdout
is a file, and wraps and recolours what the program prints meanwhile.
"""

from __future__ import annotations

import io
import itertools
import os
from math import ceil
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel as Frame
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from deluge_sync._display.board import TerminalBoard, join_board, leave_board
from deluge_sync._display.lines import StreamLines
from deluge_sync._display.wording import cost, duration, errors, of_limit, plain, share, summary_line, tokens_of_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from deluge_sync._display.painter import Display
    from deluge_sync.tracker import Snapshot

__all__ = ["Panel", "open_panel", "reflows", "render"]

_PAUSE_S = 0.2
# Laying out a panel takes a millisecond or two. Nobody watches a long run that closely.
_QUICK_FRAMES = 100
_LATER_PAUSE_S = 0.5
_WIDE_COLUMNS = 72
_SPINNER = "|/-\\"
_ROWS_BESIDE_FACTS = 4  # the frame, the bar and the errors


def open_panel(stream: TextIO, label: str, interval_s: float | None = None) -> Display:
    """A panel on the terminal behind `stream`, or plain lines on a console that has no escape sequences."""
    console = _console(stream)
    if console.legacy_windows:
        return StreamLines(stream, label, interval_s)
    return Panel(stream, console, label, interval_s)


def _console(stream: TextIO) -> Console:
    """Lays out for `stream` without ever touching it.

    Rich meets a broken pipe by pointing the process's stdout at /dev/null and leaving the thread with `SystemExit`.
    """
    sheet = io.TextIOWrapper(io.BytesIO(), encoding=getattr(stream, "encoding", None) or "utf-8")
    return Console(file=sheet, force_terminal=True, force_jupyter=False)


class Panel:
    """One panel on the board of its terminal. `console` only lays it out; nothing is written through it."""

    def __init__(self, stream: TextIO, console: Console, label: str, interval_s: float | None = None) -> None:
        self.pauses_s: Iterable[float] = itertools.repeat(interval_s) if interval_s else _growing_pauses()
        self._stream = stream
        self._console = console
        self._label = label
        self._board: TerminalBoard | None = None

    def show(self, snapshot: Snapshot) -> None:
        board = self._board or self._join()
        width, height = board.room()
        board.show(self, render(self._console, snapshot, self._label, width=width, height=height))

    def finish(self, snapshot: Snapshot) -> None:
        board = self._board or self._join()
        board.remove(self, summary_line(snapshot, self._label))
        leave_board(board)

    def abandon(self) -> None:
        if self._board is not None:
            self._board.drop(self)
            leave_board(self._board)

    def _join(self) -> TerminalBoard:
        self._board = join_board(self, self._make_board, self._stream)
        return self._board

    def _make_board(self) -> TerminalBoard:
        return TerminalBoard(self._stream, self._size, reflows=reflows(os.environ))

    def _size(self) -> tuple[int, int]:
        """Columns and rows of the very terminal written to; rich asks the standard streams, which may be another."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns, rows = 0, 0
        return (columns, rows) if columns and rows else (self._console.width, self._console.height)


def render(console: Console, snapshot: Snapshot, label: str, *, width: int, height: int) -> list[str]:
    """The panel as lines of at most `width` columns; a single line where `height` has no room for it."""
    facts, columns = _facts(snapshot), 1 if width < _WIDE_COLUMNS else 2
    has_room = height >= _ROWS_BESIDE_FACTS + ceil(len(facts) / columns)
    renderable = _panel(snapshot, facts, label, columns=columns) if has_room else _progress(snapshot)
    with console.capture() as capture:
        console.print(renderable, width=width, no_wrap=True, overflow="ellipsis", crop=True)
    return capture.get().rstrip("\n").split("\n")


def _growing_pauses() -> Iterator[float]:
    yield 0.0
    yield from itertools.repeat(_PAUSE_S, _QUICK_FRAMES)
    yield from itertools.repeat(_LATER_PAUSE_S)


def reflows(env: Mapping[str, str]) -> bool:
    """Whether a terminal breaks its lines anew when its window shrinks. Xterm, GNU screen and the console cut them."""
    return not env.keys() & {"XTERM_VERSION", "STY"} and env.get("TERM") != "linux"


def _panel(snapshot: Snapshot, facts: Sequence[Text], label: str, *, columns: int) -> RenderableType:
    """Always the same rows at the same width, so that nothing jumps."""
    table = Table.grid(*[Column(ratio=1, no_wrap=True) for _ in range(columns)], padding=(0, 1), expand=True)
    for row in itertools.zip_longest(*[iter(facts)] * columns, fillvalue=Text()):
        table.add_row(*row)
    last = _fact("errors", errors(snapshot), "red" if snapshot.failed else "")
    return Frame(Group(_progress(snapshot), table, last), title=Text(plain(label)), title_align="left", box=box.ROUNDED)


def _progress(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(Column(ratio=1, no_wrap=True), Column(no_wrap=True), padding=(0, 1), expand=True)
    grid.add_row(_bar(snapshot), Text(f"{share(snapshot)}  {_time(snapshot)}", no_wrap=True))
    return grid


def _bar(snapshot: Snapshot) -> RenderableType:
    if snapshot.total is None:
        return Text(_SPINNER[int(snapshot.elapsed_s * 5) % len(_SPINNER)] + " running")
    return ProgressBar(total=snapshot.total or 1, completed=snapshot.finished)


def _time(snapshot: Snapshot) -> str:
    return duration(snapshot.elapsed_s) if snapshot.total is None else f"{duration(snapshot.left_s)} left"


def _facts(snapshot: Snapshot) -> list[Text]:
    limits = snapshot.limits
    tokens = f"{snapshot.total_tokens - snapshot.output_tokens:,} in, {snapshot.output_tokens:,} out"
    waiting = f"{snapshot.queued:,}" + (f", paused {duration(snapshot.paused_s)}" if snapshot.paused_s else "")
    return [
        _fact("requests/min", of_limit(snapshot.requests_last_minute, limits.requests_per_minute)),
        _fact("tokens/min", tokens_of_limit(snapshot)),
        _fact("in flight", of_limit(snapshot.in_flight, limits.concurrency)),
        _fact("queued", waiting),
        _fact("retried", f"{snapshot.retried:,} ({snapshot.rate_limited:,} rate limited)"),
        _fact("from cache", f"{snapshot.local_cache_hits:,}"),
        _fact("tokens", tokens),
        _fact("cost", cost(snapshot)),
    ]


def _fact(name: str, value: str, style: str = "") -> Text:
    return Text.assemble((f"{name:<13}", "dim"), (value, style), no_wrap=True, overflow="ellipsis")
