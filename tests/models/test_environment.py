"""Keys and base URLs in the environment mean here what they mean to the vendors' own packages, which are the judges."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

import pytest

from deluge_sync.models import get_model
from deluge_sync.models.place import base_url_of, key_variable_of

Seen = tuple[str | None, str]


def ours(model_name: str, env: Mapping[str, str]) -> Seen:
    model = get_model(model_name)
    variable = key_variable_of(model, env)
    return env.get(variable or ""), base_url_of(model, env)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Puts variables into the environment, which has no other of a vendor's."""
    prefixes = (
        "OPENAI_",
        "ANTHROPIC_",
        "GOOGLE_",
        "GEMINI_",
        "MISTRAL_",
        "CO_",
        "COHERE_",
        "AWS_",
        "AZURE_",
        "OLLAMA_",
    )
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        monkeypatch.delenv(name)

    def put(env: dict[str, str]) -> None:
        for name, value in env.items():
            monkeypatch.setenv(name, value)

    return put


def openai_sees() -> Seen:
    import openai

    with openai.OpenAI() as client:
        return client.api_key, str(client.base_url)


def azure_sees() -> Seen:
    import openai

    with openai.AzureOpenAI(api_version="v1") as client:
        return client.api_key, str(client.base_url).replace("/openai/", "/openai/v1")  # its older path, without version


def anthropic_sees() -> Seen:
    import anthropic

    with anthropic.Anthropic() as client:
        return client.api_key or client.auth_token, f"{str(client.base_url).rstrip('/')}/v1"


def gemini_sees() -> Seen:
    from google import genai

    with genai.Client() as client:
        options = client._api_client._http_options
        return client._api_client.api_key, f"{str(options.base_url).rstrip('/')}/v1beta"  # v1 by default there


def bedrock_sees() -> Seen:
    session = import_module("botocore.session").get_session()  # it has no types
    client = session.create_client("bedrock-runtime", aws_access_key_id="a", aws_secret_access_key="s")
    token = os.environ.get("AWS_BEARER_TOKEN_BEDROCK")
    return token, client.meta.endpoint_url


def mistral_sees() -> Seen:
    from mistralai.client.models import Security
    from mistralai.client.sdkconfiguration import SERVERS
    from mistralai.client.utils.security import get_security_from_env

    security = get_security_from_env(None, Security)
    return getattr(security, "api_key", None), f"{next(iter(SERVERS.values()))}/v1"


CASES: list[tuple[Callable[[], Seen], str, dict[str, str]]] = [
    (openai_sees, "gpt-4.1-mini", {"OPENAI_API_KEY": "sk-1"}),
    (openai_sees, "gpt-4.1-mini", {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://localhost:9/v1/"}),
    (azure_sees, "azure:x", {"AZURE_OPENAI_API_KEY": "k-1", "AZURE_OPENAI_ENDPOINT": "https://acme.example/"}),
    (anthropic_sees, "claude-opus-5", {"ANTHROPIC_API_KEY": "k-1"}),
    (anthropic_sees, "claude-opus-5", {"ANTHROPIC_AUTH_TOKEN": "t-1"}),
    (anthropic_sees, "claude-opus-5", {"ANTHROPIC_API_KEY": "k-1", "ANTHROPIC_AUTH_TOKEN": "t-1"}),
    (anthropic_sees, "claude-opus-5", {"ANTHROPIC_API_KEY": "k-1", "ANTHROPIC_BASE_URL": "http://localhost:9/a"}),
    (gemini_sees, "gemini-2.5-flash", {"GEMINI_API_KEY": "k-1"}),
    (gemini_sees, "gemini-2.5-flash", {"GOOGLE_API_KEY": "k-2"}),
    (gemini_sees, "gemini-2.5-flash", {"GEMINI_API_KEY": "k-1", "GOOGLE_API_KEY": "k-2"}),
    (gemini_sees, "gemini-2.5-flash", {"GEMINI_API_KEY": "k-1", "GOOGLE_GEMINI_BASE_URL": "http://localhost:9/"}),
    (mistral_sees, "mistral-large-latest", {"MISTRAL_API_KEY": "k-1"}),
    (bedrock_sees, "us.anthropic.claude-opus-5", {"AWS_DEFAULT_REGION": "eu-west-1"}),
    (bedrock_sees, "us.anthropic.claude-opus-5", {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_BEARER_TOKEN_BEDROCK": "t"}),
    (
        bedrock_sees,
        "us.anthropic.claude-opus-5",
        {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://localhost:9"},
    ),
]


@pytest.mark.parametrize(("judge", "model_name", "env"), CASES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the packages' own
def test_the_environment_means_what_it_means_to_the_official_package(
    judge: Callable[[], Seen], model_name: str, env: dict[str, str], environment: Callable[[dict[str, str]], None]
) -> None:
    environment(env)
    key, url = judge()
    assert ours(model_name, env) == (key, url.rstrip("/"))


@pytest.mark.parametrize(
    "env",
    [{"CO_API_KEY": "k-1"}, {"COHERE_API_KEY": "k-2"}, {"CO_API_KEY": "k-1", "CO_API_URL": "http://localhost:9/"}],
)
def test_the_environment_means_what_it_means_to_cohere(env: dict[str, str]) -> None:
    # In a process of its own, because that package reads CO_API_URL when it is imported.
    script = """
import cohere, os
client = cohere.ClientV2(os.environ.get("CO_API_KEY", os.environ.get("COHERE_API_KEY")))
print(client._client_wrapper._get_token(), client._client_wrapper.get_base_url())
"""
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    key, url = done.stdout.split()

    assert ours("embed-v4.0", env) == (key, f"{url.rstrip('/')}/v2")
    assert ours("command-a-03-2025", env)[0] == key


# The packages of these are not among the project's tools; what they read was looked up in their sources (2026-11).
@pytest.mark.parametrize(
    ("model_name", "env", "url"),
    [
        ("groq:x", {"GROQ_BASE_URL": "http://localhost:9"}, "http://localhost:9/openai/v1"),  # groq 1.7
        ("cerebras:x", {"CEREBRAS_BASE_URL": "http://localhost:9"}, "http://localhost:9/v1"),  # cerebras-cloud-sdk 1.91
        ("together:x", {"TOGETHER_BASE_URL": "http://localhost:9"}, "http://localhost:9/v1"),  # together 3.1
        ("fireworks:x", {"FIREWORKS_BASE_URL": "http://localhost:9/i"}, "http://localhost:9/i/v1"),  # fireworks-ai 1.2
        ("zai:x", {"ZAI_BASE_URL": "http://localhost:9/paas/v4"}, "http://localhost:9/paas/v4"),  # zai-sdk 0.2
        ("ollama:x", {"OLLAMA_HOST": "10.0.0.1"}, "http://10.0.0.1:11434/v1"),  # ollama 0.6
    ],
)
def test_other_vendors_variables_are_read_as_their_packages_do(model_name: str, env: dict[str, str], url: str) -> None:
    assert base_url_of(get_model(model_name), env) == url
