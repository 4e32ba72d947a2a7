"""The limiter's arithmetic, in virtual time."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deluge_sync._engine.bucket import WINDOW_S, Budget, SlidingLog


def admit_for(budget: Budget, seconds: float, *, start: float = 0.0, amount: float = 1.0) -> list[float]:
    """The times at which a client that always has something to send is admitted."""
    now, admitted = start, []
    while now < start + seconds:
        due = budget.due(now, amount)
        if due > now:
            now = due
            continue
        budget.take(now, amount)
        admitted.append(now)
    return admitted


def worst_window(times: list[float], window_s: float = WINDOW_S) -> int:
    first = worst = 0
    for last, time in enumerate(times):
        while times[first] <= time - window_s:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


@pytest.mark.parametrize("per_minute", [1, 5, 10, 59, 60, 1_200, 6_000])
def test_no_minute_ever_holds_more_than_the_limit(per_minute: int) -> None:
    times = admit_for(Budget(per_minute, 0.0), 300)

    assert worst_window(times) <= per_minute


@pytest.mark.parametrize("per_minute", [60, 1_200, 6_000])
def test_a_busy_client_gets_over_99_percent_of_the_limit(per_minute: int) -> None:
    times = admit_for(Budget(per_minute, 0.0), 600)

    assert len(times) >= 0.99 * per_minute * 10


@pytest.mark.parametrize(("per_minute", "burst"), [(60, 10), (1_200, 20), (6_000, 100), (5, 5)])
def test_an_idle_client_lets_a_second_of_requests_go_at_once_and_at_least_ten(per_minute: int, burst: int) -> None:
    budget = Budget(per_minute, 0.0)

    at_once = 0
    while budget.due(0.0, 1) <= 0.0:
        budget.take(0.0, 1)
        at_once += 1

    assert at_once == burst


def test_a_burst_is_paid_back_evenly_and_not_by_a_stop() -> None:
    times = admit_for(Budget(6_000, 0.0), 60)
    after_the_burst = [time for time in times if time > 0]

    pauses = [later - earlier for earlier, later in pairwise(after_the_burst)]

    assert max(pauses) < 0.02  # the even pace is 0.010 s, a little slower while 100 requests are paid back
    assert sum(1 for time in times if 50 <= time < 60) > 950


def test_a_fixed_burst_stays_as_it_is_whatever_the_provider_says() -> None:
    budget = Budget(6_000, 0.0, fixed_burst=3)
    budget.learn_room(0.0, 5_000)
    budget.learn_answer(1.0)

    assert sum(1 for time in admit_for(budget, 0.005) if time == 0.0) == 3


def test_what_the_provider_says_is_left_may_go_at_once() -> None:
    budget = Budget(1_000, 0.0)
    budget.learn_room(0.0, 500)

    at_once = [time for time in admit_for(budget, 0.001) if time == 0.0]

    assert len(at_once) == 498  # a tenth of a second's worth, 1.7, is left over


def test_after_a_learned_burst_the_rest_of_the_limit_is_spread_over_the_minute() -> None:
    budget = Budget(1_000, 0.0)
    budget.learn_room(0.0, 500)
    times = admit_for(budget, 60)

    by_ten_seconds = [sum(1 for time in times if start < time <= start + 10) for start in range(0, 60, 10)]

    assert all(75 <= count <= 90 for count in by_ten_seconds)  # 500 left for 60 s: 83 in 10 s
    assert worst_window(times) <= 1_000


def test_no_room_at_the_provider_leaves_the_even_pace_after_a_tenth_of_a_second() -> None:
    budget = Budget(6_000, 0.0)
    budget.learn_room(0.0, 0)
    times = admit_for(budget, 1.0)

    assert times[0] == pytest.approx(0.11, abs=0.001)  # its own interval of 0.01 s after what is left over
    assert 88 <= len(times) <= 90


def test_without_hints_the_tolerance_doubles_with_two_seconds_of_answers_until_a_refusal() -> None:
    budget = Budget(6_000, 0.0)
    usual = budget.tolerance_s

    for second in range(5, 10):  # the first answer only starts the clock
        budget.learn_answer(float(second))
    assert budget.tolerance_s == pytest.approx(4 * usual)

    budget.learn_refusal(9.0, resume_at=10.0)
    assert sum(1 for time in admit_for(budget, 0.5, start=10.0) if time == 10.0) <= 6  # 0.05 s ahead at most
    for tenth in range(60 * 10):
        budget.learn_answer(10.0 + tenth / 10)
    assert budget.tolerance_s < 1.5 * usual  # after a refusal it grows slowly, from half a second on


def test_a_large_amount_goes_when_its_turn_comes_and_delays_what_follows() -> None:
    tokens = Budget(60_000, 0.0, idle_burst=1_000)
    tokens.take(0.0, 30_000)

    assert tokens.due(0.0, 1) == pytest.approx(30, abs=1.5)  # half the minute's budget is half a minute of debt


def test_settling_downwards_brings_the_next_admission_forward() -> None:
    tokens = Budget(60_000, 0.0, idle_burst=1_000)
    slot = tokens.take(0.0, 30_000)
    before = tokens.due(1.0, 1)
    tokens.settle(slot, 30_000, 6_000)

    assert tokens.due(1.0, 1) == pytest.approx(before - 24, abs=1.5)


def test_settling_downwards_frees_the_minute_too() -> None:
    tokens = Budget(1_000, 0.0, idle_burst=inf)
    slot = tokens.take(0.0, 1_000)
    assert tokens.due(0.0, 900) > WINDOW_S
    tokens.settle(slot, 1_000, 100)

    assert tokens.due(0.0, 900) <= 0.0


def test_a_slot_that_has_left_the_log_is_not_corrected() -> None:
    log = SlidingLog()
    old = log.add(0.0, 5)
    log.expire(100.0)
    log.add(100.0, 1)
    log.correct(old, -5)

    assert log.total == 1


def test_the_log_says_when_enough_has_expired() -> None:
    log = SlidingLog()
    for second in range(3):
        log.add(float(second), 10)

    assert log.due(30) == -inf
    assert log.due(15) == pytest.approx(1.0 + WINDOW_S, abs=0.5)
    assert log.due(-1) == inf


def test_a_smaller_limit_counts_what_was_let_go_before() -> None:
    budget = Budget(600, 0.0)
    admitted = admit_for(budget, 30)
    budget.resize(100, 30.0)

    later = admit_for(budget, 30, start=30.0)

    assert len(admitted) > 250
    assert later == []  # the last 60 s hold more than 100 already


class AnySequence(RuleBasedStateMachine):
    """Whatever happens in whatever order: each admission leaves at most the limit in the 60 s before it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.limit = 50.0
        self.budget = Budget(self.limit, 0.0)
        self.admitted: list[list[float]] = []
        self.peak_share = 0.0

    @rule(seconds=st.floats(0, 90, allow_nan=False) | st.floats(0, 0.2, allow_nan=False))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(amount=st.integers(1, 30), tries=st.integers(1, 60))
    def sends_as_much_as_may_go(self, amount: int, tries: int) -> None:
        for _ in range(tries):
            if amount > self.limit or self.budget.due(self.now, amount) > self.now:
                return
            slot = self.budget.take(self.now, amount)
            self.admitted.append([self.now, amount])
            used = sum(each for time, each in self.admitted if time > self.now - WINDOW_S)
            self.peak_share = max(self.peak_share, used / self.limit)
            self.last_slot = slot

    @rule(part=st.floats(0, 1, allow_nan=False))
    def the_last_one_turns_out_smaller(self, part: float) -> None:
        if self.admitted and hasattr(self, "last_slot"):
            estimated = self.admitted[-1][1]
            self.budget.settle(self.last_slot, estimated, estimated * part)
            self.admitted[-1][1] = estimated * part

    @rule(remaining=st.floats(-5, 200, allow_nan=False))
    def the_provider_tells_its_room(self, remaining: float) -> None:
        self.budget.learn_room(self.now, remaining)

    @rule()
    def an_answer_comes(self) -> None:
        self.budget.learn_answer(self.now)

    @rule(pause_s=st.floats(0, 60, allow_nan=False))
    def the_provider_refuses(self, pause_s: float) -> None:
        self.budget.learn_refusal(self.now, self.now + pause_s)

    @rule(limit=st.integers(10, 100))
    def the_limit_changes(self, limit: int) -> None:
        self.limit = float(limit)
        self.budget.resize(self.limit, self.now)

    @invariant()
    def never_over_the_limit(self) -> None:
        assert self.peak_share <= 1 + 1e-6

    @invariant()
    def it_is_always_some_finite_time_until_the_next(self) -> None:
        assert self.budget.due(self.now, 1) <= self.now + 20 * WINDOW_S


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
