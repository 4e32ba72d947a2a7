"""How a model on Bedrock is told how much to reason: Converse passes on what each maker's models take.

A table over `Model.maker`; what a maker takes is documented with its models. Of a maker that is not in the table
nothing is known, so nothing is sent. `bedrock` calls it.

Source: https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deluge_sync._adapters import anthropic_thinking as claude
from deluge_sync._adapters.reasoning import effort_of

if TYPE_CHECKING:
    from deluge_sync._adapters.call import Call

__all__ = ["Reasoning", "is_told_depth", "reasoning_of"]


Messages: TypeAlias = "Sequence[Mapping[str, Any]]"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What is said about reasoning, and what cannot be said beside it."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    """For `additionalModelRequestFields`."""
    takes_sampling: bool = True
    takes_max_tokens: bool = True


_NOTHING: Final = Reasoning()


def is_told_depth(call: Call) -> bool:
    """Whether it can be said to this model at all."""
    return claude.is_told_depth(call) and call.model.maker in _BY_MAKER


def reasoning_of(call: Call, messages: Messages) -> Reasoning:
    """What the request says about it; `messages` are those of the request."""
    return _BY_MAKER[call.model.maker](call, messages) if is_told_depth(call) else _NOTHING


def _claude(call: Call, messages: Messages) -> Reasoning:
    thinking, effort = claude.thinking_and_effort(call, messages)
    if thinking is None:
        return _NOTHING
    config = {"output_config": {"effort": effort}} if effort is not None else {}
    return Reasoning({"thinking": thinking, **config}, takes_sampling=thinking["type"] == "disabled")


_NOVA_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}


def _nova(call: Call, _messages: Messages) -> Reasoning:
    """It reasons only where it is told to. At the highest effort it takes no bound and no sampling."""
    effort = _NOVA_EFFORTS.get(effort_of(call.params) or "none")
    if effort is None:
        return _NOTHING
    is_free = effort == "high"
    fields = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}
    return Reasoning(fields, takes_sampling=not is_free, takes_max_tokens=not is_free)


_GPT_OSS_EFFORTS: Final = {"none": "low", "minimal": "low"}  # it always reasons


def _gpt_oss(call: Call, _messages: Messages) -> Reasoning:
    effort = effort_of(call.params)
    return _NOTHING if effort is None else Reasoning({"reasoning_effort": _GPT_OSS_EFFORTS.get(effort, effort)})


_BY_MAKER: Final[Mapping[str | None, Callable[[Call, Messages], Reasoning]]] = {
    "anthropic": _claude,
    "amazon": _nova,
    "openai": _gpt_oss,
}
