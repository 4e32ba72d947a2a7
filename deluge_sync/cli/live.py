"""An answer shown while it arrives. A terminal gets no escape sequences of the model; a pipe or a file gets its text.

`ask` writes through it. Escape sequences may come in pieces, so what might become one is held back until it is known.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TextIO

__all__ = ["EscapeFilter", "LiveAnswer"]

# ECMA-48: a control sequence (CSI), a string (OSC, DCS, SOS, PM, APC) with its end, or two characters and more.
_INTRODUCER = re.compile(r"[\x1b\x90\x98\x9b\x9d-\x9f]")
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"
)
_BEGUN = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*\x1b?"
    r"|\x1b[ -/]*"
)
_LONGEST = 4_096  # a string without an end must not hide the rest of the answer
_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class EscapeFilter:
    """Takes text in pieces and gives it back without anything that steers a terminal; line ends and tabs stay."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be shown by now."""
        text, self._held = self._held + text, ""
        shown, place = [], 0
        while found := _INTRODUCER.search(text, place):
            shown.append(text[place : found.start()])
            if sequence := _SEQUENCE.match(text, found.start()):
                place = sequence.end()
            elif len(text) - found.start() <= _LONGEST and _BEGUN.fullmatch(text, found.start()):
                self._held = text[found.start() :]
                return _visible("".join(shown))
            else:
                place = found.start() + 1  # it introduces nothing
        return _visible("".join(shown) + text[place:])

    def end(self) -> str:
        """What was held back and came to nothing."""
        held, self._held = self._held, ""
        return _visible(held)


class LiveAnswer:
    """Writes an answer to `stream` piece by piece.

    Raises:
        BrokenPipeError: from `write` and `end`, when the reader went away.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._filter = EscapeFilter() if stream.isatty() else None
        self._is_at_line_start = True

    def write(self, text: str) -> None:
        """Show the next piece."""
        self._put(text if self._filter is None else self._filter.feed(text))

    def end(self) -> None:
        """Show what was held back, and end the last line."""
        if self._filter is not None:
            self._put(self._filter.end())
        if not self._is_at_line_start:
            self._put("\n")

    def _put(self, text: str) -> None:
        if text:
            self._is_at_line_start = text.endswith("\n")
            try:
                self._stream.write(text)
            except UnicodeEncodeError as error:  # half a surrogate pair, or a terminal without UTF-8
                self._stream.write(text.encode(error.encoding, "replace").decode(error.encoding))
            self._stream.flush()


def _visible(text: str) -> str:
    return "".join(char for char in text if char in "\n\t" or not _steers(char))


def _steers(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or char in _DIRECTIONS
