"""Anthropic's Messages API, as its version 2023-06-01 has it, and as other vendors serve it.

Written through the typed SDK. What a user wrote in the provider's own form (a block that we have no type for, a tool
that the provider runs) is sent as it is, and the endpoint says whether it takes it.

    anthropic (requests, replies) > anthropic_thinking (how much it thinks), anthropic_schema (JSON Schemas as this API
                                    takes them), anthropic_stream (events)
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.anthropic_schema import strict_schema, translated
from deluge_sync._adapters.anthropic_thinking import is_told_depth, thinking_and_effort
from deluge_sync._adapters.call import Call, ModelReply, StreamReader
from deluge_sync._adapters.classify import classify_reply, plain_line
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._adapters.mcp_servers import ANTHROPIC_BETA, anthropic_server, anthropic_toolset, servers_among
from deluge_sync._adapters.reading import DocumentReader, at_least_0, parse_mended
from deluge_sync._adapters.writing import taken, wanted_schema, warn_once, write_body, write_headers, write_tools
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync._secret import Secret
from deluge_sync.errors import ConfigError, ReplyFormatError
from deluge_sync.prompt import File, Image, Message, ProviderPart, Refusal, Text, Thinking, ToolCall, ToolResult
from deluge_sync.prompt.dialects import anthropic as dialect
from deluge_sync.prompt.dialects.anthropic_cache import with_cache_marks
from deluge_sync.response import Usage
from deluge_sync.sdk import anthropic
from deluge_sync.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from deluge_sync.prompt import Part

__all__ = ["build_request", "open_stream", "parse_reply"]

log = logging.getLogger(__name__)


# --- writing

_USERS_WORDS: Final = ("messages", "system", "tools")
_FILES_BETA: Final = "files-api-2025-04-14"
# More are refused. Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs, "Limits".
_MOST_STRICT_TOOLS: Final = 20
_AS_THEY_ARE: Final = ("temperature", "top_p", "stop_sequences")
# In our words -> in theirs. "default" is without the capacity that some customers have reserved.
_ASKED_TIERS: Final = {"auto": "auto", "default": "standard_only", "priority": "auto"}


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK.

    Raises:
        ConfigError: the model cannot do what the call asks for, or something in it has no form in JSON or in this
            format.
    """
    endpoint = anthropic.create_message
    body = write_body(call, endpoint, _fields, users_words=_USERS_WORDS)
    headers = _with_betas(call, write_headers(call, _headers(call)))
    return HttpRequest(endpoint.method, call.base_url + endpoint.path, headers, body)


def _fields(call: Call) -> Mapping[str, Any]:
    # Older models take no system message between the others, and newer ones in some places only.
    system, messages = dialect.dump_messages(call.prompt.messages, all_systems_first=True)
    if not messages:
        raise ConfigError("the prompt has nothing that a user or the model says, which Anthropic refuses")
    fields = {
        "model": call.model.name,
        "max_tokens": call.params.max_new_tokens,
        "system": system,
        "messages": messages,
        "tools": _tools(call),
        "mcp_servers": [anthropic_server(server) for server in servers_among(call.extras.tools)] or None,
        "stream": call.is_streamed or None,
        "service_tier": _service_tier(call),
        **_settings(call, messages),
    }
    pattern = call.extras.cache_pattern
    return fields if pattern is None else with_cache_marks(fields, pattern)


def _headers(call: Call) -> dict[str, str | Secret]:
    headers: dict[str, str | Secret] = dict(anthropic.provider.headers)
    if call.api_key is not None:
        headers[call.model.key_header or anthropic.provider.key_header] = call.api_key
    return headers


def _with_betas(call: Call, headers: dict[str, str | Secret]) -> dict[str, str | Secret]:
    """The headers with the betas that the request needs, beside those that the user asks for in a header of theirs."""
    needed = {_FILES_BETA: _names_files(call.prompt.messages), ANTHROPIC_BETA: bool(servers_among(call.extras.tools))}
    betas = ",".join(beta for beta, is_needed in needed.items() if is_needed)
    if not betas:
        return headers
    name = next((name for name in headers if name.lower() == "anthropic-beta"), "anthropic-beta")
    given = headers.get(name)
    asked = given.reveal() if isinstance(given, Secret) else ""
    return {**headers, name: Secret(f"{asked},{betas}")} if asked else {**headers, name: betas}


def _names_files(messages: Iterable[Message]) -> bool:
    """Whether a file is named by its id, which this version of the API takes with a beta header only."""
    spoken = (part for message in messages for part in message.parts)
    parts = (inner for part in spoken for inner in (part.parts if isinstance(part, ToolResult) else (part,)))
    return any(isinstance(part, Image | File) and part.file_id is not None for part in parts)


def _service_tier(call: Call) -> str | None:
    tier = call.extras.service_tier
    if tier is not None and tier not in _ASKED_TIERS:
        warn_once(call.model.id, [f"service_tier {tier!r}"])
    return _ASKED_TIERS.get(tier or "")


def _settings(call: Call, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sampling, thinking and the form of the answer; what is refused is left out with one warning."""
    model, params = call.model, call.params
    thinking, effort = thinking_and_effort(call, messages)
    samples = model.accepts_sampling and (thinking or {}).get("type", "disabled") == "disabled"
    # Those from Claude Opus 4.1 on that still take them answer 400 to both together: "Please use only one".
    heats = params.temperature != 1.0 or params.top_p == 1.0
    said = taken(
        call,
        {
            "temperature": (params.temperature, samples and heats),
            "top_p": (params.top_p if params.top_p != 1.0 else None, samples and not heats),
            "reasoning_effort": (params.reasoning_effort, is_told_depth(call)),
            "thinking_budget": (params.thinking_budget or None, is_told_depth(call)),
            "json_mode": (_json_mode(call), False),
            "logprobs": (params.logprobs or None, False),
            "top_logprobs": (params.top_logprobs, False),
            "seed": (params.seed, False),
            "stop_sequences": (params.stop, True),
        },
    )
    own: dict[str, Any] = {name: said[name] for name in _AS_THEY_ARE if name in said}
    config = {"effort": effort, "format": _output_format(call)}
    config = {name: value for name, value in config.items() if value is not None}
    return {**own, "thinking": thinking, "output_config": config or None}


def _json_mode(call: Call) -> bool | None:
    """There is no such mode; an output_schema says more than it would."""
    return True if call.params.json_mode and call.extras.output_schema is None else None


def _output_format(call: Call) -> dict[str, Any] | None:
    wanted = wanted_schema(call)
    return None if wanted is None else {"type": "json_schema", "schema": translated(wanted[1])}


# --- tools


def _tools(call: Call) -> list[Mapping[str, Any]] | None:
    wants_strict = call.params.strict_tools and call.model.supports_schema
    written = write_tools(call, _strict_tool if wants_strict else _lax_tool, anthropic_toolset)
    return _with_few_strict(written) if written and len(written) > _MOST_STRICT_TOOLS else written


def _with_few_strict(tools: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first of the strict tools as they are, the others lax."""
    strict = [tool for tool in tools if tool.get("strict")]
    over = {id(tool) for tool in strict[_MOST_STRICT_TOOLS:]}
    if over:
        log.debug("%d tools are sent without strict, of which Anthropic takes %d", len(over), _MOST_STRICT_TOOLS)
    return [{**tool, "strict": False} if id(tool) in over else tool for tool in tools]


@lru_cache(maxsize=1_024)  # thousands of prompts come with the same tools
def _strict_tool(tool: Tool) -> Mapping[str, Any]:
    schema = strict_schema(tool)
    return _lax_tool(tool) if schema is None else {**_lax_tool(tool), "input_schema": schema, "strict": True}


@lru_cache(maxsize=1_024)
def _lax_tool(tool: Tool) -> Mapping[str, Any]:
    described = {"description": tool.description} if tool.description is not None else {}
    return {"name": tool.name, **described, "input_schema": tool.parameters}


# --- reading

_FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_TOLD_TIERS: Final = {"standard": "default"}


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The answer in a complete reply, or why there is none."""
    provider = call.model.provider
    if not 200 <= reply.status < 300:
        return classify_reply(reply, provider=provider)
    try:
        said = parse_mended(anthropic.create_message, reply.body)
    except ReplyFormatError:
        return classify_reply(reply, provider=provider)
    if _is_answer(said):
        return _answer(said, _refusal(said))
    failure = classify_reply(reply, provider=provider)
    return failure if _usage(said.usage) is None else _answer(said, failure)


def open_stream(call: Call) -> StreamReader:
    """A reader for the answer in pieces."""
    from deluge_sync._adapters.anthropic_stream import EventAssembler  # with the first answer in pieces

    return DocumentReader(call, EventAssembler(), parse_reply)


def _is_answer(said: anthropic.MessageReply) -> bool:
    """Whether the model said something, if only that it has nothing to say. Some servers put an error beside it."""
    tells_error = said.type == "error" or (said.model_extra or {}).get("error")
    return not tells_error and bool(said.content or (said.content == [] and said.stop_reason))


def _answer(said: anthropic.MessageReply, failure: Failure | None) -> ModelReply:
    usage = said.usage
    tier = usage.service_tier if usage is not None else None
    return ModelReply(
        content=_message(said),
        usage=_usage(usage),
        finish_reason=_FINISH_REASONS.get(said.stop_reason or "", said.stop_reason),
        model_external=said.model,
        response_id=said.id,
        service_tier=_TOLD_TIERS.get(tier or "", tier),
        failure=failure,
        raw=said.model_dump(exclude_none=True) if _says_more(said) else None,
    )


def _message(said: anthropic.MessageReply) -> Message:
    parts = [_part(block) for block in said.content or ()]
    if said.content == [] and said.stop_reason == "end_turn":
        parts = [Text("")]  # an empty answer is an answer
    if _explanation(said):
        parts.append(Refusal(_explanation(said)))
    return Message("assistant", parts)


def _part(block: anthropic.ReplyBlock) -> Part:
    match block:
        case anthropic.ReplyText():
            return Text(block.text, _beside(block, "text"))
        case anthropic.ReplyThinking():
            return Thinking(block.thinking, ProviderPart(dialect.DIALECT, block.model_dump(exclude_none=True)))
        case anthropic.ReplyToolUse():
            extra = _beside(block, "id", "name", "input")
            if isinstance(block.input, str):
                return ToolCall.from_text(block.id, block.name, block.input, extra)
            return ToolCall(block.id, block.name, block.input if isinstance(block.input, dict) else {}, extra=extra)
        case _:
            return ProviderPart(dialect.DIALECT, block.model_dump(exclude_unset=True))


def _beside(block: anthropic.ReplyText | anthropic.ReplyToolUse, *known: str) -> dict[str, Any] | None:
    """What the block says beside what we have a field for: citations, who called the tool. Nulls inside are kept."""
    said = block.model_dump(exclude_unset=True, exclude={"type", *known})
    beside = {name: value for name, value in said.items() if value not in (None, [])}
    return {dialect.DIALECT: beside} if beside else None


def _usage(usage: anthropic.Usage | None) -> Usage | None:
    """The provider counts fresh, read and written input apart, as we do."""
    if usage is None or usage.input_tokens is None:
        return None
    written = at_least_0(usage.cache_creation_input_tokens)
    kept = usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation is not None else None
    thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details is not None else None
    output = at_least_0(usage.output_tokens)
    return Usage(
        at_least_0(usage.input_tokens),
        output,
        at_least_0(usage.cache_read_input_tokens),
        written,
        cache_write_1h_tokens=min(at_least_0(kept), written),
        reasoning_tokens=min(at_least_0(thought), output),
    )


def _refusal(said: anthropic.MessageReply) -> Failure | None:
    """A refusal is told as such: it would otherwise look like an answer that is empty or breaks off."""
    if said.stop_reason != "refusal":
        return None
    texts = [block.text for block in said.content or () if isinstance(block, anthropic.ReplyText)]
    words = _explanation(said) or "".join(texts)
    message = f"the model refused: {words}" if words.strip() else "the model refused, without a word on why"
    return Failure(FailureKind.CONTENT_FILTER, plain_line(message), 200)


def _explanation(said: anthropic.MessageReply) -> str:
    return (said.stop_details.explanation if said.stop_details is not None else None) or ""


def _says_more(said: anthropic.MessageReply) -> bool:
    """Whether the reply holds something our types have no place for, so that the whole of it is kept."""
    details = said.stop_details
    extra = (said.model_extra or {}).values()
    return said.container is not None or details is not None or any(value not in (None, [], {}) for value in extra)
