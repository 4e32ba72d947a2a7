"""SQLite connections for many threads: each is used by one at a time, a few serve them all, none crosses a fork.

SQLite forbids to carry a connection into a forked child, even unused: the child's later connections would take the
parent's locks for their own, and a log that is in use would be deleted. So they are closed before a fork.
Source: https://www.sqlite.org/howtocorrupt.html, 2.6 (read 2026-11).
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from deluge_sync.cache.fork_gate import ForkGate

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Connections"]

# A connection holds two or three open files, and a process may often have no more than 1024.
_MOST = 8


class Connections:
    """At most eight connections, made by `connect` when they are needed. Thread-safe.

    `connect` must open with `check_same_thread=False`.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        idle: deque[sqlite3.Connection] = deque()  # taken from and put back without a lock: both are atomic
        self._idle = idle
        self._gate = ForkGate(_MOST, lambda: _close_all(idle))

    def one(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection for this thread alone. After an error it is closed, and with that its transaction undone."""
        return _Loan(self._gate, self._idle, self._connect)

    def close(self) -> None:
        """Wait for what is under way, five seconds at most, and close what is idle."""
        self._gate.rest()

    def __del__(self) -> None:
        _close_all(self._idle)


class _Loan:
    """One connection from the idle ones, or a new one, and back. A class, as a generator costs as much as the query."""

    __slots__ = ("_connect", "_connection", "_gate", "_idle")

    def __init__(
        self, gate: ForkGate, idle: deque[sqlite3.Connection], connect: Callable[[], sqlite3.Connection]
    ) -> None:
        self._gate = gate
        self._idle = idle
        self._connect = connect

    def __enter__(self) -> sqlite3.Connection:
        self._gate.__enter__()
        try:
            self._connection = self._take()
        except BaseException:
            self._gate.__exit__()
            raise
        return self._connection

    def _take(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._idle.pop()
        return self._connect()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._idle.append(self._connection)
            else:
                self._connection.close()
        finally:
            self._gate.__exit__()


def _close_all(idle: deque[sqlite3.Connection]) -> None:
    while idle:
        with suppress(sqlite3.Error):
            idle.pop().close()
