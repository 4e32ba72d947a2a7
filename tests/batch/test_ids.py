"""What ids mean: to another process, in part, of several jobs, of a pool at several providers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from deluge_sync import LLMClient
from deluge_sync.batch import list_jobs
from deluge_sync.errors import BatchError, ConfigError, MissingKeyError
from deluge_sync.testing import BatchPace, FakeProvider, Reply

QUICK: dict[str, Any] = {"poll_interval": 0.02, "show_progress": False}
PROMPTS = [f"prompt number {number}" for number in range(7)]
KEYS = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY"), "sk-test-0123456789abcdef")


def texts(responses: list[Any]) -> list[str]:
    return [response.completion for response in responses]


def said(prompts: list[str]) -> list[str]:
    return [f"You said: {prompt}" for prompt in prompts]


@pytest.fixture
def mixed(fake_provider: FakeProvider) -> LLMClient:
    """A pool at two providers."""
    places = {"OPENAI_BASE_URL": fake_provider.openai_url, "ANTHROPIC_BASE_URL": fake_provider.anthropic_url}
    return LLMClient(["gpt-4.1-mini", "claude-4.5-sonnet"], env={**KEYS, **places})


def test_a_pool_is_split_by_provider_and_its_answers_come_in_the_prompts_order(mixed: LLMClient) -> None:
    prompts = [f"prompt number {number}" for number in range(40)]

    unreadable: list[Any] = [{"no": "prompt"}]
    ids = mixed.submit_batch_job_sync([*prompts, *unreadable])
    responses = mixed.wait_for_batch_job_sync(ids, **QUICK)

    assert set(ids.providers) == {"openai", "anthropic"}
    assert texts(responses[:40]) == said(prompts)
    assert responses[40].is_error
    asked = [response.model_internal for response in responses[:40]]
    assert set(asked) == set(mixed.models)

    for provider, model in zip(("openai", "anthropic"), mixed.models, strict=True):
        wanted = [number for number in range(40) if asked[number] == model]
        for alike in (
            mixed.wait_for_batch_job_sync(ids, provider, **QUICK),
            mixed.wait_for_batch_job_sync(ids.of(provider), provider, **QUICK),
        ):
            assert [response.id for response in alike if response.id < 40] == wanted


def test_plain_ids_are_enough_for_another_process(cases: Any, connect: Any, fake_provider: FakeProvider) -> None:
    client = connect(cases["openai"], fake_provider)
    ids = client.submit_batch_job_sync(PROMPTS, batch_size=3)
    plain = json.loads(json.dumps(ids))

    assert isinstance(ids, list)
    assert pickle.loads(pickle.dumps(ids)) == plain
    assert texts(connect(cases["openai"], fake_provider).wait_for_batch_job_sync(plain, "openai", **QUICK)) == said(
        PROMPTS
    )


def test_some_ids_mean_their_prompts_and_ids_of_two_jobs_mean_both(
    cases: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    client = connect(cases["openai"], fake_provider)
    one = client.submit_batch_job_sync([*PROMPTS, {"no": "prompt"}], batch_size=3)
    two = client.submit_batch_job_sync(["another"])

    assert texts(client.wait_for_batch_job_sync([one[1]], **QUICK)) == said(PROMPTS[3:6])
    assert texts(client.wait_for_batch_job_sync(one[0], **QUICK)) == said(PROMPTS[:3])
    both = client.wait_for_batch_job_sync([*two, *one], **QUICK)
    assert texts([both[0], *both[1:8]]) == said(["another", *PROMPTS])
    assert both[8].error_kind == "bad_request"


def test_a_manifest_elsewhere_is_found_by_the_ids_too(
    cases: Any, connect: Any, fake_provider: FakeProvider, tmp_path: Path
) -> None:
    client = connect(cases["openai"], fake_provider)
    manifest = tmp_path / "mine" / "job.jsonl"
    ids = client.submit_batch_job_sync(PROMPTS, manifest=manifest)

    assert ids.manifest == manifest
    assert texts(client.wait_for_batch_job_sync(list(ids), **QUICK)) == said(PROMPTS)
    assert [job.manifest for job in list_jobs()] == [manifest]
    with pytest.raises(ConfigError, match="is there already"):
        client.submit_batch_job_sync(PROMPTS, manifest=manifest)


def test_a_job_that_is_done_needs_neither_key_nor_provider(
    cases: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    client = connect(cases["openai"], fake_provider)
    ids = client.submit_batch_job_sync(PROMPTS)
    client.wait_for_batch_job_sync(ids, **QUICK)
    fake_provider.stop()

    assert texts(LLMClient(env={}).resume_batch_job_sync(ids.manifest, **QUICK)) == said(PROMPTS)
    assert [job.state for job in list_jobs()] == ["fetched"]
    assert [list_jobs()[0].succeeded, list_jobs()[0].models] == [7, ("gpt-4.1-mini",)]


def test_a_job_that_is_not_done_needs_a_key(cases: Any, connect: Any, fake_provider: FakeProvider) -> None:
    ids = connect(cases["openai"], fake_provider).submit_batch_job_sync(PROMPTS)

    with pytest.raises(MissingKeyError):
        LLMClient(env={}).resume_batch_job_sync(ids.manifest, **QUICK)


def test_a_wrong_key_stops_the_wait_and_not_the_job(
    cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    provider = fake_provider_factory(api_keys=["sk-test-0123456789abcdef"])
    client = connect(cases["openai"], provider)
    ids = client.submit_batch_job_sync(PROMPTS)

    with pytest.raises(BatchError) as caught:
        connect(cases["openai"], provider, api_key="sk-wrong-0123456789").resume_batch_job_sync(ids.manifest, **QUICK)

    assert (caught.value.kind, caught.value.manifest) == ("auth", ids.manifest)
    assert "sk-wrong" not in str(caught.value)
    assert texts(client.resume_batch_job_sync(ids.manifest, **QUICK)) == said(PROMPTS)


def test_what_could_not_be_sent_is_sent_by_resuming(cases: Any, connect: Any, fake_provider: FakeProvider) -> None:
    case = cases["openai"]
    orders = iter([None])
    fake_provider.use_script(lambda record: next(orders, Reply.error(401)) if case.is_creation(record) else None)
    client = connect(case, fake_provider)

    with pytest.raises(BatchError, match="2 of 3 batches could not be sent") as caught:
        client.submit_batch_job_sync(PROMPTS, batch_size=3)
    fake_provider.use_script([])

    assert len(caught.value.batch_ids) == 1
    ids = client.send_batch_job_sync(caught.value.manifest)
    assert len(ids) == 3
    assert texts(client.wait_for_batch_job_sync(ids, **QUICK)) == said(PROMPTS)
    assert case.bought(fake_provider) == 3


def test_ids_that_no_manifest_knows_are_refused_with_the_cure(
    cases: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    client = connect(cases["openai"], fake_provider)
    with pytest.raises(ConfigError, match="resume_batch_job"):
        client.wait_for_batch_job_sync(["batch_of_somebody"], "openai", **QUICK)
    with pytest.raises(ConfigError, match="openai only"):
        client.wait_for_batch_job_sync(client.submit_batch_job_sync("hello"), "mistral", **QUICK)


def test_a_model_without_batches_is_refused_before_anything_is_written(state_home: Path) -> None:
    client = LLMClient("amazon.nova-lite", env={"AWS_BEARER_TOKEN_BEDROCK": "bedrock-key-0123456789"})
    with pytest.raises(ConfigError, match="no batch jobs"):
        client.submit_batch_job_sync("hello")
    assert not state_home.exists()


class Colour(BaseModel):
    colour: str


def test_an_answer_is_parsed_into_the_class_that_was_asked_for(
    cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    provider = fake_provider_factory(batches=BatchPace(polls=1))
    client = connect(cases["openai"], provider)
    ids = client.submit_batch_job_sync("red?", output_schema=Colour)

    [here] = client.wait_for_batch_job_sync(ids, **QUICK)
    [elsewhere] = client.resume_batch_job_sync(ids.manifest, **QUICK)
    [told] = client.resume_batch_job_sync(ids.manifest, output_schema=Colour, **QUICK)

    assert isinstance(here.parsed, Colour)
    assert elsewhere.parsed == here.parsed.model_dump()
    assert told.parsed == here.parsed
