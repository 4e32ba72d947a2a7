"""Errors that will not go away: sent once, and what they show to be useless is left alone for the rest of the run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from deluge_sync import LLMClient
from deluge_sync.testing import FakeProvider, Reply, RequestRecord

_CONCURRENCY = 225


@pytest.mark.parametrize(
    "reply",
    [
        Reply.error(400),
        Reply.error(413),
        Reply.error(400, code="context_length_exceeded"),
        Reply.error(422),
        Reply.redirect("http://127.0.0.1:9/elsewhere"),
    ],
    ids=["400", "413", "context", "422", "307"],
)
def test_a_permanent_error_of_each_kind_is_sent_once(
    reply: Reply, fake_provider_factory: Callable[..., FakeProvider], connect: Callable[..., LLMClient]
) -> None:
    provider = fake_provider_factory(script=lambda _: reply)

    responses = connect(provider).process_prompts_sync([f"{number}" for number in range(30)], show_progress=False)

    assert all(response.is_error and response.attempts == 1 for response in responses)
    assert Counter(record.json["messages"][-1]["content"] for record in provider.ledger) == Counter(
        f"{number}" for number in range(30)
    )


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Reply.error(401, code="invalid_api_key"), "auth"),
        (Reply.error(429, code="insufficient_quota", type="insufficient_quota"), "quota"),
        (Reply.error(402), "quota"),
        (Reply.error(429, code="quota_per_day"), "quota_daily"),
    ],
    ids=["401", "insufficient quota", "402", "quota of the day"],
)
def test_a_key_or_model_that_is_no_use_stops_10000_prompts_within_seconds(
    refusal: Reply,
    kind: str,
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    record_property: Callable[[str, object], None],
) -> None:
    provider = fake_provider_factory(script=lambda _: refusal, latency_s=0.05)
    client = connect(provider, max_concurrent_requests=_CONCURRENCY)
    started = time.monotonic()

    responses = client.process_prompts_sync([f"{number}" for number in range(10_000)], show_progress=False)

    took_s = time.monotonic() - started
    record_property(f"10,000 prompts, {kind}", f"{len(provider.ledger)} requests, {took_s:.1f} s")
    assert Counter(response.error_kind for response in responses) == {kind: 10_000}
    assert all(response.error_message for response in responses)
    assert "earlier request of this run" in str(responses[-1].error_message)
    assert len(provider.ledger) <= _CONCURRENCY
    assert took_s < 20


@pytest.mark.parametrize(
    "refusal",
    [Reply.error(403), Reply.error(404), Reply.error(429, code="quota_per_day")],
    ids=["403", "404", "quota of the day"],
)
def test_a_model_that_is_no_use_is_left_alone_in_that_run_only(
    refusal: Reply, fake_provider_factory: Callable[..., FakeProvider], connect: Callable[..., LLMClient]
) -> None:
    def refuse_one_model(record: RequestRecord) -> Reply | None:
        return refusal.after(0.02) if record.json["model"] == "gpt-4.1-mini" else None

    provider = fake_provider_factory(script=refuse_one_model)
    client = connect(provider, ["gpt-4.1-mini", "gpt-4.1-nano"], max_concurrent_requests=8)

    first = client.process_prompts_sync([f"{number}" for number in range(200)], show_progress=False)
    asked_first = Counter(record.json["model"] for record in provider.ledger)
    second = client.process_prompts_sync([f"{number}" for number in range(50)], show_progress=False)
    asked = Counter(record.json["model"] for record in provider.ledger)

    assert not any(response.is_error for response in first + second)
    assert asked_first["gpt-4.1-mini"] <= 8 + 1  # those in flight, and the leader
    assert asked_first["gpt-4.1-nano"] == 200
    assert 0 < asked["gpt-4.1-mini"] - asked_first["gpt-4.1-mini"] <= 8 + 1  # the second run tried it again
