"""Bedrock's Converse API, which is one for the models of many makers.

What they do not share goes through `additionalModelRequestFields`, by the maker that the model's row names. With a key
(a "Bedrock API key") a request needs nothing else; without one it is signed with the AWS credentials of this machine.

    bedrock (requests) > bedrock_reply, bedrock_stream (events), bedrock_reasoning (by maker), aws_signing

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, userguide/structured-output,
userguide/prompt-caching and userguide/service-tiers-inference (read 2026-11).
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.anthropic_schema import strict_schema, translated
from deluge_sync._adapters.aws_signing import Signer
from deluge_sync._adapters.bedrock_reasoning import is_told_depth, reasoning_of
from deluge_sync._adapters.bedrock_reply import parse_reply
from deluge_sync._adapters.call import Call, StreamReader
from deluge_sync._adapters.reading import DocumentReader
from deluge_sync._adapters.writing import (
    bearer_key,
    taken,
    wanted_schema,
    warn_once,
    write_body,
    write_headers,
    write_tools,
)
from deluge_sync._http import HttpRequest
from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects import bedrock as dialect
from deluge_sync.prompt.dialects.bedrock_cache import with_cache_points
from deluge_sync.prompt.parts import compact_json
from deluge_sync.sdk import bedrock
from deluge_sync.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["build_request", "open_stream", "parse_reply", "signer"]

log = logging.getLogger(__name__)

signer = Signer("bedrock")
"""Signs the requests that have no key."""

_USERS_WORDS: Final = ("messages", "system", "toolConfig")
_TELL_FAILURE: Final = ("anthropic", "amazon")
# What a maker's models can cache, and whose keep it for an hour if they are asked to.
_CACHED: Final[Mapping[str | None, tuple[str, ...]]] = {
    "anthropic": ("tools", "system", "messages"),
    "amazon": ("system", "messages"),
}
_LONG_LIVED: Final = ("anthropic",)
_TIERS: Final = ("default", "flex", "priority", "reserved")
# More strict tools than these are refused. Source: https://docs.claude.com/en/docs/build-with-claude/structured-outputs
_MOST_STRICT_TOOLS: Final = 20
_INFERENCE: Final = {
    "max_new_tokens": "maxTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "stop": "stopSequences",
}


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK, and signed if the model asks for that.

    Raises:
        ConfigError: the model cannot do what the call asks for, something in it has no form in JSON or in this
            format, or it is to be signed and nothing is there to sign with.
    """
    endpoint: Any = bedrock.converse_stream if call.is_streamed else bedrock.converse
    body = write_body(call, endpoint, _fields, users_words=_USERS_WORDS)
    url = endpoint.url(call.base_url, {"model_id": call.model.name})
    request = HttpRequest(endpoint.method, url, write_headers(call, bearer_key(call)), body)
    return signer.signed(request) if _is_to_be_signed(call, request) else request


def _is_to_be_signed(call: Call, request: HttpRequest) -> bool:
    """Not if there is another proof: a key, or what the user puts in its place."""
    has_proof = any(name.lower() == "authorization" for name in request.headers)
    return call.api_key is None and call.model.key_is_optional and not has_proof


def _fields(call: Call) -> dict[str, Any]:
    system, messages = dialect.dump_messages(
        call.prompt.messages, tells_failure=call.model.maker in (*_TELL_FAILURE, None)
    )
    if not messages:
        raise ConfigError("the prompt has nothing that a user or the model says, which Bedrock refuses")
    cacheable = {"tools": _tools(call), "system": system or None, "messages": messages}
    parts = _with_cache_points(call, cacheable)
    tools = parts.pop("tools", None)
    return {
        **parts,
        "toolConfig": {"tools": tools} if tools else None,
        **_settings(call, messages),
        "outputConfig": _output_config(call),
        "serviceTier": _service_tier(call),
    }


def _with_cache_points(call: Call, parts: dict[str, Any]) -> dict[str, Any]:
    """`parts` with the points of the pattern, as far as the model can cache; what it cannot is told with a warning."""
    if call.extras.cache_pattern is None:
        return parts
    name, _, life = call.extras.cache_pattern.partition(":")
    able = _CACHED.get(call.model.maker, ())
    lives = life != "1h" or call.model.maker in _LONG_LIVED
    written = with_cache_points(
        {part: parts[part] for part in able if parts[part]}, call.extras.cache_pattern if lives else name
    )
    if not able or (name == "tools_only" and "tools" not in able):
        warn_once(call.model.id, ["the prompt-caching pattern"])
    elif not lives:
        warn_once(call.model.id, ["a prompt cache that is kept for an hour"])
    return {**parts, **written}


def _service_tier(call: Call) -> dict[str, str] | None:
    """Without a word ("auto") the account's own setting holds."""
    tier = call.extras.service_tier
    if tier in (None, "auto"):
        return None
    if tier not in _TIERS:
        warn_once(call.model.id, [f"service_tier {tier!r}"])
        return None
    return {"type": tier}


def _settings(call: Call, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sampling and reasoning; what is refused is left out with one warning."""
    model, params = call.model, call.params
    reasoning, is_told = reasoning_of(call, messages), is_told_depth(call)
    samples = model.accepts_sampling and reasoning.takes_sampling
    # Of Claude, models from Opus 4.1 on that still take them refuse both together.
    heats = params.temperature != 1.0 or params.top_p == 1.0
    takes_both = model.maker != "anthropic"
    said = taken(
        call,
        {
            "max_new_tokens": (params.max_new_tokens, reasoning.takes_max_tokens),
            "temperature": (params.temperature, samples and (heats or takes_both)),
            "top_p": (params.top_p if params.top_p != 1.0 else None, samples and (takes_both or not heats)),
            "reasoning_effort": (params.reasoning_effort, is_told),
            "thinking_budget": (params.thinking_budget or None, is_told),
            "json_mode": (_json_mode(call), False),
            "logprobs": (params.logprobs or None, False),
            "top_logprobs": (params.top_logprobs, False),
            "seed": (params.seed, False),
            "stop": (params.stop, True),
        },
    )
    inference = {wire: said[name] for name, wire in _INFERENCE.items() if name in said}
    return {
        "inferenceConfig": inference or None,
        "additionalModelRequestFields": dict(reasoning.fields) or None,
    }


def _json_mode(call: Call) -> bool | None:
    """There is no such mode; an output_schema says more than it would."""
    return True if call.params.json_mode and call.extras.output_schema is None else None


def _output_config(call: Call) -> dict[str, Any] | None:
    """The schema goes as a text. Bedrock takes the part of JSON Schema that Anthropic takes, whoever made the model."""
    wanted = wanted_schema(call)
    if wanted is None:
        return None
    name, schema = wanted
    written = compact_json(translated(schema), what="output_schema")
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": name, "schema": written}}}}


# --- tools


def _tools(call: Call) -> list[Mapping[str, Any]] | None:
    wants_strict = call.params.strict_tools and call.model.supports_schema
    written = write_tools(call, _strict_tool if wants_strict else _lax_tool)
    return _with_few_strict(written) if written and len(written) > _MOST_STRICT_TOOLS else written


def _with_few_strict(tools: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first of the strict tools as they are, the others lax."""
    strict = [tool for tool in tools if tool.get("toolSpec", {}).get("strict")]
    over = {id(tool) for tool in strict[_MOST_STRICT_TOOLS:]}
    if over:
        log.debug("%d tools are sent without strict, of which Claude takes %d", len(over), _MOST_STRICT_TOOLS)
    return [{"toolSpec": {**tool["toolSpec"], "strict": False}} if id(tool) in over else tool for tool in tools]


@lru_cache(maxsize=1_024)  # thousands of prompts come with the same tools
def _strict_tool(tool: Tool) -> Mapping[str, Any]:
    schema, written = strict_schema(tool), _lax_tool(tool)
    if schema is None:
        return written
    return {"toolSpec": {**written["toolSpec"], "inputSchema": {"json": schema}, "strict": True}}


@lru_cache(maxsize=1_024)
def _lax_tool(tool: Tool) -> Mapping[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {"toolSpec": {"name": tool.name, **described, "inputSchema": {"json": tool.parameters}}}


def open_stream(call: Call) -> StreamReader:
    """A reader for the answer in pieces."""
    from deluge_sync._adapters.aws_event_stream import AwsEventDecoder  # with the first answer in pieces
    from deluge_sync._adapters.bedrock_stream import EventAssembler

    return DocumentReader(call, EventAssembler(), parse_reply, decoder=AwsEventDecoder())
