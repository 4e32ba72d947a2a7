"""The limiter's arithmetic, in virtual time."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deluge_sync._engine.bucket import Budget
from deluge_sync._engine.sliding_log import WINDOW_S, SlidingLog


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


def tell_room(budget: Budget, now: float, remaining: float) -> None:
    """One is let go, and the reply to it says at once how many more may come."""
    budget.learn_room(now, budget.take(now, 1), 1, remaining)


def at_once(budget: Budget, now: float) -> int:
    """How many may go without any time passing. Takes them."""
    return len(admit_for(budget, 1e-6, start=now))


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


@pytest.mark.parametrize(("per_minute", "burst"), [(60, 10), (1_200, 10), (1_800, 15), (6_000, 50), (5, 5)])
def test_a_new_client_lets_half_a_second_of_requests_go_at_once_and_at_least_ten(per_minute: int, burst: int) -> None:
    assert at_once(Budget(per_minute, 0.0), 0.0) == burst


def test_a_burst_is_paid_back_evenly_and_not_by_a_stop() -> None:
    times = admit_for(Budget(6_000, 0.0), 60)
    after_the_burst = [time for time in times if time > 0]

    pauses = [later - earlier for earlier, later in pairwise(after_the_burst)]

    assert max(pauses) < 0.02  # the even pace is 0.010 s, a little slower while 50 requests are paid back
    assert sum(1 for time in times if 50 <= time < 60) > 950


def test_a_fixed_burst_stays_as_it_is_whatever_the_provider_says() -> None:
    budget = Budget(6_000, 0.0, fixed_burst=3)
    tell_room(budget, 0.0, 5_000)
    budget.learn_answer(1.0)

    assert at_once(budget, 10.0) == 3


def test_what_the_provider_says_is_left_may_go_at_once() -> None:
    budget = Budget(1_000, 0.0)
    tell_room(budget, 0.0, 500)

    assert at_once(budget, 0.0) == 500


def test_after_a_learned_burst_the_rest_of_the_limit_is_spread_over_the_minute() -> None:
    budget = Budget(1_000, 0.0)
    tell_room(budget, 0.0, 500)
    times = admit_for(budget, 60)

    by_ten_seconds = [sum(1 for time in times if start < time <= start + 10) for start in range(0, 60, 10)]

    assert all(75 <= count <= 90 for count in by_ten_seconds)  # 500 left for 60 s: 83 in 10 s
    assert worst_window(times) <= 1_000


def test_no_room_at_the_provider_leaves_the_even_pace() -> None:
    budget = Budget(6_000, 0.0)
    tell_room(budget, 0.0, 0)
    times = admit_for(budget, 1.0)

    assert times[0] == pytest.approx(0.01, abs=0.001)
    assert 98 <= len(times) <= 100


def test_what_was_let_go_since_the_word_and_what_the_bucket_gained_is_reckoned_in() -> None:
    budget = Budget(6_000, 0.0)
    tell_room(budget, 0.0, 200)
    first = budget.take(1.0, 1)
    for _ in range(30):
        budget.take(1.1, 1)
    budget.learn_room(1.2, first, 1, 80)

    # At 6,000 a minute less the margin it gained 4.97 by the end of the slot that told, 1.05, to 1.1, and 9.95 to 1.2.
    assert at_once(budget, 1.2) == int(80 + 4.97 - 30 + 9.95)


def test_the_providers_bucket_never_gains_more_than_the_most_it_has_told() -> None:
    budget = Budget(3_000, 0.0)
    tell_room(budget, 0.0, 49)
    early = budget.take(10.0, 1)
    for tenth in range(100, 140):
        for _ in range(5):  # just what the bucket gains, for four seconds
            budget.take(tenth / 10, 1)
    budget.learn_room(14.0, early, 1, 49)

    assert 44 <= at_once(budget, 14.0) <= 49  # and not 49 + 200 - 200 held down to 49 - 200


def test_what_was_let_go_just_before_the_word_counts_as_not_yet_arrived_until_it_is_heard_of() -> None:
    budget = Budget(6_000, 0.0)
    tell_room(budget, 0.0, 100)
    slots = [budget.take(5.0, 1) for _ in range(30)]
    budget.learn_room(5.2, slots[-1], 1, 99)  # the last of them was the first to arrive

    assert at_once(budget, 5.2) == int(99 - 29 + 0.15 * 99.5)


def test_of_what_was_let_go_together_the_least_word_counts() -> None:
    budget = Budget(6_000, 0.0)
    tell_room(budget, 0.0, 100)
    slots = [budget.take(5.0, 1) for _ in range(30)]
    for slot, remaining in zip(slots, [*range(70, 99), 99], strict=True):
        budget.learn_room(5.05, slot, 1, remaining)

    assert at_once(budget, 5.05) == 70


def test_what_is_said_about_the_time_before_a_refusal_is_out_of_date() -> None:
    budget = Budget(6_000, 0.0)
    tell_room(budget, 0.0, 100)
    before = budget.take(5.0, 1)
    budget.learn_refusal(5.1, resume_at=6.1)
    budget.learn_room(5.2, before, 1, 90)

    assert at_once(budget, 6.1) <= 6  # 0.05 s ahead


def test_a_client_that_hardly_sends_anything_is_not_slowed_down_to_that() -> None:
    budget = Budget(6_000, 0.0)
    budget.take(10.0, 1)
    budget.learn_refusal(10.2, resume_at=11.2, let_go_at=10.0)

    assert budget._pace.rate == 6_000 * 0.75  # and not three quarters of one in a second


def test_a_herd_that_is_refused_as_a_whole_comes_back_no_faster_than_it_went() -> None:
    budget = Budget(10_000_000, 0.0)
    for _ in range(256):
        budget.take(10.0, 1)
    budget.learn_refusal(10.2, resume_at=11.2, let_go_at=10.0)

    assert budget._pace.rate == 256 * 60 * 0.75


def test_without_hints_the_tolerance_doubles_with_two_seconds_of_answers_until_a_refusal() -> None:
    budget = Budget(6_000, 0.0)
    usual = budget.tolerance_s

    for second in range(5, 10):  # the first answer only starts the clock
        budget.learn_answer(float(second))
    assert budget.tolerance_s == pytest.approx(4 * usual)

    budget.learn_refusal(9.0, resume_at=10.0)
    assert at_once(budget, 10.0) <= 6  # 0.05 s ahead at most
    for tenth in range(60 * 10):
        budget.learn_answer(10.0 + tenth / 10)
    assert budget.tolerance_s < 3 * usual  # it grows slowly, and doubles in a minute: half a second's worth by then


def test_a_large_amount_goes_when_its_turn_comes_and_delays_what_follows() -> None:
    tokens = Budget(60_000, 0.0, idle_burst=1_000)
    tokens.take(0.0, 30_000)

    assert tokens.due(0.0, 1) == pytest.approx(30, abs=1.5)  # half the minute's budget is half a minute of debt


def test_a_large_amount_waits_until_the_providers_bucket_holds_all_of_it_where_that_is_known() -> None:
    tokens = Budget(60_000, 0.0, idle_burst=inf)
    tokens.learn_room(0.0, tokens.take(0.0, 1_000), 1_000, 400)

    assert tokens.due(0.0, 400) <= 0.0
    assert tokens.due(0.0, 1_000) == pytest.approx(0.6, abs=0.01)


def test_large_amounts_lose_nothing_of_the_limit_by_waiting_for_it() -> None:
    tokens = Budget(60_000, 0.0, idle_burst=inf)
    tokens.learn_room(0.0, tokens.take(0.0, 1_000), 1_000, 0)

    times = admit_for(tokens, 50, amount=2_000)

    assert times[0] == pytest.approx(2.0, abs=0.02)
    assert len(times) == 24  # one in two seconds and a little more


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
        self.not_refused: list[float] = []
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
            self.not_refused.append(self.now)
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
        if hasattr(self, "last_slot"):
            self.budget.learn_room(self.now, self.last_slot, 1, remaining)

    @rule()
    def an_answer_comes(self) -> None:
        self.budget.learn_answer(self.now)

    @rule(pause_s=st.floats(0, 60, allow_nan=False))
    def the_provider_refuses_one(self, pause_s: float) -> None:
        if self.not_refused:
            let_go_at = self.not_refused.pop()
            self.budget.learn_refusal(self.now, self.now + pause_s, let_go_at)

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
