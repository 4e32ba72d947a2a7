"""Limits of a client: shared, changed while it runs, and learned from the provider; judged by the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from deluge_sync import LeakyBucketLimiter, LLMClient
from deluge_sync.errors import ConfigError
from deluge_sync.testing import FakeProvider, Reply

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]


def test_clients_that_share_a_limiter_share_its_budget(fake_provider: FakeProvider, connect: Connect) -> None:
    limiter = LeakyBucketLimiter(20)
    clients = [connect(fake_provider, limiter=limiter, max_seconds_per_prompt=1) for _ in range(3)]

    for client in clients:
        client.process_prompts_sync(["x"] * 15, show_progress=False)

    assert len(fake_provider.ledger) <= 20


def test_a_lower_limit_counts_what_was_sent_before(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_requests_per_minute=1_000, max_seconds_per_prompt=1)
    client.process_prompts_sync(["x"] * 20, show_progress=False)
    client.with_limits(max_requests_per_minute=20).process_prompts_sync(["x"] * 20, show_progress=False)

    assert len(fake_provider.ledger) == 20


def test_a_higher_limit_lets_those_go_who_wait(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_requests_per_minute=10)
    done = threading.Event()

    def ask() -> None:
        client.process_prompts_sync(["x"] * 200, show_progress=False)
        done.set()

    threading.Thread(target=ask, daemon=True).start()
    wait_until(lambda: len(fake_provider.ledger) == 10)
    client.with_limits(max_requests_per_minute=100_000)

    assert done.wait(10)
    assert client.tracker.snapshot().limits.requests_per_minute == 100_000


def test_concurrency_can_be_raised_while_prompts_are_running(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(latency_s=0.2)
    client = connect(provider, max_concurrent_requests=2)
    thread = threading.Thread(
        target=client.process_prompts_sync, args=(["x"] * 60,), kwargs={"show_progress": False}, daemon=True
    )
    thread.start()
    wait_until(lambda: len(provider.ledger) >= 2)
    client.with_limits(max_concurrent_requests=30)
    thread.join(10)

    assert not thread.is_alive()
    assert 20 <= provider.peak_in_flight <= 30


def test_limits_that_cannot_work_are_refused_and_change_nothing(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_requests_per_minute=100)

    with pytest.raises(ConfigError, match="max_tokens_per_minute"):
        client.with_limits(max_requests_per_minute=5, max_tokens_per_minute=0)
    assert client.tracker.snapshot().limits.requests_per_minute == 100
    with pytest.raises(ConfigError, match="limits must be one of auto"):
        connect(fake_provider, limits="none")


def test_told_nothing_it_stays_within_the_limits_of_the_providers_headers(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(requests_per_minute=120)
    client = connect(provider, limits="auto", max_seconds_per_prompt=2)

    responses = client.process_prompts_sync(["x"] * 150, show_progress=False)

    assert 100 <= sum(not response.is_error for response in responses) <= 120
    assert sum(record.status == 429 for record in provider.ledger) == 0


def test_told_only_a_token_limit_it_keeps_that_one(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, limits="auto", max_seconds_per_prompt=1).with_limits(max_tokens_per_minute=1_100)

    responses = client.process_prompts_sync(["x"] * 6, show_progress=False)  # of some 520 tokens each

    assert len(fake_provider.ledger) == 2
    assert [response.is_error for response in responses].count(True) == 4


def test_a_shared_limiter_without_concurrency_leaves_each_client_its_own(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(latency_s=0.05)
    client = connect(provider, limiter=LeakyBucketLimiter(), max_concurrent_requests=3)

    client.process_prompts_sync(["x"] * 60, show_progress=False)

    assert provider.peak_in_flight == 3


def test_a_limit_that_is_too_high_for_the_providers_headers_is_not_used_whole(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(requests_per_minute=120)
    client = connect(provider, max_requests_per_minute=6_000, max_seconds_per_prompt=2)

    client.process_prompts_sync(["x"] * 90, show_progress=False)
    client.process_prompts_sync(["x"] * 60, show_progress=False)

    # 150 prompts and room for 120: sent at once, 30 and more of them would be refused.
    assert sum(record.status == 429 for record in provider.ledger) <= 15


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a state that another thread brings about; bounded."""
    give_up_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.001)


def test_tracker_tells_what_counts_against_the_limits_and_the_pause_that_is_kept(fake_provider: FakeProvider) -> None:
    fake_provider.use_script([None, Reply.error(429, retry_after=30)])
    client = LLMClient(base_url=fake_provider.openai_url, api_key="k", max_new_tokens=500, max_seconds_per_prompt=2)
    assert client.tracker.snapshot().tokens_counted == 0
    for _ in range(2):
        client.process_prompts_sync("hello", show_progress=False)

    snapshot = client.tracker.snapshot()
    client.close()

    assert 1_000 <= snapshot.tokens_counted <= 1_100  # OpenAI counts the longest answer, not the one that came
    assert snapshot.tokens_last_minute < 50
    assert 20 < snapshot.paused_s <= 30
