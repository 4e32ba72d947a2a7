"""Messages in the form of Anthropic's Messages API.

Writing: system messages go to the top of the request, wherever they stand, because most models take them nowhere else;
one that was read from between the messages goes back there. Messages of one role in a row become one, since some
places that serve this API refuse them apart, and tool results come first in it, as the API wants. A single text is a
plain string. What the format cannot say (a refusal, thinking without its signature, another format's parts, blank
text, a picture the model drew) is left out with a DEBUG line and never becomes visible text; a message of which
nothing is left is not written.

Reading keeps everything the format says, the fields we have no type for included: blocks we do not know as
`ProviderPart`, unknown fields in `extra`. What comes from outside is only data: nothing is fetched, no file is read.

Source: the official package `anthropic` 2.12, `types.MessageParam`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects.anthropic_media import DIALECT, dump_file, dump_image, load_media
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

__all__ = ["DIALECT", "System", "dump_file", "dump_image", "dump_messages", "load_messages"]

log = logging.getLogger(__name__)

Block: TypeAlias = dict[str, Any]
System: TypeAlias = "str | list[dict[str, Any]] | None"
"""What stands at the top of a request: a text, text blocks, or nothing."""

_WRITTEN_ROLES: Final[dict[Role, str]] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "user",
}
# Other providers' ids may have other characters, which this API refuses.
_FOREIGN_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")
_NAMELESS_ID: Final = "call"


# --- writing


def dump_messages(
    messages: Iterable[Message], *, all_systems_first: bool = False
) -> tuple[System, list[dict[str, Any]]]:
    """What goes to the top of the request, and its messages, as plain values that share nothing with ours.

    all_systems_first: also those system messages go to the top that were read from between the messages.

    Raises:
        ConfigError: an image or a file cannot be read or has no form here, or the arguments of a tool call hold
            something that JSON has no form for.
    """
    top: list[Block] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system" and (all_systems_first or not _stands_between(message)):
            top += _dump_blocks(message)
        else:
            _add_turn(turns, message)
    _end_without_blanks(turns)
    return _plain(top) or None, [{**turn, "content": _plain(_results_first(turn["content"]))} for turn in turns]


def _stands_between(message: Message) -> bool:
    return _own(message.extra).get("role") == "system"


def _add_turn(turns: list[dict[str, Any]], message: Message) -> None:
    blocks = _dump_blocks(message)
    if message.name is not None:
        _left_out("a message's name")
    if not blocks:
        _left_out(f"an empty {message.role} message")
        return
    turn = {"role": _WRITTEN_ROLES[message.role], **_own(message.extra), "content": blocks}
    if turns and turns[-1]["role"] == turn["role"] != "system":
        turns[-1] |= {**turn, "content": turns[-1]["content"] + blocks}
    else:
        turns.append(turn)


def _end_without_blanks(turns: list[dict[str, Any]]) -> None:
    """Blanks at the very end of an answer that the model shall go on with are refused."""
    if turns and turns[-1]["role"] == "assistant" and turns[-1]["content"][-1]["type"] == "text":
        last = turns[-1]["content"][-1]
        last["text"] = last["text"].rstrip()


def _results_first(blocks: list[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: block.get("type") != "tool_result")


def _plain(blocks: list[Block]) -> str | list[Block]:
    """A plain string for a single text."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return cast("str", blocks[0]["text"])
    return blocks


def _dump_blocks(message: Message) -> list[Block]:
    return [block for part in message.parts if (block := _dump_part(message.role, part)) is not None]


def _dump_part(role: Role, part: Part) -> Block | None:
    match part:
        case Text():
            return _dump_text(part)
        case Image() | File() if role == "assistant":
            _left_out(f"what the model itself drew or wrote: {part}")
            return None
        case Image() | File() if role == "system":
            raise ConfigError(f"Anthropic takes only text in system messages; put {part} into the user's")
        case Image():
            if part.detail != "auto":
                _left_out("how closely an image is looked at")
            return dump_image(part)
        case File():
            return dump_file(part)
        case ToolCall():
            return _dump_call(part)
        case ToolResult():
            return _dump_result(part)
        case Thinking():
            return _dump_thinking(part)
        case ProviderPart():
            return _dump_foreign(part)
        case _:
            _left_out("a refusal")
            return None


def _dump_text(part: Text) -> Block | None:
    if not part.text.strip():
        _left_out("blank text")
        return None
    written = {"type": "text", "text": part.text} | _own(part.extra)
    if "citations" in written:
        written["citations"] = [_dump_citation(citation) for citation in written["citations"] or ()]
    return written


def _dump_citation(citation: Any) -> Any:
    """Answers tell the file's id beside the place; requests do not take it."""
    if not isinstance(citation, dict):
        return citation
    return {name: value for name, value in citation.items() if name != "file_id"}


def _dump_call(part: ToolCall) -> Block:
    if part.is_malformed:
        _left_out(f"the arguments of a call of {part.name}, which are no JSON object")
    _refuse_half_characters(compact_json(part.arguments, what=f"the arguments of tool call {part.name!r}"), part)
    called = {"id": _known_id(part.id), "name": part.name, "input": copy_json(part.arguments)}
    return {"type": "tool_use", **called} | _own(part.extra)


def _refuse_half_characters(arguments: str, part: ToolCall) -> None:
    """Half of a character has no UTF-8; in the name of an argument it would silently become another."""
    try:
        arguments.encode()
    except UnicodeEncodeError as error:
        problem = str(error)
    else:
        return
    raise ConfigError(f"the arguments of tool call {part.name!r} cannot be written as JSON: {problem}")


def _dump_result(part: ToolResult) -> Block:
    written: Block = {"type": "tool_result", "tool_use_id": _known_id(part.tool_call_id)}
    content = part.result if isinstance(part.result, str) else _dump_pieces(part.result)
    if content:
        written["content"] = content
    if part.is_error:
        written["is_error"] = True
    return written | _own(part.extra)


def _dump_pieces(parts: Sequence[Part]) -> list[Block]:
    blocks = (_dump_part("tool", part) for part in parts if isinstance(part, Text | Image | File | ProviderPart))
    return [block for block in blocks if block is not None]


def _known_id(call_id: str) -> str:
    """The id as this API takes it, the same for a call and for its result."""
    return _FOREIGN_ID.sub(lambda found: f"_{ord(found[0]):x}_", call_id) or _NAMELESS_ID


def _dump_thinking(part: Thinking) -> Block | None:
    if part.origin is None or not part.origin.data.get("signature"):
        _left_out("thinking without its signature")
        return None
    return _dump_foreign(part.origin)


def _dump_foreign(part: ProviderPart) -> Block | None:
    if part.dialect != DIALECT:
        _left_out(f"a part kept for {part.dialect}")
        return None
    return cast("Block", copy_json(part.data))


def _own(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    return cast("dict[str, Any]", copy_json((extra or {}).get(DIALECT, {})))


def _left_out(what: str) -> None:
    log.debug("left out of an Anthropic message, which cannot say it: %s", what)


# --- reading


def load_messages(messages: Iterable[Mapping[str, Any]], system: Any = None) -> list[Message]:
    """The messages of a Messages API request, what stands at its top first: one system message for each block of it.

    Tool results become a message of their own before what else the user says.

    Raises:
        ConfigError: a message is not of this form; the text names it by its place, from 0, and says what is wrong.
    """
    loaded = [Message("system", [part]) for part in _load_system(system)]
    for index, given in enumerate(messages):
        try:
            loaded += _load_message(given)
        except ConfigError as error:
            raise ConfigError(f"message {index}: {error}") from error
        except RecursionError:
            raise ConfigError(f"message {index}: nested too deeply") from None
    return loaded


def _load_system(system: Any) -> list[Part]:
    try:
        return _load_content("system", system) if system is not None else []
    except ConfigError as error:
        raise ConfigError(f"system: {error}") from error


def _load_message(given: Mapping[str, Any]) -> list[Message]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"not a dict with role and content: {given!r:.80}")
    role = given.get("role")
    if role not in ("user", "assistant", "system"):
        raise ConfigError(f"unknown role {role!r:.80}; known are user, assistant and system")
    parts = _load_content(role, given.get("content"))
    if not parts and role != "assistant":
        raise ConfigError(f"the {role} message has no content")
    return list(_split(role, parts, _load_extra(given)))


def _split(role: Role, parts: list[Part], extra: dict[str, Any] | None) -> Iterable[Message]:
    """Results and what the user says are messages of their own with us."""
    results: list[Part] = [part for part in parts if isinstance(part, ToolResult)]
    if results:
        yield Message("tool", results, extra=extra)
    rest: list[Part] = [part for part in parts if not isinstance(part, ToolResult)]
    if rest or not results:
        yield Message(role, rest, extra=extra)


def _load_extra(given: Mapping[str, Any]) -> dict[str, Any] | None:
    unknown = {key: copy_json(value) for key, value in given.items() if key not in ("role", "content")}
    if given["role"] == "system":
        unknown["role"] = "system"
    return {DIALECT: unknown} if unknown else None


def _load_content(role: Role, content: object) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    if isinstance(content, list | tuple):
        return [_load_block(role, block) for block in content]
    raise ConfigError(f"its content is a text or a list of blocks, not {type(content).__name__}")


def _load_block(role: Role, block: object) -> Part:
    if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
        raise ConfigError(f"a block of its content is no dict with a type: {block!r:.80}")
    match (role, block):
        case (_, {"type": "text", "text": str(text)}):
            return Text(text, _extra(block, "text"))
        case ("user" | "tool", {"type": "image" | "document"}):
            return load_media(block)
        case ("assistant", {"type": "thinking", "thinking": str(thinking)}):
            return Thinking(thinking, ProviderPart(DIALECT, copy_json(block)))
        case ("assistant", {"type": "tool_use", "id": str(call_id), "name": str(name), "input": dict(arguments)}):
            return ToolCall(call_id, name, copy_json(arguments), extra=_extra(block, "id", "name", "input"))
        case ("user", {"type": "tool_result", "tool_use_id": str(call_id)}):
            return _load_result(call_id, block)
    return ProviderPart(DIALECT, copy_json(block))


def _load_result(call_id: str, block: Mapping[str, Any]) -> ToolResult:
    content = block.get("content")
    parts = content if isinstance(content, str) else _load_content("tool", content) if content else ""
    extra = _extra(block, "tool_use_id", "content", "is_error")
    return ToolResult(call_id, parts, is_error=bool(block.get("is_error")), extra=extra)


def _extra(block: Mapping[str, Any], *known: str) -> dict[str, Any] | None:
    unknown = {key: copy_json(value) for key, value in block.items() if key not in ("type", *known)}
    return {DIALECT: unknown} if unknown else None
