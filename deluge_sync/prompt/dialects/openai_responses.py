"""Messages as the items of OpenAI's Responses API.

A message of ours becomes several items: what was said, each tool call, each tool result, each piece of reasoning, each
step of a built-in tool, all in their order; every system message stays in its place. What the model said goes back as
it came: its items keep their ids, sources and phase, its reasoning the encrypted form. What the format cannot say
(another format's thinking and parts, names, that a tool failed, a picture in an answer) is left out with a DEBUG line
and never becomes visible text. `openai_responses_load` is the other direction.

Source: OpenAI's OpenAPI document of 2026-08, `InputItem` and `OutputItem`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast

from deluge_sync.prompt.dialects.openai_responses_media import DIALECT, dump_media
from deluge_sync.prompt.message import Message
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

__all__ = ["DIALECT", "dump_messages"]

log = logging.getLogger(__name__)

Item = dict[str, Any]


# --- writing


def dump_messages(messages: Iterable[Message]) -> list[Item]:
    """The items that say the messages; they share nothing with them.

    Raises:
        ConfigError: an image or a file cannot be read or is known to another provider only, or the arguments of a tool
            call hold something that JSON has no form for.
    """
    items: list[Item] = []
    for message in messages:
        items += _dump_message(message, len(items))
    return items


def _dump_message(message: Message, place: int) -> list[Item]:
    if message.name is not None:
        _left_out("the name of who speaks")
    if message.role == "assistant":
        return _dump_answer(message.parts, place)
    items: list[Item] = []
    spoken: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            items.append(_dump_result(part))
        elif _is_item(part):
            items += _dump_foreign(part)
        else:
            spoken.append(part)
    content = _dump_content(spoken)
    if message.role == "tool":  # what stands beside its results can only be said by the user here
        return [*items, {"type": "message", "role": "user", "content": content}] if content else items
    said = {"type": "message", "role": message.role, "content": content} | _own(message.extra)
    return [*items, said] if content or not items else items


def _dump_content(parts: Iterable[Part]) -> str | list[Item]:
    """A plain string for a single text and for nothing at all (an empty list says nothing)."""
    written = [item for part in parts for item in _dump_part(part)]
    if not written:
        return ""
    if len(written) == 1 and written[0].keys() == {"type", "text"}:
        return cast("str", written[0]["text"])
    return written


def _dump_part(part: Part) -> list[Item]:
    match part:
        case Image() | File():
            return [dump_media(part)]
        case Text():
            return [{"type": "input_text", "text": part.text} | _own(part.extra).get("part", {})]
        case ProviderPart():
            return _dump_foreign(part)
        case _:
            _left_out(f"a {type(part).__name__} inside what the user gives")
            return []


def _dump_result(result: ToolResult) -> Item:
    if result.is_error:
        _left_out("that a tool failed")
    output = _dump_content(result.parts)
    return {"type": "function_call_output", "call_id": result.tool_call_id, "output": output} | _own(result.extra)


def _dump_answer(parts: Iterable[Part], place: int) -> list[Item]:
    """The items of an answer, the first of which is number `place` of all. What was said in one item is so again."""
    items: list[Item] = []
    for part in parts:
        match part:
            case Text() | Refusal():
                _say(items, part, place + len(items))
            case ProviderPart() if not _is_item(part):
                for content in _dump_foreign(part):
                    _add_content(items, content, {}, place + len(items))
            case ToolCall():
                items.append(_dump_call(part))
            case Thinking(origin=ProviderPart() as origin) if origin.dialect == DIALECT:
                items.append(copy_json(origin.data))
            case ProviderPart():
                items += _dump_foreign(part)
            case Thinking():
                _left_out("thinking that this format did not bring")
            case _:
                _left_out(f"what the model itself drew or wrote: {part}")
    return items


def _say(items: list[Item], part: Text | Refusal, place: int) -> None:
    own = _own(part.extra)
    identity, more = own.get("item", {}), own.get("part", {})
    if isinstance(part, Refusal):
        _add_content(items, {"type": "refusal", "refusal": part.text} | more, identity, place)
    elif "id" in identity or more:
        _add_content(items, {"type": "output_text", "text": part.text, "annotations": []} | more, identity, place)
    else:
        items.append({"type": "message", "role": "assistant", "content": part.text} | identity)


def _add_content(items: list[Item], content: Item, identity: Mapping[str, Any], place: int) -> None:
    """Put it into the message that is being said, unless it belongs to another; a new one needs an id."""
    message = {"type": "message", "role": "assistant", **identity}
    last = items[-1] if items else {}
    is_open = last.get("type") == "message" and isinstance(last.get("content"), list)
    if is_open and (not identity or {**last, "content": None} == {**message, "content": None}):
        last["content"].append(content)
    else:
        items.append({"id": f"msg_{place}", "status": "completed", **message, "content": [content]})


def _dump_call(call: ToolCall) -> Item:
    written = {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments_text}
    return written | _own(call.extra)


def _is_item(part: Part) -> bool:
    return isinstance(part, ProviderPart) and part.place == "tool_calls"


def _dump_foreign(part: Part) -> list[Item]:
    if not isinstance(part, ProviderPart) or part.dialect != DIALECT:
        _left_out(f"a part kept for {getattr(part, 'dialect', None)}")
        return []
    return [copy_json(part.data)]


def _own(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    return cast("dict[str, Any]", copy_json((extra or {}).get(DIALECT, {})))


def _left_out(what: str) -> None:
    log.debug("left out of the items of a response, which cannot say it: %s", what)
