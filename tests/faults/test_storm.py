"""Everything goes wrong at random, at full load: each prompt gets exactly one response, and the books agree."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import APIResponse, LLMClient

_MIB = 1024 * 1024


def resident_bytes() -> int:
    """What this process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def storm(client: LLMClient, prompts: int) -> list[APIResponse]:
    return client.process_prompts_sync([f"prompt {number}" for number in range(prompts)], show_progress=False)


@pytest.mark.parametrize(
    ("prompts", "threads", "bound_s"),
    [pytest.param(1_500, 64, 30, id="reduced"), pytest.param(20_000, 225, 240, id="whole", marks=pytest.mark.soak)],
)
def test_a_storm_costs_no_prompt_and_the_books_agree_with_the_ledger(
    prompts: int,
    threads: int,
    bound_s: float,
    remote_provider: Callable[..., Any],
    connect: Callable[..., LLMClient],
    own_threads: Callable[[], list[str]],
    record_property: Callable[[str, object], None],
) -> None:
    provider = remote_provider(script="storm", latency_s=0.02)
    client = connect(provider, max_concurrent_requests=threads, request_timeout=2, max_seconds_per_prompt=bound_s)
    storm(client, 200)  # what is loaded and started once is no growth
    warmed_up, seen_before = client.tracker.snapshot(), len(provider.ledger)
    memory_before, started = resident_bytes(), time.monotonic()

    responses = storm(client, prompts)

    took_s = time.monotonic() - started
    grown_mib = (resident_bytes() - memory_before) / _MIB
    snapshot = client.tracker.snapshot().since(warmed_up)
    client.close()
    ledger = provider.ledger[seen_before:]
    record_property("storm", f"{prompts} prompts, {len(ledger)} requests, {took_s:.1f} s, {grown_mib:+.1f} MiB")
    record_property("statuses", dict(Counter(str(record.status) for record in ledger)))
    record_property("failed", dict(snapshot.errors))

    # One response for each, in its place, and each with its own answer.
    assert [response.id for response in responses] == list(range(prompts))
    answers = [response for response in responses if not response.is_error]
    assert all(response.completion == f"You said: prompt {response.id}" for response in answers)
    # 7 % of the attempts fail, and five are made: one prompt in 600,000 is lost by design.
    assert prompts - len(answers) <= 1

    # The tracker says what the ledger says. A reset of a connection that had served before looks like one that had gone
    # stale, so the transport may have sent once more within the same attempt.
    whole = [record for record in ledger if record.answered]
    sent = Counter(record.said for record in ledger)
    resets = Counter(record.said for record in ledger if record.status is None)
    for response in responses:
        prompt = f"prompt {response.id}"
        assert response.attempts <= sent[prompt] <= response.attempts + resets[prompt]
    attempts = sum(response.attempts for response in responses)
    assert snapshot.requests_sent == attempts
    assert (snapshot.answered, snapshot.answered + snapshot.failed) == (len(answers), prompts)
    assert snapshot.retried == attempts - prompts
    assert snapshot.rate_limited == sum(record.status == 429 for record in ledger)
    assert snapshot.input_tokens == sum(record.prompt_tokens for record in whole)
    assert snapshot.output_tokens == sum(record.completion_tokens for record in whole)
    assert (snapshot.in_flight, snapshot.queued) == (0, 0)

    # No prompt was sent after it had been answered, and no answer was bought twice.
    assert Counter(record.said for record in whole) == Counter(f"prompt {response.id}" for response in answers)

    assert own_threads() == []
    assert grown_mib < 50
