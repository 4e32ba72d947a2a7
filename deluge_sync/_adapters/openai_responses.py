"""OpenAI's Responses API, with responses in the background.

The provider is asked to store nothing (`store: false`), unless the call says otherwise or runs in the background, which
needs it. So reasoning is asked for in its encrypted form, to go back with the next turn. Built-in tools are passed on
in the user's words, MCP servers in its own, and what they did is kept with the answer.

For the background there are three more functions: `pending_id` tells whether a reply is no answer yet, `build_poll`
asks again, `build_cancel` stops it.

Source: https://developers.openai.com/api/docs/guides/background and /reasoning (read 2026-11).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.call import Call, ModelReply, StreamReader
from deluge_sync._adapters.classify import classify_reply, plain_line
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._adapters.json_schema import allows_strict, strict_parameters
from deluge_sync._adapters.mcp_servers import openai_tool, without_secrets
from deluge_sync._adapters.reading import DocumentReader, at_least_0, parse_mended
from deluge_sync._adapters.reasoning import effort_of
from deluge_sync._adapters.writing import (
    bearer_key,
    taken,
    wanted_schema,
    warn_once,
    write_body,
    write_headers,
    write_tools,
)
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync.errors import ReplyFormatError
from deluge_sync.prompt.dialects.openai_responses_load import load_answer
from deluge_sync.response import Usage
from deluge_sync.sdk import openai

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from deluge_sync.prompt import Message
    from deluge_sync.tool import Tool

__all__ = ["build_cancel", "build_poll", "build_request", "open_stream", "parse_reply", "pending_id"]

# --- writing

_USERS_WORDS: Final = ("input", "tools")
_ENCRYPTED: Final = "reasoning.encrypted_content"
_LOGPROBS: Final = "message.output_text.logprobs"


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK.

    Raises:
        ConfigError: the model cannot do what the call asks for, or something in it has no form in JSON.
    """
    endpoint = openai.create_response
    body = write_body(call, endpoint, _fields, users_words=_USERS_WORDS)
    return HttpRequest(endpoint.method, call.base_url + endpoint.path, write_headers(call, bearer_key(call)), body)


def build_poll(call: Call, response_id: str) -> HttpRequest:
    """Ask how far the background response of `call` is. To be sent as often as one likes; it costs nothing.

    Raises:
        ConfigError: the id is none that can stand in a path.
    """
    values: dict[str, Any] = {"response_id": response_id, "include": call.extras.body.get("include", _include(call))}
    url = openai.retrieve_response.url(call.base_url, values)
    return HttpRequest(openai.retrieve_response.method, url, write_headers(call, bearer_key(call)))


def build_cancel(call: Call, response_id: str) -> HttpRequest:
    """Stop the background response of `call`. One that has ended stays as it is, and is the reply.

    Raises:
        ConfigError: the id is none that can stand in a path.
    """
    url = openai.cancel_response.url(call.base_url, {"response_id": response_id})
    return HttpRequest(openai.cancel_response.method, url, write_headers(call, bearer_key(call)))


def _fields(call: Call) -> dict[str, Any]:
    if call.extras.cache_pattern is not None:
        warn_once(call.model.id, ["the prompt-caching pattern"])
    return {
        "model": call.model.name,
        "input": call.prompt.to_openai_responses(),
        "store": call.extras.background,
        "background": call.extras.background or None,
        "include": _include(call),
        "service_tier": call.extras.service_tier,
        "tools": write_tools(call, partial(_own_tool, strict=call.params.strict_tools), openai_tool),
        "text": _text(call),
        "stream": call.is_streamed or None,
        **_sampling(call),
    }


def _include(call: Call) -> list[str] | None:
    """What a reply holds only if asked for."""
    wanted = {
        _ENCRYPTED: call.model.reasoning_model,
        _LOGPROBS: call.params.logprobs and call.model.supports_logprobs,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted] or None


def _sampling(call: Call) -> dict[str, Any]:
    model, params = call.model, call.params
    settings = taken(
        call,
        {
            "temperature": (params.temperature, model.accepts_sampling),
            "top_p": (params.top_p, model.accepts_sampling),
            "reasoning_effort": (effort_of(params), model.reasoning_control == "effort"),
            "logprobs": (params.logprobs or None, model.supports_logprobs),
            "top_logprobs": (params.top_logprobs, model.supports_logprobs),
            "seed": (params.seed, False),
            "stop": (params.stop, False),
        },
    )
    settings.pop("logprobs", None)  # said in `include`
    effort = settings.pop("reasoning_effort", None)
    return {"max_output_tokens": params.max_new_tokens, "reasoning": _reasoning(effort), **settings}


def _reasoning(effort: str | None) -> dict[str, str] | None:
    """Thinking can be read only as a summary that was asked for; whoever sets an effort wants to read it."""
    if effort is None:
        return None
    return {"effort": effort} if effort == "none" else {"effort": effort, "summary": "auto"}


def _text(call: Call) -> dict[str, Any] | None:
    wanted = wanted_schema(call)
    if wanted is not None:
        name, schema = wanted
        strict = allows_strict(schema)
        return {"format": {"type": "json_schema", "name": name, "schema": schema, "strict": strict}}
    if call.params.json_mode and not call.model.supports_json:
        warn_once(call.model.id, ["json_mode"])
        return None
    return {"format": {"type": "json_object"}} if call.params.json_mode else None


@lru_cache(maxsize=1_024)  # thousands of prompts come with the same tools
def _own_tool(tool: Tool, *, strict: bool) -> Mapping[str, Any]:
    """A tool of ours. Here a function is strict unless it says that it is not."""
    schema = strict_parameters(tool) if strict else None
    described = {"description": tool.description} if tool.description is not None else {}
    parameters = tool.parameters if schema is None else schema
    return {"type": "function", "name": tool.name, "parameters": parameters, "strict": schema is not None, **described}


# --- reading

_PENDING: Final = ("queued", "in_progress")
# Items that wait for an answer of ours.
_CALLS: Final = frozenset(
    ("function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call")
)
_FINISH_REASONS: Final = {"max_output_tokens": "length"}
# What a reply repeats of the request or says about its own life: nothing that an answer says.
_CIRCUMSTANCES: Final = frozenset(
    [
        "access_programs",
        "background_options",
        "billing",
        "content_filters",
        "context_management",
        "conversation",
        "frequency_penalty",
        "image",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt",
        "prompt_cache_diagnostics",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "tool_usage",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    ]
)


def pending_id(reply: HttpReply) -> str | None:
    """The id of a response that is still being worked on; None for every other reply. Never raises."""
    response = _response(reply)
    return response.id if response is not None and response.status in _PENDING else None


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The answer in a complete reply, or why there is none. One that is still `pending_id` is no answer."""
    response = _response(reply)
    if response is None:
        return classify_reply(reply, provider=call.model.provider)
    if response.status in _PENDING:
        # Not to be asked for once more: it may be paid for already.
        message = plain_line(f"the response {response.id} is still {response.status}")
        return Failure(FailureKind.MALFORMED, message, reply.status)
    answer = _answer(response)
    is_hollow = not answer.content.parts and response.status in ("completed", None)
    if not is_hollow and response.status != "failed" and response.error is None:
        return answer
    failure = classify_reply(reply, provider=call.model.provider)
    return replace(answer, failure=failure) if answer.usage or answer.content.parts else failure


def open_stream(call: Call) -> StreamReader:
    """A reader for the answer in pieces."""
    from deluge_sync._adapters.openai_responses_stream import EventAssembler  # with the first answer in pieces

    return DocumentReader(call, EventAssembler(), parse_reply)


def _response(reply: HttpReply) -> openai.Response | None:
    if not 200 <= reply.status < 300:
        return None
    try:
        return parse_mended(openai.create_response, reply.body)
    except ReplyFormatError:
        return None


def _answer(response: openai.Response) -> ModelReply:
    items = [item.model_dump(exclude_unset=True) for item in response.output]
    logprobs = _taken_logprobs(items)
    content = load_answer(items)
    reason = _finish_reason(response, items)
    return ModelReply(
        content=content,
        usage=_usage(response.usage),
        finish_reason=reason,
        model_external=response.model,
        response_id=response.id,
        logprobs=logprobs,
        service_tier=response.service_tier,
        failure=_refusal(response, content, reason),
        raw=without_secrets(response.model_dump(exclude_unset=True)) if _says_more(response, items) else None,
    )


def _taken_logprobs(items: Iterable[dict[str, Any]]) -> list[Any] | None:
    """The log-probabilities of all texts in a row, taken out of them: the next turn does not need them."""
    found: list[Any] = []
    for part in _parts_of(items):
        logprobs = part.pop("logprobs", None)
        found += [_without_none(token) for token in logprobs or ()] if isinstance(logprobs, list) else []
    return found or None


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(inner) for name, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value


def _parts_of(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The content parts of the messages among the items."""
    contents = [item.get("content") for item in items if item.get("type") == "message"]
    return [part for content in contents if isinstance(content, list) for part in content if isinstance(part, dict)]


def _finish_reason(response: openai.Response, items: Iterable[Mapping[str, Any]]) -> str | None:
    """Why the answer ends; None where it broke off."""
    if response.status in ("completed", None):
        return "tool_calls" if any(item.get("type") in _CALLS for item in items) else "stop"
    reason = response.incomplete_details.reason if response.incomplete_details else None
    return _FINISH_REASONS.get(reason, reason) if reason is not None else None


def _refusal(response: openai.Response, content: Message, reason: str | None) -> Failure | None:
    """A refusal, a block or a stop is told as such: it would otherwise look like an empty success."""
    if response.status == "cancelled":
        return Failure(FailureKind.CANCELLED, plain_line(f"the response {response.id} was cancelled"), 200)
    if content.refusal and not content.text:
        return Failure(FailureKind.CONTENT_FILTER, plain_line(f"the model refused: {content.refusal}"), 200)
    if reason == "content_filter":
        return Failure(FailureKind.CONTENT_FILTER, "the provider's content filter stopped the answer", 200)
    return None


def _usage(usage: openai.ResponseUsage | None) -> Usage | None:
    """Cached tokens are part of the provider's input count; ours are counted apart, and all at 0 or more."""
    if usage is None or usage.input_tokens is None:
        return None
    details, thought = usage.input_tokens_details, usage.output_tokens_details
    total, output = at_least_0(usage.input_tokens), at_least_0(usage.output_tokens)
    read = min(at_least_0(details.cached_tokens), total) if details else 0
    written = min(at_least_0(details.cache_write_tokens), total - read) if details else 0
    reasoning = min(at_least_0(thought.reasoning_tokens), output) if thought else 0
    return Usage(total - read - written, output, read, written, reasoning_tokens=reasoning)


def _says_more(response: openai.Response, items: Iterable[dict[str, Any]]) -> bool:
    """Whether the reply holds something our types have no place for, so that the whole of it is kept."""
    beside = {name: value for name, value in (response.model_extra or {}).items() if name not in _CIRCUMSTANCES}
    return any(value not in (None, [], {}) for value in beside.values()) or any(
        part.get("annotations") for part in _parts_of(items)
    )
