"""What a request may need at most. The estimate of texts itself is tested with `prompt.tokens`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deluge_sync import Image, SamplingParams
from deluge_sync._adapters.call import Call, Extras
from deluge_sync._engine.forecast import input_tokens, longest_answer, most_usd, tokens_beside
from deluge_sync.models import Model, get_model
from deluge_sync.prompt import Conversation

# A dollar for a million tokens of the prompt, ten for those of the answer.
MODEL = Model("m", "m", "acme", "https://x.invalid", input_cost=1.0, output_cost=10.0, cache_write_cost=1.25)


def call(
    prompt: Conversation | None = None, *, model: Model = MODEL, params: dict[str, Any] | None = None, **extras: Any
) -> Call:
    chosen = SamplingParams(**{"max_new_tokens": 100, **(params or {})})
    return Call(prompt or Conversation.user("x"), model, chosen, "", None, Extras(**extras))


@pytest.mark.parametrize(
    ("body", "longest"),
    [
        ({}, 100),
        ({"max_tokens": 50}, 100),  # never less than what is promised by the settings
        ({"max_tokens": 300}, 300),
        ({"max_completion_tokens": 200, "max_tokens": 300}, 300),
        ({"generationConfig": {"maxOutputTokens": 400, "candidateCount": 2}}, 800),
        ({"n": 3}, 300),
        ({"max_tokens": True, "n": "3", "top_k": 10**6}, 100),
    ],
)
def test_the_longest_answer_is_what_the_request_allows(body: dict[str, Any], longest: int) -> None:
    assert longest_answer(call(body=body)) == longest


def test_a_model_that_takes_no_bound_may_answer_as_much_as_it_can() -> None:
    """Nova takes none at its highest effort. Source: see `_adapters.bedrock_reasoning`."""
    nova = replace(
        get_model("amazon.nova-lite-v1:0"), reasoning_model=True, reasoning_control="effort", max_output_tokens=5_000
    )

    assert longest_answer(call(model=nova, params={"reasoning_effort": "high"})) == 5_000
    assert longest_answer(call(model=nova, params={"reasoning_effort": "low"})) == 100


def test_what_answers_no_prompt_has_no_answer_to_pay_for() -> None:
    assert longest_answer(call(model=replace(MODEL, mode="embedding"))) == 0


def test_the_most_is_twice_the_estimate_and_the_longest_answer() -> None:
    asked = call()

    assert input_tokens(asked) == 3 + 4 + 1
    assert most_usd(asked) == pytest.approx((2 * 8 * 1.0 + 100 * 10.0) / 1e6)
    assert most_usd(call(cache_pattern="automatic")) == pytest.approx((2 * 8 * 1.25 + 100 * 10.0) / 1e6)


def test_tools_count_and_so_does_what_a_provider_says_about_them() -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    beside = tokens_beside(Extras(tools=[tool]))

    assert 10 < beside < 60
    assert input_tokens(call(tools=[tool])) == 8 + beside
    assert most_usd(call(tools=[tool])) == pytest.approx(((2 * (8 + beside) + 600) * 1.0 + 100 * 10.0) / 1e6)


def test_an_image_that_nobody_has_seen_may_be_a_large_one() -> None:
    prompt = Conversation.user("x", image=Image("https://x.invalid/a.png"))
    most = most_usd(call(prompt))

    assert most is not None
    assert most >= (2 * 1_600 * 1.0 + 100 * 10.0) / 1e6


def test_without_a_price_nobody_knows() -> None:
    assert most_usd(call(model=replace(MODEL, output_cost=None))) is None
