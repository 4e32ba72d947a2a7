"""Anthropic's messages: a request understood, and its answer as a document or as a stream of events; token counts.

Whether a request is acceptable is decided in `_anthropic_checks`; what the model says in `_invent`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._anthropic_checks import checked_count_request, checked_message_request
from deluge_sync.testing._anthropic_common import JSON, document, refuse
from deluge_sync.testing._format import Draft
from deluge_sync.testing._invent import OfferedTool, Question, speak
from deluge_sync.testing._reply import Raw
from deluge_sync.testing._tokens import count_tokens as count_text
from deluge_sync.testing._tokens import split_tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from deluge_sync.testing._format import Call
    from deluge_sync.testing._invent import Speech

__all__ = ["count_tokens", "create_message"]

Block = dict[str, Any]

_EVENTS = MappingProxyType({"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"})
_MESSAGE_TOKENS = 4
_MEDIA_TOKENS = MappingProxyType({"image": 765, "document": 1_000})
_THOUGHT = "Let me think about that."
_SIGNATURE = "ZW1iZWRkZWQtcHJvdmlkZXI="
_STOP_REASONS = MappingProxyType({"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"})


def create_message(call: Call) -> Draft:
    """POST /v1/messages."""
    request = checked_message_request(call)
    _check_model(call, request["model"])
    question = _question(request)
    speech = speak(question, call.answer)
    content = _content(request, speech, call)
    message = {
        "id": f"msg_{call.sequence:08d}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        **_end(call, question, speech),
        "usage": _usage(call, request, content),
        "container": None,
    }
    raw = _stream(message) if request.get("stream") else Raw(200, JSON, json.dumps(message).encode())
    usage = message["usage"]
    prompt = usage["input_tokens"] + usage["cache_read_input_tokens"]
    return Draft(raw, prompt, usage["output_tokens"], request["max_tokens"])


def count_tokens(call: Call) -> Draft:
    """POST /v1/messages/count_tokens: what `create_message` counts as input."""
    request = checked_count_request(call)
    _check_model(call, request["model"])
    return document({"input_tokens": _prompt_tokens(request)})


def _check_model(call: Call, model: str) -> None:
    if call.models is not None and model not in call.models:
        refuse(f"model: {model}", 404)


# --- understanding


def _question(request: Mapping[str, Any]) -> Question:
    text, result = _asked(request["messages"])
    choice = request.get("tool_choice") or {"type": "auto"}
    form = (request.get("output_config") or {}).get("format")
    return Question(
        user_text=text,
        tool_result=result,
        tools=tuple(_offered(request.get("tools") or (), choice)),
        must_call=choice["type"] in ("any", "tool") and result is None,
        schema=form["schema"] if form else None,
        max_tokens=request["max_tokens"],
        stop=tuple(request.get("stop_sequences") or ()),
    )


def _asked(messages: Iterable[Mapping[str, Any]]) -> tuple[str, str | None]:
    """The last thing that the user said, and the last result that came after it."""
    text, result = "", None
    for block in (block for message in messages if message["role"] == "user" for block in _blocks(message["content"])):
        if block["type"] == "text":
            text, result = block["text"], None
        elif block["type"] == "tool_result":
            result = _text_of(block.get("content") or "")
    return text, result


def _blocks(content: str | list[Block]) -> list[Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text_of(content: str | list[Block]) -> str:
    return "\n".join(block["text"] for block in _blocks(content) if block["type"] == "text")


def _offered(tools: Iterable[Mapping[str, Any]], choice: Mapping[str, Any]) -> Iterator[OfferedTool]:
    """The caller's own functions among the tools, as far as they may be called."""
    allowed: Collection[str] | None = {"none": (), "tool": (choice.get("name", ""),)}.get(choice["type"])
    for tool in tools:
        if tool.get("type") in (None, "custom") and (allowed is None or tool["name"] in allowed):
            yield OfferedTool(tool["name"], tool["input_schema"])


# --- answering


def _content(request: Mapping[str, Any], speech: Speech, call: Call) -> list[Block]:
    if call.answer.no_choices or speech.refusal is not None:
        return []
    thought = _thought(request) if speech.text is not None or speech.tool_calls else []
    said = [{"type": "text", "text": speech.text, "citations": None}] if speech.text else []
    return [*thought, *said, *_calls(speech, call)]


def _thought(request: Mapping[str, Any]) -> list[Block]:
    thinking = request.get("thinking") or {"type": "disabled"}
    if thinking["type"] not in ("enabled", "adaptive"):
        return []
    told = "" if thinking.get("display") == "omitted" else _THOUGHT
    return [{"type": "thinking", "thinking": told, "signature": _SIGNATURE}]


def _calls(speech: Speech, call: Call) -> list[Block]:
    return [
        {
            "type": "tool_use",
            "id": f"toolu_{call.sequence:08d}_{number}",
            "name": called.name,
            "input": _parsed(called.arguments),
        }
        for number, called in enumerate(speech.tool_calls)
    ]


def _parsed(arguments: str) -> Any:
    """A script may want broken JSON, which only a stream can send; a document then has the text."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _end(call: Call, question: Question, speech: Speech) -> dict[str, Any]:
    if call.answer.no_choices:
        return {"stop_reason": None, "stop_sequence": None, "stop_details": None}
    if speech.refusal is not None:
        details = {"type": "refusal", "category": None, "explanation": speech.refusal}
        return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
    sequence = _ended_by(call, question, speech)
    reason = "stop_sequence" if sequence else _STOP_REASONS.get(speech.end, speech.end)
    return {"stop_reason": reason, "stop_sequence": sequence, "stop_details": None}


def _ended_by(call: Call, question: Question, speech: Speech) -> str | None:
    """The stop sequence that ended the text, if one did."""
    if speech.end != "stop" or not question.stop:
        return None
    rest = (speak(replace(question, stop=()), call.answer).text or "")[len(speech.text or "") :]
    return next((sequence for sequence in question.stop if rest.startswith(sequence)), None)


# --- counting


def _usage(call: Call, request: Mapping[str, Any], content: Iterable[Block]) -> dict[str, Any]:
    """`Answer.prompt_tokens` counts what was cached too, as on every format."""
    script = call.answer
    prompt = _prompt_tokens(request) if script.prompt_tokens is None else script.prompt_tokens
    spoken = sum(map(_spoken_tokens, content)) + script.reasoning_tokens
    thought = sum(count_text(block["thinking"]) for block in content if block["type"] == "thinking")
    output = spoken if script.completion_tokens is None else script.completion_tokens
    return {
        "input_tokens": max(0, prompt - script.cached_tokens),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": script.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": min(thought + script.reasoning_tokens, output)},
        "server_tool_use": None,
        "service_tier": "standard",
        "inference_geo": None,
    }


def _spoken_tokens(block: Block) -> int:
    if block["type"] == "tool_use":
        return count_text(block["name"]) + count_text(_written(block["input"]))
    return count_text(block.get("text") or block.get("thinking") or "")


def _prompt_tokens(request: Mapping[str, Any]) -> int:
    """Text by the tokenizer, 4 for each message, tools, calls and schemas by their JSON, media at a flat price each."""
    contents = [message["content"] for message in request["messages"]]
    if request.get("system"):
        contents.append(request["system"])
    total = _MESSAGE_TOKENS * len(contents) + sum(_block_tokens(block) for said in contents for block in _blocks(said))
    extras = [request[name] for name in ("tools", "output_config") if request.get(name)]
    return total + sum(count_text(json.dumps(extra)) for extra in extras)


def _block_tokens(block: Block) -> int:
    if block["type"] == "text":
        return count_text(block["text"])
    if block["type"] == "tool_result":
        return sum(map(_block_tokens, _blocks(block.get("content") or "")))
    return _MEDIA_TOKENS.get(block["type"]) or count_text(json.dumps(block))


# --- streaming


def _stream(message: Mapping[str, Any]) -> Raw:
    events = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in _events(message)]
    return Raw(200, _EVENTS, tuple(events))


def _events(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The start; a ping; each block's start, pieces and stop; the end."""
    usage = message["usage"]
    nothing: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    begun = {**usage, "output_tokens": min(1, usage["output_tokens"]), "output_tokens_details": None}
    yield {"type": "message_start", "message": {**message, **nothing, "usage": begun}}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        empty, deltas = _pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details", "container")}
    counts = {name: usage[name] for name in _COUNTS}
    yield {"type": "message_delta", "delta": end, "usage": counts}
    yield {"type": "message_stop"}


_COUNTS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)


def _pieces(block: Block) -> tuple[Block, list[dict[str, Any]]]:
    """The block as it begins, and the deltas that bring the rest."""
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in split_tokens(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*thoughts, signature]
    if block["type"] == "tool_use":
        pieces = ["", *split_tokens(_written(block["input"]))]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    texts = [{"type": "text_delta", "text": piece} for piece in split_tokens(block["text"])]
    return {**block, "text": ""}, texts


def _written(tool_input: Any) -> str:
    return tool_input if isinstance(tool_input, str) else json.dumps(tool_input)
