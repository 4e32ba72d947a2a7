"""Converse, judged by botocore's own description of it, and what only this format has."""

from __future__ import annotations

import base64
import json
import logging
import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from deluge_sync._adapters import bedrock
from deluge_sync._adapters.aws_signing import Signer
from deluge_sync._adapters.call import Call, Extras, ModelReply
from deluge_sync._adapters.failure import Failure
from deluge_sync._http import HttpReply
from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.errors import ConfigError
from deluge_sync.models import Model
from deluge_sync.prompt import (
    Conversation,
    File,
    Image,
    Message,
    Part,
    ProviderPart,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from deluge_sync.prompt.dialects.anthropic_cache import CACHE_PATTERNS
from deluge_sync.testing import FakeProvider
from deluge_sync.testing._bedrock_checks import checked_request
from deluge_sync.testing._format import Refused
from deluge_sync.tool import Tool

botocore_session: Any = pytest.importorskip("botocore.session")
botocore_validate: Any = pytest.importorskip("botocore.validate")
credentials: Any = pytest.importorskip("botocore.credentials")

URL = "https://bedrock-runtime.eu-west-1.amazonaws.com"
ABLE: dict[str, Any] = {"supports_schema": True, "supports_json": True, "reasoning_model": True}
CLAUDE = Model(
    "c", "eu.anthropic.claude-v1:0", "bedrock", URL, api_spec="bedrock", maker="anthropic", reasoning_control="effort",
    **ABLE,
)  # fmt: skip
BUDGET = replace(CLAUDE, reasoning_control="budget")
NOVA = replace(CLAUDE, id="n", name="eu.amazon.nova-2-lite-v1:0", maker="amazon")
GPT_OSS = replace(CLAUDE, id="g", name="openai.gpt-oss-120b-1:0", maker="openai")
QWEN = replace(CLAUDE, id="q", name="qwen.qwen3-32b-v1:0", maker="qwen", reasoning_control=None)
MODELS = [CLAUDE, BUDGET, NOVA, GPT_OSS, QWEN]
HI = Conversation.user("Hi")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4 %%EOF"
WEATHER = Tool(
    "weather",
    "The weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
)


class Sum(BaseModel):
    total: int


def call_of(
    prompt: Conversation = HI,
    *,
    model: Model = CLAUDE,
    params: Any = None,
    key: str | None = "sk-test-key",
    is_streamed: bool = False,
    **extras: Any,
) -> Call:
    secret = Secret(key) if key is not None else None
    return Call(prompt, model, SamplingParams(**(params or {})), URL, secret, Extras(**extras), is_streamed)


def written(prompt: Conversation = HI, **more: Any) -> Any:
    return json.loads(bedrock.build_request(call_of(prompt, **more)).body or b"")


def read(document: Any, headers: Any = None, status: int = 200) -> ModelReply | Failure:
    return bedrock.parse_reply(call_of(), HttpReply(status, headers or {}, json.dumps(document).encode()))


def answer(*content: Any, headers: Any = None, **more: Any) -> ModelReply:
    said = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn", **more}
    outcome = read(said, headers)
    assert isinstance(outcome, ModelReply)
    return outcome


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# --- what we write, judged by the official description


@cache
def shape_of(operation: str) -> Any:
    model = botocore_session.get_session().get_service_model("bedrock-runtime")
    return model.operation_model(operation).input_shape


def problems_of(shape: Any, value: Any, where: str = "") -> list[str]:
    """What botocore's validator does not look at: enums, patterns, lengths, and base64 of bytes."""
    found: list[str] = []
    if shape.type_name == "structure" and not shape.is_document_type:
        found += [problem for name, item in value.items() for problem in problems_of(shape.members[name], item, name)]
    if shape.type_name == "list":
        found += [problem for item in value for problem in problems_of(shape.member, item, where)]
    if shape.type_name == "string":
        pattern, allowed = shape.metadata.get("pattern"), shape.enum
        found += [f"{where}: {value}"] if allowed and value not in allowed else []
        found += [f"{where}: {value}"] if pattern and not re.fullmatch(pattern, value) else []
        found += [f"{where}: too long"] if len(value) > shape.metadata.get("max", len(value)) else []
    if shape.type_name == "blob":
        base64.b64decode(value, validate=True)
    return found


def judge(body: Any, model: Model = CLAUDE, operation: str = "Converse") -> None:
    """Raise unless botocore would send this body, and AWS's constraints hold."""
    shape, request = shape_of(operation), {"modelId": model.name, **body}
    report = botocore_validate.ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    assert problems_of(shape, request) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
words = st.text(max_size=10)
ids = st.text(min_size=1, max_size=80)
names = st.text("abc_-9", min_size=1, max_size=8)
pictures = st.builds(Image, st.just(PNG), detail=st.sampled_from(["auto", "low"]))
papers = st.builds(File, st.sampled_from([PDF, b"a,b", b"# x"]), filename=st.none() | words)
SIGNED = ProviderPart("bedrock", {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}})
thoughts = st.builds(Thinking, words, st.none() | st.just(SIGNED))
calls = st.builds(ToolCall, ids, names, st.dictionaries(words, json_values, max_size=3))
pieces = st.lists(st.builds(Text, words) | pictures | papers, max_size=3)
results = st.builds(ToolResult, ids, words | pieces, st.booleans())
foreign = st.builds(ProviderPart, st.just("anthropic"), st.just({"type": "text"}))
messages = st.one_of(
    st.builds(Message, st.just("user"), st.lists(st.builds(Text, words) | pictures | papers | foreign, max_size=3)),
    st.builds(
        Message,
        st.just("assistant"),
        st.lists(st.builds(Text, words) | calls | thoughts | foreign | st.builds(Refusal, words), max_size=4),
    ),
    st.builds(Message, st.just("tool"), st.lists(results, max_size=3)),
    st.builds(Message, st.just("system"), st.lists(st.builds(Text, words), max_size=2)),
)


@settings(max_examples=300, deadline=None)
@given(
    said=st.lists(messages, max_size=6),
    model=st.sampled_from(MODELS),
    params=st.fixed_dictionaries(
        {
            "temperature": st.sampled_from([0.0, 0.5, 1.0]),
            "top_p": st.sampled_from([0.5, 1.0]),
            "reasoning_effort": st.sampled_from([None, "none", "minimal", "low", "medium", "high"]),
            "thinking_budget": st.sampled_from([None, 0, 100, 3_000, 100_000]),
            "stop": st.sampled_from([None, ("END",)]),
            "strict_tools": st.booleans(),
        }
    ),
    tools=st.sampled_from([(), (WEATHER,), (WEATHER, Tool("f", None, {"type": "object"}))]),
    schema=st.sampled_from([None, Sum]),
    tier=st.sampled_from([None, "auto", "default", "flex", "priority", "odd"]),
    pattern=st.sampled_from([None, *CACHE_PATTERNS]),
    is_streamed=st.booleans(),
)
def test_every_request_is_one_that_botocore_would_send(
    said: list[Message], model: Model, params: Any, tools: Any, schema: Any, tier: Any, pattern: Any, is_streamed: bool
) -> None:
    prompt = Conversation([*said, Message.user("Hi")])
    body = written(
        prompt,
        model=model,
        params=params,
        tools=tools,
        output_schema=schema,
        service_tier=tier,
        cache_pattern=pattern,
        is_streamed=is_streamed,
    )
    judge(body, model, "ConverseStream" if is_streamed else "Converse")


@settings(max_examples=200, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    params=st.fixed_dictionaries(
        {
            "temperature": st.sampled_from([0.0, 1.0]),
            "reasoning_effort": st.sampled_from([None, "none", "low", "high"]),
            "thinking_budget": st.sampled_from([None, 0, 100, 100_000]),
        }
    ),
    schema=st.sampled_from([None, Sum]),
    pattern=st.sampled_from([None, *CACHE_PATTERNS]),
)
def test_what_settings_make_of_a_sound_prompt_is_taken(model: Model, params: Any, schema: Any, pattern: Any) -> None:
    prompt = (
        Conversation.system("Be brief.")
        .user("Weather?", image=PNG, file=PDF)
        .add(Message("assistant", [ToolCall("a/b", "weather", {"city": "Oslo"})]))
        .with_tool_result("a/b", [Text("cold"), Image(PNG)], is_error=True)
        .user("And?", file=PDF)
    )
    body = written(prompt, model=model, params=params, tools=[WEATHER], output_schema=schema, cache_pattern=pattern)
    try:
        checked_request(json.dumps(body).encode())
    except Refused as refused:
        pytest.fail(refused.spec.message or "")


# --- where it goes, and by whom


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("eu.amazon.nova-2-lite-v1:0", "eu.amazon.nova-2-lite-v1%3A0"),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.x",
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.x",
        ),
    ],
)
def test_the_model_is_a_part_of_the_path(name: str, part: str) -> None:
    model = replace(CLAUDE, name=name)
    assert bedrock.build_request(call_of(model=model)).url == f"{URL}/model/{part}/converse"
    assert bedrock.build_request(call_of(model=model, is_streamed=True)).url == f"{URL}/model/{part}/converse-stream"


SIGNING = replace(CLAUDE, key_is_optional=True)


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = credentials.Credentials("AKIDTEST", "the-secret", None)
    monkeypatch.setattr(bedrock, "signer", Signer("bedrock", find=lambda: found))


@pytest.mark.usefixtures("signing")
def test_without_a_key_it_is_signed_with_everything_the_user_adds() -> None:
    call = call_of(model=SIGNING, key=None, headers={"X-Gateway": "g"}, body={"brand_new": 1})
    request = bedrock.build_request(call)
    proof = request.headers["Authorization"]
    assert isinstance(proof, Secret)
    assert "SignedHeaders=content-type;host;x-amz-date;x-gateway," in proof.reveal()
    assert b"brand_new" in (request.body or b"")


@pytest.mark.usefixtures("signing")
@pytest.mark.parametrize(
    "changes",
    [
        {"key": "sk-test-key"},
        {"key": "sk-test-key", "model": replace(SIGNING, key_header="x-gateway-key")},
        {"headers": {"authorization": "Mine"}},
        {"model": CLAUDE},
    ],
)
def test_with_another_proof_it_is_not_signed(changes: dict[str, Any]) -> None:
    headers = bedrock.build_request(call_of(**{"model": SIGNING, "key": None, **changes})).headers
    assert "X-Amz-Date" not in headers
    proofs = [value.reveal() for name, value in headers.items() if isinstance(value, Secret) and name]
    assert not any("AWS4" in proof for proof in proofs)


def test_without_credentials_a_prompt_fails_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bedrock, "signer", Signer("bedrock", find=lambda: None))
    with pytest.raises(ConfigError, match="there are no AWS credentials"):
        bedrock.build_request(call_of(model=SIGNING, key=None))


# --- reasoning, by maker


@pytest.mark.parametrize(
    ("model", "params", "fields", "inference"),
    [
        (CLAUDE, {}, None, ["maxTokens", "temperature"]),
        (CLAUDE, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, ["maxTokens", "temperature"]),
        (
            CLAUDE,
            {"reasoning_effort": "minimal", "temperature": 1.0},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            ["maxTokens"],
        ),
        (
            BUDGET,
            {"thinking_budget": 4_000, "max_new_tokens": 8_000, "temperature": 1.0},
            {"thinking": {"type": "enabled", "budget_tokens": 4_000}},
            ["maxTokens"],
        ),
        (NOVA, {"reasoning_effort": "none"}, None, ["maxTokens", "temperature"]),
        (
            NOVA,
            {"reasoning_effort": "minimal"},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
            ["maxTokens", "temperature"],
        ),
        (
            NOVA,
            {"reasoning_effort": "high"},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            [],
        ),
        (GPT_OSS, {"reasoning_effort": "none"}, {"reasoning_effort": "low"}, ["maxTokens", "temperature"]),
        (GPT_OSS, {"thinking_budget": 3_000}, {"reasoning_effort": "medium"}, ["maxTokens", "temperature"]),
        (QWEN, {"reasoning_effort": "high"}, None, ["maxTokens", "temperature"]),
    ],
)
def test_reasoning_is_told_in_the_makers_way(model: Model, params: Any, fields: Any, inference: list[str]) -> None:
    body = written(model=model, params=params)
    assert body.get("additionalModelRequestFields") == fields
    assert sorted(body.get("inferenceConfig", {})) == inference


@pytest.mark.parametrize(
    ("model", "params", "told"),
    [
        (replace(QWEN, id="q-1"), {"reasoning_effort": "high"}, "reasoning_effort"),
        (replace(NOVA, id="n-1"), {"reasoning_effort": "high"}, "max_new_tokens, temperature"),
        (replace(CLAUDE, id="c-1"), {"seed": 1, "json_mode": True}, "json_mode, seed"),
        (replace(CLAUDE, id="c-2"), {"temperature": 0.5, "top_p": 0.5}, "top_p"),
        (
            replace(BUDGET, id="b-1"),
            {"thinking_budget": 4_000, "max_new_tokens": 100, "temperature": 1.0},
            "thinking, for which max_new_tokens must be above 1,024",
        ),
    ],
)
def test_what_is_not_said_is_told_once(model: Model, params: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        judge(written(model=model, params=params), model)
    assert warnings_of(caplog) == [f"not sent to {model.id}, which does not take it: {told}"]


@pytest.mark.parametrize("model", [NOVA, GPT_OSS, QWEN])
def test_only_claude_refuses_temperature_beside_top_p(model: Model) -> None:
    config = written(model=model, params={"temperature": 0.5, "top_p": 0.25})["inferenceConfig"]
    assert (config["temperature"], config["topP"]) == (0.5, 0.25)


def test_top_p_is_sent_where_the_temperature_says_nothing() -> None:
    config = written(params={"temperature": 1.0, "top_p": 0.25})["inferenceConfig"]
    assert config == {"maxTokens": 2_048, "topP": 0.25}


# --- caching, tiers, tools


def points(body: Any) -> dict[str, Any]:
    """Where cache points are in a request, and what they say."""
    places = [("tools", body.get("toolConfig", {}).get("tools", [])), ("system", body.get("system", []))]
    places += [(f"message {n}", message["content"]) for n, message in enumerate(body["messages"])]
    return {
        f"{name}.{n}": block["cachePoint"].get("ttl")
        for name, blocks in places
        for n, block in enumerate(blocks)
        if "cachePoint" in block
    }


LONG = Conversation.system("Be brief.").user("One").ai("Well").user("Two", image=PNG).ai("Well").user("Three")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("system_and_tools", {"tools.1": None, "system.1": None}),
        ("tools_only:1h", {"tools.1": "1h"}),
        ("last_user_message", {"message 4.1": None}),
        ("last_2_user_messages:5m", {"message 2.2": None, "message 4.1": None}),
        ("last_3_user_messages:1h", {"message 0.1": "1h", "message 2.2": "1h", "message 4.1": "1h"}),
        ("automatic", {"message 4.1": None}),
        ("automatic:1h", {"message 4.1": "1h"}),
    ],
)
def test_a_pattern_is_points_behind_what_it_names(pattern: str, expected: Any) -> None:
    body = written(LONG, tools=[WEATHER], cache_pattern=pattern)
    assert points(body) == expected
    judge(body)


def test_nova_caches_no_tools_and_nothing_for_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    model = replace(NOVA, id="n-cache")
    body = written(LONG, model=model, tools=[WEATHER], cache_pattern="system_and_tools:1h")
    assert points(body) == {"system.1": None}
    assert points(written(LONG, model=model, tools=[WEATHER], cache_pattern="tools_only")) == {}
    assert warnings_of(caplog) == [
        f"not sent to n-cache, which does not take it: {what}"
        for what in ("a prompt cache that is kept for an hour", "the prompt-caching pattern")
    ]


def test_who_caches_nothing_is_sent_no_point(caplog: pytest.LogCaptureFixture) -> None:
    assert points(written(LONG, model=replace(QWEN, id="q-cache"), cache_pattern="last_user_message")) == {}
    assert warnings_of(caplog) == ["not sent to q-cache, which does not take it: the prompt-caching pattern"]


@pytest.mark.parametrize("model", [CLAUDE, QWEN])
def test_an_unknown_pattern_is_refused_for_every_maker(model: Model) -> None:
    with pytest.raises(ConfigError, match="unknown cache pattern 'everything'"):
        written(model=model, cache_pattern="everything")


def test_the_prompts_own_points_count(caplog: pytest.LogCaptureFixture) -> None:
    own = ProviderPart("bedrock", {"cachePoint": {"type": "default"}})
    said = Message("user", [Text("a"), own, Text("b"), own, Text("c"), own, Text("d"), own, Text("e")])
    body = written(Conversation([said]), tools=[WEATHER], cache_pattern="last_user_message")
    assert list(points(body)) == ["message 0.1", "message 0.3", "message 0.5", "message 0.7"]
    five = Message("user", [*said.parts, own])
    with pytest.raises(ConfigError, match="more than 4"):
        written(Conversation([five]), cache_pattern="last_user_message")
    assert not caplog.records


@pytest.mark.parametrize(
    ("tier", "sent"), [(None, None), ("auto", None), ("default", "default"), ("priority", "priority")]
)
def test_a_tier_is_told(tier: str | None, sent: str | None) -> None:
    body = written(service_tier=tier)
    assert body.get("serviceTier") == ({"type": sent} if sent else None)


def test_an_unknown_tier_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert "serviceTier" not in written(model=replace(CLAUDE, id="c-tier"), service_tier="first class")
    assert warnings_of(caplog) == ["not sent to c-tier, which does not take it: service_tier 'first class'"]


def test_an_empty_description_is_left_out() -> None:
    [tool] = written(tools=[Tool("f", "", {"type": "object"})])["toolConfig"]["tools"]
    assert tool["toolSpec"].keys() == {"name", "inputSchema", "strict"}


def test_of_many_strict_tools_only_the_first_stay_strict() -> None:
    tools = [replace(WEATHER, name=f"weather_{number}") for number in range(22)]
    sent = written(tools=[{"systemTool": {"name": "nova_grounding"}}, *tools])["toolConfig"]["tools"]
    assert [tool["toolSpec"]["strict"] for tool in sent[1:]] == [True] * 20 + [False] * 2


def test_no_budget_is_set_where_calls_were_made_without_a_thought(caplog: pytest.LogCaptureFixture) -> None:
    model, params = replace(BUDGET, id="b-2"), {"thinking_budget": 2_000, "max_new_tokens": 4_000, "temperature": 1.0}
    called = ToolCall("a", "weather", {"city": "Oslo"})
    cases: list[tuple[list[Part], bool]] = [([called], False), ([Thinking("Hm.", SIGNED), called], True)]
    for said, is_set in cases:
        prompt = Conversation.user("?").add(Message("assistant", said)).with_tool_result("a", "cold")
        assert ("additionalModelRequestFields" in written(prompt, model=model, params=params)) == is_set
    assert warnings_of(caplog) == [
        "not sent to b-2, which does not take it: thinking, in a turn whose tool calls came without any"
    ]


def test_a_tool_in_the_providers_form_is_passed_on() -> None:
    system_tool = {"systemTool": {"name": "nova_grounding"}}
    assert written(tools=[system_tool])["toolConfig"] == {"tools": [system_tool]}


def test_failure_is_told_to_who_knows_it(caplog: pytest.LogCaptureFixture) -> None:
    prompt = Conversation.user("?").add(Message("assistant", [ToolCall("a", "f", {})]))
    prompt.with_tool_result("a", "no", is_error=True)
    for model, status in ((CLAUDE, "error"), (NOVA, "error"), (QWEN, None)):
        [block] = written(prompt, model=model)["messages"][-1]["content"]
        assert block["toolResult"].get("status") == status
    assert not warnings_of(caplog)


def test_nothing_to_say_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing that a user or the model says"):
        written(Conversation.system("Be brief."))


def test_a_schema_is_written_the_same_in_every_process() -> None:
    """The prompt cache and the provider's cache of grammars know it by its text."""
    schema = {"$defs": {"a": {"type": "string"}}, "type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}}
    text = written(output_schema=schema)["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
    assert text == (
        '{"type":"object","$defs":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/$defs/a"}},'
        '"additionalProperties":false}'
    )


# --- reading


def test_the_request_id_and_the_routed_model_are_told() -> None:
    routed = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
    reply = answer(
        {"text": "Hi"},
        headers={"x-amzn-requestid": "r-1"},
        trace={"promptRouter": {"invokedModelId": routed}},
        serviceTier={"type": "flex"},
    )
    assert (reply.response_id, reply.model_external, reply.service_tier) == ("r-1", routed, "flex")


def test_cache_writes_are_told_by_their_lives() -> None:
    usage = {
        "inputTokens": 10,
        "outputTokens": 5,
        "totalTokens": 415,
        "cacheReadInputTokens": 100,
        "cacheWriteInputTokens": 300,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 100}],
    }
    told = answer({"text": "Hi"}, usage=usage).usage
    assert told is not None
    assert (told.cache_write_tokens, told.cache_write_1h_tokens, told.total_tokens) == (300, 200, 415)


def test_cited_text_is_text_that_goes_back_with_its_citations() -> None:
    cited = {"content": [{"text": "Four."}], "citations": [{"title": "a", "location": {"documentPage": {"start": 1}}}]}
    reply = answer({"text": "It is "}, {"citationsContent": cited})
    assert reply.content.text == "It is Four."
    again = written(Conversation.user("?").add(reply.content).user("Sure?"))
    assert again["messages"][1]["content"] == [{"text": "It is "}, {"citationsContent": cited}]


def test_reasoning_goes_back_as_it_came() -> None:
    signed = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}}
    sealed = {"reasoningContent": {"redactedContent": "ZW5j"}}
    reply = answer(signed, sealed, {"text": "Four."})
    again = written(Conversation.user("?").add(reply.content).user("Sure?"))
    assert again["messages"][1]["content"] == [signed, sealed, {"text": "Four."}]
    judge(again)


def test_reasoning_without_a_signature_does_not_go_back() -> None:
    reply = answer({"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": "Four."})
    assert reply.content.thinking == "Hm."
    again = written(Conversation.user("?").add(reply.content).user("Sure?"))
    assert again["messages"][1]["content"] == [{"text": "Four."}]


def test_a_picture_that_the_model_drew_is_an_image() -> None:
    block = {"image": {"format": "png", "source": {"bytes": base64.b64encode(PNG).decode()}}}
    assert answer(block).content.images == [Image(PNG)]
    mislabelled = {"image": {"format": "gif", "source": block["image"]["source"]}}
    assert isinstance(answer(mislabelled).content.parts[0], ProviderPart)


@pytest.mark.parametrize(
    ("status", "name", "message", "kind"),
    [
        (400, "ValidationException", "Input is too long for requested model.", "context_length"),
        (400, "ValidationException", "The provided model identifier is invalid.", "model_not_found"),
        (
            400,
            "ValidationException",
            "Invocation of model ID anthropic.claude-v1:0 with on-demand throughput isn't supported. Retry your "
            "request with the ID or ARN of an inference profile that contains this model.",
            "model_not_found",
        ),
        (400, "ValidationException", "The text field in the ContentBlock object is blank.", "bad_request"),
        (400, "ServiceQuotaExceededException", "Your request exceeds the service quota.", "quota"),
        (403, "AccessDeniedException", "You don't have access to the model.", "permission"),
        (403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", "auth"),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", "auth"),
        (403, "InvalidSignatureException", "The request signature we calculated does not match.", "auth"),
        (403, "InvalidSignatureException", "Signature expired: 1 is now earlier than 2", "server"),
        (403, "ExpiredTokenException", "The security token included in the request is expired", "auth"),
        (404, "ResourceNotFoundException", "The specified resource ARN was not found.", "model_not_found"),
        (408, "ModelTimeoutException", "Model has timed out.", "server"),
        (424, "ModelErrorException", "The model failed.", "server"),
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", "rate_limit"),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", "quota_daily"),
        (429, "ModelNotReadyException", "Model is not ready for inference.", "overloaded"),
        (500, "InternalServerException", "An internal server error occurred.", "server"),
        (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", "overloaded"),
    ],
)
@pytest.mark.parametrize("in_header", [True, False])
def test_every_documented_error_has_its_kind(
    status: int, name: str, message: str, kind: str, *, in_header: bool
) -> None:
    said: dict[str, Any] = {"message": message} if in_header else {"__type": f"com.amazon#{name}", "Message": message}
    failure = read(said, {"x-amzn-errortype": f"{name}:http://internal/"} if in_header else {}, status)
    assert isinstance(failure, Failure)
    assert (failure.kind.value, failure.message, failure.code) == (kind, message, name.lower())


def test_our_requests_reach_the_embedded_provider_at_its_path() -> None:
    with FakeProvider() as provider:
        request = bedrock.build_request(replace(call_of(), base_url=provider.bedrock_url))
    assert request.url.endswith("/bedrock/model/eu.anthropic.claude-v1%3A0/converse")
