"""Messages in the form of OpenAI's chat completions, which most vendors speak.

Writing: a single text is a plain string; a message that only calls tools has no content; every system message stays
in its place; one message per tool result. What the format cannot say (thinking, another format's parts, that a tool
failed, a picture the model drew) is left out with a DEBUG line and never becomes visible text.

A tool's answer is text only here. The images and files of tool results go into a user message of their own after the
last of the results, in the results' order, so that the model sees them: nothing says which result each is from.

Reading keeps everything the format says, the fields we have no type for included: unknown content parts and tool
calls as `ProviderPart`, unknown fields in `extra`. What comes from outside is only data: nothing is fetched, and a
local file is read only where `allow_local_files` says so.

Source: OpenAI's OpenAPI document of 2026-08, `ChatCompletionRequest*Message`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects.openai_chat_media import DIALECT, dump_file, dump_image, load_media
from deluge_sync.prompt.message import Message, Role
from deluge_sync.prompt.parts import (
    File,
    Image,
    Part,
    ProviderPart,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    copy_json,
)

__all__ = ["DIALECT", "dump_file", "dump_image", "dump_messages", "load_messages"]

log = logging.getLogger(__name__)

_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_OWN_FIELDS: Final = frozenset({"role", "content", "name", "tool_calls", "refusal", "tool_call_id"})


# --- writing


def dump_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The messages as plain dicts, which share nothing with them. A message with n tool results becomes n.

    Raises:
        ConfigError: an image or a file cannot be read or has no form here, or the arguments of a tool call hold
            something that JSON has no form for.
    """
    written: list[dict[str, Any]] = []
    shown: list[Part] = []  # by tool results; said once the last result in a row is written
    for message in messages:
        for result in message.tool_results:
            written.append(_dump_result(message, result))
            shown += [part for part in result.parts if isinstance(part, Image | File)]
        spoken = [part for part in message.parts if not isinstance(part, ToolResult)]
        if spoken or (message.role != "tool" and not message.tool_results):
            written += [*_dump_shown(shown), _dump_spoken(message, spoken)]
            shown = []
    return written + _dump_shown(shown)


def _dump_shown(parts: list[Part]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": _dump_content("user", parts)}] if parts else []


def _dump_result(message: Message, result: ToolResult) -> dict[str, Any]:
    if result.is_error:
        _left_out("that a tool failed")
    parts = [part for part in result.parts if not isinstance(part, Image | File)]
    written = {"role": "tool", "tool_call_id": result.tool_call_id, "content": _dump_content("tool", parts)}
    return written | _own_fields(message) if message.role == "tool" else written


def _dump_spoken(message: Message, parts: Sequence[Part]) -> dict[str, Any]:
    # What stands beside the results in a tool message can only be said by the user here.
    role = message.role if message.role != "tool" else "user"
    calls = [call for part in parts if (call := _dump_call(part)) is not None]
    content, refusal = _split_refusal([part for part in parts if not _is_call(part)])
    written: dict[str, Any] = {"role": role, "content": _dump_content(role, content)}
    if not written["content"] and (calls or refusal is not None):
        written["content"] = None
    if refusal is not None:
        written["refusal"] = refusal.text
    if calls:
        written["tool_calls"] = calls
    return written | _own_fields(message) if role == message.role else written


def _own_fields(message: Message) -> dict[str, Any]:
    """The name, and what this format said about the message beyond our types (a `developer` role, an audio id)."""
    name = {"name": message.name} if message.name is not None else {}
    return name | _own(message.extra)


def _own(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(copy_json(extra[DIALECT])) if extra and DIALECT in extra else {}


def _split_refusal(parts: list[Part]) -> tuple[list[Part], Refusal | None]:
    """A last refusal goes into the field made for it; one between texts stays in the content."""
    if parts and isinstance(parts[-1], Refusal):
        return parts[:-1], parts[-1]
    return parts, None


def _is_call(part: Part) -> bool:
    return isinstance(part, ToolCall) or (isinstance(part, ProviderPart) and part.place == "tool_calls")


def _dump_call(part: Part) -> dict[str, Any] | None:
    if isinstance(part, ToolCall):
        return {
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": part.arguments_text},
        } | _own(part.extra)
    return _dump_foreign(part) if isinstance(part, ProviderPart) and part.place == "tool_calls" else None


def _dump_content(role: Role, parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    """A plain string for a single text and for nothing at all (an empty list is refused by the provider)."""
    written = [item for part in parts if (item := _dump_part(role, part)) is not None]
    if not written:
        return ""
    if len(written) == 1 and written[0].keys() == {"type", "text"}:
        return cast("str", written[0]["text"])
    return written


def _dump_part(role: Role, part: Part) -> dict[str, Any] | None:
    match part:
        case Image() | File() if role == "assistant":
            _left_out(f"what the model itself drew or wrote: {part}")
            return None
        case Image():
            return dump_image(part)
        case File():
            return dump_file(part)
        case Text():
            return {"type": "text", "text": part.text} | _own(part.extra)
        case Refusal():
            return {"type": "refusal", "refusal": part.text}
        case ProviderPart():
            return _dump_foreign(part)
        case _:
            _left_out("thinking" if isinstance(part, Thinking) else f"a {type(part).__name__} inside content")
            return None


def _dump_foreign(part: ProviderPart) -> dict[str, Any] | None:
    if part.dialect != DIALECT:
        _left_out(f"a part kept for {part.dialect}")
        return None
    return cast("dict[str, Any]", copy_json(part.data))


def _left_out(what: str) -> None:
    log.debug("left out of an OpenAI chat message, which cannot say it: %s", what)


# --- reading


def load_messages(messages: Iterable[Mapping[str, Any]], *, allow_local_files: bool = False) -> list[Message]:
    """The messages of a chat completion request. Tool results in a row come back as one message.

    With `allow_local_files` the URL of an image and the data of a file may be a local path.

    Raises:
        ConfigError: a message is not of this form; the text names it by its place, from 0, and says what is wrong.
    """
    loaded: list[Message] = []
    for index, given in enumerate(messages):
        message = _load_numbered(index, given, allow_local_files=allow_local_files)
        if loaded and _continues(loaded[-1], message):
            loaded[-1].parts.extend(message.parts)
        else:
            loaded.append(message)
    return loaded


def _load_numbered(index: int, given: Mapping[str, Any], *, allow_local_files: bool) -> Message:
    try:
        return _load_message(given, local_files=allow_local_files)
    except ConfigError as error:
        raise ConfigError(f"message {index}: {error}") from error
    except RecursionError:
        raise ConfigError(f"message {index}: nested too deeply") from None


def _continues(last: Message, message: Message) -> bool:
    return all(one.role == "tool" and one.name is None and one.extra is None for one in (last, message))


def _load_message(given: Mapping[str, Any], *, local_files: bool) -> Message:
    if not isinstance(given, Mapping):
        raise ConfigError(f"not a dict with role and content: {given!r:.80}")
    role = _load_role(given.get("role"))
    parts: list[Part] = [_load_result(given)] if role == "tool" else _load_spoken(role, given)
    if role in ("user", "system"):
        parts = [load_media(part, local_files=local_files) for part in parts]
    name = given.get("name")
    return Message(role, parts, _string(name, "name") if name is not None else None, _load_extra(given))


def _load_role(role: object) -> Role:
    if role is None:
        raise ConfigError("it has no role")
    if role == "function":
        raise ConfigError("role 'function' is out of use; write a 'tool' message with its tool_call_id")
    if not isinstance(role, str) or role not in _ROLES:
        raise ConfigError(f"unknown role {role!r}; known are {', '.join(_ROLES)}")
    return _ROLES[role]


def _load_extra(given: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    unknown = {key: copy_json(value) for key, value in given.items() if key not in _OWN_FIELDS and value is not None}
    if given["role"] == "developer":
        unknown["role"] = "developer"
    return {DIALECT: unknown} if unknown else None


def _load_spoken(role: Role, given: Mapping[str, Any]) -> list[Part]:
    calls = [_load_call(call) for call in _list_of(given, "tool_calls")]
    refusal = given.get("refusal")
    parts = _load_content(role, given)
    if calls and parts == [Text("")]:
        parts = []  # many vendors write an empty text beside their tool calls
    if refusal is not None:
        parts.append(Refusal(_string(refusal, "refusal")))
    return parts + calls


def _load_content(role: Role, given: Mapping[str, Any]) -> list[Part]:
    content = given.get("content")
    if isinstance(content, str):
        return [Text(content)]
    if isinstance(content, list | tuple) and (content or role == "assistant"):
        return [_load_part(part) for part in content]
    if content is None and role == "assistant" and len(given) > 1:
        return []
    if content is None or isinstance(content, list | tuple):
        raise ConfigError(f"the {role} message has no content")
    raise ConfigError(f"its content is a text or a list of parts, not {type(content).__name__}")


def _load_part(given: object) -> Part:
    if not isinstance(given, Mapping) or not isinstance(given.get("type"), str):
        raise ConfigError(f"a part of its content is no dict with a type: {given!r:.80}")
    if given["type"] == "text":
        return Text(_string(given.get("text"), "text"), _load_text_extra(given))
    if given["type"] == "refusal":
        return Refusal(_string(given.get("refusal"), "refusal"))
    return ProviderPart(DIALECT, copy_json(given))


def _load_text_extra(given: Mapping[str, Any]) -> dict[str, Any] | None:
    unknown = {key: copy_json(value) for key, value in given.items() if key not in ("type", "text")}
    return {DIALECT: unknown} if unknown else None


def _load_call(given: object) -> Part:
    if not isinstance(given, Mapping):
        raise ConfigError(f"a tool call is no dict: {given!r:.80}")
    if given.get("type", "function") != "function":
        return ProviderPart(DIALECT, copy_json(given), "tool_calls")
    function = given.get("function")
    if not isinstance(function, Mapping):
        raise ConfigError(f"a tool call has no function: {given!r:.80}")
    name = _string(function.get("name"), "a tool call's name")
    call_id = _string(given.get("id"), f"the id of tool call {name!r}")
    arguments = _string(function.get("arguments"), f"the arguments of tool call {name!r}")
    return ToolCall.from_text(call_id, name, arguments, _load_call_extra(given))


def _load_call_extra(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a vendor says beside the call: Gemini's thought signature in `extra_content`."""
    known = ("id", "type", "function", "index")
    unknown = {key: copy_json(value) for key, value in given.items() if key not in known and value is not None}
    return {DIALECT: unknown} if unknown else None


def _load_result(given: Mapping[str, Any]) -> ToolResult:
    call_id = _string(given.get("tool_call_id"), "tool_call_id")
    parts = _load_content("tool", given)
    match parts:
        case [Text(text=text, extra=None)]:
            return ToolResult(call_id, text)
        case _:
            return ToolResult(call_id, parts)


def _list_of(given: Mapping[str, Any], key: str) -> Sequence[object]:
    value = given.get(key)
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise ConfigError(f"its {key} is no list: {value!r:.80}")
    return value


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a text, not {value!r:.80}")
    return value
