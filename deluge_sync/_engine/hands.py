"""How many workers should be busy at once with what takes a moment: sending, and taking replies in.

While all of it is fast, one worker does it: several would wait for the interpreter in turn, and each finds its caches
cold. Where it blocks (a callback, a long body), more come to help. Arithmetic: the `dispatcher` holds its lock.
"""

from __future__ import annotations

import sys
from math import inf

__all__ = ["Hands"]

# Who waits so long for something while a reply is taken in gets one helper, for twice as long two, and so on.
_HELP_FOR_EACH_S = 0.002
_REMEMBERED = 8
# Who is not back after so long is held up, and others go on. That is checked every so often, and the less often the
# longer nobody was found so: whoever checks takes the interpreter from those who are busy.
_HELD_UP_S = 0.01
_CHECK_S = 0.02
_RAREST_CHECK_S = 0.16
_HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()


class Hands:
    """The workers that will be back in a moment, by their threads' identifiers, and since when they are at it."""

    def __init__(self) -> None:
        self._busy: dict[int, float] = {}
        self._blocked_s = 0.0  # how long the latest replies took, beside the work of the processor
        self._check_s = _CHECK_S
        self.check_at = inf
        """When an idle worker should see whether those who are busy are held up."""

    def take_up(self, worker: int, now: float) -> None:
        """The worker begins something quick."""
        self._busy[worker] = now

    def put_down(self, worker: int) -> None:
        """It has ended, or takes longer."""
        self._busy.pop(worker, None)

    def measured(self, took_s: float, cpu_s: float, now: float) -> None:
        """How long a reply took. Those who are busy at once wait for each other too, and that is not meant."""
        blocked_s = max(0.0, took_s - 2 * (1 + self._in_time(now)) * cpu_s)
        self._blocked_s += (blocked_s - self._blocked_s) / _REMEMBERED

    def may_help(self, now: float) -> bool:
        """Whether one more worker would be of use."""
        if not self._busy or not _HAS_GIL:
            return True
        return self._in_time(now) <= self._blocked_s / _HELP_FOR_EACH_S

    def check(self, now: float, *, is_needed: bool) -> None:
        """Reckon when to check next."""
        if not is_needed and not self._busy:
            self.check_at = inf
        elif self.check_at <= now:
            is_held_up = self._in_time(now) < len(self._busy)
            self._check_s = _CHECK_S if is_held_up else min(2 * self._check_s, _RAREST_CHECK_S)
            self.check_at = now + self._check_s
        elif self.check_at == inf:
            self._check_s = _CHECK_S
            self.check_at = now + self._check_s

    def _in_time(self, now: float) -> int:
        in_time, not_before = 0, now - _HELD_UP_S
        for since in self._busy.values():
            in_time += since > not_before
        return in_time
