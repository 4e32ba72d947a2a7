from __future__ import annotations

import pytest

from deluge_sync.models.catalogue import load
from deluge_sync.models.model import Model

MODELS = load()


@pytest.mark.parametrize("name", ["gpt-4.1-mini", "gpt-4o", "gpt-5-nano", "o4-mini", "gpt-3.5-turbo"])
def test_openai_facts_are_shared_by_its_models(name: str) -> None:
    model = MODELS[name]
    assert (model.id, model.name, model.provider) == (name, name, "openai")
    assert (model.api_base, model.api_key_env_var) == ("https://api.openai.com/v1", "OPENAI_API_KEY")
    assert (model.base_url_env_var, model.max_tokens_field) == ("OPENAI_BASE_URL", "max_completion_tokens")


def test_the_numbers_of_one_model() -> None:
    assert MODELS["gpt-5-nano"] == Model(
        id="gpt-5-nano",
        name="gpt-5-nano",
        provider="openai",
        api_base="https://api.openai.com/v1",
        api_key_env_var="OPENAI_API_KEY",
        base_url_env_var="OPENAI_BASE_URL",
        input_cost=0.05,
        cached_input_cost=0.005,
        output_cost=0.4,
        tier_costs={"batch": (0.025, 0.2), "flex": (0.025, 0.2), "priority": (2.5, None)},
        supports_json=True,
        supports_schema=True,
        supports_images=True,
        supports_files=True,
        supports_responses=True,
        reasoning_model=True,
        accepts_sampling=False,
        context_tokens=272_000,
        max_output_tokens=128_000,
        refunds_unused=False,
        max_tokens_field="max_completion_tokens",
    )


@pytest.mark.parametrize("name", ["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5.4-nano", "gpt-6-sol", "gpt-6.1-sol"])
def test_reasoning_models_take_no_sampling_and_no_logprobs(name: str) -> None:
    model = MODELS[name]
    assert (model.reasoning_model, model.accepts_sampling, model.supports_logprobs) == (True, False, False)


@pytest.mark.parametrize("name", ["gpt-3.5-turbo", "gpt-4", "gpt-4o-mini", "gpt-4.1", "gpt-5-chat-latest"])
def test_the_others_take_both(name: str) -> None:
    model = MODELS[name]
    assert (model.reasoning_model, model.accepts_sampling, model.supports_logprobs) == (False, True, True)


@pytest.mark.parametrize("name", ["gpt-5-pro", "o1-pro", "o3-deep-research", "gpt-5-codex"])
def test_a_model_of_the_responses_api_alone_says_so(name: str) -> None:
    assert (MODELS[name].api_spec, MODELS[name].supports_responses) == ("openai-responses", True)


def test_only_models_that_chat_are_in_it() -> None:
    assert len(MODELS) == 100
    assert not [name for name in MODELS if "audio" in name or "embedding" in name or "/" in name]


def test_every_model_has_prices() -> None:
    assert [name for name, model in MODELS.items() if not model.input_cost or not model.output_cost] == []
