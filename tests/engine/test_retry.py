"""What comes after a failure."""

from __future__ import annotations

from math import inf

import pytest

from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._engine.retry import Decision, GiveUp, History, RetryPolicy, SendAgain, decide

POLICY = RetryPolicy(max_attempts=5)


def after(
    kind: FailureKind,
    *,
    attempts: int = 1,
    refusals: int = 0,
    hint_s: float | None = None,
    elapsed_s: float = 0.0,
    seconds_left: float = inf,
    has_other_model: bool = False,
    chance: float = 1.0,
    should_retry: bool | None = None,
) -> Decision:
    failure = Failure(kind, "x", retry_after_s=hint_s, should_retry=should_retry)
    history = History(attempts, refusals, elapsed_s, seconds_left, has_other_model)
    return decide(failure, history, POLICY, lambda: chance)


@pytest.mark.parametrize(
    "kind", [FailureKind.BAD_REQUEST, FailureKind.AUTH, FailureKind.QUOTA, FailureKind.MODEL_NOT_FOUND, FailureKind.TLS]
)
def test_what_cannot_be_mended_is_sent_once(kind: FailureKind) -> None:
    assert after(kind) == GiveUp()


@pytest.mark.parametrize(("attempts", "ceiling_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0)])
def test_the_backoff_doubles_and_has_full_jitter(attempts: int, ceiling_s: float) -> None:
    longest = after(FailureKind.SERVER, attempts=attempts, chance=1.0)
    shortest = after(FailureKind.SERVER, attempts=attempts, chance=0.0)

    assert isinstance(longest, SendAgain)
    assert isinstance(shortest, SendAgain)
    assert longest.delay_s == ceiling_s
    assert shortest.delay_s == 0.0


def test_the_backoff_is_never_longer_than_30_seconds() -> None:
    decision = decide(
        Failure(FailureKind.SERVER, "x"),
        History(20, 0, 0.0, inf, has_other_model=False),
        RetryPolicy(max_attempts=100),
        lambda: 1.0,
    )

    assert isinstance(decision, SendAgain)
    assert decision.delay_s == 30.0


def test_the_last_attempt_is_the_last() -> None:
    assert after(FailureKind.SERVER, attempts=5) == GiveUp("gave up after 5 attempts")


def test_a_rate_limit_is_waited_out_however_many_attempts_were_made() -> None:
    assert isinstance(after(FailureKind.RATE_LIMIT, attempts=5, refusals=40, hint_s=1.0), SendAgain)


def test_a_rate_limit_costs_the_purse_nothing() -> None:
    decision = after(FailureKind.RATE_LIMIT)

    assert isinstance(decision, SendAgain)
    assert decision.cost == 0


def test_a_prompt_is_held_by_rate_limits_for_ten_minutes_at_most() -> None:
    assert isinstance(after(FailureKind.RATE_LIMIT, elapsed_s=590, hint_s=1.0), SendAgain)
    assert after(FailureKind.RATE_LIMIT, elapsed_s=600, hint_s=1.0) == GiveUp("still rate limited after 600 s")


def test_the_servers_hint_beats_a_shorter_backoff_and_is_spread() -> None:
    exact = after(FailureKind.OVERLOADED, hint_s=10.0, chance=0.0)
    spread = after(FailureKind.OVERLOADED, hint_s=10.0, chance=1.0)

    assert isinstance(exact, SendAgain)
    assert isinstance(spread, SendAgain)
    assert exact.delay_s == 10.0
    assert spread.delay_s == pytest.approx(11.0)


def test_no_attempt_is_planned_beyond_the_deadline() -> None:
    assert isinstance(after(FailureKind.SERVER, seconds_left=0.5), SendAgain)
    assert after(FailureKind.SERVER, seconds_left=0.4) == GiveUp("no time is left for another attempt")


def test_what_another_model_can_mend_goes_there_at_once() -> None:
    assert after(FailureKind.CONTEXT_LENGTH, has_other_model=True) == SendAgain(0.0, to_other_model=True)
    assert after(FailureKind.CONTEXT_LENGTH, has_other_model=False) == GiveUp()
    assert after(FailureKind.BAD_REQUEST, has_other_model=True) == GiveUp()


def test_the_servers_own_word_overrules_the_kind() -> None:
    assert after(FailureKind.SERVER, should_retry=False) == GiveUp()
    assert isinstance(after(FailureKind.BAD_REQUEST, should_retry=True), SendAgain)


def test_a_hint_that_is_too_long_to_wait_for_is_not_waited_for() -> None:
    assert after(FailureKind.OVERLOADED, hint_s=500.0) == GiveUp("the provider asks to wait 500 s")
