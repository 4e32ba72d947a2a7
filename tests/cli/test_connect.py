from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deluge_sync.cli.connect import ClientOptions, client_settings, open_client
from deluge_sync.cli.exits import BadInputError

CONFIG = """\
model_names: [gpt-4.1-mini, gpt-4.1-nano]
model_weights: [1, 3]
temperature: 0.1
max_requests_per_minute: 77
sampling_params:
  - {temperature: 0.2, max_new_tokens: 10}
  - {temperature: 0.3, max_new_tokens: 20}
"""

POOLS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("a",), {"model_names": "a"}),
    (("a", "b"), {"model_names": ["a", "b"]}),
    (("a=2", "b"), {"model_names": ["a", "b"], "model_weights": [2.0, 1.0]}),
    (("vendor/a:x=0.5",), {"model_names": ["vendor/a:x"], "model_weights": [0.5]}),
]


@pytest.mark.parametrize(("models", "settings"), POOLS, ids=[" ".join(models) for models, _ in POOLS])
def test_models_are_names_with_weights(models: tuple[str, ...], settings: dict[str, Any]) -> None:
    assert client_settings(ClientOptions(models=models)) == settings


@pytest.mark.parametrize("model", ["a=", "a=many", "a=-1", "=2", "a=nan", "a=inf"])
def test_a_weight_that_is_none_is_refused_by_its_model(model: str) -> None:
    with pytest.raises(BadInputError, match="a weight is a number of 0 or more") as caught:
        client_settings(ClientOptions(models=(model,)))
    assert f"--model {model!r}" in caught.value.message


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return str(path)


def test_the_settings_file_is_read_and_options_go_before_it(config: str) -> None:
    plain = client_settings(ClientOptions(config=config))
    assert (plain["model_names"], plain["model_weights"]) == (["gpt-4.1-mini", "gpt-4.1-nano"], [1, 3])
    changed = client_settings(ClientOptions(config=config, rpm=5, temperature=0.0))
    assert changed["max_requests_per_minute"] == 5
    assert [params["temperature"] for params in changed["sampling_params"]] == [0.0, 0.0]
    assert [params["max_new_tokens"] for params in changed["sampling_params"]] == [10, 20]


def test_what_the_file_says_of_its_models_says_nothing_of_others(config: str) -> None:
    settings = client_settings(ClientOptions(config=config, models=("gpt-4.1",)))
    assert settings["model_names"] == "gpt-4.1"
    assert not {"model_weights", "sampling_params"} & set(settings)
    assert settings["temperature"] == 0.1


def test_a_client_is_made_of_both(config: str) -> None:
    environment = {"OPENAI_API_KEY": "k"}
    with open_client(ClientOptions(config=config, max_tokens=7), environment) as client:
        assert client.models == ["gpt-4.1-mini", "gpt-4.1-nano"]
        assert [params.max_new_tokens for params in client.sampling_params] == [7, 7]
        assert client.tracker.snapshot().limits.requests_per_minute == 77


WRONG = [
    ("a: [", "is no YAML"),
    ("- 1", "must be a mapping"),
    ("api_key: x", "api_key does not belong there"),
    ("max_request_per_minute: 3", "did you mean 'max_requests_per_minute'?"),
    ("model_names: nope-1", "unknown model 'nope-1'"),
    ("model_weights: dynamic", "not implemented"),
    ("sampling_params: {temperature: hot}", "temperature"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG, ids=[text for text, _ in WRONG])
def test_a_settings_file_that_cannot_be_used_is_told(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(BadInputError, match=reason.replace("?", r"\?")):
        open_client(ClientOptions(config=str(tmp_path / "c.yaml")), {"OPENAI_API_KEY": "k"})


def test_keys_are_looked_for_only_where_they_are_needed() -> None:
    with pytest.raises(BadInputError, match="no API key"):
        open_client(ClientOptions(), {})
    with open_client(ClientOptions(), {}, is_key_needed=False) as client:
        assert client.models == ["gpt-4.1-mini"]
