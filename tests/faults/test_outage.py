"""A provider that is down, for a while or for good: what is sent meanwhile, who is lost, how all come back."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.testing import FakeProvider, Reply, RequestRecord


@pytest.mark.parametrize("how", ["close", "refuse", "503"])
@pytest.mark.parametrize(
    ("outage_s", "settings"),
    [
        pytest.param(2.0, {"max_concurrent_requests": 64}, id="2 s"),
        pytest.param(
            10.0,
            {"max_requests_per_minute": 1_000, "max_tokens_per_minute": 100_000},
            id="10 s",
            marks=pytest.mark.soak,
        ),
    ],
)
def test_an_outage_loses_no_prompt(
    how: Any,
    outage_s: float,
    settings: dict[str, Any],
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    wait_until: Callable[..., None],
    record_property: Callable[[str, object], None],
) -> None:
    provider = fake_provider_factory(latency_s=0.1)
    # The client's own limits are the default ones in the whole size; the prompts are short enough for its tokens.
    client = connect(provider, max_new_tokens=64, **settings)
    went_down: list[float] = []

    def break_down() -> None:
        wait_until(lambda: len(provider.answered()) >= 20)
        went_down.append(time.monotonic())
        provider.down(how)
        threading.Event().wait(outage_s)
        provider.up()

    outage = threading.Thread(target=break_down)
    outage.start()
    responses = client.process_prompts_sync([f"prompt {number}" for number in range(500)], show_progress=False)
    outage.join()

    noticed, came_back = went_down[0] + 1.0, went_down[0] + outage_s
    probes = [record for record in provider.ledger if noticed <= record.arrived < came_back]
    record_property("lost", sum(bool(response.is_error) for response in responses))
    record_property("requests", f"{len(provider.ledger)}, {len(probes)} of them probes")
    assert [response.completion for response in responses] == [f"You said: prompt {number}" for number in range(500)]
    # A probe after 0.5, 1, 2, 4 and then every 5 s; what other outages turn away is in no ledger.
    assert len(probes) <= (3 if outage_s < 3 else 5)
    assert probes or how != "503"


@pytest.mark.parametrize(
    ("prompts", "patience_s", "within_s"),
    [
        pytest.param(1_000, 2.0, 15.0, id="2 s of patience"),
        pytest.param(1_000, 60.0, 90.0, id="60 s of patience", marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("how", ["503", "close"])
def test_prompts_of_a_provider_that_stays_down_end_in_time_and_say_why(
    how: Any,
    prompts: int,
    patience_s: float,
    within_s: float,
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    record_property: Callable[[str, object], None],
) -> None:
    provider = fake_provider_factory()
    client = connect(provider, outage_patience=patience_s, max_attempts=5)
    provider.down(how)
    started = time.monotonic()

    responses = client.process_prompts_sync(["x"] * prompts, show_progress=False)

    took_s = time.monotonic() - started
    sent = client.tracker.snapshot().requests_sent if how == "close" else len(provider.ledger)
    record_property("down for good", f"{sent / prompts:.3f} calls a prompt, {took_s:.1f} s")
    assert took_s < within_s
    assert sent <= 1.15 * prompts
    kinds = Counter(response.error_kind for response in responses)
    assert sum(kinds.values()) == prompts
    assert kinds["outage"] >= prompts - 10  # what spent its five attempts before the outage was noticed says so instead
    assert "has not answered for" in str(responses[-1].error_message)
    assert sent == sum(response.attempts for response in responses)


@pytest.mark.parametrize(
    ("patience_s", "within_s"),
    [
        pytest.param(2.0, 7.0, id="2 s of patience"),
        pytest.param(60.0, 90.0, id="60 s of patience", marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("call", ["list", "iterator"])
def test_patience_is_had_once_and_not_for_every_prompt_that_comes_later(
    call: str,
    patience_s: float,
    within_s: float,
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    record_property: Callable[[str, object], None],
) -> None:
    """10,000 prompts are fed in four portions of a list, in twenty of an iterator."""
    provider = fake_provider_factory()
    client = connect(provider, outage_patience=patience_s, max_attempts=5)
    provider.down("503")
    prompts = [f"{number}" for number in range(10_000)]
    started = time.monotonic()

    if call == "list":
        responses = client.process_prompts_sync(prompts, show_progress=False)
    else:
        responses = [response for _, response in client.process_prompts_iter(iter(prompts), show_progress=False)]

    took_s = time.monotonic() - started
    record_property("down for good", f"10,000 prompts, {len(provider.ledger)} requests, {took_s:.1f} s")
    assert Counter(response.error_kind for response in responses) == {"outage": 10_000}
    assert patience_s <= took_s < within_s
    assert len(provider.ledger) <= 100


def test_prompts_that_come_after_a_long_outage_learn_from_one_probe_that_the_provider_is_back(
    fake_provider_factory: Callable[..., FakeProvider], connect: Callable[..., LLMClient]
) -> None:
    provider = fake_provider_factory()
    client = connect(provider, outage_patience=1.0)
    provider.down("503")
    lost = client.process_prompts_sync(["x"] * 100, show_progress=False)
    asked = len(provider.ledger)
    at_once = client.process_prompts_sync(["x"] * 100, show_progress=False)
    asked_again = len(provider.ledger) - asked
    provider.up()
    threading.Event().wait(5.0)  # then the next probe is due, however many there were

    answers = client.process_prompts_sync([f"{number}" for number in range(100)], show_progress=False)

    assert {response.error_kind for response in lost + at_once} == {"outage"}
    assert asked_again <= 1
    assert [response.completion for response in answers] == [f"You said: {number}" for number in range(100)]
    assert all(response.attempts == 1 for response in answers)


def test_an_outage_takes_no_attempt_from_those_that_wait(
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    wait_until: Callable[..., None],
) -> None:
    """With two attempts each, nobody survives an outage that counts: 64 are in flight when it begins."""
    provider = fake_provider_factory(latency_s=0.05)
    client = connect(provider, max_concurrent_requests=64, max_attempts=2)

    def break_down() -> None:
        wait_until(lambda: len(provider.answered()) >= 20)
        provider.down("503")
        threading.Event().wait(2.0)
        provider.up()

    outage = threading.Thread(target=break_down)
    outage.start()
    responses = client.process_prompts_sync([f"{number}" for number in range(500)], show_progress=False)
    outage.join()

    refused = Counter(record.json["messages"][-1]["content"] for record in provider.ledger if record.status == 503)
    lost = {str(response.id) for response in responses if response.is_error}
    # The purse pays for 35 retries before the outage is noticed: only those can have used up both of theirs.
    assert len(lost) <= 500 // 14
    assert all(refused[prompt] >= 2 for prompt in lost)
    assert max(refused.values()) >= 2


HERD = 256


@pytest.mark.parametrize(
    "blow",
    [Reply.error(503), Reply.error(529), Reply.error(429, retry_after=1), Reply.reset(), Reply.close()],
    ids=["503", "529", "429", "reset", "close"],
)
def test_a_herd_that_failed_together_comes_back_one_after_another(
    blow: Reply,
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    most_within: Callable[..., int],
    record_property: Callable[[str, object], None],
) -> None:
    all_there = threading.Barrier(HERD)

    def fail_together(record: RequestRecord) -> Reply | None:
        if record.sequence >= HERD:
            return None
        all_there.wait(30)
        return blow

    provider = fake_provider_factory(script=fail_together)
    client = connect(provider, max_concurrent_requests=HERD)

    responses = client.process_prompts_sync([f"{number}" for number in range(HERD)], show_progress=False)

    came_back = [record.arrived for record in provider.ledger[HERD:]]
    peak = most_within(came_back, 0.1)
    record_property("herd", f"peak of {peak} calls in 100 ms, all back {max(came_back) - min(came_back):.1f} s later")
    assert not any(response.is_error for response in responses)
    assert peak < 64
