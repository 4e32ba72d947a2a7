"""Mistral's chat completions: near to OpenAI's, with names and parts of their own, and strict about unknown fields.

What a user wrote in the provider's own form (a content part, a built-in tool) is sent as it is.
Source: Mistral's OpenAPI document of 2026-08 and https://docs.mistral.ai/api (read 2026-11).
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.call import Call, ModelReply, StreamReader
from deluge_sync._adapters.chat_words import function_tool, response_format, tells_error
from deluge_sync._adapters.chunks import ChunkAssembler
from deluge_sync._adapters.classify import classify_reply
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._adapters.mistral_stream import MistralMessage, own_id
from deluge_sync._adapters.reading import DocumentReader, at_least_0, parse_mended
from deluge_sync._adapters.reasoning import effort_of
from deluge_sync._adapters.writing import bearer_key, taken, warn_once, write_body, write_headers, write_tools
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync.errors import ReplyFormatError
from deluge_sync.prompt import Message, ProviderPart, Text, ToolCall
from deluge_sync.prompt.dialects import mistral as dialect
from deluge_sync.response import Usage
from deluge_sync.sdk import mistral

if TYPE_CHECKING:
    from deluge_sync.prompt import Part

__all__ = ["build_request", "open_stream", "parse_reply"]

_USERS_WORDS: Final = ("messages", "tools")
_own_tool = lru_cache(maxsize=1_024)(function_tool)  # thousands of prompts come with the same tools
# What we call a tier, and how it is asked for. Priority capacity cannot be demanded: `auto` uses it where it is there.
_ASKED_TIERS: Final = {"auto": "auto", "priority": "auto", "default": "standard_only"}
_TOLD_TIERS: Final = {"standard": "default", "standard_only": "default"}
_FINISH_REASONS: Final = {"model_length": "length"}


# --- writing


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK.

    Raises:
        ConfigError: the model cannot do what the call asks for, or something in it has no form in JSON.
    """
    endpoint = mistral.create_chat_completion
    body = write_body(call, endpoint, _fields, users_words=_USERS_WORDS)
    return HttpRequest(endpoint.method, call.base_url + endpoint.path, write_headers(call, bearer_key(call)), body)


def _fields(call: Call) -> dict[str, Any]:
    if call.extras.cache_pattern is not None:
        warn_once(call.model.id, ["the prompt-caching pattern"])
    return {
        "model": call.model.name,
        "messages": _messages(call),
        "service_tier": _asked_tier(call),
        "tools": write_tools(call, partial(_own_tool, strict=call.params.strict_tools)),
        "response_format": response_format(call),
        "stream": call.is_streamed or None,
        **_sampling(call),
    }


def _messages(call: Call) -> list[dict[str, Any]]:
    """A conversation that ends with the model's own words goes on from there, which has to be said here."""
    written = call.prompt.to_mistral()
    if written and written[-1]["role"] == "assistant" and "tool_calls" not in written[-1]:
        written[-1].setdefault("prefix", True)
    return written


def _asked_tier(call: Call) -> str | None:
    tier = call.extras.service_tier
    if tier is not None and tier not in _ASKED_TIERS:
        warn_once(call.model.id, [f"service_tier={tier}"])
        return None
    return _ASKED_TIERS[tier] if tier is not None else None


def _sampling(call: Call) -> dict[str, Any]:
    model, params = call.model, call.params
    is_greedy = params.temperature == 0  # then top_p says nothing, and the provider refuses any but 1
    return taken(
        call,
        {
            "max_tokens": (params.max_new_tokens, True),
            "temperature": (params.temperature, model.accepts_sampling),
            "top_p": (None if is_greedy else params.top_p, model.accepts_sampling),
            "reasoning_effort": (effort_of(params), model.reasoning_control == "effort"),
            "logprobs": (params.logprobs or None, model.supports_logprobs),
            "top_logprobs": (params.top_logprobs, model.supports_logprobs),
            "random_seed": (params.seed, True),
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
        completion = parse_mended(mistral.create_chat_completion, reply.body)
    except ReplyFormatError:
        return classify_reply(reply, provider=provider)
    choice = completion.choices[0] if completion.choices else None
    if choice is not None and _said(choice) and not tells_error(completion, choice):
        return _answer(completion, choice, _block(choice))
    failure = classify_reply(reply, provider=provider)
    if completion.usage is None:
        return failure
    return _answer(completion, choice, failure)


def open_stream(call: Call) -> StreamReader:
    """A reader for the answer in pieces."""
    return DocumentReader(call, ChunkAssembler(mistral.create_chat_completion, MistralMessage()), parse_reply)


def _answer(completion: mistral.ChatCompletion, choice: mistral.Choice | None, failure: Failure | None) -> ModelReply:
    ended = choice.finish_reason if choice is not None else None
    tier = completion.usage.service_tier if completion.usage is not None else None
    return ModelReply(
        content=Message("assistant", [part for said in _said(choice) for part in _parts(said)]),
        usage=_usage(completion.usage),
        finish_reason=_FINISH_REASONS.get(ended, ended) if ended is not None else None,
        model_external=completion.model,
        response_id=completion.id,
        logprobs=_logprobs(choice),
        service_tier=_TOLD_TIERS.get(tier, tier) if tier is not None else None,
        failure=failure,
        raw=completion.model_dump(exclude_none=True) if _says_more(completion) else None,
    )


def _said(choice: mistral.Choice | None) -> list[mistral.ReplyMessage | mistral.Delta]:
    """What the model said: one message, or several where a tool of the provider took part."""
    if choice is None:
        return []
    if choice.message is not None:
        return [choice.message]
    return [message for message in choice.messages or () if message.role in (None, "assistant")]


def _parts(said: mistral.ReplyMessage | mistral.Delta) -> list[Part]:
    calls = [_tool_call(place, call) for place, call in enumerate(said.tool_calls or ())]
    if isinstance(said.content, list):
        return [*(dialect.load_said(part.model_dump(exclude_none=True)) for part in said.content), *calls]
    # An empty answer is an answer; beside tool calls an empty text says nothing.
    is_told = said.content or (said.content == "" and not calls)
    return [Text(said.content), *calls] if said.content is not None and is_told else calls


def _tool_call(place: int, call: mistral.ReplyToolCall) -> Part:
    call_id, function = own_id(call.id) or f"call_{place}", call.function
    if function is None or function.name is None or call.type not in (None, "function"):
        return ProviderPart(dialect.DIALECT, call.model_dump(exclude_none=True), "tool_calls")
    if isinstance(function.arguments, dict):
        return ToolCall(call_id, function.name, function.arguments)
    return ToolCall.from_text(call_id, function.name, function.arguments or "")


def _usage(usage: mistral.Usage | None) -> Usage | None:
    """Cached tokens are part of the provider's prompt count; ours are counted apart."""
    if usage is None or usage.prompt_tokens is None:
        return None
    details = usage.prompt_tokens_details
    cached = (details.cached_tokens if details is not None else None) or usage.num_cached_tokens
    prompt = at_least_0(usage.prompt_tokens)
    read = min(at_least_0(cached), prompt)
    return Usage(prompt - read, at_least_0(usage.completion_tokens), read)


def _logprobs(choice: mistral.Choice | None) -> list[Any] | None:
    if choice is None or choice.logprobs is None or choice.logprobs.content is None:
        return None
    return [_logprob(token) for token in choice.logprobs.content]


def _logprob(token: mistral.TokenLogprob) -> dict[str, Any]:
    """As OpenAI writes it: without the number of the token."""
    written = token.model_dump(exclude_none=True, exclude={"token_id", "top_logprobs"})
    others = [other.model_dump(exclude_none=True, exclude={"token_id"}) for other in token.top_logprobs or ()]
    return {**written, "top_logprobs": others}


def _block(choice: mistral.Choice) -> Failure | None:
    if choice.finish_reason == "content_filter":
        return Failure(FailureKind.CONTENT_FILTER, "the provider's content filter stopped the answer", 200)
    return None


def _says_more(completion: mistral.ChatCompletion) -> bool:
    """Whether the reply holds something our types have no place for, so that the whole of it is kept."""
    choice = completion.choices[0] if len(completion.choices) == 1 else None
    if choice is None or choice.messages:
        return True
    extras = (completion.model_extra, choice.model_extra, choice.message.model_extra if choice.message else None)
    return any(value not in (None, [], {}) for extra in extras for value in (extra or {}).values())
