"""When a provider counts as down, and how it comes back."""

from __future__ import annotations

from math import inf

from deluge_sync._engine.brake import Brake

RETRY = 14


def bring_down(brake: Brake, now: float = 0.0) -> int:
    """Fail until the provider counts as down; returns how many failures that took."""
    failures = 0
    while not brake.is_down:
        brake.failed(brake.sent(), now, RETRY)
        failures += 1
    return failures


def test_a_provider_that_never_answers_is_down_when_the_purse_is_empty() -> None:
    assert bring_down(Brake()) == 500 // RETRY + 1


def test_ten_prompts_that_fail_at_their_first_attempts_are_enough() -> None:
    brake = Brake()

    assert all(brake.failed(brake.sent(), 0.0, RETRY, is_news=True) for _ in range(9))
    assert not brake.failed(brake.sent(), 0.0, RETRY, is_news=True)
    assert brake.is_down


def test_a_provider_that_answers_now_and_then_is_never_down() -> None:
    brake = Brake()

    for _ in range(1_000):
        assert all(brake.failed(brake.sent(), 0.0, RETRY) for _ in range(8))
        brake.answered(brake.sent())

    assert not brake.is_down


def test_a_provider_that_is_down_gets_one_probe_at_a_time_with_growing_pauses() -> None:
    brake = Brake()
    bring_down(brake, now=100.0)
    now, pauses = 100.0, []
    for _ in range(6):
        pauses.append(brake.opens_at - now)
        now = brake.opens_at
        probe = brake.sent()
        assert brake.opens_at == inf
        now += 0.1
        assert not brake.failed(probe, now, RETRY)

    assert pauses == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_what_was_sent_before_the_outage_neither_ends_it_nor_counts_as_the_probe() -> None:
    brake = Brake()
    before = brake.sent()
    bring_down(brake, now=100.0)
    opens_at = brake.opens_at

    assert not brake.failed(before, 100.2, RETRY)
    assert not brake.answered(before)
    assert (brake.is_down, brake.opens_at) == (True, opens_at)

    brake.sent()
    assert not brake.failed(before, 100.6, RETRY)
    assert brake.opens_at == inf  # the probe is still on its way


def test_late_failures_of_an_outage_that_is_over_begin_no_other() -> None:
    brake = Brake()
    before = brake.sent()
    bring_down(brake)
    brake.answered(brake.sent())

    assert not any(brake.failed(before, 1.0, RETRY) for _ in range(1_000))
    assert not brake.is_down


def test_a_probe_that_is_cut_off_tells_nothing_and_another_may_follow() -> None:
    brake = Brake()
    bring_down(brake)
    brake.told_nothing(brake.sent(), 7.0)

    assert brake.is_down
    assert brake.opens_at == 7.0


def test_one_answer_ends_the_outage() -> None:
    brake = Brake()
    bring_down(brake)

    assert brake.answered(brake.sent())
    assert not brake.is_down
    assert brake.opens_at == -inf
    assert not brake.answered(brake.sent())
