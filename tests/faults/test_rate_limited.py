"""A provider that enforces 50 requests a second, and one whose headers show room: nothing is wasted, nothing lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync import LLMClient

_PER_S = 50
_LATENCY_S = 0.2


def _strict_provider(remote_provider: Callable[..., Any], *, rate_limit_headers: bool) -> Any:
    return remote_provider(
        requests_per_minute=_PER_S * 60,
        burst_s=1.0,
        retry_after=1,
        latency_s=_LATENCY_S,
        rate_limit_headers=rate_limit_headers,
    )


@pytest.mark.parametrize("rate_limit_headers", [True, False], ids=["with headers", "without headers"])
@pytest.mark.parametrize(
    ("prompts", "most_requests", "within_s"),
    [
        # The provider's bucket holds 50 at first, so the rest takes 5 s. Every 429 costs a pause of a second, and what
        # was in flight then is refused with it: room for one such event.
        pytest.param(300, 320, (300 - _PER_S) / _PER_S + 5.0, id="300"),
        # What issue and comparison ask for: ideal are 19.3 s, the best of the others take 23 s.
        pytest.param(1_000, 1_020, 21.0, id="1000", marks=pytest.mark.soak),
    ],
)
def test_a_limit_that_is_known_is_used_and_not_exceeded(
    prompts: int,
    most_requests: int,
    within_s: float,
    rate_limit_headers: bool,
    remote_provider: Callable[..., Any],
    connect: Callable[..., LLMClient],
    record_property: Callable[[str, object], None],
) -> None:
    provider = _strict_provider(remote_provider, rate_limit_headers=rate_limit_headers)
    client = connect(provider, max_requests_per_minute=_PER_S * 60, max_concurrent_requests=100)
    started = time.monotonic()

    responses = client.process_prompts_sync([f"prompt {number}" for number in range(prompts)], show_progress=False)

    took_s = time.monotonic() - started
    ledger = provider.ledger
    refused = sum(record.status == 429 for record in ledger)
    record_property("rate limited", f"{len(ledger)} requests, {refused} refused, {took_s:.1f} s")
    assert all(response.completion == f"You said: prompt {response.id}" for response in responses)
    assert len(ledger) <= most_requests
    assert took_s <= within_s


@pytest.mark.soak
@pytest.mark.parametrize("settings", [{"max_requests_per_minute": 2 * _PER_S * 60}, {"limits": "auto"}], ids=str)
@pytest.mark.parametrize("rate_limit_headers", [True, False], ids=["with headers", "without headers"])
def test_a_client_told_too_much_or_nothing_settles_near_the_limit_that_is_enforced(
    rate_limit_headers: bool,
    settings: dict[str, Any],
    remote_provider: Callable[..., Any],
    connect: Callable[..., LLMClient],
    record_property: Callable[[str, object], None],
) -> None:
    provider = _strict_provider(remote_provider, rate_limit_headers=rate_limit_headers)
    client = connect(provider, **settings)
    started = time.monotonic()

    responses = client.process_prompts_sync([f"prompt {number}" for number in range(1_000)], show_progress=False)

    took_s = time.monotonic() - started
    record_property("told too much or nothing", f"{len(provider.ledger)} requests, {took_s:.1f} s")
    assert not any(response.is_error for response in responses)
    assert len(provider.ledger) <= 1_100
    assert took_s <= 25.0


@pytest.mark.soak
@pytest.mark.parametrize("rate_limit_headers", [True, False], ids=["with headers", "without headers"])
def test_a_limit_that_was_told_twice_too_high_is_kept_and_used_for_minutes(
    rate_limit_headers: bool,
    remote_provider: Callable[..., Any],
    connect: Callable[..., LLMClient],
    record_property: Callable[[str, object], None],
) -> None:
    provider = _strict_provider(remote_provider, rate_limit_headers=rate_limit_headers)
    client = connect(provider, max_requests_per_minute=2 * _PER_S * 60)

    responses = client.process_prompts_sync((f"prompt {number}" for number in range(12_000)), show_progress=False)

    assert not any(response.is_error for response in responses)
    ledger = provider.ledger
    began, ended = ledger[0].arrived + 60.0, ledger[-1].arrived - 1.0
    settled = [record.status for record in ledger if began <= record.arrived < ended]
    refused_share = settled.count(429) / len(settled)
    used_share = settled.count(200) / (ended - began) / _PER_S
    record_property("settled", f"{refused_share:.2%} refused, {used_share:.1%} of the limit used, {len(ledger)} in all")
    assert ended - began > 150
    assert refused_share <= 0.01
    assert used_share >= 0.85


@pytest.mark.soak
def test_room_that_the_headers_show_is_used_at_once(
    remote_provider: Callable[..., Any],
    connect: Callable[..., LLMClient],
    record_property: Callable[[str, object], None],
) -> None:
    def took_s(**settings: Any) -> float:
        provider = remote_provider(requests_per_minute=1_000, latency_s=0.5)
        client = connect(provider, **settings)
        started = time.monotonic()
        responses = client.process_prompts_sync([f"prompt {number}" for number in range(500)], show_progress=False)
        assert not any(response.is_error for response in responses)
        assert len(provider.ledger) == 500
        return time.monotonic() - started

    took_s()  # warms up what is loaded once
    unlimited_s, limited_s = took_s(), took_s(max_requests_per_minute=1_000)

    record_property("500 at 1,000 a minute", f"{limited_s:.2f} s, unlimited {unlimited_s:.2f} s")
    assert limited_s <= 1.5 * unlimited_s
