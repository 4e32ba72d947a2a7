from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest

from deluge_sync.prompt.once import Once


class Work:
    """Work that waits until it is let go, and says how often it was done."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.times = 0
        self.error: BaseException | None = None

    def __call__(self) -> str:
        self.times += 1
        self.begun.release()
        assert self.let_go.wait(10)
        error, self.error = self.error, None
        if error is not None:
            raise error
        return "done"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_whoever_asks_while_it_is_under_way_gets_what_comes(pool: ThreadPoolExecutor) -> None:
    once: Once[str, str] = Once()
    work = Work()
    first = pool.submit(once.do, "a", work)
    assert work.begun.acquire(timeout=10)
    future, is_ours = once._join("a")  # what a follower does first
    assert not is_ours
    work.let_go.set()
    assert (first.result(10), future.result(10), work.times) == ("done", "done", 1)


def test_nothing_is_kept() -> None:
    once: Once[str, str] = Once()
    assert [once.do("a", lambda: "first"), once.do("a", lambda: "second")] == ["first", "second"]


def test_other_keys_do_not_wait(pool: ThreadPoolExecutor) -> None:
    once: Once[str, str] = Once()
    work = Work()
    first = pool.submit(once.do, "a", work)
    assert work.begun.acquire(timeout=10)
    assert once.do("b", lambda: "other") == "other"
    work.let_go.set()
    assert first.result(10) == "done"


def test_an_error_is_everybodys_and_is_not_kept(pool: ThreadPoolExecutor) -> None:
    once: Once[str, str] = Once()
    work = Work()
    work.error = ValueError("no")
    first = pool.submit(once.do, "a", work)
    assert work.begun.acquire(timeout=10)
    future, _ = once._join("a")
    work.let_go.set()
    for waiting in (first, future):
        with pytest.raises(ValueError, match="no"):
            waiting.result(10)
    assert once.do("a", lambda: "again") == "again"


def test_work_that_was_interrupted_is_begun_again_by_those_who_waited(pool: ThreadPoolExecutor) -> None:
    once: Once[str, str] = Once()
    work, waits = Work(), threading.Event()
    work.error = KeyboardInterrupt()
    join: Callable[[str], tuple[Future[str], bool]] = once._join

    def joins(key: str) -> tuple[Future[str], bool]:
        found = join(key)
        waits.set() if not found[1] else None
        return found

    def interrupted() -> None:
        with suppress(KeyboardInterrupt):  # an executor would end with it
            once.do("a", work)

    first = pool.submit(interrupted)
    assert work.begun.acquire(timeout=10)
    once._join = joins  # type: ignore[method-assign]  # tells that the other one waits
    other = pool.submit(once.do, "a", work)
    assert waits.wait(10)
    work.let_go.set()
    first.result(10)
    assert (other.result(10), work.times) == ("done", 2)
