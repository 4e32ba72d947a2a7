"""What a request will need before it is sent: its tokens, and the most it may cost. Pure; sends and decides nothing.

`engine` asks for the limiter, `spending` for budgets, the client for its estimate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.json_schema import schema_of
from deluge_sync.models.pricing import highest_cost_usd
from deluge_sync.prompt import estimate_text_tokens

if TYPE_CHECKING:
    from deluge_sync._adapters.call import Call, Extras

__all__ = ["input_tokens", "longest_answer", "most_usd", "tokens_beside"]

_UNKNOWN_IMAGE: Final = 85
# The largest image has about so many tokens at OpenAI and Anthropic.
_LARGEST_IMAGE: Final = 1_600
# The estimate of a text may be a sixth too low (see `prompt.tokens`), and tokenizers differ by up to a half: what a
# request may cost at most is reckoned with twice the estimate. It only has to be there while the request is under way.
_MARGIN: Final = 2
# Anthropic puts a prompt of its own before the tools, of up to 530 tokens by model and tool choice.
# Source: https://docs.anthropic.com/es/docs/tool-use-pricing-and-tokens (read 2026-11).
_TOOL_PROMPT: Final = 600
# What bounds an answer in each provider's words, and what multiplies answers; users may say either in `extra_body`.
_BOUNDS: Final = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens"})
_COUNTS: Final = frozenset({"n", "candidateCount"})


def input_tokens(call: Call, *, unknown_image: int = _UNKNOWN_IMAGE) -> int:
    """About how many tokens are sent, tools and schema included. An image whose size is unknown is `unknown_image`."""
    prompt_tokens = call.prompt.estimate_tokens(img_tokens=unknown_image, media_rule=call.model.api_spec)
    return prompt_tokens + tokens_beside(call.extras)


def tokens_beside(extras: Extras) -> int:
    """About how many tokens a call sends with each prompt: its tools and its schema."""
    beside = [_plain(tool) for tool in extras.tools]
    if extras.output_schema is not None:
        beside.append(schema_of(extras.output_schema)[1])
    return estimate_text_tokens(json.dumps(beside, default=str)) if beside else 0


def _plain(tool: Any) -> Any:
    from deluge_sync.tool import Tool  # with the first tool: most prompts have none

    return tool.to_dict() if isinstance(tool, Tool) else tool


def longest_answer(call: Call) -> int:
    """The most tokens that the request lets the model answer, of all its answers together."""
    if call.model.mode != "chat":
        return 0
    said = dict(_numbers(call.extras.body))
    bound = max([call.params.max_new_tokens, *(said[name] for name in _BOUNDS & said.keys())])
    if call.model.api_spec == "bedrock" and not _bedrock_takes_bound(call):
        bound = max(bound, call.model.max_output_tokens or 0)  # it is sent without a bound
    return bound * max([1, *(said[name] for name in _COUNTS & said.keys())])


def _bedrock_takes_bound(call: Call) -> bool:
    from deluge_sync._adapters.bedrock_reasoning import reasoning_of  # of one format only

    return reasoning_of(call, ()).takes_max_tokens


def most_usd(call: Call) -> float | None:
    """The most that one request may cost, in US dollars; None when a price is unknown.

    What a provider's own tools read and charge beside is not foreseen.
    """
    extras = call.extras
    prompt_tokens = _MARGIN * input_tokens(call, unknown_image=_LARGEST_IMAGE) + (_TOOL_PROMPT if extras.tools else 0)
    return highest_cost_usd(
        call.model,
        prompt_tokens,
        longest_answer(call),
        service_tier=extras.service_tier,
        is_cached=extras.cache_pattern is not None,
    )


def _numbers(body: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The whole numbers of the fields, and of fields within them, by name."""
    for name, value in body.items():
        if isinstance(value, Mapping):
            yield from _numbers(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield name, value
