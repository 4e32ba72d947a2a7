"""Gemini's contents read into messages; the adapter reads replies by the same functions, `gemini` offers them.

Everything the format says is kept: fields we have no type for in `extra`, parts without a type of ours (code and its
result, the provider's own tools) as `ProviderPart`, thoughts with their signatures. Keys may be in snake case, as some
of Google's examples have them. Only data: nothing is fetched or read.

A tool call that came without an id gets one here: `MADE_UP_ID` with its number in the conversation, from 0. Such an id
is not sent back. A result without an id answers the first call of its name that has none yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects.gemini_media import DIALECT, load_media
from deluge_sync.prompt.message import Message, Role
from deluge_sync.prompt.parts import Part, ProviderPart, Text, Thinking, ToolCall, ToolResult, compact_json, copy_json

__all__ = ["MADE_UP_ID", "count_calls", "load_contents", "load_parts", "load_system", "lone_text"]

MADE_UP_ID: Final = "gemini_call_"

# Older examples give results a role of their own; without a role the provider takes the user for the speaker.
_ROLES: Final[dict[object, Role]] = {"user": "user", "model": "assistant", "function": "user", None: "user"}
_RESULT_KEYS: Final = ("output", "error")
_KINDS: Final = frozenset({"text", "functionCall", "functionResponse", "inlineData", "fileData"})
_RESPONSE_FIELDS: Final = frozenset({"id", "name", "response", "parts"})
_CAMEL: Final = {
    snake: re.sub(r"_([a-z])", lambda found: found[1].upper(), snake)
    for snake in (
        "inline_data",
        "file_data",
        "function_call",
        "function_response",
        "thought_signature",
        "executable_code",
        "code_execution_result",
        "tool_call",
        "tool_response",
        "video_metadata",
        "media_resolution",
        "mime_type",
        "file_uri",
    )
}


def load_system(given: Mapping[str, Any] | str | None) -> list[Message]:
    """The system message of a system instruction, which may be a plain text; none for None.

    Raises:
        ConfigError: it is not of this form.
    """
    if given is None:
        return []
    if isinstance(given, str):
        return [Message.system(given)]
    try:
        return [Message("system", _Reader().parts(_parts_of(given), is_model=False))]
    except ConfigError as error:
        raise ConfigError(f"the system instruction: {error}") from error


def load_contents(contents: Iterable[Mapping[str, Any]]) -> list[Message]:
    """The messages of a request's contents. One that has nothing but tool results is a message of the role tool.

    Raises:
        ConfigError: a content is not of this form; the text names it by its place, from 0, and says what is wrong.
    """
    reader = _Reader()
    return [_load_numbered(index, given, reader) for index, given in enumerate(contents)]


def load_parts(parts: Iterable[Any], *, first_call: int) -> list[Part]:
    """What a model said. `first_call` is how many tool calls the conversation has before it.

    Raises:
        ConfigError: a part is not of this form.
    """
    return _Reader(first_call).parts(parts, is_model=True)


def count_calls(messages: Iterable[Message]) -> int:
    """How many tool calls the messages have, the `first_call` of what is said next."""
    return sum(len(message.tool_calls) for message in messages)


def lone_text(response: Mapping[str, Any]) -> tuple[str, str] | None:
    """The key and the text where a function's response is just a text under one of the keys made for it."""
    match list(response.items()):
        case [(str(key), str(text))] if key in _RESULT_KEYS:
            return key, text
    return None


def _load_numbered(index: int, given: object, reader: _Reader) -> Message:
    try:
        return _load_content(given, reader)
    except ConfigError as error:
        raise ConfigError(f"content {index}: {error}") from error
    except RecursionError:
        raise ConfigError(f"content {index}: nested too deeply") from None


def _load_content(given: object, reader: _Reader) -> Message:
    role = _ROLES.get(given.get("role")) if isinstance(given, Mapping) else None
    if role is None:
        raise ConfigError(f"not a dict with parts and the role user or model: {given!r:.80}")
    parts = reader.parts(_parts_of(given), is_model=role == "assistant")
    are_results = bool(parts) and all(isinstance(part, ToolResult) for part in parts)
    return Message("tool" if are_results else role, parts)


def _parts_of(given: object) -> Sequence[Any]:
    parts = given.get("parts") if isinstance(given, Mapping) else None
    if isinstance(parts, Mapping):
        return [parts]
    if not isinstance(parts, list | tuple):
        raise ConfigError(f"it has no list of parts: {given!r:.80}")
    return parts


class _Reader:
    """Reads the parts of a conversation in their order. Keeps the number of calls so far, and those without an id
    that no result has answered.
    """

    def __init__(self, first_call: int = 0) -> None:
        self._number = first_call
        self._waiting: list[ToolCall] = []

    def parts(self, parts: Iterable[Any], *, is_model: bool) -> list[Part]:
        return [self._part(given, is_model=is_model) for given in parts]

    def _part(self, given: Any, *, is_model: bool) -> Part:
        if not isinstance(given, Mapping):
            raise ConfigError(f"a part is no dict: {given!r:.80}")
        given = _in_camel_case(given)
        kinds = {key for key in _KINDS & given.keys() if given[key] is not None}
        if is_model and given.get("thought") is True:
            return _load_thought(given)
        match given:
            case {"text": str(text)} if kinds == {"text"}:
                return Text(text, _extra(given, "text"))
            case {"functionCall": {"name": str()}} if kinds == {"functionCall"} and is_model:
                return self._call(given)
            case {"functionResponse": {"name": str()}} if kinds == {"functionResponse"} and not is_model:
                return self._result(given)
        media = load_media(given) if len(kinds) == 1 else None
        return media or ProviderPart(DIALECT, copy_json(given))

    def _call(self, given: Mapping[str, Any]) -> ToolCall:
        call = given["functionCall"]
        told_id, args = call.get("id"), call.get("args")
        has_id = isinstance(told_id, str) and bool(told_id)
        call_id = told_id if has_id else f"{MADE_UP_ID}{self._number}"
        inside = {key: copy_json(value) for key, value in call.items() if key not in ("id", "name", "args")}
        extra = _extra(given, "functionCall", inside)
        if args is None or isinstance(args, Mapping):
            loaded = ToolCall(call_id, call["name"], copy_json(args or {}), None, extra)
        else:
            text = args if isinstance(args, str) else compact_json(args)
            loaded = ToolCall.from_text(call_id, call["name"], text, extra)
        self._number += 1
        self._waiting += [] if has_id else [loaded]
        return loaded

    def _result(self, given: Mapping[str, Any]) -> Part:
        """A result; one that holds more than we have a place for is kept as it is."""
        said = given["functionResponse"]
        response, shown = said.get("response"), _load_shown(said.get("parts"))
        is_known = given.keys() == {"functionResponse"} and said.keys() <= _RESPONSE_FIELDS
        if not is_known or not isinstance(response, Mapping) or shown is None:
            return ProviderPart(DIALECT, copy_json(given))
        lone = lone_text(response)
        text = lone[1] if lone else compact_json(response)
        call_id = self._answered_id(said.get("id"), said["name"])
        return ToolResult(call_id, [Text(text), *shown] if shown else text, lone is not None and lone[0] == "error")

    def _answered_id(self, told_id: object, name: str) -> str:
        if isinstance(told_id, str) and told_id:
            return told_id
        call = next((call for call in self._waiting if call.name == name), None)
        if call is None:
            raise ConfigError(f"the function response of {name!r:.80} answers no call before it")
        self._waiting.remove(call)
        return call.id


def _load_thought(given: Mapping[str, Any]) -> Thinking:
    """A thought may also be a picture that is not part of the answer."""
    text = given.get("text")
    return Thinking(text if isinstance(text, str) else "", ProviderPart(DIALECT, copy_json(given)))


def _load_shown(given: object) -> list[Part] | None:
    """The images and files of a result; None where there is something else among them."""
    if given is None:
        return []
    if not isinstance(given, list | tuple):
        return None
    loaded = [load_media(_in_camel_case(part)) if isinstance(part, Mapping) else None for part in given]
    shown: list[Part] = [part for part in loaded if part is not None and part.has_content]
    return shown if len(shown) == len(given) else None


def _extra(given: Mapping[str, Any], kind: str, inside: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """What the part says beside what we have a field for, around its content and in it."""
    unknown = {key: copy_json(value) for key, value in given.items() if key != kind and value is not None}
    unknown |= {kind: inside} if inside else {}
    return {DIALECT: unknown} if unknown else None


def _in_camel_case(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part with its own keys as replies have them. What tools are given and give is left alone."""
    renamed = {_CAMEL.get(key, key): value for key, value in given.items()}
    for kind in ("inlineData", "fileData"):
        if isinstance(renamed.get(kind), Mapping):
            renamed[kind] = {_CAMEL.get(key, key): value for key, value in renamed[kind].items()}
    return renamed
