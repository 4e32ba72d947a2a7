"""Finished jobs on their way from the workers to the thread that iterates, which wakes for several at once.

Thousands of answers a second would wake it as often. Each time it would have to win the interpreter from a worker,
which gives it up for microseconds only: both pay for every try.
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

__all__ = ["Gathered"]

_SIGNAL_CHECK_S = 0.25

T = TypeVar("T")


class Gathered(Generic[T]):
    """A queue. Any thread may `put`, also in a handler of signals; one may take, and says how many it waits for."""

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._bell: SimpleQueue[None] = SimpleQueue()  # unlike an event it may be rung in the midst of a wait for it
        self._wanted: float = inf

    def __bool__(self) -> bool:
        return not self._items.empty()

    def put(self, item: T, *, is_urgent: bool = False) -> None:
        """Hand `item` over, and wake who waits if that is enough, or urgent."""
        self._items.put(item)
        if is_urgent or self._items.qsize() >= self._wanted:
            self._wanted = inf
            self._bell.put(None)

    def take(self, count: int, *, within_s: float) -> T:
        """The next one. If none is there, wait for `count` of them, or `within_s` long and then for one.

        The wait is cut in slices, because Python raises a Ctrl-C only between two instructions: one that comes just
        before the main thread begins to wait, or in another thread, would wait with it.
        """
        if count > 1 and not self:
            self._gather(count, min(within_s, _SIGNAL_CHECK_S))
        while True:
            try:
                return self._items.get(timeout=_SIGNAL_CHECK_S)
            except Empty:
                continue

    def _gather(self, count: int, within_s: float) -> None:
        with suppress(Empty):
            while True:  # what was rung twice by workers that came at once
                self._bell.get_nowait()
        self._wanted = count
        try:
            if not self:  # looked at after it can be seen what is wanted
                self._bell.get(timeout=within_s)
        except Empty:
            pass
        finally:
            self._wanted = inf
