"""How much money may still be spent, and the line of those that wait for room. Knows no jobs, models or prices.

    Claim(most_usd) -> enter -> HELD -> settle(what it cost in fact)
                       │        ^
                       ├─> WAITING: there is no room now, but there may be when another claim is settled
                       └─> REFUSED: there will never be

Money is counted in whole picodollars (1e-12 US dollars), because sums of floats never come back to 0. `spending` is the
only caller; it says what a request may cost and what becomes of those that waited.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from enum import Enum
from typing import Any

from deluge_sync._fork import start_afresh_in_child

__all__ = ["Budget", "Claim", "ClaimState"]

_PER_USD = 10**12


class ClaimState(Enum):
    """What has become of a claim."""

    NEW = "new"
    HELD = "held"
    WAITING = "waiting"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    SETTLED = "settled"


class Claim:
    """Money that one request may cost at most. `state` and `blocker` are the budget's, and guarded by its lock.

    owner: whatever the caller wants to find again. was_sent: the caller's too: the money may have been spent.
    blocker: the budget that had no room for it.
    """

    __slots__ = ("amount", "blocker", "budget", "most_usd", "owner", "state", "was_sent")

    def __init__(self, budget: Budget, most_usd: float, owner: Any = None) -> None:
        self.budget = budget
        self.most_usd = most_usd
        self.amount = _picodollars(most_usd)
        self.owner = owner
        self.state = ClaimState.NEW
        self.blocker: Budget | None = None
        self.was_sent = False


class Budget:
    """At most `max_usd`: what is held for requests under way and what was spent never exceed it together.

    A budget may lie `within` another, which then has to have room too. Thread-safe: one lock, that of the outermost,
    guards all budgets within it and their claims.

    A claim that may still find room waits, those that wait get it in the order they came, and while one waits no later
    one passes it. What waits is refused as soon as its turn comes and it is clear that there will never be room.

    The promise holds as long as no claim is settled at more than its amount; where one is, that is counted too.
    """

    def __init__(self, max_usd: float, *, within: Budget | None = None, name: str = "max_cost") -> None:
        self.max_usd = max_usd
        self.name = name
        self._max = _picodollars(max_usd)
        self._levels: tuple[Budget, ...] = (self,) if within is None else (self, *within._levels)
        self._spent = 0
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        # In a forked child: what is under way is the parent's.
        self._lock = threading.Lock()
        self._held = 0
        self._line: OrderedDict[Claim, None] = OrderedDict()

    @property
    def spent_usd(self) -> float:
        """What settled claims have cost."""
        with self._outer_lock:
            return self._spent / _PER_USD

    @property
    def held_usd(self) -> float:
        """What is held for claims that are not settled."""
        with self._outer_lock:
            return self._held / _PER_USD

    def enter(self, claim: Claim) -> ClaimState:
        """Hold the money, or let the claim wait for it, or refuse it. The claim is one of this budget, and new."""
        with self._outer_lock:
            claim.state = self._verdict(claim, next((level for level in self._levels if level._line), None))
            if claim.state is ClaimState.WAITING and claim.blocker is not None:
                claim.blocker._line[claim] = None
            return claim.state

    def settle(self, claim: Claim, spent_usd: float) -> list[Claim]:
        """Replace what is held for `claim` by what it cost. Returns the claims that now are held, or refused."""
        with self._outer_lock:
            if claim.state is not ClaimState.HELD:
                return []
            claim.state = ClaimState.SETTLED
            for level in self._levels:
                level._held -= claim.amount
                level._spent += _picodollars(spent_usd)
            return self._serve()

    def withdraw(self, claim: Claim) -> tuple[bool, list[Claim]]:
        """Let a claim wait no longer. Returns whether it did wait, and what `settle` returns."""
        with self._outer_lock:
            if claim.state is not ClaimState.WAITING or claim.blocker is None:
                return False, []
            claim.state = ClaimState.WITHDRAWN
            line = claim.blocker._line
            del line[claim]
            return True, self._serve()

    # The rest is called with the lock held.

    @property
    def _outer_lock(self) -> threading.Lock:
        return self._levels[-1]._lock

    def _verdict(self, claim: Claim, in_line: Budget | None = None) -> ClaimState:
        """What becomes of the claim now. `in_line` is a budget in which others wait for their turn already."""
        amount = claim.amount
        never = next((level for level in self._levels if level._spent + amount > level._max), None)
        if never is not None:
            claim.blocker = never
            return ClaimState.REFUSED
        full = next((level for level in self._levels if level._spent + level._held + amount > level._max), None)
        claim.blocker = in_line or full
        if claim.blocker is not None:
            return ClaimState.WAITING
        for level in self._levels:
            level._held += amount
        return ClaimState.HELD

    def _serve(self) -> list[Claim]:
        """Go through the lines as far as there is room."""
        return [claim for level in self._levels for claim in level._serve_line()]

    def _serve_line(self) -> list[Claim]:
        served = []
        while self._line:
            claim = next(iter(self._line))
            claim.state = claim.budget._verdict(claim)
            if claim.state is ClaimState.WAITING and claim.blocker is self:
                break
            del self._line[claim]
            if claim.state is ClaimState.WAITING and claim.blocker is not None:
                claim.blocker._line[claim] = None  # there is room here, but not there
            else:
                served.append(claim)
        return served


def _picodollars(usd: float) -> int:
    return round(usd * _PER_USD)
