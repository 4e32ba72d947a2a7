"""One call that gathers its answers, interrupted at every line."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from types import FrameType
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation, SamplingParams
from deluge_sync._engine.job import Job, Run
from deluge_sync.client.collect import Collect
from deluge_sync.client.feed import Feed

PROMPTS = ["a", "b", "c"]


def prepared(position: int, prompt: str) -> Job:
    return Job(position, Conversation.user(prompt), Run(), None)  # type: ignore[arg-type]  # it goes nowhere


class Engine:
    """Takes jobs and answers each at once, or never; notes what is cancelled."""

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self.taken: list[Job] = []
        self.cancelled: set[Job] = set()

    def start(self, job: Job) -> None:
        self.taken.append(job)
        if self._answers:
            job.future.set_result(APIResponse(job.id, "model", job.prompt, SamplingParams(), 200, False, None))
        elif len(self.taken) == 2:  # as many as fit the window: nothing would ever come
            raise KeyboardInterrupt

    def cancel(self, jobs: Iterable[Job]) -> None:
        self.cancelled.update(jobs)


class Interruption:
    """Raises KeyboardInterrupt when the feed, or the engine that takes its jobs, begins its n-th line."""

    _WHERE = (Feed.__iter__, Feed._feed_one, Feed._start_noted, Engine.start)

    def __init__(self, at_line: int) -> None:
        self.lines_left = at_line

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code not in {function.__code__ for function in self._WHERE}:
            return None
        if event == "line":
            self.lines_left -= 1
            if not self.lines_left:
                raise KeyboardInterrupt
        return self


def interrupted(engine: Engine, at_line: int) -> Collect[APIResponse]:
    """A call with three prompts and a window of two, which Ctrl-C strikes at its n-th line."""
    feed = Feed(PROMPTS, prepared, engine.start, engine.cancel, window=2)
    collect = Collect(feed, nullcontext(), len(PROMPTS))
    before = sys.gettrace()
    sys.settrace(Interruption(at_line))
    try:
        with suppress(KeyboardInterrupt):
            collect.run()
    finally:
        sys.settrace(before)
    return collect


# Three prompts take about 70 lines; a later interruption does not happen.
@pytest.mark.parametrize("at_line", range(1, 80))
def test_no_answer_that_had_come_is_lost_wherever_ctrl_c_strikes(at_line: int) -> None:
    engine = Engine(answers=True)
    collect = interrupted(engine, at_line)

    answers = collect.partial()
    answered = [job.id for job in engine.taken if job.future.done()]
    assert [response.id for response in answers if response is not None] == answered
    assert len(answers) == len(PROMPTS)


@pytest.mark.parametrize("at_line", range(1, 40))
def test_no_prompt_stays_uncancelled_wherever_ctrl_c_strikes(at_line: int) -> None:
    engine = Engine(answers=False)
    interrupted(engine, at_line)

    assert set(engine.taken) <= engine.cancelled
