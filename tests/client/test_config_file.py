"""Clients from mappings and YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deluge_sync import LLMClient, SamplingParams
from deluge_sync.client.config_file import read_settings
from deluge_sync.errors import ConfigError, UnknownModelError

YAML = """
model_names: [gpt-4.1-mini, gpt-4.1]   # a comment
model_weights: [3, 1]
max_requests_per_minute: 500
max_cost: 2.5
name: ünïcode
sampling_params:
  - {temperature: 0, max_new_tokens: 100}
  - {temperature: 1.5, stop: [END]}
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "client.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_a_file_says_what_the_constructor_takes(write: Any) -> None:
    client = LLMClient.from_yaml(write(YAML), api_key="sk-test-0123456789", max_requests_per_minute=900)

    assert client.models == ["gpt-4.1-mini", "gpt-4.1"]
    assert client.name == "ünïcode"
    assert client.sampling_params == [
        SamplingParams(temperature=0, max_new_tokens=100),
        SamplingParams(temperature=1.5, stop=("END",)),
    ]
    assert client.tracker.snapshot().limits.requests_per_minute == 900  # what is given beside the file wins


def test_a_mapping_may_hold_one_set_of_sampling_params_or_ready_ones() -> None:
    ready = SamplingParams(temperature=0.5)
    for given in ({"temperature": 0.5}, [{"temperature": 0.5}], ready, [ready]):
        client = LLMClient.from_dict({"model_names": ["gpt-4.1-mini", "gpt-4.1"], "sampling_params": given})
        assert client.sampling_params == [ready, ready]


def test_the_mapping_stays_as_it_was() -> None:
    settings = {"sampling_params": {"temperature": 0.5}}
    LLMClient.from_dict(settings)

    assert settings == {"sampling_params": {"temperature": 0.5}}


def test_an_empty_file_is_a_client_with_the_defaults(write: Any) -> None:
    assert LLMClient.from_yaml(write("# nothing\n")).models == LLMClient().models


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"max_request_per_minute": 1},
            r"'max_request_per_minute' is not .*; did you mean 'max_requests_per",
        ),
        ({"modelnames": "gpt-4.1"}, r"did you mean 'model_names'\?"),
        ({"sampling_params": {"temprature": 0}}, r"'temprature' is not .*; did you mean 'temperature'\?"),
        ({"sampling_params": {"temperature": "hot"}}, "temperature='hot'"),
        ({"sampling_params": "hot"}, "sampling_params must be a list"),
        ({"max_requests_per_minute": "many"}, "max_requests_per_minute must be"),
        ({1: 2}, "settings must be a mapping"),
        ([("name", "x")], "settings must be a mapping"),
        ({"self": 1}, "'self' is not a setting"),
    ],
)
def test_what_cannot_work_is_named(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LLMClient.from_dict(settings)


def test_an_unknown_model_is_told_as_ever() -> None:
    with pytest.raises(UnknownModelError, match=r"gpt-4\.1-mini"):
        LLMClient.from_dict({"model_names": "gpt-4.1-mimi"})


@pytest.mark.parametrize("name", ["api_key", "env"])
def test_keys_are_refused_and_not_quoted(write: Any, name: str) -> None:
    path = write(f"{name}: sk-secret-0123456789")
    for read in (read_settings, LLMClient.from_yaml):
        with pytest.raises(ConfigError, match=f"{name} does not belong there") as refused:
            read(path)
        assert "sk-secret" not in str(refused.value)
    with pytest.raises(ConfigError, match="does not belong there"):
        LLMClient.from_dict({name: "sk-secret-0123456789"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1, 2", r"is no YAML: line \d cannot be read"),
        ("key: sk-secret: x", r"is no YAML: line 1"),
        ("- a\n- b", "must be a mapping"),
        ("just text", "must be a mapping"),
        ("x: !!python/object/apply:os.system ['echo sk-secret']", r"is no YAML: line 1"),
        (b"name: \xff\xfe\xfa", "is no UTF-8 text"),
        ("name: \x00", "is no YAML"),
    ],
)
def test_a_file_that_is_none_is_told_and_not_quoted(write: Any, content: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        read_settings(write(content))

    assert "client.yaml" in str(refused.value)
    assert "sk-secret" not in str(refused.value)
    assert refused.value.__context__ is None


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.yaml cannot be read: No such file"):
        LLMClient.from_yaml(tmp_path / "missing.yaml")
