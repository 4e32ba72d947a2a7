"""The events of a streamed message: what they bring, and the message they add up to, also where a stream is odd."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deluge_sync._adapters.anthropic_stream import EventAssembler
from deluge_sync._adapters.sse import ServerEvent
from deluge_sync.deltas import ThinkingDelta, ToolCallDelta
from deluge_sync.errors import ReplyFormatError

START = {"message": {"id": "msg_1", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}}}


def event(kind: str, **data: Any) -> ServerEvent:
    return ServerEvent(kind, json.dumps({"type": kind, **data}).encode())


def block(first: dict[str, Any], *deltas: dict[str, Any], index: int = 0) -> list[ServerEvent]:
    pieces = [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return [event("content_block_start", index=index, content_block=first), *pieces]


def read(*events: ServerEvent) -> tuple[list[Any], Any, EventAssembler]:
    assembler = EventAssembler()
    deltas = [delta for item in (event("message_start", **START), *events) for delta in assembler.add(item)]
    return deltas, json.loads(assembler.document() or b"null"), assembler


def test_calls_are_counted_apart_from_the_other_blocks() -> None:
    deltas, message, _ = read(
        *block({"type": "text", "text": "Hm"}),
        *block({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, index=1),
        event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"query":"x"}'}),
        *block({"type": "tool_use", "id": "a", "name": "f", "input": {}}, index=2),
        event("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": '{"b":1}'}),
        *block({"type": "tool_use", "id": "c", "name": "g", "input": {}}, index=3),
    )
    assert deltas == [
        "Hm",
        ToolCallDelta(0, "a", "f"),
        ToolCallDelta(0, arguments='{"b":1}'),
        ToolCallDelta(1, "c", "g"),
    ]
    assert [item.get("input") for item in message["content"]] == [None, {"query": "x"}, {"b": 1}, {}]


def test_a_call_that_breaks_off_keeps_what_came_of_its_arguments() -> None:
    first = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    _, message, _ = read(*block(first, {"type": "input_json_delta", "partial_json": '{"city": "Os'}))
    assert message["content"][0]["input"] == '{"city": "Os'


def test_thoughts_signature_and_citations_are_put_together() -> None:
    place = {"type": "page_location", "cited_text": "x", "document_index": 0, "document_title": None}
    deltas, message, _ = read(
        *block(
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Two "},
            {"type": "thinking_delta", "thinking": "two."},
            {"type": "signature_delta", "signature": "c2"},
            {"type": "signature_delta", "signature": "ln"},
        ),
        *block(
            {"type": "text", "text": "", "citations": []},
            {"type": "citations_delta", "citation": place},
            {"type": "text_delta", "text": "It is x."},
            {"type": "citations_delta", "citation": {**place, "cited_text": "y"}},
            index=1,
        ),
    )
    assert deltas == [ThinkingDelta("Two "), ThinkingDelta("two."), "It is x."]
    assert message["content"] == [
        {"type": "thinking", "thinking": "Two two.", "signature": "c2ln"},
        {"type": "text", "text": "It is x.", "citations": [place, {**place, "cited_text": "y"}]},
    ]


def test_later_counts_replace_earlier_ones_and_nulls_replace_nothing() -> None:
    _, message, assembler = read(
        event("ping"),
        event("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 3}),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"input_tokens": None, "output_tokens": 9}),
    )
    assert message["usage"] == {"input_tokens": 5, "output_tokens": 9}
    assert message["stop_reason"] == "end_turn"
    assert assembler.is_complete


def test_without_a_reason_or_an_end_it_is_not_complete() -> None:
    assert not read(*block({"type": "text", "text": "Hm"}))[2].is_complete
    assert not read(event("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 3}))[2].is_complete
    assert read(event("message_stop"))[2].is_complete


def test_news_of_a_later_version_are_kept() -> None:
    deltas, message, _ = read(
        event("brand_new", index=9),
        *block({"type": "hologram", "shape": "cu"}, {"type": "hologram_delta", "shape": "be", "size": 3}),
        event("message_delta", delta={"stop_reason": "end_turn"}, context_management={"edits": [1]}),
    )
    assert deltas == []
    assert message["content"] == [{"type": "hologram", "shape": "cube", "size": 3}]
    assert message["context_management"] == {"edits": [1]}


@pytest.mark.parametrize(
    "data",
    [{"type": "error", "error": {"type": "api_error"}}, {"error": {"message": "busy"}}],
    ids=["theirs", "a proxy's"],
)
def test_an_error_in_the_place_of_the_rest_is_kept_for_the_classifier(data: Any) -> None:
    raw = json.dumps(data).encode()
    assert read(ServerEvent(None, raw))[2].error == raw


def test_an_event_without_a_type_is_told_by_its_name() -> None:
    data = json.dumps({"index": 0, "delta": {"type": "text_delta", "text": "Hi"}}).encode()
    assert read(ServerEvent("content_block_delta", data))[0] == ["Hi"]


def test_pieces_without_a_beginning_are_no_answer() -> None:
    assembler = EventAssembler()
    assert assembler.add(event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi"})) == []
    assert assembler.document() is None


def test_what_is_no_event_is_an_error_of_its_own() -> None:
    with pytest.raises(ReplyFormatError):
        EventAssembler().add(ServerEvent(None, b"{"))
