"""OpenAI's chat completions: the format of OpenAI itself and of most other vendors.

What a vendor does differently is a field of its models' registry rows, never a name compared here. All that this
package says is written through the typed SDK. What a user wrote in the provider's own form (a content part or a
message field that OpenAI does not have, a built-in tool) is sent as it is, and the endpoint says whether it takes it.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.call import Call, ModelReply, StreamReader
from deluge_sync._adapters.chat_words import function_tool, response_format, tells_error
from deluge_sync._adapters.classify import classify_reply, plain_line
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._adapters.reading import DocumentReader, at_least_0, parse_mended
from deluge_sync._adapters.reasoning import effort_of
from deluge_sync._adapters.writing import (
    bearer_key,
    taken,
    warn_once,
    write_body,
    write_headers,
    write_once,
    write_tools,
)
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync.errors import ReplyFormatError
from deluge_sync.prompt import Message, ProviderPart, Refusal, Text, Thinking, ToolCall
from deluge_sync.prompt.dialects import openai_chat as dialect
from deluge_sync.response import Usage
from deluge_sync.sdk import openai

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync._secret import Secret
    from deluge_sync.prompt import Part

__all__ = ["build_request", "open_stream", "parse_reply"]


# --- writing

_USERS_WORDS: Final = ("messages", "tools")
_own_tool = lru_cache(maxsize=1_024)(function_tool)  # thousands of prompts come with the same tools


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK.

    Raises:
        ConfigError: the model cannot do what the call asks for, or something in it has no form in JSON.
    """
    endpoint = openai.create_chat_completion
    body = write_body(call, endpoint, _fields, users_words=_USERS_WORDS)
    return HttpRequest(endpoint.method, call.base_url + endpoint.path, write_once(call, _headers), body)


def _headers(call: Call) -> dict[str, str | Secret]:
    return write_headers(call, bearer_key(call))


def _fields(call: Call) -> dict[str, Any]:
    return {**write_once(call, _beside_prompt), "messages": call.prompt.to_openai()}


def _beside_prompt(call: Call) -> dict[str, Any]:
    if call.extras.cache_pattern is not None:
        warn_once(call.model.id, ["the prompt-caching pattern"])
    return {
        "model": call.model.name,
        "service_tier": call.extras.service_tier,
        "tools": write_tools(call, partial(_own_tool, strict=call.params.strict_tools)),
        "response_format": response_format(call),
        "stream": call.is_streamed or None,
        "stream_options": {"include_usage": True} if call.is_streamed else None,
        **_sampling(call),
    }


def _sampling(call: Call) -> dict[str, Any]:
    model, params = call.model, call.params
    return taken(
        call,
        {
            model.max_tokens_field: (params.max_new_tokens, True),
            "temperature": (params.temperature, model.accepts_sampling),
            "top_p": (params.top_p, model.accepts_sampling),
            "reasoning_effort": (effort_of(params), model.reasoning_control == "effort"),
            "logprobs": (params.logprobs or None, model.supports_logprobs),
            "top_logprobs": (params.top_logprobs, model.supports_logprobs),
            "seed": (params.seed, True),
            "stop": (params.stop, True),
        },
    )


# --- reading


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The answer in a complete reply, or why there is none."""
    provider = call.model.provider
    if not 200 <= reply.status < 300:
        return classify_reply(reply, provider=provider)
    try:
        completion = parse_mended(openai.create_chat_completion, reply.body)
    except ReplyFormatError:
        return classify_reply(reply, provider=provider)
    choice = completion.choices[0] if completion.choices else None
    if choice is not None and not tells_error(completion, choice):
        return _answer(completion, choice, _refusal(choice))
    failure = classify_reply(reply, provider=provider)
    if completion.usage is None:
        return failure
    return _answer(completion, choice, failure)


def open_stream(call: Call) -> StreamReader:
    """A reader for the answer in pieces."""
    from deluge_sync._adapters.chunks import ChunkAssembler  # with the first answer in pieces
    from deluge_sync._adapters.openai_chat_stream import OpenAiMessage

    return DocumentReader(call, ChunkAssembler(openai.create_chat_completion, OpenAiMessage()), parse_reply)


def _answer(completion: openai.ChatCompletion, choice: openai.Choice | None, failure: Failure | None) -> ModelReply:
    return ModelReply(
        content=_message(choice.message) if choice is not None else Message.ai(),
        usage=_usage(completion.usage),
        finish_reason=choice.finish_reason if choice is not None else None,
        model_external=completion.model,
        response_id=completion.id,
        logprobs=_logprobs(choice),
        service_tier=completion.service_tier,
        failure=failure,
        raw=completion.model_dump(exclude_none=True) if _says_more(completion) else None,
    )


def _message(said: openai.ReplyMessage) -> Message:
    thinking = said.reasoning_content or said.reasoning
    parts: list[Part] = [Thinking(thinking)] if thinking else []
    parts += _content(said)
    if said.refusal:
        parts.append(Refusal(said.refusal))
    parts += [_tool_call(place, call) for place, call in enumerate(said.tool_calls or ())]
    return Message("assistant", parts)


def _content(said: openai.ReplyMessage) -> list[Part]:
    """What is said. Some servers write a list of parts where OpenAI writes a text: what is more than text is kept."""
    if isinstance(said.content, list) and not all(map(_is_text, said.content)):
        return [_part(part) for part in said.content]
    texts = [part.text or "" for part in said.content] if isinstance(said.content, list) else [said.content or ""]
    text = "".join(texts)
    # An empty answer is an answer; beside tool calls many servers write an empty text that says nothing.
    return [Text(text)] if text or (said.content is not None and not said.tool_calls) else []


def _part(part: openai.ReplyPart) -> Part:
    if part.type not in (None, "text"):
        return ProviderPart(dialect.DIALECT, part.model_dump(exclude_none=True))
    return Text(part.text or "", None if _is_text(part) else {dialect.DIALECT: part.model_extra})


def _is_text(part: openai.ReplyPart) -> bool:
    """Whether it is a text and nothing beside, as almost all are."""
    return part.type in (None, "text") and not _has_values(part.model_extra)


def _tool_call(place: int, call: openai.ToolCall) -> Part:
    if isinstance(call, openai.FunctionToolCall):
        return ToolCall.from_text(call.id, call.function.name, call.function.arguments)
    data = call.model_dump(exclude_none=True)
    call_id = str(data.get("id") or f"call_{place}")
    match data.get("function"):  # some servers leave out the type or the id, or write the arguments as an object
        case {"name": str(name), "arguments": str(arguments)}:
            return ToolCall.from_text(call_id, name, arguments)
        case {"name": str(name), "arguments": dict(arguments)}:
            return ToolCall(call_id, name, arguments)
    return ProviderPart(dialect.DIALECT, data, "tool_calls")


def _usage(usage: openai.Usage | None) -> Usage | None:
    """Cached tokens are part of the provider's prompt count; ours are counted apart, and all at 0 or more."""
    if usage is None or usage.prompt_tokens is None:
        return None
    details = usage.prompt_tokens_details
    prompt = at_least_0(usage.prompt_tokens)
    read = min(at_least_0(details.cached_tokens), prompt) if details else 0
    written = min(at_least_0(details.cache_write_tokens), prompt - read) if details else 0
    output, reasoning = _output(usage, prompt)
    return Usage(prompt - read - written, output, read, written, reasoning_tokens=reasoning)


def _output(usage: openai.Usage, prompt: int) -> tuple[int, int]:
    """All output tokens, and those of them that are reasoning. Some vendors (xAI) count reasoning apart."""
    details = usage.completion_tokens_details
    said = at_least_0(usage.completion_tokens)
    reasoning = at_least_0(details.reasoning_tokens) if details else 0
    if reasoning and at_least_0(usage.total_tokens) == prompt + said + reasoning:
        return said + reasoning, reasoning
    return said, min(reasoning, said)


def _logprobs(choice: openai.Choice | None) -> list[Any] | None:
    if choice is None or choice.logprobs is None or choice.logprobs.content is None:
        return None
    return [token.model_dump(exclude_none=True) for token in choice.logprobs.content]


def _refusal(choice: openai.Choice) -> Failure | None:
    """A refusal or a block is told as such: it would otherwise look like an empty success."""
    if choice.message.refusal and not choice.message.content:
        return Failure(FailureKind.CONTENT_FILTER, plain_line(f"the model refused: {choice.message.refusal}"), 200)
    if choice.finish_reason == "content_filter":
        return Failure(FailureKind.CONTENT_FILTER, "the provider's content filter stopped the answer", 200)
    return None


def _says_more(completion: openai.ChatCompletion) -> bool:
    """Whether the reply holds something our types have no place for, so that the whole of it is kept."""
    if len(completion.choices) != 1 or _has_values(completion.model_extra):
        return True
    message = completion.choices[0].message
    return bool(message.annotations) or _has_values(message.model_extra)


def _has_values(extra: Mapping[str, Any] | None) -> bool:
    return bool(extra) and any(value not in (None, [], {}) for value in (extra or {}).values())
