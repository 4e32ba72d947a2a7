"""`DiskCache`: answers in a directory that is kept below a size, on the package diskcache.

That package is loaded with this module, and not at the first answer: threads at work would load it while another forks,
and what it loads prepares itself for forks, which must not begin half-way through one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deluge_sync.cache import json_disk
from deluge_sync.cache.connections import Connections
from deluge_sync.cache.private_files import absolute, make_private_file
from deluge_sync.cache.shelf import Shelf
from deluge_sync.errors import ConfigError

__all__ = ["DiskCache"]

_BUSY_S = 5.0


class DiskCache(Shelf):
    """Answers in the directory `path`, for any number of threads and processes on one machine.

    The directory is made with mode 0700 when it is first used. When it holds more than `size_limit` bytes, the answers
    that were stored first are forgotten. Everything in it is JSON: a row that says that it is pickled is refused.
    `SqliteCache` is several times as fast.

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
        self._store: json_disk.TextCache | None = None
        self._opening = threading.Lock()
        self._writing = threading.Lock()  # one waits for the file's lock, in which nobody keeps a queue
        self._connections = Connections(self._connect)

    # diskcache raises some beside what SQLite and the file system do; KeyError for a setting it does not know.
    _troubles = (json_disk.Timeout, OSError, sqlite3.Error, KeyError, TypeError, ValueError)

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._opening = threading.Lock()
        self._writing = threading.Lock()
        self._store = None

    def clear(self) -> None:
        with self._at_work() as store:
            for place in self._places(store):
                store.delete(place, retry=True)

    def close(self) -> None:
        self._connections.close()

    def _read(self, place: str) -> object:
        with self._at_work() as store:
            self._rest_if_locked()
            return store.get(place)

    def _write(self, place: str, text: str) -> None:
        with self._writing, self._at_work() as store:
            self._rest_if_locked()
            store.set(place, text, expire=self.expire)

    def _measure(self) -> tuple[int | None, int | None]:
        with self._at_work() as store:
            return len(self._places(store)), store.volume()

    def _places(self, store: json_disk.TextCache) -> list[str]:
        return [place for place in store.iterkeys() if place.startswith(f"{self.cache_key}:")]

    @contextmanager
    def _at_work(self) -> Iterator[json_disk.TextCache]:
        with self._connections.one() as connection, self._made().on(connection) as store:
            yield store

    def _connect(self) -> sqlite3.Connection:
        self._rest_if_locked()
        return self._made().connect()

    def _made(self) -> json_disk.TextCache:
        with self._opening:  # making it writes: two threads would only wait for each other
            if self._store is None:
                self._store = self._make_store()
            return self._store

    def _make_store(self) -> json_disk.TextCache:
        make_private_file(self.path / json_disk.DBNAME)
        store = json_disk.TextCache(
            str(self.path),
            timeout=_BUSY_S,
            disk=json_disk.JsonDisk,
            size_limit=self.size_limit,
            eviction_policy="least-recently-stored",
            cull_limit=2,  # rows that go when one comes and there is no room; its usual ten may be all there are
            statistics=0,
        )
        store.close()  # the connection it was made with
        return store

    def _is_locked(self, error: Exception) -> bool:
        return isinstance(error, json_disk.Timeout) or "locked" in str(error)

    def __repr__(self) -> str:
        return f"DiskCache({str(self.path)!r}, {self.cache_key!r})"


def _checked_size(size_limit: Any) -> int:
    if not isinstance(size_limit, int) or isinstance(size_limit, bool) or size_limit <= 0:
        raise ConfigError(f"size_limit must be a positive number of bytes (int); got {size_limit!r:.80}")
    return size_limit
