"""How fast requests are sent, at most as fast as the limit: additive increase, multiplicative decrease.

A limit may be set higher than the provider's real one, or be shared with others. Each refusal then lowers the pace
from what was being sent when it came; each second of answers raises it a little. Pure arithmetic for `bucket`.
"""

from __future__ import annotations

__all__ = ["Pace"]

# Far from the real limit a refusal takes a quarter off, near the last refusal a tenth; ten seconds without one give
# back a twentieth. Found by trying: higher steps waste more of the limit, lower ones take longer to find it.
_FAR, _NEAR = 0.75, 0.9
_NEARNESS = 0.85
_GAIN_PER_S = 0.005
_LEAST_SHARE = 0.02
_BURST = 1.1


class Pace:
    """The present rate a minute, never above `limit`."""

    __slots__ = ("_changed_at", "_peak", "_resumed_at", "_scale", "limit", "rate")

    def __init__(self, limit: float, now: float) -> None:
        self.limit = limit
        self.rate = limit
        self._changed_at = now
        self._resumed_at = now
        self._peak: float | None = None
        self._scale = limit

    def resize(self, limit: float) -> None:
        """Another limit: it is tried at once."""
        self.limit = self.rate = limit
        self._peak = None

    def measured_over_s(self, now: float) -> float:
        """Over how many seconds before `now` the rate of a refusal should be measured: 1 to 5, no pause in them."""
        return min(5.0, max(1.0, now - self._resumed_at))

    def refused(self, now: float, resume_at: float, sent_per_minute: float) -> None:
        """The provider refused while so much a minute was being sent. Refusals before `resume_at` are the same one.

        After more than the even pace it is not the pace that was refused but the burst, so it stays.
        """
        is_same = now < self._resumed_at
        self._resumed_at = self._changed_at = max(self._resumed_at, resume_at, now)
        if is_same or sent_per_minute > self.rate * _BURST:
            return
        peak = min(self.rate, sent_per_minute or self.rate)
        is_near = self._peak is not None and peak > _NEARNESS * self._peak
        self._scale = peak if self._peak is None else (self._scale + peak) / 2
        self._peak = peak
        self.rate = max(self._scale * _LEAST_SHARE, peak * (_NEAR if is_near else _FAR))

    def answered(self, now: float) -> bool:
        """The provider answered. Returns whether the pace went up."""
        if self.rate >= self.limit:
            return False
        elapsed_s = min(1.0, max(0.0, now - self._changed_at))
        self._changed_at = max(self._changed_at, now)
        self.rate = min(self.limit, self.rate + _GAIN_PER_S * self._scale * elapsed_s)
        return elapsed_s > 0
