"""The feed alone, with an engine that answers when the test says so."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable

import pytest

from deluge_sync._engine.job import Job, Run
from deluge_sync.client.feed import Feed
from deluge_sync.client.gathered import Gathered
from deluge_sync.errors import ClientClosedError
from deluge_sync.prompt import Conversation


class Answers:
    """Takes jobs and answers each at once, until it is closed."""

    def __init__(self, *, closes_after: int) -> None:
        self.left = closes_after
        self.cancelled: list[Job] = []

    def prepare(self, position: int, prompt: str) -> Job:
        return Job(position, Conversation.user(prompt), Run(), None)  # type: ignore[arg-type]  # it goes nowhere

    def start(self, job: Job) -> None:
        if not self.left:
            raise ClientClosedError("closed")
        self.left -= 1
        answer = f"answer to {job.prompt.messages[0].text}"
        job.future.set_result(answer)  # type: ignore[arg-type]  # what it is does not matter here

    def cancel(self, jobs: Iterable[Job]) -> None:
        self.cancelled += jobs


def test_what_was_answered_is_handed_out_before_a_closed_client_is_told() -> None:
    answers = Answers(closes_after=3)
    got: list[object] = []

    feed = iter(Feed(list("abcdef"), answers.prepare, answers.start, answers.cancel, window=10))
    got += [next(feed)[1] for _ in range(3)]
    with pytest.raises(ClientClosedError):
        next(feed)

    assert got == ["answer to a", "answer to b", "answer to c"]


def test_a_response_is_given_to_the_callback_before_it_is_handed_out() -> None:
    stored: list[tuple[int, object]] = []
    answers = Answers(closes_after=100)
    feed = Feed(
        iter("abc"),
        answers.prepare,
        answers.start,
        answers.cancel,
        window=1,
        on_response=lambda *answer: stored.append(answer),
    )

    for position, response in feed:
        assert stored[-1] == (position, response)
    assert len(stored) == 3


def test_what_the_callback_raises_ends_the_iteration() -> None:
    answers = Answers(closes_after=100)

    def disk_full(_position: int, _response: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(Feed(iter("abc"), answers.prepare, answers.start, answers.cancel, window=1, on_response=disk_full))


def test_stopping_cancels_what_is_outstanding_and_ends_the_iteration() -> None:
    answers = Answers(closes_after=100)
    feed = Feed((str(n) for n in range(100)), answers.prepare, answers.start, answers.cancel, window=10)
    iterator = iter(feed)
    next(iterator)
    feed.stop()

    assert list(iterator) == []
    assert all(isinstance(job, Job) for job in answers.cancelled)


def test_an_answer_that_was_taken_is_freed_at_once() -> None:
    """What waits for the garbage collector instead costs a third of the time of a call that answers from a cache."""
    answers, futures = Answers(closes_after=100), list[weakref.ref[object]]()

    def prepare(position: int, prompt: str) -> Job:
        job = answers.prepare(position, prompt)
        futures.append(weakref.ref(job.future))
        return job

    gc.disable()
    try:
        for _ in Feed((str(number) for number in range(50)), prepare, answers.start, answers.cancel, window=10):
            pass
        assert [future() for future in futures] == [None] * 50
    finally:
        gc.enable()


class Slow(Answers):
    """Answers nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__(closes_after=10**6)
        self.waiting: list[Job] = []

    def start(self, job: Job) -> None:
        self.waiting.append(job)

    def answer(self, count: int) -> None:
        answered, self.waiting[:] = self.waiting[:count], self.waiting[count:]
        for job in answered:
            super().start(job)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def waits(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """For how many answers the feed waited, and how long at most; so many are given then."""
    waits: list[tuple[int, float]] = []
    take = Gathered.take

    def answer(gathered: Gathered[Job], count: int, *, within_s: float) -> Job:
        if not gathered:
            waits.append((count, within_s))
            slow.answer(count)
        return take(gathered, count, within_s=within_s)

    monkeypatch.setattr(Gathered, "take", answer)
    return waits


def test_many_answers_gather_before_they_are_taken(slow: Slow, waits: list[tuple[int, float]]) -> None:
    feed = iter(Feed(map(str, range(10**6)), slow.prepare, slow.start, slow.cancel, window=100))

    assert [next(feed)[0] for _ in range(200)] == list(range(200))
    assert waits == [(25, 0.01)] * 8


def test_few_answers_are_not_waited_for(slow: Slow, waits: list[tuple[int, float]]) -> None:
    feed = Feed(map(str, range(100)), slow.prepare, slow.start, slow.cancel, window=10)

    assert [position for position, _ in feed] == list(range(100))
    assert waits == [(1, 0.0)] * 100


def test_who_needs_all_answers_is_woken_for_prompts_to_feed_and_at_the_end(
    slow: Slow, waits: list[tuple[int, float]]
) -> None:
    feed = Feed(map(str, range(250)), slow.prepare, slow.start, slow.cancel, window=100, needs_all=True)

    assert [position for position, _ in feed] == list(range(250))
    # Three quarters of the window are under way at any moment; once all prompts are fed, nothing is to do but wait.
    assert waits == [(25, 0.25)] * 7 + [(75, 0.25)]
