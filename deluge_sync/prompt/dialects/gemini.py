"""Conversations in the form of Gemini's `generateContent`: a system instruction and contents.

Writing: every system message arrives, each as parts of the one system instruction. The format has no place for one in
the middle of a conversation: it moves to the instruction too, which a DEBUG line tells. Tool results are written with
the name of the tool, which is looked up by their id in the conversation; those in a row become one content, because
the API wants the results of parallel calls together. A result that is a JSON object goes as that object, any other
text under `output`, that of a failed tool under `error`. Thoughts go back as they came, signatures included. What the
format cannot say (names, refusals, arguments that are no JSON object, another format's parts) is left out with a DEBUG
line and never becomes visible text; an assistant message of which nothing is left is left out itself.

`gemini_3=False` writes for models before Gemini 3: they take no pictures inside a tool result, so that these stand
beside it, and no resolution for one picture.

Reading, and what ids calls get that came without one, is in `gemini_reading`.

Source: Google's API document v1beta (2026-11), `Content`, and what google-genai 3.4.0 says of its fields.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects.gemini_media import DIALECT, dump_file, dump_image, dump_inline
from deluge_sync.prompt.dialects.gemini_reading import (
    MADE_UP_ID,
    load_contents,
    load_parts,
    load_system,
    lone_text,
)
from deluge_sync.prompt.message import Message, Role
from deluge_sync.prompt.parts import (
    File,
    Image,
    Part,
    ProviderPart,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    compact_json,
    copy_json,
)

__all__ = [
    "DIALECT",
    "dump_contents",
    "dump_file",
    "dump_image",
    "dump_system",
    "load_contents",
    "load_parts",
    "load_system",
]

log = logging.getLogger(__name__)

_ROLES: Final[dict[Role, str]] = {"user": "user", "tool": "user", "assistant": "model"}
_EMPTY: Final = {"text": ""}


def dump_system(messages: Iterable[Message]) -> dict[str, Any] | None:
    """The system instruction: the parts of all system messages in their order; None where there is none.

    Raises:
        ConfigError: an image or a file in one cannot be read.
    """
    writer = _Writer(gemini_3=True)
    parts = [part for message in messages if message.role == "system" for part in writer.parts(message.parts)]
    return {"parts": parts} if parts else None


def dump_contents(messages: Iterable[Message], *, gemini_3: bool = True) -> list[dict[str, Any]]:
    """All other messages as plain dicts, which share nothing with them.

    Raises:
        ConfigError: an image or a file cannot be read, a tool result answers no call before it, or the arguments of
            a call hold something that JSON has no form for.
    """
    writer = _Writer(gemini_3=gemini_3)
    written: list[dict[str, Any]] = []
    last_role: Role | None = None
    for message in messages:
        _note(message, is_first=not written)
        if message.role == "system":
            continue
        parts = writer.parts(message.parts)
        if last_role == message.role == "tool":
            written[-1]["parts"] += parts
        elif parts or message.role == "user":
            # An empty text says that a user said nothing; that is for the provider to judge.
            written.append({"role": _ROLES[message.role], "parts": parts or [dict(_EMPTY)]})
            last_role = message.role
    return written


def _note(message: Message, *, is_first: bool) -> None:
    if message.name is not None:
        _left_out("the name of a message")
    if message.role == "system" and not is_first:
        _left_out("the place of a system message in the middle")


class _Writer:
    """Writes the parts of a conversation in their order. `names` has the tools by the ids of the calls so far."""

    def __init__(self, *, gemini_3: bool) -> None:
        self._gemini_3 = gemini_3
        self._names: dict[str, str] = {}

    def parts(self, parts: Iterable[Part]) -> list[dict[str, Any]]:
        """All of them but empty texts, which are refused; one that carries a signature is none of those."""
        written = [item for part in parts for item in self._part(part)]
        return [item for item in written if item != _EMPTY]

    def _part(self, part: Part) -> list[dict[str, Any]]:
        match part:
            case Text():
                return [{"text": part.text} | _own(part.extra)]
            case Image():
                return [dump_image(part, gemini_3=self._gemini_3)]
            case File():
                return [dump_file(part)]
            case ToolCall():
                self._names[part.id] = part.name
                return [_dump_call(part)]
            case ToolResult():
                return self._result(part)
            case Thinking(origin=ProviderPart() as origin):
                return _dump_foreign(origin, "thinking")
            case ProviderPart():
                return _dump_foreign(part, "a part")
        _left_out(f"a {type(part).__name__}")
        return []

    def _result(self, result: ToolResult) -> list[dict[str, Any]]:
        """The result; what it shows stands after it where it cannot stand inside."""
        name = self._names.get(result.tool_call_id)
        if name is None:
            _refuse_result(result)
        shown = [part for part in result.parts if isinstance(part, Image | File)]
        inside = [part for part in shown if self._gemini_3 and part.has_content]
        fields: dict[str, Any] = _sent_id(result.tool_call_id) | {"name": name, "response": _dump_response(result)}
        if inside:
            fields["parts"] = [dump_inline(part) for part in inside]
        return [{"functionResponse": fields}, *self.parts(part for part in shown if part not in inside)]


def _refuse_result(result: ToolResult) -> NoReturn:
    raise ConfigError(
        f"the result of tool call {result.tool_call_id!r:.80} answers no call before it, so that Gemini cannot be told "
        "which tool it is from; keep the message that has the call"
    )


def _dump_call(call: ToolCall) -> dict[str, Any]:
    if call.is_malformed:
        _left_out("arguments that are no JSON object")
    _refuse_unwritable(call)
    own = _own(call.extra)
    fields = _sent_id(call.id) | {"name": call.name, "args": copy_json(call.arguments)}
    return own | {"functionCall": fields | own.get("functionCall", {})}


def _refuse_unwritable(call: ToolCall) -> None:
    """Refuse arguments that have no form in JSON. Half a character in a name would be sent as another name."""
    what = f"the arguments of tool call {call.name!a:.80}"
    if not _is_utf8(compact_json(call.arguments, what=what)):
        raise ConfigError(f"{what} cannot be written as JSON: they hold half a character")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sent_id(call_id: str) -> dict[str, str]:
    return {} if call_id.startswith(MADE_UP_ID) else {"id": call_id}


def _dump_response(result: ToolResult) -> dict[str, Any]:
    for part in result.parts:
        if not isinstance(part, Text | Image | File):
            _left_out(f"a {type(part).__name__} inside a tool result")
    if result.is_error:
        return {"error": result.text}
    whole = _json_object(result.text)
    return {"output": result.text} if whole is None else whole


def _json_object(text: str) -> dict[str, Any] | None:
    """The object that a tool wrote as compact JSON; None for all else, and for what would be read as another text."""
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        is_same = isinstance(value, dict) and compact_json(value) == text
    except (ValueError, RecursionError):  # no JSON, or none that is written as it is read
        return None
    return value if is_same and lone_text(value) is None else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _own(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    return cast("dict[str, Any]", copy_json((extra or {}).get(DIALECT, {})))


def _dump_foreign(part: ProviderPart, what: str) -> list[dict[str, Any]]:
    if part.dialect != DIALECT:
        _left_out(f"{what} kept for {part.dialect}")
        return []
    return [copy_json(part.data)]


def _left_out(what: str) -> None:
    log.debug("left out of a Gemini request, which cannot say it: %s", what)
