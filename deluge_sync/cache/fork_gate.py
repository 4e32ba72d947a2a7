"""Keeps a fork away from work with a store: a child that begins in the middle of it inherits locks nobody opens."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

__all__ = ["ForkGate"]

# How long a fork waits for work that is under way. It takes milliseconds, unless the store is locked.
_PATIENCE_S = 5.0


class ForkGate:
    """`with gate:` around the work. At most `most` threads are inside at once, and none while the process forks.

    `at_rest`, if given, is called when nobody is inside: before a fork and by `rest`. Thread-safe; `_changed` guards
    the other attributes. Not to be entered twice by one thread.
    """

    def __init__(self, most: int, at_rest: Callable[[], None] | None = None) -> None:
        self._most = most
        self._at_rest = at_rest
        self._begin()
        _gates.add(self)

    def _begin(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._inside = 0
        self._closed = 0

    def __enter__(self) -> None:
        with self._changed:
            while self._closed or self._inside >= self._most:
                self._changed.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            # One goes out and one may come in, unless everybody waits for the last to go out.
            self._changed.notify_all() if self._closed else self._changed.notify()

    def rest(self) -> None:
        """Wait until nobody is inside, five seconds at most, and call `at_rest`."""
        self._close()
        self._open()

    def _close(self) -> None:
        with self._changed:
            self._closed += 1
            is_empty = self._changed.wait_for(lambda: not self._inside, timeout=_PATIENCE_S)
        if is_empty and self._at_rest is not None:
            self._at_rest()

    def _open(self) -> None:
        with self._changed:
            self._closed -= 1
            self._changed.notify_all()


_gates: weakref.WeakSet[ForkGate] = weakref.WeakSet()
_closed_for_fork: list[ForkGate] = []


def _before() -> None:
    _closed_for_fork[:] = list(_gates)
    for gate in _closed_for_fork:
        gate._close()


def _after_in_parent() -> None:
    for gate in _closed_for_fork:
        gate._open()
    _closed_for_fork.clear()


def _after_in_child() -> None:
    _closed_for_fork.clear()
    for gate in list(_gates):
        gate._begin()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
