"""A provider takes only so much at once: what is over that waits its turn, and nothing of it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync.batch import list_jobs
from deluge_sync.errors import BatchError
from deluge_sync.testing import BatchPace, FakeProvider, Reply, RequestRecord

PROMPTS = [f"prompt number {number}" for number in range(8)]
QUICK: dict[str, Any] = {"poll_interval": 0.02, "show_progress": False}


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "mistral"])
def test_batches_over_the_queues_limit_wait_their_turn(
    name: str, cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    provider = fake_provider_factory(batches=BatchPace(most_queued=4))
    client = connect(cases[name], provider, max_attempts=2)

    ids = client.submit_batch_job_sync(PROMPTS, batch_size=2)
    responses = client.wait_for_batch_job_sync(ids, name, **QUICK)

    assert len(ids) == 4
    assert [response.completion for response in responses] == [f"You said: {prompt}" for prompt in PROMPTS]


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "mistral"])
def test_a_batch_that_is_over_the_limit_all_by_itself_is_split(
    name: str, cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    provider = fake_provider_factory(batches=BatchPace(most_queued=3, expires_after=2))
    client = connect(cases[name], provider, max_attempts=2)

    ids = client.submit_batch_job_sync([*PROMPTS, {"no": "prompt"}])
    responses = client.wait_for_batch_job_sync(ids, name, **QUICK)
    again = client.wait_for_batch_job_sync(list(ids), name, **QUICK)

    assert len(ids) == 1
    status = client.batch_job_status_sync(ids.manifest)
    assert status.state == "fetched"
    assert [part.requests for part in status.parts] in ([2, 2, 2, 2], [1] * 8)
    assert sum(part.requests for part in status.parts) == 8
    assert [response.completion for response in responses[:8]] == [f"You said: {prompt}" for prompt in PROMPTS]
    assert responses[8].error_kind == "bad_request"
    assert [response.id for response in again] == list(range(9))
    last = client.wait_for_batch_job_sync(status.parts[-1].id, **QUICK)
    assert [response.prompt for response in last] == [response.prompt for response in responses[8 - len(last) : 8]]


def test_what_became_of_a_piece_is_told_of_its_own_prompts(
    cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    provider = fake_provider_factory(batches=BatchPace(most_queued=4, expires_after=1))
    client = connect(cases["openai"], provider)

    responses = client.wait_for_batch_job_sync(client.submit_batch_job_sync(PROMPTS), **QUICK)

    pieces = [part.requests for part in client.batch_job_status_sync(list_jobs()[0].manifest).parts]
    expected = [kind for size in pieces for kind in [None, *["expired"] * (size - 1)]]
    assert len(pieces) > 1
    assert [response.error_kind for response in responses] == expected


def test_ids_given_before_a_batch_was_taken_name_it_for_good(
    cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    provider = fake_provider_factory(batches=BatchPace(most_queued=4))
    case = cases["anthropic"]
    client = connect(case, provider, max_attempts=2)
    ids = client.submit_batch_job_sync(PROMPTS, batch_size=4)

    status = client.batch_job_status_sync(ids.manifest)
    assert [part.phase for part in status.parts] == ["running", "held"]
    assert "batch processing queue" in (status.parts[1].problem or "")
    assert status.state == "unsent"
    assert case.bought(provider) == 1

    client.wait_for_batch_job_sync(ids, **QUICK)
    alone = client.wait_for_batch_job_sync([ids[1]], **QUICK)

    assert [response.completion for response in alone] == [f"You said: {prompt}" for prompt in PROMPTS[4:]]
    assert case.bought(provider) == 2


def test_a_batch_that_waits_can_be_cancelled_before_it_is_sent(
    cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    provider = fake_provider_factory(batches=BatchPace(most_queued=4))
    case = cases["anthropic"]
    client = connect(case, provider, max_attempts=2)
    ids = client.submit_batch_job_sync(PROMPTS, batch_size=4)

    client.cancel_batch_job_sync(ids.manifest)
    responses = client.wait_for_batch_job_sync(ids, **QUICK)

    assert [response.error_kind for response in responses[4:]] == ["cancelled"] * 4
    assert case.bought(provider) == 1


def test_no_credit_stops_the_wait_and_the_batch_is_sent_once_there_is_some(
    cases: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    """OpenAI says so in the batch, after it was taken."""

    case, has_credit = cases["openai"], False

    def script(record: RequestRecord) -> Reply | None:
        if has_credit or not case.is_look(record):
            return None
        error = {"code": "billing_hard_limit_reached", "message": "Billing hard limit has been reached.", "line": None}
        batch = {"id": "batch_00000001", "object": "batch", "status": "failed", "errors": {"data": [error]}}

        return Reply.raw(200, {"content-type": "application/json"}, json.dumps(batch).encode())

    fake_provider.use_script(script)
    client = connect(case, fake_provider)
    ids = client.submit_batch_job_sync(PROMPTS)
    with pytest.raises(BatchError, match="Billing hard limit") as caught:
        client.wait_for_batch_job_sync(ids, **QUICK)
    assert caught.value.kind == "quota"

    has_credit = True
    responses = client.wait_for_batch_job_sync(ids, **QUICK)

    assert [response.error_kind for response in responses] == [None] * 8
