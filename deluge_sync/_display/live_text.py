"""An answer shown while it arrives: plain text on standard output, whatever the model says."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from deluge_sync._display.wording import visible

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["LiveText"]


class LiveText:
    """Writes pieces of text without control characters, so that no escape sequence reaches the terminal.

    A stream that is closed or gone ends the showing, not the answer.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._is_at_line_start = True

    def write(self, text: str) -> None:
        """Show the next piece."""
        shown = visible(text)
        if shown:
            self._is_at_line_start = shown.endswith("\n")
            self._put(shown)

    def end(self) -> None:
        """Finish the last line."""
        if not self._is_at_line_start:
            self._put("\n")
            self._is_at_line_start = True

    def _put(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
