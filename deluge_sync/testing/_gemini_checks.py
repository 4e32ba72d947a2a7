"""Whether a Gemini request is one that Google would take; if not, the 400 it would give.

Fields and types are the business of the generated models, which take names in camel case and in snake case, as the
real API does, and a whole number as 3.0 or as a text. Their contents are open for what a model may send back, so
unknown names are looked for here; then come the rules that a schema does not say.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from itertools import chain
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from deluge_sync.sdk.gemini import GenerateContentRequest
from deluge_sync.testing._format import Refused
from deluge_sync.testing._reply import ErrorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["bad", "checked_content_request", "checked_fields", "content_problems"]

Request = dict[str, Any]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_KINDS = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
)
_RANGES: Sequence[tuple[str, float, float]] = (
    ("temperature", 0, 2),
    ("topP", 0, 1),
    ("maxOutputTokens", 1, 2**31 - 1),
    ("candidateCount", 1, 8),
    ("logprobs", 0, 20),
    ("presencePenalty", -2, 2),
    ("frequencyPenalty", -2, 2),
    ("seed", -(2**31), 2**31 - 1),
)


def checked_content_request(body: bytes, *, ignore_unknown: bool = False) -> Request:
    """A request for content as parsed JSON in camel case. Raises as `checked_fields`."""
    request = checked_fields(body, GenerateContentRequest, ignore_unknown=ignore_unknown)
    for problem in content_problems(request):
        raise Refused(bad(problem))
    return request


def checked_fields(body: bytes, model: type[BaseModel], *, ignore_unknown: bool = False) -> Request:
    """The request as parsed JSON in camel case. `ignore_unknown` lets names pass that Google does not have.

    Raises:
        Refused: with status 400; the message names the place.
    """
    try:
        given = json.loads(body)
        request = model.model_validate(_without_unknown(given, model) if ignore_unknown else given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Refused(_named(".".join(map(str, first["loc"])), first["type"], first["msg"])) from None
    except (ValueError, RecursionError):
        raise Refused(bad("Invalid JSON payload received. Unexpected token.")) from None
    for place in () if ignore_unknown else _unknown(request, ""):
        raise Refused(_named(place, "extra_forbidden", ""))
    return request.model_dump(exclude_none=True, by_alias=True)


def bad(message: str) -> ErrorSpec:
    """400 INVALID_ARGUMENT."""
    return ErrorSpec(400, message)


def content_problems(request: Request) -> Iterator[str]:
    """What is wrong with a request for content beyond its fields and their types."""
    return chain.from_iterable(check(request) for check in _CHECKS)


def _named(place: str, kind: str, message: str) -> ErrorSpec:
    where, _, name = place.rpartition(".")
    if kind == "extra_forbidden":
        at = f" at '{where}'" if where else ""
        return bad(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')
    return bad(f"Invalid value at '{place}': {message}")


def _without_unknown(given: Any, model: type[BaseModel]) -> Any:
    """`given` without the names at its top that the model does not have."""
    if not isinstance(given, dict):
        return given
    known = {name for field_name, field in model.model_fields.items() for name in (field_name, field.alias)}
    return {name: value for name, value in given.items() if name in known}


def _unknown(value: object, place: str) -> Iterator[str]:
    """The places of names that no model of ours knows, in all that the request holds."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, f"{place}[{index}]")
    elif isinstance(value, BaseModel):
        yield from (f"{place}.{name}".removeprefix(".") for name in value.model_extra or ())
        for name, field in type(value).model_fields.items():
            yield from _unknown(getattr(value, name), f"{place}.{field.alias or name}".removeprefix("."))


def _contents(request: Request) -> Iterator[str]:
    if not request["contents"]:
        yield "* GenerateContentRequest.contents: contents is not specified"
    named = [(f"contents[{index}]", content) for index, content in enumerate(request["contents"])]
    for where, content in named:
        if content.get("role", "user") not in ("user", "model"):
            yield "Please use a valid role: user, model."
        if not content.get("parts"):
            yield f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty."
    if "systemInstruction" in request:
        named.append(("system_instruction", request["systemInstruction"]))
    for where, content in named:
        for index, part in enumerate(content.get("parts") or ()):
            yield from _part_problems(f"* GenerateContentRequest.{where}.parts[{index}]", part)


def _part_problems(where: str, part: Mapping[str, Any]) -> Iterator[str]:
    kinds = [kind for kind in _KINDS if kind in part]
    if not kinds or (part.get("text") == "" and "thoughtSignature" not in part):
        yield f"{where}.data: required oneof field 'data' must have one initialized field"
    if len(kinds) > 1:
        yield f"{where}: oneof field 'data' is already set. Cannot set '{kinds[1]}'"
    if "inlineData" in part:
        yield from _blob_problems(f"{where}.inline_data", part["inlineData"])
    if "fileData" in part and not str(part["fileData"].get("fileUri")).startswith("https://"):
        yield f"{where}.file_data: Unsupported file URI type: {part['fileData'].get('fileUri')}"
    for kind, name in (("functionCall", "function_call"), ("functionResponse", "function_response")):
        if kind in part and not part[kind].get("name"):
            yield f"{where}.{name}.name: Name cannot be empty."
    for index, shown in enumerate(part.get("functionResponse", {}).get("parts") or ()):
        yield from _blob_problems(f"{where}.function_response.parts[{index}].inline_data", shown.get("inlineData", {}))


def _blob_problems(where: str, blob: Mapping[str, Any]) -> Iterator[str]:
    if not blob.get("mimeType"):
        yield f"{where}.mime_type: must be set"
    try:
        base64.b64decode(blob.get("data", ""), validate=True)
    except (binascii.Error, ValueError):
        yield f"Invalid value at '{where}.data' (TYPE_BYTES), Base64 decoding failed"


def _calls_are_answered(request: Request) -> Iterator[str]:
    """The results of a turn's calls are the next turn: as many, of these names."""
    calls: list[str] = []
    speaker = "user"
    for content in request["contents"]:
        parts = content.get("parts") or ()
        results = [str(part["functionResponse"].get("name")) for part in parts if "functionResponse" in part]
        if sorted(results) != sorted(calls):
            yield (
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        calls = [str(part["functionCall"].get("name")) for part in parts if "functionCall" in part]
        role = content.get("role", "user")
        if calls and speaker != "user":
            yield (
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        speaker = role


def _config_is_sound(request: Request) -> Iterator[str]:
    config = request.get("generationConfig") or {}
    for name, low, high in _RANGES:
        if name in config and not low <= config[name] <= high:
            yield f"* GenerateContentRequest.generation_config.{name}: must be in the range [{low}, {high}]."
    if len(config.get("stopSequences") or ()) > 5:
        yield "* GenerateContentRequest.generation_config.stop_sequences: at most 5 stop sequences are allowed."
    if "logprobs" in config and not config.get("responseLogprobs"):
        yield "Logprobs can only be set if response_logprobs is true."
    schemas = config.keys() & {"responseSchema", "responseJsonSchema"}
    if schemas and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        yield "response_schema is only supported with a response_mime_type of application/json or text/x.enum."
    if len(schemas) > 1:
        yield "Only one of response_schema and response_json_schema may be set."
    thinking = config.get("thinkingConfig") or {}
    if {"thinkingBudget", "thinkingLevel"} <= thinking.keys():
        yield "You can only set only one of thinking budget and thinking level."
    if not -1 <= thinking.get("thinkingBudget", 0) <= 32_768:
        yield "The thinking budget is invalid. Please choose a value between 0 and 32768."


def _tools_are_sound(request: Request) -> Iterator[str]:
    functions = [function for tool in request.get("tools") or () for function in tool.get("functionDeclarations") or ()]
    names = [function["name"] for function in functions]
    for name in names:
        if not _NAME.fullmatch(name):
            yield f"Invalid function name {name!r}. Must start with a letter or an underscore."
        if names.count(name) > 1:
            yield f"Duplicate function declaration found: {name}"
    for function in functions:
        if {"parameters", "parametersJsonSchema"} <= function.keys():
            yield f"Function {function['name']}: parameters and parameters_json_schema are mutually exclusive."
    choice = (request.get("toolConfig") or {}).get("functionCallingConfig") or {}
    if choice.get("mode") in ("ANY", "VALIDATED") and not names:
        yield f"Function calling mode {choice['mode']} needs function declarations."
    allowed = choice.get("allowedFunctionNames") or ()
    if allowed and choice.get("mode") not in ("ANY", "VALIDATED"):
        yield "Allowed function names should only be set when the function calling mode is ANY or VALIDATED."
    if not set(allowed) <= set(names):
        yield "Allowed function names must be among the function declarations."


_CHECKS: Sequence[Callable[[Request], Iterator[str]]] = (
    _contents,
    _calls_are_answered,
    _config_is_sound,
    _tools_are_sound,
)
