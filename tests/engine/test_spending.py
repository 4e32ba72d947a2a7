"""Jobs and their budgets, with an engine that does what the test says."""

from __future__ import annotations

import logging

import pytest

from deluge_sync import SamplingParams
from deluge_sync._adapters.call import Call, Extras
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._engine.budget import Budget, ClaimState
from deluge_sync._engine.forecast import most_usd
from deluge_sync._engine.job import Job, Run
from deluge_sync._engine.spending import Spending
from deluge_sync.models import Model
from deluge_sync.prompt import Conversation

# A dollar for a thousand tokens of the answer, and the prompt for nothing.
MODEL = Model("m", "m", "acme", "https://x.invalid", input_cost=0.0, output_cost=1_000.0)
DEAR = Model("dear", "dear", "acme", "https://x.invalid", input_cost=0.0, output_cost=2_000.0)
REFUSED = Failure(FailureKind.RATE_LIMIT, "too many", may_have_been_processed=False)
LOST = Failure(FailureKind.TIMEOUT, "no answer")


def call(tokens: int, model: Model = MODEL) -> Call:
    return Call(Conversation.user("x"), model, SamplingParams(max_new_tokens=tokens), "", None, Extras())


class Office:
    """Notes what becomes of jobs; those taken up again do nothing by themselves."""

    def __init__(self, max_usd: float) -> None:
        self.taken_up: list[int] = []
        self.refused: list[int] = []
        self.run = Run(Budget(max_usd))
        self.spending = Spending(take_up=self._take_up, refuse=self._refuse)

    def job(self, number: int) -> Job:
        return Job(number, Conversation(), self.run, None)  # type: ignore[arg-type]  # it has no place to go to

    def _take_up(self, job: Job) -> None:
        self.taken_up.append(job.id)

    def _refuse(self, job: Job, _: str) -> None:
        self.refused.append(job.id)


def test_a_job_without_a_budget_may_always_be_sent() -> None:
    office = Office(1.0)
    job = Job(0, Conversation(), Run(), None)  # type: ignore[arg-type]  # as above

    assert office.spending.admit(job, call(10**9))
    assert job.claim is None


def test_the_longest_answer_is_what_a_request_may_cost() -> None:
    assert most_usd(call(500)) == 0.5


def test_what_may_have_been_bought_stays_spent_and_what_was_not_comes_back() -> None:
    office = Office(1.0)
    first, second, third = (office.job(number) for number in range(3))
    assert office.spending.admit(first, call(600))
    assert not office.spending.admit(second, call(600))
    office.spending.sent(first)
    office.spending.settle(first, REFUSED)
    assert office.taken_up == [1]

    assert not office.spending.admit(third, call(600))
    assert office.spending.admit(second, call(600))  # it has its money already
    office.spending.sent(second)
    office.spending.settle(second, LOST)
    assert office.refused == [2]
    assert not office.spending.admit(office.job(3), call(600))
    assert office.refused == [2, 3]


def test_a_job_that_ends_without_an_outcome_forfeits_its_money_only_if_it_was_sent() -> None:
    office = Office(1.0)
    first, second = office.job(0), office.job(1)
    office.spending.admit(first, call(400))
    office.spending.forfeit(first)
    office.spending.admit(second, call(400))
    office.spending.sent(second)
    office.spending.forfeit(second)
    office.spending.forfeit(second)

    budget = office.run.budget
    assert budget is not None
    assert (budget.spent_usd, budget.held_usd) == (0.4, 0.0)


def test_a_job_that_has_waited_and_now_goes_to_a_dearer_model_asks_anew() -> None:
    office = Office(1.0)
    first, second = office.job(0), office.job(1)
    office.spending.admit(first, call(600))
    office.spending.admit(second, call(600))
    office.spending.settle(first, REFUSED)

    assert not office.spending.admit(second, call(600, DEAR))
    assert office.refused == [1]


def test_those_that_wait_can_be_taken_out_once() -> None:
    office = Office(1.0)
    jobs = [office.job(number) for number in range(3)]
    for job in jobs:
        office.spending.admit(job, call(600))

    assert office.spending.withdraw(jobs[:2]) == [jobs[1]]
    assert office.spending.withdraw_all() == [jobs[2]]
    assert office.spending.withdraw_all() == []
    assert jobs[0].claim is not None
    assert jobs[0].claim.state is ClaimState.HELD


def test_thousands_that_follow_from_each_other_are_not_served_one_within_the_other() -> None:
    """So it is when the client was closed: each that is taken up ends at once, and gives its money to the next."""
    office = Office(1.0)
    office.spending = Spending(take_up=lambda job: office.spending.forfeit(job), refuse=office._refuse)
    jobs = [office.job(number) for number in range(5_000)]
    for job in jobs:
        office.spending.admit(job, call(600))
    office.spending.settle(jobs[0], REFUSED)

    assert all(job.claim is None for job in jobs)


def test_what_one_callback_raises_keeps_no_other_from_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    office = Office(1.0)
    served: list[int] = []

    def take_up(job: Job) -> None:
        served.append(job.id)
        raise SystemExit(1)

    office.spending = Spending(take_up=take_up, refuse=office._refuse)
    jobs = [office.job(number) for number in range(3)]
    for job, tokens in zip(jobs, (1_000, 400, 400), strict=True):
        office.spending.admit(job, call(tokens))
    with caplog.at_level(logging.ERROR):
        office.spending.settle(jobs[0], REFUSED)

    assert served == [1, 2]
    assert len(caplog.records) == 2
