from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from typing import Any

import pytest

from deluge_sync.config import SamplingParams
from deluge_sync.errors import ConfigError


def test_defaults_are_those_of_the_seed() -> None:
    assert SamplingParams().model_dump() == {
        "temperature": 0.0,
        "top_p": 1.0,
        "json_mode": False,
        "max_new_tokens": 2048,
        "reasoning_effort": None,
        "logprobs": False,
        "top_logprobs": None,
        "strict_tools": True,
        "thinking_budget": None,
        "seed": None,
        "stop": None,
    }


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"temperature": -0.1}, "temperature=-0.1"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"top_p": 0}, "top_p=0"),
        ({"top_p": 1.01}, "top_p=1.01"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"max_new_tokens": 1.5}, "max_new_tokens=1.5"),
        ({"reasoning_effort": "huge"}, "reasoning_effort='huge'"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs=21"),
        ({"logprobs": True, "top_logprobs": -1}, "top_logprobs=-1"),
        ({"top_logprobs": 3}, "top_logprobs needs logprobs"),
        ({"top_k": 5}, "top_k=5"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SamplingParams(**values)
    assert str(caught.value).startswith(named)


def test_every_wrong_field_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"temperature=-1: .*; max_new_tokens=0: "):
        SamplingParams(temperature=-1, max_new_tokens=0)


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 0},
        {"top_p": 1},
        {"max_new_tokens": 1},
        {"logprobs": True, "top_logprobs": 0},
        {"logprobs": True, "top_logprobs": 20},
        {"reasoning_effort": "none"},
    ],
)
def test_the_borders_are_allowed(values: dict[str, Any]) -> None:
    params = SamplingParams(**values)
    assert {name: getattr(params, name) for name in values} == values


def test_equal_content_is_one_cache_key() -> None:
    assert len({SamplingParams(), SamplingParams(temperature=0), SamplingParams(temperature=0.5)}) == 2


def test_it_cannot_be_changed_in_place() -> None:
    params = SamplingParams()
    with pytest.raises(ValueError, match="frozen"):
        params.temperature = 1.0  # type: ignore[misc]
    assert params.temperature == 0.0


def test_replace_gives_a_checked_copy() -> None:
    params = SamplingParams(temperature=0.3)
    assert params.replace(max_new_tokens=5) == SamplingParams(temperature=0.3, max_new_tokens=5)
    assert params.max_new_tokens == 2048
    with pytest.raises(ConfigError, match="top_p=2"):
        params.replace(top_p=2)


# --- vllm


class StandIn(types.ModuleType):
    """What vllm 0.33 calls its parameters."""

    @dataclass
    class StructuredOutputsParams:
        json_object: bool | None = None

    @dataclass
    class SamplingParams:
        temperature: float = 1.0
        top_p: float = 1.0
        max_tokens: int | None = 16
        logprobs: int | None = None
        seed: int | None = None
        stop: str | list[str] | None = None
        structured_outputs: StandIn.StructuredOutputsParams | None = None


def test_to_vllm_says_the_same_in_the_names_of_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", types.ModuleType("vllm"))
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", StandIn("vllm.sampling_params"))
    params = SamplingParams(
        temperature=0.3, top_p=0.8, max_new_tokens=50, seed=7, stop=("END",), reasoning_effort="low"
    )
    assert params.to_vllm() == StandIn.SamplingParams(0.3, 0.8, 50, None, 7, ["END"])
    assert SamplingParams(logprobs=True, top_logprobs=3).to_vllm().logprobs == 3
    assert SamplingParams(logprobs=True).to_vllm().logprobs == 0
    assert SamplingParams(json_mode=True).to_vllm().structured_outputs == StandIn.StructuredOutputsParams(True)


def test_to_vllm_without_vllm_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match="pip install vllm"):
        SamplingParams().to_vllm()


# --- stop, seed, budget


@pytest.mark.parametrize("stop", ["END", ["END"], ("END",)])
def test_one_stop_text_or_several_are_the_same_value(stop: Any) -> None:
    assert SamplingParams(stop=stop) == SamplingParams(stop=("END",))
    assert hash(SamplingParams(stop=stop)) == hash(SamplingParams(stop=("END",)))


@pytest.mark.parametrize(
    "wrong", [{"stop": []}, {"stop": [""]}, {"stop": ["a"] * 5}, {"thinking_budget": -1}, {"seed": "x"}]
)
def test_a_stop_seed_or_budget_that_cannot_work_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SamplingParams(**wrong)
