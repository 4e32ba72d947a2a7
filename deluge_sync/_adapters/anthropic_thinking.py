"""How much a Claude model shall think, told in the way of the model: as an effort or as a budget.

`anthropic` calls it, and `bedrock`, where Claude is told in the same words.

Source: the official package `anthropic` 2.12, `types.ThinkingConfigParam` and `types.OutputConfigParam`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.reasoning import budget_of, effort_of
from deluge_sync._adapters.writing import warn_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deluge_sync._adapters.call import Call

__all__ = ["is_told_depth", "thinking_and_effort"]

_LEAST_BUDGET: Final = 1_024
# Kinds of blocks, as Anthropic's API and as Bedrock's call them.
_THOUGHTS: Final = ("thinking", "redacted_thinking", "reasoningContent")
_RESULTS: Final = ("tool_result", "toolResult")
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}


def is_told_depth(call: Call) -> bool:
    """Whether the model can be told how much to think."""
    return call.model.reasoning_model and call.model.reasoning_control is not None


def thinking_and_effort(call: Call, messages: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any] | None, str | None]:
    """The request's `thinking` and its effort; None for what is not said. `messages` are those of the request."""
    if not is_told_depth(call):
        return None, None
    return _by_effort(call) if call.model.reasoning_control == "effort" else (_by_budget(call, messages), None)


def _by_effort(call: Call) -> tuple[dict[str, Any] | None, str | None]:
    effort = effort_of(call.params)
    if effort is None:
        return None, None
    return ({"type": "disabled"}, None) if effort == "none" else ({"type": "adaptive"}, _EFFORTS[effort])


def _by_budget(call: Call, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """A budget leaves something of the answer's bound: a quarter, where the user asks for all of it or more."""
    budget, bound = budget_of(call.params), call.params.max_new_tokens
    if not budget:
        return None
    if bound <= _LEAST_BUDGET:
        warn_once(call.model.id, [f"thinking, for which max_new_tokens must be above {_LEAST_BUDGET:,}"])
        return None
    if _goes_on_without_a_thought(messages):
        warn_once(call.model.id, ["thinking, in a turn whose tool calls came without any"])
        return None
    asked = max(budget, _LEAST_BUDGET)
    return {"type": "enabled", "budget_tokens": asked if asked < bound else max(_LEAST_BUDGET, bound * 3 // 4)}


def _goes_on_without_a_thought(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether results answer calls that were made without thinking, or by another model: no budget may be set.

    Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking, on thinking with tools.
    """
    if len(messages) < 2 or not isinstance(messages[-1]["content"], list):
        return False
    before, first = messages[-2]["content"], messages[-1]["content"][0]
    return _kind(first) in _RESULTS and (isinstance(before, str) or _kind(before[0]) not in _THOUGHTS)


def _kind(block: Mapping[str, Any]) -> str:
    """Of a block of Bedrock's, its one key."""
    return str(block.get("type") or next(iter(block)))
