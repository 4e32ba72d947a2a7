"""How `DiskCache` stores: texts and nothing else. diskcache itself unpickles whatever a row says is pickled, which runs
what was put there by anybody who can write to the directory (CVE-2025-69872; its own JSONDisk does so too).

A row that says so, or that names a file outside the directory, is refused before anything is read.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final

from diskcache import Cache, Disk  # type: ignore[import-untyped]  # it has no types
from diskcache.core import DBNAME, MODE_RAW, MODE_TEXT, UNKNOWN  # type: ignore[import-untyped]

from deluge_sync.errors import ConfigError

__all__ = ["DBNAME", "Cache", "JsonDisk"]

# What `Disk.filename` makes.
_FILENAME: Final = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")


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
