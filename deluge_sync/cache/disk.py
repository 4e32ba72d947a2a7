"""`DiskCache`: answers in a directory that is kept below a size, on the package diskcache."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deluge_sync.cache.fork_gate import ForkGate
from deluge_sync.cache.private_files import absolute, make_private_file
from deluge_sync.cache.shelf import Shelf
from deluge_sync.errors import ConfigError

__all__ = ["DiskCache"]

_BUSY_S = 5.0
_MOST_AT_ONCE = 8


class DiskCache(Shelf):
    """Answers in the directory `path`, for any number of threads and processes on one machine.

    The directory is made with mode 0700 when it is first used. When it holds more than `size_limit` bytes, the answers
    that were stored first are forgotten. Everything in it is JSON: a row that says that it is pickled is refused. Each
    thread that uses it holds two or three open files; `SqliteCache` needs fewer, and is several times as fast.

    Args:
        path, cache_key, expire: see `Shelf`.
        size_limit: bytes, of all that is in the directory.

    Raises:
        ConfigError: an argument cannot work.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        cache_key: str = "default",
        size_limit: int = 10 * 2**30,
        expire: float | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(cache_key, expire=expire, clock=clock)
        self.path: Path = absolute(path)
        self.size_limit = _checked_size(size_limit)
        self._store: Any = None
        self._opening = threading.Lock()
        self._gate = ForkGate(_MOST_AT_ONCE)

    # diskcache raises these two beside what SQLite and the file system do; KeyError for a setting it does not know.
    _troubles = (OSError, sqlite3.Error, KeyError, TypeError, ValueError)

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._opening = threading.Lock()
        self._store = None

    def clear(self) -> None:
        with self._gate:
            store = self._open()
            for place in self._places(store):
                store.delete(place, retry=True)

    def close(self) -> None:
        """Let go of the files of this thread; those of others are closed when they end."""
        with self._opening:
            if self._store is not None:
                self._store.close()

    def _read(self, place: str) -> object:
        with self._gate:
            self._rest_if_locked()
            return self._open().get(place)

    def _write(self, place: str, text: str) -> None:
        with self._gate:
            self._rest_if_locked()
            self._open().set(place, text, expire=self.expire)

    def _measure(self) -> tuple[int | None, int | None]:
        with self._gate:
            store = self._open()
            return len(self._places(store)), store.volume()

    def _places(self, store: Any) -> list[str]:
        return [place for place in store.iterkeys() if place.startswith(f"{self.cache_key}:")]

    def _open(self) -> Any:
        with self._opening:  # opening writes: two threads would only wait for each other
            if self._store is None:
                self._store = self._make_store()
            return self._store

    def _make_store(self) -> Any:
        from deluge_sync.cache import json_disk  # diskcache is loaded when such a cache is used

        make_private_file(self.path / json_disk.DBNAME)
        return json_disk.Cache(
            str(self.path),
            timeout=_BUSY_S,
            disk=json_disk.JsonDisk,
            size_limit=self.size_limit,
            eviction_policy="least-recently-stored",
            cull_limit=2,  # rows that go when one comes and there is no room; its usual ten may be all there are
            statistics=0,
        )

    def _is_locked(self, error: Exception) -> bool:
        return type(error).__name__ == "Timeout" or "locked" in str(error)

    def __repr__(self) -> str:
        return f"DiskCache({str(self.path)!r}, {self.cache_key!r})"


def _checked_size(size_limit: Any) -> int:
    if not isinstance(size_limit, int) or isinstance(size_limit, bool) or size_limit <= 0:
        raise ConfigError(f"size_limit must be a positive number of bytes (int); got {size_limit!r:.80}")
    return size_limit
