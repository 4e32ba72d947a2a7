"""Messages in the form of Mistral's chat completions: near to OpenAI's, but strict.

Writing: a single text is a plain string; a message that only calls tools has no content; one message per tool result,
with its images and documents in it. The provider takes ids of tool calls of nine letters and digits only: any other id
becomes such a one, the same wherever it occurs. It takes no system message right after an answer or a tool result, nor
as the last one: such a one moves up to the first system messages, which a DEBUG line tells. What the format cannot
say (names, refusals, other providers' thinking, another format's parts, that a tool failed) is left out with a DEBUG
line and never becomes visible text; an assistant message of which nothing is left is left out itself.

Thinking goes back as it came. Reading keeps everything the format says: parts without a type of ours (references,
sound) as `ProviderPart`, unknown fields in `extra`. What comes from outside is only data: nothing is fetched, and a
local file is read only where `allow_local_files` says so.

Source: Mistral's OpenAPI document of 2026-08, `ChatCompletionRequest`; on the order of messages and on ids,
https://docs.mistral.ai/capabilities/function_calling and the checks of mistral-common (read 2026-11).
"""

from __future__ import annotations

import hashlib
import logging
import re
from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects.mistral_media import DIALECT, dump_file, dump_image, load_media
from deluge_sync.prompt.message import ROLES, Message, Role
from deluge_sync.prompt.parts import (
    File,
    Image,
    Part,
    ProviderPart,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    copy_json,
)

__all__ = ["DIALECT", "dump_file", "dump_image", "dump_messages", "load_messages", "load_said"]

log = logging.getLogger(__name__)

_OWN_FIELDS: Final = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})
_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
_TAKES_SYSTEM_AFTER_IT: Final = ("system", "user")


# --- writing


def dump_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The messages as plain dicts, which share nothing with them. A message with n tool results becomes n.

    Raises:
        ConfigError: an image or a file cannot be read or stands in a system message, which takes none, or the
            arguments of a tool call hold something that JSON has no form for.
    """
    written: list[dict[str, Any]] = []
    for message in messages:
        written += [_dump_result(message, result) for result in message.tool_results]
        spoken = [part for part in message.parts if not isinstance(part, ToolResult)]
        if not spoken and (message.role == "tool" or message.tool_results):
            continue
        if (dumped := _dump_spoken(message, spoken)) is not None:
            written.append(dumped)
    return _in_order(written)


def _in_order(written: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages, with the system messages that cannot stand where they do behind the first ones."""
    last = max((place for place, row in enumerate(written) if row["role"] != "system"), default=len(written))
    kept: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    for place, row in enumerate(written):
        has_place = place < last and (not kept or kept[-1]["role"] in _TAKES_SYSTEM_AFTER_IT)
        (kept if row["role"] != "system" or has_place else moved).append(row)
    if moved:
        _left_out("the place of a system message after an answer or last")
    head = next((place for place, row in enumerate(kept) if row["role"] != "system"), len(kept))
    return kept[:head] + moved + kept[head:]


def _dump_result(message: Message, result: ToolResult) -> dict[str, Any]:
    if result.is_error:
        _left_out("that a tool failed")
    content = _dump_content("tool", result.parts)
    written = {"role": "tool", "tool_call_id": _fitting_id(result.tool_call_id), "content": content}
    if message.role != "tool":
        return written
    name = {"name": message.name} if message.name is not None else {}
    return written | name | _own(message.extra)


def _dump_spoken(message: Message, parts: Sequence[Part]) -> dict[str, Any] | None:
    # What stands beside the results in a tool message can only be said by the user here.
    role = message.role if message.role != "tool" else "user"
    if message.name is not None and message.role != "tool":
        _left_out("the name of a message")
    calls = [call for part in parts if (call := _dump_call(part)) is not None]
    written: dict[str, Any] = {"role": role}
    content = _dump_content(role, [part for part in parts if not _is_call(part)])
    if content or role != "assistant":
        written["content"] = content
    if calls:
        written["tool_calls"] = calls
    if len(written) == 1:
        _left_out("an assistant message with nothing in it")
        return None
    return written | _own(message.extra) if role == message.role else written


def _is_call(part: Part) -> bool:
    return isinstance(part, ToolCall) or (isinstance(part, ProviderPart) and part.place == "tool_calls")


def _dump_call(part: Part) -> dict[str, Any] | None:
    if isinstance(part, ToolCall):
        return {
            "id": _fitting_id(part.id),
            "type": "function",
            "function": {"name": part.name, "arguments": part.arguments_text},
        } | _own(part.extra)
    return _dump_foreign(part, "a tool call") if isinstance(part, ProviderPart) and part.place == "tool_calls" else None


def _fitting_id(call_id: str) -> str:
    """The id if the provider takes it, else one made of it alone, so that a call and its result agree."""
    if _ID.fullmatch(call_id):
        return call_id
    return b32encode(hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).digest())[:9].decode("ascii")


def _dump_content(role: Role, parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    """A plain string for a single text and for nothing at all."""
    written = [item for part in parts if (item := _dump_part(role, part)) is not None]
    if not written:
        return ""
    if len(written) == 1 and written[0].keys() == {"type", "text"}:
        return cast("str", written[0]["text"])
    return written


def _dump_part(role: Role, part: Part) -> dict[str, Any] | None:
    match part:
        case Image() | File() if role == "system":
            raise ConfigError(f"a system message of Mistral's takes text only; put {part} into a user message")
        case Image():
            return dump_image(part)
        case File():
            return dump_file(part)
        case Text():
            return {"type": "text", "text": part.text} | _own(part.extra)
        case Thinking(origin=ProviderPart() as origin):
            return _dump_foreign(origin, "thinking")
        case ProviderPart():
            return _dump_foreign(part, "a part")
    _left_out(f"a {type(part).__name__}")
    return None


def _dump_foreign(part: ProviderPart, what: str) -> dict[str, Any] | None:
    if part.dialect != DIALECT:
        _left_out(f"{what} kept for {part.dialect}")
        return None
    return cast("dict[str, Any]", copy_json(part.data))


def _own(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    return cast("dict[str, Any]", copy_json((extra or {}).get(DIALECT, {})))


def _left_out(what: str) -> None:
    log.debug("left out of a Mistral message, which cannot say it: %s", what)


# --- reading


def load_messages(messages: Iterable[Mapping[str, Any]], *, allow_local_files: bool = False) -> list[Message]:
    """The messages of a chat completion request. Tool results in a row come back as one message.

    With `allow_local_files` the URL of an image or a document may be a local path.

    Raises:
        ConfigError: a message is not of this form; the text names it by its place, from 0, and says what is wrong.
    """
    loaded: list[Message] = []
    for index, given in enumerate(messages):
        try:
            message = _load_message(given, local_files=allow_local_files)
        except ConfigError as error:
            raise ConfigError(f"message {index}: {error}") from error
        except RecursionError:
            raise ConfigError(f"message {index}: nested too deeply") from None
        if loaded and _continues(loaded[-1], message):
            loaded[-1].parts.extend(message.parts)
        else:
            loaded.append(message)
    return loaded


def load_said(given: Mapping[str, Any]) -> Part:
    """A content part that a model wrote: text and thinking, anything else as it is. Never raises."""
    match given:
        case {"type": "text", "text": str(text)}:
            return Text(text, _extra(given, "type", "text"))
        case {"type": "thinking", "thinking": list(items)}:
            thought = "".join(_text_of(item) for item in items)
            return Thinking(thought, ProviderPart(DIALECT, copy_json(given)))
    return ProviderPart(DIALECT, copy_json(given))


def _text_of(item: object) -> str:
    text = item.get("text") if isinstance(item, Mapping) else None
    return text if isinstance(text, str) else ""


def _continues(last: Message, message: Message) -> bool:
    return all(one.role == "tool" and one.name is None and one.extra is None for one in (last, message))


def _load_message(given: Mapping[str, Any], *, local_files: bool) -> Message:
    role = _load_role(given)
    content = _load_content(role, given, local_files=local_files)
    if role == "tool":
        content = [_load_result(given, content)]
    elif role == "assistant":
        calls = [_load_call(call) for call in _load_calls(given)]
        content = calls if calls and content == [Text("")] else content + calls
    name = given.get("name")
    return Message(role, content, _string(name, "name") if name is not None else None, _extra(given, *_OWN_FIELDS))


def _load_role(given: object) -> Role:
    role = given.get("role") if isinstance(given, Mapping) else None
    if role not in ROLES:
        raise ConfigError(f"not a dict with a role ({', '.join(ROLES)}) and content: {given!r:.80}")
    return cast("Role", role)


def _load_content(role: Role, given: Mapping[str, Any], *, local_files: bool) -> list[Part]:
    content = given.get("content")
    if isinstance(content, str):
        return [Text(content)]
    if isinstance(content, list | tuple):
        return [_load_part(role, part, local_files=local_files) for part in content]
    if content is not None:
        raise ConfigError(f"its content is a text or a list of parts, not {type(content).__name__}")
    if role in ("assistant", "tool"):
        return []
    raise ConfigError(f"the {role} message has no content")


def _load_part(role: Role, given: object, *, local_files: bool) -> Part:
    if not isinstance(given, Mapping) or not isinstance(given.get("type"), str):
        raise ConfigError(f"a part of its content is no dict with a type: {given!r:.80}")
    if given["type"] == "text":
        return Text(_string(given.get("text"), "text"), _extra(given, "type", "text"))
    if given["type"] == "thinking" and role == "assistant":
        return load_said(given)
    media = load_media(given, local_files=local_files) if role != "system" else None
    return media or ProviderPart(DIALECT, copy_json(given))


def _load_calls(given: Mapping[str, Any]) -> Sequence[object]:
    calls = given.get("tool_calls")
    if calls is None:
        return ()
    if not isinstance(calls, list | tuple):
        raise ConfigError(f"its tool_calls is no list: {calls!r:.80}")
    return calls


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
    extra = _extra(given, "id", "type", "function", "index")
    arguments = function.get("arguments")
    if isinstance(arguments, Mapping):
        return ToolCall(call_id, name, copy_json(arguments), None, extra)
    return ToolCall.from_text(call_id, name, _string(arguments, f"the arguments of tool call {name!r}"), extra)


def _load_result(given: Mapping[str, Any], parts: list[Part]) -> ToolResult:
    call_id = _string(given.get("tool_call_id"), "tool_call_id")
    match parts:
        case [Text(text=text, extra=None)]:
            return ToolResult(call_id, text)
        case []:
            return ToolResult(call_id, "")
        case _:
            return ToolResult(call_id, parts)


def _extra(given: Mapping[str, Any], *known: str) -> dict[str, Any] | None:
    """What the format says beside what we have a field for."""
    unknown = {key: copy_json(value) for key, value in given.items() if key not in known and value is not None}
    return {DIALECT: unknown} if unknown else None


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a text, not {value!r:.80}")
    return value
