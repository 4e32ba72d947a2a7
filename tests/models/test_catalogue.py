"""The catalogue that comes with the package. Its numbers are the providers' price lists' of November 2026."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deluge_sync.models import Model, catalogue

CATALOGUE = catalogue.load()
MODELS = {model_id: row.model() for model_id, row in CATALOGUE.rows.items()}
CHAT = {name: model for name, model in MODELS.items() if model.mode == "chat"}


def of(provider: str) -> dict[str, Model]:
    return {name: model for name, model in MODELS.items() if model.provider == provider}


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
        reasoning_control="effort",
        accepts_sampling=False,
        context_tokens=272_000,
        max_output_tokens=128_000,
        refunds_unused=False,
        max_tokens_field="max_completion_tokens",
    )


def test_the_numbers_of_a_model_with_cache_writes() -> None:
    assert MODELS["claude-sonnet-4-5"] == Model(
        id="claude-sonnet-4-5",
        name="claude-sonnet-4-5",
        provider="anthropic",
        api_base="https://api.anthropic.com/v1",
        api_key_env_var="ANTHROPIC_API_KEY",
        key_env_vars=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        base_url_env_var="ANTHROPIC_BASE_URL",
        base_url_env_path="/v1",
        api_spec="anthropic",
        input_cost=3,
        cached_input_cost=0.3,
        cache_write_cost=3.75,
        cache_write_1h_cost=6,
        output_cost=15,
        tier_costs={"batch": (1.5, 7.5)},
        supports_schema=True,
        supports_images=True,
        supports_files=True,
        reasoning_model=True,
        reasoning_control="budget",
        context_tokens=200_000,
        max_output_tokens=64_000,
        deprecation_date="2026-11-30",
    )


@pytest.mark.parametrize("name", ["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5.4-nano", "gpt-6-sol", "gpt-6.1-sol"])
def test_reasoning_models_take_no_sampling_and_no_logprobs(name: str) -> None:
    model = MODELS[name]
    assert (model.reasoning_model, model.accepts_sampling, model.supports_logprobs) == (True, False, False)


@pytest.mark.parametrize("name", ["gpt-3.5-turbo", "gpt-4", "gpt-4o-mini", "gpt-4.1", "gpt-5-chat-latest"])
def test_the_others_take_both(name: str) -> None:
    model = MODELS[name]
    assert (model.reasoning_model, model.accepts_sampling, model.supports_logprobs) == (False, True, True)


@pytest.mark.parametrize("name", ["gpt-5-pro", "o1-pro", "o3-deep-research", "gpt-5-codex", "grok-4.20-multi-agent"])
def test_a_model_of_the_responses_api_alone_says_so(name: str) -> None:
    assert (MODELS[name].api_spec, MODELS[name].supports_responses) == ("openai-responses", True)


@pytest.mark.parametrize(
    ("name", "accepts_sampling", "reasoning_control"),
    [
        # Refused by what was released after Claude Opus 4.6; adaptive thinking came with it.
        ("claude-haiku-4-5", True, "budget"),
        ("claude-sonnet-4-5-20250929", True, "budget"),
        ("claude-opus-4-5", True, "budget"),
        ("claude-opus-4-6", True, "effort"),
        ("claude-opus-4-6-20260205", True, "effort"),
        ("claude-sonnet-4-6", False, "effort"),
        ("claude-opus-4-7", False, "effort"),
        ("claude-opus-4-8", False, "effort"),
        ("claude-sonnet-5", False, "effort"),
        ("claude-haiku-5-5", False, "effort"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", True, "budget"),
        ("anthropic.claude-opus-4-20250514-v1:0", True, "budget"),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", True, "budget"),
        ("global.anthropic.claude-opus-4-6-v1", True, "effort"),
        ("us-gov.anthropic.claude-opus-4-8", False, "effort"),
        ("anthropic/claude-opus-4-6", True, "effort"),
        ("anthropic/claude-opus-4-7", False, "effort"),
        ("gemini-2.5-flash", True, "budget"),
        ("gemini-2.5-flash-lite", True, "budget"),
        ("gemini-3-flash-preview", True, "effort"),
        ("gemini-flash-latest", True, "effort"),
        ("gemini-4-argon", True, "effort"),
        ("gemini-2.5-computer-use-preview-10-2025", True, None),
        ("grok-4.7", True, "effort"),
        ("grok-code-fast-1", True, None),
        ("kimi-k2.5", False, None),
        ("kimi-k3", False, "effort"),
        ("moonshot-v1-8k", True, None),
        ("deepseek-v4-pro", True, "effort"),
        ("magistral-medium-latest", True, "effort"),
        ("openai.gpt-oss-120b-1:0", True, "effort"),
        ("us.openai.gpt-6-sol", False, "effort"),
    ],
)
def test_how_a_model_is_told_about_sampling_and_reasoning(
    name: str, accepts_sampling: bool, reasoning_control: str | None
) -> None:
    assert (MODELS[name].accepts_sampling, MODELS[name].reasoning_control) == (accepts_sampling, reasoning_control)


def test_only_models_that_reason_are_told_how_much() -> None:
    assert [name for name, model in MODELS.items() if model.reasoning_control and not model.reasoning_model] == []


@pytest.mark.parametrize(
    ("name", "spec", "base"),
    [
        ("gemini-2.5-pro", "gemini", "https://generativelanguage.googleapis.com/v1beta"),
        ("mistral-large-latest", "mistral", "https://api.mistral.ai/v1"),
        ("us.anthropic.claude-opus-5", "bedrock", "https://bedrock-runtime.{region}.amazonaws.com"),
        ("us.openai.gpt-6-sol", "openai", "https://bedrock-runtime.{region}.amazonaws.com/openai/v1"),
        ("us.openai.gpt-5.5", "openai-responses", "https://bedrock-runtime.{region}.amazonaws.com/openai/v1"),
        ("command-a-03-2025", "openai", "https://api.cohere.ai/compatibility/v1"),
        ("MiniMax-M2", "anthropic", "https://api.minimax.io/anthropic/v1"),
        ("anthropic/claude-opus-5", "openai-responses", "https://api.perplexity.ai/v1"),
    ],
)
def test_where_and_how_a_model_is_asked(name: str, spec: str, base: str) -> None:
    assert (MODELS[name].api_spec, MODELS[name].api_base) == (spec, base)


def test_openai_s_models_that_chat_are_in_it_and_those_that_embed() -> None:
    models = of("openai")
    assert sum(model.mode == "chat" for model in models.values()) == 100
    assert [name for name, model in models.items() if model.mode == "embedding"] == [
        "text-embedding-3-large",
        "text-embedding-3-small",
        "text-embedding-ada-002",
        "text-embedding-ada-002-v2",
    ]
    assert not [name for name in models if "audio" in name or "/" in name]


def test_every_vendor_has_its_models() -> None:
    assert {model.provider for model in MODELS.values()} == {
        *("openai", "anthropic", "gemini", "mistral", "xai", "deepseek", "cohere", "moonshot", "zai", "minimax"),
        *("perplexity", "meta", "groq", "cerebras", "together", "fireworks", "bedrock"),
    }
    assert len(MODELS) > 900


def test_what_chats_with_a_price_has_both() -> None:
    assert [name for name, model in CHAT.items() if (model.input_cost is None) != (model.output_cost is None)] == [
        "together/Tev1-4B-experimental"  # its price list has 0 for the answer, which nobody gives away
    ]


def test_only_known_gifts_cost_nothing() -> None:
    free = {name for name, model in MODELS.items() if 0 in (model.input_cost, model.output_cost)}
    assert {name.rpartition("-")[0] for name in free} <= {
        *("gemma-3-27b", "gemma-4-26b-a4b", "gemma-4-31b"),
        *("labs-leanstral-1", "labs-leanstral-1-5", "glm-4.5", "glm-4.7"),
    }


def test_a_search_is_not_priced_by_the_token() -> None:
    assert MODELS["rerank-v3.5"].input_cost is None


def test_no_cached_token_costs_more_than_a_fresh_one_and_no_tier_is_beyond_belief() -> None:
    for model in CHAT.values():
        price = model.input_cost or 0
        assert (model.cached_input_cost or 0) <= price, model.id
        assert (model.cache_write_cost or 0) <= 1.3 * price, model.id
        for tier in ("batch", "flex"):
            assert (model.tier_costs.get(tier, (0, 0))[0] or 0) <= price, model.id


def test_an_embedding_s_price_is_like_its_siblings() -> None:
    assert max(model.input_cost or 0 for model in MODELS.values() if model.mode == "embedding") < 1


def test_aliases_lead_to_models_and_hide_none() -> None:
    assert set(CATALOGUE.aliases.values()) <= MODELS.keys()
    assert not CATALOGUE.aliases.keys() & MODELS.keys()


@pytest.mark.parametrize(
    ("alias", "model_id"),
    [
        ("claude-4.5-sonnet", "claude-sonnet-4-5"),
        ("claude-opus-4.7", "claude-opus-4-7"),
        ("claude-5-opus", "claude-opus-5"),
        ("claude-4.5-sonnet-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-4.5-sonnet-bedrock-global", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("us.anthropic.claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("gpt-6", "gpt-6-sol"),
        ("gemini-3-flash", "gemini-3-flash-preview"),
        ("mistral-large", "mistral-large-latest"),
        ("gpt-oss-120b-groq", "groq:openai/gpt-oss-120b"),
        ("minimax-m2", "MiniMax-M2"),
        ("fireworks:kimi-k3", "accounts/fireworks/models/kimi-k3"),
        ("command-a", "command-a-03-2025"),
    ],
)
def test_a_shorter_name_finds_its_model(alias: str, model_id: str) -> None:
    assert CATALOGUE.aliases[alias] == model_id


def test_no_row_says_what_its_vendor_says_already() -> None:
    for file in Path(catalogue.__file__).parent.glob("[!_]*.json"):
        document = json.loads(file.read_text("utf-8"))
        said = document["vendor"].items()
        assert not [name for name, row in document["models"].items() for item in row.items() if item in list(said)]


def test_loading_makes_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> Model:
        raise AssertionError("a thousand models are made although one was asked for")

    monkeypatch.setattr(catalogue, "Model", refuse)
    assert len(catalogue.load().rows) == len(MODELS)
