"""A finished response as the stream of events in which OpenAI would have sent it.

Source: https://platform.openai.com/docs/api-reference/responses-streaming (read 2026-11).
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._reply import Raw
from deluge_sync.testing._tokens import split_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["stream_of"]

Item = dict[str, Any]
Event = tuple[str, Item]

_EVENTS = MappingProxyType({"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"})


def stream_of(document: Mapping[str, Any]) -> Raw:
    """The events of the response in `document`, one HTTP chunk each. There is no `[DONE]`."""
    return Raw(200, _EVENTS, tuple(_written(number, *event) for number, event in enumerate(_events(document))))


def _written(number: int, kind: str, fields: Mapping[str, Any]) -> bytes:
    kind = kind if kind == "error" else f"response.{kind}"
    return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number, **fields})}\n\n".encode()


def _events(document: Mapping[str, Any]) -> Iterator[Event]:
    begun = {**document, "output": [], "usage": None, "error": None, "incomplete_details": None, "completed_at": None}
    waits = bool(document["background"])
    yield "created", {"response": {**begun, "status": "queued" if waits else "in_progress"}}
    if waits:
        yield "queued", {"response": {**begun, "status": "queued"}}
    yield "in_progress", {"response": {**begun, "status": "in_progress"}}
    for index, item in enumerate(document["output"]):
        yield from _item_events(index, item)
    yield document["status"], {"response": document}


def _item_events(index: int, item: Item) -> Iterator[Event]:
    growing = _GROWING[item["type"]]
    empty = {name: type(item[name])() for name in ("content", "summary", "arguments") if name in item}
    status = {"status": "in_progress"} if "status" in item else {}
    yield "output_item.added", {"output_index": index, "item": {**item, **empty, **status}}
    yield from growing({"item_id": item["id"], "output_index": index}, item)
    yield "output_item.done", {"output_index": index, "item": item}


def _message_events(place: Item, item: Item) -> Iterator[Event]:
    for index, part in enumerate(item["content"]):
        at = {**place, "content_index": index}
        field = "text" if part["type"] == "output_text" else "refusal"
        beside: Item = {"logprobs": []} if field == "text" else {}
        yield "content_part.added", {**at, "part": {**part, field: "", **beside}}
        for number, piece in enumerate(split_tokens(part[field])):
            yield f"{part['type']}.delta", {**at, "delta": piece, **_logprob(part, number)}
        told = {"logprobs": [_short(token) for token in part["logprobs"]]} if field == "text" else {}
        yield f"{part['type']}.done", {**at, field: part[field], **told}
        yield "content_part.done", {**at, "part": part}


def _logprob(part: Item, number: int) -> Item:
    """The log-probability of one token; events tell it without its bytes."""
    if part["type"] != "output_text":
        return {}
    return {"logprobs": [_short(token) for token in part["logprobs"][number : number + 1]]}


def _short(token: Item) -> Item:
    top = [{"token": other["token"], "logprob": other["logprob"]} for other in token["top_logprobs"]]
    return {"token": token["token"], "logprob": token["logprob"], "top_logprobs": top}


def _call_events(place: Item, item: Item) -> Iterator[Event]:
    for piece in split_tokens(item["arguments"]):
        yield "function_call_arguments.delta", {**place, "delta": piece}
    yield "function_call_arguments.done", {**place, "name": item["name"], "arguments": item["arguments"]}


def _reasoning_events(place: Item, item: Item) -> Iterator[Event]:
    for index, part in enumerate(item["summary"]):
        at = {**place, "summary_index": index}
        yield "reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
        for piece in split_tokens(part["text"]):
            yield "reasoning_summary_text.delta", {**at, "delta": piece}
        yield "reasoning_summary_text.done", {**at, "text": part["text"]}
        yield "reasoning_summary_part.done", {**at, "part": part}


_GROWING: Mapping[str, Callable[[Item, Item], Iterator[Event]]] = MappingProxyType(
    {"message": _message_events, "function_call": _call_events, "reasoning": _reasoning_events}
)
