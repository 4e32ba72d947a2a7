"""Our own client and our own SDK against the embedded provider's Gemini format, over HTTP."""

from __future__ import annotations

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
from deluge_sync.sdk import gemini
from deluge_sync.testing import Answer, FakeProvider, Reply
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
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def connect(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Makes clients of a Gemini model at the provider, which is known for this test only."""
    monkeypatch.setattr(lookup, "registry", Registry())
    able: dict[str, Any] = dict.fromkeys(("supports_schema", "reasoning_model", "accepts_sampling"), True)
    prices: dict[str, Any] = {"input_cost": 1.0, "cached_input_cost": 0.1, "output_cost": 2.0}
    place = f"{provider.gemini_url}/v1beta"
    register_model(
        "gemini-here",
        "gemini-3-flash",
        place,
        None,
        "gemini",
        supports_logprobs=True,
        provider="gemini",
        **able,
        **prices,
    )
    with ExitStack() as stack:

        def make(**settings: Any) -> LLMClient:
            return stack.enter_context(
                LLMClient("gemini-here", **{"api_key": "k", "max_requests_per_minute": 10**6, **settings})
            )

        yield make


def only(responses: list[APIResponse]) -> APIResponse:
    [response] = responses
    assert not response.is_error, response.error_message
    return response


def test_text_and_its_price(provider: FakeProvider, connect: Connect) -> None:
    answer = Answer(text="Four.", prompt_tokens=2_000, cached_tokens=1_500, reasoning_tokens=10, completion_tokens=30)
    provider.use_script([Reply.answer(answer)])
    response = only(connect().process_prompts_sync(["What is 2 + 2?"], show_progress=False))
    assert (response.completion, response.finish_reason, response.model_external) == ("Four.", "stop", "gemini-3-flash")
    assert response.usage == Usage(500, 30, 1_500, reasoning_tokens=10)
    assert response.cost == pytest.approx((500 * 1.0 + 1_500 * 0.1 + 30 * 2.0) / 1e6)


def test_a_tool_and_its_result(connect: Connect) -> None:
    client = connect()
    prompt = Conversation.system("Be brief.").user("Weather?")
    called = only(client.process_prompts_sync([prompt], tools=[WEATHER], show_progress=False))
    assert called.finish_reason == "tool_calls"
    assert called.content is not None
    [call] = called.content.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "city"})
    prompt = prompt.copy().with_response(called).with_tool_result(call.id, {"degrees": 18})
    answered = only(client.process_prompts_sync([prompt], tools=[WEATHER], show_progress=False))
    assert answered.completion == 'Found: {"degrees": 18}'


def test_a_document_that_fits_a_schema(connect: Connect) -> None:
    response = only(connect().process_prompts_sync(["Oslo"], output_schema=City, show_progress=False))
    assert isinstance(response.parsed, City)


def test_a_stream_with_thoughts(connect: Connect) -> None:
    pieces: list[Any] = list(connect(reasoning_effort="low").stream_chat_sync("hello"))
    *deltas, response = pieces
    assert "".join(delta for delta in deltas if isinstance(delta, str)) == "You said: hello"
    assert "".join(delta.text for delta in deltas if isinstance(delta, ThinkingDelta)) == "I was told: hello"
    assert (response.completion, response.thinking) == ("You said: hello", "I was told: hello")
    assert response.usage.reasoning_tokens == 5


def test_log_probabilities(connect: Connect) -> None:
    client = connect(logprobs=True, top_logprobs=2)
    response = only(client.process_prompts_sync(["hello"], show_progress=False))
    assert [entry["token"] for entry in response.logprobs or []] == ["You ", "said", ": he", "llo"]
    assert {len(entry["top_logprobs"]) for entry in response.logprobs or []} == {2}


def test_a_block_is_an_error_with_its_reason(provider: FakeProvider, connect: Connect) -> None:
    provider.use_script([Reply.answer(Answer(refusal="Not this."))])
    [response] = connect().process_prompts_sync(["x"], show_progress=False)
    assert (response.is_error, response.error_kind) == (True, "content_filter")
    assert response.error_message == "the answer ended with SAFETY: Not this."


def test_a_daily_quota_is_not_waited_for(provider: FakeProvider, connect: Connect) -> None:
    provider.use_script([Reply.error(429, retry_after=38, code="GenerateRequestsPerDayPerProjectPerModel")])
    [response] = connect().process_prompts_sync(["x"], show_progress=False)
    assert response.error_kind == "quota_daily"
    assert len(provider.ledger) == 1


# --- the SDK


@pytest.fixture
def api(provider: FakeProvider) -> Any:
    return gemini.api("k", base_url=f"{provider.gemini_url}/v1beta")


def upload(api: Any, content: bytes, media_type: str) -> gemini.File:
    """A file through both steps of an upload."""
    begin = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": str(len(content)),
        "X-Goog-Upload-Header-Content-Type": media_type,
    }
    wanted = gemini.StartUploadRequest(file=gemini.FileToUpload(display_name="a file"))
    started = api.exchange(gemini.start_upload, wanted, extra_headers=begin)
    end = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
    address = started.headers["x-goog-upload-url"]
    uploaded: gemini.UploadedFile = api.call(gemini.upload_content, content, url=address, extra_headers=end)
    return uploaded.file


def test_the_sdk_uploads_and_the_client_uses_it(api: Any, connect: Connect) -> None:
    file = upload(api, b"%PDF-1.7", "application/pdf")
    assert (file.state, file.display_name, file.mime_type) == ("ACTIVE", "a file", "application/pdf")
    assert api.call(gemini.get_file, name=file.name) == file
    assert api.call(gemini.list_files, page_size=1).files == [file]
    sent = File(file_id=file.name, provider="gemini", media_type=file.mime_type)
    prompt = Conversation([Message.user("Sum up.").with_part(sent)])
    assert only(connect().process_prompts_sync([prompt], show_progress=False)).completion == "You said: Sum up."
    assert api.call(gemini.delete_file, name=file.name) is None
    assert not api.call(gemini.list_files).files


def test_the_sdk_runs_a_batch_over_a_file(api: Any) -> None:
    contents = [gemini.Content(parts=[gemini.Part(text="hello")])]
    line = gemini.BatchLine(key="a", request=gemini.GenerateContentRequest(contents=contents))
    file = upload(api, line.model_dump_json(exclude_none=True).encode(), "application/jsonl")
    source = gemini.BatchInput(file_name=file.name)
    wanted = gemini.CreateBatchRequest(batch=gemini.BatchToCreate(display_name="one", input_config=source))
    batch = api.call(gemini.create_batch, wanted, model="gemini-3-flash")
    states = [api.call(gemini.get_batch, name=batch.name).metadata.state for _ in range(2)]
    assert states == ["BATCH_STATE_RUNNING", "BATCH_STATE_SUCCEEDED"]
    done = api.call(gemini.get_batch, name=batch.name)
    assert done.done
    [result] = api.call(gemini.read_batch_results, name=done.response.responses_file)
    assert (result.key, result.response.candidates[0].content.parts[0].text) == ("a", "You said: hello")
    assert api.call(gemini.cancel_batch, name=batch.name) is None


def test_the_sdk_counts_embeds_and_lists(api: Any) -> None:
    content = gemini.Content(parts=[gemini.Part(text="hello")])
    counted = api.call(gemini.count_tokens, gemini.CountTokensRequest(contents=[content]), model="m")
    assert counted.total_tokens == 6
    one = gemini.EmbedContentRequest(model="models/m", content=content, output_dimensionality=4)
    vector = api.call(gemini.embed_content, one, model="m").embedding.values
    both = api.call(gemini.batch_embed_contents, gemini.BatchEmbedContentsRequest(requests=[one, one]), model="m")
    assert [embedding.values for embedding in both.embeddings] == [vector, vector]
    models = api.call(gemini.list_models, page_size=2)
    assert len(models.models) == 2
    assert api.call(gemini.get_model, model=models.models[0].name.removeprefix("models/")) == models.models[0]
