"""OpenAI's Responses: every request judged by the official package, the background, and what only this format has."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseCreateParams
from pydantic import ValidationError

from deluge_sync._adapters import openai_responses
from deluge_sync._adapters.call import Call, Extras, ModelReply
from deluge_sync._adapters.failure import Failure
from deluge_sync._http import HttpReply
from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.deltas import ThinkingDelta, ToolCallDelta
from deluge_sync.errors import ConfigError
from deluge_sync.models import Model
from deluge_sync.prompt import (
    Conversation,
    File,
    Image,
    Message,
    ProviderPart,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from deluge_sync.response import Usage
from deluge_sync.tool import Tool

URL = "https://provider.test/v1"
MODEL = Model.for_base_url("m", URL)
DIALECT = "openai-responses"
Judge = Callable[[bytes | None], None]


def call_of(
    prompt: Conversation | None = None, *, model: Model = MODEL, params: SamplingParams | None = None, **extras: Any
) -> Call:
    return Call(
        prompt or Conversation.user("Hi"),
        model,
        params or SamplingParams(),
        URL,
        Secret("sk-test-key"),
        Extras(**extras),
    )


def written(prompt: Conversation | None = None, **more: Any) -> Any:
    return json.loads(openai_responses.build_request(call_of(prompt, **more)).body or b"")


def reply_of(status: str | None = "completed", output: Any = (), **more: Any) -> HttpReply:
    return HttpReply(200, {}, json.dumps({"id": "resp_1", "status": status, "output": list(output), **more}).encode())


def read(status: str | None = "completed", output: Any = (), **more: Any) -> ModelReply | Failure:
    return openai_responses.parse_reply(call_of(), reply_of(status, output, **more))


def said(text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], **more}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


# --- what we write, judged by the official types

texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.text("abcXYZ019_-", min_size=1, max_size=10)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
media = st.sampled_from(
    [
        Image(b"\x89PNG\r\n\x1a\n"),
        Image("https://example.com/a.png", detail="low"),
        Image(file_id="file-1", provider="openai"),
        File(b"%PDF-1.7", filename="a.pdf"),
        File("https://example.com/a.pdf"),
        File(file_id="file-1", provider="openai"),
    ]
)
text_parts = st.builds(Text, texts)
calls = st.builds(ToolCall, names, names, json_objects) | st.builds(ToolCall.from_text, names, names, texts)


def thought(text: str) -> Thinking:
    summary = [{"type": "summary_text", "text": text}]
    item = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAAA"}
    return Thinking(text, ProviderPart(DIALECT, item))


thoughts = st.builds(thought, texts)
searches = st.just(ProviderPart(DIALECT, {"type": "item_reference", "id": "ws_1"}, "tool_calls"))
answers = st.lists(
    text_parts | st.builds(Thinking, texts) | thoughts | st.builds(Refusal, texts) | calls | searches, max_size=4
)
results = st.builds(ToolResult.of, names, texts | json_objects | st.lists(text_parts | media, min_size=1, max_size=2))
messages = st.one_of(
    st.builds(Message, st.just("system"), st.lists(text_parts, max_size=3)),
    st.builds(Message, st.just("user"), st.lists(text_parts | media | results, max_size=3), st.none() | names),
    st.builds(Message, st.just("assistant"), answers),
    st.builds(Message, st.just("tool"), st.lists(results | text_parts, min_size=1, max_size=3)),
)
conversations = st.builds(Conversation, st.lists(messages, min_size=1, max_size=5))
schemas = st.builds(lambda properties: {"type": "object", "properties": properties}, json_objects)
tools = st.builds(Tool, names, st.none() | texts, schemas) | st.sampled_from(
    [{"type": "web_search"}, {"type": "image_generation"}, {"type": "mcp", "server_label": "x", "server_url": "y"}]
)
params = st.builds(
    lambda alternatives, **values: SamplingParams(**values, top_logprobs=alternatives if values["logprobs"] else None),
    st.none() | st.integers(0, 20),
    temperature=st.floats(0, 2),
    top_p=st.floats(0.01, 1),
    json_mode=st.booleans(),
    max_new_tokens=st.integers(16, 100_000),
    reasoning_effort=st.sampled_from([None, "none", "minimal", "low", "medium", "high"]),
    logprobs=st.booleans(),
    strict_tools=st.booleans(),
    seed=st.none() | st.integers(),
)
models = st.builds(
    lambda control, **flags: Model(
        "m", "m", "openai", URL, api_spec="openai-responses", supports_schema=True, reasoning_control=control, **flags
    ),
    st.sampled_from([None, "effort"]),
    supports_json=st.booleans(),
    supports_logprobs=st.booleans(),
    reasoning_model=st.booleans(),
    accepts_sampling=st.booleans(),
)


@pytest.fixture(scope="session")
def judge(judge_of: Callable[[Any], Judge]) -> Judge:
    return judge_of(ResponseCreateParams)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_the_official_package_takes_every_request(data: st.DataObject, judge: Judge) -> None:
    call = call_of(
        data.draw(conversations),
        model=data.draw(models),
        params=data.draw(params),
        tools=data.draw(st.lists(tools, max_size=2)),
        output_schema=data.draw(st.none() | schemas),
        service_tier=data.draw(st.sampled_from([None, "auto", "default", "flex", "priority"])),
        background=data.draw(st.booleans()),
    )
    judge(openai_responses.build_request(call).body)


@pytest.mark.parametrize(
    "flaw",
    [
        {"surprise": 1},
        {"input": [{"type": "message", "role": "user", "content": "Hi", "surprise": 1}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": 1}]}]},
        {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]},
        {"tools": [{"type": "function", "name": "f", "parameters": {}}]},
        {"text": {"format": {"type": "json_schema", "name": "s"}}},
        {"temperature": "hot"},
    ],
)
def test_the_official_judge_looks_everywhere(flaw: dict[str, Any], judge: Judge) -> None:
    fine = {"model": "m", "input": [{"type": "message", "role": "user", "content": "Hi"}]}
    judge(json.dumps(fine).encode())
    with pytest.raises(ValidationError):
        judge(json.dumps({**fine, **flaw}).encode())


def test_what_came_is_taken_back_by_the_official_package(judge: Judge) -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    action = {"type": "search", "query": "x"}
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": action}
    source = {"type": "url_citation", "url": "https://x.test", "title": "X", "start_index": 0, "end_index": 1}
    answer = said("Four.", annotations=[source])
    answer["content"].append({"type": "refusal", "refusal": "No."})
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    came: Any = copy.deepcopy([reasoning, search, answer, call])
    came[0]["status"] = None
    came[2]["content"][0]["logprobs"] = [{"token": "Four.", "logprob": -0.1, "bytes": [70], "top_logprobs": []}]
    outcome = read(output=came)
    assert isinstance(outcome, ModelReply)
    prompt = Conversation.user("2 + 2?").add(outcome.content).with_tool_result("c", "ok")
    request = openai_responses.build_request(call_of(prompt))
    judge(request.body)
    assert json.loads(request.body or b"")["input"][1:-1] == [reasoning, search, answer, call]


# --- what is asked for


def test_nothing_is_stored_unless_the_call_says_so() -> None:
    assert written()["store"] is False
    assert written(body={"store": True})["store"] is True


def test_a_model_that_does_not_reason_is_not_asked_for_its_reasoning() -> None:
    body = written(model=Model("m", "m", "openai", URL))
    assert body == {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "store": False,
        "max_output_tokens": 2_048,
        "temperature": 0.0,
        "top_p": 1.0,
    }


def test_without_reasoning_no_summary_is_asked_for() -> None:
    assert written(params=SamplingParams(reasoning_effort="none"))["reasoning"] == {"effort": "none"}


def test_seed_and_stop_are_told_once_to_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    model = Model("seedless", "m", "openai", URL)
    for _ in range(3):
        assert not {"seed", "stop"} & written(model=model, params=SamplingParams(seed=1, stop=("END",))).keys()
    assert [record.getMessage() for record in caplog.records] == [
        "not sent to seedless, which does not take it: seed, stop"
    ]


@pytest.mark.parametrize("tool", [{"type": "web_search"}, {"type": "mcp", "server_label": "x", "headers": {"a": None}}])
def test_a_built_in_tool_is_passed_on(tool: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "deluge_sync"):
        assert written(tools=[tool])["tools"] == [tool]
    assert not caplog.records


# --- the background


def test_a_response_in_the_background_is_stored() -> None:
    body = written(background=True)
    assert (body["background"], body["store"]) == (True, True)


def test_a_poll_asks_for_what_the_request_asked_for() -> None:
    poll = openai_responses.build_poll(call_of(params=SamplingParams(logprobs=True), headers={"X-Team": "a"}), "resp_1")
    asked = "include%5B%5D=reasoning.encrypted_content&include%5B%5D=message.output_text.logprobs"
    assert (poll.method, poll.url, poll.body) == ("GET", f"{URL}/responses/resp_1?{asked}", None)
    headers = {name: value.reveal() if isinstance(value, Secret) else value for name, value in poll.headers.items()}
    assert headers["Authorization"] == "Bearer sk-test-key"
    assert headers["X-Team"] == "a"
    own = openai_responses.build_poll(call_of(body={"include": ["web_search_call.results"]}), "resp_1")
    assert own.url == f"{URL}/responses/resp_1?include%5B%5D=web_search_call.results"
    plain = openai_responses.build_poll(call_of(model=Model("m", "m", "openai", URL)), "resp_1")
    assert plain.url == f"{URL}/responses/resp_1"


def test_a_cancel_is_a_post_without_body() -> None:
    cancel = openai_responses.build_cancel(call_of(), "resp_1")
    assert (cancel.method, cancel.url, cancel.body) == ("POST", f"{URL}/responses/resp_1/cancel", None)


@pytest.mark.parametrize("response_id", ["", ".."])
def test_an_id_that_leads_elsewhere_is_refused(response_id: str) -> None:
    for build in (openai_responses.build_poll, openai_responses.build_cancel):
        with pytest.raises(ConfigError, match="response_id"):
            build(call_of(), response_id)


def test_an_id_is_one_step_of_the_path() -> None:
    cancel = openai_responses.build_cancel(call_of(), "a/b?c")
    assert cancel.url == f"{URL}/responses/a%2Fb%3Fc/cancel"


@pytest.mark.parametrize(
    ("reply", "response_id"),
    [
        (reply_of("queued"), "resp_1"),
        (reply_of("in_progress"), "resp_1"),
        (reply_of("completed", [said("Four.")]), None),
        (reply_of("failed"), None),
        (reply_of("cancelled"), None),
        (reply_of("incomplete"), None),
        (reply_of(None), None),
        (HttpReply(500, {}, reply_of("queued").body), None),
        (HttpReply(200, {}, b'{"status": "queued"'), None),
        (HttpReply(200, {}, b"[]"), None),
    ],
)
def test_a_response_is_pending_until_it_has_ended(reply: HttpReply, response_id: str | None) -> None:
    assert openai_responses.pending_id(reply) == response_id


def test_a_pending_response_is_no_answer_and_no_reason_to_buy_another() -> None:
    outcome = read("in_progress")
    assert isinstance(outcome, Failure)
    assert outcome.message == "the response resp_1 is still in_progress"
    assert not outcome.traits.same_model_may_help


@pytest.mark.parametrize(
    "message",
    [
        "Response with id 'resp_1' not found.",
        "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
    ],
)
def test_a_response_that_is_gone_does_not_count_against_its_model(message: str) -> None:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    outcome = openai_responses.parse_reply(call_of(), HttpReply(404, {}, json.dumps({"error": error}).encode()))
    assert isinstance(outcome, Failure)
    assert outcome.kind.value == "bad_request"
    assert not outcome.traits.stops_model


def test_a_cancelled_response_is_told_with_what_it_said() -> None:
    outcome = read("cancelled", [said("Half an")], usage={"input_tokens": 9, "output_tokens": 2})
    assert isinstance(outcome, ModelReply)
    assert outcome.failure is not None
    assert (outcome.failure.kind.value, outcome.failure.message) == ("cancelled", "the response resp_1 was cancelled")
    assert (outcome.content.text, outcome.usage) == ("Half an", Usage(9, 2))


# --- what is read


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", "server"),
        ("vector_store_timeout", "server"),
        ("rate_limit_exceeded", "rate_limit"),
        ("invalid_prompt", "content_filter"),
        ("bio_policy", "content_filter"),
        ("image_content_policy_violation", "content_filter"),
        ("invalid_image", "bad_request"),
        ("failed_to_download_image", "bad_request"),
    ],
)
def test_a_failed_response_fails_by_its_code(code: str, kind: str) -> None:
    outcome = read("failed", error={"code": code, "message": "No."})
    assert isinstance(outcome, Failure)
    assert (outcome.kind.value, outcome.message, outcome.code) == (kind, "No.", code)


def test_an_answer_cut_short_by_its_own_reasoning_is_an_answer() -> None:
    outcome = read(
        "incomplete",
        incomplete_details={"reason": "max_output_tokens"},
        usage={"input_tokens": 9, "output_tokens": 100},
    )
    assert isinstance(outcome, ModelReply)
    assert (outcome.finish_reason, outcome.failure, outcome.usage) == ("length", None, Usage(9, 100))


@pytest.mark.parametrize(("reason", "told"), [("max_messages", "max_messages"), (None, None)])
def test_another_reason_is_told_in_the_providers_words(reason: str | None, told: str | None) -> None:
    outcome = read("incomplete", [said("Half")], incomplete_details={"reason": reason} if reason else None)
    assert isinstance(outcome, ModelReply)
    assert outcome.finish_reason == told


def test_reasoning_tokens_are_a_part_of_the_output() -> None:
    usage = {"input_tokens": 9, "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 5}}
    outcome = read(output=[said("Four.")], usage=usage)
    assert isinstance(outcome, ModelReply)
    assert outcome.usage == Usage(9, 7, reasoning_tokens=5)


def test_what_a_built_in_tool_did_is_kept_and_sent_back_here_only() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": None}
    outcome = read(output=[search, said("Four.")])
    assert isinstance(outcome, ModelReply)
    prompt = Conversation([outcome.content])
    assert prompt.to_openai_responses()[0] == search
    assert prompt.to_openai() == [{"role": "assistant", "content": "Four."}]


@pytest.mark.parametrize("kind", ["custom_tool_call", "computer_call", "shell_call"])
def test_a_call_that_waits_for_us_ends_the_answer_as_tool_calls_do(kind: str) -> None:
    outcome = read(output=[{"type": kind, "call_id": "c"}])
    assert isinstance(outcome, ModelReply)
    assert outcome.finish_reason == "tool_calls"


def test_only_what_an_answer_says_makes_the_whole_reply_be_kept() -> None:
    repeated: dict[str, Any] = {"tools": [{"type": "web_search"}], "text": {"format": {"type": "text"}}, "top_p": 1}
    outcome, more = read(output=[said("x")], **repeated), read(output=[said("x")], citations=["https://x.test"])
    assert isinstance(outcome, ModelReply)
    assert outcome.raw is None
    assert isinstance(more, ModelReply)
    assert more.raw is not None
    assert more.raw["citations"] == ["https://x.test"]


# --- streams


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def read_stream(*events: bytes) -> tuple[list[Any], ModelReply | Failure]:
    reader = openai_responses.open_stream(call_of())
    return [delta for part in events for delta in reader.feed(part)], reader.finish()


def test_a_stream_that_breaks_off_keeps_all_that_had_come() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": []}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": ""}
    deltas, outcome = read_stream(
        event("response.created", response={"id": "resp_1", "status": "in_progress", "model": "m-1", "output": []}),
        event("response.output_item.added", output_index=0, item=reasoning),
        event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="Two "),
        event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="and two."),
        event("response.reasoning_summary_text.delta", output_index=0, summary_index=1, delta="Sum."),
        event("response.output_item.added", output_index=1, item={**said(""), "content": []}),
        event("response.output_text.delta", output_index=1, content_index=0, delta="Four"),
        event("response.web_search_call.searching", output_index=2),
        event("response.output_item.added", output_index=3, item=call),
        event("response.function_call_arguments.delta", output_index=3, delta='{"a"'),
    )
    assert deltas == [
        ThinkingDelta("Two "),
        ThinkingDelta("and two."),
        ThinkingDelta("\n\nSum."),
        "Four",
        ToolCallDelta(0, "c", "f", ""),
        ToolCallDelta(0, arguments='{"a"'),
    ]
    assert isinstance(outcome, ModelReply)
    assert outcome.failure is not None
    assert (outcome.failure.kind.value, outcome.response_id, outcome.model_external) == ("truncated", "resp_1", "m-1")
    assert (outcome.content.thinking, outcome.content.text) == ("Two and two.\n\nSum.", "Four")
    assert outcome.content.tool_calls[0].arguments_text == '{"a"'


def test_arguments_that_come_in_one_go_are_told() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
    done = event("response.completed", response={"status": "completed", "output": [call]})
    whole = event("response.output_item.done", output_index=0, item=call)
    begun = event("response.output_item.added", output_index=0, item={**call, "arguments": ""})
    assert read_stream(whole, done)[0] == [ToolCallDelta(0, "c", "f", '{"a":1}')]
    assert read_stream(begun, whole, done)[0] == [ToolCallDelta(0, "c", "f"), ToolCallDelta(0, arguments='{"a":1}')]


def test_an_item_of_an_odd_form_does_no_harm() -> None:
    deltas, outcome = read_stream(
        event("response.output_item.added", output_index=0, item={"content": 5}),
        event("response.output_text.delta", output_index=0, content_index=0, delta="Fo"),
    )
    assert deltas == ["Fo"]
    assert isinstance(outcome, ModelReply)
    assert outcome.failure is not None


def test_a_response_that_fails_at_its_end_keeps_what_was_streamed() -> None:
    failed = {"id": "resp_1", "status": "failed", "output": [], "error": {"code": "server_error", "message": "Oh."}}
    deltas, outcome = read_stream(
        event("response.output_text.delta", output_index=0, content_index=0, delta="Fo"),
        event("response.failed", response=failed),
    )
    assert deltas == ["Fo"]
    assert isinstance(outcome, ModelReply)
    assert outcome.failure is not None
    assert (outcome.failure.kind.value, outcome.content.text) == ("server", "Fo")


def test_thinking_that_is_shown_whole_is_read() -> None:
    shown = {"type": "reasoning_text", "text": "Two and two."}
    thinking = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [shown]}
    deltas, outcome = read_stream(
        event("response.reasoning_text.delta", output_index=0, content_index=0, delta="Two and two."),
        event("response.completed", response={"status": "completed", "output": [thinking, said("4")]}),
    )
    assert deltas == [ThinkingDelta("Two and two.")]
    assert isinstance(outcome, ModelReply)
    assert (outcome.content.thinking, outcome.failure) == ("Two and two.", None)


def test_a_refusal_that_breaks_off_is_kept_as_one() -> None:
    _, outcome = read_stream(event("response.refusal.delta", output_index=0, content_index=0, delta="I can"))
    assert isinstance(outcome, ModelReply)
    assert (outcome.content.refusal, outcome.content.text) == ("I can", "")
