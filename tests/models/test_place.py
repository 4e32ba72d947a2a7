from __future__ import annotations

from dataclasses import replace

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.models import Model, get_model
from deluge_sync.models.place import base_url_of, key_variable_of

HERE = Model(id="m", name="m", provider="acme", api_base="https://api.acme.example/v1", base_url_env_var="ACME_URL")
BEDROCK = get_model("us.anthropic.claude-opus-5")


@pytest.mark.parametrize("env", [{}, {"ACME_URL": ""}, {"ACME_URL": " \n"}])
def test_without_the_variable_the_row_tells(env: dict[str, str]) -> None:
    assert base_url_of(HERE, env) == "https://api.acme.example/v1"


@pytest.mark.parametrize("value", ["http://localhost:9/v1", "http://localhost:9/v1/", " http://localhost:9/v1\n"])
def test_the_variable_goes_before_the_row(value: str) -> None:
    assert base_url_of(HERE, {"ACME_URL": value}) == "http://localhost:9/v1"


def test_a_variable_that_ends_before_the_version_is_completed() -> None:
    assert base_url_of(replace(HERE, base_url_env_path="/v1"), {"ACME_URL": "http://proxy/a/"}) == "http://proxy/a/v1"


def test_an_unusable_url_is_told_with_its_variable_and_without_a_key() -> None:
    with pytest.raises(ConfigError, match="the environment variable ACME_URL=") as caught:
        base_url_of(HERE, {"ACME_URL": "https://secret@acme.example"})
    assert "'https://***acme.example'" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_place_that_only_the_environment_knows_is_asked_for() -> None:
    model = get_model("azure:my-deployment")
    with pytest.raises(ConfigError, match="'azure:my-deployment': set the environment variable AZURE_OPENAI_ENDPOINT"):
        base_url_of(model, {})


@pytest.mark.parametrize(
    ("env", "region"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
    ],
)
def test_the_region_is_filled_in(env: dict[str, str], region: str) -> None:
    assert base_url_of(BEDROCK, env) == f"https://bedrock-runtime.{region}.amazonaws.com"


def test_a_missing_region_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="set the environment variable AWS_REGION or AWS_DEFAULT_REGION"):
        base_url_of(BEDROCK, {})


@pytest.mark.parametrize("region", ["evil.example/", "us-east-1.evil.example", "a@b", "\u00e9"])
def test_a_region_leads_to_no_other_host(region: str) -> None:
    with pytest.raises(ConfigError, match="is no region"):
        base_url_of(BEDROCK, {"AWS_REGION": region})


# As the ollama package reads OLLAMA_HOST, and where OpenAI's format is behind it.
@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("1.2.3.4", "http://1.2.3.4:11434/v1"),
        (":56789", "http://127.0.0.1:56789/v1"),
        ("example.com:56789", "http://example.com:56789/v1"),
        ("example.com/path/", "http://example.com:11434/path/v1"),
        ("https://example.com", "https://example.com/v1"),
        ("http://example.com:8080", "http://example.com:8080/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("[::1]:56789", "http://[::1]:56789/v1"),
        ("", "http://localhost:11434/v1"),
    ],
)
def test_a_bare_host_is_completed(host: str, url: str) -> None:
    assert base_url_of(get_model("ollama:llama3.2"), {"OLLAMA_HOST": host}) == url


@pytest.mark.parametrize("host", ["host:port", "a b", "me:key@host"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="the environment variable OLLAMA_HOST="):
        base_url_of(get_model("ollama:llama3.2"), {"OLLAMA_HOST": host})


@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({}, "GEMINI_API_KEY"),
        ({"GEMINI_API_KEY": "k"}, "GEMINI_API_KEY"),
        ({"GOOGLE_API_KEY": "k"}, "GOOGLE_API_KEY"),
        ({"GOOGLE_API_KEY": " ", "GEMINI_API_KEY": "k"}, "GEMINI_API_KEY"),
        ({"GOOGLE_API_KEY": "k", "GEMINI_API_KEY": "k"}, "GOOGLE_API_KEY"),
    ],
)
def test_of_several_variables_the_first_that_is_set_holds_the_key(env: dict[str, str], variable: str) -> None:
    assert key_variable_of(get_model("gemini-2.5-flash"), env) == variable


def test_a_model_without_a_key_has_no_variable() -> None:
    assert key_variable_of(get_model("ollama:llama3.2"), {"OPENAI_API_KEY": "k"}) is None
