"""When may the next request go? The arithmetic of the limiter, without clocks, locks or threads.

Time is an argument everywhere, in seconds of any monotonic clock. `limiter` is the only caller and serialises calls.

Each budget (requests, tokens) keeps one hard promise and one soft aim:

- `SlidingLog`: never more than the limit in any 60 s (see `sliding_log`).
- `Budget` paces inside that promise. It is a leaky bucket in the form of the generic cell rate algorithm: each
  admission moves the *theoretical arrival time* on by its share of the minute, and the next may come earlier than
  that by the *tolerance*. The tolerance shrinks with the share of the minute that is already used, so that what was
  let go early is paid back evenly over the rest of the minute and not by a stop.

Why that shrinking pays back exactly: with a lead of at most `tolerance * free / limit`, the lead melts in proportion
to what is admitted, and the admissions of one minute after an idle one add up to just the limit.
"""

from __future__ import annotations

from math import ceil, inf

from deluge_sync._engine.pace import Pace
from deluge_sync._engine.sliding_log import KEPT_S, WINDOW_S, SlidingLog, Slot

__all__ = ["Budget"]

# Threads wake late by some milliseconds. So much lead is always granted, or each late wake-up would lower the rate.
_LEAST_LEAD_S = 0.25
# A provider that enforces half of what we were told, by the second, refuses nothing of half a second's worth.
_FIRST_BURST_S = 0.5
_FIRST_BURST_AMOUNT = 10
_REFUSED_LEAD_S = 0.05
_DOUBLING_S = 2.0
# A client that has hardly sent anything and is refused all the same learns nothing of how fast it may send.
_FEW = 10
_ROUNDING = 1e-9


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
        self._told_since = -inf
        self._knows_room = False
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
        return KEPT_S / self._pace.rate

    def _usual_tolerance_s(self) -> float:
        """What may go at once while nothing is known of the provider: half a second's worth, and at least ten."""
        if self._fixed_burst is not None:
            return self._tolerance_for(self._fixed_burst)
        return self._tolerance_for(self._idle_burst or max(self.limit / WINDOW_S * _FIRST_BURST_S, _FIRST_BURST_AMOUNT))

    def _tolerance_for(self, burst: float) -> float:
        """The tolerance with which an idle budget lets exactly `burst` go at once."""
        if burst >= self.limit:
            return inf
        ahead = max(0.0, ceil(burst) - 1)
        return ahead * self._interval_s / (1 - ahead / self.limit)

    def due(self, now: float, amount: float) -> float:
        """The earliest time at which `amount` may go, as things stand; at most `now` when it may go at once."""
        self._log.expire(now)
        return max(self._arrival + self._filling_s(amount) - self._lead_s(), self._log.due(self.limit - amount))

    def _filling_s(self, amount: float) -> float:
        """How much longer than for 1 the provider's bucket takes to hold all of `amount`, where we know what it holds.

        Where we do not, an amount goes when 1 may go, and what follows waits for it.
        """
        return max(0.0, amount - 1) * self._interval_s if self._knows_room else 0.0

    def _lead_s(self) -> float:
        if self.tolerance_s == inf:
            return inf
        free_share = max(0.0, 1 - self._log.total / self.limit)
        return max(min(self.tolerance_s, _LEAST_LEAD_S), self.tolerance_s * free_share) + _ROUNDING

    def used(self, now: float) -> float:
        """How much of the limit is taken at `now`."""
        self._log.expire(now)
        return self._log.total

    def take(self, now: float, amount: float) -> Slot:
        """Let `amount` go now. The caller has asked `due` first."""
        # It waited until the bucket held all of it: that time is no idle time, which would be lost.
        waited_s = max(0.0, self._filling_s(amount) - self._lead_s())
        self._arrival = max(self._arrival, now - waited_s) + amount * self._interval_s
        return self._log.add(now, amount)

    def settle(self, slot: Slot, estimated: float, actual: float) -> None:
        """Correct an admission whose real amount has become known."""
        self._arrival += (actual - estimated) * self._interval_s
        self._log.correct(slot, actual - estimated)

    def learn_limit(self, per_minute: float) -> None:
        """The provider says that this is its limit: the pace stays below it, if it is the smaller one."""
        self._pace.told = per_minute

    def learn_room(self, now: float, slot: Slot, amount: float, remaining: float) -> bool:
        """The reply to what was let go as `amount` in `slot` said that `remaining` more may come at once.

        The tolerance opens or closes to just what the provider's bucket holds by now (see `SlidingLog.room`). It never
        holds more than the most it has told. What is said about the time before a refusal is out of date. Without room
        the next one waits until the bucket has it. Returns whether the next admission may have become due earlier.
        """
        if self._fixed_burst is not None or slot.starts_at < self._told_since:
            return False
        slot.heard += amount
        slot.told_least = min(slot.told_least, remaining)
        self._most_told = max(self._most_told or 0.0, remaining)
        room = self._log.room(now, since=self._told_since, gain_per_s=1 / self._interval_s, most=self._most_told)
        return room is not None and self._open_to(now, room)

    def _open_to(self, now: float, room: float) -> bool:
        before = self.due(now, 1)
        self._knows_room = True
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
        return self._tolerance_for(self._pace.rate / WINDOW_S / 2) * float(2.0 ** ((now - self._refused_at) / WINDOW_S))

    def _sent_per_minute(self, let_go_at: float) -> float:
        """How fast was sent when the refused request was let go, over one to five seconds without what was idle."""
        sent, since = self._log.between(let_go_at - self._pace.measured_over_s(let_go_at), let_go_at)
        return sent / max(1.0, let_go_at - since) * WINDOW_S if sent >= _FEW else self._pace.rate

    def learn_refusal(self, now: float, resume_at: float, let_go_at: float | None = None) -> None:
        """The provider refused: nothing early any more, and an even pace from the moment it is asked again.

        `let_go_at` is when the refused request was let go, by default just now. The lead is forgiven: the pause is in
        its place.
        """
        sent_at = now if let_go_at is None else let_go_at
        self._pace.refused(now, resume_at, self._sent_per_minute(sent_at), let_go_at=sent_at)
        self._refused_at = self._learned_at = self._told_since = self._arrival = max(now, resume_at)
        self._knows_room = False
        if self._fixed_burst is None:
            self.tolerance_s = max(_REFUSED_LEAD_S, self._interval_s)
