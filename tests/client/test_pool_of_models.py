"""Several models in one client: who is asked first, and who when that fails. Judged by the provider's ledger."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from deluge_sync import Conversation, LLMClient, SamplingParams, register_model
from deluge_sync.errors import ConfigError
from deluge_sync.testing import FakeProvider, Reply, RequestRecord

Connect = Callable[..., LLMClient]
Pool = Callable[..., LLMClient]
HEAVY_A = {"model_names": ["a", "b", "c"], "model_weights": [0.98, 0.02, 0.0]}


@pytest.fixture
def pool() -> Iterator[Pool]:
    """`pool(*providers)` is a client of one model at each."""
    with ExitStack() as stack:

        def make(*providers: FakeProvider, **settings: Any) -> LLMClient:
            names = [f"pool-{place}" for place in range(len(providers))]
            for name, provider in zip(names, providers, strict=True):
                register_model(name, name, provider.openai_url, "POOL_KEY")
            unlimited = {"max_requests_per_minute": 10_000_000, "max_tokens_per_minute": 10**12}
            return stack.enter_context(LLMClient(names, env={"POOL_KEY": "k"}, **{**unlimited, **settings}))

        yield make


def asked(provider: FakeProvider) -> list[str]:
    return [record.json["model"] for record in provider.ledger]


def failing(model: str, reply: Reply) -> Callable[[RequestRecord], Reply | None]:
    return lambda record: reply if record.json["model"] == model else None


def test_models_are_drawn_by_their_weights(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, ["a", "b", "c"], model_weights=[3, 1, 0])
    client.process_prompts_sync([f"prompt {n}" for n in range(400)], show_progress=False)
    counted = Counter(asked(fake_provider))
    assert counted["c"] == 0
    assert 240 <= counted["a"] <= 350  # 300 +- 5.8 standard deviations


def test_prefer_model_is_asked_first(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, **HEAVY_A)
    responses = client.process_prompts_sync(["x"] * 20, show_progress=False, prefer_model="c")
    assert asked(fake_provider) == ["c"] * 20
    assert {response.model_internal for response in responses} == {"c"}


def test_last_stays_with_the_model_that_answered_the_conversation(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    client = connect(fake_provider, **HEAVY_A)
    [first] = client.process_prompts_sync("Hi", show_progress=False, prefer_model="b")
    conversation = Conversation.user("Hi").with_response(first).user("Go on")
    client.process_prompts_sync([conversation] * 10, show_progress=False, prefer_model="last")
    assert asked(fake_provider) == ["b"] * 11


def test_a_preferred_model_that_fails_for_good_leaves_the_prompt_to_the_others(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    fake_provider.use_script(failing("c", Reply.error(404, code="model_not_found")))
    client = connect(fake_provider, max_concurrent_requests=1, **HEAVY_A)
    responses = client.process_prompts_sync(["x"] * 10, show_progress=False, prefer_model="c")
    assert not any(response.is_error for response in responses)
    assert asked(fake_provider)[0] == "c"
    before = Counter(asked(fake_provider))["c"]
    assert before <= 2  # stopped for the rest of that run; the second was planned before the first had failed
    client.process_prompts_sync("x", show_progress=False, prefer_model="c")
    assert Counter(asked(fake_provider))["c"] == before + 1  # and asked again in the next


def test_the_fallback_is_the_heaviest_of_the_others(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script(failing("a", Reply.error(400, code="context_length_exceeded")))
    client = connect(fake_provider, ["a", "b", "c"], model_weights=[1_000, 1, 2])
    client.process_prompts_sync("x", show_progress=False, prefer_model="a")
    assert asked(fake_provider) == ["a", "c"]


def test_a_model_that_cannot_answer_a_prompt_is_not_asked_twice_for_it(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    fake_provider.use_script(lambda _: Reply.error(400, code="context_length_exceeded"))
    client = connect(fake_provider, ["a", "b", "c"], max_attempts=10)
    [response] = client.process_prompts_sync("x", show_progress=False)
    assert sorted(asked(fake_provider)) == ["a", "b", "c"]
    assert response.error_kind == "context_length"


def test_a_model_outside_the_pool_is_refused(fake_provider: FakeProvider, connect: Connect) -> None:
    with pytest.raises(ConfigError, match="prefer_model"):
        connect(fake_provider, ["a", "b"]).process_prompts_sync("x", show_progress=False, prefer_model="d")
    assert not fake_provider.ledger


def test_each_model_has_its_own_sampling_params(fake_provider: FakeProvider, connect: Connect) -> None:
    params = [SamplingParams(max_new_tokens=11), SamplingParams(max_new_tokens=22)]
    client = connect(fake_provider, ["a", "b"], sampling_params=params)
    client.process_prompts_sync([f"prompt {n}" for n in range(40)], show_progress=False)
    sent: set[Any] = {(record.json["model"], record.json["max_tokens"]) for record in fake_provider.ledger}
    assert sent == {("a", 11), ("b", 22)}


def test_a_provider_that_is_down_leaves_its_prompts_to_the_others(
    fake_provider_factory: Callable[..., FakeProvider], pool: Pool
) -> None:
    """Long before `outage_patience` is over, and without an answer lost."""
    well, ill = fake_provider_factory(), fake_provider_factory(script=lambda _: Reply.close())
    client = pool(well, ill, outage_patience=60, max_concurrent_requests=20)

    responses = client.process_prompts_sync([f"prompt {n}" for n in range(200)], show_progress=False)

    assert [response.error_message for response in responses if response.is_error] == []
    assert {response.model_internal for response in responses} == {"pool-0"}
    assert len(well.ledger) == 200
    assert client.tracker.snapshot().elapsed_s < 30
    assert len(ill.ledger) < 100


def test_a_provider_that_is_back_is_asked_again(fake_provider_factory: Callable[..., FakeProvider], pool: Pool) -> None:
    is_down = threading.Event()
    is_down.set()
    well = fake_provider_factory()
    ill = fake_provider_factory(script=lambda _: Reply.close() if is_down.is_set() else None)
    client = pool(well, ill, outage_patience=60, max_concurrent_requests=20)

    client.process_prompts_sync(["x"] * 200, show_progress=False)
    is_down.clear()
    give_up_at = time.monotonic() + 60
    while not any(record.status == 200 for record in ill.ledger):
        assert time.monotonic() < give_up_at
        client.process_prompts_sync(["x"] * 20, show_progress=False)


def test_where_all_are_down_the_prompts_wait_and_are_told_so(
    fake_provider_factory: Callable[..., FakeProvider], pool: Pool
) -> None:
    ill = [fake_provider_factory(script=lambda _: Reply.close()) for _ in range(2)]
    client = pool(*ill, outage_patience=0.5, max_concurrent_requests=20)

    responses = client.process_prompts_sync(["x"] * 100, show_progress=False)

    assert {response.error_kind for response in responses} <= {"outage", "connect", "broken"}
    assert sum(response.error_kind == "outage" for response in responses) > 50
