"""The chunks of a streamed chat completion, put together to the completion that would have come at once.

For OpenAI's format and Mistral's: what is around the message is the same in both, what is in it is the business of
`openai_chat_stream` and `mistral_stream`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import to_json

from deluge_sync.deltas import ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deluge_sync._adapters.sse import ServerEvent
    from deluge_sync.deltas import StreamEvent
    from deluge_sync.sdk._base import Endpoint

__all__ = ["CallsSoFar", "ChunkAssembler", "MessageSoFar"]

_END = b"[DONE]"


class MessageSoFar(Protocol):
    """The message of one choice, which comes in deltas."""

    def add(self, delta: Any) -> Iterable[StreamEvent]:
        """Take in a delta, typed as the endpoint's chunks have it, and give what it brings."""
        ...

    def document(self) -> dict[str, Any]:
        """The message that all deltas so far make."""
        ...


class ChunkAssembler:
    """Joins the chunks of `endpoint`. Of several choices only the first is read, as no more are ever asked for."""

    def __init__(self, endpoint: Endpoint[Any, Any, Any], message: MessageSoFar) -> None:
        self.is_complete = False
        self.error: bytes | None = None
        self._endpoint = endpoint
        self._message = message
        self._top: dict[str, Any] = {}
        self._choice: dict[str, Any] | None = None
        self._logprobs: dict[str, list[Any]] = {}

    def add(self, event: ServerEvent) -> list[StreamEvent]:
        """The deltas of one event. Raises `ReplyFormatError` if it is no chunk."""
        if event.data.strip() in (b"", _END):
            self.is_complete = self.is_complete or event.data.strip() == _END
            return []
        chunk = self._endpoint.parse_event(event.data)
        if "error" in (event.event, chunk.object) or (chunk.model_extra or {}).get("error"):
            self.error = event.data
            return []
        self._top.update(chunk.model_dump(exclude_none=True, exclude={"choices", "object"}))
        first = next((choice for choice in chunk.choices or () if not choice.index), None)
        return list(self._add_choice(first)) if first is not None else []

    def document(self) -> bytes | None:
        """The completion so far."""
        if self._choice is None:
            return to_json({**self._top, "choices": []}) if "usage" in self._top else None
        message = self._message.document()
        choice = {"index": 0, **self._choice, "message": message, "logprobs": self._logprobs or None}
        return to_json({**self._top, "object": "chat.completion", "choices": [choice]})

    def _add_choice(self, choice: Any) -> Iterator[StreamEvent]:
        said = choice.model_dump(exclude_none=True, exclude={"delta", "logprobs"})
        self._choice = {**(self._choice or {}), **said}
        self.is_complete = self.is_complete or choice.finish_reason is not None
        for name, tokens in (choice.logprobs.model_dump(exclude_none=True) if choice.logprobs else {}).items():
            if isinstance(tokens, list):
                self._logprobs.setdefault(name, []).extend(tokens)
        if choice.delta is not None:
            yield from self._message.add(choice.delta)


class CallsSoFar:
    """The tool calls of one message, which may grow in turns."""

    def __init__(self) -> None:
        self._calls: list[_CallSoFar] = []

    def add(
        self, index: int | None, call_id: str | None, kind: str | None, name: str | None, arguments: str
    ) -> ToolCallDelta:
        """Take in a piece, and give what it brings. None is what the piece does not say."""
        place = self._place(index, call_id, name)
        is_new = place == len(self._calls)
        if is_new:
            self._calls.append(_CallSoFar(index, call_id or f"call_{place}", kind or "function"))
        call = self._calls[place]
        name = name if call.name is None else None
        call.name = name or call.name
        call.arguments.append(arguments)
        return ToolCallDelta(place, call.id if is_new else None, name, arguments)

    def documents(self) -> list[dict[str, Any]]:
        """The calls as a completion has them."""
        return [call.document() for call in self._calls]

    def _place(self, index: int | None, call_id: str | None, name: str | None) -> int:
        """Where a piece belongs. Some servers leave out the index, and some give all calls the same one."""
        places = [place for place, call in enumerate(self._calls) if index is not None and call.index == index]
        if places and not self._begins_another(places[-1], call_id, name):
            return places[-1]
        is_next = index is not None or not self._calls or call_id not in (None, self._calls[-1].id)
        return len(self._calls) - (not is_next)

    def _begins_another(self, place: int, call_id: str | None, name: str | None) -> bool:
        """Whether the piece has an id and a name of its own. With a new id alone some servers go on with a call."""
        return bool(call_id and name) and call_id != self._calls[place].id


@dataclass(slots=True)
class _CallSoFar:
    """A tool call that is still growing."""

    index: int | None
    id: str
    type: str
    name: str | None = None
    arguments: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        function = {"name": self.name or "", "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": self.type, "function": function}
