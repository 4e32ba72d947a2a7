"""The official package, strict about replies, is the judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from deluge_sync.testing import Answer, FakeProvider, Reply, ScriptedCall, _openai
from deluge_sync.testing._limits import Standing

Official = Callable[..., openai.OpenAI]

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}


class WeatherArguments(BaseModel):
    city: str
    unit: Literal["C", "F"]
    days: int


class Person(BaseModel):
    name: str
    born: int
    children: list[str]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0ms"), (0.017, "17ms"), (0.0161, "17ms"), (1.0, "1s"), (1.5, "1.5s"), (60.0, "1m0s"), (365.25, "6m5.25s")],
)
def test_resets_are_written_as_openai_writes_durations(seconds: float, text: str) -> None:
    headers = _openai.reply_headers({"tokens": Standing(100, 5, seconds)}, sequence=7)
    assert headers["x-ratelimit-reset-tokens"] == text
    assert headers["x-request-id"] == "req_00000007"


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def test_an_answer_is_made_from_the_last_user_message(fake_provider: FakeProvider, official: Official) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": [{"type": "text", "text": "second"}]},
    ]
    reply = official(fake_provider).chat.completions.create(model="any-model", messages=messages)
    assert reply.model == "any-model"
    assert reply.choices[0].message.content == "You said: second"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    # 9, 5, 2 and 6 characters are 3, 2, 1 and 2 tokens; 4 more for each message. The answer has 16 characters.
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (24, 4, 28)
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == 0
    record = fake_provider.ledger[0]
    assert (record.prompt_tokens, record.completion_tokens, record.answered) == (24, 4, True)


@pytest.mark.parametrize("parameter", ["max_tokens", "max_completion_tokens"])
def test_an_answer_ends_at_max_tokens(fake_provider: FakeProvider, official: Official, parameter: str) -> None:
    limit: Any = {parameter: 3}
    reply = official(fake_provider).chat.completions.create(model="m", messages=user("hello there"), **limit)
    assert reply.choices[0].message.content == "You said: he"
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 3


def test_an_answer_ends_before_a_stop_sequence(fake_provider: FakeProvider, official: Official) -> None:
    reply = official(fake_provider).chat.completions.create(model="m", messages=user("a. b. c"), stop=[" b", "."])
    assert reply.choices[0].message.content == "You said: a"


def test_choices_differ(fake_provider: FakeProvider, official: Official) -> None:
    reply = official(fake_provider).chat.completions.create(model="m", messages=user("hi"), n=3)
    assert [choice.message.content for choice in reply.choices] == [
        "You said: hi",
        "You said: hi (2)",
        "You said: hi (3)",
    ]


def test_a_stream_says_the_same_as_a_whole_reply(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    whole = client.chat.completions.create(model="m", messages=user("stream this"), n=2)
    stream = client.chat.completions.create(
        model="m", messages=user("stream this"), n=2, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    texts, ends = ["", ""], ["", ""]
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        texts[choice.index] += choice.delta.content or ""
        ends[choice.index] = choice.finish_reason or ends[choice.index]
    assert texts == [choice.message.content for choice in whole.choices]
    assert ends == ["stop", "stop"]
    assert len(chunks) > 6
    assert all(chunk.to_dict()["usage"] is None for chunk in chunks)
    assert (last.choices, last.usage) == ([], whole.usage)


def test_a_stream_without_stream_options_has_no_usage(fake_provider: FakeProvider, official: Official) -> None:
    stream = official(fake_provider).chat.completions.create(model="m", messages=user("x"), stream=True)
    assert [chunk.usage for chunk in stream if chunk.usage or not chunk.choices] == []


def test_a_tool_is_called_and_its_result_answered(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    messages = user("Weather in Oslo?")
    first = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER]).choices[0]
    assert (first.finish_reason, first.message.content) == ("tool_calls", None)
    assert first.message.tool_calls is not None
    (call,) = first.message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    WeatherArguments.model_validate_json(call.function.arguments)
    messages += [
        first.message.model_dump(exclude_none=True),  # type: ignore[list-item]  # the shape it came in
        {"role": "tool", "tool_call_id": call.id, "content": "4 degrees, rain"},
    ]
    second = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER]).choices[0]
    assert (second.finish_reason, second.message.content) == ("stop", "Found: 4 degrees, rain")


def test_a_streamed_tool_call_is_put_together_by_the_official_package(
    fake_provider: FakeProvider, official: Official
) -> None:
    with official(fake_provider).chat.completions.stream(model="m", messages=user("go"), tools=[WEATHER]) as stream:
        choice = stream.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    WeatherArguments.model_validate_json(choice.message.tool_calls[0].function.arguments)


@pytest.mark.parametrize(
    ("tool_choice", "called"),
    [
        ("none", None),
        ("auto", "get_weather"),
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "other"}}, "other"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "other"}}]},
            },
            "other",
        ),
    ],
)
def test_tool_choice_decides(
    fake_provider: FakeProvider, official: Official, tool_choice: Any, called: str | None
) -> None:
    other: Any = {"type": "function", "function": {"name": "other"}}
    reply = official(fake_provider).chat.completions.create(
        model="m", messages=user("x"), tools=[WEATHER, other], tool_choice=tool_choice
    )
    calls = reply.choices[0].message.tool_calls
    assert (calls[0].function.name if calls and calls[0].type == "function" else None) == called


def test_a_structured_answer_fits_its_schema(fake_provider: FakeProvider, official: Official) -> None:
    reply = official(fake_provider).chat.completions.parse(model="m", messages=user("x"), response_format=Person)
    assert isinstance(reply.choices[0].message.parsed, Person)


def test_json_mode_gives_an_object(fake_provider: FakeProvider, official: Official) -> None:
    reply = official(fake_provider).chat.completions.create(
        model="m", messages=user("as JSON"), response_format={"type": "json_object"}
    )
    assert reply.choices[0].message.content == '{"answer": "You said: as JSON"}'


def test_logprobs_cover_the_answer_token_by_token(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    reply = client.chat.completions.create(model="m", messages=user("hi"), logprobs=True, top_logprobs=2)
    assert reply.choices[0].logprobs is not None
    tokens = reply.choices[0].logprobs.content or []
    assert "".join(token.token for token in tokens) == reply.choices[0].message.content
    for token in tokens:
        assert token.logprob <= 0
        assert bytes(token.bytes or []).decode() == token.token
        assert token.top_logprobs[0].token == token.token
        assert token.top_logprobs[0].logprob > token.top_logprobs[1].logprob
    streamed = [
        token.token
        for chunk in client.chat.completions.create(model="m", messages=user("hi"), logprobs=True, stream=True)
        for choice in chunk.choices
        for token in ((choice.logprobs and choice.logprobs.content) or [])
    ]
    assert streamed == [token.token for token in tokens]


def test_models_are_listed_and_looked_up(
    fake_provider_factory: Callable[..., FakeProvider], official: Official
) -> None:
    client = official(fake_provider_factory(models=["a", "b/c"]))
    assert [model.id for model in client.models.list()] == ["a", "b/c"]
    assert client.models.retrieve("b/c").id == "b/c"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("d")
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="d", messages=user("x"))
    assert caught.value.code == "model_not_found"


def test_a_wrong_key_is_an_authentication_error(
    fake_provider_factory: Callable[..., FakeProvider], official: Official
) -> None:
    provider = fake_provider_factory(api_keys={"sk-right"})
    official(provider, api_key="sk-right").models.list()
    with pytest.raises(openai.AuthenticationError) as caught:
        official(provider, api_key="sk-wrong-0123456789").models.list()
    assert caught.value.code == "invalid_api_key"
    assert "sk-wrong" not in str(caught.value)


def test_other_paths_and_methods_are_refused(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    with pytest.raises(openai.NotFoundError, match="unknown URL"):
        client.moderations.create(input="x")
    with pytest.raises(openai.APIStatusError, match="does not take GET") as caught:
        client.get("/chat/completions", cast_to=object)
    assert caught.value.status_code == 405


def test_an_invalid_request_names_the_parameter(fake_provider: FakeProvider, official: Official) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        official(fake_provider).chat.completions.create(model="m", messages=user("x"), temperature=3)
    assert (caught.value.param, caught.value.code) == ("temperature", "integer_above_max_value")


def test_a_request_over_the_limit_is_a_rate_limit_error(
    fake_provider_factory: Callable[..., FakeProvider], official: Official
) -> None:
    client = official(fake_provider_factory(requests_per_minute=60, burst_s=1.0))
    client.chat.completions.create(model="m", messages=user("x"))
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="m", messages=user("x"))
    assert (caught.value.type, caught.value.code) == ("requests", "rate_limit_exceeded")
    assert caught.value.response.headers["retry-after"] == "1"


def test_scripted_answers_reach_the_official_package(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    fake_provider.use_script(
        [
            Reply.text("as told", finish_reason="content_filter", cached_tokens=7),
            Reply.tool_calls(ScriptedCall("a", '{"x": 1}'), ScriptedCall("b", "{broken")),
            Reply.answer(Answer(refusal="no", prompt_tokens=100, completion_tokens=50, reasoning_tokens=40)),
            Reply.empty_choices(),
            None,
        ]
    )
    replies = [client.chat.completions.create(model="m", messages=user("x")) for _ in range(5)]
    told, calls, refusal, empty, ordinary = replies
    assert (told.choices[0].message.content, told.choices[0].finish_reason) == ("as told", "content_filter")
    assert told.usage is not None
    assert told.usage.prompt_tokens_details is not None
    assert told.usage.prompt_tokens_details.cached_tokens == 7
    assert [call.to_dict()["function"] for call in calls.choices[0].message.tool_calls or []] == [
        {"name": "a", "arguments": '{"x": 1}'},
        {"name": "b", "arguments": "{broken"},
    ]
    assert refusal.choices[0].message.refusal == "no"
    assert refusal.usage is not None
    assert (refusal.usage.prompt_tokens, refusal.usage.completion_tokens) == (100, 50)
    assert empty.choices == []
    assert ordinary.choices[0].message.content == "You said: x"
