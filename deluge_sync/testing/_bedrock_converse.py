"""Converse and ConverseStream: a request understood, and its answer as a document or as a stream of events.

Whether a request is acceptable is decided in `_bedrock_checks`; what the model says in `_invent`.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._aws_events import MEDIA_TYPE, event_message
from deluge_sync.testing._bedrock_checks import checked_request
from deluge_sync.testing._format import Draft, Refused
from deluge_sync.testing._invent import OfferedTool, Question, speak
from deluge_sync.testing._reply import ErrorSpec, Raw
from deluge_sync.testing._tokens import count_tokens, split_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from deluge_sync.testing._format import Call
    from deluge_sync.testing._invent import Speech

__all__ = ["converse", "converse_stream"]

Block = dict[str, Any]

_JSON = MappingProxyType({"content-type": "application/json"})
_EVENTS = MappingProxyType({"content-type": MEDIA_TYPE})
_MESSAGE_TOKENS = 4
_MEDIA_TOKENS = MappingProxyType({"image": 765, "document": 1_000, "video": 2_000, "audio": 500})
_THOUGHT = "Let me think about that."
_SIGNATURE = "ZW1iZWRkZWQtcHJvdmlkZXI="
_STOP_REASONS = MappingProxyType(
    {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "content_filtered"}
)


def converse(call: Call) -> Draft:
    """POST /model/{modelId}/converse."""
    return _answered(call, lambda document: Raw(200, _JSON, json.dumps(document).encode()))


def converse_stream(call: Call) -> Draft:
    """POST /model/{modelId}/converse-stream."""
    return _answered(call, lambda document: Raw(200, _EVENTS, tuple(_messages(document))))


def _answered(call: Call, write: Any) -> Draft:
    model = call.variables["model_id"]
    if call.models is not None and model not in call.models:
        raise Refused(ErrorSpec(400, "The provided model identifier is invalid."))
    request = checked_request(call.incoming.body, ignore_unknown=call.ignore_unknown)
    question = _question(request)
    speech = speak(question, call.answer)
    content = _content(request, speech, call)
    usage = _usage(call, request, content)
    ending = {} if call.answer.no_choices else {"stopReason": _stop_reason(question, speech, call)}
    document = {
        "output": {"message": {"role": "assistant", "content": content}},
        **ending,
        "usage": usage,
        "metrics": {"latencyMs": 1},
        "serviceTier": request.get("serviceTier") or {"type": "default"},
    }
    prompt = usage["inputTokens"] + usage["cacheReadInputTokens"]
    return Draft(write(document), prompt, usage["outputTokens"], question.max_tokens)


# --- understanding


def _question(request: Mapping[str, Any]) -> Question:
    text, result = _asked(request["messages"])
    tool_config = request.get("toolConfig") or {"tools": []}
    choice = tool_config.get("toolChoice") or {"auto": {}}
    inference = request.get("inferenceConfig") or {}
    form = (request.get("outputConfig") or {}).get("textFormat")
    return Question(
        user_text=text,
        tool_result=result,
        tools=tuple(_offered(tool_config["tools"], choice)),
        must_call="auto" not in choice and result is None,
        schema=json.loads(form["structure"]["jsonSchema"]["schema"]) if form else None,
        max_tokens=inference.get("maxTokens"),
        stop=tuple(inference.get("stopSequences") or ()),
    )


def _asked(messages: Iterable[Mapping[str, Any]]) -> tuple[str, str | None]:
    """The last thing that the user said, and the last result that came after it."""
    text, result = "", None
    for block in (block for message in messages if message["role"] == "user" for block in message["content"]):
        if "text" in block:
            text, result = block["text"], None
        elif "toolResult" in block:
            result = "\n".join(_texts(block["toolResult"]["content"]))
    return text, result


def _texts(pieces: Iterable[Block]) -> Iterator[str]:
    for piece in pieces:
        if "text" in piece:
            yield piece["text"]
        elif "json" in piece:
            yield json.dumps(piece["json"])


def _offered(tools: Iterable[Mapping[str, Any]], choice: Mapping[str, Any]) -> Iterator[OfferedTool]:
    for spec in (tool["toolSpec"] for tool in tools if "toolSpec" in tool):
        if "tool" not in choice or spec["name"] == choice["tool"]["name"]:
            yield OfferedTool(spec["name"], spec["inputSchema"]["json"])


def _reasons(request: Mapping[str, Any]) -> bool:
    """Whether the request asks for reasoning, in the way of any maker."""
    fields = request.get("additionalModelRequestFields") or {}
    kinds = [(fields.get(name) or {}).get("type") for name in ("thinking", "reasoningConfig")]
    return "reasoning_effort" in fields or not {"enabled", "adaptive"}.isdisjoint(kinds)


# --- answering


def _content(request: Mapping[str, Any], speech: Speech, call: Call) -> list[Block]:
    if call.answer.no_choices:
        return []
    if speech.refusal is not None:
        return [{"text": speech.refusal}]
    thought = {"reasoningText": {"text": _THOUGHT, "signature": _SIGNATURE}}
    thoughts = [{"reasoningContent": thought}] if _reasons(request) else []
    said = [{"text": speech.text}] if speech.text else []
    return [*thoughts, *said, *_calls(speech, call)]


def _calls(speech: Speech, call: Call) -> list[Block]:
    return [
        {
            "toolUse": {
                "toolUseId": f"tooluse_{call.sequence:08d}_{number}",
                "name": called.name,
                "input": _parsed(called.arguments),
            }
        }
        for number, called in enumerate(speech.tool_calls)
    ]


def _parsed(arguments: str) -> Any:
    """A script may want broken JSON, which only a stream can send; a document then has the text."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _stop_reason(question: Question, speech: Speech, call: Call) -> str:
    if speech.refusal is not None:
        return "content_filtered"
    if speech.end == "stop" and _was_stopped(question, speech, call):
        return "stop_sequence"
    return _STOP_REASONS.get(speech.end, speech.end)


def _was_stopped(question: Question, speech: Speech, call: Call) -> bool:
    unstopped = Question(question.user_text, question.tool_result, question.tools, question.must_call, question.schema)
    return bool(question.stop) and speak(unstopped, call.answer).text != speech.text


# --- counting


def _usage(call: Call, request: Mapping[str, Any], content: Iterable[Block]) -> dict[str, Any]:
    """`Answer.prompt_tokens` counts what was cached too, as on every format."""
    script = call.answer
    prompt = _prompt_tokens(request) if script.prompt_tokens is None else script.prompt_tokens
    spoken = sum(map(_block_tokens, content)) + script.reasoning_tokens
    output = spoken if script.completion_tokens is None else script.completion_tokens
    return {
        "inputTokens": max(0, prompt - script.cached_tokens),
        "outputTokens": output,
        "totalTokens": max(prompt, script.cached_tokens) + output,
        "cacheReadInputTokens": script.cached_tokens,
        "cacheWriteInputTokens": 0,
    }


def _prompt_tokens(request: Mapping[str, Any]) -> int:
    """Text by the tokenizer, 4 for each message, tools, calls and schemas by their JSON, media at a flat price each."""
    contents = [message["content"] for message in request["messages"]]
    if request.get("system"):
        contents.append(request["system"])
    total = _MESSAGE_TOKENS * len(contents) + sum(_block_tokens(block) for said in contents for block in said)
    extras = [request[name] for name in ("toolConfig", "outputConfig") if request.get(name)]
    return total + sum(count_tokens(json.dumps(extra)) for extra in extras)


def _block_tokens(block: Block) -> int:
    match block:
        case {"text": str(text)} | {"reasoningContent": {"reasoningText": {"text": str(text)}}}:
            return count_tokens(text)
        case {"toolUse": called}:
            return count_tokens(called["name"]) + count_tokens(_written(called["input"]))
        case {"toolResult": result}:
            return sum(map(_block_tokens, result["content"]))
        case {"cachePoint": _}:
            return 0
    kind = next(iter(block))
    return _MEDIA_TOKENS.get(kind) or count_tokens(json.dumps(block))


# --- streaming


def _messages(document: Mapping[str, Any]) -> Iterator[bytes]:
    """The start; each block's start, pieces and stop; the end; and what was counted."""
    message = document["output"]["message"]
    yield event_message("messageStart", {"role": message["role"]})
    for index, block in enumerate(message["content"]):
        yield from _block_messages(index, block)
    yield event_message("messageStop", {"stopReason": document.get("stopReason")})
    yield event_message("metadata", {name: document[name] for name in ("usage", "metrics", "serviceTier")})


def _block_messages(index: int, block: Block) -> Iterator[bytes]:
    place = {"contentBlockIndex": index}
    if "toolUse" in block:
        head = {name: block["toolUse"][name] for name in ("toolUseId", "name")}
        yield event_message("contentBlockStart", {"start": {"toolUse": head}, **place})
    for piece in _pieces(block):
        yield event_message("contentBlockDelta", {"delta": piece, **place})
    yield event_message("contentBlockStop", place)


def _pieces(block: Block) -> Iterator[Block]:
    if "toolUse" in block:
        yield from ({"toolUse": {"input": piece}} for piece in split_tokens(_written(block["toolUse"]["input"])))
    elif "reasoningContent" in block:
        thought = block["reasoningContent"]["reasoningText"]
        yield from ({"reasoningContent": {"text": piece}} for piece in split_tokens(thought["text"]))
        yield {"reasoningContent": {"signature": thought["signature"]}}
    else:
        yield from ({"text": piece} for piece in split_tokens(block["text"]))


def _written(tool_input: Any) -> str:
    return tool_input if isinstance(tool_input, str) else json.dumps(tool_input)
