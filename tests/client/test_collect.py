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


def answered_at_once(position: int, prompt: str) -> Job:
    job = Job(position, Conversation.user(prompt), Run(), None)  # type: ignore[arg-type]  # it goes nowhere
    job.future.set_result(APIResponse(position, "model", job.prompt, SamplingParams(), 200, False, None))
    return job


class Interruption:
    """Raises KeyboardInterrupt when `Feed.__iter__` begins its n-th line."""

    def __init__(self, at_line: int) -> None:
        self.lines_left = at_line

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code is not Feed.__iter__.__code__:
            return None
        if event == "line":
            self.lines_left -= 1
            if not self.lines_left:
                raise KeyboardInterrupt
        return self


# Three prompts with a window of two take about 30 lines; a later interruption does not happen.
@pytest.mark.parametrize("at_line", range(1, 36))
def test_no_answer_that_had_come_is_lost_wherever_ctrl_c_strikes(at_line: int) -> None:
    submitted: list[Job] = []

    def submit(position: int, prompt: str) -> Job:
        submitted.append(answered_at_once(position, prompt))
        return submitted[-1]

    def cancel(_: Iterable[Job]) -> None:
        """All of them are answered."""

    collect = Collect(Feed(PROMPTS, submit, cancel, window=2), nullcontext(), len(PROMPTS))
    before = sys.gettrace()
    sys.settrace(Interruption(at_line))
    try:
        with suppress(KeyboardInterrupt):
            collect.run()
    finally:
        sys.settrace(before)

    answers = collect.partial()
    assert [response.id for response in answers if response is not None] == [job.id for job in submitted]
    assert len(answers) == len(PROMPTS)
