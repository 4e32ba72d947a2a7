"""Keeps a panel on a terminal in one piece while the program prints and logs to the same terminal.

While a board is open, `sys.stdout`, `sys.stderr` and the log handlers that write to its terminal are replaced by an
`Above`, which puts complete lines above the panel. A stdout that goes into a file is left alone. Knows no rich.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Above", "Board", "Redirect", "unwrap"]


class Board(Protocol):
    """What an `Above` needs of the board it writes around."""

    def write_above(self, stream: TextIO, text: str) -> bool:
        """Put `text` above the panel; False where there is none any more."""

    def flush(self) -> None:
        """Show what was written of an unfinished line."""


class Above:
    """Stands for a text stream of the terminal that shows a panel; after the panel has gone it is that stream."""

    def __init__(self, stream: TextIO, board: Board) -> None:
        self.wrapped = stream
        self._board = board

    def write(self, text: str) -> int:
        if self._board.write_above(self.wrapped, text):
            return len(text)
        return self.wrapped.write(text)

    def writelines(self, texts: Iterator[str]) -> None:
        for text in texts:
            self.write(text)

    def flush(self) -> None:
        self._board.flush()
        self.wrapped.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


def unwrap(stream: Any) -> Any:
    """The stream itself, where an open board has put its `Above` over it."""
    return stream.wrapped if isinstance(stream, Above) else stream


class Redirect:
    """Replaces the program's streams to one terminal, and puts them back where they are still ours."""

    def __init__(self, terminal: TextIO, board: Board) -> None:
        self._terminal = terminal
        self._board = board
        self._streams: dict[str, TextIO] = {}
        self._handlers: list[tuple[logging.StreamHandler[Any], TextIO]] = []

    def start(self) -> None:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if _is_same_terminal(stream, self._terminal):
                self._replace(name, stream)

    def _replace(self, name: str, stream: TextIO) -> None:
        above = cast("TextIO", Above(stream, self._board))
        self._streams[name] = above
        setattr(sys, name, above)
        for handler in _handlers_of(stream):
            handler.setStream(above)
            self._handlers.append((handler, above))

    def stop(self) -> None:
        for name, above in self._streams.items():
            if getattr(sys, name) is above:
                setattr(sys, name, unwrap(above))
        for handler, above in self._handlers:
            if handler.stream is above:
                # Not setStream: it flushes first, and the stream may be broken. Assigning an attribute is atomic.
                handler.stream = unwrap(above)
        self._streams.clear()
        self._handlers.clear()


def _is_same_terminal(stream: Any, terminal: TextIO) -> bool:
    if stream is None or isinstance(stream, Above):
        return False
    try:
        return stream is terminal or (stream.isatty() and os.path.sameopenfile(stream.fileno(), terminal.fileno()))
    except (OSError, ValueError, AttributeError):
        return False


def _handlers_of(stream: TextIO) -> list[logging.StreamHandler[Any]]:
    """The handlers of any logger that write to exactly this stream."""
    named = list(logging.root.manager.loggerDict.values())  # a copy in one step: other threads make loggers
    loggers = [logging.root, *(logger for logger in named if isinstance(logger, logging.Logger))]
    handlers = {handler for logger in loggers for handler in logger.handlers}
    return [handler for handler in handlers if isinstance(handler, logging.StreamHandler) and handler.stream is stream]
