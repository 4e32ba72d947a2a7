from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


class Terminal(io.StringIO):
    """A text stream that says it is a terminal, and tells when it was written to."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self.wrote = threading.Event()
        self.writes = 0

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        self.writes += 1
        written = super().write(text)
        self.wrote.set()
        return written


_TOKEN = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[[\d;]*m|([\r\n])|([^\x1b\r\n]+)")


def _screen(output: str) -> list[str]:
    """The rows a terminal shows after `output`; understands just the sequences that a panel needs."""
    rows, row, column = [""], 0, 0
    for count, command, control, text in (match.groups() for match in _TOKEN.finditer(output)):
        if command == "A":
            row = max(0, row - int(count or 1))
        elif command == "K":
            rows[row] = rows[row][:column]
        elif command == "J":
            rows[row] = rows[row][:column]
            del rows[row + 1 :]
        elif control == "\r":
            column = 0
        elif control == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif text:
            rows[row] = rows[row][:column].ljust(column) + text + rows[row][column + len(text) :]
            column += len(text)
    return [line.rstrip() for line in rows]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("CI", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def pipe() -> Terminal:
    return Terminal(is_terminal=False)


@pytest.fixture
def screen() -> Callable[[str], list[str]]:
    return _screen
