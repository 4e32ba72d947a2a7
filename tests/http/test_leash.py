"""The thread that keeps the deadlines: it lives while there is something to watch, and not much longer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue
from time import monotonic, sleep

import pytest

from deluge_sync._http import Leash
from deluge_sync._http.leash import Reaper

Clock = Callable[[], float]


@pytest.fixture
def reaper() -> Iterator[Reaper]:
    reaper = Reaper(idle_s=0.05)
    yield reaper
    reaper.close()


@pytest.fixture
def tireless() -> Iterator[Reaper]:
    """One whose thread wakes for nothing but what it is told."""
    reaper = Reaper(idle_s=100)
    yield reaper
    reaper.close()


def asleep_until(reaper: Reaper, seconds: float) -> Leash:
    """A leash for whose deadline the thread is already waiting."""
    leash, _ = watched(reaper, seconds)
    while reaper._wakes_at < leash.deadline:
        sleep(0.001)
    with reaper._changed:  # free only while the thread waits
        return leash


def watched(reaper: Reaper, seconds: float) -> tuple[Leash, threading.Event]:
    """A leash, and what is set when it is cut."""
    leash, is_cut = Leash(monotonic() + seconds), threading.Event()
    leash.lend(is_cut.set)
    reaper.watch(leash)
    return leash, is_cut


def test_leashes_are_cut_in_the_order_of_their_deadlines(reaper: Reaper) -> None:
    order: SimpleQueue[int] = SimpleQueue()
    for place in (3, 1, 2):
        leash = Leash(monotonic() + 0.05 * place)
        leash.lend(partial(order.put, place))
        reaper.watch(leash)
    assert [order.get(timeout=5) for _ in range(3)] == [1, 2, 3]


def test_an_earlier_deadline_wakes_the_thread(tireless: Reaper, own_time: Clock) -> None:
    far = asleep_until(tireless, 100)
    started = own_time()
    assert watched(tireless, 0.02)[1].wait(5)
    assert own_time() - started < 0.1
    tireless.forget(far)


def test_what_is_forgotten_is_not_cut_and_not_kept(reaper: Reaper) -> None:
    forgotten, _ = watched(reaper, 0.02)
    reaper.forget(forgotten)
    _, is_cut = watched(reaper, 0.03)
    assert is_cut.wait(5)
    assert forgotten.cut_reason is None
    assert not reaper._watched


def test_the_thread_ends_when_idle_and_starts_again(reaper: Reaper) -> None:
    for _ in range(2):
        leash = asleep_until(reaper, 100)
        thread = reaper._thread
        assert thread is not None
        reaper.forget(leash)
        thread.join(5)  # not for 100 s, although the deadline it knew is that far
        assert not thread.is_alive()


def test_the_thread_stays_while_a_call_is_in_flight(reaper: Reaper) -> None:
    _, is_cut = watched(reaper, 0.2)  # four times as long as the thread would stay idle
    thread = reaper._thread
    assert is_cut.wait(5)
    assert reaper._thread is thread


def test_closing_spares_the_calls_in_flight(reaper: Reaper) -> None:
    leash, is_cut = watched(reaper, 0.1)
    thread = reaper._thread
    assert thread is not None
    reaper.close()
    assert is_cut.wait(5)
    assert leash.cut_reason == "timeout"
    thread.join(5)
    assert not thread.is_alive()
    assert reaper._thread is None


def test_closed_the_thread_ends_with_the_last_call(tireless: Reaper) -> None:
    leash = asleep_until(tireless, 100)
    thread = tireless._thread
    assert thread is not None
    tireless.close()
    assert thread.is_alive()
    tireless.forget(leash)
    thread.join(5)
    assert not thread.is_alive()


def test_closing_twice_is_once(reaper: Reaper) -> None:
    leash, _ = watched(reaper, 100)
    reaper.forget(leash)
    reaper.close()
    reaper.close()
    assert watched(reaper, 0.01)[1].wait(5)


def test_what_is_lent_to_a_call_that_was_cut_is_cut_at_once() -> None:
    leash, is_cut = Leash(monotonic() + 100), threading.Event()
    leash.cut("cancelled")
    leash.lend(is_cut.set)
    assert is_cut.is_set()


def test_what_is_replaced_is_let_go() -> None:
    leash, released = Leash(monotonic() + 100), []
    leash.lend(lambda: None, lambda: released.append("first"))
    leash.lend(lambda: None, lambda: released.append("second"))
    leash.take_back()
    leash.take_back()
    assert released == ["first", "second"]


# --- idle


def listening(reaper: Reaper, idle_s: float) -> tuple[Leash, threading.Event]:
    """A leash whose server is being waited for, with the thread asleep until it must look."""
    leash, is_cut = Leash(monotonic() + 100, idle_s=idle_s), threading.Event()
    leash.lend(is_cut.set)
    leash.listen()
    reaper.watch(leash)
    while reaper._wakes_at < monotonic():
        sleep(0.001)
    with reaper._changed:  # free only while the thread waits
        return leash, is_cut


def test_a_leash_that_is_idle_for_too_long_is_cut(tireless: Reaper, own_time: Clock) -> None:
    started, own_started = monotonic(), own_time()
    leash, is_cut = listening(tireless, 0.1)
    assert is_cut.wait(5)
    assert monotonic() - started >= 0.1
    assert own_time() - own_started < 0.15
    assert leash.cut_reason == "idle"


def test_bytes_move_the_idle_limit_and_wake_nobody(
    tireless: Reaper, own_time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many bytes arrive, the thread looks once in an idle time."""
    leash, is_cut = listening(tireless, 0.1)
    looks: list[float] = []
    overdue = Leash.overdue

    def count(leash: Leash, now: float) -> object:
        looks.append(now)
        return overdue(leash, now)

    monkeypatch.setattr(Leash, "overdue", count)
    started = monotonic()
    stopped, own_stopped = started, own_time()
    while len(looks) < 5 and stopped - started < 10:
        stopped, own_stopped = monotonic(), own_time()
        leash.listen()
    assert monotonic() - started >= 0.4
    assert is_cut.wait(5)
    assert monotonic() - stopped >= 0.09
    assert own_time() - own_stopped < 0.15
    assert 5 <= len(looks) <= 7


def test_while_nobody_listens_no_time_passes(tireless: Reaper, own_time: Clock) -> None:
    leash, is_cut = listening(tireless, 0.05)
    leash.look_away()
    assert not is_cut.wait(0.2)
    leash.listen()
    started, own_started = monotonic(), own_time()
    assert is_cut.wait(5)
    assert monotonic() - started >= 0.05
    assert own_time() - own_started < 0.1


def test_listening_may_begin_at_any_time_without_the_thread_being_told(tireless: Reaper, own_time: Clock) -> None:
    leash, is_cut = Leash(monotonic() + 100, idle_s=0.1), threading.Event()
    leash.lend(is_cut.set)
    far = asleep_until(tireless, 100)
    tireless.watch(leash)
    sleep(0.25)  # the thread has looked twice, and found that nobody listens
    started, own_started = monotonic(), own_time()
    leash.listen()
    assert is_cut.wait(5)
    assert monotonic() - started >= 0.1
    assert own_time() - own_started < 0.15
    tireless.forget(far)


def test_the_deadline_holds_for_a_leash_that_is_never_idle(tireless: Reaper) -> None:
    leash, is_cut = Leash(monotonic() + 0.2, idle_s=0.1), threading.Event()
    leash.lend(is_cut.set)
    tireless.watch(leash)
    while not is_cut.wait(0.01):
        leash.listen()
    assert leash.cut_reason == "timeout"
