"""Keeps a provider in trouble from being hammered. Pure arithmetic: time is an argument, the caller holds a lock.

Two things are watched for each key, after botocore's retry quota:

- A purse pays for retries: each costs, each answer pays back a little. While it can pay, retries go out at their time.
- When it cannot, and one request after another has failed, the provider counts as *down*. Then nothing is sent but
  single probes, with growing pauses, until one is answered. A provider that fails often but not always is not down.
  It also counts as down when ten prompts or so have failed in a row that had hardly been tried before: a slow limit
  would let the first of them use up their attempts before the purse is empty.
"""

from __future__ import annotations

from math import inf

__all__ = ["Brake"]

_PURSE = 500
_FAILURES_IN_A_ROW = 10
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


class Brake:
    """Whether requests may be sent with one key.

    Up and down follow each other in numbered periods. What becomes of a request tells about the period it was sent in:
    neither an answer to one that was sent before the outage ends it, nor does a late failure begin another.
    """

    __slots__ = ("_failures", "_news", "_pause_s", "_period", "_purse", "down_since", "opens_at")

    def __init__(self) -> None:
        self._purse = _PURSE
        self._failures = 0
        self._news = 0
        self._period = 0
        self._pause_s = _FIRST_PAUSE_S
        self.down_since: float | None = None
        self.opens_at = -inf
        """From when on the next request may be sent; infinity while a probe is on its way."""

    @property
    def is_down(self) -> bool:
        """Nothing but probes may be sent."""
        return self.down_since is not None

    def has_just_failed(self, now: float) -> bool:
        """The provider is known to be down: the last probe failed, and the next one is not due yet."""
        return self.is_down and now < self.opens_at < inf

    def sent(self) -> int:
        """A request goes out. If the provider is down it is the probe, and nothing follows until it ends.

        Returns the period, which must be given back with what becomes of the request.
        """
        if self.is_down:
            self.opens_at = inf
        return self._period

    def answered(self, period: int) -> bool:
        """The provider answered something, be it an error of ours. Returns whether that ends an outage."""
        if period != self._period:
            return False
        was_down = self.is_down
        self._failures = self._news = 0
        self._purse = min(_PURSE, self._purse + 1)
        self._pause_s = _FIRST_PAUSE_S
        if was_down:
            self._turn(down_since=None, opens_at=-inf)
        return was_down

    def failed(self, period: int, now: float, retry_cost: int, *, is_news: bool = False) -> bool:
        """The provider did not answer. Returns whether the request may be sent again at its own time.

        `is_news` says that the prompt has hardly been tried before, so that the failure is hardly its own. If it may
        not, that was the outage: it waits until the provider is back, and the attempt does not count.
        """
        if period != self._period:
            return False
        self._failures += 1
        self._news += is_news
        if self.is_down:
            self._rest(now)
            return False
        if self._news < _FAILURES_IN_A_ROW:
            if retry_cost <= self._purse:
                self._purse -= retry_cost
                return True
            if self._failures < _FAILURES_IN_A_ROW:
                return True
        self._turn(down_since=now, opens_at=now)
        self._rest(now)
        return False

    def told_nothing(self, period: int, now: float) -> None:
        """The request was cut off from our side. If it was the probe, another may follow."""
        if self.is_down and period == self._period:
            self.opens_at = now

    def _turn(self, *, down_since: float | None, opens_at: float) -> None:
        self._period += 1
        self.down_since, self.opens_at = down_since, opens_at

    def _rest(self, now: float) -> None:
        self.opens_at = now + self._pause_s
        self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)
