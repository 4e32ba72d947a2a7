"""`DistributedDictCache`: answers in a dictionary that somebody else keeps, such as a `modal.Dict`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deluge_sync.cache.shelf import Shelf
from deluge_sync.errors import ConfigError

__all__ = ["DistributedDictCache"]


class DistributedDictCache(Shelf):
    """Answers in `cache`, as JSON texts under `"{cache_key}:{fingerprint}"`.

    What processes and threads may share it is for `cache` to say. Whatever it raises costs a warning.

    Args:
        cache: has `get(key)`, which gives None or raises KeyError where there is nothing, and `put(key, value)` or
            `cache[key] = value`. `clear` needs `keys()` and `pop(key)` or `del cache[key]`.
        cache_key, expire: see `Shelf`. Answers that are too old are never deleted, but replaced.

    Raises:
        ConfigError: `cache` has not what is needed.
    """

    _troubles = (Exception,)  # of a foreign object nobody knows what it may raise

    def __init__(
        self,
        cache: Any,
        cache_key: str = "default",
        *,
        expire: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(cache_key, expire=expire, clock=clock)
        if not callable(getattr(cache, "get", None)):
            raise ConfigError(f"cache must have get(key); a {type(cache).__name__} has not")
        self.cache = cache
        self._set: Callable[[str, str], object] = _method(cache, "put", "__setitem__")

    def clear(self) -> None:
        """Forget all answers under this `cache_key`.

        Raises:
            ConfigError: `cache` cannot list or delete keys.
        """
        delete = _method(self.cache, "pop", "__delitem__")
        for key in self._keys():
            delete(key)

    def _read(self, place: str) -> object:
        try:
            return self.cache.get(place)
        except KeyError:
            return None

    def _write(self, place: str, text: str) -> None:
        self._set(place, text)

    def _measure(self) -> tuple[int | None, int | None]:
        try:
            return len(self._keys()), None
        except ConfigError:
            return None, None

    def _keys(self) -> list[str]:
        keys = _method(self.cache, "keys")()
        return [key for key in keys if isinstance(key, str) and key.startswith(f"{self.cache_key}:")]

    def __repr__(self) -> str:
        return f"DistributedDictCache(<{type(self.cache).__name__}>, {self.cache_key!r})"


def _method(cache: object, *names: str) -> Any:
    for name in names:
        if callable(found := getattr(cache, name, None)):
            return found
    raise ConfigError(f"cache must have {' or '.join(names)}; a {type(cache).__name__} has not")
