"""What every adapter keeps to, whatever its wire format. The expected values are in `cases/<adapter>.json`."""

from __future__ import annotations

import base64
import copy
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from deluge_sync._adapters.call import ModelReply
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.deltas import ThinkingDelta, ToolCallDelta
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, Image, Message, Text, ToolCall
from deluge_sync.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sum(BaseModel):
    total: int


WEATHER = Tool(
    "weather",
    "The weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
)
SEARCH = Tool("search", None, {"type": "object", "properties": {"words": {"type": "string"}}})
DEGREES = {"type": "number"}
WEATHER_CALLS = Message(
    "assistant",
    [
        ToolCall.from_text("a", "weather", '{"city":"Oslo"}'),
        ToolCall.from_text("b", "weather", '{"city": "Rome" }'),  # spaces and all: the prompt cache wants it unchanged
    ],
)

# 1 x 1 pixel, and the smallest document that is told by its first bytes.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4 %%EOF"

CALLS: dict[str, dict[str, Any]] = {
    "text": {"prompt": Conversation.user("What is 2 + 2?")},
    "systems": {
        "prompt": Conversation.system("Be brief.").user("Hello").ai("Bonjour").system("Now in German.").user("Hello")
    },
    "tools": {"prompt": Conversation.user("Weather?"), "tools": [WEATHER, SEARCH]},
    "lax_tools": {
        "prompt": Conversation.user("Weather?"),
        "tools": [WEATHER],
        "params": {"strict_tools": False},
    },
    "tool_results": {
        "prompt": Conversation.user("Weather?")
        .add(WEATHER_CALLS)
        .with_tool_result("a", {"degrees": -3})
        .with_tool_result("b", "sunny")
    },
    "schema_class": {"output_schema": Sum},
    "schema_dict": {
        "output_schema": {"title": "My sum!", "type": "object", "properties": {"total": {"type": "integer"}}}
    },
    "json_mode": {"params": {"json_mode": True}},
    "logprobs": {"params": {"logprobs": True, "top_logprobs": 3}},
    "without_sampling": {"model": {"accepts_sampling": False}},
    "reasoning_effort": {"params": {"reasoning_effort": "high"}},
    "service_tier": {"service_tier": "flex"},
    "image": {"prompt": Conversation.user("What is it?", image=PNG)},
    "image_url": {"prompt": Conversation([Message.user("What is it?").with_image("https://pictures.test/a.png")])},
    "pdf": {"prompt": Conversation([Message.user("Sum up.").with_file(PDF, filename="a.pdf")])},
    "tool_result_image": {
        "prompt": Conversation.user("Draw.")
        .add(Message("assistant", [ToolCall("a", "draw", {})]))
        .with_tool_result("a", [Text("Here it is."), Image(PNG)])
    },
    "failed_tool": {
        "prompt": Conversation.user("Weather?")
        .add(Message("assistant", [ToolCall("a", "weather", {"city": "Oslo"})]))
        .with_tool_result("a", "no such city", is_error=True)
    },
    "thinking_budget": {"params": {"thinking_budget": 3_000}},
    "seed_and_stop": {"params": {"seed": 7, "stop": ("END", "FIN")}},
    "extra_body": {"body": {"seed": 8, "brand_new": {"on": True}}},
    "stream": {"is_streamed": True},
}
STREAMS = ("text", "thinking", "tool_calls", "cached_usage", "length", "refusal", "error", "error_after_text")
REPLIES = (
    "text",
    "empty_text",
    "thinking",
    "tool_calls",
    "malformed_arguments",
    "unknown_tool_call",
    "length",
    "refusal",
    "content_filter",
    "cached_usage",
    "logprobs",
    "says_more",
    "hollow",
    "hollow_unpaid",
    "hollow_paid",
    "error_200",
    "error_beside_answer",
    "lasting_error_beside_answer",
)


def told(outcome: ModelReply | Failure) -> dict[str, Any]:
    """What an outcome says, as the tables write it."""
    if isinstance(outcome, Failure):
        return {"is_answer": False, "failure": outcome.kind.value, "failure_message": outcome.message}
    content, usage, failure = outcome.content, outcome.usage, outcome.failure
    return {
        "is_answer": True,
        "text": content.text,
        "completion": content.completion,
        "thinking": content.thinking,
        "refusal": content.refusal,
        "parts": [type(part).__name__ for part in content.parts],
        "tool_calls": [[call.id, call.name, dict(call.arguments)] for call in content.tool_calls],
        "arguments_texts": [call.arguments_text for call in content.tool_calls],
        "usage": usage and [usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens],
        "finish_reason": outcome.finish_reason,
        "model": outcome.model_external,
        "id": outcome.response_id,
        "service_tier": outcome.service_tier,
        "logprobs": outcome.logprobs,
        "failure": failure and failure.kind.value,
        "failure_message": failure and failure.message,
        "has_raw": outcome.raw is not None,
    }


# --- requests


@pytest.mark.parametrize("name", CALLS)
def test_the_call_is_written_in_the_format(adapter_case: Any, name: str) -> None:
    if name in adapter_case.table.get("refuses", {}):
        with pytest.raises(ConfigError, match=adapter_case.table["refuses"][name]):
            adapter_case.build(**CALLS[name])
        return
    expected = adapter_case.row("requests", name)
    request = adapter_case.build(**CALLS[name])
    url = adapter_case.table["stream_url" if name == "stream" else "url"]
    assert (request.method, request.url) == ("POST", url)
    assert json.loads(request.body) == expected


def test_the_key_is_in_its_header_and_in_no_repr(adapter_case: Any) -> None:
    name, value = adapter_case.table["key"]
    call = adapter_case.call(headers={"X-Gateway-Key": "gateway-key-1"})
    request = adapter_case.adapter.build_request(call)
    assert request.headers[name].reveal() == value
    assert request.headers["X-Gateway-Key"].reveal() == "gateway-key-1"
    assert "sk-test-key" not in repr((request, call))
    assert "gateway-key-1" not in repr((request, call))


def test_without_a_key_no_key_header_is_sent(adapter_case: Any) -> None:
    assert adapter_case.table["key"][0] not in adapter_case.build(key=None).headers


def test_an_extra_header_takes_the_place_of_ours_whatever_its_case(adapter_case: Any) -> None:
    name = adapter_case.table["key"][0]
    headers = adapter_case.build(headers={name.upper(): "mine"}).headers
    assert [(key, value.reveal()) for key, value in headers.items() if key.lower() == name.lower()] == [
        (name.upper(), "mine")
    ]


CHANGES: dict[str, dict[str, Any]] = {
    "prompt": {"prompt": Conversation.user("Something else")},
    "sampling": {"params": SamplingParams(temperature=1.0, top_p=0.5, max_new_tokens=7)},
    "key": {"api_key": Secret("sk-another-key")},
    "no key": {"api_key": None},
    "streamed": {"is_streamed": True},
}


@pytest.mark.parametrize("changed", [*CHANGES, "model", "extras"])
def test_what_was_written_for_one_call_is_in_no_other(adapter_case: Any, changed: str) -> None:
    """Calls share what they say beside their prompts, and may have it written once."""
    call = adapter_case.call(tools=[], headers={"x-a": "b"})
    apart: dict[str, dict[str, Any]] = {
        "model": {"model": replace(call.model, name="another-model")},
        "extras": {"extras": replace(call.extras, headers={"x-a": "c"}, body={"seed": 7})},
    }
    other = replace(call, **{**CHANGES, **apart}[changed])
    alone = replace(other, extras=replace(other.extras))

    for _ in range(2):
        adapter_case.adapter.build_request(call)
        request, expected = map(adapter_case.adapter.build_request, (other, alone))
        assert revealed(request) == revealed(expected)
    assert revealed(request) != revealed(adapter_case.adapter.build_request(call))


def revealed(request: Any) -> tuple[object, ...]:
    headers = {name: value.reveal() if isinstance(value, Secret) else value for name, value in request.headers.items()}
    return request.method, request.url, headers, request.body


def test_refused_sampling_is_warned_of_once_a_model_however_many_threads(
    adapter_case: Any, caplog: pytest.LogCaptureFixture
) -> None:
    barrier, once, too = Barrier(8), f"once-{adapter_case.model.api_spec}", f"too-{adapter_case.model.api_spec}"

    def build(_: int) -> None:
        barrier.wait()
        for _ in range(20):
            adapter_case.build(model={"id": once, "accepts_sampling": False}, params={"top_p": 0.9})

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as pool:
        list(pool.map(build, range(8)))
    assert [record.getMessage() for record in caplog.records] == [
        f"not sent to {once}, which does not take it: temperature, top_p"
    ]
    adapter_case.build(model={"id": too, "accepts_sampling": False}, params={"top_p": 0.9})
    assert len(caplog.records) == 2


def test_leaving_out_what_changes_nothing_is_not_warned_of(adapter_case: Any, caplog: pytest.LogCaptureFixture) -> None:
    params = {"temperature": 1.0, "top_p": 1.0, "reasoning_effort": "none"}
    body = adapter_case.body(params=params, model={"id": "quiet", "accepts_sampling": False, "reasoning_control": None})
    assert body == adapter_case.table["requests"]["without_sampling"]
    assert not caplog.records


@pytest.mark.parametrize(
    ("lacking", "params", "told_of"),
    [
        ({"supports_json": False}, {"json_mode": True}, "json_mode"),
        ({"supports_logprobs": False}, {"logprobs": True, "top_logprobs": 2}, "logprobs, top_logprobs"),
        ({"reasoning_control": None}, {"reasoning_effort": "low"}, "reasoning_effort"),
    ],
)
def test_what_the_model_lacks_is_left_out_with_one_warning(
    adapter_case: Any, lacking: dict[str, Any], params: dict[str, Any], told_of: str, caplog: pytest.LogCaptureFixture
) -> None:
    model_id = f"without-{next(iter(lacking))}-{adapter_case.model.api_spec}"
    plain = adapter_case.body()
    for _ in range(3):
        assert adapter_case.body(model={"id": model_id, **lacking}, params=params) == plain
    assert [record.getMessage() for record in caplog.records] == [
        f"not sent to {model_id}, which does not take it: {told_of}"
    ]


def test_an_output_schema_for_a_model_that_keeps_to_none_is_refused_before_it_costs(adapter_case: Any) -> None:
    with pytest.raises(ConfigError, match=r"model 'contract-\w+' cannot hold its answers to an output_schema"):
        adapter_case.build(model={"supports_schema": False}, output_schema=Sum)


def test_a_tool_that_is_none_is_refused(adapter_case: Any) -> None:
    with pytest.raises(ConfigError, match="a tool is a Tool or a dict in the provider's form, not None"):
        adapter_case.build(tools=[None])


def test_a_tool_that_cannot_be_strict_leaves_a_debug_line(adapter_case: Any, caplog: pytest.LogCaptureFixture) -> None:
    name = f"find-{adapter_case.model.api_spec}"  # what is written once may be kept
    with caplog.at_level(logging.DEBUG, "deluge_sync"):
        adapter_case.build(tools=[WEATHER, Tool(name, None, {"type": "object", "additionalProperties": DEGREES})])
    assert f"tool {name} is sent without strict, which its schema does not allow" in caplog.messages


HALF = "half a \ud83d character"
CLOSED: dict[str, Any] = {"type": "object", "required": ["a"], "additionalProperties": False}
DEEP: Any = {"type": "string"}
for _ in range(1_000):
    DEEP = {**CLOSED, "properties": {"a": DEEP}}
ENDLESS = {**CLOSED, "properties": {}}
ENDLESS["properties"]["a"] = ENDLESS


UNSPEAKABLE: dict[str, dict[str, Any]] = {
    "half a character": {"prompt": Conversation.user(HALF)},
    "half a character in a system text": {"prompt": Conversation.system(HALF).user("Hi")},
    "half a character in an argument": {"prompt": Conversation([Message.ai().with_tool_call("1", "f", {"a": HALF})])},
    "half a character in its name": {"prompt": Conversation([Message.ai().with_tool_call("1", "f", {HALF: 1})])},
    "5,001 digits": {"prompt": Conversation([Message.ai().with_tool_call("1", "f", {"a": 10**5_000})])},
    "an object": {"prompt": Conversation([Message.ai().with_tool_call("1", "f", {"a": object()})])},
    "half a character in a tool": {"tools": [Tool("f", HALF)]},
    "half a character in a schema": {"output_schema": {"type": "object", "description": HALF}},
    "an object in a schema": {"output_schema": {"type": "object", "const": object()}},
    "a deep schema": {"output_schema": DEEP},
    "an endless schema": {"output_schema": ENDLESS},
}


@pytest.mark.parametrize("said", UNSPEAKABLE.values(), ids=UNSPEAKABLE)
def test_what_json_cannot_say_is_a_config_error_of_that_prompt(adapter_case: Any, said: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cannot be written") as caught:
        adapter_case.build(**said)
    assert str(caught.value).isascii()


def test_a_conversation_comes_through_its_own_reply_again(adapter_case: Any) -> None:
    """An answer with tool calls, arguments malformed or not, can be sent back as part of the next prompt."""
    for name in ("text", "tool_calls", "malformed_arguments", "unknown_tool_call"):
        if name in adapter_case.table.get("cannot", {}):
            continue
        reply = adapter_case.read(adapter_case.table["replies"][name]["body"])
        prompt = Conversation.user("Hi").add(reply.content).user("Go on")
        assert adapter_case.body(prompt) is not None


def test_no_prompt_key_or_header_is_logged(adapter_case: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        adapter_case.build(
            Conversation.system("the prompt itself").user("the prompt itself"),
            model={"id": "silent", "accepts_sampling": False},
            headers={"X-Gateway-Key": "gateway-key-1"},
            tools=[SEARCH],
        )
        adapter_case.read(adapter_case.table["replies"]["text"]["body"])
    for secret in ("the prompt itself", "sk-test-key", "gateway-key-1", "Four."):
        assert secret not in caplog.text


# --- replies


@pytest.mark.parametrize("name", REPLIES)
def test_the_reply_is_read(adapter_case: Any, name: str) -> None:
    row = adapter_case.row("replies", name)
    seen = told(adapter_case.read(row["body"]))
    assert {key: seen[key] for key in row["expect"]} == row["expect"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "truncated"),
        (b'{"id": "x", "ch', "truncated"),
        (b"<!DOCTYPE html><html><title>Just a moment</title></html>", "server"),
        (b"upstream connect error", "server"),
        (b"\xff\xfe\x00", "server"),
        (b"NaN", "malformed"),
        (b"null", "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (b"[" * 100_000 + b"]" * 100_000, "malformed"),
        (b'{"id": ' + b"9" * 5_000 + b"}", "malformed"),
    ],
    ids=["empty", "half", "page", "text", "no text", "NaN", "null", "list", "object", "deep", "digits"],
)
def test_a_success_that_is_no_answer_fails_by_its_kind(adapter_case: Any, body: bytes, kind: str) -> None:
    failure = adapter_case.read(body)
    assert isinstance(failure, Failure)
    assert (failure.kind.value, failure.status) == (kind, 200)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, "bad_request"),
        (307, "bad_request"),
        (400, "bad_request"),
        (401, "auth"),
        (404, "model_not_found"),
        (429, "rate_limit"),
        (500, "server"),
        (529, "overloaded"),
    ],
)
def test_an_answer_behind_another_status_is_not_taken_for_one(adapter_case: Any, status: int, kind: str) -> None:
    failure = adapter_case.read(adapter_case.table["replies"]["text"]["body"], status=status)
    assert isinstance(failure, Failure)
    assert (failure.kind.value, failure.status) == (kind, status)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"Fo\xffr.", "Fo\ufffdr."),
        (b"Fo\\ud83dr.", "Fo?r."),
        (b"F\\ud83d\\ude00r", "F\U0001f600r"),
        (b"F\\u0000", "F\0"),
    ],
)
def test_a_paid_answer_is_not_lost_for_a_broken_character(adapter_case: Any, sent: bytes, read: str) -> None:
    body = json.dumps(adapter_case.table["replies"]["text"]["body"]).encode()
    assert told(adapter_case.read(body.replace(b"Four.", sent)))["text"] == read


def test_a_byte_order_mark_is_passed_over(adapter_case: Any) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(adapter_case.table["replies"]["text"]["body"]).encode()
    assert told(adapter_case.read(body))["text"] == "Four."


def places(document: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from places(value, (*place, key))


def with_value(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    changed = copy.deepcopy(document)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return changed


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def assert_sound(outcome: ModelReply | Failure) -> None:
    assert isinstance(outcome, ModelReply | Failure)
    failure = outcome if isinstance(outcome, Failure) else outcome.failure
    assert failure is None or (len(failure.message) <= 500 and failure.message.isprintable())
    if isinstance(outcome, ModelReply):
        json.dumps([told(outcome), outcome.raw])
        assert outcome.usage is None or min(told(outcome)["usage"]) >= 0


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(adapter_case: Any, body: bytes) -> None:
    assert_sound(adapter_case.read(body))


@settings(max_examples=100, deadline=None)
@given(document=json_values)
def test_no_document_makes_the_reader_raise(adapter_case: Any, document: Any) -> None:
    assert_sound(adapter_case.read(document))


@settings(max_examples=400, deadline=None)
@given(data=st.data(), value=json_values)
def test_no_change_of_a_real_reply_makes_the_reader_raise(adapter_case: Any, data: st.DataObject, value: Any) -> None:
    told_of = [name for name in REPLIES if name not in adapter_case.table.get("cannot", {})]
    document = adapter_case.table["replies"][data.draw(st.sampled_from(told_of))]["body"]
    place = data.draw(st.sampled_from(list(places(document))))
    assert_sound(adapter_case.read(with_value(document, place, value)))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_cut_reply_is_truncated(adapter_case: Any, data: st.DataObject) -> None:
    body = json.dumps(adapter_case.table["replies"]["text"]["body"]).encode()
    failure = adapter_case.read(body[: data.draw(st.integers(0, len(body) - 1))])
    assert isinstance(failure, Failure)
    assert failure.kind.value == "truncated"


# --- streams


def joined(deltas: list[Any]) -> dict[str, Any]:
    """What the deltas say when they are put together."""
    calls: dict[int, list[str]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            call = calls.setdefault(delta.index, ["", "", ""])
            call[0] += delta.id or ""
            call[1] += delta.name or ""
            call[2] += delta.arguments
    return {
        "text": "".join(delta for delta in deltas if isinstance(delta, str)),
        "thinking": "".join(delta.text for delta in deltas if isinstance(delta, ThinkingDelta)) or None,
        "tool_calls": [[call[0], call[1], json.loads(call[2] or "{}")] for _, call in sorted(calls.items())],
    }


@pytest.mark.parametrize("name", STREAMS)
def test_the_stream_is_read(adapter_case: Any, name: str) -> None:
    body, expect = adapter_case.stream_body(name), adapter_case.row("streams", name)["expect"]
    deltas, outcome = adapter_case.read_stream([body])
    seen = told(outcome)
    assert {key: seen[key] for key in expect} == expect
    if isinstance(outcome, ModelReply):
        said = joined(deltas)
        assert {key: said[key] for key in said.keys() & expect} == {key: expect[key] for key in said.keys() & expect}


@pytest.mark.parametrize("name", ["text", "tool_calls"])
def test_deltas_come_in_more_than_one_piece_and_none_is_empty(adapter_case: Any, name: str) -> None:
    deltas, _ = adapter_case.read_stream([adapter_case.stream_body(name)])
    assert len(deltas) > 1
    assert all(deltas)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_wherever_a_stream_is_split_it_says_the_same(adapter_case: Any, data: st.DataObject) -> None:
    told_of = [name for name in STREAMS if name not in adapter_case.table.get("cannot", {})]
    body = adapter_case.stream_body(data.draw(st.sampled_from(told_of)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    deltas, outcome = adapter_case.read_stream(pieces)
    whole_deltas, whole_outcome = adapter_case.read_stream([body])
    assert (deltas, told(outcome)) == (whole_deltas, told(whole_outcome))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_stream_that_breaks_off_keeps_the_text_so_far_and_is_a_failure(
    adapter_case: Any, data: st.DataObject
) -> None:
    body = adapter_case.stream_body("text")
    broken = Failure(FailureKind.CONNECT, "the reply broke off")
    deltas, outcome = adapter_case.read_stream([body[: data.draw(st.integers(0, len(body)))]], broken=broken)
    said = joined(deltas)["text"]
    assert "Four.".startswith(said)
    seen = told(outcome)
    if seen["is_answer"]:
        assert seen["text"] == said
    else:
        assert not said
    assert seen["failure"] == "connect" or (seen["failure"] is None and said == "Four.")


def test_a_stream_that_ends_too_early_without_a_word_is_truncated(adapter_case: Any) -> None:
    body = adapter_case.stream_body("text")
    for cut in (0, len(body) // 2):
        assert told(adapter_case.read_stream([body[:cut]])[1])["failure"] == "truncated"


@settings(max_examples=100, deadline=None)
@given(chunks=st.lists(st.binary(max_size=100), max_size=5))
def test_no_stream_makes_the_reader_raise(adapter_case: Any, chunks: list[bytes]) -> None:
    _, outcome = adapter_case.read_stream(chunks)
    assert_sound(outcome)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_changed_byte_of_a_stream_makes_the_reader_raise(adapter_case: Any, data: st.DataObject) -> None:
    told_of = [name for name in STREAMS if name not in adapter_case.table.get("cannot", {})]
    body = bytearray(adapter_case.stream_body(data.draw(st.sampled_from(told_of))))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from(b'{}[]",:0an\n\\'))
    _, outcome = adapter_case.read_stream([bytes(body)])
    assert_sound(outcome)
