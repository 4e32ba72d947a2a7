from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from deluge_sync.errors import ConfigError, UnknownModelError
from deluge_sync.models import Model, Registry, get_model, lookup, register_model

BASE = "https://api.acme.example/v1"


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """What a test registers is gone after it."""
    fresh = Registry()
    monkeypatch.setattr(lookup, "registry", fresh)
    return fresh


def model(name: str) -> Model:
    return Model(id=name, name=name, provider="acme", api_base=BASE)


def test_the_catalogue_is_there_without_registering() -> None:
    assert get_model("gpt-4.1-mini").name == "gpt-4.1-mini"


def test_an_unknown_model_gives_the_nearest_names() -> None:
    with pytest.raises(UnknownModelError, match="unknown model 'gpt-5-nano-x'; did you mean 'gpt-5-nano'") as caught:
        get_model("gpt-5-nano-x")
    assert caught.value.suggestions[0] == "gpt-5-nano"
    assert len(caught.value.suggestions) == 3


def test_a_name_like_no_other_gives_no_suggestion() -> None:
    with pytest.raises(UnknownModelError) as caught:
        get_model("zzzzzzzzzz")
    assert caught.value.suggestions == ()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("openai/gpt-oss-120b", ("groq:openai/gpt-oss-120b", "together:openai/gpt-oss-120b")),  # two vendors have it
        ("minimax-m2x", ("MiniMax-M2",)),
        ("GPT-4.1-MINI", ("gpt-4.1-mini",)),
        ("claude-4.5-sonet", ("claude-4.5-sonnet",)),  # an alias
    ],
)
def test_the_nearest_names_are_of_any_case_vendor_and_kind(name: str, nearest: tuple[str, ...]) -> None:
    with pytest.raises(UnknownModelError) as caught:
        get_model(name)
    assert caught.value.suggestions[: len(nearest)] == nearest


def test_no_model_is_suggested_twice() -> None:
    with pytest.raises(UnknownModelError) as caught:
        get_model("claude-4.5-sonnnet")
    assert len({get_model(name).id for name in caught.value.suggestions}) == 3


# --- vendor:name


@pytest.mark.parametrize(
    ("name", "sent", "base", "key"),
    [
        (
            "openrouter:moonshotai/kimi-k3:free",
            "moonshotai/kimi-k3:free",
            "https://openrouter.ai/api/v1",
            "OPENROUTER_API_KEY",
        ),
        ("ollama:llama3.2:3b", "llama3.2:3b", "http://localhost:11434/v1", None),
        ("vllm:Qwen/Qwen3-8B", "Qwen/Qwen3-8B", "http://localhost:8000/v1", None),
        ("azure:my-deployment", "my-deployment", "", "AZURE_OPENAI_API_KEY"),
        ("groq:llama-3.3-70b-versatile", "llama-3.3-70b-versatile", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        ("openai:ft:gpt-4.1:acme", "ft:gpt-4.1:acme", "https://api.openai.com/v1", "OPENAI_API_KEY"),
        ("gemini:gemini-9", "gemini-9", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
    ],
)
def test_a_vendor_s_name_needs_no_registration(
    name: str, sent: str, base: str, key: str | None, own_registry: Registry
) -> None:
    model = get_model(name)
    assert (model.id, model.name, model.api_base, model.api_key_env_var) == (name, sent, base, key)
    assert (model.input_cost, model.output_cost) == (None, None)
    assert model.supports_schema
    assert name not in own_registry


def test_azure_has_its_own_header_and_openai_s_way_of_counting() -> None:
    model = get_model("azure:my-deployment")
    assert (model.key_header, model.max_tokens_field, model.refunds_unused) == (
        "api-key",
        "max_completion_tokens",
        False,
    )


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("openai:gpt-4.1-mini", "gpt-4.1-mini"),
        ("anthropic:claude-4.5-sonnet", "claude-sonnet-4-5"),
        ("groq:openai/gpt-oss-120b", "groq:openai/gpt-oss-120b"),
        ("groq:qwen/qwen3.8-27b", "qwen/qwen3.8-27b"),
        ("cerebras:gpt-oss-120b", "gpt-oss-120b"),
        ("bedrock:us.anthropic.claude-opus-5", "us.anthropic.claude-opus-5"),
    ],
)
def test_what_the_catalogue_has_of_a_vendor_is_found_with_its_prefix_too(name: str, model_id: str) -> None:
    assert get_model(name) is get_model(model_id)
    assert get_model(name).input_cost is not None


def test_another_vendor_s_model_of_that_name_is_not_taken() -> None:
    model = get_model("openrouter:gpt-4.1-mini")
    assert (model.provider, model.input_cost) == ("openrouter", None)


@pytest.mark.parametrize("name", ["groq:", "groq: ", "nobody:model", ":model", "groq"])
def test_half_a_prefix_is_no_model(name: str) -> None:
    with pytest.raises(UnknownModelError):
        get_model(name)


def test_a_registered_name_goes_before_a_prefix() -> None:
    register_model("ollama:mine", "mine", BASE, None)
    assert get_model("ollama:mine").api_base == BASE


def test_a_new_claude_is_asked_as_the_newest_are() -> None:
    model = get_model("anthropic:claude-opus-9")
    assert (model.api_spec, model.accepts_sampling, model.reasoning_control) == ("anthropic", False, "effort")


# --- registering


def test_a_registered_model_is_found_by_id_and_alias(own_registry: Registry) -> None:
    made = register_model(
        "house",
        "house-7b-instruct",
        "http://localhost:8000/v1",
        "HOUSE_KEY",
        "openai",
        0.5,
        1.5,
        supports_json=True,
        provider="house",
        context_tokens=8192,
        aliases=["house-7b", "h"],
    )
    assert get_model("house") is get_model("h") is get_model("house-7b") is made
    assert (made.name, made.input_cost, made.output_cost) == ("house-7b-instruct", 0.5, 1.5)
    assert (made.provider, made.context_tokens, made.supports_json) == ("house", 8192, True)
    assert list(own_registry).count("house") == 1
    assert "h" not in list(own_registry)
    assert "h" in own_registry


def test_a_reasoning_model_takes_no_sampling_unless_told() -> None:
    assert not register_model("r1", "r1", BASE, None, reasoning_model=True).accepts_sampling
    assert register_model("r2", "r2", BASE, None, reasoning_model=True, accepts_sampling=True).accepts_sampling
    assert register_model("r3", "r3", BASE, None).accepts_sampling


def test_a_model_of_a_known_vendor_has_the_vendor_s_facts() -> None:
    made = register_model("gpt-9", "gpt-9", "https://api.openai.com/v1/", "OPENAI_API_KEY")
    assert (made.provider, made.max_tokens_field, made.base_url_env_var) == (
        "openai",
        "max_completion_tokens",
        "OPENAI_BASE_URL",
    )


def test_a_model_of_a_known_vendor_finds_its_key_as_the_others_do_unless_it_has_its_own() -> None:
    base = "https://generativelanguage.googleapis.com/v1beta"
    usual = register_model("g1", "g1", base, "GEMINI_API_KEY", "gemini")
    own = register_model("g2", "g2", base, "MY_KEY", "gemini")
    assert (usual.provider, usual.base_url_env_path) == ("gemini", "/v1beta")
    assert usual.key_env_vars == ("GOOGLE_API_KEY", "GEMINI_API_KEY")
    assert own.key_env_vars == ()


def test_a_model_of_a_vendor_without_a_catalogue_has_its_facts_too() -> None:
    assert register_model("x", "x", "https://openrouter.ai/api/v1", "MY_KEY").provider == "openrouter"


def test_a_registered_reasoning_model_is_told_by_a_word_how_much() -> None:
    assert register_model("r1", "r1", BASE, None, reasoning_model=True).reasoning_control == "effort"
    budget = register_model("r2", "r2", BASE, None, reasoning_model=True, reasoning_control="budget")
    assert budget.reasoning_control == "budget"
    assert register_model("r3", "r3", BASE, None).reasoning_control is None


@pytest.mark.parametrize("spec", ["openai", "openai-responses", "anthropic", "gemini", "mistral", "bedrock"])
def test_every_wire_format_can_be_registered(spec: str) -> None:
    assert register_model("x", "x", BASE, None, spec).api_spec == spec


def test_a_model_of_an_unknown_vendor_is_named_by_its_host() -> None:
    made = register_model("x", "x", "http://localhost:8000/v1", None)
    assert (made.provider, made.max_tokens_field, made.base_url_env_var) == ("localhost:8000", "max_tokens", None)


def test_the_last_registration_of_an_id_counts() -> None:
    register_model("gpt-4.1-mini", "gpt-4.1-mini", BASE, None, input_cost=9.0)
    assert get_model("gpt-4.1-mini").input_cost == 9.0


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"api_base": ""}, "api_base=''"),
        ({"input_cost": -0.5}, "input_cost=-0.5"),
        ({"api_spec": "soap"}, "api_spec='soap'"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"aliases": ["gpt-4o"]}, "alias 'gpt-4o' of model 'x' is the id of a model"),
        ({"aliases": ["x"]}, "alias 'x' of model 'x'"),
    ],
)
def test_a_wrong_value_registers_nothing(values: dict[str, object], told: str, own_registry: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        register_model(**{"id": "x", "name": "x", "api_base": BASE, "api_key_env_var": None} | values)  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert "x" not in own_registry


def test_many_threads_load_and_register_at_once(own_registry: Registry) -> None:
    start = threading.Barrier(16)
    seen: list[Model] = []

    def use(number: int) -> None:
        start.wait()
        own_registry.register(model(f"m{number}"), [f"a{number}"])
        seen.append(own_registry["gpt-4o"])

    threads = [threading.Thread(target=use, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own_registry[f"a{number}"].id == f"m{number}" for number in range(16))
    assert len(seen) == 16
    assert len({id(found) for found in seen}) == 1  # the catalogue was read once


def test_a_child_process_begins_with_a_free_lock(own_registry: Registry) -> None:
    own_registry._lock.acquire()
    own_registry._start_afresh()
    own_registry.register(model("m"))
    assert "m" in own_registry


def test_a_model_of_the_catalogue_is_made_once(own_registry: Registry) -> None:
    assert own_registry["claude-4.5-sonnet"] is own_registry["claude-sonnet-4-5"]
    assert "claude-4.5-sonnet" in own_registry
    assert "claude-4.5-sonnet" not in list(own_registry)
    assert len(own_registry) == len(list(own_registry)) == len({model.id for model in own_registry.values()})


def test_importing_reads_no_catalogue() -> None:
    code = "import sys, deluge_sync.models; sys.exit('deluge_sync.models.catalogue' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
