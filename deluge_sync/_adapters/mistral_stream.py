"""The message of a streamed chat completion of Mistral's, put together from its deltas; see `chunks`.

A text comes as mere texts, or in parts beside thinking and references. Parts of the same type in a row are one part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.chunks import CallsSoFar
from deluge_sync.deltas import ThinkingDelta
from deluge_sync.prompt.parts import compact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deluge_sync.deltas import StreamEvent, ToolCallDelta
    from deluge_sync.sdk import mistral

__all__ = ["MistralMessage", "own_id"]

_NOTHING: Final = {"type": "text", "text": ""}


class MistralMessage:
    """Joins the parts of the content and the pieces of tool calls."""

    def __init__(self) -> None:
        self._content = _PartsSoFar()
        self._calls = CallsSoFar()

    def add(self, delta: mistral.Delta) -> Iterator[StreamEvent]:
        """Take in a delta, and give what it brings."""
        content = delta.content
        if isinstance(content, str):
            content_parts = [{"type": "text", "text": content}]
        else:
            content_parts = [part.model_dump(exclude_none=True) for part in content or ()]
        for part in content_parts:
            self._content.add(part)
            yield from _events(part)
        for call in delta.tool_calls or ():
            yield self._add_call(call)

    def document(self) -> dict[str, Any]:
        """The message so far."""
        message = {"role": "assistant", "content": self._content.document()}
        calls = self._calls.documents()
        return {**message, "tool_calls": calls} if calls else message

    def _add_call(self, call: mistral.ReplyToolCall) -> ToolCallDelta:
        function = call.function
        name, arguments = (function.name, function.arguments) if function else (None, None)
        text = arguments if isinstance(arguments, str) else compact_json(arguments) if arguments is not None else ""
        return self._calls.add(call.index, own_id(call.id), call.type, name, text)


def own_id(call_id: str | None) -> str | None:
    """The id of a tool call; None where the model gave none, which the provider writes as a text."""
    return call_id if call_id not in ("", "null") else None


def _events(part: Mapping[str, Any]) -> Iterator[StreamEvent]:
    text = part.get("text")
    if part.get("type") == "text" and text:
        yield str(text)
    if part.get("type") == "thinking":
        thoughts = "".join(item.get("text") or "" for item in part.get("thinking", ()))
        if thoughts:
            yield ThinkingDelta(thoughts)


class _PartsSoFar:
    """A list of parts that is still growing."""

    def __init__(self) -> None:
        self._parts: list[_PartSoFar] = []

    def add(self, part: Mapping[str, Any]) -> None:
        kind = part.get("type")
        if not self._parts or kind not in ("text", "thinking") or self._parts[-1].kind != kind:
            self._parts.append(_PartSoFar(kind))
        self._parts[-1].add(part)

    def documents(self) -> list[dict[str, Any]]:
        return [part.document() for part in self._parts]

    def document(self) -> str | list[dict[str, Any]] | None:
        """The parts as a content: a lone text as it is; None where nothing came. Streams begin with an empty text."""
        parts = self.documents()
        filled = [part for part in parts if part != _NOTHING]
        if not filled:
            return "" if parts else None
        return str(filled[0]["text"]) if len(filled) == 1 and filled[0].keys() == _NOTHING.keys() else filled


class _PartSoFar:
    """One part: the pieces of a text, the parts of a thought, and of everything else the last value."""

    def __init__(self, kind: object) -> None:
        self.kind = kind
        self._fields: dict[str, Any] = {}
        self._texts: list[str] = []
        self._thoughts = _PartsSoFar() if kind == "thinking" else None

    def add(self, part: Mapping[str, Any]) -> None:
        self._fields.update(part)
        if isinstance(part.get("text"), str):
            self._texts.append(part["text"])
        if self._thoughts is not None:
            for thought in part.get("thinking", ()):
                self._thoughts.add(thought)

    def document(self) -> dict[str, Any]:
        text = {"text": "".join(self._texts)} if self._texts else {}
        thoughts = {"thinking": self._thoughts.documents()} if self._thoughts is not None else {}
        return {**self._fields, **text, **thoughts}
