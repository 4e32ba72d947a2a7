"""The Mistral package against the embedded provider: every operation once, as a user of the typed SDK calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from deluge_sync.errors import ApiStatusError
from deluge_sync.sdk import mistral
from deluge_sync.sdk._base import Api
from deluge_sync.testing import BatchPace, FakeProvider


@pytest.fixture
def api() -> Iterator[Api]:
    with FakeProvider(batches=BatchPace(polls=1)) as provider:
        yield mistral.api("any", base_url=f"{provider.mistral_url}/v1")


def test_a_chat_completion(api: Api) -> None:
    request = mistral.ChatCompletionRequest(model="m", messages=[mistral.UserMessage(content="hello")])
    [choice] = api.call(mistral.create_chat_completion, request).choices
    assert choice.message is not None
    assert (choice.message.content, choice.finish_reason) == ("You said: hello", "stop")


def test_models(api: Api) -> None:
    [first, *_] = api.call(mistral.list_models).data
    assert api.call(mistral.retrieve_model, model_id=first.id) == first


def test_embeddings(api: Api) -> None:
    request = mistral.EmbeddingRequest(model="mistral-embed", input=["a", "b"])
    assert [len(each.embedding) for each in api.call(mistral.create_embeddings, request).data] == [1024, 1024]


def test_a_file_from_upload_to_deletion(api: Api) -> None:
    form = mistral.FileUpload(file=mistral.Upload(filename="a.jsonl", content=b"{}\n"), purpose="batch")
    file = api.call(mistral.create_file, form)
    assert (file.filename, file.purpose, file.bytes) == ("a.jsonl", "batch", 3)
    assert [each.id for each in api.call(mistral.list_files, purpose="batch", page_size=5).data] == [file.id]
    assert api.call(mistral.read_file, file_id=file.id) == b"{}\n"
    assert api.call(mistral.retrieve_file, file_id=file.id).deleted is False
    assert api.call(mistral.delete_file, file_id=file.id).deleted is True
    with pytest.raises(ApiStatusError, match="404"):
        api.call(mistral.retrieve_file, file_id=file.id)


def test_a_batch_job_from_lines_to_results(api: Api) -> None:
    bodies = [{"messages": [{"role": "user", "content": text}]} for text in ("a", "b")]
    lines = [mistral.BatchLine(custom_id=f"c{place}", body=body) for place, body in enumerate(bodies)]
    request = mistral.BatchJobRequest(endpoint="/v1/chat/completions", model="m", requests=lines)
    job = api.call(mistral.create_batch_job, request)
    assert job.status == "QUEUED"
    job = api.call(mistral.retrieve_batch_job, job_id=job.id)
    assert (job.status, job.succeeded_requests, job.error_file) == ("SUCCESS", 2, None)
    results = api.call(mistral.read_batch_results, file_id=job.output_file or "")
    said = {result.custom_id: json.dumps(result.response and result.response.body) for result in results}
    assert "You said: a" in said["c0"]
    assert "You said: b" in said["c1"]
    assert [each.id for each in api.call(mistral.list_batch_jobs, status=["SUCCESS"]).data or ()] == [job.id]


def test_a_batch_job_is_cancelled(api: Api) -> None:
    line = mistral.BatchLine(body={"messages": [{"role": "user", "content": "a"}]})
    job = api.call(
        mistral.create_batch_job, mistral.BatchJobRequest(endpoint="/v1/chat/completions", model="m", requests=[line])
    )
    assert api.call(mistral.cancel_batch_job, job_id=job.id).status == "CANCELLATION_REQUESTED"
    assert api.call(mistral.retrieve_batch_job, job_id=job.id).status == "CANCELLED"
