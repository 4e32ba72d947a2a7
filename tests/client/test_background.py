"""Answers that the provider works on in the background, judged by what it saw: nothing is bought twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync._engine import background
from deluge_sync.testing import BatchPace, FakeProvider, Reply, RequestRecord

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]

BACKGROUND: dict[str, Any] = {"use_responses_api": True, "background": True}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(background, "_LONGEST_PAUSE_S", 0.1)


def steps(provider: FakeProvider) -> list[str]:
    """What was asked, in order: create, look, cancel."""
    return [step(record) for record in provider.ledger]


def step(record: RequestRecord) -> str:
    if record.method == "GET":
        return "look"
    return "cancel" if record.path.endswith("/cancel") else "create"


def once(kind: str, replies: Iterable[Reply]) -> Callable[[RequestRecord], Reply | None]:
    """A script that answers the first requests of a kind with `replies`, and everything else as usual."""
    waiting = list(replies)

    def decide(record: RequestRecord) -> Reply | None:
        return waiting.pop(0) if waiting and step(record) == kind else None

    return decide


def test_the_answer_is_begun_once_looked_after_and_read(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(background=BatchPace(polls=3))
    client = connect(provider, **BACKGROUND)
    [response] = client.process_prompts_sync("hello", show_progress=False)
    assert response.completion == "You said: hello"
    assert response.response_id is not None
    assert response.usage is not None
    assert steps(provider) == ["create", "look", "look", "look"]
    assert provider.ledger[0].json["background"] is True
    snapshot = client.tracker.snapshot()
    assert (snapshot.answered, snapshot.in_flight, snapshot.queued) == (1, 0, 0)
    assert snapshot.cost_usd == pytest.approx(response.cost)


def test_the_place_is_free_while_it_runs(fake_provider_factory: Factory, connect: Connect) -> None:
    """Ten answers that take half a second each, one request at a time: the last would begin after 4.5 seconds."""
    provider = fake_provider_factory(background=BatchPace(polls=0, seconds=0.5))
    client = connect(provider, max_concurrent_requests=1, **BACKGROUND)
    responses = client.process_prompts_sync([f"number {n}" for n in range(10)], show_progress=False)
    assert [response.completion for response in responses] == [f"You said: number {n}" for n in range(10)]
    begun = [record.arrived for record in provider.ledger if step(record) == "create"]
    assert len(begun) == 10
    assert begun[-1] - begun[0] < 2


@pytest.mark.parametrize(
    "trouble",
    [
        Reply.error(500),
        Reply.reset(),
        Reply.close(),
        Reply.html(502),
        Reply.error(429, retry_after=0.01),
        Reply.half_json(),
    ],
    ids=["500", "reset", "close", "page", "429", "half"],
)
def test_a_look_that_fails_is_made_again_and_nothing_is_bought_twice(
    fake_provider_factory: Factory, connect: Connect, trouble: Reply
) -> None:
    provider = fake_provider_factory(script=once("look", [trouble] * 3))
    [response] = connect(provider, max_attempts=1, **BACKGROUND).process_prompts_sync("hello", show_progress=False)
    assert response.completion == "You said: hello"
    assert steps(provider).count("create") == 1
    assert steps(provider).count("look") >= 4


def test_a_look_that_can_never_succeed_ends_the_prompt_and_cancels(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(script=once("look", [Reply.error(403)] * 9))
    client = connect(provider, **BACKGROUND)
    [response] = client.process_prompts_sync("hello", show_progress=False)
    assert (response.is_error, response.error_kind) == (True, "permission")
    assert wait_for(lambda: "cancel" in steps(provider))
    assert steps(provider).count("create") == 1


def test_trouble_with_the_beginning_is_tried_again(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=once("create", [Reply.error(500)]))
    [response] = connect(provider, **BACKGROUND).process_prompts_sync("hello", show_progress=False)
    assert response.completion == "You said: hello"
    assert steps(provider)[:2] == ["create", "create"]


def test_at_the_end_of_its_time_it_is_cancelled(
    fake_provider_factory: Factory, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_LAST_CALL_S", 0.2)
    provider = fake_provider_factory(background=BatchPace(polls=1_000_000))
    client = connect(provider, background_timeout=0.6, request_timeout=1, **BACKGROUND)
    [response] = client.process_prompts_sync("hello", show_progress=False)
    assert (response.is_error, response.error_kind) == (True, "timeout")
    assert steps(provider)[-1] == "cancel"
    assert steps(provider).count("create") == 1


def test_its_time_is_not_the_request_timeout(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(background=BatchPace(polls=0, seconds=1.5))
    client = connect(provider, request_timeout=1, **BACKGROUND)
    [response] = client.process_prompts_sync("hello", show_progress=False)
    assert response.completion == "You said: hello"


def test_closing_the_client_cancels_what_is_pending(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(background=BatchPace(polls=1_000_000))
    client = connect(provider, **BACKGROUND)
    answers = client.process_prompts_iter(["a", "b", "c"], show_progress=False)
    next_answer = iter(answers)
    # Starting the iteration sends; nothing will ever be answered, so it is closed from another thread.

    thread = threading.Thread(target=lambda: list(next_answer))
    thread.start()
    assert wait_for(lambda: steps(provider).count("look") >= 3)
    client.close()
    thread.join(5)
    assert not thread.is_alive()
    assert wait_for(lambda: steps(provider).count("cancel") == 3)
    assert steps(provider).count("create") == 3


def wait_for(is_so: Callable[[], bool], *, seconds: float = 5) -> bool:
    give_up_at = time.monotonic() + seconds
    while not is_so() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return is_so()
