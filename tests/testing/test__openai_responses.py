"""The official package, strict about replies and about the order of events, is the judge; then our own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseReasoningItem
from pydantic import BaseModel

from deluge_sync import LLMClient
from deluge_sync.deltas import ThinkingDelta, ToolCallDelta
from deluge_sync.models import register_model
from deluge_sync.prompt import Conversation
from deluge_sync.response import APIResponse, Usage
from deluge_sync.testing import Answer, BatchPace, FakeProvider, Reply, ScriptedCall
from deluge_sync.tool import Tool

Official = Callable[..., openai.OpenAI]
Factory = Callable[..., FakeProvider]

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


class City(BaseModel):
    city: str


def create(client: openai.OpenAI, **request: Any) -> Response:
    response = client.responses.create(**{"model": "m", "input": "x", **request})
    assert isinstance(response, Response)
    return response


def event_types(client: openai.OpenAI, **request: Any) -> tuple[list[str], Any]:
    with client.responses.stream(**{"model": "m", "input": "x", **request}) as stream:
        return [event.type for event in stream], stream.get_final_response()


def result_of(call: ResponseFunctionToolCall, output: Any) -> Any:
    return {"type": "function_call_output", "call_id": call.call_id, "output": output}


# --- answers


def test_an_answer_is_made_from_the_last_user_message(fake_provider: FakeProvider, official: Official) -> None:
    items: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": [{"type": "input_text", "text": "second"}]},
    ]
    reply = create(official(fake_provider), input=items)
    assert (reply.status, reply.model, reply.output_text) == ("completed", "m", "You said: second")
    assert reply.usage is not None
    # 9, 5, 2 and 6 characters are 3, 2, 1 and 2 tokens; 4 more for each message. The answer has 16 characters.
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.total_tokens) == (24, 4, 28)
    record = fake_provider.ledger[0]
    assert (record.prompt_tokens, record.completion_tokens, record.answered) == (24, 4, True)


def test_an_answer_ends_at_its_limit(fake_provider: FakeProvider, official: Official) -> None:
    reply = create(official(fake_provider), input="x" * 100, max_output_tokens=16)
    assert (reply.status, len(reply.output_text)) == ("incomplete", 64)
    assert reply.incomplete_details is not None
    assert reply.incomplete_details.reason == "max_output_tokens"
    assert reply.completed_at is None


def test_a_tool_is_called_and_its_result_answered(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    (call,) = create(client, tools=[WEATHER]).output
    assert isinstance(call, ResponseFunctionToolCall)
    City.model_validate_json(call.arguments)
    items: Any = [{"role": "user", "content": "x"}, call.model_dump(exclude_none=True), result_of(call, "4 degrees")]
    assert create(client, input=items, tools=[WEATHER]).output_text == "Found: 4 degrees"


def test_a_call_without_its_result_is_refused(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    first = create(client, tools=[WEATHER])
    with pytest.raises(openai.BadRequestError, match="No tool output found for function call call_00000000_0"):
        create(client, previous_response_id=first.id, input="and now?")


@pytest.mark.parametrize(
    ("tool_choice", "called"),
    [
        ("none", None),
        ("required", "get_weather"),
        ({"type": "function", "name": "other"}, "other"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "other"}]}, "other"),
        ({"type": "file_search"}, None),
    ],
)
def test_tool_choice_decides(
    fake_provider: FakeProvider, official: Official, tool_choice: Any, called: str | None
) -> None:
    tools = [{"type": "web_search"}, WEATHER, {**WEATHER, "name": "other"}]
    reply = create(official(fake_provider), tools=tools, tool_choice=tool_choice)
    names = [item.name for item in reply.output if isinstance(item, ResponseFunctionToolCall)]
    assert names == ([called] if called else [])


def test_a_structured_answer_fits_its_schema(fake_provider: FakeProvider, official: Official) -> None:
    reply = official(fake_provider).responses.parse(model="m", input="x", text_format=City)
    assert isinstance(reply.output_parsed, City)


def test_json_mode_gives_an_object(fake_provider: FakeProvider, official: Official) -> None:
    reply = create(official(fake_provider), input="as JSON", text={"format": {"type": "json_object"}})
    assert reply.output_text == '{"answer": "You said: as JSON"}'


def test_logprobs_cover_the_answer_token_by_token(fake_provider: FakeProvider, official: Official) -> None:
    wanted: Any = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    (message,) = create(official(fake_provider), **wanted).output
    assert message.type == "message"
    assert message.content[0].type == "output_text"
    tokens = message.content[0].logprobs or []
    assert "".join(token.token for token in tokens) == "You said: x"
    assert all(token.top_logprobs[0].token == token.token and len(token.top_logprobs) == 2 for token in tokens)


def test_reasoning_is_summarised_and_sealed_as_asked(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    plain = create(client, reasoning={"effort": "low"}).output[0]
    assert isinstance(plain, ResponseReasoningItem)
    assert (plain.summary, plain.encrypted_content) == ([], None)
    full = create(client, reasoning={"effort": "low", "summary": "auto"}, include=["reasoning.encrypted_content"])
    thought = full.output[0]
    assert isinstance(thought, ResponseReasoningItem)
    assert thought.summary[0].text == "I think about: x"
    assert full.usage is not None
    assert full.usage.output_tokens_details.reasoning_tokens == 4
    back: Any = [item.model_dump(exclude_none=True) for item in full.output]
    follow: Any = {"role": "user", "content": "go on"}
    assert create(client, input=[*back, follow]).output_text == "You said: go on"
    back[0]["encrypted_content"] += "!"
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, input=[*back, follow])
    assert caught.value.code == "invalid_encrypted_content"


def test_scripted_answers_reach_the_official_package(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    fake_provider.use_script(
        [
            Reply.text("as told", finish_reason="content_filter", cached_tokens=7),
            Reply.tool_calls(ScriptedCall("a", '{"x": 1}'), ScriptedCall("b", "{broken")),
            Reply.answer(Answer(refusal="no", prompt_tokens=100, completion_tokens=50, reasoning_tokens=40)),
            Reply.empty_choices(),
            Reply.text("oh", finish_reason="failed"),
        ]
    )
    told, calls, refusal, empty, failed = [create(client) for _ in range(5)]
    assert (told.status, told.output_text) == ("incomplete", "as told")
    assert told.usage is not None
    assert told.usage.input_tokens_details.cached_tokens == 7
    assert [item.arguments for item in calls.output if isinstance(item, ResponseFunctionToolCall)] == [
        '{"x": 1}',
        "{broken",
    ]
    assert refusal.output[1].to_dict()["content"] == [{"refusal": "no", "type": "refusal"}]
    assert refusal.usage is not None
    assert (refusal.usage.input_tokens, refusal.usage.output_tokens) == (100, 50)
    assert empty.output == []
    assert failed.error is not None
    assert (failed.status, failed.error.code) == ("failed", "server_error")


# --- streams


def test_a_stream_says_the_same_as_a_whole_reply(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    request: Any = {
        "tools": [WEATHER],
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
    }
    whole = create(client, **request)
    types, streamed = event_types(client, **request)
    assert [item.type for item in streamed.output] == [item.type for item in whole.output] == [
        "reasoning", "function_call",
    ]  # fmt: skip
    assert streamed.usage == whole.usage
    kinds = list(dict.fromkeys(types))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.completed",
    ]


def test_a_streamed_text_comes_token_by_token(fake_provider: FakeProvider, official: Official) -> None:
    with official(fake_provider).responses.stream(
        model="m", input="stream this", include=["message.output_text.logprobs"], top_logprobs=1
    ) as stream:
        events = list(stream)
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert "".join(event.delta for event in deltas) == "You said: stream this"
    assert [event.logprobs[0].token for event in deltas] == [event.delta for event in deltas]
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_streamed_document_is_parsed(fake_provider: FakeProvider, official: Official) -> None:
    with official(fake_provider).responses.stream(model="m", input="x", text_format=City) as stream:
        assert isinstance(stream.get_final_response().output_parsed, City)


@pytest.mark.parametrize(
    ("reply", "last"),
    [
        (Reply.text("Hm", finish_reason="length"), "response.incomplete"),
        (Reply.text("Hm", finish_reason="failed"), "response.failed"),
    ],
)
def test_a_stream_ends_as_the_response_does(
    fake_provider: FakeProvider, official: Official, reply: Reply, last: str
) -> None:
    fake_provider.use_script([reply])
    with official(fake_provider).responses.stream(model="m", input="x") as stream:
        assert [event.type for event in stream][-1] == last


def test_a_refusal_is_streamed_as_one(fake_provider: FakeProvider, official: Official) -> None:
    fake_provider.use_script([Reply.answer(Answer(refusal="I will not."))])
    types, response = event_types(official(fake_provider))
    assert types.count("response.refusal.delta") == 3
    assert response.output[0].content[0].refusal == "I will not."


# --- what is stored


def test_a_response_follows_on_a_stored_one(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    first = create(client, tools=[WEATHER])
    (call,) = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    second = create(client, previous_response_id=first.id, input=[result_of(call, "4 degrees")], tools=[WEATHER])
    assert (second.output_text, second.previous_response_id) == ("Found: 4 degrees", first.id)
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens


def test_a_stored_response_can_be_looked_up_and_deleted(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    created = create(client)
    assert client.responses.retrieve(created.id) == created
    client.responses.delete(created.id)
    with pytest.raises(openai.NotFoundError, match=f"Response with id '{created.id}' not found"):
        client.responses.retrieve(created.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(created.id)


def test_what_is_not_stored_is_not_found(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    created = create(client, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(created.id)
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, previous_response_id=created.id)
    assert caught.value.code == "previous_response_not_found"


# --- the background


def test_a_background_response_is_done_after_two_looks(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    queued = create(client, background=True)
    assert (queued.status, queued.output, queued.usage) == ("queued", [], None)
    running, done, again = [client.responses.retrieve(queued.id) for _ in range(3)]
    assert (running.status, running.output) == ("in_progress", [])
    assert (done.status, done.output_text) == ("completed", "You said: x")
    assert again == done
    assert len(fake_provider.requests("/v1/responses")) == 1


def test_a_background_response_takes_as_many_looks_as_it_is_told(
    fake_provider_factory: Factory, official: Official
) -> None:
    client = official(fake_provider_factory(background=BatchPace(polls=4)))
    created = create(client, background=True)
    states = [client.responses.retrieve(created.id).status for _ in range(5)]
    assert states == ["in_progress"] * 3 + ["completed"] * 2


def test_time_can_hold_a_background_response_up(fake_provider_factory: Factory, official: Official) -> None:
    client = official(fake_provider_factory(background=BatchPace(polls=0, seconds=3600)))
    created = create(client, background=True)
    assert {client.responses.retrieve(created.id).status for _ in range(5)} == {"in_progress"}


def test_a_background_response_that_fails_says_so_at_its_end(fake_provider: FakeProvider, official: Official) -> None:
    fake_provider.use_script([Reply.text("oh", finish_reason="failed")])
    client = official(fake_provider)
    created = create(client, background=True)
    assert (created.status, created.error) == ("queued", None)
    assert [client.responses.retrieve(created.id).status for _ in range(2)] == ["in_progress", "failed"]


def test_a_cancelled_response_stays_cancelled(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    created = create(client, background=True)
    assert [client.responses.cancel(created.id).status for _ in range(2)] == ["cancelled"] * 2
    assert {client.responses.retrieve(created.id).status for _ in range(3)} == {"cancelled"}


def test_to_cancel_what_has_ended_changes_nothing(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    created = create(client, background=True)
    done = [client.responses.retrieve(created.id) for _ in range(2)][-1]
    assert client.responses.cancel(created.id) == done
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(create(client).id)
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel("resp_unknown")


def test_a_background_response_may_be_streamed_too(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    types, response = event_types(client, background=True)
    assert types[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert client.responses.retrieve(response.id).status == "completed"


def test_looking_costs_nothing_of_the_limits(fake_provider_factory: Factory, official: Official) -> None:
    client = official(fake_provider_factory(requests_per_minute=1, background=BatchPace(polls=5)))
    created = create(client, background=True)
    assert [client.responses.retrieve(created.id).status for _ in range(5)][-1] == "completed"
    client.responses.cancel(created.id)
    with pytest.raises(openai.RateLimitError):
        create(client)


def test_a_batch_may_be_made_of_responses(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    line = b'{"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": "hello"}}\n'
    file = client.files.create(file=("a.jsonl", line), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    for _ in range(2):
        batch = client.batches.retrieve(batch.id)
    assert batch.output_file_id is not None
    assert b"You said: hello" in client.files.content(batch.output_file_id).read()


# --- our own client


class Sum(BaseModel):
    total: int


@pytest.fixture
def client(fake_provider: FakeProvider) -> Iterator[LLMClient]:
    register_model(
        "responses-by-embedded", "m", fake_provider.openai_url, None, "openai-responses",
        supports_json=True, supports_schema=True, supports_logprobs=True, reasoning_model=True,
    )  # fmt: skip
    with ExitStack() as stack:
        yield stack.enter_context(
            LLMClient("responses-by-embedded", api_key="sk-test-0123456789", reasoning_effort="low")
        )


def ask(client: LLMClient, prompt: Any, **more: Any) -> APIResponse:
    (response,) = client.process_prompts_sync([prompt], show_progress=False, **more)
    assert isinstance(response, APIResponse)
    assert not response.is_error, response.error_message
    return response


def test_our_client_gets_text_thinking_and_usage(client: LLMClient) -> None:
    response = ask(client, "hello")
    assert (response.completion, response.thinking) == ("You said: hello", "I think about: hello")
    assert response.usage == Usage(6, 9, reasoning_tokens=5)
    assert (response.finish_reason, response.response_id) == ("stop", "resp_00000000")


def test_our_client_sends_back_what_the_model_thought(client: LLMClient, fake_provider: FakeProvider) -> None:
    tool = Tool("get_weather", None, WEATHER["parameters"])
    conversation = Conversation.user("Weather?")
    first = ask(client, conversation, tools=[tool])
    (call,) = first.tool_calls
    conversation.with_response(first).with_tool_result(call.id, "4 degrees")
    # The provider refuses reasoning that was changed, and calls without their results.
    assert ask(client, conversation, tools=[tool]).completion == "Found: 4 degrees"
    assert b'"encrypted_content":"gAAAA' in fake_provider.ledger[-1].body


def test_our_client_gets_a_document_that_fits(client: LLMClient) -> None:
    Sum.model_validate_json(ask(client, "hello", output_schema=Sum).completion or "")


def test_our_client_streams(client: LLMClient) -> None:
    *deltas, response = list(client.stream_chat_sync("hello"))
    assert isinstance(response, APIResponse)
    assert "".join(delta for delta in deltas if isinstance(delta, str)) == response.completion == "You said: hello"
    thoughts = [delta.text for delta in deltas if isinstance(delta, ThinkingDelta)]
    assert "".join(thoughts) == response.thinking == "I think about: hello"
    assert response.usage == Usage(6, 9, reasoning_tokens=5)


def test_our_client_streams_tool_calls(client: LLMClient) -> None:
    *deltas, response = list(client.stream_chat_sync("hello", tools=[Tool("get_weather", None, WEATHER["parameters"])]))
    assert isinstance(response, APIResponse)
    pieces = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert "".join(piece.arguments for piece in pieces) == response.tool_calls[0].arguments_text
