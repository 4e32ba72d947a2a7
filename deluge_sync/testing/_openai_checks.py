"""Whether a chat completion request is one that OpenAI would take; if not, the 400 it would give.

Fields and types are the business of the generated request model; here are the rules that a schema does not say.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from deluge_sync.sdk.openai import ChatCompletionRequest
from deluge_sync.testing._format import Refused
from deluge_sync.testing._openai_strict import strict_problem
from deluge_sync.testing._reply import ErrorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

__all__ = ["checked_chat_request", "checked_fields", "unknown_model"]

Request = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CODES = MappingProxyType(
    {
        "missing": "missing_required_parameter",
        "union_tag_not_found": "missing_required_parameter",
        "extra_forbidden": "unknown_parameter",
        "literal_error": "invalid_value",
        "union_tag_invalid": "invalid_value",
    }
)
_RANGES: Sequence[tuple[str, float, float]] = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("presence_penalty", -2, 2),
    ("frequency_penalty", -2, 2),
    ("n", 1, 128),
    ("top_logprobs", 0, 20),
    ("max_tokens", 1, float("inf")),
    ("max_completion_tokens", 1, float("inf")),
)


def checked_chat_request(body: bytes, *, ignore_unknown: bool = False) -> Request:
    """The request as parsed JSON. `ignore_unknown` lets fields pass that OpenAI does not have, as imitators do.

    Raises:
        Refused: with status 400; the error names the offending parameter.
    """
    request = checked_fields(body, ChatCompletionRequest, ignore_unknown=ignore_unknown)
    for spec in chain.from_iterable(check(request) for check in _CHECKS):
        raise Refused(spec)
    return request


def checked_fields(body: bytes, model: type[BaseModel], *, ignore_unknown: bool = False) -> Request:
    """The request as parsed JSON, if its fields and their types are those of `model`. Raises like the above."""
    request = _parsed(body)
    _check_model(request, model, ignore_unknown=ignore_unknown)
    return request


def unknown_model(name: str) -> ErrorSpec:
    """404 for a model that is not there."""
    return ErrorSpec(404, f"the model '{name}' does not exist", code="model_not_found")


def _bad(message: str, param: str | None, code: str = "invalid_value") -> ErrorSpec:
    return ErrorSpec(400, message, code=code, param=param)


def _parsed(body: bytes) -> Request:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise Refused(_bad("the body of the request must be a JSON object", None, code="invalid_json"))
    return request


def _check_model(request: Request, model: type[BaseModel], *, ignore_unknown: bool) -> None:
    try:
        model.model_validate(request, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    else:
        return
    problems = [problem for problem in found if not (ignore_unknown and problem["type"] == "extra_forbidden")]
    if problems:
        raise Refused(_named(problems, request))


def _named(problems: Iterable[ErrorDetails], request: Request) -> ErrorSpec:
    """The error for the problem that lies deepest: of a union, the alternative that came furthest."""
    paths = [(_path(problem, request), problem) for problem in problems]
    path, problem = max(paths, key=lambda pair: len(pair[0]))
    param = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return _bad(f"'{param}': {problem['msg']}", param, code=_CODES.get(problem["type"], "invalid_type"))


def _path(problem: ErrorDetails, request: Request) -> list[str | int]:
    """Where the problem is in the request. pydantic's location also names alternatives of unions; they are left out."""
    path: list[str | int] = []
    here: Any = request
    *steps, last = problem["loc"]
    for step in [*steps, last]:
        if (isinstance(here, dict) and step in here) or (isinstance(here, list) and isinstance(step, int)):
            path.append(step)
            here = here[step]  # type: ignore[index]  # an int where it is a list
    if problem["type"] == "missing":
        path.append(last)
    tag = problem.get("ctx", {}).get("discriminator")
    return [*path, tag.strip("'")] if tag else path


def _ranges(request: Request) -> Iterator[ErrorSpec]:
    for name, low, high in _RANGES:
        value = request.get(name)
        if value is not None and not low <= value <= high:
            kind = "integer" if isinstance(value, int) else "decimal"
            code = f"{kind}_below_min_value" if value < low else f"{kind}_above_max_value"
            yield _bad(f"'{name}' must be between {low} and {high}, not {value}", name, code)


def _something_to_say(request: Request) -> Iterator[ErrorSpec]:
    if not request["messages"]:
        yield _bad("'messages' must have at least one message", "messages", "empty_array")
    for index, message in enumerate(request["messages"]):
        where = f"messages[{index}].content"
        if message.get("content") == []:
            yield _bad(f"'{where}' must not be an empty list", where, "empty_array")
        if message.get("content") is None and not (message.get("tool_calls") or message.get("refusal")):
            yield _bad(f"'{where}' must be a string or a list of parts", where, "invalid_type")


def _results_answer_calls(request: Request) -> Iterator[ErrorSpec]:
    """Tool results follow the calls they answer, one each, before anything else is said."""
    open_calls: set[str] = set()
    for index, message in enumerate(request["messages"]):
        if message["role"] != "tool":
            if open_calls:
                yield _bad(f"no tool message answers the tool calls {sorted(open_calls)}", f"messages[{index}].role")
            open_calls = {call["id"] for call in message.get("tool_calls") or ()}
        elif message["tool_call_id"] in open_calls:
            open_calls.remove(message["tool_call_id"])
        else:
            yield _bad("a tool message must answer a tool call just before it", f"messages[{index}].role")
    if open_calls:
        yield _bad(f"no tool message answers the tool calls {sorted(open_calls)}", "messages")


def _functions(request: Request) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every function that is offered, and where it is."""
    for index, tool in enumerate(request.get("tools") or ()):
        if tool["type"] == "function":
            yield f"tools[{index}].function", tool["function"]


def _tools_are_sound(request: Request) -> Iterator[ErrorSpec]:
    if request.get("tools") == []:
        yield _bad("'tools' must have at least one tool, or be left out", "tools", "empty_array")
    for where, function in _functions(request):
        if not _NAME.fullmatch(function["name"]):
            yield _bad(f"'{where}.name' must be 1 to 64 letters, digits, '_' or '-'", f"{where}.name")
        problem = strict_problem(function.get("parameters") or {}) if function.get("strict") else None
        if problem:
            message = f"invalid schema for function '{function['name']}': {problem}"
            yield _bad(message, f"{where}.parameters", "invalid_function_parameters")


def _tool_choice_fits(request: Request) -> Iterator[ErrorSpec]:
    choice = request.get("tool_choice")
    if choice is not None and not request.get("tools"):
        yield _bad("'tool_choice' is only allowed when 'tools' are given", "tool_choice")
    names = {function["name"] for _, function in _functions(request)}
    if isinstance(choice, dict) and choice["type"] == "function" and choice["function"]["name"] not in names:
        yield _bad(f"'tool_choice' names {choice['function']['name']!r}, which is not among 'tools'", "tool_choice")


def _response_format_is_sound(request: Request) -> Iterator[ErrorSpec]:
    form = request.get("response_format") or {"type": "text"}
    if form["type"] == "json_object" and "json" not in json.dumps(request["messages"]).lower():
        message = "with response_format 'json_object' the messages must contain the word 'json' in some form"
        yield _bad(message, "messages")
    if form["type"] != "json_schema":
        return
    definition = form["json_schema"]
    if not _NAME.fullmatch(definition["name"]):
        where = "response_format.json_schema.name"
        yield _bad(f"'{where}' must be 1 to 64 letters, digits, '_' or '-'", where)
    problem = strict_problem(definition.get("schema") or {}) if definition.get("strict") else None
    if problem:
        message = f"invalid schema for response_format '{definition['name']}': {problem}"
        yield _bad(message, "response_format")


def _options_belong_together(request: Request) -> Iterator[ErrorSpec]:
    if request.get("top_logprobs") is not None and not request.get("logprobs"):
        yield _bad("'top_logprobs' needs 'logprobs' to be true", "top_logprobs")
    if request.get("stream_options") and not request.get("stream"):
        yield _bad("'stream_options' is only allowed when 'stream' is true", "stream_options")
    if request.get("max_tokens") is not None and request.get("max_completion_tokens") is not None:
        yield _bad("'max_tokens' and 'max_completion_tokens' must not be set both", "max_tokens")
    if len(request.get("stop") or "") > 4 and isinstance(request["stop"], list):
        yield _bad("'stop' may hold at most 4 strings", "stop", "array_above_max_length")


_CHECKS: Sequence[Callable[[Request], Iterator[ErrorSpec]]] = (
    _ranges,
    _something_to_say,
    _results_answer_calls,
    _tools_are_sound,
    _tool_choice_fits,
    _response_format_is_sound,
    _options_belong_together,
)
