"""When a provider counts as down, and how it comes back."""

from __future__ import annotations

from math import inf

from deluge_sync._engine.brake import Brake

RETRY = 14


def bring_down(brake: Brake, now: float = 0.0) -> int:
    """Fail until the provider counts as down; returns how many failures that took."""
    failures = 0
    while not brake.is_down:
        brake.failed(now, RETRY)
        failures += 1
    return failures


def test_a_provider_that_never_answers_is_down_when_the_purse_is_empty() -> None:
    assert bring_down(Brake()) == 500 // RETRY + 1


def test_a_provider_that_answers_now_and_then_is_never_down() -> None:
    brake = Brake()

    for _ in range(1_000):
        assert all(brake.failed(0.0, RETRY) for _ in range(8))
        brake.answered()

    assert not brake.is_down


def test_a_provider_that_is_down_gets_one_probe_at_a_time_with_growing_pauses() -> None:
    brake = Brake()
    bring_down(brake, now=100.0)
    now, pauses = 100.0, []
    for _ in range(6):
        pauses.append(brake.opens_at - now)
        now = brake.opens_at
        brake.sent()
        assert brake.opens_at == inf
        now += 0.1
        assert not brake.failed(now, RETRY)

    assert pauses == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_failure_that_was_on_its_way_before_does_not_count_as_the_probe() -> None:
    brake = Brake()
    bring_down(brake, now=100.0)
    opens_at = brake.opens_at

    assert not brake.failed(100.2, RETRY)
    assert brake.opens_at == opens_at


def test_one_answer_ends_the_outage() -> None:
    brake = Brake()
    bring_down(brake)
    brake.sent()

    assert brake.answered()
    assert not brake.is_down
    assert brake.opens_at == -inf
    assert not brake.answered()
