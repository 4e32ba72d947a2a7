"""The bounded threads of tools: how many there are, and what becomes of calls that do not end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import pytest

from deluge_sync.agent import threads as threads_module
from deluge_sync.agent.alarms import Alarms
from deluge_sync.agent.threads import ToolThreads
from deluge_sync.errors import ClientClosedError


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.001)


def test_no_more_calls_run_at_once_than_there_are_threads() -> None:
    threads, lock = ToolThreads(Alarms(), most=3), threading.Lock()
    running, most, together = 0, 0, threading.Barrier(3)

    def call(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(10)  # thirty calls, three at a time: with fewer threads it would break
        with lock:
            running -= 1
        return number

    futures = [threads.run(lambda n=n: call(n)) for n in range(30)]  # type: ignore[misc]  # mypy: defaults of lambdas
    assert [future.result(10) for future in futures] == list(range(30))
    assert most == 3
    threads.close()


def test_what_a_call_raises_is_in_its_future_and_the_thread_lives_on() -> None:
    threads = ToolThreads(Alarms(), most=1)

    def leave() -> None:
        raise SystemExit(3)

    assert isinstance(threads.run(leave).exception(10), SystemExit)
    assert threads.run(threading.get_ident).result(10) == threads.run(threading.get_ident).result(10)
    threads.close()


def test_a_call_that_overruns_gives_its_place_to_the_next(release: threading.Event) -> None:
    threads = ToolThreads(Alarms(), most=1)
    hanging = threads.run(lambda: release.wait(30), timeout_s=0.05)
    after = threads.run(lambda: "next")

    assert str(hanging.exception(10)) == "it did not finish within 0.05 s"
    assert after.result(10) == "next"
    threads.close()


def test_the_time_begins_when_the_call_begins(release: threading.Event) -> None:
    threads = ToolThreads(Alarms(), most=1)
    first = threads.run(lambda: release.wait(0.3))
    second = threads.run(lambda: "in time", timeout_s=0.25)

    assert first.result(10) is False
    assert second.result(10) == "in time"
    threads.close()


def test_calls_that_never_end_cannot_cost_threads_without_end(release: threading.Event) -> None:
    threads = ToolThreads(Alarms(), most=2, most_written_off=3)
    for _ in range(3):
        assert isinstance(threads.run(lambda: release.wait(30), timeout_s=0.01).exception(10), TimeoutError)
    refused = threads.run(lambda: "never run").exception(10)

    assert "3 earlier calls overran their time" in str(refused)
    release.set()
    wait_until(lambda: threads.run(lambda: None).exception(10) is None)  # once they have come to their end
    threads.close()


def test_a_cancelled_call_is_not_run(release: threading.Event) -> None:
    threads = ToolThreads(Alarms(), most=1)
    threads.run(lambda: release.wait(30))
    waiting = threads.run(lambda: pytest.fail("it must not run"))

    assert waiting.cancel()
    release.set()
    assert threads.run(lambda: "next").result(10) == "next"
    with pytest.raises(CancelledError):
        waiting.result(10)
    threads.close()


def test_closing_ends_idle_threads_and_answers_what_waits(release: threading.Event) -> None:
    before = set(threading.enumerate())
    threads = ToolThreads(Alarms(), most=1)
    threads.run(lambda: None).result(10)
    threads.close()
    assert set(threading.enumerate()) <= before

    busy = ToolThreads(Alarms(), most=1)
    running, waiting = busy.run(lambda: release.wait(30)), busy.run(lambda: None)
    wait_until(running.running)
    busy.close()
    assert isinstance(waiting.exception(10), ClientClosedError)
    assert isinstance(busy.run(lambda: None).exception(10), ClientClosedError)


def test_idle_threads_end_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "_IDLE_S", 0.01)
    before = set(threading.enumerate())
    threads = ToolThreads(Alarms())
    threads.run(lambda: None).result(10)

    wait_until(lambda: set(threading.enumerate()) <= before)
    assert threads.run(lambda: "again").result(10) == "again"
    threads.close()
