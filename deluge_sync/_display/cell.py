"""One output of a notebook cell, changed in place: the display of notebooks that have no ipywidgets.

A text bar of tqdm would add its line again and again there, as in a pipe, and warn that widgets are missing.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

from IPython import display

from deluge_sync._display.wording import status_line, summary_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deluge_sync.tracker import Snapshot

__all__ = ["Cell"]

_PAUSE_S = 0.5


class Cell:
    """A line of plain text below the cell that runs. Sent again only when it reads differently."""

    def __init__(self, label: str, interval_s: float | None = None) -> None:
        self.pauses_s: Iterable[float] = itertools.chain((0.0,), itertools.repeat(interval_s or _PAUSE_S))
        self._label = label
        self._handle: Any = None
        self._shown = ""

    def show(self, snapshot: Snapshot) -> None:
        self._put(status_line(snapshot, self._label))

    def finish(self, snapshot: Snapshot) -> None:
        self._put(summary_line(snapshot, self._label))

    def abandon(self) -> None:
        """Nothing was taken."""

    def _put(self, text: str) -> None:
        if text == self._shown:
            return
        self._shown = text
        output = {"text/plain": text}
        if self._handle is None:
            self._handle = cast("Any", display).display(output, raw=True, display_id=True)
        else:
            self._handle.update(output, raw=True)
