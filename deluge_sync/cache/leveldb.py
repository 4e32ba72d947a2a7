"""`LevelDBCache`: answers in a LevelDB directory, on the package plyvel (the extra `leveldb`). For one process."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from deluge_sync.cache.private_files import absolute, make_private_directory
from deluge_sync.cache.shelf import Shelf
from deluge_sync.errors import ConfigError

__all__ = ["LevelDBCache"]


class LevelDBCache(Shelf):
    """Answers in the LevelDB directory `path`, for any number of threads of one process.

    LevelDB lets one process at a time open a directory; in a second one, and in a forked child of one that has used a
    LevelDB, the cache is off and a warning says so. LevelDB's files have the mode that the umask leaves, so it is the
    directory that keeps others out: made or found, it has mode 0700 from its first use on. One that holds anything
    else and is open to others is not touched, and the cache is off.

    Args:
        path: None is `deluge_sync/answers.leveldb` in the user's cache directory (`XDG_CACHE_HOME`, else `~/.cache`).
        cache_key, expire: see `Shelf`. Answers that are too old are never deleted, but replaced.

    Raises:
        ConfigError: plyvel is not installed, or an argument cannot work.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        cache_key: str = "default",
        *,
        expire: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(cache_key, expire=expire, clock=clock)
        self.path: Path = absolute(path if path is not None else _default_path())
        self._plyvel = _load_plyvel()
        self._troubles = (ConfigError, OSError, self._plyvel.Error)
        self._db: Any = None
        self._is_in_child = False
        self._opening = threading.Lock()

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._opening = threading.Lock()
        if self._db is not None:
            # LevelDB's own threads did not come along. Closing it, as forgetting it would do, might wait for them.
            _of_the_parent.append(self._db)
            self._db, self._is_in_child = None, True

    def clear(self) -> None:
        db = self._open()
        with db.write_batch() as batch:
            for place in db.iterator(prefix=self._prefix, include_value=False):
                batch.delete(place)

    def close(self) -> None:
        """Let another process have the directory."""
        with self._opening:
            db, self._db = self._db, None
        if db is not None:
            db.close()

    def _read(self, place: str) -> object:
        return self._open().get(place.encode())

    def _write(self, place: str, text: str) -> None:
        self._open().put(place.encode(), text.encode())

    def _measure(self) -> tuple[int | None, int | None]:
        entries = sum(1 for _ in self._open().iterator(prefix=self._prefix, include_value=False))
        return entries, sum(file.stat().st_size for file in self.path.iterdir())

    @property
    def _prefix(self) -> bytes:
        return f"{self.cache_key}:".encode()

    def _open(self) -> Any:
        with self._opening:
            if self._is_in_child:
                raise OSError("a LevelDB that was used before a fork cannot be used in the child")
            if self._db is None:
                self._close_to_others()
                self._db = self._plyvel.DB(str(self.path), create_if_missing=True)
            return self._db

    def _close_to_others(self) -> None:
        make_private_directory(self.path)
        if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
            names = {file.name for file in self.path.iterdir()}
            if names and "CURRENT" not in names:  # which every LevelDB has
                raise OSError(f"{self.path} holds other files, and is open to other users; give a directory of its own")
            self.path.chmod(0o700)

    def __repr__(self) -> str:
        return f"LevelDBCache({str(self.path)!r}, {self.cache_key!r})"


_of_the_parent: list[Any] = []


def _default_path() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base) / "deluge_sync" / "answers.leveldb"


def _load_plyvel() -> Any:
    try:
        return import_module("plyvel")
    except ImportError as error:
        raise ConfigError(
            "LevelDBCache needs the package plyvel: pip install 'deluge-sync[leveldb]' (or take SqliteCache)"
        ) from error
