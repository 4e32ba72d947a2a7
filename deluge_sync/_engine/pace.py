"""How fast requests are sent, at most as fast as the limit: additive increase, multiplicative decrease.

A limit may be set higher than the provider's real one, or be shared with others. Each refusal then lowers the pace
from what was being sent when it came; each second of answers raises it a little. Where lowering it again and again does
not help although most requests are answered, the refusals have nothing to do with our rate, and it is given back. Pure
arithmetic for `bucket`.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]

# Far from the real limit a refusal takes a quarter off, near the last refusal a tenth; ten seconds without one give
# back a fifth, or a twentieth near the last refusal, or less where it was found again and again. Found by trying:
# higher steps waste more of the limit, lower ones take longer to find it.
_FAR, _NEAR = 0.75, 0.9
_NEARNESS = 0.85
_GAIN_PER_S = 0.005
_GAIN_BELOW_PER_S = 0.02
_LEAST_SHARE = 0.02
_BURST = 1.1
_MOST_TIMES_NEAR, _NEAR_FOR_S = 3, 60.0
_FORGET_S = 30.0
# So many decreases within so many seconds did not help, where never more than such a share of replies was refused: of
# a pace that was several times too high most would have been.
_IN_VAIN, _IN_VAIN_S, _FEW = 8, 20.0, 0.15
_UNMOVED_S = 60.0
_SHARE_WEIGHT = 0.02


class Pace:
    """The present rate a minute, never above `limit`. With `start` it begins there and doubles until refused."""

    __slots__ = (
        "_changed_at",
        "_lowered",
        "_peak",
        "_rate",
        "_refused_at",
        "_refused_share",
        "_resumed_at",
        "_scale",
        "_times_near",
        "_unmoved_until",
        "limit",
        "told",
    )

    def __init__(self, limit: float, now: float, *, start: float | None = None) -> None:
        self.limit = limit
        self.told: float | None = None
        """What the provider says its limit is, once it does."""
        self._rate = start or limit
        self._changed_at = now
        self._resumed_at = now
        self._refused_at: float | None = None
        self._refused_share = 0.0
        self._lowered: deque[tuple[float, float, float]] = deque(maxlen=_IN_VAIN)
        self._unmoved_until = now
        self._peak: float | None = None
        self._scale = limit
        self._times_near = 0

    @property
    def rate(self) -> float:
        """Requests, or tokens, a minute."""
        return self._rate if self.told is None else min(self._rate, self.told)

    def resize(self, limit: float) -> None:
        """Another limit: it is tried at once."""
        self.limit = self._rate = limit
        self._peak = None

    def measured_over_s(self, let_go_at: float) -> float:
        """Over how many seconds before a refused request the rate should be measured: 1 to 5, no pause in them."""
        return min(5.0, max(1.0, let_go_at - self._resumed_at))

    def refused(self, now: float, resume_at: float, sent_per_minute: float, *, let_go_at: float | None = None) -> None:
        """The provider refused what was let go at `let_go_at` (or now), while so much a minute was being sent.

        Refusals of what was let go before `resume_at` are the same one, whenever they come. After more than the even
        pace it is the burst that was refused and not the pace, so it stays; but not if that happens again at once.
        """
        is_same = (now if let_go_at is None else let_go_at) < self._resumed_at
        is_again = self._refused_at is not None and now < self._refused_at + _FORGET_S
        self._resumed_at = self._changed_at = max(self._resumed_at, resume_at, now)
        self._refused_share += _SHARE_WEIGHT * (1 - self._refused_share)
        if is_same:
            return
        self._refused_at = now
        if sent_per_minute > self.rate * _BURST and not is_again:
            return
        if self._refused_share >= _FEW or not self._is_in_vain(now):
            self._lower(now, min(self.rate, sent_per_minute))

    def _is_in_vain(self, now: float) -> bool:
        """Whether lowering the pace does not help; it is then given back, and left alone for a minute."""
        if now < self._unmoved_until:
            return True
        if len(self._lowered) < _IN_VAIN or self._lowered[0][0] < now - _IN_VAIN_S:
            return False
        if any(share >= _FEW for *_, share in self._lowered):
            return False
        self._rate = self._lowered[0][1]
        self._unmoved_until = now + _UNMOVED_S
        self._lowered.clear()
        return True

    def _lower(self, now: float, peak: float) -> None:
        self._lowered.append((now, self._rate, self._refused_share))
        is_near = self._peak is not None and peak > _NEARNESS * self._peak
        self._times_near = min(_MOST_TIMES_NEAR, self._times_near + 1) if is_near else 0
        self._scale = peak if self._peak is None else (self._scale + peak) / 2
        self._peak = peak
        self._rate = max(self._scale * _LEAST_SHARE, peak * (_NEAR if is_near else _FAR))

    def answered(self, now: float) -> bool:
        """The provider answered a request. Returns whether the pace went up."""
        self._refused_share -= _SHARE_WEIGHT * self._refused_share
        if self._rate >= self.limit:
            return False
        elapsed_s = min(1.0, max(0.0, now - self._changed_at))
        self._changed_at = max(self._changed_at, now)
        if self._peak is None:
            grown = self._rate * 2.0**elapsed_s
        else:
            grown = self._rate + self._gain_per_s(now) * self._scale * elapsed_s
        self._rate = min(self.limit, grown)
        return elapsed_s > 0

    def _gain_per_s(self, now: float) -> float:
        """Fast while well below the last refusal; near it, the slower the more often it was found there."""
        assert self._peak is not None
        if self._rate < _NEARNESS * self._peak:
            return _GAIN_BELOW_PER_S
        is_old = self._refused_at is not None and now > self._refused_at + _NEAR_FOR_S
        return _GAIN_PER_S if is_old else _GAIN_PER_S / (1 + self._times_near)
