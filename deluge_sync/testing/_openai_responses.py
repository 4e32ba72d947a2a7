"""OpenAI's Responses API: created, at once, as a stream or in the background; looked up, cancelled and deleted.

Whether a request is acceptable is decided in `_openai_responses_checks`, what the model says in `_invent`, how that is
written in `_openai_responses_document` and `_openai_responses_stream`.
Source: https://platform.openai.com/docs/api-reference/responses and /docs/guides/background (read 2026-11).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._format import Draft, Refused, Route
from deluge_sync.testing._invent import OfferedTool, Question, speak
from deluge_sync.testing._openai_checks import unknown_model
from deluge_sync.testing._openai_files import document as reply_document
from deluge_sync.testing._openai_files import query
from deluge_sync.testing._openai_responses_checks import check_history, checked_response_request, items_of
from deluge_sync.testing._openai_responses_document import Saying, output_items, response_document, usage_of
from deluge_sync.testing._openai_responses_stream import stream_of
from deluge_sync.testing._reply import ErrorSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deluge_sync.testing._format import Call
    from deluge_sync.testing._store import BatchPace

__all__ = ["ROUTES", "create_response"]

_SHELF = "responses"
_NO_TOOL_SCHEMA: Mapping[str, Any] = MappingProxyType({"type": "object", "properties": {}})

Item = dict[str, Any]
Request = Mapping[str, Any]


@dataclass(slots=True)
class _Stored:
    """A response that is kept, with all items before it. `lock` guards what changes while it is in the background."""

    id: str
    history: Sequence[Item]
    document: Mapping[str, Any]
    pace: BatchPace | None
    polls: int = 0
    is_cancelled: bool = False
    started: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, *, counts: bool) -> dict[str, Any]:
        """The response as it is now. Looking brings one in the background on, if this look `counts`."""
        with self.lock:
            self.polls += counts
            if self.is_cancelled:
                return self._unfinished("cancelled")
            if self._share() >= 1:
                self.pace = None
                return dict(self.document)
            return self._unfinished("in_progress" if self.polls else "queued")

    def cancel(self) -> dict[str, Any]:
        """Stop it; one that has ended stays as it is."""
        with self.lock:
            self.is_cancelled = self.is_cancelled or self._share() < 1
        return self.look(counts=False)

    def _share(self) -> float:
        return self.pace.share(self.polls, time.monotonic() - self.started) if self.pace else 1.0

    def _unfinished(self, status: str) -> dict[str, Any]:
        nothing: Item = {"output": [], "usage": None, "error": None, "incomplete_details": None, "completed_at": None}
        return {**self.document, **nothing, "status": status}


# --- operations


def create_response(call: Call) -> Draft:
    """POST /v1/responses."""
    request = checked_response_request(call.incoming.body, ignore_unknown=call.ignore_unknown)
    if call.models is not None and request["model"] not in call.models:
        raise Refused(unknown_model(request["model"]))
    before = _history(call, request)
    history = [*before, *items_of(request)]
    check_history(history)
    question = _question(request, history)
    saying = Saying.of(request, speak(question, call.answer), call.answer, question.user_text)
    name, now = f"{call.sequence:08d}", int(time.time())
    output = [] if call.answer.no_choices else output_items(request, saying, name)
    usage = usage_of(request, before, saying, call.answer)
    document = response_document(request, output, usage, end=saying.speech.end, name=name, now=now)
    shown = _keep(call, request, history, document)
    raw = stream_of(document) if request.get("stream") else reply_document(shown).raw
    return Draft(raw, usage["input_tokens"], usage["output_tokens"], request.get("max_output_tokens"))


def _retrieve(call: Call) -> Draft:
    if query(call).get("stream") == "true":
        raise Refused(ErrorSpec(400, "a stored response cannot be streamed here", param="stream"))
    return reply_document(_found(call).look(counts=True))


def _cancel(call: Call) -> Draft:
    stored = _found(call)
    if not stored.document["background"]:
        raise Refused(ErrorSpec(400, "Cannot cancel a synchronous response.", param="response_id"))
    return reply_document(stored.cancel())


def _delete(call: Call) -> Draft:
    stored = _found(call)
    call.store.shelf(_SHELF).remove(stored.id)
    return reply_document({"id": stored.id, "object": "response", "deleted": True})


def _found(call: Call) -> _Stored:
    response_id = call.variables["response_id"]
    stored: _Stored | None = call.store.shelf(_SHELF).get(response_id)
    if stored is None:
        raise Refused(ErrorSpec(404, f"Response with id '{response_id}' not found.", param="response_id"))
    return stored


def _keep(call: Call, request: Request, history: Sequence[Item], document: Mapping[str, Any]) -> dict[str, Any]:
    """Store the response, unless the request does not want it; what it looks like at first."""
    if request.get("store") is False:
        return dict(document)
    waits = request.get("background") and not request.get("stream")
    pace = call.store.background_pace if waits else None
    stored = _Stored(document["id"], [*history, *document["output"]], document, pace)
    call.store.shelf(_SHELF).add(lambda _number: stored)
    return stored.look(counts=False)


def _history(call: Call, request: Request) -> Sequence[Item]:
    """The items of the response that this one follows on."""
    previous = request.get("previous_response_id")
    if previous is None:
        return ()
    stored: _Stored | None = call.store.shelf(_SHELF).get(previous)
    if stored is None:
        message = f"Previous response with id '{previous}' not found."
        raise Refused(ErrorSpec(400, message, code="previous_response_not_found", param="previous_response_id"))
    return stored.history


# --- what is asked


def _question(request: Request, history: Sequence[Item]) -> Question:
    asked_at = max((i for i, item in enumerate(history) if item.get("role") == "user"), default=-1)
    results = [item for item in history[asked_at + 1 :] if item.get("type") == "function_call_output"]
    allowed, must_call = _tool_choice(request.get("tool_choice") or "auto")
    form = (request.get("text") or {}).get("format") or {}
    return Question(
        user_text=_text_of(history[asked_at]["content"]) if asked_at >= 0 else "",
        tool_result=_text_of(results[-1]["output"]) if results else None,
        tools=tuple(_offered(request.get("tools") or (), allowed)),
        must_call=must_call and not results,
        schema=form["schema"] if form.get("type") == "json_schema" else None,
        wants_json=form.get("type") == "json_object",
        max_tokens=request.get("max_output_tokens"),
    )


def _tool_choice(choice: str | Mapping[str, Any]) -> tuple[Collection[str] | None, bool]:
    """The names of the tools that may be called (None: all), and whether one of them must be."""
    if isinstance(choice, str):
        return (() if choice == "none" else None), choice == "required"
    if choice.get("type") == "allowed_tools":
        return [tool.get("name") for tool in choice["tools"]], choice.get("mode") == "required"
    return ([choice["name"]], True) if choice.get("type") == "function" else ((), False)


def _offered(tools: Sequence[Mapping[str, Any]], allowed: Collection[str] | None) -> Iterator[OfferedTool]:
    """The functions among the tools. Built-in ones are never used."""
    for tool in tools:
        if tool["type"] == "function" and (allowed is None or tool["name"] in allowed):
            yield OfferedTool(tool["name"], tool.get("parameters") or _NO_TOOL_SCHEMA)


def _text_of(content: str | list[Item]) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content if part.get("text"))


ROUTES = (
    Route("POST", "/v1/responses/{response_id}/cancel", _cancel, is_limited=False),
    Route("GET", "/v1/responses/{response_id}", _retrieve),
    Route("DELETE", "/v1/responses/{response_id}", _delete),
)
