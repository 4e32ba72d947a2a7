"""What follows from the answer of one round, and what all rounds together amount to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from deluge_sync.prompt import Conversation
from deluge_sync.prompt.parts import ToolCall, ToolResult
from deluge_sync.response import APIResponse, Round, Usage

__all__ = ["MAX_ROUNDS", "AskAgain", "CallTools", "Ended", "Step", "decide", "summary", "with_answer", "with_results"]

MAX_ROUNDS: Final = "max_rounds"
"""The `finish_reason` of a loop that was ended although the model wanted to go on."""

# Anthropic's word for an answer that it broke off while its own tools ran: sent back as it is, it goes on.
_PAUSES: Final = frozenset({"pause_turn"})


@dataclass(frozen=True, slots=True)
class Ended:
    """The loop ends with this answer. An error is not part of the conversation, which can be sent again."""

    is_error: bool = False


@dataclass(frozen=True, slots=True)
class AskAgain:
    """The model is asked to go on, unless this was the last round."""


@dataclass(frozen=True, slots=True)
class CallTools:
    """These calls are to be carried out. `was_cut_off`: the last of them may have ended too early."""

    calls: tuple[ToolCall, ...]
    was_cut_off: bool = False


Step: TypeAlias = Ended | AskAgain | CallTools


def decide(response: APIResponse) -> Step:
    """What follows from an answer."""
    if response.is_error or response.content is None:
        return Ended(is_error=True)
    if response.tool_calls:
        return CallTools(tuple(response.tool_calls), was_cut_off=response.finish_reason == "length")
    return AskAgain() if response.finish_reason in _PAUSES else Ended()


def with_answer(conversation: Conversation, response: APIResponse) -> Conversation:
    """A new conversation that ends with the answer. The old one belongs to the response that it was the prompt of."""
    return Conversation(list(conversation.messages), conversation.model_used).with_response(response)


def with_results(conversation: Conversation, results: Sequence[ToolResult]) -> Conversation:
    """The same conversation, with the results in one message."""
    for result in results:
        conversation.with_tool_result(result.tool_call_id, result.result, is_error=result.is_error)
    return conversation


def summary(last: APIResponse, rounds: Sequence[Round], *, latency_s: float | None, **changes: Any) -> APIResponse:
    """The response of the whole loop: the last answer, with the usage, cost and attempts of all rounds.

    The cost is None as soon as that of one answer is unknown.
    """
    usages = [each.usage for each in rounds if each.usage is not None]
    usage = sum(usages, Usage(0, 0)) if usages else None
    total = {
        "usage": usage,
        "cost": _cost(rounds),
        "cache_hit": usage is not None and usage.has_cache_hit,
        "attempts": sum(each.attempts for each in rounds),
        "latency_s": latency_s,
        "rounds": tuple(rounds),
    }
    return replace(last, **{**total, **changes})


def _cost(rounds: Sequence[Round]) -> float | None:
    """What failed without a word of usage or cost was not billed as far as we know, as everywhere."""
    costs = [each.cost for each in rounds if not each.is_error or each.usage is not None or each.cost is not None]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None
