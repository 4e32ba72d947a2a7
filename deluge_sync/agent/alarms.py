"""Calls functions when their time has come. The time limits of tools hang on it; it knows nothing of tools."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable
from itertools import count
from time import monotonic

__all__ = ["Alarm", "Alarms"]

log = logging.getLogger(__name__)


class Alarm:
    """One function and its time. `cancel` lets go of the function, so that nothing it holds outlives its use."""

    def __init__(self, ring: Callable[[], None], cancelled: Callable[[], None]) -> None:
        self._ring: Callable[[], None] | None = ring
        self._cancelled = cancelled

    def take(self) -> Callable[[], None] | None:
        """The function, for whoever comes first; None for everybody after. Under the lock of its `Alarms`."""
        ring, self._ring = self._ring, None
        return ring

    def cancel(self) -> None:
        """Do not ring, unless it rings already."""
        self._cancelled()


class Alarms:
    """Any number of alarms and one daemon thread, which lives only while an alarm is set. Thread-safe.

    `_changed` guards everything here. The functions are called outside it, one after another, and must be quick.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Alarm]] = []
        self._numbers = count()
        self._pending = 0
        self._has_thread = False

    def set(self, delay_s: float, ring: Callable[[], None]) -> Alarm:
        """Call `ring` in `delay_s` seconds."""
        alarm = Alarm(ring, lambda: self._cancel(alarm))
        with self._changed:
            heapq.heappush(self._due, (monotonic() + delay_s, next(self._numbers), alarm))
            self._pending += 1
            needs_thread, self._has_thread = not self._has_thread, True
            if self._due[0][2] is alarm:
                self._changed.notify()
        if needs_thread:
            threading.Thread(target=self._watch, name="deluge-sync-alarms", daemon=True).start()
        return alarm

    def _cancel(self, alarm: Alarm) -> None:
        with self._changed:
            self._pending -= alarm.take() is not None
            if not self._pending:
                self._due.clear()
                self._changed.notify()

    def _watch(self) -> None:
        while (ring := self._next()) is not None:
            try:
                ring()
            except Exception:  # the alarms of all others hang on this thread
                log.exception("an alarm failed")

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next alarm that is due. None, once no alarm is set: the thread may end."""
        with self._changed:
            while self._due:
                wait_s = self._due[0][0] - monotonic()
                if wait_s > 0:
                    self._changed.wait(wait_s)
                elif (ring := heapq.heappop(self._due)[2].take()) is not None:
                    self._pending -= 1
                    return ring
            self._has_thread = False
            return None
