"""Messages in the form of Bedrock's Converse API, as its JSON has them: bytes are base64.

Writing: system messages go to the top of the request, wherever they stand. User and assistant take turns, so that
messages of one side in a row become one, tool results first in it. What the format cannot say (a refusal, reasoning
without its signature, another format's parts, blank text, a picture the model drew, a name) is left out with a DEBUG
line and never becomes visible text; a message of which nothing is left is not written. Two documents of one name,
which the API refuses, get a number behind it.

Reading is of answers only. What we have no type for is kept as a `ProviderPart`.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (read 2026-11).
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects.bedrock_media import DIALECT, dump_file, dump_image, load_image
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

__all__ = ["DIALECT", "dump_file", "dump_image", "dump_messages", "load_answer"]

log = logging.getLogger(__name__)

Block: TypeAlias = dict[str, Any]

# Other providers' ids may have other characters or be longer, which this API refuses.
_FOREIGN_ID: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_MOST_ID_CHARS: Final = 64
_NAMELESS_ID: Final = "call"


# --- writing


def dump_messages(
    messages: Iterable[Message], *, tells_failure: bool = True
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """`system` (empty without one) and `messages` of a request, as plain values that share nothing with ours.

    tells_failure: whether the model takes the status of a tool result, which is known to Claude and Nova.

    Raises:
        ConfigError: an image or a file cannot be read or has no form here, or the arguments of a tool call hold
            something that JSON has no form for.
    """
    top: list[Block] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            top += [block for block in _dump_blocks(message) if _can_stand_on_top(block)]
        else:
            _add_turn(turns, message)
    written = [{"role": turn["role"], "content": _results_first(turn["content"])} for turn in turns]
    _end_without_blanks(written)
    _name_apart(written)
    if not tells_failure:
        _leave_out_status(written)
    return top, written


def _can_stand_on_top(block: Block) -> bool:
    if block.keys() & {"text", "cachePoint", "guardContent"}:
        return True
    _left_out(f"a block of a system message that is no text: {next(iter(block))}")
    return False


def _add_turn(turns: list[dict[str, Any]], message: Message) -> None:
    blocks = _dump_blocks(message)
    if message.name is not None:
        _left_out("a message's name")
    if not blocks:
        _left_out(f"an empty {message.role} message")
        return
    role = "assistant" if message.role == "assistant" else "user"
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _results_first(blocks: list[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: "toolResult" not in block)


def _end_without_blanks(turns: list[dict[str, Any]]) -> None:
    """Blanks at the very end of an answer that the model shall go on with are refused."""
    if turns and turns[-1]["role"] == "assistant" and "text" in turns[-1]["content"][-1]:
        last = turns[-1]["content"][-1]
        last["text"] = last["text"].rstrip()


def _name_apart(turns: list[dict[str, Any]]) -> None:
    """Give documents of one name numbers. They depend on what came before only, as the prompt cache needs it."""
    seen: set[str] = set()
    for document in _documents(block for turn in turns for block in turn["content"]):
        name, number = document["name"], 1
        while document["name"] in seen:
            number += 1
            document["name"] = f"{name[:190]} ({number})"
        seen.add(document["name"])


def _documents(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block.get("document"), dict) and isinstance(block["document"].get("name"), str):
            yield block["document"]
        if "toolResult" in block:
            yield from _documents(block["toolResult"].get("content", ()))


def _leave_out_status(turns: list[dict[str, Any]]) -> None:
    for block in (block for turn in turns for block in turn["content"]):
        if "toolResult" in block and block["toolResult"].pop("status", None) is not None:
            _left_out("that a tool failed, to a model that does not take it")


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
            raise ConfigError(f"Bedrock takes only text in system messages; put {part} into the user's")
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
    own = _own(part.extra)
    return {"citationsContent": {"content": [{"text": part.text}], **own}} if own else {"text": part.text}


def _dump_call(part: ToolCall) -> Block:
    if part.is_malformed:
        _left_out(f"the arguments of a call of {part.name}, which are no JSON object")
    _refuse_half_characters(part)
    called = {"toolUseId": _known_id(part.id), "name": part.name, "input": copy_json(part.arguments)}
    return {"toolUse": called | _own(part.extra)}


def _refuse_half_characters(part: ToolCall) -> None:
    """Half of a character has no UTF-8; in the name of an argument it would silently become another."""
    what = f"the arguments of tool call {part.name!r}"
    try:
        compact_json(part.arguments, what=what).encode()
    except UnicodeEncodeError as error:
        problem = str(error)
    else:
        return
    raise ConfigError(f"{what} cannot be written as JSON: {problem}")


def _dump_result(part: ToolResult) -> Block:
    written: Block = {"toolUseId": _known_id(part.tool_call_id), "content": _dump_pieces(part.parts)}
    if part.is_error:
        written["status"] = "error"
    return {"toolResult": written | _own(part.extra)}


def _dump_pieces(parts: Sequence[Part]) -> list[Block]:
    blocks = (_dump_part("tool", part) for part in parts if isinstance(part, Text | Image | File | ProviderPart))
    return [block for block in blocks if block is not None]


def _known_id(call_id: str) -> str:
    """The id as this API takes it, the same for a call and for its result."""
    known = _FOREIGN_ID.sub(lambda found: f"_{ord(found[0]):x}_", call_id) or _NAMELESS_ID
    if len(known) <= _MOST_ID_CHARS:
        return known
    return hashlib.sha256(known.encode()).hexdigest()[:_MOST_ID_CHARS]


def _dump_thinking(part: Thinking) -> Block | None:
    if part.origin is None or not _is_signed(part.origin.data):
        _left_out("reasoning without its signature")
        return None
    return _dump_foreign(part.origin)


def _is_signed(data: Mapping[str, Any]) -> bool:
    match data:
        case {"reasoningContent": {"reasoningText": {"signature": str(signature)}}}:
            return bool(signature)
    return False


def _dump_foreign(part: ProviderPart) -> Block | None:
    if part.dialect != DIALECT:
        _left_out(f"a part kept for {part.dialect}")
        return None
    return cast("Block", copy_json(part.data))


def _own(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    return cast("dict[str, Any]", copy_json((extra or {}).get(DIALECT, {})))


def _left_out(what: str) -> None:
    log.debug("left out of a Bedrock message, which cannot say it: %s", what)


# --- reading


def load_answer(content: Iterable[Mapping[str, Any]]) -> Message:
    """The assistant's message of these content blocks, whose fields are of their types where they are there."""
    return Message("assistant", [_load_block(block) for block in content])


def _load_block(block: Mapping[str, Any]) -> Part:
    match block:
        case {"text": str(text), **rest} if not rest:
            return Text(text)
        case {"toolUse": {"toolUseId": str(), "name": str()} as called, **rest} if not rest and "type" not in called:
            return _load_call(called)
        case {"reasoningContent": {"reasoningText": {"text": str(text)}}, **rest} if not rest:
            return Thinking(text, _kept(block))
        case {"citationsContent": {"content": list(pieces)} as cited, **rest} if not rest and _are_texts(pieces):
            extra = {DIALECT: {name: copy_json(value) for name, value in cited.items() if name != "content"}}
            return Text("".join(piece["text"] for piece in pieces), extra if extra[DIALECT] else None)
        case {"image": dict(image), **rest} if not rest:
            return load_image(image)
    return _kept(block)


def _load_call(called: Mapping[str, Any]) -> ToolCall:
    beside = {name: copy_json(value) for name, value in called.items() if name not in ("toolUseId", "name", "input")}
    extra = {DIALECT: beside} if beside else None
    arguments = called.get("input")
    if isinstance(arguments, str):
        return ToolCall.from_text(called["toolUseId"], called["name"], arguments, extra)
    return ToolCall(
        called["toolUseId"], called["name"], copy_json(arguments) if isinstance(arguments, dict) else {}, extra=extra
    )


def _are_texts(pieces: list[Any]) -> bool:
    return all(isinstance(piece, Mapping) and isinstance(piece.get("text"), str) for piece in pieces)


def _kept(block: Mapping[str, Any]) -> ProviderPart:
    return ProviderPart(DIALECT, copy_json(block))
