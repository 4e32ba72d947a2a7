"""Whether a Converse request is one that Bedrock would take; if not, the 400 it would give.

Fields and types are the business of the generated request model, here are the rules that a schema does not say. The
rules of single makers' models are looked at as far as a request names their fields.
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and API_runtime_Message.html
(read 2026-11).
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from deluge_sync.sdk.bedrock import ConverseRequest
from deluge_sync.testing._anthropic_schema import schema_problem
from deluge_sync.testing._format import Refused
from deluge_sync.testing._openai_checks import checked_fields
from deluge_sync.testing._reply import ErrorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["checked_request"]

Request = dict[str, Any]
Block = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_DOCUMENT_NAME = re.compile(r"(?!.*\s\s)[A-Za-z0-9\s()\[\]-]{1,200}")
_MOST_POINTS, _MOST_IMAGES, _MOST_DOCUMENTS = 4, 20, 5
_LEAST_BUDGET = 1_024
_FORMATS: Mapping[str, frozenset[str]] = {
    "image": frozenset(("png", "jpeg", "gif", "webp")),
    "document": frozenset(("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")),
    "video": frozenset(("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp")),
    "audio": frozenset(
        ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm")
    ),
}
_SPEAKERS: Mapping[str, str] = {
    **dict.fromkeys((*_FORMATS, "toolResult"), "user"),
    **dict.fromkeys(("toolUse", "reasoningContent", "citationsContent"), "assistant"),
}
_RANGES: Sequence[tuple[str, float, float]] = (("temperature", 0, 1), ("topP", 0, 1), ("maxTokens", 1, float("inf")))


def checked_request(body: bytes, *, ignore_unknown: bool = False) -> Request:
    """The request as parsed JSON. Raises `Refused` with status 400."""
    request = _checked_fields(body, ignore_unknown=ignore_unknown)
    for problem in chain.from_iterable(check(request) for check in _CHECKS):
        raise Refused(ErrorSpec(400, problem))
    return request


def _checked_fields(body: bytes, *, ignore_unknown: bool) -> Request:
    """The same for fields and types, without the codes of other providers."""
    try:
        return checked_fields(body, ConverseRequest, ignore_unknown=ignore_unknown)
    except Refused as refused:
        message = refused.spec.message
    raise Refused(ErrorSpec(400, message))


def _blocks(request: Request) -> Iterator[tuple[str, str, Block]]:
    """(place, role, block) of everything that is said."""
    for number, message in enumerate(request["messages"]):
        for index, block in enumerate(message["content"]):
            yield f"messages.{number}.content.{index}", message["role"], block


def _turns_are_taken(request: Request) -> Iterator[str]:
    messages = request.get("messages")
    if not messages:
        yield "messages: at least one message is required"
        return
    if messages[0]["role"] != "user":
        yield "A conversation must start with a user message. Try again with a conversation that starts with one."
    for number, (before, after) in enumerate(pairwise(messages), 1):
        if before["role"] == after["role"]:
            yield f"A conversation must alternate between user and assistant roles, but messages.{number} does not."
    for number, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            yield f"messages.{number}.role: must be one of [user, assistant]"
        if not message["content"]:
            yield f"The content field in the Message object at messages.{number} is empty."


def _blocks_are_one_thing(request: Request) -> Iterator[str]:
    system = ((f"system.{index}", block) for index, block in enumerate(request.get("system") or ()))
    said = ((place, block) for place, _, block in _blocks(request))
    for place, block in chain(system, said):
        if len(block) != 1:
            yield f"{place}: must set exactly one of its members, not {sorted(block)}"
        elif "text" in block and not block["text"].strip():
            yield f"The text field in the ContentBlock object at {place} is blank. Add text to it, and try again."


def _speakers_fit(request: Request) -> Iterator[str]:
    for place, role, block in _blocks(request):
        kind = next(iter(block))
        if _SPEAKERS.get(kind, role) != role:
            yield f"{place}: {kind} is not allowed in a message of the {role} role"


def _media_are_sound(request: Request) -> Iterator[str]:
    for place, kind, media in _media(request):
        if media.get("format") not in _FORMATS[kind]:
            yield f"{place}.{kind}.format: must be one of {sorted(_FORMATS[kind])}"
        if len(media["source"]) != 1:
            yield f"{place}.{kind}.source: must set exactly one of its members"
        if "bytes" in media["source"] and not _decoded(media["source"]["bytes"]):
            yield f"{place}.{kind}.source.bytes: must be base64 of at least one byte"


def _media(request: Request) -> Iterator[tuple[str, str, Block]]:
    """(place, kind, block) of all media, those in tool results too."""
    for place, _, block in _blocks(request):
        inner = block["toolResult"]["content"] if "toolResult" in block else [block]
        yield from ((place, kind, piece[kind]) for piece in inner for kind in _FORMATS if kind in piece)


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _documents_are_named(request: Request) -> Iterator[str]:
    found = [(place, media) for place, kind, media in _media(request) if kind == "document"]
    names = [document["name"] for _, document in found]
    for place, document in found:
        if not _DOCUMENT_NAME.fullmatch(document["name"]):
            yield (
                f"{place}.document.name: The document file name can only contain alphanumeric characters, whitespace "
                "characters, hyphens, parentheses, and square brackets. The name can't contain more than one "
                "consecutive whitespace character."
            )
    if len(set(names)) < len(names):
        yield "messages contains duplicate document file names. Document file names must be unique within the request."
    if len(found) > _MOST_DOCUMENTS:
        yield f"at most {_MOST_DOCUMENTS} documents are allowed, not {len(found)}"
    for number, message in enumerate(request["messages"]):
        kinds = set(chain.from_iterable(message["content"]))
        if "document" in kinds and "text" not in kinds:
            yield f"messages.{number}.content: A text block is required when using documents."


def _images_are_few(request: Request) -> Iterator[str]:
    count = sum(kind == "image" for _, kind, _ in _media(request))
    if count > _MOST_IMAGES:
        yield f"at most {_MOST_IMAGES} images are allowed, not {count}"


def _calls_are_sound(request: Request) -> Iterator[str]:
    for place, _, block in _blocks(request):
        called: Block = block.get("toolUse") or block.get("toolResult") or {}
        if called and not _ID.fullmatch(called["toolUseId"]):
            yield f"{place}.toolUseId: Member must satisfy regular expression pattern: {_ID.pattern}"
        if "toolUse" in block and not _NAME.fullmatch(called["name"]):
            yield f"{place}.toolUse.name: Member must satisfy regular expression pattern: {_NAME.pattern}"
        if "toolUse" in block and not isinstance(called.get("input"), dict):
            yield f"The format of the value at {place}.toolUse.input is invalid. Provide a json object for the field."
    if "toolConfig" not in request and any(
        {"toolUse", "toolResult"} & block.keys() for _, _, block in _blocks(request)
    ):
        yield "The toolConfig field must be defined when using toolUse and toolResult content blocks."


def _results_answer_calls(request: Request) -> Iterator[str]:
    """The user's next message answers all calls, each once."""
    messages = request["messages"]
    asked: list[str] = []
    for number, message in enumerate(messages):
        given = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if missing := [call_id for call_id in asked if call_id not in given]:
            yield f"Expected toolResult blocks at messages.{number}.content for the following Ids: {', '.join(missing)}"
        if len(given) > len(asked):
            yield (
                f"The number of toolResult blocks at messages.{number}.content exceeds the number of toolUse blocks "
                "of previous turn."
            )
        asked = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]


def _tools_are_sound(request: Request) -> Iterator[str]:
    config = request.get("toolConfig")
    if config is None:
        return
    specs = [tool["toolSpec"] for tool in config["tools"] if "toolSpec" in tool]
    if not specs and not any("systemTool" in tool for tool in config["tools"]):
        yield "toolConfig.tools: at least one tool is required"
    for index, tool in enumerate(config["tools"]):
        if len(tool) != 1:
            yield f"toolConfig.tools.{index}: must set exactly one of its members"
    for index, spec in enumerate(specs):
        yield from _tool_problems(f"toolConfig.tools.{index}.toolSpec", spec)
    chosen = ((config.get("toolChoice") or {}).get("tool") or {}).get("name")
    if chosen is not None and chosen not in [spec["name"] for spec in specs]:
        yield f"toolConfig.toolChoice.tool.name: {chosen} is no tool of the request"


def _tool_problems(place: str, spec: Block) -> Iterator[str]:
    schema = spec["inputSchema"]["json"]
    if not _NAME.fullmatch(spec["name"]):
        yield f"{place}.name: Member must satisfy regular expression pattern: {_NAME.pattern}"
    if spec.get("description") == "":
        yield f"{place}.description: Member must have length greater than or equal to 1"
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield f"The value at {place}.inputSchema.json.type must be one of the following: object."
    elif spec.get("strict") and (problem := schema_problem(schema)):
        yield f"{place}.inputSchema.json: {problem}"


def _form_is_sound(request: Request) -> Iterator[str]:
    form = (request.get("outputConfig") or {}).get("textFormat")
    if form is None:
        return
    place = "outputConfig.textFormat.structure.jsonSchema.schema"
    try:
        schema = json.loads((form["structure"].get("jsonSchema") or {"schema": ""})["schema"])
    except ValueError:
        schema = None
    if not isinstance(schema, dict):
        yield f"{place}: must be a JSON object as a text"
    elif problem := schema_problem(schema):
        yield f"{place}: {problem}"


def _numbers_are_in_range(request: Request) -> Iterator[str]:
    config = request.get("inferenceConfig") or {}
    for name, low, high in _RANGES:
        if name in config and not low <= config[name] <= high:
            yield f"inferenceConfig.{name}: must be between {low} and {high}, not {config[name]}"


def _points_are_few(request: Request) -> Iterator[str]:
    tools = (request.get("toolConfig") or {"tools": []})["tools"]
    places = [*tools, *(request.get("system") or ()), *(block for _, _, block in _blocks(request))]
    lives = [place["cachePoint"].get("ttl", "5m") for place in places if "cachePoint" in place]
    if len(lives) > _MOST_POINTS:
        yield f"a maximum of {_MOST_POINTS} cache points is allowed, found {len(lives)}"
    if ("5m", "1h") in pairwise(lives):
        yield "a cache point of 1h must not come after one of 5m"


def _reasoning_fits(request: Request) -> Iterator[str]:
    fields, config = request.get("additionalModelRequestFields") or {}, request.get("inferenceConfig") or {}
    thinking, reasoning = fields.get("thinking") or {}, fields.get("reasoningConfig") or {}
    if thinking.get("type") in ("enabled", "adaptive") and config.get("temperature", 1) != 1:
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens", 0)
        if budget < _LEAST_BUDGET:
            yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}"
        if budget >= config.get("maxTokens", float("inf")):
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if reasoning.get("maxReasoningEffort") == "high" and config.keys() & {"maxTokens", "temperature", "topP"}:
        yield "maxTokens, temperature and topP must be unset when maxReasoningEffort is high"


_CHECKS: Sequence[Callable[[Request], Iterator[str]]] = (
    _turns_are_taken,
    _blocks_are_one_thing,
    _speakers_fit,
    _media_are_sound,
    _documents_are_named,
    _images_are_few,
    _calls_are_sound,
    _results_answer_calls,
    _tools_are_sound,
    _form_is_sound,
    _numbers_are_in_range,
    _points_are_few,
    _reasoning_fits,
)
