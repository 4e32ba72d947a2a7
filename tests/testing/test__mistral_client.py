"""Our own client against the embedded provider's Mistral format, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import BaseModel

from deluge_sync import LLMClient
from deluge_sync.deltas import ThinkingDelta
from deluge_sync.models import Registry, lookup, register_model
from deluge_sync.prompt import Conversation, File, Message
from deluge_sync.response import APIResponse, Usage
from deluge_sync.testing import Answer, FakeProvider, Reply, ScriptedCall
from deluge_sync.tool import Tool

Connect = Callable[..., LLMClient]
WEATHER = Tool(
    "weather",
    "The weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
)


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
def connect(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Makes clients of a Mistral model at the provider, which is known for this test only."""
    monkeypatch.setattr(lookup, "registry", Registry())
    able: dict[str, Any] = dict.fromkeys(
        ("supports_json", "supports_schema", "supports_images", "supports_files", "supports_logprobs"), True
    )
    prices: dict[str, Any] = {"input_cost": 1.0, "cached_input_cost": 0.1, "output_cost": 2.0}
    register_model(
        "mistral-here",
        "mistral-large-latest",
        f"{fake_provider.mistral_url}/v1",
        None,
        "mistral",
        provider="mistral",
        reasoning_control="effort",
        **able,
        **prices,
    )
    with ExitStack() as stack:
        own = {"api_key": "k", "max_requests_per_minute": 10**6}
        yield lambda **settings: stack.enter_context(LLMClient("mistral-here", **{**own, **settings}))


def only(responses: list[APIResponse]) -> APIResponse:
    [response] = responses
    assert not response.is_error, response.error_message
    return response


def ask(client: LLMClient, prompt: Any, **more: Any) -> APIResponse:
    return only(client.process_prompts_sync([prompt], show_progress=False, **more))


def test_text_and_its_price(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script(
        [Reply.answer(Answer(text="Four.", prompt_tokens=2_000, cached_tokens=1_500, completion_tokens=30))]
    )
    response = ask(connect(), "What is 2 + 2?")
    assert (response.completion, response.finish_reason) == ("Four.", "stop")
    assert (response.model_external, response.usage) == ("mistral-large-latest", Usage(500, 30, 1_500))
    assert response.cost == pytest.approx((500 * 1.0 + 1_500 * 0.1 + 30 * 2.0) / 1e6)


def test_a_tool_is_called_and_its_result_told(connect: Connect) -> None:
    client = connect()
    first = ask(client, "Weather?", tools=[WEATHER])
    [call] = first.tool_calls
    assert (call.name, list(call.arguments)) == ("weather", ["city"])
    assert first.content is not None
    prompt = Conversation.user("Weather?").add(first.content).with_tool_result(call.id, "sunny")
    assert ask(client, prompt, tools=[WEATHER]).completion == "Found: sunny"


def test_the_conversation_of_another_provider_goes_on(connect: Connect) -> None:
    """With ids that this one does not take, and an order of messages that it does not take either."""
    said = Message.ai().with_tool_call("call_0123456789", "weather", {}).with_tool_call("toolu_1", "weather", {})
    prompt = Conversation.user("Weather?").add(said)
    prompt.with_tool_result("toolu_1", "rain").with_tool_result("call_0123456789", "sunny")
    assert ask(connect(), prompt, tools=[WEATHER]).completion == "Found: sunny"
    prompt = Conversation.user("a").ai("b").system("Be brief.").user("c")
    assert ask(connect(), prompt).completion == "You said: c"
    assert ask(connect(), Conversation.user("a").ai("Once upon")).completion == "You said: a"


def test_an_answer_fits_its_schema(connect: Connect) -> None:
    parsed = ask(connect(), "Rome?", output_schema=City).parsed
    assert isinstance(parsed, City)


def test_thinking_comes_back_and_goes_back(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(reasoning_effort="high")
    first = ask(client, "2 + 2?")
    assert (first.thinking, first.completion) == ("The question is: 2 + 2?", "You said: 2 + 2?")
    prompt = Conversation.user("2 + 2?").with_response(first).user("Sure?")
    assert ask(client, prompt).completion == "You said: Sure?"
    said = json.loads(fake_provider.ledger[-1].body)["messages"][1]["content"]
    assert [part["type"] for part in said] == ["thinking", "text"]


def test_a_stream_brings_thinking_text_and_tool_calls(fake_provider: FakeProvider, connect: Connect) -> None:
    *deltas, response = connect(reasoning_effort="low").stream_chat_sync("hello")
    assert isinstance(response, APIResponse)
    assert "".join(delta for delta in deltas if isinstance(delta, str)) == response.completion == "You said: hello"
    thoughts = [delta.text for delta in deltas if isinstance(delta, ThinkingDelta)]
    assert "".join(thoughts) == response.thinking == "The question is: hello"
    assert response.usage is not None
    assert (response.usage.input_tokens, response.finish_reason) == (6, "stop")
    fake_provider.use_script([Reply.tool_calls(ScriptedCall("a", '{"x":1}'), ScriptedCall("b"))])
    *_, called = connect().stream_chat_sync("hello", tools=[WEATHER])
    assert isinstance(called, APIResponse)
    assert [(call.name, call.arguments) for call in called.tool_calls] == [("a", {"x": 1}), ("b", {})]


def test_logprobs_and_a_document(connect: Connect) -> None:
    prompt = Conversation([Message.user("Sum up.").with_file(File(b"%PDF-1.7", filename="a.pdf"))])
    response = ask(connect(logprobs=True, top_logprobs=2), prompt)
    assert response.completion == "You said: Sum up."
    assert response.logprobs is not None
    assert "".join(token["token"] for token in response.logprobs) == response.completion
    assert all(len(token["top_logprobs"]) == 2 for token in response.logprobs)


def test_a_rate_limit_is_waited_out_and_a_flawed_request_told(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script([Reply.error(429, retry_after=0.05), None])
    assert ask(connect(), "hello").attempts == 2
    [response] = connect(temperature=1.9).process_prompts_sync(["hello"], show_progress=False)
    assert (response.error_kind, response.status_code) == ("bad_request", 422)
    assert response.error_message is not None
    assert "less than or equal to 1.5" in response.error_message
