"""How long to wait before the next look or the next try. Only `Pacer` waits, by the clock and chance it is given.

Pauses grow by half with each look and are drawn evenly from zero to that (full jitter), so that many jobs do not look
at the same time. What a provider asks to wait is waited at least.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from deluge_sync._adapters.failure import LONGEST_HINT_S, FailureKind
from deluge_sync.batch.wire import CallFailedError

if TYPE_CHECKING:
    from deluge_sync._adapters.failure import Failure

__all__ = ["Pacer", "Patience", "StoppedError", "is_passing", "is_unclear"]

T = TypeVar("T")

_GROWTH: Final = 1.5
# Python raises a Ctrl-C only between two instructions, so a long wait is cut in slices.
_SLICE_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Patience:
    """`first_s` and `longest_s` bound a pause from above; `attempts` is for steps that are tried again at once."""

    first_s: float = 2.0
    longest_s: float = 60.0
    attempts: int = 5

    def ceiling_s(self, times: int) -> float:
        """The longest that the pause after so many looks may be."""
        grown: float = self.first_s * _GROWTH ** min(times, 60)
        return min(self.longest_s, grown)

    def pause_s(self, times: int, chance: float, *, hint_s: float | None = None) -> float:
        """The pause after so many looks, the first one being number 0. `chance` is from 0 to 1."""
        return max(self.ceiling_s(times) * chance, min(hint_s or 0.0, LONGEST_HINT_S))


class StoppedError(Exception):
    """Whoever waited does not want to wait any more. Never seen outside this package."""


class Pacer:
    """Waits, and tries again what failed for a passing reason. `stop` may come from any thread."""

    def __init__(
        self,
        patience: Patience,
        *,
        clock: Callable[[], float] = monotonic,
        chance: Callable[[], float] = random.random,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.patience = patience
        self.clock = clock
        self._chance = chance
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait

    def stop(self) -> None:
        """End the waiting, now and later, with `StoppedError`."""
        self._stopping.set()

    def check(self) -> None:
        """Raises StoppedError if somebody has called `stop`."""
        if self._stopping.is_set():
            raise StoppedError

    def wait(self, seconds: float) -> None:
        """Let so much time pass.

        Raises:
            StoppedError: somebody has called `stop`.
        """
        until = self.clock() + seconds
        while not self._stopping.is_set() and (left_s := until - self.clock()) > 0:
            self._wait(min(left_s, _SLICE_S))
        self.check()

    def pause_s(self, times: int, *, hint_s: float | None = None) -> float:
        """As `Patience.pause_s`, with a chance of its own."""
        return self.patience.pause_s(times, self._chance(), hint_s=hint_s)

    def insist(self, work: Callable[[], T]) -> T:
        """What `work` gives, tried again while its failures pass, `attempts` times at most. For what may be done twice.

        Raises:
            CallFailedError: the last failure.
            StoppedError: somebody has called `stop`.
        """
        failures = 0
        while True:
            self.check()
            try:
                return work()
            except CallFailedError as error:
                failures += 1
                if failures >= self.patience.attempts or not is_passing(error.failure):
                    raise
                hint_s = error.failure.retry_after_s
            self.wait(self.pause_s(failures - 1, hint_s=hint_s))


def is_passing(failure: Failure) -> bool:
    """Whether the same call may succeed later."""
    return failure.traits.same_model_may_help or failure.kind in (FailureKind.RATE_LIMIT_LONG, FailureKind.MALFORMED)


def is_unclear(failure: Failure) -> bool:
    """Whether what was asked for may have been done all the same."""
    is_refusal = failure.status is not None and 300 <= failure.status < 500
    return failure.may_have_been_processed and not is_refusal
