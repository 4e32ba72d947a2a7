"""The Anthropic package: what its models mean, and every operation against the embedded provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from deluge_sync.sdk import anthropic
from deluge_sync.sdk._base import Api, Upload
from deluge_sync.testing import FakeProvider

HI = anthropic.InputMessage(role="user", content="hello")


@pytest.fixture
def api(fake_provider: FakeProvider) -> Api:
    return anthropic.api(api_key="sk-test-key", base_url=f"{fake_provider.anthropic_url}/v1")


def test_the_body_of_a_request_has_its_tags_and_no_nulls() -> None:
    request = anthropic.MessageRequest(
        model="m",
        max_tokens=9,
        messages=[
            anthropic.InputMessage(
                role="user",
                content=[
                    anthropic.TextBlock(text="Größe?"),
                    anthropic.ImageBlock(source=anthropic.UrlSource(url="https://a/b.png")),
                ],
            )
        ],
        thinking=anthropic.ThinkingEnabled(budget_tokens=1_024),
    )
    assert json.loads(anthropic.create_message.dump(request) or b"") == {
        "model": "m",
        "max_tokens": 9,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Größe?"},
                    {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
                ],
            }
        ],
        "thinking": {"type": "enabled", "budget_tokens": 1_024},
    }


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_token"):
        anthropic.MessageRequest.model_validate({"model": "m", "max_tokens": 1, "messages": [], "max_token": 1})


def test_news_of_the_provider_break_nothing() -> None:
    said: Any = {"content": [{"type": "hologram", "shape": "cube"}], "stop_reason": "tired", "mood": "good"}
    reply = anthropic.create_message.parse(json.dumps(said).encode())
    [block] = reply.content or []
    assert isinstance(block, anthropic.UnknownReplyBlock)
    assert block.model_extra == {"shape": "cube"}
    assert (reply.stop_reason, reply.model_extra) == ("tired", {"mood": "good"})


def test_a_message_is_answered_and_its_tokens_are_counted(api: Api, fake_provider: FakeProvider) -> None:
    request = anthropic.MessageRequest(model="m", max_tokens=50, messages=[HI])
    reply = api.call(anthropic.create_message, request)
    [block] = reply.content or []
    assert isinstance(block, anthropic.ReplyText)
    assert (block.text, reply.stop_reason) == ("You said: hello", "end_turn")
    counted = api.call(anthropic.count_tokens, anthropic.CountRequest(model="m", messages=[HI]))
    assert reply.usage is not None
    assert counted.input_tokens == reply.usage.input_tokens
    headers = fake_provider.ledger[0].headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("sk-test-key", "2023-06-01")


def test_files_go_with_their_beta(api: Api, fake_provider: FakeProvider) -> None:
    upload = Upload(filename="a.pdf", content=b"%PDF-1.4", media_type="application/pdf")
    kept = api.call(anthropic.upload_file, anthropic.FileUpload(file=upload))
    assert (kept.filename, kept.mime_type, kept.size_bytes) == ("a.pdf", "application/pdf", 8)
    assert api.call(anthropic.retrieve_file, file_id=kept.id) == kept
    assert api.call(anthropic.list_files, limit=5).data == [kept]
    assert api.call(anthropic.delete_file, file_id=kept.id).type == "file_deleted"
    assert api.call(anthropic.list_files).data == []
    assert {record.headers["anthropic-beta"] for record in fake_provider.ledger} == {"files-api-2025-04-14"}


def test_a_batch_is_started_looked_up_read_and_cancelled(api: Api) -> None:
    params = anthropic.MessageRequest(model="m", max_tokens=50, messages=[HI])
    items = [anthropic.BatchItem(custom_id=name, params=params) for name in "ab"]
    batch = api.call(anthropic.create_batch, anthropic.BatchRequest(requests=items))
    api.call(anthropic.retrieve_batch, batch_id=batch.id)
    ended = api.call(anthropic.retrieve_batch, batch_id=batch.id)
    assert ended.processing_status == "ended"
    results = api.call(anthropic.read_batch_results, batch_id=batch.id)
    assert sorted(result.custom_id for result in results) == ["a", "b"]
    assert all(isinstance(result.result, anthropic.BatchSucceeded) for result in results)
    assert [listed.id for listed in api.call(anthropic.list_batches, limit=1).data] == [batch.id]
    other = api.call(anthropic.create_batch, anthropic.BatchRequest(requests=items))
    assert api.call(anthropic.cancel_batch, batch_id=other.id).processing_status == "canceling"


def test_models_are_listed_and_looked_up(api: Api) -> None:
    listed = api.call(anthropic.list_models, limit=1)
    assert listed.has_more
    assert api.call(anthropic.retrieve_model, model_id=listed.data[0].id) == listed.data[0]
