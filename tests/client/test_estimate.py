"""Estimates: tokens and money before anything is sent. Prices worked out by hand from the catalogue's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from deluge_sync import Conversation, Image, LLMClient, Tool
from deluge_sync._engine.estimate import Estimate, ModelEstimate
from deluge_sync.errors import ConfigError


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection, no name looked up, and no key there."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("it wanted to go out")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_the_bounds_are_those_without_and_with_the_longest_answers() -> None:
    """gpt-4.1-mini: 0.40 and 1.60 US dollars for a million tokens."""
    found = LLMClient("gpt-4.1-mini", max_new_tokens=100).estimate_sync(["Hello there", "Hello there"])

    [model] = found.models
    each = Conversation.user("Hello there").estimate_tokens()
    assert (found.prompts, found.unreadable) == (2, 0)
    assert (model.model, model.input_tokens, model.max_output_tokens) == ("gpt-4.1-mini", 2 * each, 200)
    assert model.low_usd == pytest.approx(2 * each * 0.4e-6)
    assert model.high_usd == pytest.approx(2 * each * 0.4e-6 + 200 * 1.6e-6)
    assert (found.low_usd, found.high_usd) == (model.low_usd, model.high_usd)


def test_of_several_models_the_bounds_are_those_of_the_cheapest_and_the_dearest() -> None:
    found = LLMClient(["gpt-4.1-mini", "gpt-4.1-nano", "claude-haiku-4-5"]).estimate_sync(["Hello there"])

    assert [model.model for model in found.models] == ["gpt-4.1-mini", "gpt-4.1-nano", "claude-haiku-4-5"]
    assert found.low_usd == found.models[1].low_usd
    assert found.high_usd == found.models[2].high_usd


def test_an_unknown_price_is_not_nothing() -> None:
    found = LLMClient(["gpt-4.1-mini", "mystery"], base_url="http://127.0.0.1:1/v1").estimate_sync(["Hello"])

    assert (found.models[1].low_usd, found.models[1].high_usd) == (None, None)
    assert (found.low_usd, found.high_usd) == (None, None)
    assert found.models[1].input_tokens == found.models[0].input_tokens > 0


def test_a_tier_has_its_own_prices() -> None:
    client = LLMClient("gpt-5-mini", max_new_tokens=1_000)
    plain, flex = client.estimate_sync(["x"]), client.estimate_sync(["x"], service_tier="flex")

    assert plain.low_usd is not None
    assert flex.low_usd == pytest.approx(plain.low_usd / 2)
    assert flex.high_usd == plain.high_usd  # flex may be served at the standard price


def test_tools_and_schema_count_with_every_prompt() -> None:
    def weather(city: str) -> str:
        """Tell the weather of a city."""
        return city

    client = LLMClient("gpt-4.1-mini")
    plain = client.estimate_sync(["x"] * 10).models[0].input_tokens
    with_tools = client.estimate_sync(["x"] * 10, tools=[Tool.from_function(weather)]).models[0].input_tokens
    with_schema = client.estimate_sync(["x"] * 10, output_schema={"type": "object", "properties": {"a": {}}})

    assert with_tools >= plain + 10 * 10
    assert with_schema.models[0].input_tokens > plain


def test_prompts_are_read_once_and_bad_ones_counted() -> None:
    def prompts() -> Iterator[Any]:
        yield "x"
        yield 7
        yield [{"role": "user", "content": "x"}]
        yield Conversation.user("What is this?", image=Image("https://x.invalid/a.png"))

    found = LLMClient("gpt-4.1-mini").estimate_sync(prompts())

    assert (found.prompts, found.unreadable) == (3, 1)


def test_nothing_to_send_costs_nothing() -> None:
    assert LLMClient("gpt-4.1-mini").estimate_sync([]) == Estimate(
        0, 0, (ModelEstimate("gpt-4.1-mini", 0, 0, 0.0, 0.0),)
    )


def test_wrong_arguments_are_refused() -> None:
    client = LLMClient("gpt-4.1-mini")
    for wrong in ({"service_tier": "x"}, {"cache": "x"}, {"tools": "x"}):
        with pytest.raises(ConfigError):
            client.estimate_sync(["x"], **wrong)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ConfigError):
        client.estimate_sync(7)  # type: ignore[arg-type]  # as above


def test_it_can_be_awaited_and_cancelled() -> None:
    client = LLMClient("gpt-4.1-mini")
    read: list[int] = []

    def endless() -> Iterator[str]:
        while True:
            read.append(1)
            yield "x"

    async def main() -> None:
        assert await client.estimate(["x"] * 3) == client.estimate_sync(["x"] * 3)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.estimate(endless()), 0.05)

    asyncio.run(main())
    assert read
