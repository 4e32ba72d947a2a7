"""The official package, strict about replies, is the judge of the documents; the results are read from the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import openai
import pytest
from openai.types import Batch
from openai.types.chat import ChatCompletion

from deluge_sync.testing import BatchPace, FakeProvider

Official = Callable[..., openai.OpenAI]
CHAT: Literal["/v1/chat/completions"] = "/v1/chat/completions"


def chat_line(name: str, text: str = "hello", **fields: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
    return {"custom_id": name, "method": "POST", "url": CHAT, "body": body}


def start(client: openai.OpenAI, lines: list[Any], **options: Any) -> Batch:
    content = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    request = {"completion_window": "24h", "endpoint": CHAT, **options}
    return client.batches.create(input_file_id=file.id, **request)


def results(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    lines = [] if file_id is None else client.files.content(file_id).text.splitlines()
    return {line["custom_id"]: line for line in map(json.loads, lines)}


def test_a_batch_gets_on_from_look_to_look_and_ends_in_an_output_file(
    fake_provider: FakeProvider, official: Official
) -> None:
    client = official(fake_provider)
    batch = start(client, [chat_line(f"q{n}", f"text {n}") for n in range(4)], metadata={"run": "7"})
    assert (batch.status, batch.metadata, batch.output_file_id) == ("validating", {"run": "7"}, None)
    half = client.batches.retrieve(batch.id)
    assert half.request_counts is not None
    assert (half.status, half.request_counts.completed, half.request_counts.total) == ("in_progress", 2, 4)
    done = client.batches.retrieve(batch.id)
    assert (done.status, done.error_file_id) == ("completed", None)
    assert done.usage is not None
    # Each prompt is 6 characters (2 tokens) and 4 for its message; each answer 16 characters.
    assert (done.usage.input_tokens, done.usage.output_tokens, done.usage.total_tokens) == (24, 16, 40)
    output = results(client, done.output_file_id)
    assert {name: line["response"]["status_code"] for name, line in output.items()} == dict.fromkeys(
        ("q0", "q1", "q2", "q3"), 200
    )
    for n in range(4):
        answer = ChatCompletion.model_validate(output[f"q{n}"]["response"]["body"], strict=True)
        assert answer.choices[0].message.content == f"You said: text {n}"
    assert client.batches.retrieve(batch.id) == done


def test_the_results_are_not_in_the_order_of_the_requests(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    names = [f"q{n}" for n in range(20)]
    batch = start(client, [chat_line(name) for name in names])
    client.batches.retrieve(batch.id)
    found = list(results(client, client.batches.retrieve(batch.id).output_file_id))
    assert sorted(found) == sorted(names)
    assert found != names


def test_requests_that_fail_go_to_the_error_file(
    fake_provider_factory: Callable[..., FakeProvider], official: Official
) -> None:
    client = official(fake_provider_factory(batches=BatchPace(polls=1)))
    lines = [chat_line("good"), chat_line("hot", temperature=9), chat_line("streamed", stream=True)]
    done = client.batches.retrieve(start(client, lines).id)
    assert done.request_counts is not None
    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 1, 2)
    assert list(results(client, done.output_file_id)) == ["good"]
    errors = results(client, done.error_file_id)
    assert {name: line["response"]["status_code"] for name, line in errors.items()} == {"hot": 400, "streamed": 400}
    assert errors["hot"]["response"]["body"]["error"]["param"] == "temperature"


def test_embeddings_can_be_batched(fake_provider_factory: Callable[..., FakeProvider], official: Official) -> None:
    client = official(fake_provider_factory(batches=BatchPace(polls=0)))
    line = {"custom_id": "e", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}}
    batch = start(client, [line], endpoint="/v1/embeddings")
    done = client.batches.retrieve(batch.id)
    body = results(client, done.output_file_id)["e"]["response"]["body"]
    assert len(body["data"][0]["embedding"]) == 1536


def test_an_expired_batch_keeps_what_was_answered_and_names_the_rest(
    fake_provider_factory: Callable[..., FakeProvider], official: Official
) -> None:
    client = official(fake_provider_factory(batches=BatchPace(polls=1, expires_after=2)))
    over = client.batches.retrieve(start(client, [chat_line(f"q{n}") for n in range(5)]).id)
    assert over.status == "expired"
    assert over.expired_at is not None
    assert over.completed_at is None
    assert set(results(client, over.output_file_id)) == {"q0", "q1"}
    errors = results(client, over.error_file_id)
    assert {name: (line["response"], line["error"]["code"]) for name, line in errors.items()} == dict.fromkeys(
        ("q2", "q3", "q4"), (None, "batch_expired")
    )


def test_a_cancelled_batch_keeps_what_was_answered(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    batch = start(client, [chat_line("q0"), chat_line("q1")])
    client.batches.retrieve(batch.id)
    assert client.batches.cancel(batch.id).status == "cancelling"
    over = client.batches.retrieve(batch.id)
    assert over.status == "cancelled"
    assert set(results(client, over.output_file_id)) == {"q0"}
    assert results(client, over.error_file_id)["q1"]["error"]["code"] == "batch_cancelled"
    with pytest.raises(openai.ConflictError, match="'cancelled' cannot be cancelled"):
        client.batches.cancel(batch.id)


def test_a_batch_may_take_time_instead_of_looks(
    fake_provider_factory: Callable[..., FakeProvider], official: Official
) -> None:
    client = official(fake_provider_factory(batches=BatchPace(polls=0, seconds=3600)))
    batch = start(client, [chat_line("q")])
    assert {client.batches.retrieve(batch.id).status for _ in range(5)} == {"in_progress"}
    assert BatchPace(polls=0, seconds=10).share(polls=0, seconds=5.0) == 0.5
    assert BatchPace(polls=4, seconds=10).share(polls=1, seconds=5.0) == 0.25


@pytest.mark.parametrize(
    ("lines", "code", "number"),
    [
        ([""], "empty_file", None),
        ([chat_line("a"), "{"], "invalid_json_line", 2),
        ([{"custom_id": "a", "method": "POST", "url": CHAT}], "invalid_request", 1),
        ([{**chat_line("a"), "method": "GET"}], "invalid_request", 1),
        ([{**chat_line("a"), "url": "/v1/embeddings"}], "mismatched_endpoint", 1),
        ([chat_line("a"), "", chat_line("a")], "duplicate_custom_id", 3),
        ([chat_line("a"), chat_line("b", model="n")], "mismatched_model", 2),
        ([chat_line(str(n)) for n in range(50_001)], "too_many_requests", None),
    ],
    ids=["empty", "no-json", "no-body", "method", "url", "twice", "two-models", "too-many"],
)
def test_a_wrong_input_file_fails_the_batch(
    fake_provider: FakeProvider, official: Official, lines: list[Any], code: str, number: int | None
) -> None:
    client = official(fake_provider)
    failed = client.batches.retrieve(start(client, lines).id)
    assert failed.status == "failed"
    assert failed.errors is not None
    assert failed.errors.data is not None
    assert [(error.code, error.line) for error in failed.errors.data] == [(code, number)]
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(failed.id)


def test_a_batch_needs_a_file_for_batches(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    file = client.files.create(file=b"x", purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="purpose 'user_data', not 'batch'"):
        client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    with pytest.raises(openai.NotFoundError, match="file-none"):
        client.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")
    with pytest.raises(openai.BadRequestError, match="completion_window"):
        start(client, [chat_line("a")], completion_window="7d")


def test_batches_are_listed_in_pages_the_newest_first(fake_provider: FakeProvider, official: Official) -> None:
    client = official(fake_provider)
    ids = [start(client, [chat_line("a")]).id for _ in range(3)]
    for _ in range(3):
        listed = list(client.batches.list(limit=2))
        assert [(batch.id, batch.status) for batch in listed] == [(batch_id, "in_progress") for batch_id in ids[::-1]]
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")


def test_a_batch_counts_against_no_limit(
    fake_provider_factory: Callable[..., FakeProvider], official: Official
) -> None:
    provider = fake_provider_factory(requests_per_minute=1, batches=BatchPace(polls=1))
    client = official(provider)
    done = client.batches.retrieve(start(client, [chat_line("a"), chat_line("b")]).id)
    assert len(results(client, done.output_file_id)) == 2
    assert provider.requests(CHAT) == []
