"""The message of a streamed chat completion of OpenAI's format, put together from its deltas; see `chunks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deluge_sync._adapters.chunks import CallsSoFar
from deluge_sync.deltas import ThinkingDelta

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deluge_sync.deltas import StreamEvent
    from deluge_sync.sdk import openai

__all__ = ["OpenAiMessage"]

# Pieces of these fields are joined; which name carries the reasoning depends on the server.
_THINKING = ("reasoning_content", "reasoning")


class OpenAiMessage:
    """Joins the pieces of every text, and keeps the last value of everything else."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {"role": "assistant"}
        self._texts: dict[str, list[str]] = {}
        self._calls = CallsSoFar()

    def add(self, delta: openai.Delta) -> Iterator[StreamEvent]:
        """Take in a delta, and give what it brings."""
        said = delta.model_dump(exclude_none=True, exclude={"role", "tool_calls"})
        for field, value in said.items():
            if isinstance(value, str):
                self._texts.setdefault(field, []).append(value)
            else:
                self._fields[field] = value
        thought = next((said[name] for name in _THINKING if said.get(name)), None)
        if thought:
            yield ThinkingDelta(str(thought))
        if isinstance(said.get("content"), str) and said["content"]:
            yield said["content"]
        for piece in delta.tool_calls or ():
            name, text = (piece.function.name, piece.function.arguments) if piece.function else (None, None)
            yield self._calls.add(piece.index, piece.id, piece.type, name, text or "")

    def document(self) -> dict[str, Any]:
        """The message so far."""
        message = {**self._fields, **{name: "".join(pieces) for name, pieces in self._texts.items()}}
        calls = self._calls.documents()
        return {**message, "tool_calls": calls} if calls else message
