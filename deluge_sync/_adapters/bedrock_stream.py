"""The events of a streamed answer, put together to the reply that would have come at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from deluge_sync.deltas import ThinkingDelta, ToolCallDelta
from deluge_sync.sdk import bedrock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deluge_sync._adapters.aws_event_stream import AwsEvent
    from deluge_sync.deltas import StreamEvent

__all__ = ["EventAssembler"]


class EventAssembler:
    """Joins events. Those of later versions of the API are passed over."""

    def __init__(self) -> None:
        self.is_complete = False
        self.error: bytes | None = None
        self._reply: dict[str, Any] = {}
        self._role: str | None = None
        self._blocks: dict[int, _BlockSoFar] = {}

    def add(self, event: AwsEvent) -> list[StreamEvent]:
        """The deltas of one event. Raises `ReplyFormatError` if it is no event of this format."""
        if event.exception is not None:
            self.error = _error_document(event)
            return []
        read = bedrock.converse_stream.parse_event(event.payload, event.event_type)
        if read.message_start is not None:
            self._role = read.message_start.role or "assistant"
        if read.content_block_start is not None:
            return list(self._start(read.content_block_start))
        if read.content_block_delta is not None:
            return list(self._grow(read.content_block_delta))
        if read.message_stop is not None:
            self.is_complete = True
            self._reply |= _plain(read.message_stop)
        if read.metadata is not None:
            self._reply |= _plain(read.metadata)
        return []

    def document(self) -> bytes | None:
        """The reply so far."""
        if self._role is None and not self._blocks:
            return None
        content = [block.document() for _, block in sorted(self._blocks.items())]
        message = {"role": self._role, "content": [block for block in content if block]}
        return to_json({**self._reply, "output": {"message": message}})

    def _start(self, event: bedrock.BlockStart) -> Iterator[StreamEvent]:
        said = _plain(event.start) if event.start is not None else {}
        called = event.start.tool_use if event.start is not None else None
        is_ours = called is not None and called.type is None
        place = sum(block.place is not None for block in self._blocks.values()) if is_ours else None
        self._blocks[event.content_block_index] = _BlockSoFar(said, place)
        if called is not None and place is not None:
            yield ToolCallDelta(place, called.tool_use_id, called.name)

    def _grow(self, event: bedrock.BlockDelta) -> Iterator[StreamEvent]:
        if event.delta is None:
            return
        block = self._blocks.setdefault(event.content_block_index, _BlockSoFar())
        yield from block.grow(event.delta)


@dataclass(slots=True)
class _BlockSoFar:
    """A block that is still growing: what it began with, and the pieces that came since."""

    said: dict[str, Any] = field(default_factory=dict)
    place: int | None = None
    """Which of the answer's tool calls it is."""
    texts: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    encrypted: list[str] = field(default_factory=list)
    citations: list[Any] = field(default_factory=list)
    rest: dict[str, Any] = field(default_factory=dict)

    def grow(self, piece: bedrock.BlockPiece) -> Iterator[StreamEvent]:
        """Take a piece in, and give what it brings to a user."""
        if piece.text:
            self.texts.append(piece.text)
            yield piece.text
        if piece.tool_use is not None and piece.tool_use.input:
            self.arguments.append(piece.tool_use.input)
            if self.place is not None:
                yield ToolCallDelta(self.place, arguments=piece.tool_use.input)
        if piece.reasoning_content is not None:
            yield from self._think(piece.reasoning_content)
        if piece.citation is not None:
            self.citations.append(piece.citation)
        self._keep(piece)

    def _think(self, piece: bedrock.ReasoningPiece) -> Iterator[StreamEvent]:
        self.signatures.append(piece.signature or "")
        self.encrypted.append(piece.redacted_content or "")
        if piece.text:
            self.thoughts.append(piece.text)
            yield ThinkingDelta(piece.text)

    def _keep(self, piece: bedrock.BlockPiece) -> None:
        """What is passed on without being understood: results of the provider's own tools, pictures."""
        if piece.tool_result is not None:
            self.rest.setdefault("toolResult", []).extend(piece.tool_result)
        if piece.image is not None:
            self.rest["image"] = {**self.rest.get("image", {}), **piece.image}

    def document(self) -> dict[str, Any]:
        """The block as a whole reply has it; empty if nothing of it came."""
        text = "".join(self.texts)
        if "toolUse" in self.said:
            return {"toolUse": {**self.said["toolUse"], "input": _object_or_text("".join(self.arguments))}}
        if "toolResult" in self.said:
            return {"toolResult": {**self.said["toolResult"], "content": self.rest.get("toolResult", [])}}
        if "image" in self.said:
            return {"image": {**self.said["image"], **self.rest.get("image", {})}}
        if self.citations:
            return {"citationsContent": {"content": [{"text": text}], "citations": self.citations}}
        return self._reasoning() or ({"text": text} if text else {})

    def _reasoning(self) -> dict[str, Any]:
        thought, signature = "".join(self.thoughts), "".join(self.signatures)
        if encrypted := "".join(self.encrypted):
            return {"reasoningContent": {"redactedContent": encrypted}}
        if not thought and not signature:
            return {}
        signed = {"signature": signature} if signature else {}
        return {"reasoningContent": {"reasoningText": {"text": thought, **signed}}}


def _object_or_text(text: str) -> Any:
    """A tool's input: the object, {} for no text, or the text where the answer broke off inside it."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _error_document(event: AwsEvent) -> bytes:
    """An exception within a stream as the error reply that it would be outside of one."""
    try:
        said = json.loads(event.payload or b"{}")
    except (ValueError, RecursionError):
        said = {}
    told = said if isinstance(said, dict) else {}
    message = event.error_message or told.get("message") or told.get("originalMessage") or ""
    return to_json({"type": "error", "__type": event.exception, "message": message})


def _plain(model: Any) -> dict[str, Any]:
    """What a typed value says, without nulls."""
    said: dict[str, Any] = model.model_dump(exclude_unset=True, exclude_none=True)
    return said
