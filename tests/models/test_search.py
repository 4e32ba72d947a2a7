from __future__ import annotations

from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.models import Model, Registry, find_models, lookup, register_model

BASE = "https://api.acme.example/v1"


@pytest.fixture(autouse=True)
def a_small_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry()
    registry._models = {}
    monkeypatch.setattr(lookup, "registry", registry)
    add("cheap", input_cost=0.1, output_cost=0.4, context_tokens=8_000, provider="acme")
    add("dear", input_cost=2.0, output_cost=8.0, supports_images=True, context_tokens=200_000, provider="acme")
    add(
        "middle",
        input_cost=2.0,
        output_cost=4.0,
        cached_input_cost=0.2,
        provider="other",
        deprecation_date="2026-12-01",
    )
    add("unpriced", supports_images=True, provider="other", max_output_tokens=64_000)
    add("half", input_cost=0.01, provider="other", reasoning_model=True, api_spec="anthropic")
    add("vectors", input_cost=0.02, mode="embedding", provider="acme")


def add(name: str, **fields: Any) -> None:
    register_model(name, name, BASE, None, **fields)


def names(**filters: Any) -> list[str]:
    return [model.id for model in find_models(**filters)]


def test_all_that_chat_come_the_cheapest_first_and_those_of_unknown_price_last() -> None:
    assert names() == ["cheap", "middle", "dear", "half", "unpriced"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"provider": "acme"}, ["cheap", "dear"]),
        ({"provider": ["acme", "other"], "supports_images": True}, ["dear", "unpriced"]),
        ({"supports_images": False}, ["cheap", "middle", "half"]),
        ({"reasoning_model": True}, ["half"]),
        ({"accepts_sampling": False}, ["half"]),
        ({"api_spec": "anthropic"}, ["half"]),
        ({"reasoning_control": "effort"}, ["half"]),
        ({"mode": "embedding"}, ["vectors"]),
        ({"mode": None, "max_input_price": 0.1}, ["vectors", "cheap", "half"]),
        ({"max_input_price": 2}, ["cheap", "middle", "dear", "half"]),
        ({"max_input_price": 1.99}, ["cheap", "half"]),
        ({"max_output_price": 4}, ["cheap", "middle"]),
        ({"max_cached_input_price": 1}, ["middle"]),
        ({"min_context_tokens": 8_000}, ["cheap", "dear"]),
        ({"min_context_tokens": 8_001}, ["dear"]),
        ({"min_output_tokens": 1}, ["unpriced"]),
        ({"served_on": "2026-11-30", "provider": "other"}, ["middle", "half", "unpriced"]),
        ({"served_on": "2026-12-01", "provider": "other"}, ["half", "unpriced"]),
        ({"provider": None, "max_input_price": None, "supports_images": True}, ["dear", "unpriced"]),
        ({"provider": "nobody"}, []),
    ],
)
def test_a_model_must_fit_every_filter(filters: dict[str, Any], found: list[str]) -> None:
    assert names(**filters) == found


@pytest.mark.parametrize("flag", [name for name, field in Model.__dataclass_fields__.items() if field.type == "bool"])
def test_every_flag_of_a_model_is_a_filter(flag: str) -> None:
    assert {*names(**{flag: True}), *names(**{flag: False})} == set(names())


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"supports_telepathy": True}, "knows no filter 'supports_telepathy'; known are accepts_sampling, api_spec, "),
        ({"input_cost": 1}, "knows no filter 'input_cost'"),
        ({"supports_images": "yes"}, "supports_images must be True or False; got 'yes'"),
        ({"max_input_price": "1"}, "max_input_price must be a number of 0 or more; got '1'"),
        ({"max_input_price": -1}, "max_input_price must be a number of 0 or more"),
        ({"max_input_price": float("nan")}, "max_input_price must be a number of 0 or more"),
        ({"min_context_tokens": True}, "min_context_tokens must be a number of 0 or more"),
        ({"provider": 7}, "provider must be a text or a list of texts; got 7"),
        ({"provider": []}, "provider must be a text or a list of texts"),
        ({"served_on": "soon"}, "served_on must be a date like 2026-11-30; got 'soon'"),
    ],
)
def test_a_filter_that_can_fit_nothing_is_refused_by_name(filters: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match="find_models") as caught:
        find_models(**filters)
    assert told in str(caught.value)


def test_the_catalogue_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "registry", Registry())
    found = names(provider="openai", supports_images=True, max_input_price=0.1)
    assert found[:1] == ["gpt-5-nano"]
    assert "gpt-4.1-nano" in found
    assert "gpt-4.1-mini" not in found  # 0.40
