"""The events of a streamed response, put together to the response that would have come at once.

The last event repeats the whole response, and that is what counts; what came before is put together only for the case
that the stream breaks off. Events of built-in tools are passed over: their items come whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from deluge_sync.deltas import ThinkingDelta, ToolCallDelta
from deluge_sync.sdk import openai

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deluge_sync._adapters.sse import ServerEvent
    from deluge_sync.deltas import StreamEvent

__all__ = ["EventAssembler"]

_END: Final = b"[DONE]"
_PARAGRAPH: Final = "\n\n"
# Where the pieces of a text belong: the list of its item, and the fields of the part in it.
_PLACES: Final[Mapping[str, tuple[str, str, str]]] = {
    "text": ("content", "output_text", "text"),
    "refusal": ("content", "refusal", "refusal"),
    "summary": ("summary", "summary_text", "text"),
    "thought": ("content", "reasoning_text", "text"),
}


class EventAssembler:
    """Joins the events of one response."""

    def __init__(self) -> None:
        self.is_complete = False
        self.error: bytes | None = None
        self._response: dict[str, Any] = {}
        self._items: dict[int, dict[str, Any]] = {}
        self._pieces: dict[tuple[int, str, int], list[str]] = {}
        self._calls: dict[int, int] = {}

    def add(self, event: ServerEvent) -> list[StreamEvent]:
        """The deltas of one event. Raises `ReplyFormatError` if it is none."""
        if event.data.strip() in (b"", _END):
            return []
        told = openai.create_response.parse_event(event.data)
        if isinstance(told, openai.ResponseErrorEvent) or event.event == "error" or _says_error(told):
            self.error = event.data
            return []
        return list(self._add(told))

    def document(self) -> bytes | None:
        """The response so far."""
        items = self._response.get("output") or [self._item(place) for place in sorted(self._items)]
        if not (self.is_complete or items):
            return None
        status = {} if self.is_complete else {"status": "incomplete"}
        return to_json({**self._response, "output": items, **status})

    def _add(self, told: openai.ResponseEvent) -> Iterator[StreamEvent]:
        match told:
            case openai.ResponseCreated() | openai.ResponseQueued() | openai.ResponseInProgress():
                self._response = told.response.model_dump(exclude_unset=True)
            case openai.ResponseCompleted() | openai.ResponseIncomplete() | openai.ResponseFailed():
                self._response = told.response.model_dump(exclude_unset=True)
                self.is_complete = True
            case openai.ResponseItemAdded() | openai.ResponseItemDone():
                yield from self._add_item(told)
            case openai.ResponseTextDelta():
                self._join(told.output_index, "text", told.content_index, told.delta)
                yield from filter(None, [told.delta])
            case openai.ResponseRefusalDelta():
                self._join(told.output_index, "refusal", told.content_index, told.delta)
            case openai.ResponseSummaryDelta():
                yield from self._think(told.output_index, "summary", told.summary_index, told.delta)
            case openai.ResponseReasoningTextDelta():
                yield from self._think(told.output_index, "thought", told.content_index, told.delta)
            case openai.ResponseArgumentsDelta():
                self._join(told.output_index, "arguments", 0, told.delta)
                if told.output_index in self._calls and told.delta:
                    yield ToolCallDelta(self._calls[told.output_index], arguments=told.delta)

    def _add_item(self, told: openai.ResponseItemAdded | openai.ResponseItemDone) -> Iterator[StreamEvent]:
        place, item = told.output_index, told.item.model_dump(exclude_unset=True)
        self._items[place] = item
        if isinstance(told.item, openai.ResponseFunctionCall):
            yield from self._add_call(place, told.item)
        if isinstance(told, openai.ResponseItemDone):
            self._pieces = {key: pieces for key, pieces in self._pieces.items() if key[0] != place}

    def _add_call(self, place: int, call: openai.ResponseFunctionCall) -> Iterator[ToolCallDelta]:
        """A call that begins; also what of its arguments was not told piece by piece."""
        is_new = place not in self._calls
        number = self._calls.setdefault(place, len(self._calls))
        untold = "" if self._pieces.get((place, "arguments", 0)) and not is_new else call.arguments
        if is_new:
            yield ToolCallDelta(number, call.call_id, call.name, untold)
        elif untold:
            yield ToolCallDelta(number, arguments=untold)
        if untold:
            self._join(place, "arguments", 0, untold)

    def _think(self, place: int, kind: str, index: int | None, delta: str) -> Iterator[StreamEvent]:
        is_next = bool(index) and (place, kind, index or 0) not in self._pieces
        self._join(place, kind, index, delta)
        if delta:
            yield ThinkingDelta(_PARAGRAPH + delta if is_next else delta)

    def _join(self, place: int, kind: str, index: int | None, piece: str) -> None:
        self._pieces.setdefault((place, kind, index or 0), []).append(piece)
        if place not in self._items:
            kinds = {"text": "message", "refusal": "message", "arguments": "function_call"}
            self._items[place] = {"type": kinds.get(kind, "reasoning")}

    def _item(self, place: int) -> dict[str, Any]:
        """An item with the pieces that came since it began."""
        item = dict(self._items[place])
        grown = {key: "".join(pieces) for key, pieces in sorted(self._pieces.items()) if key[0] == place}
        for (_, kind, _), text in grown.items():
            if kind == "arguments":
                item["arguments"] = text
                continue
            parts, type_, field = _PLACES[kind]
            known = item.get(parts)
            item[parts] = [*(known if isinstance(known, list) else ()), {"type": type_, field: text}]
        return {"role": "assistant", **item} if item.get("type") == "message" else item


def _says_error(told: openai.ResponseEvent) -> bool:
    return bool((told.model_extra or {}).get("error"))
