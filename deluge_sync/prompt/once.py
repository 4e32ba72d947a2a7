"""Does work that many threads ask for once: whoever asks while it is under way gets what comes of it.

Nothing is kept afterwards; that is for the caller, who looks into its own store first, in `work`. `fetching` and
`remote` use it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from deluge_sync._fork import start_afresh_in_child

__all__ = ["Once"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Once(Generic[K, V]):
    """Thread-safe. `_lock` guards the table of what is under way; no work is done while it is held."""

    def __init__(self) -> None:
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[K, Future[V]] = {}

    def do(self, key: K, work: Callable[[], V]) -> V:
        """What `work` gives, done in this thread or, if it was under way for the same key, in another.

        Raises what `work` raises. Work that was broken off, as by Ctrl-C, is nobody else's result: it is begun again.
        """
        while True:
            future, is_ours = self._join(key)
            if is_ours:
                return self._work(key, future, work)
            try:
                return future.result()
            except BaseException as error:
                theirs = future.exception() if future.done() else None
                if error is not theirs or isinstance(error, Exception):
                    raise

    def _join(self, key: K) -> tuple[Future[V], bool]:
        with self._lock:
            found = self._under_way.get(key)
            if found is not None:
                return found, False
            ours = self._under_way[key] = Future()
            return ours, True

    def _work(self, key: K, future: Future[V], work: Callable[[], V]) -> V:
        try:
            value = work()
        except BaseException as error:
            self._forget(key)
            future.set_exception(error)
            raise
        self._forget(key)
        future.set_result(value)
        return value

    def _forget(self, key: K) -> None:
        with self._lock:
            self._under_way.pop(key, None)
