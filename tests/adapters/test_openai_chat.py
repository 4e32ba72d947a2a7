"""OpenAI's format, judged by the official package in both directions, and what only this format has."""

from __future__ import annotations

import json
import logging
from functools import cache
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, CompletionCreateParams
from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from deluge_sync._adapters import openai_chat
from deluge_sync._adapters.call import Call, Extras, ModelReply
from deluge_sync._adapters.failure import Failure
from deluge_sync._http import HttpReply
from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.models import Model
from deluge_sync.prompt import Conversation, Message, Refusal, Text, Thinking, ToolCall, ToolResult
from deluge_sync.tool import Tool

URL = "https://provider.test/v1"
MODEL = Model.for_base_url("m", URL)


def call_of(prompt: Any, *, model: Model = MODEL, params: SamplingParams | None = None, **extras: Any) -> Call:
    conversation = prompt if isinstance(prompt, Conversation) else Conversation.from_openai_chat(prompt)
    return Call(conversation, model, params or SamplingParams(), URL, Secret("sk-test-key"), Extras(**extras))


def written(prompt: Any, **more: Any) -> Any:
    return json.loads(openai_chat.build_request(call_of(prompt, **more)).body or b"")


def read(document: Any) -> ModelReply | Failure:
    return openai_chat.parse_reply(call_of(Conversation.user("Hi")), HttpReply(200, {}, json.dumps(document).encode()))


def answer(message: dict[str, Any], **more: Any) -> ModelReply:
    outcome = read({"choices": [{"finish_reason": "stop", "message": {"role": "assistant", **message}}], **more})
    assert isinstance(outcome, ModelReply)
    return outcome


# --- what we write, judged by the official types


def without_slack(schema: Any) -> Any:
    """A pydantic core schema in which no dict takes an unknown key and no iterable waits to be checked."""
    if isinstance(schema, list | tuple):
        return type(schema)(without_slack(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    tight = {key: without_slack(value) for key, value in schema.items()}
    if tight.get("type") == "typed-dict":
        tight["extra_behavior"] = "forbid"
    if tight.get("type") == "generator":
        tight["type"] = "list"
    return tight


@cache
def official_judge() -> SchemaValidator:
    return SchemaValidator(without_slack(TypeAdapter(CompletionCreateParams).core_schema))


def judge(body: bytes | None) -> None:
    official_judge().validate_json(body or b"", strict=True)


texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.text("abcXYZ019_-", min_size=1, max_size=10)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
text_parts = st.builds(Text, texts)
calls = st.builds(ToolCall, names, names, json_objects) | st.builds(ToolCall.from_text, names, names, texts)
said_parts = text_parts | st.builds(Thinking, texts) | st.builds(Refusal, texts) | calls
results = st.builds(ToolResult.of, names, texts | json_objects | st.lists(text_parts, min_size=1, max_size=2))
optional_names = st.none() | names
messages = st.one_of(
    st.builds(Message, st.just("system"), st.lists(text_parts, max_size=3), optional_names),
    st.builds(Message, st.just("user"), st.lists(text_parts | results, max_size=3), optional_names),
    st.builds(Message, st.just("assistant"), st.lists(said_parts, max_size=4), optional_names),
    st.builds(Message, st.just("tool"), st.lists(results | text_parts, min_size=1, max_size=3)),
)
conversations = st.builds(Conversation, st.lists(messages, min_size=1, max_size=5))
schemas = st.builds(lambda properties: {"type": "object", "properties": properties}, json_objects)
tools = st.builds(Tool, names, st.none() | texts, schemas)
params = st.builds(
    lambda alternatives, **values: SamplingParams(**values, top_logprobs=alternatives if values["logprobs"] else None),
    st.none() | st.integers(0, 20),
    temperature=st.floats(0, 2),
    top_p=st.floats(0.01, 1),
    json_mode=st.booleans(),
    max_new_tokens=st.integers(1, 100_000),
    reasoning_effort=st.sampled_from([None, "none", "minimal", "low", "medium", "high"]),
    logprobs=st.booleans(),
    strict_tools=st.booleans(),
)
models = st.builds(
    lambda field, **flags: Model("m", "m", "openai", URL, max_tokens_field=field, supports_schema=True, **flags),
    st.sampled_from(["max_tokens", "max_completion_tokens"]),
    supports_json=st.booleans(),
    supports_logprobs=st.booleans(),
    reasoning_model=st.booleans(),
    accepts_sampling=st.booleans(),
)


@settings(max_examples=250, deadline=None)
@given(
    prompt=conversations,
    model=models,
    sampling=params,
    given_tools=st.lists(tools, max_size=2),
    schema=st.none() | schemas,
    tier=st.sampled_from([None, "auto", "default", "flex", "priority"]),
)
def test_the_official_package_takes_every_request(
    prompt: Conversation,
    model: Model,
    sampling: SamplingParams,
    given_tools: list[Tool],
    schema: dict[str, Any] | None,
    tier: str | None,
) -> None:
    call = call_of(prompt, model=model, params=sampling, tools=given_tools, output_schema=schema, service_tier=tier)
    judge(openai_chat.build_request(call).body)


@pytest.mark.parametrize(
    "flaw",
    [
        {"surprise": 1},
        {"messages": [{"role": "user", "content": "Hi", "surprise": 1}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "surprise": 1}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {}}]}]},
        {"tools": [{"type": "function", "function": {"name": "f", "surprise": 1}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "surprise": 1}}},
        {"temperature": "hot"},
    ],
)
def test_the_official_judge_looks_everywhere(flaw: dict[str, Any]) -> None:
    fine = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    judge(json.dumps(fine).encode())
    with pytest.raises(ValidationError):
        judge(json.dumps({**fine, **flaw}).encode())


# --- what the user wrote in the provider's own words

VIDEO = {"type": "video_url", "video_url": {"url": "https://example.org/v.mp4"}}
CACHED = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
NAMED_RESULT = {"role": "tool", "tool_call_id": "1", "name": "f", "content": "ok"}


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": [VIDEO]}],
        [{"role": "system", "content": [CACHED]}, {"role": "user", "content": "Hi"}],
        [{"role": "user", "content": "Hi", "prefix": True, "nothing": False}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a", "fps": None}}]}],
        [
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            NAMED_RESULT,
        ],
    ],
    ids=["video part", "cache mark", "field", "null inside", "named result"],
)  # fmt: skip
def test_what_only_other_vendors_know_is_sent_as_the_user_wrote_it(messages: list[Any]) -> None:
    assert written(messages)["messages"] == messages


@pytest.mark.parametrize("tool", [{"type": "web_search"}, {"type": "function", "function": {"name": "f", "x-own": 1}}])
def test_a_tool_in_the_vendors_form_is_passed_on(tool: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "deluge_sync"):
        body = written(Conversation.user("Hi"), tools=[tool])
    assert body["tools"] == [tool]
    assert body.keys() == {"model", "messages", "tools", "max_tokens", "temperature", "top_p"}
    assert [record.getMessage() for record in caplog.records] == [
        "messages or tools that the typed request does not know are sent as they are"
    ]


def test_a_tool_may_be_any_mapping() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    assert written(Conversation.user("Hi"), tools=[MappingProxyType(tool)])["tools"] == [tool]


def test_our_own_fields_stay_strict_beside_foreign_words() -> None:
    with pytest.raises(ValueError, match="the request cannot be written: service_tier: Input should be 'auto'"):
        written([{"role": "user", "content": [VIDEO]}], service_tier="turbo")


# --- what we read, written by the official types

official_functions = st.fixed_dictionaries({"name": names, "arguments": texts})
official_calls = st.lists(
    st.fixed_dictionaries({"id": names, "type": st.just("function"), "function": official_functions}), max_size=3
)
counts = st.integers(0, 10**9)
official_usage = st.builds(
    lambda prompt, completion, cached: {
        "prompt_tokens": prompt + cached,
        "completion_tokens": completion,
        "total_tokens": prompt + completion + cached,
        "prompt_tokens_details": {"cached_tokens": cached},
    },
    counts,
    counts,
    counts,
)
official_token = st.fixed_dictionaries({"token": texts, "logprob": st.floats(-9999, 0), "bytes": st.just([52])})
official_logprobs = st.lists(
    st.builds(lambda token, top: {**token, "top_logprobs": top}, official_token, st.lists(official_token, max_size=2)),
    max_size=3,
)


def as_sent_back(function: dict[str, str]) -> tuple[str, str]:
    """Name and arguments, character by character; only nothing at all becomes an empty object."""
    return function["name"], function["arguments"] if function["arguments"].strip() else "{}"


@settings(max_examples=250, deadline=None)
@given(
    text=st.none() | texts.filter(bool),
    tool_calls=official_calls,
    usage=st.none() | official_usage,
    tokens=st.none() | official_logprobs,
    finish_reason=st.sampled_from(["stop", "length", "tool_calls"]),
)
def test_what_the_official_package_holds_is_read_the_same(
    text: str | None, tool_calls: list[Any], usage: Any, tokens: Any, finish_reason: str
) -> None:
    official = ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": "m-1",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish_reason,
                    "message": {"role": "assistant", "content": text, "tool_calls": tool_calls or None},
                    "logprobs": None if tokens is None else {"content": tokens, "refusal": None},
                }
            ],
            "usage": usage,
        },
        strict=True,
    )
    outcome = openai_chat.parse_reply(
        call_of(Conversation.user("Hi")), HttpReply(200, {}, official.model_dump_json().encode())
    )
    assert isinstance(outcome, ModelReply)
    assert (outcome.content.completion, outcome.finish_reason, outcome.failure) == (text, finish_reason, None)
    assert (outcome.response_id, outcome.model_external, outcome.logprobs) == ("chatcmpl-1", "m-1", tokens)
    ours = [(call.id, call.name, call.arguments_text) for call in outcome.content.tool_calls]
    assert ours == [(call["id"], *as_sent_back(call["function"])) for call in tool_calls]
    if usage is None:
        assert outcome.usage is None
    else:
        assert outcome.usage is not None
        assert outcome.usage.total_tokens == usage["total_tokens"]
        assert outcome.usage.cache_read_tokens == usage["prompt_tokens_details"]["cached_tokens"]
    assert outcome.raw is None


# --- what compatible servers get wrong


@pytest.mark.parametrize(
    ("sent", "call"),
    [
        ({"id": "1", "function": {"name": "f", "arguments": '{"a":1}'}}, ToolCall("1", "f", {"a": 1})),
        ({"type": "function", "function": {"name": "f", "arguments": "{}"}}, ToolCall("call_0", "f", {})),
        ({"id": None, "type": "function", "function": {"name": "f", "arguments": ""}}, ToolCall("call_0", "f", {})),
        (
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}},
            ToolCall("1", "f", {"a": 1}),
        ),
    ],
    ids=["no type", "no id", "null id", "arguments as an object"],
)
def test_a_tool_call_in_a_sloppy_form_is_a_tool_call(sent: dict[str, Any], call: ToolCall) -> None:
    assert answer({"content": None, "tool_calls": [sent]}).content.parts == [call]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": -1, "completion_tokens": -1}, (0, 0, 0, 0)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 12}}, (0, 0, 10, 0)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": -2}}, (10, 0, 0, 0)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 8}}, (0, 0, 8, 2)),
        ({"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": None}, (10, 4, 0, 0)),
    ],
)
def test_counts_that_cannot_be_never_make_more_tokens_than_there_were(
    usage: dict[str, Any], expected: tuple[int, ...]
) -> None:
    seen = answer({"content": "Hi"}, usage=usage).usage
    assert seen is not None
    assert (seen.input_tokens, seen.output_tokens, seen.cache_read_tokens, seen.cache_write_tokens) == expected


def test_thinking_is_read_under_either_name() -> None:
    assert answer({"content": "4", "reasoning": "2 and 2"}).content.thinking == "2 and 2"
    assert answer({"content": "4", "reasoning_content": "2 and 2"}).content.thinking == "2 and 2"


@pytest.mark.parametrize(
    "more",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}},
        {"type": "text", "text": " it is", "citations": ["https://x.test/a"]},
    ],
    ids=["a picture", "a citation"],
)
def test_an_answer_in_parts_keeps_what_is_more_than_text(more: dict[str, Any]) -> None:
    content = [{"type": "text", "text": "Here"}, more, {"type": "text", "text": "."}]
    said = answer({"content": content}).content
    assert (said.completion, said.text) == ("Here", "Here" + more.get("text", "") + ".")
    assert Conversation([said]).to_openai()[0]["content"] == content


@pytest.mark.parametrize(
    ("content", "completion"),
    [([{"type": "text", "text": "Here"}, {"text": " it is."}], "Here it is."), ([], ""), ("", ""), (None, None)],
)
def test_texts_in_parts_are_one_answer(content: Any, completion: str | None) -> None:
    assert answer({"content": content}).content.completion == completion


def test_an_error_told_beside_the_choices_is_an_error() -> None:
    said = {"choices": [{"message": {"content": ""}}], "base_resp": {"status_code": 1027, "status_msg": "sensitive"}}
    failure = read(said)
    assert isinstance(failure, Failure)


@pytest.mark.parametrize(
    ("message", "beside", "is_kept"),
    [
        ({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://x.test"}}]}, {}, True),
        ({"audio": {"id": "a"}}, {}, True),
        ({"audio": None, "function_call": None}, {}, False),
        ({}, {"search_results": [{"url": "https://x.test"}]}, True),
        ({}, {"prompt_logprobs": None, "citations": []}, False),
    ],
)
def test_a_reply_is_kept_whole_only_if_it_says_what_we_have_no_place_for(
    message: dict[str, Any], beside: dict[str, Any], is_kept: bool
) -> None:
    assert (answer({"content": "Hi", **message}, **beside).raw is not None) is is_kept


def test_control_characters_of_a_refusal_reach_no_terminal() -> None:
    outcome = answer({"content": None, "refusal": "no \x1b[31m way"})

    assert outcome.failure is not None
    assert outcome.failure.message == "the model refused: no [31m way"
    assert outcome.content.refusal == "no \x1b[31m way"
