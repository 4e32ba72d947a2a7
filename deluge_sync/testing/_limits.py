"""The provider's own limits: token buckets for requests and tokens, refilled all the time.

Time is an argument, so the arithmetic can be tested without waiting. Knows nothing of HTTP: a wire format turns a
`Standing` into headers and a `Shortage` into an error.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Dimension", "Limits", "Shortage", "Standing"]

Dimension = Literal["requests", "tokens"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit after a decision: the limit a minute, what is left in the bucket, and seconds until it is full."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a request was not admitted. `retry_after_s` is when it would fit if nothing else came; inf if never."""

    dimension: Dimension
    limit: int
    requested: int
    remaining: int
    retry_after_s: float


class _Bucket:
    """A bucket of `limit * burst_s / 60` units that gains `limit / 60` a second. Starts full."""

    def __init__(self, limit: int, burst_s: float) -> None:
        self.limit = limit
        self.capacity = limit * burst_s / 60.0
        self.per_second = limit / 60.0
        self.level = self.capacity
        self._filled_at: float | None = None

    def refill(self, now: float) -> None:
        if self._filled_at is not None:
            self.level = min(self.capacity, self.level + (now - self._filled_at) * self.per_second)
        self._filled_at = now

    def wait_s(self, amount: int) -> float:
        if amount > self.capacity:
            return float("inf")
        # A unit that is short by a rounding error of the refill is there.
        missing = amount - self.level
        return missing / self.per_second if missing > 1e-9 else 0.0

    def standing(self) -> Standing:
        return Standing(self.limit, int(self.level + 1e-9), (self.capacity - self.level) / self.per_second)


class Limits:
    """Requests and tokens a minute. `burst_s` is how much of it may come at once: 60 is the whole minute.

    In any W seconds at most `limit * (burst_s + W) / 60` are admitted. One lock guards the buckets.
    """

    def __init__(
        self, *, requests_per_minute: int | None, tokens_per_minute: int | None, burst_s: float = 60.0
    ) -> None:
        if burst_s <= 0:
            raise ConfigError(f"burst_s={burst_s} must be positive")
        wanted: dict[Dimension, int | None] = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        for name, limit in wanted.items():
            if limit is not None and limit * burst_s / 60.0 < 1:
                raise ConfigError(f"{name}_per_minute={limit} with burst_s={burst_s} would never admit anything")
        self._lock = threading.Lock()
        self._now = float("-inf")
        self._buckets: dict[Dimension, _Bucket] = {
            name: _Bucket(limit, burst_s) for name, limit in wanted.items() if limit is not None
        }

    def admit(self, *, tokens: int, now: float) -> Shortage | None:
        """Take one request and `tokens`, both or none. Time never goes back: an earlier `now` counts as the last one.

        A request larger than the whole token bucket never fits.
        """
        amounts: dict[Dimension, int] = {"requests": 1, "tokens": tokens}
        with self._lock:
            self._refill(now)
            waits = {name: bucket.wait_s(amounts[name]) for name, bucket in self._buckets.items()}
            short = max(waits, key=lambda name: waits[name], default=None)
            if short is not None and waits[short] > 0:
                bucket = self._buckets[short]
                return Shortage(short, bucket.limit, amounts[short], max(0, int(bucket.level)), waits[short])
            for name, bucket in self._buckets.items():
                bucket.level -= amounts[name]
            return None

    def standings(self, now: float) -> Mapping[Dimension, Standing]:
        """Where each configured limit stands."""
        with self._lock:
            self._refill(now)
            return {name: bucket.standing() for name, bucket in self._buckets.items()}

    def _refill(self, now: float) -> None:
        self._now = max(self._now, now)
        for bucket in self._buckets.values():
            bucket.refill(self._now)
