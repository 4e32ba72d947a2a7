"""How `DiskCache` stores: texts and nothing else. diskcache itself unpickles whatever a row says is pickled, which runs
what was put there by anybody who can write to the directory (CVE-2025-69872; its own JSONDisk does so too).

A row that says so, or that names a file outside the directory, is refused before anything is read.

diskcache also gives each thread a connection of its own, which outlives the thread until a garbage collector finds it,
and takes it along into forked children. Here a thread uses the one that it was lent, for one call (see `connections`).
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, Final, Self

from diskcache import Cache, Disk, Timeout  # type: ignore[import-untyped]  # it has no types
from diskcache.core import DBNAME, MODE_RAW, MODE_TEXT, UNKNOWN  # type: ignore[import-untyped]

from deluge_sync.errors import ConfigError

__all__ = ["DBNAME", "JsonDisk", "TextCache", "Timeout"]

# Those of diskcache's settings that belong to a connection and not to the file.
_PRAGMAS: Final = ("cache_size = 8192", "mmap_size = 67108864", "synchronous = NORMAL")

# What `Disk.filename` makes.
_FILENAME: Final = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")


class TextCache(Cache):  # type: ignore[misc]  # diskcache has no types
    """diskcache's cache on connections that any thread may be lent. Everything is to be done inside of `on`.

    timeout: seconds to wait for whoever has locked the file.
    """

    def __init__(self, directory: str, *, timeout: float, **settings: Any) -> None:
        self._patience_s = timeout
        super().__init__(directory, timeout=timeout, **settings)

    def connect(self) -> sqlite3.Connection:
        """A new connection for `on`. Raises what SQLite raises."""
        connection = self._bare_connection()
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @contextmanager
    def on(self, connection: sqlite3.Connection) -> Iterator[Self]:
        """What this thread does with the cache meanwhile, it does on this connection."""
        self._local.con = connection
        try:
            yield self
        finally:
            self._local.con = None

    @property
    def _con(self) -> sqlite3.Connection:
        # Where diskcache asks for its connection. It has been lent none while the cache is made; it waits for locks
        # itself then, again and again, and sets on the connection what it wants.
        if getattr(self._local, "con", None) is None:
            self._local.con = self._bare_connection()
        connection: sqlite3.Connection = self._local.con
        return connection

    @property
    def _sql_retry(self) -> Callable[..., sqlite3.Cursor]:
        # How diskcache executes what SQLite itself waits for no lock with. Its own goes on for a minute.
        execute, give_up_at = self._con.execute, monotonic() + self._patience_s

        def execute_patiently(*statement: Any) -> sqlite3.Cursor:
            while True:
                try:
                    return execute(*statement)
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error) or monotonic() >= give_up_at:
                        raise
                sleep(0.01)

        return execute_patiently

    def _bare_connection(self) -> sqlite3.Connection:
        path = os.path.join(self.directory, DBNAME)  # noqa: PTH118  (as diskcache does)
        return sqlite3.connect(path, timeout=self.timeout, isolation_level=None, check_same_thread=False)


class JsonDisk(Disk):  # type: ignore[misc]  # diskcache has no types
    """Keys and values are texts. Raises `ConfigError` for everything else, on the way in and on the way out."""

    def put(self, key: object) -> tuple[str, bool]:
        if not isinstance(key, str):
            raise ConfigError(f"a key of this cache is a text, not a {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if not raw or not isinstance(key, str):
            raise ConfigError("a row of the cache has a key that is not of ours, so it is not read")
        return key

    def store(self, value: object, read: object, key: object = UNKNOWN) -> Any:
        if read or not isinstance(value, str):
            raise ConfigError(f"a value of this cache is a text, not a {type(value).__name__}")
        size, mode, filename, in_row = super().store(value, False, key=key)
        if filename is not None:
            os.chmod(os.path.join(self._directory, filename), 0o600)  # noqa: PTH101,PTH118  (as diskcache does)
        return size, mode, filename, in_row

    def fetch(self, mode: object, filename: object, value: object, read: object) -> str:
        if mode not in (MODE_RAW, MODE_TEXT) or read:
            raise ConfigError(f"a row of the cache is no text (mode {mode!r}), so it is not read: it may run code")
        if mode == MODE_TEXT:
            value = super().fetch(mode, _checked(filename), None, False)
        if not isinstance(value, str):
            raise ConfigError(f"a row of the cache holds a {type(value).__name__} and no text")
        return value

    def remove(self, file_path: object) -> None:
        super().remove(_checked(file_path))


def _checked(filename: object) -> str:
    if not isinstance(filename, str) or not _FILENAME.fullmatch(filename):
        raise ConfigError("a row of the cache names a file that is not of ours, so it is neither read nor deleted")
    return filename
