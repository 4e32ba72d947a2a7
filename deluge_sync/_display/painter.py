"""The thread that shows progress while a call runs, and the promise that it never costs the call anything."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from deluge_sync._display import lines, wording
from deluge_sync._display.board import has_board
from deluge_sync._display.redirect import unwrap
from deluge_sync._display.surface import Kind, choose_surface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from deluge_sync.tracker import Snapshot

__all__ = ["Display", "Painter", "open_display"]

log = logging.getLogger(__name__)

_LEAVE_S = 2.0
_DEFAULT_LABEL = "deluge_sync"


class Display(Protocol):
    """One way to show progress. All of it runs in the painter's thread, and may raise."""

    @property
    def pauses_s(self) -> Iterable[float]:
        """The seconds to wait before each `show`."""

    def show(self, snapshot: Snapshot) -> None:
        """Bring what is shown up to date."""

    def finish(self, snapshot: Snapshot) -> None:
        """Leave the final state for good, and the stream as it was found."""

    def abandon(self) -> None:
        """The stream failed: give back whatever was taken, without relying on it."""


class Painter:
    """Drives one display in a daemon thread until `stop()`.

    A display that raises is given up with one warning; one that hangs in its stream is left behind after `leave_s`.
    """

    def __init__(
        self, make: Callable[[], Display], snapshot: Callable[[], Snapshot], *, leave_s: float = _LEAVE_S
    ) -> None:
        self._make = make
        self._snapshot = snapshot
        self._leave_s = leave_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deluge_sync-progress", daemon=True)

    def start(self) -> None:
        # An interpreter that ends while a daemon thread holds the lock of stderr aborts with a fatal error.
        atexit.register(self.stop)
        self._thread.start()

    def stop(self) -> None:
        """Let the display finish, for at most `leave_s`. Harmless when called again."""
        atexit.unregister(self.stop)
        if not self._is_over.is_set():
            self._is_over.set()
            self._thread.join(self._leave_s)
            if self._thread.is_alive():
                log.warning("the progress display hangs in its output and was left behind")

    def _run(self) -> None:
        try:
            display = self._make()
            try:
                self._drive(display)
            except BaseException:
                display.abandon()
                raise
        except (OSError, ValueError) as error:  # a stream that is broken, closed or cannot encode
            log.warning("the progress display was given up: %s", wording.plain(repr(error)))
        except Exception:  # a bug here must not cost an answer
            log.warning("the progress display failed", exc_info=True)

    def _drive(self, display: Display) -> None:
        for pause_s in display.pauses_s:
            if self._is_over.wait(pause_s):
                break
            display.show(self._snapshot())
        display.finish(self._snapshot())


@contextmanager
def open_display(
    kind: Kind,
    snapshot: Callable[[], Snapshot],
    *,
    label: str | None = None,
    stream: TextIO | None = None,
    interval_s: float | None = None,
) -> Iterator[None]:
    """Show progress until the block is left, then leave one line with the final state.

    `kind` is a wish: a pipe or a CI log gets plain lines, a notebook a tqdm bar (without ipywidgets one line that
    changes), and where another display owns the terminal this one fits in. `snapshot` is called in a thread of the
    display's own. `stream` is stderr if None. `interval_s` replaces the pauses of the kind: 0.2 s on a terminal, 5 s
    growing to a minute in a pipe, 30 s in a log.

    Never raises, and writes nothing once the block is left: a stream that fails costs one warning in the log, one
    that hangs two seconds.
    """
    found: TextIO | None = unwrap(stream if stream is not None else sys.stderr)
    name = wording.plain(label or "") or _DEFAULT_LABEL
    painter = Painter(lambda: _make_display(kind, found, name, interval_s), snapshot)
    painter.start()
    try:
        yield
    finally:
        painter.stop()


def _make_display(kind: Kind, stream: TextIO | None, label: str, interval_s: float | None) -> Display:
    surface = choose_surface(kind, stream, has_board=has_board(stream))
    if surface == "log" or stream is None:
        return lines.LogLines(label, interval_s)
    if surface == "lines":
        return lines.StreamLines(stream, label, interval_s)
    if surface == "cell":
        from deluge_sync._display import cell  # IPython, which runs this notebook

        return cell.Cell(label, interval_s)
    if surface == "bar":
        from deluge_sync._display import bar  # tqdm

        return bar.Bar(stream, label, interval_s)
    from deluge_sync._display import panel  # rich

    return panel.open_panel(stream, label, interval_s)
