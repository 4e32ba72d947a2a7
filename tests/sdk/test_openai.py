"""The OpenAI package: what its models mean to someone who builds requests and reads replies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from deluge_sync.sdk import openai
from deluge_sync.testing import FakeProvider


def reply_with_tool_call(call: dict[str, Any]) -> openai.ChatCompletion:
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [call]}}]})
    return openai.create_chat_completion.parse(body.encode())


def only_call(reply: openai.ChatCompletion) -> openai.ToolCall:
    [choice] = reply.choices
    [call] = choice.message.tool_calls or []
    return call


def test_the_body_of_a_request_has_its_tags_and_no_nulls() -> None:
    request = openai.ChatCompletionRequest(
        model="gpt-4.1-mini",
        messages=[
            openai.SystemMessage(content="Be brief."),
            openai.UserMessage(
                content=[
                    openai.TextPart(text="Größe?"),
                    openai.ImagePart(image_url=openai.ImageUrl(url="https://a/b.png")),
                ]
            ),
        ],
        response_format=openai.JsonSchemaFormat(
            json_schema=openai.JsonSchemaDefinition(name="size", schema_={"type": "object"})
        ),
    )
    body = openai.create_chat_completion.dump(request)
    assert body is not None
    assert "Größe?".encode() in body
    assert json.loads(body) == {
        "model": "gpt-4.1-mini",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Größe?"},
                    {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
                ],
            },
        ],
        "response_format": {"type": "json_schema", "json_schema": {"name": "size", "schema": {"type": "object"}}},
    }


@pytest.mark.parametrize("name", ["schema", "schema_"])
def test_a_field_whose_name_python_has_taken_goes_by_both_names(name: str) -> None:
    definition = openai.JsonSchemaDefinition.model_validate({"name": "size", name: {"type": "object"}})
    assert definition.model_dump(exclude_none=True) == {"name": "size", "schema": {"type": "object"}}


def test_messages_may_be_plain_dicts() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "4"}]},
    ]
    request = openai.ChatCompletionRequest.model_validate({"model": "m", "messages": messages})
    assert [type(message) for message in request.messages] == [
        openai.DeveloperMessage,
        openai.AssistantMessage,
        openai.ToolMessage,
    ]
    assert json.loads(openai.create_chat_completion.dump(request) or b"")["messages"] == messages


def test_an_assistant_message_that_only_calls_tools_has_no_content() -> None:
    message = openai.AssistantMessage(
        tool_calls=[openai.FunctionToolCall(id="1", function=openai.FunctionCall(name="f", arguments="{}"))]
    )
    assert message.model_dump(exclude_none=True) == {
        "role": "assistant",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "robot", "content": "x"},
        {"content": "x"},
        {"role": "user"},
        {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]},
        {"role": "user", "content": "x", "contents": "y"},
    ],
)
def test_a_message_that_no_provider_accepts_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        openai.ChatCompletionRequest.model_validate({"model": "m", "messages": [wrong]})


def test_a_request_refuses_a_service_tier_that_a_reply_may_have() -> None:
    with pytest.raises(ValidationError):
        openai.ChatCompletionRequest.model_validate({"model": "m", "messages": [], "service_tier": "warp"})
    assert openai.create_chat_completion.parse(b'{"choices": [], "service_tier": "warp"}').service_tier == "warp"


def test_a_known_tool_call_stays_known_however_many_fields_a_vendor_adds() -> None:
    extras = {f"extra_{number}": {"signature": "abc"} for number in range(20)}
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, **extras}
    found = only_call(reply_with_tool_call(call))
    assert isinstance(found, openai.FunctionToolCall)
    assert found.function.name == "f"


@pytest.mark.parametrize(
    "call",
    [
        {"id": "1", "type": "computer", "computer": {"x": 1}},
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"already": "parsed"}}},
        {"id": "1", "function": {"name": "f", "arguments": "{}"}},
    ],
    ids=["new-tag", "arguments-are-an-object", "no-tag"],
)
def test_a_tool_call_of_no_known_shape_is_kept_as_unknown(call: dict[str, Any]) -> None:
    found = only_call(reply_with_tool_call(call))
    assert isinstance(found, openai.UnknownToolCall)
    assert found.model_dump(exclude_none=True) == call


def test_a_tool_call_of_a_reply_can_be_sent_back_with_all_that_came_with_it() -> None:
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"signature": "abc"},
    }
    message = openai.AssistantMessage(tool_calls=[only_call(reply_with_tool_call(call))])
    assert message.model_dump(exclude_none=True)["tool_calls"] == [call]


def test_a_reply_without_anything_but_its_choices_is_read() -> None:
    reply = openai.create_chat_completion.parse(b'{"choices": [{"message": {"content": "4"}}]}')
    assert reply.choices[0].message.content == "4"
    assert (reply.id, reply.usage, reply.created) == (None, None, None)


def test_a_stream_chunk_is_read_as_an_event() -> None:
    data = b'{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}}]}'
    chunk = openai.create_chat_completion.parse_event(data)
    assert chunk.model_dump(exclude_none=True) == json.loads(data)


def test_an_error_reply_is_typed_and_may_have_a_number_as_its_code() -> None:
    reply = openai.ErrorReply.model_validate({"error": {"message": "no", "type": None, "code": 429}})
    assert reply.error.code == 429


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("4", "4"),
        ([{"type": "text", "text": "4"}], [{"type": "text", "text": "4"}]),
        ([{"type": "new", "odd": 1}], [{"type": "new", "odd": 1}]),
        ([], []),
    ],
)
def test_the_content_of_a_reply_is_a_text_or_parts(content: Any, kept: Any) -> None:
    body = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
    [choice] = openai.create_chat_completion.parse(body).choices
    assert choice.message.model_dump(exclude_none=True) == {"content": kept}


@pytest.mark.parametrize(("told", "read"), [(b"7", 7), (b"7.0", 7.0), (b"7.5", 7.5)])
def test_a_count_may_have_a_fraction(told: bytes, read: float) -> None:
    reply = openai.create_chat_completion.parse(b'{"choices": [], "usage": {"prompt_tokens": %b}}' % told)
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == read


def test_a_vector_may_be_numbers_or_base64() -> None:
    reply = openai.create_embeddings.parse(b'{"data": [{"embedding": [0.6, 0.8]}, {"embedding": "AAAA"}]}')
    assert [item.embedding for item in reply.data] == [[0.6, 0.8], "AAAA"]


def test_a_batch_from_upload_to_results(fake_provider: FakeProvider) -> None:
    api = openai.api("sk-test", base_url=fake_provider.openai_url)
    lines = [
        openai.BatchLine(
            custom_id=name,
            url="/v1/chat/completions",
            body={"model": "m", "messages": [{"role": "user", "content": name}]},
        )
        for name in ("a", "b")
    ]
    content = b"".join(line.model_dump_json(exclude_none=True).encode() + b"\n" for line in lines)
    upload = openai.FileUpload(file=openai.Upload(filename="in.jsonl", content=content), purpose="batch")
    file = api.call(openai.create_file, upload)
    assert api.call(openai.read_file, file_id=file.id) == content
    batch = api.call(openai.create_batch, openai.BatchRequest(input_file_id=file.id, endpoint="/v1/chat/completions"))
    states = [batch.status, *(api.call(openai.retrieve_batch, batch_id=batch.id).status for _ in range(2))]
    assert states == ["validating", "in_progress", "completed"]
    done = api.call(openai.retrieve_batch, batch_id=batch.id)
    results = api.call(openai.read_batch_results, file_id=done.output_file_id)
    assert {result.custom_id: result.response and result.response.status_code for result in results} == {
        "a": 200,
        "b": 200,
    }
    assert [found.id for found in api.call(openai.list_batches, limit=1).data] == [batch.id]
    assert api.call(openai.delete_file, file_id=file.id).deleted
