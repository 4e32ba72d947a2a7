"""The budget alone: what it promises holds after every step, whatever the order."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deluge_sync._engine.budget import Budget, Claim, ClaimState

HELD, WAITING, REFUSED = ClaimState.HELD, ClaimState.WAITING, ClaimState.REFUSED


def entered(budget: Budget, most_usd: float) -> Claim:
    claim = Claim(budget, most_usd)
    budget.enter(claim)
    return claim


def test_what_is_held_and_spent_never_exceeds_the_budget() -> None:
    budget = Budget(1.0)
    first, second, third = entered(budget, 0.6), entered(budget, 0.5), entered(budget, 1.1)

    assert (first.state, second.state, third.state) == (HELD, WAITING, REFUSED)
    assert budget.held_usd == 0.6


def test_what_was_not_used_comes_back_to_those_who_wait() -> None:
    budget = Budget(1.0)
    first, second, third = entered(budget, 0.9), entered(budget, 0.8), entered(budget, 0.3)

    assert budget.settle(first, 0.1) == [second]
    assert (second.state, third.state) == (HELD, WAITING)
    assert budget.settle(second, 0.8) == [third]
    assert third.state is REFUSED  # 0.9 are spent
    assert budget.spent_usd == pytest.approx(0.9)


def test_nobody_passes_one_who_waits() -> None:
    budget = Budget(1.0)
    first = entered(budget, 0.6)
    large, small = entered(budget, 0.9), entered(budget, 0.1)

    assert (large.state, small.state) == (WAITING, WAITING)  # there would be room for the small one
    assert budget.settle(first, 0.0) == [large, small]


def test_one_who_leaves_the_line_lets_the_next_on() -> None:
    budget = Budget(1.0)
    entered(budget, 0.6)
    large, small = entered(budget, 0.9), entered(budget, 0.1)

    assert budget.withdraw(large) == (True, [small])
    assert budget.withdraw(large) == (False, [])
    assert (large.state, small.state) == (ClaimState.WITHDRAWN, HELD)


def test_a_claim_is_settled_once() -> None:
    budget = Budget(1.0)
    claim = entered(budget, 0.6)
    budget.settle(claim, 0.5)
    budget.settle(claim, 0.5)

    assert (budget.spent_usd, budget.held_usd) == (0.5, 0.0)


def test_an_answer_that_costs_more_than_was_held_is_counted_in_full() -> None:
    budget = Budget(1.0)
    budget.settle(entered(budget, 0.1), 0.95)

    assert entered(budget, 0.1).state is REFUSED


def test_a_budget_within_another_needs_room_in_both() -> None:
    outer = Budget(1.0, name="outer")
    inner, other = Budget(0.5, within=outer), Budget(0.9, within=outer)
    first = entered(other, 0.8)
    second, third = entered(inner, 0.4), entered(inner, 0.6)

    assert (second.state, second.blocker) == (WAITING, outer)
    assert (third.state, third.blocker) == (REFUSED, inner)
    assert other.settle(first, 0.3) == [second]
    assert (inner.held_usd, outer.held_usd, outer.spent_usd) == (0.4, 0.4, 0.3)


def test_one_who_finds_room_in_the_inner_budget_may_still_wait_for_the_outer() -> None:
    outer = Budget(1.0)
    inner, other = Budget(0.5, within=outer), Budget(1.0, within=outer)
    first, second = entered(inner, 0.4), entered(inner, 0.3)
    third = entered(other, 0.6)

    assert (second.state, second.blocker, third.state) == (WAITING, inner, HELD)
    assert inner.settle(first, 0.15) == []  # the inner one has room now; in the outer one 0.15 are spent and 0.6 held
    assert (second.state, second.blocker) == (WAITING, outer)
    assert other.settle(third, 0.5) == [second]
    assert second.state is HELD


def test_tenths_add_up() -> None:
    budget = Budget(1.0)
    claims = [entered(budget, 0.1) for _ in range(10)]

    assert {claim.state for claim in claims} == {HELD}
    for claim in claims:
        budget.settle(claim, 0.0)
    assert budget.held_usd == 0.0
    assert entered(budget, 1.0).state is HELD


# --- any order of steps


@dataclass
class World:
    """Two budgets within one, as a call and another call of a client with `max_cost`; all amounts in cents."""

    limits: tuple[int, int, int]
    budgets: list[Budget] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def __post_init__(self) -> None:
        outer = Budget(self.limits[0] / 100)
        self.budgets = [outer, *(Budget(limit / 100, within=outer) for limit in self.limits[1:])]

    def of(self, state: ClaimState) -> list[Claim]:
        return [claim for claim in self.claims if claim.state is state]

    def check(self) -> None:
        for budget in self.budgets:
            assert round((budget.spent_usd + budget.held_usd) * 100) <= round(budget.max_usd * 100)
        assert self.of(HELD) or not self.of(WAITING), "somebody waits, and nothing is under way that could serve him"
        held = sum(claim.most_usd for claim in self.of(HELD))
        assert self.budgets[0].held_usd == pytest.approx(held)


STEPS = st.lists(
    st.tuples(st.sampled_from(["enter", "settle", "withdraw"]), st.integers(0, 50), st.integers(0, 60)), max_size=80
)


@given(limits=st.tuples(*[st.integers(0, 150)] * 3), steps=STEPS)
def test_the_promise_holds_after_every_step_and_nobody_waits_for_ever(
    limits: tuple[int, int, int], steps: list[tuple[str, int, int]]
) -> None:
    world = World(limits)
    for step, number, cents in steps:
        held, waiting = world.of(HELD), world.of(WAITING)
        if step == "enter":
            budget = world.budgets[number % 3]
            claim = Claim(budget, cents / 100)
            world.claims.append(claim)
            budget.enter(claim)
        elif step == "settle" and held:
            claim = held[number % len(held)]
            claim.budget.settle(claim, min(cents / 100, claim.most_usd))
        elif step == "withdraw" and waiting:
            claim = waiting[number % len(waiting)]
            claim.budget.withdraw(claim)
        world.check()
    while held := world.of(HELD):
        held[0].budget.settle(held[0], 0.0)
        world.check()
    assert not world.of(WAITING)


@given(limits=st.tuples(*[st.integers(0, 150)] * 3), steps=STEPS)
def test_those_told_are_those_who_were_served(limits: tuple[int, int, int], steps: list[tuple[str, int, int]]) -> None:
    world = World(limits)
    for _, number, cents in steps:
        claim = Claim(world.budgets[number % 3], cents / 100)
        world.claims.append(claim)
        claim.budget.enter(claim)
    while held := world.of(HELD):
        waited = world.of(WAITING)
        served = held[0].budget.settle(held[0], held[0].most_usd / 3)
        assert served == [claim for claim in served if claim in waited]
        assert set(served) == {claim for claim in waited if claim.state is not WAITING}


def test_many_threads_do_not_spend_more_than_there_is() -> None:
    budget = Budget(1.0)
    spent: list[float] = []

    def spend() -> None:
        for _ in range(200):
            claim = entered(budget, 0.01)
            if claim.state is HELD:
                spent.append(0.002)
                budget.settle(claim, 0.002)
            else:
                budget.withdraw(claim)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sum(spent) <= 1.0 + 1e-9
    assert budget.spent_usd == pytest.approx(sum(spent))
    assert entered(budget, 0.01).state is HELD or budget.spent_usd > 0.99
