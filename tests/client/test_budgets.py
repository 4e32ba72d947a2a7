"""`max_cost` against the embedded provider: its ledger, priced by the catalogue, is the judge."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import LeakyBucketLimiter, LLMClient, Tool, register_model
from deluge_sync.cache import SqliteCache
from deluge_sync.errors import ConfigError
from deluge_sync.models import get_model
from deluge_sync.testing import FakeProvider, Reply, RequestRecord

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]

MODEL = get_model("gpt-4.1-mini")


def bill_usd(provider: FakeProvider) -> float:
    """What the provider would charge for everything in its ledger."""
    assert MODEL.input_cost is not None
    assert MODEL.output_cost is not None
    return (
        sum(
            record.prompt_tokens * MODEL.input_cost + record.completion_tokens * MODEL.output_cost
            for record in provider.ledger
        )
        / 1e6
    )


def most_usd(prompt_tokens: int, answer_tokens: int) -> float:
    """What is held for a request: twice its estimated tokens, and the longest answer."""
    assert MODEL.input_cost is not None
    assert MODEL.output_cost is not None
    return (2 * prompt_tokens * MODEL.input_cost + answer_tokens * MODEL.output_cost) / 1e6


def wait_until(is_so: Callable[[], bool], *, seconds: float = 20) -> None:
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.001)


def kinds(responses: list[Any]) -> Counter[str | None]:
    return Counter(response.error_kind for response in responses)


# --- the promise


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_the_bill_stays_within_the_budget_and_nearly_all_of_it_is_used(
    fake_provider: FakeProvider, connect: Connect, concurrency: int
) -> None:
    client = connect(fake_provider, max_concurrent_requests=concurrency, max_new_tokens=64)
    max_cost = 200 * 2e-5
    responses = client.process_prompts_sync([f"prompt {n}" for n in range(600)], max_cost=max_cost, show_progress=False)

    found = kinds(responses)
    assert found.keys() == {None, "budget"}
    assert found[None] == len(fake_provider.ledger)
    assert bill_usd(fake_provider) == pytest.approx(sum(response.cost or 0.0 for response in responses))
    assert bill_usd(fake_provider) <= max_cost
    assert bill_usd(fake_provider) > max_cost - most_usd(12, 64)  # what is left would not have paid for one more
    assert client.tracker.snapshot().errors == {"budget": found["budget"]}


def test_an_error_says_what_was_asked_for_and_what_is_left(fake_provider: FakeProvider, connect: Connect) -> None:
    [response] = connect(fake_provider).process_prompts_sync(["x"], max_cost=1e-6, show_progress=False)

    assert response.error_kind == "budget"
    assert "max_cost=1e-06" in str(response.error_message)
    assert response.attempts == 0
    assert not fake_provider.ledger


def test_prompts_wait_for_what_others_do_not_use(fake_provider: FakeProvider, connect: Connect) -> None:
    """There is room for one request at a time, and money for all of them."""
    client = connect(fake_provider, max_concurrent_requests=16, max_new_tokens=500)
    responses = client.process_prompts_sync(
        [f"prompt {n}" for n in range(20)], max_cost=most_usd(12, 500) * 1.5, show_progress=False
    )

    assert kinds(responses) == {None: 20}
    assert fake_provider.peak_in_flight == 1


@pytest.mark.parametrize("faults", [{"error_500": 0.2}, {"truncate": 0.2, "error_429": 0.01}])
def test_faults_do_not_break_the_promise(
    fake_provider_factory: Factory, connect: Connect, faults: dict[str, float]
) -> None:
    provider = fake_provider_factory(faults=faults, seed=4)
    client = connect(provider, max_concurrent_requests=16, max_new_tokens=64)
    client.process_prompts_sync([f"prompt {n}" for n in range(300)], max_cost=2e-3, show_progress=False)

    assert 0 < bill_usd(provider) <= 2e-3


def test_what_may_have_been_billed_counts_as_billed(fake_provider_factory: Factory, connect: Connect) -> None:
    """A connection that breaks after the request was sent may have bought an answer."""
    provider = fake_provider_factory(script=[Reply.close()])
    client = connect(provider, max_new_tokens=100)
    [first, second] = client.process_prompts_sync(["x", "y"], max_cost=most_usd(8, 100) * 1.5, show_progress=False)

    assert kinds([first, second]) == {"budget": 2}
    assert len(provider.ledger) == 1


def test_a_refusal_costs_nothing(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=[Reply.error(429, retry_after=0)] * 3)
    client = connect(provider, max_new_tokens=100)
    responses = client.process_prompts_sync(["x", "y"], max_cost=most_usd(8, 100) * 1.5, show_progress=False)

    assert kinds(responses) == {None: 2}


def test_a_larger_answer_that_the_body_asks_for_is_reckoned_with(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_new_tokens=10, extra_body={"n": 4, "max_tokens": 100})
    [response] = client.process_prompts_sync(["x"], max_cost=most_usd(8, 300), show_progress=False)

    assert response.error_kind == "budget"  # four answers of 100 tokens each


# --- whose budget


def test_a_clients_budget_is_that_of_all_its_calls(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_new_tokens=64, max_cost=most_usd(12, 64) * 10)
    found: Counter[str | None] = Counter()
    found += kinds(client.process_prompts_sync([f"a {n}" for n in range(100)], show_progress=False))
    found += kinds([response for _, response in client.process_prompts_iter(["b"] * 100, show_progress=False)])
    ids = [client.start_nowait(f"c {n}") for n in range(100)]
    found += kinds(client.wait_for_all_sync(ids))
    found += kinds(asyncio.run(client.process_prompts_async([f"d {n}" for n in range(100)], show_progress=False)))
    _, outcome = client.run_agent_loop_sync("e")

    assert found[None] == len(fake_provider.ledger) < 400
    assert outcome.error_kind == "budget"
    assert bill_usd(fake_provider) <= most_usd(12, 64) * 10


def test_a_call_has_its_own_budget_within_the_clients(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_new_tokens=64, max_cost=1.0)
    poor = client.process_prompts_sync([f"{n}" for n in range(100)], max_cost=most_usd(12, 64) * 2, show_progress=False)
    rich = client.process_prompts_sync([f"{n}" for n in range(100)], show_progress=False)

    assert kinds(poor).keys() == {None, "budget"}
    assert kinds(rich) == {None: 100}


def test_a_task_has_its_own_budget(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_new_tokens=64)
    poor, rich = client.start_nowait("x", max_cost=1e-6), client.start_nowait("x", max_cost=1.0)

    assert kinds(client.wait_for_all_sync([poor, rich])) == {None: 1, "budget": 1}


def test_an_agent_loop_ends_when_its_money_is_gone(fake_provider: FakeProvider, connect: Connect) -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"rain in {city} " * 2_000

    client = connect(fake_provider, max_new_tokens=64)
    conversation, response = client.run_agent_loop_sync(
        "Weather?", tools=[Tool.from_function(weather)], max_cost=most_usd(100, 64) + 600 * 0.4e-6
    )

    assert response.error_kind == "budget"
    assert [message.role for message in conversation] == ["user", "assistant", "tool"]
    assert [each.is_error for each in response.rounds] == [False, True]


def test_a_prompt_that_follows_another_is_not_refused_for_its_budget(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    """Of two that ask the same at the same time the first has no money; the second has."""
    go_on = threading.Event()

    def script(_: RequestRecord) -> Reply | None:
        assert go_on.wait(30)
        return None

    provider = fake_provider_factory(script=script)
    client = connect(provider, dedupe=True, limiter=LeakyBucketLimiter(max_concurrent_requests=1))
    blockers = [client.start_nowait("on the wire"), client.start_nowait("next")]  # so that what comes is not led yet
    wait_until(lambda: len(provider.ledger) == 1)
    ids = [client.start_nowait("the same", max_cost=1e-6), client.start_nowait("the same")]
    flights = client._running_engine()._flights
    wait_until(lambda: any(flight.followers for flight in list(flights._flights.values())))
    go_on.set()

    assert [response.error_kind for response in client.wait_for_all_sync(ids, timeout=20)] == ["budget", None]
    client.wait_for_all_sync(blockers, timeout=20)


def test_streams_and_background_answers_are_settled_too(fake_provider: FakeProvider, connect: Connect) -> None:
    """Each holds more than a third of the money, and uses little of it."""
    max_cost = most_usd(12, 500) * 2.5
    streaming = connect(fake_provider, max_new_tokens=500, max_cost=max_cost)
    streamed: list[Any] = [list(streaming.stream_chat_sync(f"{n}"))[-1] for n in range(3)]
    settings = {"use_responses_api": True, "background": True}
    in_background = connect(fake_provider, max_new_tokens=500, max_cost=max_cost, **settings)
    waited = in_background.process_prompts_sync([f"{n}" for n in range(3)], show_progress=False)

    assert kinds([*streamed, *waited]) == {None: 6}
    for client, responses in ((streaming, streamed), (in_background, waited)):
        assert client._budget is not None
        costs: list[Any] = [response.cost for response in responses]
        assert client._budget.spent_usd == pytest.approx(sum(costs))
        assert client._budget.held_usd == 0.0


def test_a_cached_answer_needs_no_money(fake_provider: FakeProvider, connect: Connect, tmp_path: Path) -> None:
    with closing(SqliteCache(tmp_path / "answers.sqlite")) as cache:
        connect(fake_provider, cache=cache).process_prompts_sync(["x"], show_progress=False)
        [response] = connect(fake_provider, cache=cache).process_prompts_sync(["x"], max_cost=0, show_progress=False)

    assert response.local_cache_hit
    assert len(fake_provider.ledger) == 1


_FORKING = """
import os, sys
from deluge_sync import LLMClient

client = LLMClient("gpt-4.1-mini", base_url=sys.argv[1], api_key="sk-test-0123456789", max_cost=0.01)
client.open(show_progress=False)
client.start_sync("parent")
kept = client.start_nowait("parent")
if os.fork() == 0:
    right = client.wait_for_all_sync() == [] and client._budget.spent_usd == 0.0
    right = right and client.start_sync("child", timeout=30).completion == "You said: child"
    os._exit(0 if right else 1)
status = os.waitstatus_to_exitcode(os.wait()[1])
print(status, client.wait_for_sync(kept).completion, client._budget.held_usd)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_a_budget_and_tasks_of_its_own(fake_provider: FakeProvider) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FORKING, fake_provider.openai_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout == "0 You said: parent 0.0\n", done.stderr


# --- prices


def test_a_model_without_a_price_cannot_have_a_budget(fake_provider: FakeProvider, connect: Connect) -> None:
    with pytest.raises(ConfigError, match=r"no price is known for model 'mystery'"):
        connect(fake_provider, "mystery", max_cost=1.0)
    client = connect(fake_provider, ["gpt-4.1-mini", "mystery"])
    with pytest.raises(ConfigError, match=r"no price is known for model 'mystery'"):
        client.process_prompts_sync(["x"], max_cost=1.0)
    with pytest.raises(ConfigError, match=r"no price is known for model 'mystery'"):
        client.start_nowait("x", max_cost=1.0)
    assert not fake_provider.ledger


def test_a_tier_without_a_price_cannot_have_a_budget(fake_provider: FakeProvider, connect: Connect) -> None:
    register_model("tierless", "tierless", fake_provider.openai_url, None, input_cost=1.0, output_cost=1.0)
    client = connect(fake_provider, "tierless", max_cost=1.0)

    with pytest.raises(ConfigError, match=r"at service_tier='priority'"):
        client.process_prompts_sync(["x"], service_tier="priority")
    assert client.process_prompts_sync(["x"], show_progress=False)[0].completion == "You said: x"


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "1", True])
def test_a_budget_is_an_amount_of_money(fake_provider: FakeProvider, connect: Connect, wrong: Any) -> None:
    with pytest.raises(ConfigError, match="max_cost"):
        connect(fake_provider, max_cost=wrong)
    with pytest.raises(ConfigError, match="max_cost"):
        connect(fake_provider).process_prompts_sync(["x"], max_cost=wrong)


# --- those that wait can be ended


def waiting_client(
    provider: FakeProvider, connect: Connect, count: int, **settings: Any
) -> tuple[LLMClient, list[int], int]:
    """Of `count` tasks one is on the wire, and all others wait for its money."""
    client = connect(provider, max_new_tokens=500, max_cost=most_usd(12, 500) * 1.5, **settings)
    first = client.start_nowait("first")
    wait_until(lambda: len(provider.ledger) == 1)
    ids = [client.start_nowait(f"task {n}") for n in range(count)]
    return client, ids, first


def test_a_task_that_waits_for_money_can_be_cancelled(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda record: Reply.hang(60) if b"first" in record.body else None)
    client, ids, first = waiting_client(provider, connect, 20)

    assert all(client.cancel(task_id) for task_id in ids)
    assert kinds(client.wait_for_all_sync(ids, timeout=20)) == {"cancelled": 20}
    assert client.cancel(first)
    assert client.wait_for_sync(first, timeout=20).error_kind == "cancelled"
    assert len(provider.ledger) == 1


def test_closing_ends_thousands_that_wait_for_money(fake_provider_factory: Factory, connect: Connect) -> None:
    """Each that ends gives its turn to the next: not one within the other, or Python would run out of stack."""
    provider = fake_provider_factory(script=lambda record: Reply.hang(60) if b"first" in record.body else None)
    client, ids, first = waiting_client(provider, connect, 3_000)
    client.close()

    assert kinds(client.wait_for_all_sync([first, *ids], timeout=20)) == {"cancelled": 3_001}
    assert client.tracker.snapshot().queued == 0


def test_thousands_that_find_no_room_any_more_end_at_once(fake_provider_factory: Factory, connect: Connect) -> None:
    go_on = threading.Event()

    def script(_: RequestRecord) -> Reply | None:
        assert go_on.wait(30)
        return Reply.close()  # which may have been billed

    provider = fake_provider_factory(script=script)
    client, ids, first = waiting_client(provider, connect, 3_000, max_attempts=1)
    go_on.set()

    assert kinds(client.wait_for_all_sync(ids, timeout=30)) == {"budget": 3_000}
    assert len(provider.ledger) == 1
    assert client.wait_for_sync(first).is_error


def test_money_of_a_cancelled_request_counts_and_of_an_unsent_one_does_not(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(script=lambda record: Reply.hang(60) if b"first" in record.body else None)
    client = connect(provider, max_new_tokens=500, max_cost=most_usd(12, 500) * 2.2, max_concurrent_requests=1)
    first = client.start_nowait("first")
    wait_until(lambda: len(provider.ledger) == 1)
    second = client.start_nowait("second")  # has money, and waits for a place
    wait_until(lambda: client.tracker.snapshot().queued == 1)
    client.cancel(second)
    client.cancel(first)
    client.wait_for_all_sync([first, second], timeout=20)
    third, fourth = client.process_prompts_sync(["third"], show_progress=False), None

    assert kinds(third) == {None: 1}  # of 2.2 requests' money one may be gone
    fourth = client.process_prompts_sync(["a much longer prompt " * 400], show_progress=False)
    assert kinds(fourth) == {"budget": 1}
