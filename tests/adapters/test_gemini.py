"""Gemini's format: every request judged by Google's own types, and what only this format has."""

from __future__ import annotations

import base64
import json
import logging
from itertools import chain
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from deluge_sync._adapters import gemini
from deluge_sync._adapters.call import Call, Extras, ModelReply
from deluge_sync._adapters.failure import Failure
from deluge_sync._http import HttpReply
from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.deltas import ToolCallDelta
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
from deluge_sync.tool import Tool

URL = "https://provider.test/v1beta"
ABLE: dict[str, Any] = dict.fromkeys(("supports_json", "supports_schema", "supports_logprobs", "reasoning_model"), True)
NEWER = Model(id="g3", name="g", provider="gemini", api_base=URL, api_spec="gemini", reasoning_control="effort", **ABLE)
OLDER = Model(id="g2", name="g", provider="gemini", api_base=URL, api_spec="gemini", reasoning_control="budget", **ABLE)
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x02\x00\x00\x00\x03"
SEARCH = Tool("search", "Find.", {"type": "object", "properties": {"words": {"type": "string"}}})


def call_of(prompt: Conversation, *, model: Model = NEWER, params: SamplingParams | None = None, **extras: Any) -> Call:
    return Call(prompt, model, params or SamplingParams(), URL, Secret("sk-test-key"), Extras(**extras))


def written(prompt: Conversation | None = None, **more: Any) -> Any:
    return json.loads(gemini.build_request(call_of(prompt or Conversation.user("Hi"), **more)).body or b"")


def read(document: Any, prompt: Conversation | None = None) -> ModelReply:
    call = call_of(prompt or Conversation.user("Hi"))
    outcome = gemini.parse_reply(call, HttpReply(200, {}, json.dumps(document).encode()))
    assert isinstance(outcome, ModelReply)
    return outcome


def reply(*parts: dict[str, Any], end: str = "STOP", **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": end, **more}]}


def failure_of(outcome: ModelReply) -> Failure:
    assert outcome.failure is not None
    return outcome.failure


# --- what we write, judged by Google's types

JUDGES: dict[str, type[BaseModel]] = {
    "contents": types.Content,
    "systemInstruction": types.Content,
    "tools": types.Tool,
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
}


def assert_google_takes(body: dict[str, Any]) -> None:
    """All that the request has is known, of the right type, and read by Google's package as we wrote it."""
    assert body.keys() <= JUDGES.keys() | {"serviceTier"}
    assert body.get("serviceTier", "flex") in {"standard", "flex", "priority"}
    for name, judge in JUDGES.items():
        values = body.get(name, [])
        for value in values if isinstance(values, list) else [values]:
            taken = judge.model_validate_json(json.dumps(value), strict=True)
            dumped = taken.model_dump(mode="json", by_alias=True, exclude_none=True)
            assert normal(dumped) == normal(value)


def normal(value: Any, key: str = "") -> Any:
    """A value with base64 in one alphabet, and whole numbers as such."""
    if isinstance(value, dict):
        return {name: normal(item, name) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [normal(item) for item in value]
    return value.replace("-", "+").replace("_", "/") if key in ("data", "thoughtSignature") else value


texts = st.text(max_size=10)
names = st.text("abc_", min_size=1, max_size=5)
objects = st.dictionaries(texts, st.integers(-(2**31), 2**31) | texts | st.lists(texts, max_size=2), max_size=3)
signatures = st.binary(min_size=1, max_size=6).map(lambda raw: base64.b64encode(raw).decode())
signed = st.none() | signatures.map(lambda signature: {"gemini": {"thoughtSignature": signature}})
media = st.one_of(
    st.builds(Image, st.just(PNG), detail=st.sampled_from(["auto", "low", "high"])),
    st.builds(Image, st.just("https://pictures.test/a.png")),
    st.builds(File, st.just(b"%PDF-1.7"), filename=st.none() | names),
    st.builds(File, file_id=st.sampled_from(["files/a", "b"]), provider=st.just("gemini"), media_type=st.just("a/b")),
)
thoughts = st.builds(
    lambda text, signature: Thinking(
        text, ProviderPart("gemini", {"text": text, "thought": True, "thoughtSignature": signature})
    ),
    texts,
    signatures,
)
spoken = st.one_of(
    st.builds(Text, texts, signed),
    thoughts,
    st.builds(Thinking, texts),
    st.builds(Refusal, texts),
    st.builds(ProviderPart, st.just("other"), objects),
    st.just(ProviderPart("gemini", {"executableCode": {"language": "PYTHON", "code": "1"}})),
    media,
)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """A question, an answer with calls, and what they gave."""
    calls = [
        ToolCall(f"{draw(names)}{number}", draw(names), draw(objects), None, draw(signed))
        for number in range(draw(st.integers(0, 3)))
    ]
    asked = Message(
        "user", draw(st.lists(st.builds(Text, texts) | media, min_size=1, max_size=3)), draw(st.none() | names)
    )
    said = Message("assistant", [*draw(st.lists(spoken, max_size=3)), *calls])
    result = texts | st.lists(st.builds(Text, texts) | media, max_size=2) | objects.map(json.dumps)
    results = Message("tool", [ToolResult(call.id, draw(result), draw(st.booleans())) for call in calls])
    return [*([Message.system(draw(texts))] if draw(st.booleans()) else []), asked, said, results]


params = st.builds(
    SamplingParams,
    temperature=st.floats(0, 2),
    max_new_tokens=st.integers(1, 10_000),
    json_mode=st.booleans(),
    reasoning_effort=st.sampled_from([None, "none", "minimal", "low", "medium", "high"]),
    thinking_budget=st.none() | st.integers(0, 30_000),
    strict_tools=st.booleans(),
    logprobs=st.just(True),
    top_logprobs=st.none() | st.integers(0, 20),
    seed=st.none() | st.integers(-(2**31), 2**31 - 1),
    stop=st.none() | st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=4),
)
tools: st.SearchStrategy[list[Any]] = st.lists(
    st.builds(Tool, names, st.none() | texts, st.just(SEARCH.parameters))
    | st.sampled_from([{"googleSearch": {}}, {"codeExecution": {}}, {"urlContext": {}}]),
    max_size=3,
)


@settings(max_examples=200, deadline=None)
@given(
    prompt=st.lists(turns(), min_size=1, max_size=3).map(lambda all_turns: Conversation(list(chain(*all_turns)))),
    model=st.sampled_from([NEWER, OLDER]),
    chosen=params,
    offered=tools,
    tier=st.sampled_from([None, "auto", "default", "flex", "priority"]),
    schema=st.none() | st.just({"type": "object", "properties": {"a": {"type": "string"}}}),
)
def test_google_takes_every_request(
    prompt: Conversation, model: Model, chosen: SamplingParams, offered: list[Any], tier: str | None, schema: Any
) -> None:
    more = {"tools": offered, "service_tier": tier, "output_schema": schema}
    assert_google_takes(written(prompt, model=model, params=chosen, **more))


@pytest.mark.parametrize(
    "flaw",
    [
        {"contents": [{"role": "user", "parts": [{"text": "a", "brand_new": 1}]}]},
        {"contents": [{"role": "user", "parts": [{"text": 1}]}]},
        {"generationConfig": {"temperature": "0.5"}},
        {"tools": [{"functionDeclarations": [{"name": "f", "strict": True}]}]},
        {"surprise": 1},
    ],
)
def test_the_judge_looks_everywhere(flaw: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, AssertionError)):
        assert_google_takes(flaw)


# --- what only this format has


@pytest.mark.parametrize(
    ("model", "setting", "config"),
    [
        (NEWER, {"reasoning_effort": "minimal"}, {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        (NEWER, {"reasoning_effort": "none"}, {"thinkingLevel": "MINIMAL"}),
        (NEWER, {"thinking_budget": 0}, {"thinkingLevel": "MINIMAL"}),
        (NEWER, {"thinking_budget": 20_000}, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (OLDER, {"reasoning_effort": "medium"}, {"thinkingBudget": 4_096, "includeThoughts": True}),
        (OLDER, {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        (OLDER, {"thinking_budget": 777}, {"thinkingBudget": 777, "includeThoughts": True}),
        (OLDER, {"thinking_budget": 0}, {"thinkingBudget": 0}),
        (NEWER, {}, None),
        (OLDER, {}, None),
    ],
)
def test_how_deep_it_reasons_is_said_in_the_models_way(
    model: Model, setting: dict[str, Any], config: dict[str, Any] | None
) -> None:
    assert written(model=model, params=SamplingParams(**setting))["generationConfig"].get("thinkingConfig") == config


def test_strict_tools_are_a_mode_of_all_or_none() -> None:
    closed = {**SEARCH.parameters, "required": ["words"], "additionalProperties": False}
    strict = Tool("find", None, closed)
    validated = {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert written(tools=[strict])["toolConfig"] == validated
    assert written(tools=[strict, {"googleSearch": {}}])["toolConfig"] == validated
    assert "toolConfig" not in written(tools=[strict, SEARCH])
    assert "toolConfig" not in written(tools=[strict], params=SamplingParams(strict_tools=False))
    assert "toolConfig" not in written(tools=[{"googleSearch": {}}])


def test_all_functions_are_one_tool_and_built_in_ones_follow() -> None:
    given_tools = [SEARCH, {"googleSearch": {}}, Tool("find", None, SEARCH.parameters), {"brand_new": {"on": True}}]
    offered = written(tools=given_tools)["tools"]
    assert [sorted(tool) for tool in offered] == [["functionDeclarations"], ["googleSearch"], ["brand_new"]]
    assert [function["name"] for function in offered[0]["functionDeclarations"]] == ["search", "find"]


@pytest.mark.parametrize(("tier", "sent"), [("auto", None), ("default", "standard"), ("priority", "priority")])
def test_the_service_tier_is_said_in_googles_words(tier: str, sent: str | None) -> None:
    assert written(service_tier=tier).get("serviceTier") == sent


def test_a_models_full_name_is_no_part_of_its_path() -> None:
    model = Model(id="g", name="models/g-1", provider="gemini", api_base=URL, api_spec="gemini")
    assert (
        gemini.build_request(call_of(Conversation.user("Hi"), model=model)).url == f"{URL}/models/g-1:generateContent"
    )


def test_a_key_header_of_the_row_takes_the_place_of_googles() -> None:
    model = Model(id="g", name="g", provider="p", api_base=URL, api_spec="gemini", key_header="api-key")
    headers = gemini.build_request(call_of(Conversation.user("Hi"), model=model)).headers
    assert "x-goog-api-key" not in headers
    key = headers["api-key"]
    assert isinstance(key, Secret)
    assert key.reveal() == "sk-test-key"


FOREIGN = (
    Conversation.user("Hi")
    .add(Message.ai("Let me see.").with_tool_call("a", "f", {}).with_tool_call("b", "f", {}))
    .with_tool_result("a", [Text("one"), Image(PNG)])
    .with_tool_result("b", "two")
)


def test_the_first_of_anothers_calls_is_excused_from_a_signature_where_one_is_demanded() -> None:
    parts = written(FOREIGN)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, "skip_thought_signature_validator", None]
    parts = written(FOREIGN, model=OLDER)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, None, None]


def test_older_models_get_pictures_beside_the_results() -> None:
    newer, older = (written(FOREIGN, model=model)["contents"][2]["parts"] for model in (NEWER, OLDER))
    assert [sorted(part) for part in newer] == [["functionResponse"]] * 2
    assert newer[0]["functionResponse"]["parts"][0]["inlineData"]["mimeType"] == "image/png"
    assert [sorted(part) for part in older] == [["functionResponse"], ["inlineData"], ["functionResponse"]]
    assert "parts" not in older[0]["functionResponse"]


def test_signatures_and_thoughts_go_back_unharmed() -> None:
    parts: list[dict[str, Any]] = [
        {"text": "Hm.", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Let me see.", "thoughtSignature": "dGV4dA=="},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "Y29kZQ=="},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
        {"functionCall": {"id": "a", "name": "f", "args": {"x": 1.5}}, "thoughtSignature": "Y2FsbA=="},
        {"functionCall": {"name": "f", "args": {}}},
        {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}, "thoughtSignature": "cGlj"},
        {"brandNew": {"a": [1]}},
    ]
    content = read(reply(*parts)).content
    assert (content.thinking, content.text) == ("Hm.", "Let me see.")
    assert len(content.images) == 1
    prompt = Conversation.user("Hi").add(content)
    for call in content.tool_calls:
        prompt.with_tool_result(call.id, "done")
    contents = written(prompt)["contents"]
    assert contents[1] == {"role": "model", "parts": parts}
    assert [part["functionResponse"].get("id") for part in contents[2]["parts"]] == ["a", None]


def test_ids_made_up_for_calls_differ_within_a_conversation() -> None:
    calls = reply({"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}})
    first = read(calls).content
    assert [call.id for call in first.tool_calls] == ["gemini_call_0", "gemini_call_1"]
    prompt = (
        Conversation.user("Hi").add(first).with_tool_result("gemini_call_0", "1").with_tool_result("gemini_call_1", "2")
    )
    assert [call.id for call in read(calls, prompt).content.tool_calls] == ["gemini_call_2", "gemini_call_3"]


def test_ids_made_up_in_a_stream_are_those_of_the_whole_answer() -> None:
    prompt = Conversation.user("Hi").add(Message.ai().with_tool_call("a", "f", {})).with_tool_result("a", "1")
    reader = gemini.open_stream(call_of(prompt))
    deltas = reader.feed(b"data: " + json.dumps(reply({"functionCall": {"name": "f"}})).encode() + b"\n\n")
    outcome = reader.finish()
    assert deltas == [ToolCallDelta(0, "gemini_call_1", "f", "{}")]
    assert isinstance(outcome, ModelReply)
    assert outcome.content.tool_calls[0].id == "gemini_call_1"


def streamed(*pieces: dict[str, Any]) -> ModelReply:
    reader = gemini.open_stream(call_of(Conversation.user("Hi")))
    for piece in pieces:
        reader.feed(b"data: " + json.dumps(piece).encode() + b"\n\n")
    outcome = reader.finish()
    assert isinstance(outcome, ModelReply)
    return outcome


def test_a_streamed_text_is_one_part_up_to_its_signature() -> None:
    pieces = [{"text": "a"}, {"text": "b"}, {"text": "c", "thoughtSignature": "c2ln"}, {"text": "d"}]
    content = streamed(*({"candidates": [{"content": {"parts": [piece]}}]} for piece in pieces), reply()).content
    assert content.parts == [Text("abc", {"gemini": {"thoughtSignature": "c2ln"}}), Text("d")]


def test_log_probabilities_and_citations_of_all_pieces_are_kept() -> None:
    def piece(token: str) -> dict[str, Any]:
        chosen = {"token": token, "logProbability": -0.5}
        return reply(
            {"text": token},
            logprobsResult={"chosenCandidates": [chosen]},
            citationMetadata={"citationSources": [{"uri": token}]},
        )

    outcome = streamed(piece("a"), piece("b"))
    assert [entry["token"] for entry in outcome.logprobs or []] == ["a", "b"]
    assert outcome.raw is not None
    sources = outcome.raw["candidates"][0]["citationMetadata"]["citationSources"]
    assert sources == [{"uri": "a"}, {"uri": "b"}]


@pytest.mark.parametrize(
    "end", ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_RECITATION"]
)
def test_a_block_is_told_and_keeps_the_text(end: str) -> None:
    outcome = read(reply({"text": "First, take"}, end=end))
    assert (outcome.finish_reason, failure_of(outcome).kind) == ("content_filter", "content_filter")
    assert outcome.content.text == "First, take"


def test_a_malformed_call_is_kept_with_what_was_said_before_it() -> None:
    outcome = read(reply({"text": "One moment."}, end="MALFORMED_FUNCTION_CALL", finishMessage="f(a="))
    assert (outcome.finish_reason, outcome.failure, outcome.content.text) == (
        "MALFORMED_FUNCTION_CALL",
        None,
        "One moment.",
    )
    assert outcome.raw is not None
    assert outcome.raw["candidates"][0]["finishMessage"] == "f(a="


@pytest.mark.parametrize("end", ["MALFORMED_FUNCTION_CALL", "OTHER", "MISSING_THOUGHT_SIGNATURE", "A_NEW_REASON"])
def test_an_answer_that_went_wrong_before_it_began_is_a_failure(end: str) -> None:
    outcome = read(reply({"text": "Hm.", "thought": True}, end=end, finishMessage="f(a="))
    assert (outcome.finish_reason, failure_of(outcome).kind) == (end, "malformed")
    assert failure_of(outcome).message == f"the answer ended with {end}: f(a="


def test_an_answer_that_reasoned_its_room_away_is_an_answer() -> None:
    outcome = read({"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]})
    assert (outcome.finish_reason, outcome.failure, outcome.content.parts) == ("length", None, [])


def test_the_usage_has_no_overlap() -> None:
    counts = {
        "promptTokenCount": 2_000,
        "cachedContentTokenCount": 1_500,
        "toolUsePromptTokenCount": 30,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 11,
        "totalTokenCount": 2_048,
    }
    usage = read(reply({"text": "a"}) | {"usageMetadata": counts}).usage
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens, usage.reasoning_tokens) == (
        530,
        1_500,
        18,
        11,
    )
    assert usage.total_tokens == 2_048


def test_tokens_without_alternatives() -> None:
    chosen = [{"token": "a", "logProbability": -1}, {"token": "b"}]
    result = {"chosenCandidates": chosen, "topCandidates": [{"candidates": chosen[:1]}]}
    entry = {"token": "a", "logprob": -1.0, "bytes": [97]}
    assert read(reply({"text": "ab"}, logprobsResult=result)).logprobs == [
        {**entry, "top_logprobs": [entry]},
        {"token": "b", "logprob": 0.0, "bytes": [98], "top_logprobs": []},
    ]


def test_a_failing_stream_in_a_list_is_classified() -> None:
    error = [{"error": {"code": 429, "message": "no more is said", "status": "RESOURCE_EXHAUSTED"}}]
    outcome = gemini.parse_reply(call_of(Conversation.user("Hi")), HttpReply(429, {}, json.dumps(error).encode()))
    assert isinstance(outcome, Failure)
    assert outcome.kind == "rate_limit"


def test_the_caching_pattern_is_not_sent_and_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        written(cache_pattern="system_and_tools")
    assert [record.getMessage() for record in caplog.records] == [
        "not sent to g3, which does not take it: the prompt-caching pattern"
    ]
