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


def test_importing_reads_no_catalogue() -> None:
    code = "import sys, deluge_sync.models; sys.exit('deluge_sync.models.catalogue' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
