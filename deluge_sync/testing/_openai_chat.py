"""OpenAI chat completions: a request understood, and its answer as a document or as a stream of chunks.

Whether a request is acceptable is decided in `_openai_checks`; what the model says in `_invent`.
"""

from __future__ import annotations

import json
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._format import Draft, Refused
from deluge_sync.testing._invent import OfferedTool, Question, speak
from deluge_sync.testing._openai_checks import checked_chat_request
from deluge_sync.testing._reply import ErrorSpec, Raw
from deluge_sync.testing._tokens import count_tokens, split_tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from deluge_sync.testing._format import Call
    from deluge_sync.testing._invent import Speech

__all__ = ["create_chat_completion"]

_JSON = MappingProxyType({"content-type": "application/json"})
_EVENTS = MappingProxyType({"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"})
_MESSAGE_TOKENS = 4
_MEDIA_TOKENS = MappingProxyType({"image_url": 765, "input_audio": 500, "file": 1_000})
_LOW_DETAIL_TOKENS = 85
_NO_TOOL_SCHEMA: Mapping[str, Any] = MappingProxyType({"type": "object", "properties": {}})


def create_chat_completion(call: Call) -> Draft:
    """POST /v1/chat/completions."""
    request = checked_chat_request(call.incoming.body, ignore_unknown=call.ignore_unknown)
    model = request["model"]
    if call.models is not None and model not in call.models:
        raise Refused(ErrorSpec(404, f"the model '{model}' does not exist", code="model_not_found"))
    question = _question(request)
    count = 0 if call.answer.no_choices else request.get("n") or 1
    speeches = [speak(question, call.answer, choice=index) for index in range(count)]
    usage = _usage(call, request, speeches)
    frame = {"id": f"chatcmpl-{call.sequence:08d}", "created": int(time.time()), "model": model}
    raw = _stream(frame, request, speeches, usage) if request.get("stream") else _whole(frame, request, speeches, usage)
    return Draft(raw, usage["prompt_tokens"], usage["completion_tokens"], question.max_tokens)


def _question(request: Mapping[str, Any]) -> Question:
    messages = request["messages"]
    asked_at = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=-1)
    results = [message for message in messages[asked_at + 1 :] if message["role"] == "tool"]
    allowed, must_call = _tool_choice(request.get("tool_choice") or "auto")
    form = request.get("response_format") or {}
    stop = request.get("stop") or ()
    return Question(
        user_text=_text_of(messages[asked_at].get("content")) if asked_at >= 0 else "",
        tool_result=_text_of(results[-1].get("content")) if results else None,
        tools=tuple(_offered(request.get("tools") or (), allowed)),
        must_call=must_call and not results,
        schema=(form.get("json_schema") or {}).get("schema") if form.get("type") == "json_schema" else None,
        wants_json=form.get("type") == "json_object",
        max_tokens=request.get("max_completion_tokens") or request.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )


def _tool_choice(choice: str | Mapping[str, Any]) -> tuple[Collection[str] | None, bool]:
    """The names of the tools that may be called (None: all), and whether one of them must be."""
    if isinstance(choice, str):
        return (() if choice == "none" else None), choice == "required"
    if choice["type"] == "allowed_tools":
        named = [tool.get("function", {}).get("name") for tool in choice["allowed_tools"]["tools"]]
        return named, choice["allowed_tools"]["mode"] == "required"
    return [choice[choice["type"]]["name"]], True


def _offered(tools: Sequence[Mapping[str, Any]], allowed: Collection[str] | None) -> Iterator[OfferedTool]:
    """The functions among the tools. Custom tools, whose input is free text, are never called."""
    for function in (tool["function"] for tool in tools if tool["type"] == "function"):
        if allowed is None or function["name"] in allowed:
            yield OfferedTool(function["name"], function.get("parameters") or _NO_TOOL_SCHEMA)


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def _usage(call: Call, request: Mapping[str, Any], speeches: Sequence[Speech]) -> dict[str, Any]:
    script = call.answer
    prompt = _prompt_tokens(request) if script.prompt_tokens is None else script.prompt_tokens
    spoken = sum(speech.tokens for speech in speeches) + script.reasoning_tokens
    completion = spoken if script.completion_tokens is None else script.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": script.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": script.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _prompt_tokens(request: Mapping[str, Any]) -> int:
    """Text by the tokenizer, 4 for each message, tools and schemas by their JSON, media at a flat price each."""
    total = 0
    for message in request["messages"]:
        content = message.get("content")
        total += _MESSAGE_TOKENS + count_tokens(_text_of(content))
        if isinstance(content, list):
            total += sum(map(_media_tokens, content))
        total += sum(count_tokens(json.dumps(tool_call)) for tool_call in message.get("tool_calls") or ())
    extras = [request[name] for name in ("tools", "response_format") if request.get(name)]
    return total + sum(count_tokens(json.dumps(extra)) for extra in extras)


def _media_tokens(part: Mapping[str, Any]) -> int:
    if part["type"] == "image_url" and part["image_url"].get("detail") == "low":
        return _LOW_DETAIL_TOKENS
    return _MEDIA_TOKENS.get(part["type"], 0)


def _whole(
    frame: Mapping[str, Any], request: Mapping[str, Any], speeches: Sequence[Speech], usage: Mapping[str, Any]
) -> Raw:
    choices = [
        {
            "index": index,
            "message": _message(speech, f"{frame['id']}-{index}"),
            "logprobs": _logprobs(speech.text, request),
            "finish_reason": speech.end,
        }
        for index, speech in enumerate(speeches)
    ]
    document = {
        **frame,
        "object": "chat.completion",
        "choices": choices,
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_embedded",
    }
    return Raw(200, _JSON, json.dumps(document).encode())


def _message(speech: Speech, call_prefix: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": speech.text, "refusal": speech.refusal}
    if speech.tool_calls:
        message["tool_calls"] = _tool_calls(speech, call_prefix)
    return message


def _tool_calls(speech: Speech, prefix: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{prefix.removeprefix('chatcmpl-')}-{number}",
            "type": "function",
            "function": {"name": called.name, "arguments": called.arguments},
        }
        for number, called in enumerate(speech.tool_calls)
    ]


def _logprobs(text: str | None, request: Mapping[str, Any]) -> dict[str, Any] | None:
    if not request.get("logprobs") or text is None:
        return None
    wanted = request.get("top_logprobs") or 0
    return {"content": [_token_logprob(token, wanted) for token in split_tokens(text)], "refusal": None}


def _token_logprob(token: str, wanted: int) -> dict[str, Any]:
    """The token itself is the likeliest; the made-up alternatives get less likely by one each."""
    likeliest = -(sum(token.encode()) % 100) / 1000
    names = [token, *(f"{token}~{rank}" for rank in range(1, wanted))][:wanted]
    ranked = [_one_logprob(name, likeliest - rank) for rank, name in enumerate(names)]
    return {**_one_logprob(token, likeliest), "top_logprobs": ranked}


def _one_logprob(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "bytes": list(token.encode()), "logprob": round(logprob, 3)}


def _stream(
    frame: Mapping[str, Any], request: Mapping[str, Any], speeches: Sequence[Speech], usage: Mapping[str, Any]
) -> Raw:
    with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
    common = {**frame, "object": "chat.completion.chunk", "system_fingerprint": "fp_embedded"}
    if with_usage:
        common["usage"] = None
    chunks = [
        {**common, "choices": [choice]}
        for index, speech in enumerate(speeches)
        for choice in _stream_choices(index, speech, request, frame["id"])
    ]
    if with_usage:
        chunks.append({**common, "choices": [], "usage": usage})
    events = [json.dumps(chunk) for chunk in chunks]
    return Raw(200, _EVENTS, tuple(f"data: {event}\n\n".encode() for event in [*events, "[DONE]"]))


def _stream_choices(
    index: int, speech: Speech, request: Mapping[str, Any], completion_id: str
) -> Iterator[dict[str, Any]]:
    """The role; a delta for each token, each tool call's head and each piece of its arguments; the end."""

    def choice(delta: dict[str, Any], end: str | None = None, text: str | None = None) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": _logprobs(text, request), "finish_reason": end}

    yield choice({"role": "assistant", "content": "" if speech.text is not None else None, "refusal": None})
    for token in split_tokens(speech.text or ""):
        yield choice({"content": token}, text=token)
    for token in split_tokens(speech.refusal or ""):
        yield choice({"refusal": token})
    for number, tool_call in enumerate(_tool_calls(speech, f"{completion_id}-{index}")):
        function = tool_call["function"]
        head = {"index": number, **tool_call, "function": {"name": function["name"], "arguments": ""}}
        yield choice({"tool_calls": [head]})
        for piece in split_tokens(function["arguments"]):
            yield choice({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
    yield choice({}, end=speech.end)
