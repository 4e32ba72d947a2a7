"""What the model says as a document of OpenAI's Responses API: its items, its usage, the response around them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._openai_responses_checks import items_of, sealed
from deluge_sync.testing._tokens import count_tokens, split_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from deluge_sync.testing._invent import Speech
    from deluge_sync.testing._reply import Answer

__all__ = ["Saying", "output_items", "prompt_tokens", "response_document", "usage_of"]

Item = dict[str, Any]

_MESSAGE_TOKENS = 4
_MEDIA_TOKENS = MappingProxyType({"input_image": 765, "input_file": 1_000})
_LOW_DETAIL_TOKENS = 85
_LOGPROBS = "message.output_text.logprobs"
_ENCRYPTED = "reasoning.encrypted_content"
# Why the model stopped -> the status of the response; whatever else it stops for, the response is complete.
_ENDS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "length": ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}),
        "content_filter": ("incomplete", {"incomplete_details": {"reason": "content_filter"}}),
        "failed": ("failed", {"error": {"code": "server_error", "message": "the model failed, as ordered"}}),
    }
)


@dataclass(frozen=True, slots=True)
class Saying:
    """What the model says to a request: its speech, and its thought if it reasons."""

    speech: Speech
    thought: str | None

    @classmethod
    def of(cls, request: Mapping[str, Any], speech: Speech, script: Answer, asked: str) -> Saying:
        effort = (request.get("reasoning") or {}).get("effort")
        thinks = script.reasoning_tokens or effort not in (None, "none")
        return cls(speech, f"I think about: {asked}" if thinks else None)


def output_items(request: Mapping[str, Any], saying: Saying, name: str) -> list[Item]:
    """The items of an answer, in their order; `name` makes their ids."""
    return [*_reasoning(request, saying, name), *_message(request, saying.speech, name), *_calls(saying.speech, name)]


def _reasoning(request: Mapping[str, Any], saying: Saying, name: str) -> Iterator[Item]:
    if saying.thought is None:
        return
    wants_summary = (request.get("reasoning") or {}).get("summary")
    item: Item = {
        "type": "reasoning",
        "id": f"rs_{name}",
        "summary": [{"type": "summary_text", "text": saying.thought}] if wants_summary else [],
    }
    if _ENCRYPTED in (request.get("include") or ()):
        item["encrypted_content"] = sealed(item["id"])
    yield item


def _message(request: Mapping[str, Any], speech: Speech, name: str) -> Iterator[Item]:
    parts: list[Item] = []
    if speech.text is not None:
        logprobs = _logprobs(speech.text, request)
        parts.append({"type": "output_text", "text": speech.text, "annotations": [], "logprobs": logprobs})
    if speech.refusal is not None:
        parts.append({"type": "refusal", "refusal": speech.refusal})
    if parts:
        status = "incomplete" if speech.end in _ENDS else "completed"
        yield {"type": "message", "id": f"msg_{name}", "role": "assistant", "status": status, "content": parts}


def _calls(speech: Speech, name: str) -> Iterator[Item]:
    for number, called in enumerate(speech.tool_calls):
        yield {
            "type": "function_call",
            "id": f"fc_{name}_{number}",
            "call_id": f"call_{name}_{number}",
            "name": called.name,
            "arguments": called.arguments,
            "status": "completed",
        }


def _logprobs(text: str, request: Mapping[str, Any]) -> list[Item]:
    if _LOGPROBS not in (request.get("include") or ()):
        return []
    wanted = request.get("top_logprobs") or 0
    return [_token_logprob(token, wanted) for token in split_tokens(text)]


def _token_logprob(token: str, wanted: int) -> Item:
    """The token itself is the likeliest; the made-up alternatives get less likely by one each."""
    likeliest = -(sum(token.encode()) % 100) / 1000
    names = [token, *(f"{token}~{rank}" for rank in range(1, wanted))][:wanted]
    ranked = [_one_logprob(name, likeliest - rank) for rank, name in enumerate(names)]
    return {**_one_logprob(token, likeliest), "top_logprobs": ranked}


def _one_logprob(token: str, logprob: float) -> Item:
    return {"token": token, "bytes": list(token.encode()), "logprob": round(logprob, 3)}


def usage_of(request: Mapping[str, Any], history: Sequence[Item], saying: Saying, script: Answer) -> dict[str, Any]:
    """What the answer costs, as far as the script does not say it."""
    thought = script.reasoning_tokens or count_tokens(saying.thought or "")
    given = prompt_tokens(request, history) if script.prompt_tokens is None else script.prompt_tokens
    spoken = saying.speech.tokens + thought if script.completion_tokens is None else script.completion_tokens
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": script.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": spoken,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": given + spoken,
    }


def prompt_tokens(request: Mapping[str, Any], history: Sequence[Item]) -> int:
    """Text by the tokenizer, 4 for each message, other items and tools by their JSON, media at a flat price each."""
    extras = [request[name] for name in ("tools", "text") if request.get(name)]
    items = [*history, *items_of(dict(request))]
    total = count_tokens(request.get("instructions") or "")
    return total + sum(map(_item_tokens, items)) + sum(count_tokens(json.dumps(extra)) for extra in extras)


def _item_tokens(item: Item) -> int:
    if "role" in item:
        return _MESSAGE_TOKENS + _content_tokens(item["content"])
    if item.get("type") == "function_call_output":
        return _MESSAGE_TOKENS + _content_tokens(item["output"])
    return count_tokens(json.dumps(item))


def _content_tokens(content: str | list[Item]) -> int:
    return count_tokens(content) if isinstance(content, str) else sum(map(_part_tokens, content))


def _part_tokens(part: Item) -> int:
    if part["type"] == "input_image" and part.get("detail") == "low":
        return _LOW_DETAIL_TOKENS
    return _MEDIA_TOKENS.get(part["type"], 0) + count_tokens(part.get("text") or part.get("refusal") or "")


def response_document(
    request: Mapping[str, Any], output: list[Item], usage: Mapping[str, Any], *, end: str, name: str, now: int
) -> dict[str, Any]:
    """The whole response. `end` is why the model stopped, `name` makes the id, `now` is Unix time."""
    status, details = _ENDS.get(end, ("completed", {}))
    asked = {name: request.get(name) for name in _REPEATED}
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": now,
        "completed_at": now if status == "completed" else None,
        "status": status,
        "error": None,
        "incomplete_details": None,
        **asked,
        "background": bool(request.get("background")),
        "metadata": request.get("metadata") or {},
        "output": output,
        "parallel_tool_calls": request.get("parallel_tool_calls") is not False,
        "reasoning": request.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": request.get("store") is not False,
        "temperature": 1.0 if request.get("temperature") is None else request["temperature"],
        "text": {"format": {"type": "text"}, **(request.get("text") or {})},
        "tool_choice": request.get("tool_choice") or "auto",
        "tools": [_repeated_tool(tool) for tool in request.get("tools") or ()],
        "top_p": 1.0 if request.get("top_p") is None else request["top_p"],
        "truncation": request.get("truncation") or "disabled",
        "usage": usage,
        **details,
    }


_REPEATED = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "model",
    "previous_response_id",
    "prompt_cache_key",
    "safety_identifier",
    "top_logprobs",
    "user",
)


def _repeated_tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """What opens an MCP server is not given back."""
    return {name: value for name, value in tool.items() if (tool.get("type"), name) != ("mcp", "authorization")}
