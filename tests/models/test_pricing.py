"""Prices worked out by hand: dollars per million tokens times tokens, divided by a million."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deluge_sync.models import Model, cost_usd, get_model
from deluge_sync.models.pricing import highest_cost_usd
from deluge_sync.response import Usage

MODEL = Model(
    id="m",
    name="m",
    provider="acme",
    api_base="https://api.acme.example/v1",
    input_cost=2.0,
    cached_input_cost=0.5,
    cache_write_cost=2.5,
    cache_write_1h_cost=4.0,
    output_cost=8.0,
    reasoning_cost=3.0,
    tier_costs={"flex": (1.0, 4.0), "priority": (3.5, 14.0), "batch": (1.0, None)},
)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(1_000_000, 0), 2.0),
        (Usage(0, 1_000_000), 8.0),
        (Usage(0, 0, cache_read_tokens=1_000_000), 0.5),
        (Usage(0, 0, cache_write_tokens=1_000_000), 2.5),
        (Usage(1000, 500, 2000, 400), 0.008),  # (2,000 + 4,000 + 1,000 + 1,000) / 1e6
        (Usage(0, 0, cache_write_tokens=1_000_000, cache_write_1h_tokens=1_000_000), 4.0),
        (Usage(0, 0, cache_write_tokens=1_000_000, cache_write_1h_tokens=400_000), 3.1),  # 0.6 * 2.5 + 0.4 * 4
        (Usage(0, 1_000_000, reasoning_tokens=1_000_000), 3.0),
        (Usage(0, 1_000_000, reasoning_tokens=250_000), 6.75),  # 0.75 * 8 + 0.25 * 3
        (Usage(0, 100, reasoning_tokens=1_000), 0.0003),  # a part is no more than its whole
        (Usage(0, 0, cache_write_tokens=100, cache_write_1h_tokens=1_000), 0.0004),
        (Usage(0, 0), 0.0),
    ],
)
def test_every_token_is_counted_once_at_its_price(usage: Usage, cost: float) -> None:
    assert cost_usd(MODEL, usage) == pytest.approx(cost)


def test_an_unknown_cached_price_is_the_full_one() -> None:
    model = replace(MODEL, cached_input_cost=None, cache_write_cost=None, cache_write_1h_cost=None)
    assert cost_usd(model, Usage(0, 0, 1_000_000, 1_000_000)) == pytest.approx(4.0)
    assert cost_usd(model, Usage(0, 0, 0, 1_000_000, cache_write_1h_tokens=1_000_000)) == pytest.approx(2.0)


def test_keeping_for_an_hour_is_not_guessed_from_keeping_for_five_minutes() -> None:
    model = replace(MODEL, cache_write_1h_cost=None)
    assert cost_usd(model, Usage(10, 10, 0, 1_000, cache_write_1h_tokens=1)) is None
    assert cost_usd(model, Usage(0, 0, 0, 1_000_000)) == pytest.approx(2.5)


def test_reasoning_without_a_price_of_its_own_is_output() -> None:
    usage = Usage(0, 1_000_000, reasoning_tokens=400_000)
    assert cost_usd(replace(MODEL, reasoning_cost=None), usage) == pytest.approx(8.0)
    assert cost_usd(replace(MODEL, output_cost=None), usage) is None


@pytest.mark.parametrize("missing", ["input_cost", "output_cost"])
def test_an_unknown_price_makes_the_cost_unknown(missing: str) -> None:
    assert cost_usd(replace(MODEL, **{missing: None}), Usage(10, 10)) is None  # type: ignore[arg-type]


def test_a_price_that_is_not_needed_may_be_unknown() -> None:
    assert cost_usd(replace(MODEL, output_cost=None), Usage(1_000_000, 0)) == pytest.approx(2.0)


def test_a_model_without_prices_costs_nothing_known_even_for_no_tokens() -> None:
    assert cost_usd(replace(MODEL, input_cost=None, output_cost=None), Usage(0, 0)) is None


def test_a_free_model_costs_zero() -> None:
    free = Model(id="m", name="m", provider="acme", api_base=MODEL.api_base, input_cost=0, output_cost=0)
    assert cost_usd(free, Usage(5, 5, 5, 5)) == 0


@pytest.mark.parametrize(
    ("tier", "cost"),
    [
        (None, 10.0),
        ("default", 10.0),
        ("auto", 10.0),
        ("flex", 5.0),
        ("priority", 17.5),
        ("batch", None),  # its output price is unknown
        ("scale", None),  # a tier without prices
    ],
)
def test_a_service_tier_has_its_own_price(tier: str | None, cost: float | None) -> None:
    # Whole dollars and halves of a million tokens each, so the floats are exact.
    assert cost_usd(MODEL, Usage(1_000_000, 1_000_000), service_tier=tier) == cost


def test_cached_tokens_follow_the_tier() -> None:
    # OpenAI's priority price of gpt-4.1 is 3.50 in and 0.875 cached, against 2.00 and 0.50.
    usage = Usage(0, 0, cache_read_tokens=1_000_000)
    assert cost_usd(get_model("gpt-4.1"), usage, service_tier="priority") == pytest.approx(0.875)


def test_the_hour_and_reasoning_follow_the_tier_too() -> None:
    # Flex is half of both: 4.00 for the hour becomes 2.00, 3.00 for reasoning 1.50.
    assert cost_usd(MODEL, Usage(0, 0, 0, 1_000_000, 1_000_000), service_tier="flex") == pytest.approx(2.0)
    assert cost_usd(MODEL, Usage(0, 1_000_000, reasoning_tokens=1_000_000), service_tier="flex") == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("name", "tier", "usage", "cost"),
    [
        # 3 in, 0.30 read, 3.75 kept five minutes, 6 kept an hour, 15 out: 3,000 + 600 + 3,750 + 6,000 + 7,500
        ("claude-sonnet-4-5", None, Usage(1000, 500, 2000, 2000, 1000), 0.02085),
        # half of it all in a batch, as Anthropic's price list has it for cached tokens too
        ("claude-sonnet-4-5", "batch", Usage(1000, 500, 2000, 2000, 1000), 0.010425),
        # 0.30 in, 0.03 read, 2.50 out, thoughts among the output: 300 + 30 + 2,500
        ("gemini-2.5-flash", None, Usage(1000, 1000, 1000, reasoning_tokens=900), 0.00283),
        # 0.54 and 4.50 by priority: 540 + 54 + 4,500
        ("gemini-2.5-flash", "priority", Usage(1000, 1000, 1000, reasoning_tokens=900), 0.005094),
        # 2 in, 8 out, 3 for reasoning: 200 + 800 + 30,000
        ("sonar-deep-research", None, Usage(100, 10_100, reasoning_tokens=10_000), 0.031),
        ("rerank-v3.5", None, Usage(1000, 0), None),
        ("text-embedding-3-small", None, Usage(1_000_000, 0), 0.02),
        ("text-embedding-3-small", "batch", Usage(1_000_000, 0), 0.01),
        ("openrouter:some/model", None, Usage(10, 10), None),
    ],
)
def test_models_of_the_catalogue(name: str, tier: str | None, usage: Usage, cost: float | None) -> None:
    assert cost_usd(get_model(name), usage, service_tier=tier) == (None if cost is None else pytest.approx(cost))


def test_a_real_model() -> None:
    # gpt-4.1-mini: 0.40 in, 0.10 cached, 1.60 out: 1,000 * 0.4 + 1,000 * 0.1 + 500 * 1.6 = 1,300
    assert cost_usd(get_model("gpt-4.1-mini"), Usage(1000, 500, 1000)) == pytest.approx(0.0013)


# --- the most that a request can cost


@pytest.mark.parametrize(
    ("how", "most"),
    [
        ({}, 10.0),  # 2 and 8
        ({"is_cached": True}, 12.0),  # written to the cache for an hour, at 4
        ({"service_tier": "flex"}, 10.0),  # which may be served at the standard price
        ({"service_tier": "priority"}, 17.5),  # 3.5 and 14
        ({"service_tier": "priority", "is_cached": True}, 21.0),  # 4 * 3.5 / 2, and 14
        ({"service_tier": "batch"}, None),  # its answers have no price
        ({"service_tier": "unheard of"}, None),
    ],
)
def test_the_most_is_told_for_a_million_tokens_of_either_sort(how: dict[str, Any], most: float | None) -> None:
    assert highest_cost_usd(MODEL, 1_000_000, 1_000_000, **how) == most


def test_reasoning_may_be_the_dearest_part_of_an_answer() -> None:
    assert highest_cost_usd(replace(MODEL, reasoning_cost=20.0), 0, 1_000_000) == 20.0


def test_where_nothing_is_answered_no_price_of_answers_is_needed() -> None:
    model = replace(MODEL, output_cost=None, reasoning_cost=None)

    assert highest_cost_usd(model, 1_000_000, 0) == 2.0
    assert highest_cost_usd(model, 1_000_000, 1) is None
    assert highest_cost_usd(replace(MODEL, input_cost=None), 1, 1) is None
