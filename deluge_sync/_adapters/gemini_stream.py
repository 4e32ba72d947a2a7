"""The pieces of a streamed Gemini answer, put together to the document that would have come at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from deluge_sync.deltas import ThinkingDelta, ToolCallDelta
from deluge_sync.prompt.dialects.gemini_reading import MADE_UP_ID
from deluge_sync.prompt.parts import compact_json
from deluge_sync.sdk import gemini

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deluge_sync._adapters.sse import ServerEvent
    from deluge_sync.deltas import StreamEvent

__all__ = ["PieceAssembler"]

# Each piece brings those of its own tokens or texts, where of all else the last word counts.
_GROWING = ("logprobsResult", "citationMetadata")
_TEXT_FIELDS = frozenset({"text", "thought"})


class PieceAssembler:
    """Joins pieces. Of several candidates only the first is read, because no more are ever asked for.

    A text goes on until a part of another kind comes, or one that carries a signature: that may end a text, but what
    comes after it is a part of its own, so that signatures stay where they belong. `first_call` is how many tool
    calls the conversation has, for the ids of those that come without one.
    """

    def __init__(self, first_call: int) -> None:
        self.is_complete = False
        self.error: bytes | None = None
        self._first_call = first_call
        self._calls = 0
        self._top: dict[str, Any] = {}
        self._candidate: dict[str, Any] | None = None
        self._parts: list[dict[str, Any]] = []
        self._texts: list[str] = []

    def add(self, event: ServerEvent) -> list[StreamEvent]:
        """The deltas of one event. Raises `ReplyFormatError` if it is no piece of an answer."""
        if not event.data.strip():
            return []
        piece = gemini.stream_generate_content.parse_event(event.data)
        if event.event == "error" or (piece.model_extra or {}).get("error"):
            self.error = event.data
            return []
        self._top.update(piece.model_dump(exclude_none=True, exclude={"candidates"}))
        self.is_complete = self.is_complete or bool(piece.prompt_feedback and piece.prompt_feedback.block_reason)
        first = next((candidate for candidate in piece.candidates or () if not candidate.index), None)
        return list(self._add_candidate(first)) if first is not None else []

    def document(self) -> bytes | None:
        """The reply so far."""
        if self._candidate is None:
            return to_json(self._top) if self._top.keys() & {"usageMetadata", "promptFeedback"} else None
        self._close_text()
        content = {"role": "model", "parts": self._parts}
        return to_json({**self._top, "candidates": [{**self._candidate, "content": content}]})

    def _add_candidate(self, candidate: gemini.Candidate) -> Iterator[StreamEvent]:
        said = candidate.model_dump(exclude_none=True, exclude={"content"})
        before = self._candidate or {}
        grown = {name: _joined(before.get(name), said[name]) for name in _GROWING if name in said}
        self._candidate = before | said | grown
        self.is_complete = self.is_complete or candidate.finish_reason is not None
        parts = candidate.content.parts if candidate.content is not None else None
        for part in parts or ():
            yield from self._add_part(part)

    def _add_part(self, part: gemini.Part) -> Iterator[StreamEvent]:
        said = part.model_dump(exclude_none=True)
        if self._continues(said):
            self._texts.append(said["text"])
            self._parts[-1] |= said
        else:
            self._close_text()
            self._parts.append(said)
            self._texts = [said["text"]] if "text" in said else []
        if part.text:
            yield ThinkingDelta(part.text) if part.thought else part.text
        if part.function_call is not None and part.function_call.name is not None and not part.thought:
            yield self._add_call(part.function_call)

    def _continues(self, said: Mapping[str, Any]) -> bool:
        """Whether a part is the next piece of the text before it, the signature at its end included."""
        if not self._parts or not said.get("text"):
            return False
        last = self._parts[-1]
        return (
            last.keys() <= _TEXT_FIELDS
            and "text" in last
            and said.keys() <= _TEXT_FIELDS | {"thoughtSignature"}
            and bool(last.get("thought")) == bool(said.get("thought"))
        )

    def _close_text(self) -> None:
        """Join the pieces of the last text at once: joined one by one, a long answer would be copied for each."""
        if len(self._texts) > 1:
            self._parts[-1]["text"] = "".join(self._texts)
            self._texts = [self._parts[-1]["text"]]

    def _add_call(self, call: gemini.FunctionCall) -> ToolCallDelta:
        """A call comes in one piece."""
        place = self._calls
        self._calls += 1
        call_id = call.id or f"{MADE_UP_ID}{self._first_call + place}"
        return ToolCallDelta(place, call_id, call.name, compact_json(call.args or {}))


def _joined(before: Mapping[str, Any] | None, said: Any) -> Any:
    """Two values of a field that grows: their lists one after the other, of all else the later."""
    if not isinstance(before, dict) or not isinstance(said, dict):
        return said
    return {
        **before,
        **{key: [*before[key], *value] if _are_lists(before.get(key), value) else value for key, value in said.items()},
    }


def _are_lists(first: object, second: object) -> bool:
    return isinstance(first, list) and isinstance(second, list)
