"""What only Mistral's format has. What it shares with the others is in `test_contract`."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mistralai.client import models as official
from pydantic import ValidationError

from deluge_sync._adapters import mistral
from deluge_sync._adapters.call import Call, Extras, ModelReply
from deluge_sync._adapters.failure import Failure
from deluge_sync._http import HttpReply
from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.models import Model
from deluge_sync.prompt import Conversation, File, Image, Message, Refusal, Text, Thinking, ToolCall, ToolResult
from deluge_sync.tool import Tool

URL = "https://provider.test/v1"
MODEL = Model("m", "m", "mistral", URL, api_spec="mistral", supports_schema=True, supports_logprobs=True)


def call_of(prompt: Conversation, *, model: Model = MODEL, params: SamplingParams | None = None, **extras: Any) -> Call:
    return Call(prompt, model, params or SamplingParams(), URL, Secret("sk-test-key"), Extras(**extras))


def written(prompt: Conversation | None = None, **more: Any) -> Any:
    return json.loads(mistral.build_request(call_of(prompt or Conversation.user("Hi"), **more)).body or b"")


def read(document: Any) -> ModelReply | Failure:
    return mistral.parse_reply(call_of(Conversation.user("Hi")), HttpReply(200, {}, json.dumps(document).encode()))


def answer(message: dict[str, Any], **more: Any) -> ModelReply:
    outcome = read({"choices": [{"finish_reason": "stop", "message": {"role": "assistant", **message}}], **more})
    assert isinstance(outcome, ModelReply)
    return outcome


# --- what we write, judged by the official types


def judge(body: bytes | None) -> None:
    """The official types take all of it: nothing is of the wrong type, and nothing is dropped as unknown."""
    taken = official.ChatCompletionRequest.model_validate_json(body or b"", strict=True)
    assert taken.model_dump(mode="json", by_alias=True, exclude_unset=True) == json.loads(body or b"")


texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.text("abcXYZ019_-", min_size=1, max_size=10)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
text_parts = st.builds(Text, texts)
pictures = st.builds(Image, st.just("https://example.com/a.png"), detail=st.sampled_from(["auto", "low", "high"]))
documents = st.builds(File, st.just(b"%PDF-1.7"), filename=st.none() | names)
seen_parts = text_parts | pictures | documents
calls = st.builds(ToolCall, names, names, json_objects) | st.builds(ToolCall.from_text, names, names, texts)
said_parts = text_parts | st.builds(Thinking, texts) | st.builds(Refusal, texts) | calls
results = st.builds(ToolResult.of, names, texts | json_objects | st.lists(seen_parts, min_size=1, max_size=2))
optional_names = st.none() | names
messages = st.one_of(
    st.builds(Message, st.just("system"), st.lists(text_parts, max_size=3), optional_names),
    st.builds(Message, st.just("user"), st.lists(seen_parts | results, max_size=3), optional_names),
    st.builds(Message, st.just("assistant"), st.lists(said_parts, max_size=4), optional_names),
    st.builds(Message, st.just("tool"), st.lists(results | text_parts, min_size=1, max_size=3)),
)
conversations = st.builds(Conversation, st.lists(messages, min_size=1, max_size=5))
schemas = st.builds(lambda properties: {"type": "object", "properties": properties}, json_objects)
tools = st.builds(Tool, names, st.none() | texts, schemas)
params = st.builds(
    lambda alternatives, **values: SamplingParams(**values, top_logprobs=alternatives if values["logprobs"] else None),
    st.none() | st.integers(0, 20),
    temperature=st.floats(0, 1.5),
    top_p=st.floats(0.01, 1),
    json_mode=st.booleans(),
    max_new_tokens=st.integers(1, 100_000),
    reasoning_effort=st.sampled_from([None, "none", "minimal", "low", "medium", "high"]),
    logprobs=st.booleans(),
    strict_tools=st.booleans(),
    seed=st.none() | st.integers(0, 10**9),
    stop=st.none() | st.just(("END",)),
)
models = st.builds(
    lambda **flags: Model("m", "m", "mistral", URL, api_spec="mistral", supports_schema=True, **flags),
    supports_json=st.booleans(),
    supports_logprobs=st.booleans(),
    reasoning_control=st.sampled_from([None, "effort"]),
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
    judge(mistral.build_request(call).body)


@pytest.mark.parametrize(
    "flaw",
    [
        {"surprise": 1},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "surprise": 1}]}]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "surprise": 1}}]},
        {"reasoning_effort": "utmost"},
        {"temperature": "hot"},
    ],
)
def test_the_official_judge_looks_everywhere(flaw: dict[str, Any]) -> None:
    fine = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    judge(json.dumps(fine).encode())
    with pytest.raises((ValidationError, AssertionError)):
        judge(json.dumps({**fine, **flaw}).encode())


# --- what only this provider wants


def test_without_temperature_no_top_p_is_sent_because_the_provider_refuses_it() -> None:
    body = written(params=SamplingParams(temperature=0.0, top_p=0.9))
    assert body["temperature"] == 0.0
    assert "top_p" not in body


@pytest.mark.parametrize(
    ("tier", "sent"), [("auto", "auto"), ("priority", "auto"), ("default", "standard_only"), (None, None)]
)
def test_a_tier_is_asked_for_in_the_providers_words(tier: str | None, sent: str | None) -> None:
    assert written(service_tier=tier).get("service_tier") == sent


def test_a_tier_that_is_not_there_is_left_out_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    model = Model("untiered", "m", "mistral", URL, api_spec="mistral")
    for _ in range(2):
        assert "service_tier" not in written(model=model, service_tier="flex")
    assert [record.getMessage() for record in caplog.records] == [
        "not sent to untiered, which does not take it: service_tier=flex"
    ]


@pytest.mark.parametrize(
    ("said", "prefix"),
    [
        (Message.ai("Once upon"), True),
        (Message("assistant", [Text("Once")], None, {"mistral": {"prefix": False}}), False),
        (Message("assistant", [ToolCall("A1b2C3d4E", "f", {})]), None),
    ],
)
def test_a_conversation_that_ends_with_the_models_words_goes_on_from_there(said: Message, prefix: bool | None) -> None:
    messages = written(Conversation.user("Tell a story.").add(said))["messages"]
    assert messages[-1].get("prefix") is prefix


def test_what_the_provider_alone_knows_is_sent_as_the_user_wrote_it(caplog: pytest.LogCaptureFixture) -> None:
    tool = {"type": "web_search"}
    with caplog.at_level(logging.DEBUG, "deluge_sync"):
        body = written(tools=[tool], body={"prompt_mode": "reasoning"})
    assert (body["tools"], body["prompt_mode"]) == ([tool], "reasoning")
    assert [record.getMessage() for record in caplog.records] == [
        "messages or tools that the typed request does not know are sent as they are"
    ]


# --- what we read


def test_thinking_goes_back_as_it_came() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "c2ln", "closed": False}
    outcome = answer({"content": [thought, {"type": "text", "text": "4"}]})
    assert (outcome.content.thinking, outcome.content.text) == ("hm", "4")
    prompt = Conversation.user("2 + 2?").add(outcome.content).user("Sure?")
    assert written(prompt)["messages"][1]["content"] == [thought, {"type": "text", "text": "4"}]


def test_what_the_model_said_around_a_tool_of_the_provider_is_the_answer_and_all_of_it_is_kept() -> None:
    tool = {"type": "tool_reference", "tool": "web_search", "title": "A page"}
    messages = [
        {"role": "assistant", "content": "Let me look. "},
        {"role": "tool", "content": "a page of text", "tool_call_id": "A1b2C3d4E"},
        {"role": "assistant", "content": [{"type": "text", "text": "Sunny."}, tool]},
    ]
    outcome = read({"choices": [{"index": 0, "finish_reason": "stop", "messages": messages}]})
    assert isinstance(outcome, ModelReply)
    assert (outcome.content.text, outcome.failure) == ("Let me look. Sunny.", None)
    assert outcome.raw is not None
    assert outcome.raw["choices"][0]["messages"][1]["content"] == "a page of text"


def test_a_choice_without_a_message_is_no_answer_but_its_price_is_told() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    outcome = read({"choices": [{"index": 0, "finish_reason": "stop"}], "usage": usage})
    assert isinstance(outcome, ModelReply)
    assert outcome.failure is not None
    assert (outcome.failure.kind.value, outcome.usage and outcome.usage.output_tokens) == ("malformed", 4)


@pytest.mark.parametrize(("told", "tier"), [("standard", "default"), ("priority", "priority"), ("new", "new")])
def test_the_tier_is_read_in_our_words(told: str, tier: str) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "service_tier": told}
    assert answer({"content": "Hi"}, usage=usage).service_tier == tier


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4, "num_cached_tokens": 8}, (2, 4, 8, 0)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 12}}, (0, 0, 10, 0)),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": -2}}, (10, 0, 0, 0)),
        ({"prompt_tokens": -1, "completion_tokens": -1, "prompt_audio_seconds": {}}, (0, 0, 0, 0)),
    ],
)
def test_counts_never_make_more_tokens_than_there_were(usage: dict[str, Any], expected: tuple[int, ...]) -> None:
    seen = answer({"content": "Hi"}, usage=usage).usage
    assert seen is not None
    assert (seen.input_tokens, seen.output_tokens, seen.cache_read_tokens, seen.cache_write_tokens) == expected


@pytest.mark.parametrize(
    ("message", "beside", "is_kept"),
    [
        ({"prefix": False, "tool_calls": None}, {}, False),
        ({"metadata": {"a": 1}}, {}, True),
        ({}, {"guardrails": [{"flagged": False}]}, True),
        ({}, {"warnings": []}, False),
    ],
)
def test_a_reply_is_kept_whole_only_if_it_says_what_we_have_no_place_for(
    message: dict[str, Any], beside: dict[str, Any], is_kept: bool
) -> None:
    assert (answer({"content": "Hi", **message}, **beside).raw is not None) is is_kept


@settings(max_examples=150, deadline=None)
@given(
    text=texts.filter(bool),
    thought=st.none() | texts,
    tool_calls=st.lists(st.tuples(names, names, texts | json_objects), max_size=2),
    counts=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    reason=st.sampled_from(["stop", "length", "tool_calls"]),
)
def test_what_the_official_package_holds_is_read_the_same(
    text: str, thought: str | None, tool_calls: list[Any], counts: tuple[int, int], reason: Any
) -> None:
    thinking = [official.ThinkChunk(thinking=[official.TextChunk(text=thought)])] if thought is not None else []
    message = official.AssistantMessage(
        content=[*thinking, official.TextChunk(text=text)],
        tool_calls=[
            official.ToolCall(id=call_id, function=official.FunctionCall(name=name, arguments=arguments))
            for call_id, name, arguments in tool_calls
        ],
    )
    held = official.ChatCompletionResponse(
        id="1",
        object="chat.completion",
        model="m-1",
        created=1_760_000_000,
        usage=official.UsageInfo(prompt_tokens=counts[0], completion_tokens=counts[1], total_tokens=sum(counts)),
        choices=[official.ChatCompletionChoice(index=0, finish_reason=reason, message=message)],
    )
    outcome = mistral.parse_reply(
        call_of(Conversation.user("Hi")), HttpReply(200, {}, held.model_dump_json(by_alias=True).encode())
    )
    assert isinstance(outcome, ModelReply)
    assert (outcome.content.text, outcome.content.thinking) == (text, thought)
    assert [(call.id, call.name) for call in outcome.content.tool_calls] == [call[:2] for call in tool_calls]
    read_arguments = [
        call.arguments if isinstance(given[2], dict) else call.arguments_text
        for call, given in zip(outcome.content.tool_calls, tool_calls, strict=True)
    ]
    assert read_arguments == [
        given[2] if isinstance(given[2], dict) or given[2].strip() else "{}" for given in tool_calls
    ]
    assert outcome.usage is not None
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == counts
    assert (outcome.finish_reason, outcome.raw) == (reason, None)
