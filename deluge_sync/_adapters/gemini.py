"""Gemini's `generateContent`, at once or as a stream.

How much a model reasons is told as a level (`reasoning_control` "effort": Gemini 3 and later) or as a number of tokens
("budget": Gemini 2.5), and only if it is asked for; then its thoughts come with the answer. A level of "none" is the
least there is. Tools are held to their schemas with the mode VALIDATED, which is one for all tools: it is asked for
where each of them has a schema that allows strict. Schemas go as JSON Schema; what the provider does not know in one,
it passes over. Beyond our words, `extra_body` takes the provider's (safetySettings, cachedContent, generationConfig).

Source: Google's API document v1beta (2026-11), and what google-genai 3.4.0 says of its fields.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.call import Call, StreamReader
from deluge_sync._adapters.gemini_reply import parse_reply
from deluge_sync._adapters.json_schema import allows_strict
from deluge_sync._adapters.reading import DocumentReader
from deluge_sync._adapters.reasoning import budget_of, effort_of
from deluge_sync._adapters.writing import taken, wanted_schema, warn_once, write_body, write_headers, write_tools
from deluge_sync._http import HttpRequest
from deluge_sync.prompt.dialects import gemini as dialect
from deluge_sync.prompt.dialects.gemini_reading import count_calls
from deluge_sync.sdk import gemini
from deluge_sync.tool import AnyTool, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deluge_sync._secret import Secret
    from deluge_sync.config import ReasoningEffort

__all__ = ["build_request", "open_stream", "parse_reply"]

log = logging.getLogger(__name__)

_USERS_WORDS: Final = ("contents", "systemInstruction", "tools")
# Made for this by Google: https://ai.google.dev/gemini-api/docs/thought-signatures
_NO_SIGNATURE: Final = "skip_thought_signature_validator"
_TIERS: Final[Mapping[str, str | None]] = {"auto": None, "default": "standard"}
_LEVELS: Final[Mapping[ReasoningEffort, str]] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
}
_SAMPLING: Final = {
    "max_new_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
    "seed": "seed",
    "stop": "stopSequences",
}


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK.

    Raises:
        ConfigError: the model cannot do what the call asks for, or something in it has no form in JSON.
    """
    endpoint: Any = gemini.stream_generate_content if call.is_streamed else gemini.generate_content
    body = write_body(call, endpoint, _fields, users_words=_USERS_WORDS)
    url = endpoint.url(call.base_url, {"model": call.model.name.removeprefix("models/")})
    return HttpRequest(endpoint.method, url, write_headers(call, _key(call)), body)


def _fields(call: Call) -> dict[str, Any]:
    if call.extras.cache_pattern is not None:
        warn_once(call.model.id, ["the prompt-caching pattern"])
    tier, messages = call.extras.service_tier, call.prompt.messages
    is_gemini_3 = call.model.reasoning_control != "budget"  # the words for the depth came with Gemini 3
    contents = dialect.dump_contents(messages, gemini_3=is_gemini_3)
    return {
        "systemInstruction": dialect.dump_system(messages),
        "contents": [_signed(content) for content in contents] if is_gemini_3 else contents,
        **_tools(call),
        "generationConfig": {**_sampling(call), **_answer_form(call)},
        "serviceTier": _TIERS.get(tier, tier) if tier is not None else None,
    }


def _signed(content: dict[str, Any]) -> dict[str, Any]:
    """The content with a signature on the first of its calls, without which Gemini 3 refuses it.

    Calls that another model made have none; for these Google has a word that stands for it.
    """
    calls = [part for part in content["parts"] if "functionCall" in part]
    if calls and "thoughtSignature" not in calls[0]:
        calls[0]["thoughtSignature"] = _NO_SIGNATURE
    return content


def _key(call: Call) -> dict[str, str | Secret]:
    if call.api_key is None:
        return {}
    return {call.model.key_header or gemini.provider.key_header: call.api_key}


def _sampling(call: Call) -> dict[str, Any]:
    model, params = call.model, call.params
    reasons = model.reasoning_control is not None
    settings = taken(
        call,
        {
            "max_new_tokens": (params.max_new_tokens, True),
            "temperature": (params.temperature, model.accepts_sampling),
            "top_p": (params.top_p, model.accepts_sampling),
            "reasoning_effort": (params.reasoning_effort, reasons),
            "thinking_budget": (params.thinking_budget, reasons),
            "logprobs": (params.logprobs or None, model.supports_logprobs),
            "top_logprobs": (params.top_logprobs, model.supports_logprobs),
            "seed": (params.seed, True),
            "stop": (params.stop, True),
        },
    )
    written = {wire: settings[name] for name, wire in _SAMPLING.items() if name in settings}
    thinking = _thinking(call) if reasons else None
    return written | ({"thinkingConfig": thinking} if thinking else {})


def _thinking(call: Call) -> dict[str, Any] | None:
    """None where nothing was asked for, so that the model decides."""
    effort, budget = effort_of(call.params), budget_of(call.params)
    if effort is None or budget is None:
        return None
    depth: dict[str, Any] = {"thinkingLevel": _LEVELS[effort]}
    if call.model.reasoning_control == "budget":
        depth = {"thinkingBudget": budget}
    return depth if budget == 0 else {**depth, "includeThoughts": True}


def _answer_form(call: Call) -> dict[str, Any]:
    wanted = wanted_schema(call)
    if wanted is not None:
        return {"responseMimeType": "application/json", "responseJsonSchema": wanted[1]}
    if call.params.json_mode and not call.model.supports_json:
        warn_once(call.model.id, ["json_mode"])
        return {}
    return {"responseMimeType": "application/json"} if call.params.json_mode else {}


def _tools(call: Call) -> dict[str, Any]:
    """Our tools as one of the provider's, which has all functions; a dict is passed on as it is."""
    written = list(zip(call.extras.tools, write_tools(call, _declaration) or (), strict=True))
    functions = [declaration for tool, declaration in written if isinstance(tool, Tool)]
    own = [{"functionDeclarations": functions}] if functions else []
    given = [tool for tool, _ in written if not isinstance(tool, Tool)]
    is_strict = bool(functions) and call.params.strict_tools and _allow_strict(call.extras.tools)
    config = {"functionCallingConfig": {"mode": "VALIDATED"}} if is_strict else None
    return {"tools": [*own, *given] or None, "toolConfig": config}


def _allow_strict(tools: Sequence[AnyTool]) -> bool:
    lax = [tool.name for tool in tools if isinstance(tool, Tool) and not _allows_strict(tool)]
    for name in lax:
        log.debug("tool %s is sent without strict, which its schema does not allow", name)
    return not lax


@lru_cache(maxsize=1_024)  # thousands of prompts come with the same tools
def _allows_strict(tool: Tool) -> bool:
    return allows_strict(tool.parameters)


@lru_cache(maxsize=1_024)
def _declaration(tool: Tool) -> Mapping[str, Any]:
    described = {"description": tool.description} if tool.description is not None else {}
    return {"name": tool.name, **described, "parametersJsonSchema": tool.parameters}


def open_stream(call: Call) -> StreamReader:
    """A reader for the answer in pieces."""
    from deluge_sync._adapters.gemini_stream import PieceAssembler  # with the first answer in pieces

    return DocumentReader(call, PieceAssembler(count_calls(call.prompt.messages)), parse_reply)
