"""The events of a streamed message, put together to the message that would have come at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from deluge_sync.deltas import ThinkingDelta, ToolCallDelta
from deluge_sync.sdk import anthropic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deluge_sync._adapters.sse import ServerEvent
    from deluge_sync.deltas import StreamEvent

__all__ = ["EventAssembler"]

# The field of a block that the pieces in this field of a delta are of.
_FIELDS: Final = {"partial_json": "input"}
_TOOL_USE: Final = "tool_use"


class EventAssembler:
    """Joins events. What a later version of the API adds to a block or to the message is kept too."""

    def __init__(self) -> None:
        self.is_complete = False
        self.error: bytes | None = None
        self._message: dict[str, Any] | None = None
        self._blocks: dict[int, _BlockSoFar] = {}

    def add(self, event: ServerEvent) -> list[StreamEvent]:
        """The deltas of one event. Raises `ReplyFormatError` if it is no event of this format."""
        if not event.data.strip():
            return []
        read = anthropic.create_message.parse_event(event.data, event.event)
        match read:
            case anthropic.ErrorEvent() | anthropic.UnknownMessageEvent(model_extra={"error": _}):
                self.error = event.data
            case anthropic.MessageStart():
                self._message = _plain(read.message)
            case anthropic.BlockStart():
                return list(self._start(read.index, _plain(read.content_block)))
            case anthropic.BlockDelta():
                return list(self._grow(read.index, _plain(read.delta)))
            case anthropic.MessageDelta():
                self._change(read)
            case anthropic.MessageStop():
                self.is_complete = True
        return []

    def document(self) -> bytes | None:
        """The message so far."""
        if self._message is None:
            return None
        content = [block.document() for _, block in sorted(self._blocks.items())]
        return to_json({**self._message, "content": content})

    def _start(self, index: int, said: dict[str, Any]) -> Iterator[StreamEvent]:
        is_call = said.get("type") == _TOOL_USE
        place = sum(block.is_call for block in self._blocks.values())
        block = self._blocks[index] = _BlockSoFar(said, place if is_call else None)
        if block.place is not None:
            yield ToolCallDelta(block.place, str(said.get("id")), str(said.get("name")))
        yield from block.deltas(said)

    def _grow(self, index: int, delta: dict[str, Any]) -> Iterator[StreamEvent]:
        if self._message is None:  # a stream without beginning has no answer to be part of
            return
        block = self._blocks.setdefault(index, _BlockSoFar({"type": "text", "text": ""}))
        block.grow(delta)
        yield from block.deltas(delta)

    def _change(self, event: anthropic.MessageDelta) -> None:
        if self._message is None:
            return
        change = _plain(event.delta) if event.delta is not None else {}
        beside = {name: value for name, value in (event.model_extra or {}).items() if value is not None}
        counts = _plain(event.usage) if event.usage is not None else {}
        self._message |= {**beside, **change, "usage": {**(self._message.get("usage") or {}), **counts}}
        self.is_complete = self.is_complete or "stop_reason" in change


@dataclass(slots=True)
class _BlockSoFar:
    """A block that is still growing: what it began with, and the pieces that came since by field."""

    said: dict[str, Any]
    place: int | None = None
    """Which of the answer's tool calls it is."""
    pieces: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def is_call(self) -> bool:
        return self.place is not None

    def grow(self, delta: dict[str, Any]) -> None:
        for name, piece in delta.items():
            if name != "type":
                self.pieces.setdefault(_FIELDS.get(name, name), []).append(piece)

    def deltas(self, said: dict[str, Any]) -> Iterator[StreamEvent]:
        """What a start or a delta brings to a user."""
        match said:
            case {"partial_json": str(piece)} if self.place is not None and piece:
                yield ToolCallDelta(self.place, arguments=piece)
            case {"type": "text" | "text_delta", "text": str(text)} if text:
                yield text
            case {"type": "thinking" | "thinking_delta", "thinking": str(thought)} if thought:
                yield ThinkingDelta(thought)

    def document(self) -> dict[str, Any]:
        written = dict(self.said)
        for name, pieces in self.pieces.items():
            written |= _joined(name, written.get(name), pieces)
        return written


def _joined(name: str, first: Any, pieces: list[Any]) -> dict[str, Any]:
    """The field with its pieces: texts in a row, citations in a list, of all else the last."""
    if name == "citation":
        return {"citations": pieces}
    if not all(isinstance(piece, str) for piece in pieces):
        return {name: pieces[-1]}
    text = (first if isinstance(first, str) else "") + "".join(pieces)
    return {name: _object_or_text(text) if name == "input" else text}


def _object_or_text(text: str) -> Any:
    """A tool's input: the object, {} for no text, or the text where the answer broke off inside it."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _plain(model: Any) -> dict[str, Any]:
    """What a typed value says, without nulls at its top."""
    said: dict[str, Any] = model.model_dump(exclude_unset=True)
    return {name: value for name, value in said.items() if value is not None}
