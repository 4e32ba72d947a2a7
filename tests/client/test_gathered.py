"""Whoever waits for several is woken once, and never too late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from time import monotonic

import pytest

from deluge_sync.client.gathered import Gathered

Take = Callable[..., Future[object]]


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = monotonic() + 10
    while not condition():
        assert monotonic() < give_up_at


@pytest.fixture
def gathered() -> Gathered[object]:
    return Gathered()


@pytest.fixture
def take(gathered: Gathered[object]) -> Iterator[Take]:
    """Takes in another thread, which waits already."""
    with ThreadPoolExecutor(1) as threads:

        def start(count: int, *, within_s: float) -> Future[object]:
            taking = threads.submit(gathered.take, count, within_s=within_s)
            wait_until(lambda: gathered._wanted < inf)
            return taking

        yield start


def test_what_is_there_is_taken_in_its_order(gathered: Gathered[object]) -> None:
    assert not gathered
    for item in "abc":
        gathered.put(item)
    assert gathered
    assert [gathered.take(count, within_s=60) for count in (100, 2, 1)] == ["a", "b", "c"]
    assert not gathered


def test_who_waits_for_three_is_woken_by_the_third(
    gathered: Gathered[object], take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deluge_sync.client.gathered._SIGNAL_CHECK_S", 60)
    taking = take(3, within_s=60)
    gathered.put("a")
    gathered.put("b")
    assert gathered._bell.empty()
    gathered.put("c")
    assert taking.result(10) == "a"


def test_who_has_waited_long_enough_takes_what_there_is(gathered: Gathered[object], take: Take) -> None:
    taking = take(3, within_s=0.1)
    gathered.put("a")
    assert taking.result(10) == "a"
    assert gathered._wanted == inf


def test_who_has_waited_in_vain_is_woken_by_the_first(gathered: Gathered[object], take: Take) -> None:
    taking = take(3, within_s=0.01)
    wait_until(lambda: gathered._wanted == inf)
    gathered.put("a")
    assert taking.result(10) == "a"


def test_what_is_urgent_wakes_at_once(gathered: Gathered[object], take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deluge_sync.client.gathered._SIGNAL_CHECK_S", 60)
    taking = take(100, within_s=60)
    gathered.put(None, is_urgent=True)
    assert taking.result(10) is None


def test_nothing_is_lost_however_many_put_at_once(gathered: Gathered[object]) -> None:
    with ThreadPoolExecutor(8) as threads:
        putting = [threads.submit(gathered.put, number) for number in range(5_000)]
        taken = [gathered.take(1 + number % 50, within_s=0.001) for number in range(5_000)]
        assert all(put.exception() is None for put in putting)
    assert sorted(map(int, map(str, taken))) == list(range(5_000))
    assert not gathered


def test_a_bell_that_was_rung_twice_wakes_nobody_later(
    gathered: Gathered[object], take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deluge_sync.client.gathered._SIGNAL_CHECK_S", 60)
    gathered._bell.put(None)
    gathered._bell.put(None)
    taking = take(2, within_s=60)
    gathered.put("a")
    with pytest.raises(TimeoutError):
        taking.result(0.1)
    gathered.put("b")
    assert taking.result(10) == "a"
