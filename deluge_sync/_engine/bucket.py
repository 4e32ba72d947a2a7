"""When may the next request go? The arithmetic of the limiter, without clocks, locks or threads.

Time is an argument everywhere, in seconds of any monotonic clock. `limiter` is the only caller and serialises calls.

Each budget (requests, tokens) keeps one hard promise and one soft aim:

- `SlidingLog`: never more than the limit in any 60 s. Exact, in slots of 50 ms that count as full until their end.
- `Budget` paces inside that promise. It is a leaky bucket in the form of the generic cell rate algorithm: each
  admission moves the *theoretical arrival time* on by its share of the minute, and the next may come earlier than
  that by the *tolerance*. The tolerance shrinks with the share of the minute that is already used, so that what was
  let go early is paid back evenly over the rest of the minute and not by a stop.

Why that shrinking pays back exactly: with a lead of at most `tolerance * free / limit`, the lead melts in proportion
to what is admitted, and the admissions of one minute after an idle one add up to just the limit.
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf

from deluge_sync._engine.pace import Pace

__all__ = ["SLOT_S", "WINDOW_S", "Budget", "Slot"]

WINDOW_S = 60.0
SLOT_S = 0.05
# A request that was let go late in a slot may reach the provider earlier after its admission than one of a minute
# before did. Slots are kept that much longer than the minute; it costs 0.5 % of the rate.
_MARGIN_S = 0.25
# Threads wake late by some milliseconds. So much lead is always granted, or each late wake-up would lower the rate.
_LEAST_LEAD_S = 0.25
_IDLE_BURST_S = 1.0
_IDLE_BURST_AMOUNT = 10
_REFUSED_LEAD_S = 0.05
_ROOM_LEFT_OVER_S = 0.1
_DOUBLING_S = 2.0
_ROUNDING = 1e-9


class Slot:
    """What was let go within 50 ms. `amount` may be corrected until it leaves the log."""

    __slots__ = ("amount", "expires_at", "starts_at")

    def __init__(self, starts_at: float, expires_at: float) -> None:
        self.starts_at = starts_at
        self.expires_at = expires_at
        self.amount = 0.0


class SlidingLog:
    """The slots of the last minute, oldest first, and their sum."""

    __slots__ = ("_slots", "total")

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque()
        self.total = 0.0

    def expire(self, now: float) -> None:
        """Forget the slots that are over a minute old."""
        while self._slots and self._slots[0].expires_at <= now:
            self.total -= self._slots.popleft().amount
        if not self._slots:
            self.total = 0.0

    def add(self, now: float, amount: float) -> Slot:
        """Enter `amount` at `now` and return its slot."""
        if not self._slots or now >= self._slots[-1].starts_at + SLOT_S:
            self._slots.append(Slot(now, now + SLOT_S + WINDOW_S + _MARGIN_S))
        slot = self._slots[-1]
        slot.amount += amount
        self.total += amount
        return slot

    def correct(self, slot: Slot, by: float) -> None:
        """Change what `slot` holds, unless it has left the log."""
        if self._slots and slot.expires_at >= self._slots[0].expires_at:
            slot.amount += by
            self.total += by

    def recent(self, since: float) -> float:
        """What was entered after `since`."""
        total = 0.0
        for slot in reversed(self._slots):
            if slot.starts_at < since:
                break
            total += slot.amount
        return total

    def due(self, most: float) -> float:
        """The time from which the log holds at most `most`; minus infinity when it does already."""
        excess = self.total - most
        if excess <= _ROUNDING:
            return -inf
        for slot in self._slots:
            excess -= slot.amount
            if excess <= _ROUNDING:
                return slot.expires_at
        return inf


class Budget:
    """One limit a minute: how much of it is used, and how early the next admission may be.

    `fixed_burst` is the user's own choice of how much may go at once; None lets the tolerance open and close:
    `learn_room` when the provider says how much is left, `learn_answer` and `learn_refusal` when it does not. With
    `start` the limit is not known: the pace begins there and is found by trying.
    """

    def __init__(
        self,
        per_minute: float,
        now: float,
        *,
        fixed_burst: float | None = None,
        idle_burst: float | None = None,
        start: float | None = None,
    ):
        self._fixed_burst = fixed_burst
        self._idle_burst = idle_burst
        self._log = SlidingLog()
        self._pace = Pace(per_minute, now, start=start)
        self._arrival = now
        self._learned_at: float | None = None
        self._most_told: float | None = None
        self._refused_at: float | None = None
        self.limit = per_minute
        self.tolerance_s = self._usual_tolerance_s()

    def resize(self, per_minute: float, now: float) -> None:
        """Change the limit. What was let go in the last minute still counts against the new one."""
        lead_share = max(0.0, self._arrival - now) / self._interval_s
        self.limit = per_minute
        self._pace.resize(per_minute)
        self._arrival = now + lead_share * self._interval_s
        self.tolerance_s = self._usual_tolerance_s()

    @property
    def _interval_s(self) -> float:
        """Seconds between two admissions of 1 at the present pace."""
        return (WINDOW_S + _MARGIN_S + SLOT_S) / self._pace.rate

    def _usual_tolerance_s(self) -> float:
        """What an idle client may use at once: a second's worth, and at least ten."""
        if self._fixed_burst is not None:
            return self._tolerance_for(self._fixed_burst)
        return self._tolerance_for(self._idle_burst or max(self.limit / WINDOW_S * _IDLE_BURST_S, _IDLE_BURST_AMOUNT))

    def _tolerance_for(self, burst: float) -> float:
        """The tolerance with which an idle budget lets exactly `burst` go at once."""
        if burst >= self.limit:
            return inf
        ahead = max(0.0, ceil(burst) - 1)
        return ahead * self._interval_s / (1 - ahead / self.limit)

    def due(self, now: float, amount: float) -> float:
        """The earliest time at which `amount` may go, as things stand; at most `now` when it may go at once."""
        self._log.expire(now)
        return max(self._arrival - self._lead_s(), self._log.due(self.limit - amount))

    def _lead_s(self) -> float:
        if self.tolerance_s == inf:
            return inf
        free_share = max(0.0, 1 - self._log.total / self.limit)
        return max(min(self.tolerance_s, _LEAST_LEAD_S), self.tolerance_s * free_share) + _ROUNDING

    def take(self, now: float, amount: float) -> Slot:
        """Let `amount` go now. The caller has asked `due` first."""
        self._arrival = max(self._arrival, now) + amount * self._interval_s
        return self._log.add(now, amount)

    def settle(self, slot: Slot, estimated: float, actual: float) -> None:
        """Correct an admission whose real amount has become known."""
        self._arrival += (actual - estimated) * self._interval_s
        self._log.correct(slot, actual - estimated)

    def learn_limit(self, per_minute: float) -> None:
        """The provider says that this is its limit: the pace stays below it, if it is the smaller one."""
        self._pace.told = per_minute

    def learn_room(self, now: float, remaining: float, *, told_s: float = 0.0, admitted_since: float = 0.0) -> bool:
        """The provider said that `remaining` more may come at once: open or close the tolerance to just that.

        It said so of the moment `told_s` ago. What its bucket has gained since then, and what we have admitted, is
        reckoned in; it never holds more than the most it has told. A tenth of a second's worth is left over, because
        requests do not arrive as evenly as they are sent. Without room the next one waits until the provider's own
        bucket has it. Returns whether the next admission may have become due earlier.
        """
        if self._fixed_burst is not None:
            return False
        self._most_told = max(self._most_told or 0.0, remaining)
        gained = told_s / self._interval_s
        room = min(remaining + gained, self._most_told) - admitted_since - _ROOM_LEFT_OVER_S / self._interval_s
        before = self.due(now, 1)
        lead_s = max(0.0, self._arrival - now) + (room - 1) * self._interval_s
        if lead_s < 0:
            self._arrival, self.tolerance_s = max(self._arrival, now) + -lead_s, 0.0
        else:
            free = self.limit - self._log.total - max(0.0, room - 1)
            self.tolerance_s = inf if free <= 0 else self.limit * lead_s / free
        return self.due(now, 1) < before

    def count_answer(self, now: float) -> bool:
        """The provider answered a request. Returns whether the next admission may have become due earlier."""
        return self._pace.answered(now)

    def learn_answer(self, now: float) -> bool:
        """Answers come and no refusal: where the provider tells nothing, the tolerance doubles every two seconds.

        Returns whether the next admission may have become due earlier.
        """
        if self._fixed_burst is not None or self._most_told is not None or self.tolerance_s == inf:
            return False
        elapsed_s = min(1.0, max(0.0, now - (now if self._learned_at is None else self._learned_at)))
        self._learned_at = max(self._learned_at or now, now)
        grown_s = self.tolerance_s * 2.0 ** (elapsed_s / _DOUBLING_S)
        before_s, self.tolerance_s = self.tolerance_s, min(grown_s, self._ceiling_s(now))
        if self.tolerance_s > WINDOW_S * WINDOW_S:
            self.tolerance_s = inf
        return self.tolerance_s > before_s

    def _ceiling_s(self, now: float) -> float:
        """A provider that refused once counts in short windows, or allows less than we think: it is tried carefully."""
        if self._refused_at is None:
            return inf
        return self._tolerance_for(self.limit / WINDOW_S / 2) * float(2.0 ** ((now - self._refused_at) / WINDOW_S))

    def learn_refusal(self, now: float, resume_at: float) -> None:
        """The provider refused: nothing early any more, and an even pace from the moment it is asked again.

        The lead is forgiven: the pause is in its place.
        """
        measured_s = self._pace.measured_over_s(now)
        self._pace.refused(now, resume_at, self._log.recent(now - measured_s) / measured_s * WINDOW_S)
        self._refused_at = self._learned_at = self._arrival = max(now, resume_at)
        if self._fixed_burst is None:
            self.tolerance_s = max(_REFUSED_LEAD_S, self._interval_s)
