"""The Responses of the OpenAI package: what its models mean, and its operations against the embedded provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from deluge_sync.errors import ApiStatusError
from deluge_sync.sdk import openai
from deluge_sync.testing import FakeProvider


def test_a_request_takes_typed_items_and_plain_ones() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": None}
    request = openai.ResponseRequest(
        model="m",
        input=[
            openai.ResponseInputMessage(role="user", content="Hi"),
            search,
            openai.ResponseFunctionOutput(call_id="c", output=[openai.ResponseInputText(text="ok")]),
        ],
        tools=[openai.ResponseFunctionTool(name="f", parameters={}, strict=True), {"type": "web_search"}],
    )
    assert json.loads(openai.create_response.dump(request) or b"") == {
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": "Hi"},
            search,
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "ok"}]},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": {}, "strict": True},
            {"type": "web_search"},
        ],
    }


def test_a_misspelt_field_of_a_request_is_refused() -> None:
    with pytest.raises(ValidationError):
        openai.ResponseRequest.model_validate({"model": "m", "input": "Hi", "max_tokens": 5})


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"type": "message", "content": [{"type": "output_text", "text": "x"}]}, openai.ResponseOutputMessage),
        ({"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}, openai.ResponseFunctionCall),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, openai.ResponseReasoningItem),
        ({"type": "hologram", "shape": "cube"}, openai.UnknownResponseOutputItem),
    ],
)
def test_the_items_of_a_reply_are_typed_and_news_is_kept(item: dict[str, Any], kind: type) -> None:
    response = openai.create_response.parse(json.dumps({"output": [{**item, "news": 1}]}).encode())
    assert isinstance(response.output[0], kind)
    assert response.output[0].model_dump(exclude_unset=True) == {**item, "news": 1}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"type": "response.output_text.delta", "output_index": 0, "delta": "x"}, openai.ResponseTextDelta),
        ({"type": "response.completed", "response": {"output": []}}, openai.ResponseCompleted),
        ({"type": "error", "code": "server_error", "message": "Oh."}, openai.ResponseErrorEvent),
        ({"type": "response.web_search_call.searching"}, openai.UnknownResponseEvent),
    ],
)
def test_events_are_told_by_their_type(data: dict[str, Any], kind: type) -> None:
    assert isinstance(openai.create_response.parse_event(json.dumps(data).encode()), kind)


def test_a_response_from_its_beginning_to_its_end(fake_provider: FakeProvider) -> None:
    api = openai.api("sk-test", base_url=fake_provider.openai_url)
    begun = api.call(openai.create_response, openai.ResponseRequest(model="m", input="Hi", background=True))
    assert begun.status == "queued"
    assert begun.id is not None
    api.call(openai.retrieve_response, response_id=begun.id, include=["reasoning.encrypted_content"])
    done = api.call(openai.retrieve_response, response_id=begun.id)
    assert done.status == "completed"
    assert isinstance(done.output[0], openai.ResponseOutputMessage)
    assert done.usage is not None
    assert done.usage.output_tokens == 3
    assert api.call(openai.cancel_response, response_id=begun.id).status == "completed"
    api.call(openai.delete_response, response_id=begun.id)
    with pytest.raises(ApiStatusError, match="not found"):
        api.call(openai.retrieve_response, response_id=begun.id)
