"""What was let go in the last minute, and what the provider's replies said about it. Pure arithmetic for `bucket`.

The log is exact, in slots of 50 ms that count as full until their end. It knows no limit and no pace.
"""

from __future__ import annotations

from collections import deque
from math import inf

__all__ = ["KEPT_S", "SLOT_S", "WINDOW_S", "SlidingLog", "Slot"]

WINDOW_S = 60.0
SLOT_S = 0.05
# A request that was let go late in a slot may reach the provider earlier after its admission than one of a minute
# before did. Slots are kept that much longer than the minute; it costs 0.5 % of the rate.
_MARGIN_S = 0.25
KEPT_S = WINDOW_S + _MARGIN_S + SLOT_S
# Requests that were let go within so much of each other may reach the provider in any order.
_REORDERED_S = 0.25
_ROUNDING = 1e-9


class Slot:
    """What was let go within 50 ms. `amount` may be corrected until it leaves the log.

    `heard` of it were answered with a word on what was then left at the provider; `told_least` is the least of those.
    """

    __slots__ = ("amount", "expires_at", "heard", "starts_at", "told_least")

    def __init__(self, starts_at: float, expires_at: float) -> None:
        self.starts_at = starts_at
        self.expires_at = expires_at
        self.amount = 0.0
        self.heard = 0.0
        self.told_least = inf


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
            self._slots.append(Slot(now, now + KEPT_S))
        slot = self._slots[-1]
        slot.amount += amount
        self.total += amount
        return slot

    def correct(self, slot: Slot, by: float) -> None:
        """Change what `slot` holds, unless it has left the log."""
        if self._slots and slot.expires_at >= self._slots[0].expires_at:
            slot.amount += by
            slot.heard += by
            self.total += by

    def between(self, since: float, until: float) -> tuple[float, float]:
        """What was entered from `since` to `until`, to the slot, and when the first of it was."""
        total, first = 0.0, until
        for slot in reversed(self._slots):
            if slot.starts_at < since:
                break
            if slot.starts_at <= until:
                total, first = total + slot.amount, slot.starts_at
        return total, first

    def room(self, now: float, *, since: float, gain_per_s: float, most: float) -> float | None:
        """What the provider's bucket holds now, if it gains so much a second and never holds more than `most`.

        Taken from the newest slot after `since` of which something was heard, and replayed from there; None without
        one. What was let go shortly before counts as if it had arrived after that word, unless it was heard of too:
        then the least that was told says how it was after all of them.
        """
        later: list[Slot] = []
        for slot in reversed(self._slots):
            if slot.starts_at < since:
                return None
            if slot.told_least < inf:
                break
            later.append(slot)
        else:
            return None
        level, at = self._told_of(slot, since), slot.starts_at + SLOT_S
        for each in reversed(later):
            level = min(most, level + (each.starts_at - at) * gain_per_s) - each.amount
            at = each.starts_at
        return min(most, level + max(0.0, now - at) * gain_per_s)

    def _told_of(self, newest: Slot, since: float) -> float:
        """What was left when all had arrived that was let go until `newest`, at the least."""
        least, unheard = inf, 0.0
        for slot in reversed(self._slots):
            if slot.starts_at < max(since, newest.starts_at - _REORDERED_S):
                break
            if slot.starts_at <= newest.starts_at:
                least = min(least, slot.told_least)
                unheard += max(0.0, slot.amount - slot.heard)
        return least - unheard

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
