"""Anthropic's format, judged by the official package of both versions of the API, and what only this format has.

The package of the later version knows no sampling parameters, the one of the earlier knows structured output, file ids
and the like under its beta types only: each judges what it knows, and between them every field is judged.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import Message as OfficialMessage
from anthropic.types.message_create_params import MessageCreateParams
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter
from pydantic_core import SchemaValidator

from deluge_sync._adapters import anthropic
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
    ProviderPart,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from deluge_sync.prompt.dialects.anthropic_cache import CACHE_PATTERNS
from deluge_sync.testing import FakeProvider
from deluge_sync.tool import Tool

URL = "https://provider.test/v1"
ABLE: dict[str, Any] = {"supports_schema": True, "supports_json": True, "reasoning_model": True}
EFFORT = Model("m", "m", "anthropic", URL, api_spec="anthropic", reasoning_control="effort", **ABLE)
BUDGET = Model("m", "m", "anthropic", URL, api_spec="anthropic", reasoning_control="budget", **ABLE)
HI = Conversation.user("Hi")
WEATHER = Tool(
    "weather",
    "The weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
)


def call_of(prompt: Conversation = HI, *, model: Model = EFFORT, params: Any = None, **extras: Any) -> Call:
    sampling = SamplingParams(**(params or {}))
    return Call(prompt, model, sampling, URL, Secret("sk-test-key"), Extras(**extras))


def written(prompt: Conversation = HI, **more: Any) -> Any:
    return json.loads(anthropic.build_request(call_of(prompt, **more)).body or b"")


def read(document: Any) -> ModelReply | Failure:
    return anthropic.parse_reply(call_of(), HttpReply(200, {}, json.dumps(document).encode()))


def answer(*content: Any, **more: Any) -> ModelReply:
    said = {"type": "message", "role": "assistant", "content": content, "stop_reason": "end_turn", **more}
    outcome = read(said)
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
def later_judge() -> SchemaValidator:
    return SchemaValidator(without_slack(TypeAdapter(MessageCreateParams).core_schema))


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def judge_by_the_later(body: dict[str, Any]) -> None:
    later_judge().validate_json(json.dumps(without(body, "temperature", "top_p")), strict=True)


EARLIER = Path(sys.prefix) / "judges" / "anthropic-0.76"
# Reads requests, one a line, and writes what is wrong with each, as its package sees it.
JUDGE_OF_THE_EARLIER = """
import json, sys
from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator
import anthropic
from anthropic.types.message_create_params import MessageCreateParams
from anthropic.types.beta.message_create_params import MessageCreateParams as BetaMessageCreateParams

def without_slack(schema):
    if isinstance(schema, (list, tuple)):
        return type(schema)(without_slack(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    tight = {key: without_slack(value) for key, value in schema.items()}
    if tight.get("type") == "typed-dict":
        tight["extra_behavior"] = "forbid"
    if tight.get("type") == "generator":
        tight["type"] = "list"
    return tight

assert anthropic.__version__.startswith("0.76."), anthropic.__version__
judges = {
    "plain": SchemaValidator(without_slack(TypeAdapter(MessageCreateParams).core_schema)),
    "beta": SchemaValidator(without_slack(TypeAdapter(BetaMessageCreateParams).core_schema)),
}
for line in sys.stdin:
    kind, body = json.loads(line)
    try:
        judges[kind].validate_json(json.dumps(body), strict=True)
    except ValidationError as error:
        print(json.dumps(str(error)))
    else:
        print(json.dumps(None))
"""


def problems_of_the_earlier(bodies: list[tuple[str, dict[str, Any]]]) -> list[str | None]:
    """What the package of the earlier version finds wrong with each body; of kind "plain" or "beta"."""
    if not EARLIER.is_dir():
        pytest.skip(f"anthropic 0.76 is not installed in {EARLIER}")
    done = subprocess.run(
        [sys.executable, "-s", "-c", JUDGE_OF_THE_EARLIER],
        input="".join(json.dumps(body) + "\n" for body in bodies),
        env={**os.environ, "PYTHONPATH": str(EARLIER)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def as_beta(body: dict[str, Any]) -> dict[str, Any]:
    """The body in the words of the time when structured output was a beta."""
    config = dict(body.get("output_config") or {})
    form = {"output_format": config.pop("format")} if "format" in config else {}
    return without(body, "output_config", "cache_control") | form | ({"output_config": config} if config else {})


texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.text("abcXYZ019_-", min_size=1, max_size=10)
ids = st.text("abcXYZ019_-.|é", max_size=10)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02")
media = st.sampled_from(
    [
        Image(PNG),
        Image("https://pictures.test/a.png"),
        Image(file_id="file_1", provider="anthropic"),
        File(b"%PDF-1.4 %%EOF", filename="a.pdf"),
        File(b"a,b\n1,2\n", filename="a.csv"),
        File("https://papers.test/a.pdf"),
        File(file_id="file_2", provider="anthropic"),
    ]
)
cited = {"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None, "file_id": None}
citing = {"anthropic": {"citations": [{**cited, "start_char_index": 0, "end_char_index": 1}]}}
text_parts = st.builds(Text, texts, st.sampled_from([None, citing, {"openai-chat": {"x": 1}}]))
signed = ProviderPart("anthropic", {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"})
thoughts = st.builds(Thinking, texts, st.sampled_from([None, signed, ProviderPart("gemini", {"a": 1})]))
calls = st.builds(ToolCall, ids, names, json_objects) | st.builds(ToolCall.from_text, ids, names, texts)
foreign = st.sampled_from(
    [
        ProviderPart("anthropic", {"type": "redacted_thinking", "data": "ZW5j"}),
        ProviderPart("openai-chat", {"type": "input_audio"}),
    ]
)
said_parts = text_parts | thoughts | st.builds(Refusal, texts) | calls | media | foreign
results = st.builds(
    ToolResult.of, ids, texts | json_objects | st.lists(text_parts | media, min_size=1, max_size=2)
) | st.builds(ToolResult, ids, texts, st.just(value=True))
optional_names = st.none() | names
messages = st.one_of(
    st.builds(Message, st.just("system"), st.lists(text_parts, max_size=3), optional_names),
    st.builds(Message, st.just("user"), st.lists(text_parts | results | media, max_size=3), optional_names),
    st.builds(Message, st.just("assistant"), st.lists(said_parts, max_size=4), optional_names),
    st.builds(Message, st.just("tool"), st.lists(results | text_parts, min_size=1, max_size=3)),
)
conversations = st.builds(
    lambda said: Conversation([*said, Message.user("Go on.")]), st.lists(messages, min_size=1, max_size=5)
)
closed = st.builds(
    lambda fields: {"type": "object", "properties": {name: {"type": "string"} for name in fields}},
    st.lists(names, min_size=1, max_size=3),
)
tools = st.builds(Tool, names, st.none() | texts, closed)
sampling = st.fixed_dictionaries(
    {
        "temperature": st.floats(0, 1),
        "top_p": st.sampled_from([1.0, 0.9]),
        "max_new_tokens": st.integers(1, 100_000),
        "reasoning_effort": st.sampled_from([None, "none", "minimal", "low", "medium", "high"]),
        "thinking_budget": st.none() | st.integers(0, 50_000),
        "strict_tools": st.booleans(),
        "stop": st.sampled_from([None, "END", ("A", "B")]),
    }
)


@settings(max_examples=250, deadline=None)
@given(
    prompt=conversations,
    control=st.sampled_from(["effort", "budget", None]),
    params=sampling,
    given_tools=st.lists(tools, max_size=2),
    schema=st.none() | closed,
    tier=st.sampled_from([None, "auto", "default", "flex", "priority"]),
    pattern=st.none() | st.sampled_from(CACHE_PATTERNS),
)
def test_the_official_package_takes_every_request(
    prompt: Conversation,
    control: Any,
    params: dict[str, Any],
    given_tools: list[Tool],
    schema: Any,
    tier: str | None,
    pattern: str | None,
) -> None:
    model = Model("m", "m", "anthropic", URL, api_spec="anthropic", reasoning_control=control, **ABLE)
    judge_by_the_later(
        written(
            prompt,
            model=model,
            params=params,
            tools=given_tools,
            output_schema=schema,
            service_tier=tier,
            cache_pattern=pattern,
        )
    )


def test_the_judge_of_the_later_version_is_strict() -> None:
    body = written()
    for wrong in ({**body, "seed": 1}, {**body, "messages": [{"role": "user", "content": [{"type": "text"}]}]}):
        with pytest.raises(ValueError, match="validation error"):
            judge_by_the_later(wrong)


TALK = (
    Conversation.system("Be brief.")
    .user("Weather?", image=PNG, file=b"%PDF-1.4 %%EOF")
    .add(Message("assistant", [Thinking("Hm.", signed), Text("Looking."), ToolCall("a", "weather", {"city": "Oslo"})]))
    .with_tool_result("a", [Text("cold"), Image(PNG)], is_error=True)
)
PLAIN: list[dict[str, Any]] = [
    {},
    {"params": {"temperature": 0.5, "stop": "END"}},
    {"params": {"temperature": 1.0, "top_p": 0.9}},
    {"prompt": TALK, "tools": [WEATHER], "params": {"strict_tools": False}},
    {"prompt": TALK, "cache_pattern": "last_2_user_messages:1h", "service_tier": "default"},
    {"model": BUDGET, "params": {"thinking_budget": 2_000, "max_new_tokens": 4_000}},
    {"prompt": Conversation([Message("user", [Text("cited", citing)])])},
]
BETA: list[dict[str, Any]] = [
    {"prompt": TALK, "tools": [WEATHER]},
    {"output_schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
    {"prompt": Conversation([Message("user", [File(file_id="file_1", provider="anthropic")])])},
]


def test_the_official_package_of_the_earlier_version_takes_what_it_knows() -> None:
    bodies = [("plain", written(**call)) for call in PLAIN] + [("beta", as_beta(written(**call))) for call in BETA]
    assert "temperature" in bodies[1][1]
    assert problems_of_the_earlier(bodies) == [None] * len(bodies)


def test_the_judge_of_the_earlier_version_is_strict() -> None:
    wrong = [("plain", {**written(), "seed": 1}), ("plain", written(tools=[WEATHER]))]
    assert all("Extra inputs" in (problem or "") for problem in problems_of_the_earlier(wrong))


# --- headers


def test_the_version_is_named_and_a_file_id_asks_for_its_beta() -> None:
    headers = anthropic.build_request(call_of()).headers
    assert headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in headers
    named = Conversation.user("Draw.").add(Message("assistant", [ToolCall("a", "draw", {})]))
    named.with_tool_result("a", [Image(file_id="file_1", provider="anthropic")])
    for prompt in (named, Conversation([Message("user", [File(file_id="file_1", provider="anthropic")])])):
        assert anthropic.build_request(call_of(prompt)).headers["anthropic-beta"] == "files-api-2025-04-14"


def test_the_betas_that_a_user_asks_for_stay_beside_ours() -> None:
    prompt = Conversation([Message("user", [File(file_id="file_1", provider="anthropic")])])
    headers = anthropic.build_request(call_of(prompt, headers={"Anthropic-Beta": "context-1m"})).headers
    betas = [value for name, value in headers.items() if name.lower() == "anthropic-beta"]
    assert [beta.reveal() for beta in betas if isinstance(beta, Secret)] == ["context-1m,files-api-2025-04-14"]


def test_a_model_may_name_the_header_of_its_key() -> None:
    model = Model("m", "m", "elsewhere", URL, api_spec="anthropic", key_header="api-key")
    headers = anthropic.build_request(call_of(model=model)).headers
    assert isinstance(headers["api-key"], Secret)
    assert headers["api-key"].reveal() == "sk-test-key"
    assert "x-api-key" not in headers


# --- sampling and thinking


@pytest.mark.parametrize(
    ("asked", "sent", "warned"),
    [
        ({"temperature": 0.5, "top_p": 1.0}, {"temperature": 0.5}, []),
        ({"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ["top_p"]),
        ({"temperature": 1.0, "top_p": 0.9}, {"top_p": 0.9}, []),
        ({"temperature": 1.0, "top_p": 1.0}, {"temperature": 1.0}, []),
    ],
)
def test_temperature_and_top_p_are_never_sent_together(
    asked: dict[str, float], sent: dict[str, float], warned: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    model = Model(f"one-of-{asked}", "m", "anthropic", URL, api_spec="anthropic")
    body = written(model=model, params=asked)
    assert {name: body[name] for name in ("temperature", "top_p") if name in body} == sent
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == warned


@pytest.mark.parametrize(
    ("params", "thinking", "effort"),
    [
        ({}, None, None),
        ({"reasoning_effort": "none"}, {"type": "disabled"}, None),
        ({"reasoning_effort": "minimal"}, {"type": "adaptive"}, "low"),
        ({"reasoning_effort": "high"}, {"type": "adaptive"}, "high"),
        ({"thinking_budget": 0}, {"type": "disabled"}, None),
        ({"thinking_budget": 20_000}, {"type": "adaptive"}, "high"),
        ({"thinking_budget": 20_000, "reasoning_effort": "low"}, {"type": "adaptive"}, "low"),
    ],
)
def test_an_effort_is_told_as_adaptive_thinking(params: Any, thinking: Any, effort: str | None) -> None:
    body = written(params=params)
    assert body.get("thinking") == thinking
    assert body.get("output_config") == ({"effort": effort} if effort else None)
    assert ("temperature" in body) == (thinking is None or thinking["type"] == "disabled")


@pytest.mark.parametrize(
    ("params", "budget"),
    [
        ({"thinking_budget": 2_000, "max_new_tokens": 4_000}, 2_000),
        ({"thinking_budget": 100, "max_new_tokens": 4_000}, 1_024),
        ({"thinking_budget": 3_999, "max_new_tokens": 4_000}, 3_999),
        ({"thinking_budget": 4_000, "max_new_tokens": 4_000}, 3_000),
        ({"thinking_budget": 9_000, "max_new_tokens": 1_025}, 1_024),
        ({"reasoning_effort": "medium", "max_new_tokens": 8_000}, 4_096),
        ({"reasoning_effort": "high", "max_new_tokens": 8_000}, 6_000),
        ({"thinking_budget": 0}, None),
        ({"reasoning_effort": "none"}, None),
        ({"reasoning_effort": "high", "max_new_tokens": 1_024}, None),
    ],
)
def test_a_budget_is_at_least_1024_and_leaves_room_for_the_answer(params: Any, budget: int | None) -> None:
    body = written(model=BUDGET, params=params)
    assert body.get("thinking") == ({"type": "enabled", "budget_tokens": budget} if budget else None)
    assert body["max_tokens"] == params.get("max_new_tokens", 2_048)
    assert ("temperature" in body) == (budget is None)


def test_too_small_a_bound_for_thinking_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    model = Model("small-bound", "m", "a", URL, api_spec="anthropic", reasoning_control="budget", reasoning_model=True)
    written(model=model, params={"reasoning_effort": "low", "max_new_tokens": 500})
    assert "thinking, for which max_new_tokens must be above 1,024" in caplog.text


def test_a_turn_begun_without_a_thought_goes_on_without_one(caplog: pytest.LogCaptureFixture) -> None:
    params, model = {"thinking_budget": 1_500}, replace(BUDGET, id="begun-without")
    assert "thinking" in written(TALK, model=model, params=params)
    begun = Conversation.user("Weather?").add(Message("assistant", [ToolCall("a", "weather", {})]))
    begun.with_tool_result("a", "cold")
    assert "thinking" not in written(begun, model=model, params=params)
    assert "in a turn whose tool calls came without any" in caplog.text
    assert "thinking" in written(begun, model=EFFORT, params=params)
    assert "thinking" in written(begun.ai("Cold.").user("Sure?"), model=model, params=params)


@pytest.mark.parametrize("pattern", [None, *CACHE_PATTERNS])
@pytest.mark.parametrize("model", [EFFORT, BUDGET], ids=["effort", "budget"])
def test_the_embedded_provider_which_is_strict_takes_every_pattern_with_every_kind_of_thinking(
    fake_provider: FakeProvider, model: Model, pattern: str | None
) -> None:
    params = {"thinking_budget": 1_500, "temperature": 0.5}
    call = call_of(TALK, model=model, params=params, tools=[WEATHER], cache_pattern=pattern)
    request = anthropic.build_request(call)
    headers = {name: value.reveal() if isinstance(value, Secret) else value for name, value in request.headers.items()}
    connection = http.client.HTTPConnection(fake_provider.url.removeprefix("http://"), timeout=5)
    try:
        connection.request("POST", "/anthropic/v1/messages", request.body, headers)
        reply = connection.getresponse()
        outcome = anthropic.parse_reply(call, HttpReply(reply.status, {}, reply.read()))
    finally:
        connection.close()
    assert isinstance(outcome, ModelReply), outcome
    assert (outcome.content.text, outcome.content.thinking) == ("Found: cold", "Let me think about that.")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"params": {"json_mode": True}}, "json_mode"),
        ({"params": {"seed": 7}}, "seed"),
        ({"params": {"logprobs": True, "top_logprobs": 2}}, "logprobs, top_logprobs"),
        ({"service_tier": "flex"}, "service_tier 'flex'"),
    ],
)
def test_what_the_format_has_no_words_for_is_left_out_with_one_warning(
    asked: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model(f"lacks-{told}", "m", "anthropic", URL, api_spec="anthropic")
    assert written(model=model, **asked) == written(model=model, **asked) == written(model=model)
    assert [record.getMessage() for record in caplog.records] == [
        f"not sent to lacks-{told}, which does not take it: {told}"
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"), [("auto", "auto"), ("default", "standard_only"), ("priority", "auto"), (None, None)]
)
def test_service_tiers_are_told_in_their_words(ours: str | None, theirs: str | None) -> None:
    assert written(service_tier=ours).get("service_tier") == theirs


# --- tools and schemas


def test_only_twenty_tools_are_strict_and_ours_stay_as_they_are() -> None:
    tools = [Tool(f"t{n}", None, WEATHER.parameters) for n in range(22)]
    strict = [tool["strict"] for tool in written(tools=tools)["tools"]]
    assert strict == [True] * 20 + [False] * 2
    assert [tool["strict"] for tool in written(tools=tools[:20])["tools"]] == [True] * 20


def test_a_model_without_structured_output_gets_no_strict_tools() -> None:
    model = Model("m", "m", "anthropic", URL, api_spec="anthropic")
    assert "strict" not in written(model=model, tools=[WEATHER])["tools"][0]


def test_a_tool_of_the_provider_is_sent_as_it_is() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    body = written(tools=[search, WEATHER], cache_pattern="tools_only")
    assert body["tools"][0] == search
    assert body["tools"][1]["cache_control"] == {"type": "ephemeral"}
    judge_by_the_later(body)
    assert "cache_control" not in written(tools=[WEATHER])["tools"][0]


def test_disabling_parallel_calls_is_said_in_the_providers_words() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    body = written(tools=[WEATHER], body={"tool_choice": choice})
    assert body["tool_choice"] == choice
    judge_by_the_later(body)


def test_a_schema_and_an_effort_share_their_field() -> None:
    class Sum(BaseModel):
        total: int

    config = written(params={"reasoning_effort": "low"}, output_schema=Sum)["output_config"]
    assert config["effort"] == "low"
    assert config["format"]["schema"]["required"] == ["total"]


def test_automatic_caching_is_asked_for_at_the_top() -> None:
    assert written(cache_pattern="automatic")["cache_control"] == {"type": "ephemeral"}
    assert written(cache_pattern="automatic:1h")["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_a_prompt_without_a_word_is_refused_before_it_is_sent() -> None:
    for prompt in (Conversation.system("Be brief."), Conversation.user("  \n")):
        with pytest.raises(ConfigError, match="nothing that a user or the model says"):
            anthropic.build_request(call_of(prompt))


def test_a_system_message_from_between_the_others_arrives_at_the_top() -> None:
    said = [{"role": "user", "content": "Hi"}, {"role": "system", "content": "In German."}]
    body = written(Conversation.from_anthropic(said, system="Be brief."))
    assert [block["text"] for block in body["system"]] == ["Be brief.", "In German."]
    assert body["messages"] == [{"role": "user", "content": "Hi"}]


# --- what we read


def test_thinking_goes_back_with_its_signature_and_in_its_place() -> None:
    content: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "Two and two.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZW5j"},
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "a", "name": "add", "input": {"a": 2}, "caller": {"type": "direct"}},
    ]
    said = answer(*content).content
    prompt = Conversation.user("2 + 2?").add(said).with_tool_result("a", 4)
    assert written(prompt)["messages"][1] == {"role": "assistant", "content": content}


def test_citations_come_and_go_back_but_for_the_id_of_the_file() -> None:
    place = {"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None}
    place |= {"start_char_index": 0, "end_char_index": 1}
    said = answer({"type": "text", "text": "It is x.", "citations": [{**place, "file_id": "file_1"}]}).content
    assert said.parts == [Text("It is x.", {"anthropic": {"citations": [{**place, "file_id": "file_1"}]}})]
    body = written(Conversation.user("What?").add(said).user("Sure?"))
    assert body["messages"][1]["content"] == [{"type": "text", "text": "It is x.", "citations": [place]}]
    judge_by_the_later(body)


def test_what_the_providers_own_tools_did_goes_back_as_it_came() -> None:
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    hit = {"type": "web_search_result", "title": "X", "url": "https://x.test", "encrypted_content": "e"}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{**hit, "page_age": None}]}
    said = answer(search, found, {"type": "text", "text": "Found."}, stop_reason="pause_turn")
    assert said.finish_reason == "pause_turn"
    assert said.content.tool_calls == []
    body = written(Conversation.user("Search.").add(said.content))
    assert body["messages"][1]["content"][:2] == [search, {**found, "content": [hit]}]  # no nulls


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause_turn"),
        ("refusal", "content_filter"),
        ("brand_new", "brand_new"),
    ],
)
def test_stop_reasons_are_told_in_our_words(theirs: str, ours: str) -> None:
    assert answer({"type": "text", "text": "x"}, stop_reason=theirs).finish_reason == ours


@pytest.mark.parametrize(
    ("theirs", "ours"), [("standard", "default"), ("priority", "priority"), ("batch", "batch"), (None, None)]
)
def test_the_tier_that_was_used_is_told_in_our_words(theirs: str | None, ours: str | None) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "service_tier": theirs}
    assert answer({"type": "text", "text": "x"}, usage=usage).service_tier == ours


def test_counts_do_not_overlap_and_parts_are_told() -> None:
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 2_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 30},
    }
    told = answer({"type": "text", "text": "x"}, usage=usage).usage
    assert told is not None
    assert (told.cache_write_1h_tokens, told.reasoning_tokens, told.total_tokens) == (200, 30, 2_360)


def test_a_refusal_without_a_word_is_still_one() -> None:
    outcome = answer(stop_reason="refusal")
    assert outcome.failure is not None
    assert (outcome.failure.kind.value, outcome.failure.message) == (
        "content_filter",
        "the model refused, without a word on why",
    )


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", "context_length"),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", "quota"),
        (400, "invalid_request_error", "Output blocked by content filtering policy", "content_filter"),
        (400, "invalid_request_error", "messages: at least one message is required", "bad_request"),
        (401, "authentication_error", "invalid x-api-key", "auth"),
        (402, "billing_error", "Payment required", "quota"),
        (403, "permission_error", "not allowed", "permission"),
        (404, "not_found_error", "model: claude-9", "model_not_found"),
        (404, "not_found_error", "File not found: file_1", "bad_request"),
        (413, "request_too_large", "Request exceeds the maximum size", "request_too_large"),
        (429, "rate_limit_error", "This request would exceed your rate limit", "rate_limit"),
        (500, "api_error", "Internal server error", "server"),
        (504, "timeout_error", "Request timed out", "server"),
        (529, "overloaded_error", "Overloaded", "overloaded"),
    ],
)
def test_documented_errors_are_told_by_their_kind(status: int, kind: str, message: str, expected: str) -> None:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    failure = anthropic.parse_reply(call_of(), HttpReply(status, {}, json.dumps(body).encode()))
    assert isinstance(failure, Failure)
    assert failure.kind.value == expected


def test_what_the_recorded_replies_say_is_what_the_official_package_takes() -> None:
    table = json.loads((Path(__file__).parent / "cases" / "anthropic.json").read_text("utf-8"))
    for name in ("text", "tool_calls", "length", "refusal", "cached_usage"):
        OfficialMessage.model_validate(table["replies"][name]["body"], strict=False)


def test_left_out_parts_are_named_at_debug_level_only(caplog: pytest.LogCaptureFixture) -> None:
    prompt = Conversation.user("Hi").add(Message("assistant", [Thinking("secret thought"), Text("Ho")])).user("Hi")
    with caplog.at_level(logging.DEBUG, "deluge_sync"):
        assert "secret thought" not in json.dumps(written(prompt))
    assert "thinking without its signature" in caplog.text
    assert "secret thought" not in caplog.text
