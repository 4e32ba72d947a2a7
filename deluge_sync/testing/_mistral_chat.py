"""Mistral's chat completions: a request understood, and its answer as a document or as a stream of chunks.

Whether a request is acceptable is decided in `_mistral_checks`; what the model says in `_invent`. Where a request asks
for reasoning, or a script counts tokens of it, a thought comes before the text.
"""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b32encode
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._format import Draft
from deluge_sync.testing._invent import OfferedTool, Question, speak
from deluge_sync.testing._mistral_checks import checked_chat_request
from deluge_sync.testing._mistral_common import JSON, check_model, found
from deluge_sync.testing._reply import Raw
from deluge_sync.testing._tokens import count_tokens, likeliest_tokens, split_tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from deluge_sync.testing._format import Call
    from deluge_sync.testing._invent import Speech

__all__ = ["create_chat_completion"]

_EVENTS = MappingProxyType({"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"})
_MESSAGE_TOKENS = 4
_MEDIA_TOKENS = MappingProxyType({"image_url": 765, "document_url": 1_000, "file": 1_000, "input_audio": 500})

Request = dict[str, Any]


def create_chat_completion(call: Call) -> Draft:
    """POST /mistral/v1/chat/completions."""
    request = checked_chat_request(call.incoming.body, ignore_unknown=call.ignore_unknown)
    check_model(call, request["model"])
    _check_files(call, request)
    question = _question(request)
    count = 0 if call.answer.no_choices else request.get("n") or 1
    speeches = [speak(question, call.answer, choice=index) for index in range(count)]
    thought = _thought(call, request, question)
    usage = _usage(call, request, speeches, thought)
    frame = {"id": f"{call.sequence:032x}", "created": int(time.time()), "model": request["model"], "usage": usage}
    choices = [_Choice(index, speech, thought, call.sequence, request) for index, speech in enumerate(speeches)]
    raw = _stream(frame, choices) if request.get("stream") else _whole(frame, choices)
    return Draft(raw, usage["prompt_tokens"], usage["completion_tokens"], question.max_tokens)


def _parts(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else ()


def _check_files(call: Call, request: Request) -> None:
    for message in request["messages"]:
        for part in _parts(message):
            if part["type"] == "file":
                found(call, "files", part["file_id"])


def _question(request: Request) -> Question:
    messages = request["messages"]
    asked_at = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=-1)
    results = [message for message in messages[asked_at + 1 :] if message["role"] == "tool"]
    allowed, must_call = _tool_choice(request.get("tool_choice") or "auto")
    form = request.get("response_format") or {}
    stop = request.get("stop") or ()
    return Question(
        user_text=_text_of(messages[asked_at]) if asked_at >= 0 else "",
        tool_result=_text_of(results[-1]) if results else None,
        tools=tuple(_offered(request.get("tools") or (), allowed)),
        must_call=must_call and not results,
        schema=form["json_schema"]["schema"] if form.get("json_schema") else None,
        wants_json=form.get("type") == "json_object",
        max_tokens=request.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )


def _tool_choice(choice: str | Mapping[str, Any]) -> tuple[Collection[str] | None, bool]:
    """The names of the tools that may be called (None: all), and whether one of them must be."""
    if isinstance(choice, str):
        return (() if choice == "none" else None), choice in ("any", "required")
    return [choice["function"]["name"]], True


def _offered(tools: Sequence[Mapping[str, Any]], allowed: Collection[str] | None) -> Iterator[OfferedTool]:
    for function in (tool["function"] for tool in tools):
        if allowed is None or function["name"] in allowed:
            yield OfferedTool(function["name"], function["parameters"])


def _text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def _thought(call: Call, request: Request, question: Question) -> str | None:
    asks = request.get("prompt_mode") == "reasoning" or request.get("reasoning_effort") not in (None, "none")
    return f"The question is: {question.user_text}" if asks or call.answer.reasoning_tokens else None


def _usage(call: Call, request: Request, speeches: Sequence[Speech], thought: str | None) -> dict[str, Any]:
    script = call.answer
    prompt = _prompt_tokens(request) if script.prompt_tokens is None else script.prompt_tokens
    thinking = script.reasoning_tokens or count_tokens(thought or "") * len(speeches)
    spoken = sum(speech.tokens for speech in speeches) + thinking
    completion = spoken if script.completion_tokens is None else script.completion_tokens
    counts: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "service_tier": "standard",
    }
    if script.cached_tokens:
        counts["num_cached_tokens"] = script.cached_tokens
        counts["prompt_tokens_details"] = {"cached_tokens": script.cached_tokens}
    return counts


def _prompt_tokens(request: Request) -> int:
    """Text by the tokenizer, 4 for each message, tools and schemas by their JSON, media at a flat price each."""
    total = 0
    for message in request["messages"]:
        total += _MESSAGE_TOKENS + count_tokens(_text_of(message))
        total += sum(_MEDIA_TOKENS.get(part["type"], 0) for part in _parts(message))
        total += sum(count_tokens(json.dumps(tool_call)) for tool_call in message.get("tool_calls") or ())
    extras = [request[name] for name in ("tools", "response_format") if request.get(name)]
    return total + sum(count_tokens(json.dumps(extra)) for extra in extras)


class _Choice:
    """One of the answers, as it is written whole and in deltas."""

    def __init__(self, index: int, speech: Speech, thought: str | None, sequence: int, request: Request) -> None:
        self._index = index
        self._speech = speech
        self._thought = thought
        self._sequence = sequence
        self._request = request
        # The format has no place of its own for a refusal.
        self._text = speech.text if speech.text is not None else speech.refusal or ""

    def document(self) -> dict[str, Any]:
        """The choice of a whole answer."""
        text = {"type": "text", "text": self._text}
        content = self._text if self._thought is None else [_thinking(self._thought), text]
        message = {"role": "assistant", "tool_calls": self._tool_calls() or None, "content": content, "prefix": False}
        written = {"index": self._index, "message": message, "finish_reason": self._speech.end}
        return written | self._logprobs(self._text)

    def deltas(self) -> Iterator[dict[str, Any]]:
        """The choices of a stream's chunks: the role, a delta for each token, one for all tool calls, the end."""
        yield self._chunk({"role": "assistant", "content": ""})
        for token in split_tokens(self._thought or ""):
            yield self._chunk({"content": [_thinking(token)]})
        for token in split_tokens(self._text):
            yield self._chunk({"content": token}, self._logprobs(token))
        if self._speech.tool_calls:
            yield self._chunk({"tool_calls": self._tool_calls()})
        yield self._chunk({"content": ""}, {"finish_reason": self._speech.end})

    def _chunk(self, delta: dict[str, Any], more: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        return {"index": self._index, "delta": delta, "finish_reason": None, **more}

    def _tool_calls(self) -> list[dict[str, Any]]:
        return [
            {
                "id": _call_id(f"{self._sequence}-{self._index}-{number}"),
                "type": "function",
                "function": {"name": called.name, "arguments": called.arguments},
                "index": number,
            }
            for number, called in enumerate(self._speech.tool_calls)
        ]

    def _logprobs(self, text: str) -> dict[str, Any]:
        if not self._request.get("logprobs"):
            return {}
        wanted = self._request.get("top_logprobs") or 0
        return {"logprobs": {"content": [_token_logprob(token, wanted) for token in split_tokens(text)]}}


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _call_id(seed: str) -> str:
    """Nine letters and digits."""
    return b32encode(hashlib.sha256(seed.encode()).digest())[:9].decode()


def _token_logprob(token: str, wanted: int) -> dict[str, Any]:
    [own] = likeliest_tokens(token, 1)
    return {**_one_logprob(*own), "top_logprobs": [_one_logprob(*each) for each in likeliest_tokens(token, wanted)]}


def _one_logprob(token: str, logprob: float) -> dict[str, Any]:
    data = token.encode()
    return {"token": token, "bytes": list(data), "token_id": sum(data), "logprob": logprob}


def _whole(frame: Mapping[str, Any], choices: Sequence[_Choice]) -> Raw:
    body = {**frame, "object": "chat.completion", "choices": [choice.document() for choice in choices]}
    return Raw(200, JSON, json.dumps(body).encode())


def _stream(frame: Mapping[str, Any], choices: Sequence[_Choice]) -> Raw:
    """The chunks; the last has the usage."""
    common = {name: value for name, value in frame.items() if name != "usage"} | {"object": "chat.completion.chunk"}
    chunks = [{**common, "choices": [delta]} for choice in choices for delta in choice.deltas()]
    chunks = chunks or [{**common, "choices": []}]
    chunks[-1]["usage"] = frame["usage"]
    events = [json.dumps(chunk) for chunk in chunks]
    return Raw(200, _EVENTS, tuple(f"data: {event}\n\n".encode() for event in [*events, "[DONE]"]))
