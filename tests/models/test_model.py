from __future__ import annotations

from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.models import Model

GOOD: dict[str, Any] = {"id": "m", "name": "vendor-m", "provider": "acme", "api_base": "https://api.acme.example/v1"}


def test_what_is_not_said_is_unknown_or_off() -> None:
    model = Model(**GOOD)
    assert (model.input_cost, model.output_cost, model.context_tokens) == (None, None, None)
    assert (model.api_spec, model.max_tokens_field, model.api_key_env_var) == ("openai", "max_tokens", None)
    assert model.accepts_sampling
    assert not model.reasoning_model


def test_a_slash_at_the_end_of_the_base_is_taken_off() -> None:
    assert Model(**GOOD | {"api_base": "http://localhost:8089/v1/"}).api_base == "http://localhost:8089/v1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("name", "  "),
        ("provider", None),
        ("api_base", ""),
        ("api_base", None),
        ("api_base", "api.acme.example/v1"),
        ("api_base", "ftp://acme.example"),
        ("api_base", "https://"),
        ("api_base", "https://[broken"),
        ("api_base", "https://host:port/v1"),
        ("api_base", "https://acme.example/v1/chat/completions"),
        ("api_key_env_var", ""),
        ("api_spec", "soap"),
        ("mode", "music"),
        ("reasoning_control", "mood"),
        ("key_env_vars", ["KEY"]),
        ("key_env_vars", ("",)),
        ("key_header", ""),
        ("base_url_env_path", "v1"),
        ("base_url_env_path", "/v1/"),
        ("base_url_env_path", "/v1?x=1"),
        ("base_url_env_port", 0),
        ("base_url_env_port", "11434"),
        ("region_env_vars", "AWS_REGION"),
        ("maker", " "),
        ("key_is_optional", 1),
        ("reasoning_cost", -1),
        ("cache_write_1h_cost", float("nan")),
        ("input_cost", -1),
        ("output_cost", float("nan")),
        ("cached_input_cost", float("inf")),
        ("cache_write_cost", "1"),
        ("input_cost", True),
        ("tier_costs", {"flex": (1, -1)}),
        ("tier_costs", {"flex": 1}),
        ("tier_costs", [1]),
        ("context_tokens", 0),
        ("max_output_tokens", 1.5),
        ("max_tokens_field", "limit"),
        ("supports_json", "yes"),
        ("accepts_sampling", None),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Model(**GOOD | {field: value})
    assert f"{field}={value!r}: " in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@acme.example/v1", "https://***acme.example/v1"),
        ("https://acme.example/v1?key=secret", "https://acme.example/v1***"),
        ("https://secret@acme.example/v1#secret", "https://***acme.example/v1***"),
    ],
)
def test_a_key_in_a_url_is_refused_and_not_shown(url: str, shown: str) -> None:
    with pytest.raises(ConfigError, match="no user, query or fragment") as registered:
        Model(**GOOD | {"api_base": url})
    with pytest.raises(ConfigError, match="no user, query or fragment") as plain:
        Model.for_base_url("m", url)
    for message in (str(registered.value), str(plain.value)):
        assert "secret" not in message
        assert shown in message


def test_a_plain_endpoint_needs_no_registration() -> None:
    model = Model.for_base_url("llama-3", "http://localhost:8000/v1/", api_key_env_var="LOCAL_KEY")
    assert (model.id, model.name, model.provider) == ("llama-3", "llama-3", "localhost:8000")
    assert (model.api_base, model.api_key_env_var) == ("http://localhost:8000/v1", "LOCAL_KEY")
    assert (model.input_cost, model.output_cost) == (None, None)
    assert (model.api_spec, model.max_tokens_field) == ("openai", "max_tokens")


@pytest.mark.parametrize("base_url", ["", "localhost:8000", None, "https://x/v1/chat/completions", "http://[x"])
def test_a_wrong_base_url_is_refused(base_url: Any) -> None:
    with pytest.raises(ConfigError, match="model 'm': base_url="):
        Model.for_base_url("m", base_url)


def test_a_place_that_only_the_environment_knows_may_be_left_empty() -> None:
    assert Model(**GOOD | {"api_base": "", "base_url_env_var": "ACME_URL"}).api_base == ""
    with pytest.raises(ConfigError, match=r"api_base='ftp://acme\.example'"):
        Model(**GOOD | {"api_base": "ftp://acme.example", "base_url_env_var": "ACME_URL"})


def test_models_can_stand_in_sets() -> None:
    model = Model(**GOOD, tier_costs={"flex": (1.0, 2.0)})
    assert len({model, Model(**GOOD, tier_costs={"flex": (1.0, 2.0)})}) == 1
