"""The items of OpenAI's Responses API as messages: the other direction of `openai_responses`.

The items of one answer make one message, and tool results in a row another. Items and parts that we have no type for
are kept as `ProviderPart`, unknown fields in `extra`. What comes from outside is only data: nothing is fetched, and a
local file is read only where `allow_local_files` says so.

Source: OpenAI's OpenAPI document of 2026-08, `InputItem` and `OutputItem`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects.openai_responses_media import DIALECT, load_media
from deluge_sync.prompt.message import Message, Role
from deluge_sync.prompt.parts import Part, ProviderPart, Refusal, Text, Thinking, ToolCall, ToolResult, copy_json

__all__ = ["load_answer", "load_items"]

_ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
# Items that say what a tool gave back or what the user allowed; all others of an unknown type are the model's.
_ANSWERING: Final = ("_output", "mcp_approval_response")
_PARAGRAPH: Final = "\n\n"


def load_items(given: str | Iterable[Mapping[str, Any]], *, allow_local_files: bool = False) -> list[Message]:
    """The messages that the `input` of a request stands for.

    With `allow_local_files` the URL of an image and the data of a file may be a local path.

    Raises:
        ConfigError: an item is not of this form; the text names it by its place, from 0, and says what is wrong.
    """
    if isinstance(given, str):
        return [Message.user(given)]
    loaded: list[Message] = []
    for index, item in enumerate(given):
        message = _load_numbered(index, item, allow_local_files=allow_local_files)
        if loaded and loaded[-1].role == message.role and message.role in ("assistant", "tool"):
            loaded[-1].parts.extend(message.parts)
        else:
            loaded.append(message)
    return loaded


def load_answer(items: Iterable[Mapping[str, Any]]) -> Message:
    """The message that the items of a reply's `output` make. One that is not as it should be is kept as it is."""
    parts: list[Part] = []
    for item in items:
        try:
            message = _load_item(item, local_files=False)
        except (ConfigError, RecursionError):
            parts.append(ProviderPart(DIALECT, copy_json(item), "tool_calls"))
        else:
            is_answer = message.role == "assistant"
            parts += message.parts if is_answer else [ProviderPart(DIALECT, copy_json(item), "tool_calls")]
    return Message("assistant", parts)


def _load_numbered(index: int, given: Mapping[str, Any], *, allow_local_files: bool) -> Message:
    try:
        return _load_item(given, local_files=allow_local_files)
    except ConfigError as error:
        raise ConfigError(f"item {index}: {error}") from error
    except RecursionError:
        raise ConfigError(f"item {index}: nested too deeply") from None


def _load_item(given: Mapping[str, Any], *, local_files: bool) -> Message:
    if not isinstance(given, Mapping):
        raise ConfigError(f"not a dict with a type: {given!r:.80}")
    match given.get("type", "message" if "role" in given else None):
        case "message":
            return _load_message(given, local_files=local_files)
        case "function_call":
            return Message("assistant", [_load_call(given)])
        case "function_call_output":
            return Message("tool", [_load_result(given, local_files=local_files)])
        case "reasoning":
            return Message("assistant", [_load_reasoning(given)])
        case str(kind):
            role: Role = "tool" if kind.endswith(_ANSWERING) else "assistant"
            return Message(role, [ProviderPart(DIALECT, copy_json(given), "tool_calls")])
        case kind:
            raise ConfigError(f"its type must be a text, not {kind!r:.80}")


def _load_message(given: Mapping[str, Any], *, local_files: bool) -> Message:
    role = given.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise ConfigError(f"unknown role {role!r:.80}; known are {', '.join(_ROLES)}")
    content, more = given.get("content"), _rest(given, "type", "role", "content")
    if role == "assistant":
        return Message("assistant", _load_said(content, more))
    parts = _load_parts(content, "its content", local_files=local_files)
    if not parts:
        raise ConfigError(f"the {role} message has no content")
    extra = more | ({"role": "developer"} if role == "developer" else {})
    return Message(_ROLES[role], parts, extra={DIALECT: extra} if extra else None)


def _load_said(given: object, identity: Mapping[str, Any]) -> list[Part]:
    """The parts of an answer; each text keeps what is told of its item."""
    if isinstance(given, str):
        return [Text(given, _said_extra(identity, {}))]
    return [
        _load_text(part, identity) or ProviderPart(DIALECT, copy_json(part)) for part in _listed(given, "its content")
    ]


def _load_parts(given: object, what: str, *, local_files: bool) -> list[Part]:
    if isinstance(given, str):
        return [Text(given)]
    return [_load_text(part, {}) or load_media(part, local_files=local_files) for part in _listed(given, what)]


def _listed(given: object, what: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(given, list | tuple):
        raise ConfigError(f"{what} is a text or a list of parts, not {type(given).__name__}")
    for part in given:
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            raise ConfigError(f"a part of {what} is no dict with a type: {part!r:.80}")
    return given


def _load_text(given: Mapping[str, Any], identity: Mapping[str, Any]) -> Text | Refusal | None:
    """A text or a refusal; None for any other part."""
    if given["type"] in ("input_text", "output_text"):
        return Text(_string(given.get("text"), "text"), _said_extra(identity, _rest(given, "type", "text")))
    if given["type"] == "refusal":
        more = _rest(given, "type", "refusal")
        return Refusal(_string(given.get("refusal"), "refusal"), _said_extra(identity, more))
    return None


def _said_extra(identity: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any] | None:
    said = {"item": dict(identity), "part": {key: value for key, value in more.items() if value != []}}
    kept = {key: value for key, value in said.items() if value}
    return {DIALECT: kept} if kept else None


def _load_call(given: Mapping[str, Any]) -> ToolCall:
    name = _string(given.get("name"), "a function call's name")
    call_id = _string(given.get("call_id") or given.get("id"), f"the call_id of function call {name!r:.80}")
    more = _rest(given, "type", "call_id", "name", "arguments")
    extra = {DIALECT: more} if more else None
    arguments = given.get("arguments")
    if isinstance(arguments, Mapping):  # some servers write them as an object
        return ToolCall(call_id, name, copy_json(arguments), None, extra)
    return ToolCall.from_text(call_id, name, _string(arguments, f"the arguments of {name!r:.80}"), extra)


def _load_result(given: Mapping[str, Any], *, local_files: bool) -> ToolResult:
    call_id = _string(given.get("call_id"), "the call_id of a function's output")
    output, more = given.get("output"), _rest(given, "type", "call_id", "output")
    result = output if isinstance(output, str) else _load_parts(output, "a function's output", local_files=local_files)
    return ToolResult(call_id, result, extra={DIALECT: more} if more else None)


def _load_reasoning(given: Mapping[str, Any]) -> Thinking:
    return Thinking(_thought(given), ProviderPart(DIALECT, _rest(given)))


def _thought(given: Mapping[str, Any]) -> str:
    """What can be read of the reasoning: its summary, or the whole where a server shows it."""
    for place in ("summary", "content"):
        pieces = given.get(place)
        texts = (
            [piece.get("text") for piece in pieces if isinstance(piece, Mapping)] if isinstance(pieces, list) else []
        )
        if readable := [text for text in texts if isinstance(text, str) and text]:
            return _PARAGRAPH.join(readable)
    return ""


def _rest(given: Mapping[str, Any], *known: str) -> dict[str, Any]:
    return {key: copy_json(value) for key, value in given.items() if key not in known and value is not None}


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a text, not {value!r:.80}")
    return value
