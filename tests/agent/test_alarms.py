"""Alarms: in the order of their times, and never after they were cancelled."""

from __future__ import annotations

import logging
import threading
import time
import weakref

import pytest

from deluge_sync.agent.alarms import Alarms


def test_alarms_ring_in_the_order_of_their_times() -> None:
    alarms, rung, all_rung = Alarms(), list[str](), threading.Event()
    alarms.set(0.15, all_rung.set)
    alarms.set(0.1, lambda: rung.append("late"))
    alarms.set(0.05, lambda: rung.append("early"))

    assert all_rung.wait(10)
    assert rung == ["early", "late"]


def test_an_alarm_that_fails_keeps_no_other_from_ringing(caplog: pytest.LogCaptureFixture) -> None:
    alarms, rung = Alarms(), threading.Event()
    missing: dict[str, int] = {}
    with caplog.at_level(logging.ERROR):
        alarms.set(0.01, lambda: missing.__delitem__("a"))
        alarms.set(0.05, rung.set)
        assert rung.wait(10)
    assert "an alarm failed" in caplog.text


def test_a_cancelled_alarm_does_not_ring_and_lets_go_at_once() -> None:
    class Held:
        def __init__(self) -> None:
            self.rung = False

        def ring(self) -> None:
            self.rung = True

    alarms, held, passed = Alarms(), Held(), threading.Event()
    gone = weakref.ref(held)
    alarm = alarms.set(0.05, held.ring)
    alarms.set(0.1, passed.set)
    alarm.cancel()
    alarm.cancel()
    assert passed.wait(10)
    assert not held.rung
    del held
    assert gone() is None


def test_the_thread_lives_only_while_an_alarm_is_set() -> None:
    before = set(threading.enumerate())
    alarms = Alarms()
    alarm = alarms.set(3_600, lambda: None)
    assert len(set(threading.enumerate()) - before) == 1
    alarm.cancel()

    give_up_at = time.monotonic() + 10
    while not set(threading.enumerate()) <= before:
        assert time.monotonic() < give_up_at, "the thread lives on"
        time.sleep(0.001)
    rung = threading.Event()
    alarms.set(0.01, rung.set)
    assert rung.wait(10)
