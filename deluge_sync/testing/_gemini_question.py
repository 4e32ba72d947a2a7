"""What a Gemini request asks, in the neutral terms of `_invent`, and how many tokens it has."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._invent import OfferedTool, Question
from deluge_sync.testing._tokens import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["parts_of", "prompt_tokens", "question_of"]

_MESSAGE_TOKENS = 4
_MEDIA_TOKENS = 258
_NO_TOOL_SCHEMA: Mapping[str, Any] = MappingProxyType({"type": "object", "properties": {}})


def question_of(request: Mapping[str, Any]) -> Question:
    """The last thing the user said, the results since then, and how the answer shall be."""
    contents = request["contents"]
    said = [i for i, content in enumerate(contents) if content.get("role", "user") == "user" and _text_of([content])]
    results = [
        part["functionResponse"] for part in parts_of(contents[(said or [-1])[-1] + 1 :]) if "functionResponse" in part
    ]
    config = request.get("generationConfig") or {}
    mode, tools = _offered(request)
    return Question(
        user_text=_text_of([contents[said[-1]]]) if said else "",
        tool_result=_result_text(results[-1]) if results else None,
        tools=tools,
        must_call=mode == "ANY" and not results,
        schema=config.get("responseJsonSchema") or _lower_types(config.get("responseSchema")),
        wants_json=config.get("responseMimeType") == "application/json",
        max_tokens=config.get("maxOutputTokens"),
        stop=tuple(config.get("stopSequences") or ()),
    )


def _offered(request: Mapping[str, Any]) -> tuple[str, tuple[OfferedTool, ...]]:
    """The mode, and the functions that may be called in it. The provider's own tools are never used."""
    choice = (request.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode, allowed = choice.get("mode", "AUTO"), choice.get("allowedFunctionNames")
    functions = [function for tool in request.get("tools") or () for function in tool.get("functionDeclarations") or ()]
    if mode == "NONE":
        return mode, ()
    return mode, tuple(
        OfferedTool(function["name"], _parameters(function))
        for function in functions
        if not allowed or function["name"] in allowed
    )


def _parameters(function: Mapping[str, Any]) -> Mapping[str, Any]:
    return function.get("parametersJsonSchema") or _lower_types(function.get("parameters")) or _NO_TOOL_SCHEMA


def _lower_types(schema: Any) -> Any:
    """A schema in the older form, whose types are in capitals, as JSON Schema."""
    if isinstance(schema, list):
        return [_lower_types(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    lowered = {key: _lower_types(value) for key, value in schema.items()}
    return lowered | ({"type": schema["type"].lower()} if isinstance(schema.get("type"), str) else {})


def parts_of(contents: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """All parts in their order."""
    for content in contents:
        yield from content.get("parts") or ()


def _text_of(contents: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(part["text"] for part in parts_of(contents) if part.get("text") and not part.get("thought"))


def _result_text(result: Mapping[str, Any]) -> str:
    response = result.get("response") or {}
    lone = response.get("output") if response.keys() == {"output"} else None
    return lone if isinstance(lone, str) else json.dumps(response)


def prompt_tokens(request: Mapping[str, Any]) -> int:
    """Text by the tokenizer, 4 for each content, media at a flat price, all else by its JSON."""
    contents = [*request["contents"], *([request["systemInstruction"]] if "systemInstruction" in request else [])]
    total = _MESSAGE_TOKENS * len(contents) + sum(map(_part_tokens, parts_of(contents)))
    schema = (request.get("generationConfig") or {}).get("responseJsonSchema")
    extras = [extra for extra in (request.get("tools"), schema) if extra]
    return total + sum(count_tokens(json.dumps(extra)) for extra in extras)


def _part_tokens(part: Mapping[str, Any]) -> int:
    if "text" in part:
        return count_tokens(part["text"])
    return _MEDIA_TOKENS if part.keys() & {"inlineData", "fileData"} else count_tokens(json.dumps(part))
