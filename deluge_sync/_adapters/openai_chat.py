"""OpenAI's chat completions: the format of OpenAI itself and of most other vendors.

What a vendor does differently is a field of its models' registry rows, never a name compared here. All that this
package says is written through the typed SDK. What a user wrote in the provider's own form (a content part or a
message field that OpenAI does not have, a built-in tool) is sent as it is, and the endpoint says whether it takes it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from deluge_sync._adapters.call import Call, ModelReply
from deluge_sync._adapters.classify import classify_reply, error_in_document, plain_line
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._adapters.json_schema import allows_strict, schema_of
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync._secret import Secret
from deluge_sync.errors import ConfigError, ReplyFormatError
from deluge_sync.prompt import Message, ProviderPart, Refusal, Text, Thinking, ToolCall
from deluge_sync.prompt.dialects import openai_chat as dialect
from deluge_sync.response import Usage
from deluge_sync.sdk import openai
from deluge_sync.tool import Tool

if TYPE_CHECKING:
    from deluge_sync.prompt import Part

__all__ = ["build_request", "parse_reply"]

log = logging.getLogger(__name__)


# --- writing

_IN_THE_USERS_WORDS: Final = ("messages", "tools")
# Leaving these out says the same, so that nobody needs to be told.
_SAYS_NOTHING: Final = {("temperature", 1.0), ("top_p", 1.0), ("reasoning_effort", "none")}


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK.

    Raises:
        ConfigError: the model cannot do what the call asks for, or something in it has no form in JSON.
    """
    try:
        body = _write(_fields(call))
    except (PydanticSerializationError, RecursionError) as error:
        problem = str(error)
    else:
        return HttpRequest("POST", call.base_url + openai.create_chat_completion.path, _headers(call), body)
    raise ConfigError(f"the request cannot be written as JSON: {problem}")


def _fields(call: Call) -> dict[str, Any]:
    if call.extras.cache_pattern is not None:
        _warn_once(call.model.id, ["the prompt-caching pattern"])
    return {
        "model": call.model.name,
        "messages": call.prompt.to_openai(),
        "service_tier": call.extras.service_tier,
        "tools": [_tool(tool, strict=call.params.strict_tools) for tool in call.extras.tools] or None,
        "response_format": _response_format(call),
        **_sampling(call),
    }


def _write(fields: dict[str, Any]) -> bytes | None:
    try:
        request = openai.ChatCompletionRequest.model_validate(fields)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    else:
        return openai.create_chat_completion.dump(request)
    for problem in problems:
        if problem["loc"][0] not in _IN_THE_USERS_WORDS:
            raise ConfigError(f"the request cannot be written: {'.'.join(map(str, problem['loc']))}: {problem['msg']}")
    log.debug("messages or tools that the typed request does not know are sent as they are")
    return to_json({name: value for name, value in fields.items() if value is not None})


def _headers(call: Call) -> dict[str, str | Secret]:
    """Ours, and the user's in their place, whatever the case. Theirs may be keys too, so no value can be shown."""
    given = call.extras.headers
    replaced = {name.lower() for name in given}
    own: dict[str, str | Secret] = {"Content-Type": "application/json"}
    if call.api_key is not None:
        own["Authorization"] = Secret(f"Bearer {call.api_key.reveal()}")
    kept = {name: value for name, value in own.items() if name.lower() not in replaced}
    return {**kept, **{name: Secret(value) for name, value in given.items()}}


def _sampling(call: Call) -> dict[str, Any]:
    """What the user set and the model takes. The rest is left out, with one warning a model."""
    model, params = call.model, call.params
    wanted = {
        model.max_tokens_field: (params.max_new_tokens, True),
        "temperature": (params.temperature, model.accepts_sampling),
        "top_p": (params.top_p, model.accepts_sampling),
        "reasoning_effort": (params.reasoning_effort, model.reasoning_model),
        "logprobs": (params.logprobs or None, model.supports_logprobs),
        "top_logprobs": (params.top_logprobs, model.supports_logprobs),
    }
    refused = [(name, value) for name, (value, is_taken) in wanted.items() if value is not None and not is_taken]
    _warn_once(model.id, [name for name, value in refused if (name, value) not in _SAYS_NOTHING])
    return {name: value for name, (value, is_taken) in wanted.items() if is_taken}


def _response_format(call: Call) -> dict[str, Any] | None:
    if call.extras.output_schema is not None:
        return _schema_format(call)
    if call.params.json_mode and not call.model.supports_json:
        _warn_once(call.model.id, ["json_mode"])
        return None
    return {"type": "json_object"} if call.params.json_mode else None


def _schema_format(call: Call) -> dict[str, Any]:
    # Left out, the answers would be free text, and every one of them paid for.
    if not call.model.supports_schema:
        raise ConfigError(
            f"model {call.model.id!r} cannot hold its answers to an output_schema; choose another, or ask for the form "
            "in the prompt with json_mode=True (register_model(..., supports_schema=True) if it can)"
        )
    name, schema = schema_of(call.extras.output_schema)
    definition = {"name": name, "schema": schema, "strict": allows_strict(schema)}
    return {"type": "json_schema", "json_schema": definition}


def _tool(tool: Tool | Mapping[str, Any], *, strict: bool) -> Mapping[str, Any]:
    """A tool of ours in this format; a dict is passed on as it is."""
    if isinstance(tool, Mapping):
        return dict(tool)
    if not isinstance(tool, Tool):
        raise ConfigError(f"a tool is a Tool or a dict in the provider's form, not {tool!r:.80}")
    return _own_tool(tool, strict=strict)


@lru_cache(maxsize=1_024)  # thousands of prompts come with the same tools
def _own_tool(tool: Tool, *, strict: bool) -> Mapping[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description is not None:
        function["description"] = tool.description
    if strict:
        function["strict"] = allows_strict(tool.parameters)
        if not function["strict"]:
            log.debug("tool %s is sent without strict, which its schema does not allow", tool.name)
    return {"type": "function", "function": function}


_warned: Final[dict[tuple[str, ...], object]] = {}


def _warn_once(model_id: str, settings: Iterable[str]) -> None:
    """Tell that `settings` are not sent. Of many threads that come at once only one does: `setdefault` is atomic."""
    names, mine = tuple(settings), object()
    if names and _warned.setdefault((model_id, *names), mine) is mine:
        log.warning("not sent to %s, which does not take it: %s", model_id, ", ".join(names))


# --- reading


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The answer in a complete reply, or why there is none."""
    provider = call.model.provider
    if not 200 <= reply.status < 300:
        return classify_reply(reply, provider=provider)
    try:
        completion = _parse(reply.body)
    except ReplyFormatError:
        return classify_reply(reply, provider=provider)
    choice = completion.choices[0] if completion.choices else None
    if choice is not None and not _tells_error(completion, choice):
        return _answer(completion, choice, _refusal(choice))
    failure = classify_reply(reply, provider=provider)
    if completion.usage is None:
        return failure
    return _answer(completion, choice, failure)


def _parse(body: bytes) -> openai.ChatCompletion:
    try:
        return openai.create_chat_completion.parse(body)
    except ReplyFormatError:
        return openai.create_chat_completion.parse(_mended(body))


def _mended(body: bytes) -> bytes:
    """The document without byte order mark, broken UTF-8 and half characters: an answer is not lost for these."""
    try:
        text = json.dumps(json.loads(body.decode("utf-8-sig", "replace")), ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
    return text.encode("utf-8", "replace")


def _tells_error(completion: openai.ChatCompletion, choice: openai.Choice) -> bool:
    """Whether the provider failed on the way, which some tell in a field beside the answer."""
    beside = {**(completion.model_extra or {}), "object": completion.object, "choices": [choice.model_extra]}
    return choice.finish_reason == "error" or error_in_document(beside)


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
    # An empty answer is an answer; beside tool calls many servers write an empty text that says nothing.
    if said.content or (said.content == "" and not said.tool_calls):
        parts.append(Text(said.content))
    if said.refusal:
        parts.append(Refusal(said.refusal))
    parts += [_tool_call(place, call) for place, call in enumerate(said.tool_calls or ())]
    return Message("assistant", parts)


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
    prompt = _count(usage.prompt_tokens)
    read = min(_count(details.cached_tokens), prompt) if details else 0
    written = min(_count(details.cache_write_tokens), prompt - read) if details else 0
    return Usage(prompt - read - written, _count(usage.completion_tokens), read, written)


def _count(tokens: int | None) -> int:
    return max(tokens or 0, 0)


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
