"""What follows from an answer, and what the rounds amount to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deluge_sync.agent.rounds import AskAgain, CallTools, Ended, decide, summary
from deluge_sync.config import SamplingParams
from deluge_sync.prompt import Conversation, Message, ToolCall
from deluge_sync.response import APIResponse, Round, Usage

CALL = ToolCall("c1", "look", {})
ANSWER = APIResponse(
    0, "m", Conversation.user("x"), SamplingParams(), 200, False, None, content=Message.ai("y"), finish_reason="stop"
)
CALLING = replace(ANSWER, content=Message("assistant", [CALL]), finish_reason="tool_calls")
PAID = Round("m", False, Usage(10, 5), 0.25, "tool_calls", 1, 0.1)
FAILED = Round("m", True, None, None, None, 2, 0.1)


@pytest.mark.parametrize(
    ("response", "step"),
    [
        (ANSWER, Ended()),
        (CALLING, CallTools((CALL,))),
        (replace(CALLING, finish_reason="length"), CallTools((CALL,), was_cut_off=True)),
        (replace(CALLING, is_error=True), Ended(is_error=True)),
        (replace(ANSWER, content=None), Ended(is_error=True)),
        (replace(ANSWER, finish_reason="length"), Ended()),
        (replace(ANSWER, finish_reason="pause_turn"), AskAgain()),
    ],
    ids=["text", "calls", "cut off", "error", "nothing", "long text", "pause"],
)
def test_what_follows_from_an_answer(response: APIResponse, step: object) -> None:
    assert decide(response) == step


@pytest.mark.parametrize(
    ("rounds", "cost"),
    [
        ([PAID, PAID], 0.5),
        ([PAID, FAILED], 0.25),
        ([PAID, replace(PAID, cost=None)], None),
        ([PAID, replace(PAID, usage=None, cost=None)], None),
        ([PAID, replace(FAILED, usage=Usage(1, 1))], None),
        ([PAID, replace(PAID, is_error=True)], 0.5),
        ([FAILED], None),
        ([replace(PAID, cost=0.0)], 0.0),
        ([PAID, replace(PAID, is_error=True, usage=None, cost=1.0)], (PAID.cost or 0.0) + 1.0),
    ],
)
def test_a_cost_that_is_unknown_is_not_taken_for_zero(rounds: list[Round], cost: float | None) -> None:
    assert summary(ANSWER, rounds, latency_s=None).cost == cost


def test_the_rounds_add_up() -> None:
    total = summary(ANSWER, [PAID, FAILED, replace(PAID, usage=Usage(1, 1, 7))], latency_s=2.5, finish_reason="x")

    assert total.usage == Usage(11, 6, 7)
    assert (total.attempts, total.latency_s, total.cache_hit, total.finish_reason) == (4, 2.5, True, "x")
    assert (total.completion, ANSWER.rounds) == ("y", ())
    assert summary(ANSWER, [FAILED], latency_s=None).usage is None
