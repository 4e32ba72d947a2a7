"""How many workers are of use at once."""

from __future__ import annotations

import pytest

from deluge_sync._engine import hands as module
from deluge_sync._engine.hands import Hands


@pytest.fixture(autouse=True)
def _one_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HAS_GIL", True)


def test_while_all_is_fast_one_worker_is_enough() -> None:
    hands = Hands()
    assert hands.may_help(0.0)
    hands.take_up(1, 0.0)
    for _ in range(100):
        hands.measured(0.0003, 0.0002, 0.0)
    assert not hands.may_help(0.001)
    hands.put_down(1)
    assert hands.may_help(0.001)


def test_without_the_lock_of_the_interpreter_everybody_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HAS_GIL", False)
    hands = Hands()
    hands.take_up(1, 0.0)
    assert hands.may_help(0.0)


def test_who_is_held_up_keeps_nobody_from_going_on() -> None:
    hands = Hands()
    hands.take_up(1, 0.0)
    assert not hands.may_help(0.009)
    assert hands.may_help(0.011)
    hands.take_up(2, 0.011)
    assert not hands.may_help(0.012)
    hands.put_down(2)
    assert hands.may_help(0.012)  # though the first is still at it


@pytest.mark.parametrize(("blocked_s", "workers"), [(0.0, 1), (0.001, 1), (0.0045, 3), (0.0205, 11)])
def test_what_blocks_gets_helpers(blocked_s: float, workers: int) -> None:
    hands = Hands()
    for _ in range(100):
        hands.measured(blocked_s, 0.0, 0.0)
    for worker in range(workers):
        assert hands.may_help(0.0)
        hands.take_up(worker, 0.0)
    assert not hands.may_help(0.0)


def test_waiting_for_each_other_is_not_taken_for_blocking() -> None:
    """Four that work 3 ms each, in turn: a fifth would make it worse."""
    hands = Hands()
    for worker in range(4):
        hands.take_up(worker, 0.0)
    for _ in range(100):
        hands.measured(0.012, 0.003, 0.0)
    assert not hands.may_help(0.0)


def test_it_is_checked_as_long_as_there_is_something_to_check() -> None:
    hands = Hands()
    hands.check(0.0, is_needed=False)
    assert hands.check_at == float("inf")
    hands.check(0.0, is_needed=True)
    first = hands.check_at
    assert 0 < first < 0.1
    hands.check(first / 2, is_needed=True)
    assert hands.check_at == first
    hands.take_up(1, first)
    hands.check(first, is_needed=False)
    assert hands.check_at > first
    hands.put_down(1)
    hands.check(first, is_needed=False)
    assert hands.check_at == float("inf")


def test_it_is_checked_the_less_often_the_longer_nobody_is_held_up() -> None:
    hands = Hands()
    hands.take_up(1, 0.0)
    hands.check(0.0, is_needed=True)
    pauses = []
    for _ in range(6):
        now = hands.check_at
        hands.take_up(1, now)  # it has begun something new just now
        hands.check(now, is_needed=True)
        pauses.append(round(hands.check_at - now, 6))
    assert pauses == [0.04, 0.08, 0.16, 0.16, 0.16, 0.16]

    now = hands.check_at
    hands.check(now, is_needed=True)  # it is at the same thing still
    assert round(hands.check_at - now, 6) == 0.02
