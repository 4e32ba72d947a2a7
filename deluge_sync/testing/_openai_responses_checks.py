"""Whether a request for a response is one that OpenAI would take; if not, the 400 it would give.

Fields and types are the business of the generated request models; here are the rules that a schema does not say.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deluge_sync.sdk import openai
from deluge_sync.testing._format import Refused
from deluge_sync.testing._openai_checks import checked_fields
from deluge_sync.testing._openai_strict import strict_problem
from deluge_sync.testing._reply import ErrorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

__all__ = ["check_history", "checked_response_request", "items_of", "sealed"]

Request = dict[str, Any]
Item = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ITEMS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "message": openai.ResponseInputMessage,
        "function_call": openai.ResponseFunctionCall,
        "function_call_output": openai.ResponseFunctionOutput,
        "reasoning": openai.ResponseReasoningItem,
    }
)
# Taken as they are.
_OTHER_ITEMS = frozenset(
    """
    additional_tools apply_patch_call apply_patch_call_output code_interpreter_call compaction compaction_trigger
    computer_call computer_call_output custom_tool_call custom_tool_call_output file_search_call image_generation_call
    item_reference local_shell_call local_shell_call_output mcp_approval_request mcp_approval_response mcp_call
    mcp_list_tools program program_output shell_call shell_call_output tool_search_call tool_search_output
    web_search_call
    """.split()  # noqa: SIM905  (a list of words reads better)
)
_BUILT_IN_TOOLS = frozenset(
    """
    apply_patch code_interpreter computer computer_use_preview custom file_search image_generation local_shell mcp
    namespace programmatic_tool_calling shell tool_search web_search web_search_2025_08_26 web_search_preview
    web_search_preview_2025_03_11
    """.split()  # noqa: SIM905
)
_ID_PREFIXES = MappingProxyType({"message": "msg", "function_call": "fc", "reasoning": "rs"})
_LONGEST_ID = 64
_SPOKEN = ("output_text", "refusal")
_GIVEN = ("input_text", "input_image", "input_file")
_RANGES: Sequence[tuple[str, float, float]] = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("top_logprobs", 0, 20),
    ("max_output_tokens", 16, float("inf")),
)


def checked_response_request(body: bytes, *, ignore_unknown: bool = False) -> Request:
    """The request as parsed JSON. `ignore_unknown` lets fields pass that OpenAI does not have, as imitators do.

    Raises:
        Refused: with status 400; the error names the offending parameter.
    """
    request = checked_fields(body, openai.ResponseRequest, ignore_unknown=ignore_unknown)
    for index, item in enumerate(items_of(request)):
        _check_item(item, f"input[{index}]", ignore_unknown=ignore_unknown)
    for spec in chain.from_iterable(check(request) for check in _CHECKS):
        raise Refused(spec)
    return request


def check_history(items: Sequence[Item]) -> None:
    """Whether all function calls among the items of a conversation are answered, and all answers asked for.

    Raises:
        Refused: with status 400.
    """
    calls = [item["call_id"] for item in items if item.get("type") == "function_call"]
    answers = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    for call_id in answers:
        if call_id not in calls:
            raise Refused(_bad(f"No tool call found for function call output with call_id {call_id}.", "input"))
    for call_id in calls:
        if call_id not in answers:
            raise Refused(_bad(f"No tool output found for function call {call_id}.", "input"))


def items_of(request: Request) -> list[Item]:
    """The items of the input; a text is a message of the user."""
    given = request["input"]
    return [{"type": "message", "role": "user", "content": given}] if isinstance(given, str) else given


def sealed(reasoning_id: str) -> str:
    """The encrypted form of a reasoning item: nobody but the provider can make it, so a changed one is noticed."""
    return f"gAAAA{hashlib.sha256(reasoning_id.encode()).hexdigest()}"


def _bad(message: str, param: str | None, code: str = "invalid_value") -> ErrorSpec:
    return ErrorSpec(400, message, code=code, param=param)


# --- items


def _check_item(item: Item, where: str, *, ignore_unknown: bool) -> None:
    kind = str(item.get("type", "message" if "role" in item else ""))
    if kind in _OTHER_ITEMS:
        return
    if kind not in _ITEMS:
        code = "invalid_value" if kind else "missing_required_parameter"
        raise Refused(_bad(f"'{where}.type' is {kind!r}, which is no type of an item", f"{where}.type", code))
    _check_fields({"type": kind, **item}, _ITEMS[kind], where, ignore_unknown=ignore_unknown)
    for spec in chain(_ids(item, kind, where), _contents(item, where), _seal(item, where)):
        raise Refused(spec)


def _check_fields(given: Item, model: type[BaseModel], where: str, *, ignore_unknown: bool) -> None:
    try:
        checked_fields(json.dumps(given).encode(), model, ignore_unknown=ignore_unknown)
    except Refused as refused:
        param = f"{where}.{refused.spec.param}"
        raise Refused(replace(refused.spec, param=param, message=f"{where}: {refused.spec.message}")) from None


def _ids(item: Item, kind: str, where: str) -> Iterator[ErrorSpec]:
    prefix = _ID_PREFIXES.get(kind, "")
    if not str(item.get("id", prefix)).startswith(prefix):
        yield _bad(f"Invalid '{where}.id': expected an ID that begins with '{prefix}'.", f"{where}.id")
    for name in ("id", "call_id"):
        if len(str(item.get(name, ""))) > _LONGEST_ID:
            yield _bad(f"'{where}.{name}' is longer than {_LONGEST_ID}", f"{where}.{name}", "string_above_max_length")


def _contents(item: Item, where: str) -> Iterator[ErrorSpec]:
    """The model speaks in other parts than those who speak to it."""
    content = item.get("content")
    if "role" not in item or not isinstance(content, list):
        return
    allowed = _SPOKEN if item["role"] == "assistant" else _GIVEN
    for index, part in enumerate(content):
        if part["type"] not in allowed:
            param = f"{where}.content[{index}]"
            yield _bad(f"Invalid value: {part['type']!r}. Supported values are: {', '.join(allowed)}.", param)


def _seal(item: Item, where: str) -> Iterator[ErrorSpec]:
    encrypted = item.get("encrypted_content")
    if encrypted is not None and encrypted != sealed(item["id"]):
        yield _bad("The encrypted content could not be verified.", where, "invalid_encrypted_content")


# --- the request as a whole


def _ranges(request: Request) -> Iterator[ErrorSpec]:
    for name, low, high in _RANGES:
        value = request.get(name)
        if value is not None and not low <= value <= high:
            kind = "integer" if isinstance(value, int) else "decimal"
            code = f"{kind}_below_min_value" if value < low else f"{kind}_above_max_value"
            yield _bad(f"'{name}' must be between {low} and {high}, not {value}", name, code)


def _something_to_say(request: Request) -> Iterator[ErrorSpec]:
    if not request["input"] and not request.get("previous_response_id"):
        yield _bad("'input' or 'previous_response_id' must say something", "input", "missing_required_parameter")


def _tools_are_sound(request: Request) -> Iterator[ErrorSpec]:
    for index, tool in enumerate(request.get("tools") or ()):
        where = f"tools[{index}]"
        if tool.get("type") == "function":
            yield from _function_problems(tool, where)
        elif tool.get("type") == "mcp":
            yield from _server_problems(tool, where)
        elif tool.get("type") not in _BUILT_IN_TOOLS:
            yield _bad(f"'{where}.type' is {tool.get('type')!r}, which is no type of a tool", f"{where}.type")


def _function_problems(tool: Mapping[str, Any], where: str) -> Iterator[ErrorSpec]:
    name = tool.get("name")
    if name is None:
        yield _bad(f"Missing required parameter: '{where}.name'.", f"{where}.name", "missing_required_parameter")
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        yield _bad(f"'{where}.name' must be 1 to 64 letters, digits, '_' or '-'", f"{where}.name")
    problem = strict_problem(tool.get("parameters") or {}) if tool.get("strict") else None
    if problem:
        message = f"invalid schema for function '{name}': {problem}"
        yield _bad(message, f"{where}.parameters", "invalid_function_parameters")


def _server_problems(tool: Mapping[str, Any], where: str) -> Iterator[ErrorSpec]:
    """An MCP server, which this format connects to itself."""
    _check_fields(dict(tool), openai.ResponseMcpTool, where, ignore_unknown=False)
    if not _NAME.fullmatch(tool["server_label"]):
        yield _bad(f"Invalid '{where}.server_label': letters, digits, '_' and '-'.", f"{where}.server_label")
    places = [name for name in ("server_url", "connector_id", "tunnel_id") if tool.get(name)]
    if len(places) != 1:
        message = f"One of 'server_url', 'connector_id' or 'tunnel_id' must be provided in '{where}'."
        yield _bad(message, f"{where}.server_url", "missing_required_parameter")
    if "server_url" in places and urlsplit(tool["server_url"]).scheme not in ("http", "https"):
        yield _bad(f"Invalid '{where}.server_url': expected a valid URL.", f"{where}.server_url")


def _servers_are_told_apart(request: Request) -> Iterator[ErrorSpec]:
    labels = [tool["server_label"] for tool in request.get("tools") or () if tool.get("type") == "mcp"]
    if len(set(labels)) < len(labels):
        yield _bad("Duplicate server_label found in 'tools'.", "tools")


def _tool_choice_fits(request: Request) -> Iterator[ErrorSpec]:
    choice = request.get("tool_choice")
    names = {tool.get("name") for tool in request.get("tools") or ()}
    if isinstance(choice, dict) and choice.get("type") == "function" and choice.get("name") not in names:
        yield _bad(f"'tool_choice' names {choice.get('name')!r}, which is not among 'tools'", "tool_choice")


def _text_format_is_sound(request: Request) -> Iterator[ErrorSpec]:
    form = (request.get("text") or {}).get("format") or {"type": "text"}
    if form["type"] == "json_object" and "json" not in json.dumps(request["input"]).lower():
        message = "with text.format 'json_object' the input must contain the word 'json' in some form"
        yield _bad(message, "input")
    if form["type"] != "json_schema":
        return
    if not _NAME.fullmatch(form["name"]):
        yield _bad("'text.format.name' must be 1 to 64 letters, digits, '_' or '-'", "text.format.name")
    problem = strict_problem(form["schema"]) if form.get("strict") else None
    if problem:
        message = f"invalid schema for response_format '{form['name']}': {problem}"
        yield _bad(message, "text.format.schema", "invalid_json_schema")


def _options_belong_together(request: Request) -> Iterator[ErrorSpec]:
    if request.get("stream_options") and not request.get("stream"):
        yield _bad("'stream_options' is only allowed when 'stream' is true", "stream_options")
    if request.get("background") and request.get("store") is False:
        yield _bad("a response in the background must be stored", "background")


_CHECKS: Sequence[Callable[[Request], Iterator[ErrorSpec]]] = (
    _ranges,
    _something_to_say,
    _tools_are_sound,
    _servers_are_told_apart,
    _tool_choice_fits,
    _text_format_is_sound,
    _options_belong_together,
)
