"""`SqliteCache`: answers in one SQLite file, for any number of threads and processes on one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from deluge_sync.cache.connections import Connections
from deluge_sync.cache.private_files import absolute, make_private_file
from deluge_sync.cache.shelf import Shelf
from deluge_sync.errors import ConfigError

__all__ = ["SqliteCache"]

_BUSY_S = 5.0
_IS_MADE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'deluge_answers'"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS deluge_answers (
    place TEXT PRIMARY KEY, cache_key TEXT NOT NULL, stored_at REAL NOT NULL, answer TEXT NOT NULL
)
"""


class SqliteCache(Shelf):
    """Answers in the SQLite file at `path`, which is made with mode 0600 when it is first used.

    Writers and readers of many threads and processes do not hinder each other (WAL mode). A stored answer survives a
    kill of the process; a crash of the machine may take the last ones. The file must not be on a network drive. A path
    that cannot be used costs a warning at the first prompt.

    Args:
        path, cache_key, expire: see `Shelf`. Answers that are too old are deleted when the file is opened.

    Raises:
        ConfigError: an argument cannot work.
    """

    _troubles = (ConfigError, OSError, sqlite3.Error)

    def __init__(
        self,
        path: str | os.PathLike[str],
        cache_key: str = "default",
        *,
        expire: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if str(path) in ("", ":memory:"):
            raise ConfigError(f"SqliteCache needs the path of a file; got {str(path)!r}")
        super().__init__(cache_key, expire=expire, clock=clock)
        self.path: Path = absolute(path)
        self._connections = Connections(self._connect)
        self._writing = threading.Lock()  # one waits for the file's lock, in which nobody keeps a queue

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._writing = threading.Lock()

    def clear(self) -> None:
        with self._connections.one() as connection:
            _change(connection, "DELETE FROM deluge_answers WHERE cache_key = ?", self.cache_key)

    def close(self) -> None:
        self._connections.close()

    def _read(self, place: str) -> object:
        with self._connections.one() as connection:
            self._rest_if_locked()
            row = connection.execute("SELECT answer FROM deluge_answers WHERE place = ?", (place,)).fetchone()
        return None if row is None else row[0]

    def _write(self, place: str, text: str) -> None:
        row = (place, self.cache_key, self._clock(), text)
        with self._writing, self._connections.one() as connection:
            self._rest_if_locked()
            _change(connection, "INSERT OR REPLACE INTO deluge_answers VALUES (?, ?, ?, ?)", *row)

    def _measure(self) -> tuple[int | None, int | None]:
        with self._connections.one() as connection:
            [entries] = connection.execute(
                "SELECT COUNT(*) FROM deluge_answers WHERE cache_key = ?", (self.cache_key,)
            ).fetchone()
            [pages] = connection.execute("PRAGMA page_count").fetchone()
            [page_bytes] = connection.execute("PRAGMA page_size").fetchone()
        return entries, pages * page_bytes

    def _connect(self) -> sqlite3.Connection:
        self._rest_if_locked()
        make_private_file(self.path)
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute(_IS_MADE).fetchone() is None:
            _change(connection, _SCHEMA)
        if self.expire is not None:
            limit = self._clock() - self.expire
            old = "FROM deluge_answers WHERE cache_key = ? AND stored_at <= ?"
            if connection.execute(f"SELECT 1 {old} LIMIT 1", (self.cache_key, limit)).fetchone():
                _change(connection, f"DELETE {old}", self.cache_key, limit)

    def _is_locked(self, error: Exception) -> bool:
        return _is_lock(error)

    def __repr__(self) -> str:
        return f"SqliteCache({str(self.path)!r}, {self.cache_key!r})"


def _use_wal(connection: sqlite3.Connection) -> None:
    """Turn on the write-ahead log. SQLite waits for no lock here, however long its timeout, so this does."""
    give_up_at = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not _is_lock(error) or time.monotonic() >= give_up_at:
                raise
        else:
            return
        time.sleep(0.01)


def _change(connection: sqlite3.Connection, statement: str, *values: object) -> None:
    """One statement in a transaction that takes the write lock at once: it waits then, and cannot fail half-way."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(statement, values)
    connection.execute("COMMIT")


def _is_lock(error: Exception) -> bool:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
