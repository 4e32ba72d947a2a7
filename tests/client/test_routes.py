"""Where requests go and with which key: the provider's ledger judges, the official client is the measure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import openai
import pytest

from deluge_sync import APIResponse, LLMClient, register_model
from deluge_sync.client import routes
from deluge_sync.errors import ConfigError, MissingKeyError
from deluge_sync.models import API_SPECS, Registry, lookup
from deluge_sync.testing import FakeProvider

Factory = Callable[..., FakeProvider]


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine reaches a test, and what a test registers is gone after it."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(lookup, "registry", Registry())


def ask(model: str | list[str] = "gpt-4.1-mini", **settings: Any) -> list[APIResponse]:
    with LLMClient(model, **settings) as client:
        return client.process_prompts_sync(["hello"], show_progress=False)


def reached(provider: FakeProvider) -> list[tuple[str | None, str]]:
    return [(record.key, record.path) for record in provider.ledger]


# --- the environment means what it means to the official client


@pytest.mark.parametrize("ending", ["", "/"])
def test_the_environment_sends_us_where_it_sends_the_official_client(
    ending: str, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider.openai_url + ending)

    with openai.OpenAI() as official:
        official.chat.completions.create(model="gpt-4.1-mini", messages=[{"role": "user", "content": "hello"}])
    [ours] = ask()

    theirs_seen, ours_seen = reached(fake_provider)
    assert theirs_seen == ours_seen == ("sk-from-environment", "/v1/chat/completions")
    assert ours.completion == "You said: hello"


def test_arguments_win_over_the_environment_as_in_the_official_client(
    fake_provider_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, given = fake_provider_factory(), fake_provider_factory()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", named.openai_url)
    explicit = {"base_url": given.openai_url, "api_key": "sk-given"}

    with openai.OpenAI(base_url=given.openai_url, api_key="sk-given") as official:
        official.chat.completions.create(model="gpt-4.1-mini", messages=[{"role": "user", "content": "hello"}])
    ask(**explicit)

    assert named.ledger == []
    assert reached(given) == [("sk-given", "/v1/chat/completions")] * 2


@pytest.mark.parametrize("value", [None, "", "\n"])
def test_without_a_key_both_refuse_before_anything_is_sent(
    value: str | None, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider.openai_url)
    if value is not None:
        monkeypatch.setenv("OPENAI_API_KEY", value)

    if not value:
        with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY"):
            openai.OpenAI()
    with pytest.raises(MissingKeyError, match="set the environment variable OPENAI_API_KEY") as caught:
        ask()

    assert (caught.value.env_var, caught.value.model_name) == ("OPENAI_API_KEY", "gpt-4.1-mini")
    assert fake_provider.ledger == []


def test_a_missing_key_is_no_matter_until_the_first_prompt() -> None:
    LLMClient().close()


def test_the_environment_is_read_when_the_first_prompt_comes(
    fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LLMClient() as client:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-late")
        monkeypatch.setenv("OPENAI_BASE_URL", f" {fake_provider.openai_url}\n")
        client.process_prompts_sync(["hello"], show_progress=False)

    assert reached(fake_provider) == [("sk-late", "/v1/chat/completions")]


def test_an_unusable_url_in_the_environment_is_told_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:8000/v1")

    with pytest.raises(ConfigError, match="the environment variable OPENAI_BASE_URL='localhost:8000/v1'"):
        ask()


def test_env_takes_the_place_of_the_environment(
    fake_provider_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, given = fake_provider_factory(), fake_provider_factory()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", real.openai_url)

    ask(env={"OPENAI_API_KEY": "sk-of-env", "OPENAI_BASE_URL": given.openai_url})
    with pytest.raises(MissingKeyError):
        ask(env={"OPENAI_BASE_URL": given.openai_url})

    assert real.ledger == []
    assert reached(given) == [("sk-of-env", "/v1/chat/completions")]


# --- keys


@pytest.mark.parametrize("key", ["sk-plain\n", " sk-plain", "sk-plain\r\n"])
def test_a_key_loses_the_line_break_that_files_add(key: str, fake_provider: FakeProvider) -> None:
    ask(base_url=fake_provider.openai_url, api_key=key)
    ask(base_url=fake_provider.openai_url, env={"OPENAI_API_KEY": key})

    assert [record.key for record in fake_provider.ledger] == ["sk-plain"] * 2


@pytest.mark.parametrize("key", ["sk-hidden\nsk-hidden", "sk-hidden sk-hidden", "sk-hidden-\u20ac", "sk-hidden\0"])
def test_what_can_be_no_key_is_refused_without_being_shown(key: str, fake_provider: FakeProvider) -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is no API key") as caught:
        ask(base_url=fake_provider.openai_url, env={"OPENAI_API_KEY": key})

    assert "hidden" not in str(caught.value)
    assert fake_provider.ledger == []


def test_an_empty_key_sends_none(fake_provider: FakeProvider) -> None:
    ask(base_url=fake_provider.openai_url, api_key="", env={"OPENAI_API_KEY": "sk-unwanted"})

    [record] = fake_provider.ledger
    assert "authorization" not in record.headers


# --- models that are not in the catalogue


def test_a_registered_model_is_asked_with_its_own_name_key_and_price(
    fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_model("mine", "vendor/mine-v2", fake_provider.openai_url, "MINE_KEY", input_cost=2.0, output_cost=10.0)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another")
    monkeypatch.setenv("MINE_KEY", "sk-mine")

    [response] = ask("mine")

    [record] = fake_provider.ledger
    assert (record.json["model"], record.key) == ("vendor/mine-v2", "sk-mine")
    assert response.model_internal == "mine"
    assert response.cost == pytest.approx((record.prompt_tokens * 2 + record.completion_tokens * 10) / 1_000_000)


def test_a_registered_model_names_its_own_missing_variable(
    fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_model("mine", "mine", fake_provider.openai_url, "MINE_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another")

    with pytest.raises(MissingKeyError, match="set the environment variable MINE_KEY"):
        ask("mine")

    assert fake_provider.ledger == []


def test_a_model_that_needs_no_key_is_sent_none(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    register_model("local", "local", fake_provider.openai_url, None)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another")

    ask("local")

    [record] = fake_provider.ledger
    assert "authorization" not in record.headers


def test_a_name_that_nobody_registered_works_with_a_base_url_at_an_unknown_price(fake_provider: FakeProvider) -> None:
    with LLMClient("llama-3.3", base_url=fake_provider.openai_url, api_key="sk-x") as client:
        [response] = client.process_prompts_sync(["hello"], show_progress=False)

        assert (response.completion, response.cost) == ("You said: hello", None)
        assert response.usage is not None
        snapshot = client.tracker.snapshot()
        assert (snapshot.cost_usd, snapshot.unpriced) == (None, 1)
    assert fake_provider.ledger[0].json["model"] == "llama-3.3"


def test_models_of_one_key_share_its_limit_and_others_have_their_own(
    fake_provider_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = fake_provider_factory(), fake_provider_factory()
    for name, provider, variable in [("a", here, "KEY_1"), ("b", here, "KEY_1"), ("c", there, "KEY_2")]:
        register_model(name, name, provider.openai_url, variable)
        monkeypatch.setenv(variable, f"sk-{variable}")
    settings = {"max_requests_per_minute": 5, "max_seconds_per_prompt": 1}

    with LLMClient(["a", "b", "c"], **settings) as client:  # type: ignore[arg-type]  # all of them numbers
        client.process_prompts_sync(["x"] * 60, show_progress=False)

    assert (len(here.ledger), len(there.ledger)) == (5, 5)


# --- vendors that need no registration, and models that are asked in other ways


def test_a_local_server_is_reached_by_its_variable_and_without_a_key(
    fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another")
    monkeypatch.setenv("OLLAMA_HOST", fake_provider.url.removeprefix("http://"))
    monkeypatch.setenv("VLLM_BASE_URL", fake_provider.openai_url)

    [ollama] = ask("ollama:llama3.2:3b")
    ask("vllm:Qwen/Qwen3-8B")

    assert [record.json["model"] for record in fake_provider.ledger] == ["llama3.2:3b", "Qwen/Qwen3-8B"]
    assert reached(fake_provider) == [(None, "/v1/chat/completions")] * 2
    assert (ollama.model_internal, ollama.cost) == ("ollama:llama3.2:3b", None)


def test_a_vendor_s_prefix_needs_the_vendor_s_key(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another")
    with pytest.raises(MissingKeyError, match="set the environment variable OPENROUTER_API_KEY"):
        ask("openrouter:moonshotai/kimi-k3", base_url=fake_provider.openai_url)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-router")

    ask("openrouter:moonshotai/kimi-k3", base_url=fake_provider.openai_url)

    assert reached(fake_provider) == [("sk-router", "/v1/chat/completions")]
    assert fake_provider.ledger[0].json["model"] == "moonshotai/kimi-k3"


def test_azure_has_its_key_in_a_header_of_its_own(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")

    ask("azure:my-deployment", base_url=fake_provider.openai_url)

    [record] = fake_provider.ledger
    assert record.headers["api-key"] == "azure-key"
    assert "authorization" not in record.headers


def test_azure_without_its_resource_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    with pytest.raises(ConfigError, match="set the environment variable AZURE_OPENAI_ENDPOINT"):
        ask("azure:my-deployment")


def test_what_answers_no_prompts_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(ConfigError, match="model 'text-embedding-3-small' is for embedding"):
        LLMClient("text-embedding-3-small")


def test_every_format_that_can_be_registered_has_its_adapter() -> None:
    assert set(routes.ADAPTERS) == set(API_SPECS)
    assert all(find_spec(module) for module in routes.ADAPTERS.values())


def test_an_adapter_is_loaded_with_the_first_model_that_needs_it() -> None:
    script = """
import sys
from deluge_sync import LLMClient
LLMClient("claude-opus-5").close()
print([name for name in sys.modules if name.startswith("deluge_sync._adapters.anthropic")])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({"ONE": "sk-1", "TWO": "sk-2"}, "sk-1"),
        ({"ONE": " ", "TWO": "sk-2"}, "sk-2"),
    ],
)
def test_of_several_variables_for_a_key_the_first_that_is_set_counts(
    variables: dict[str, str], key: str, fake_provider: FakeProvider
) -> None:
    register_model("mine", "mine", fake_provider.openai_url, "TWO", key_env_vars=("ONE", "TWO"))
    ask("mine", env=variables)
    assert reached(fake_provider) == [(key, "/v1/chat/completions")]


def test_a_model_that_can_do_without_a_key_is_sent_the_one_there_is(fake_provider: FakeProvider) -> None:
    register_model("mine", "mine", fake_provider.openai_url, "MINE_KEY", key_is_optional=True)
    ask("mine", env={})
    ask("mine", env={"MINE_KEY": "sk-mine"})
    assert [key for key, _ in reached(fake_provider)] == [None, "sk-mine"]


# --- .env files


def write(path: Path, values: Mapping[str, str]) -> Path:
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    return path


def test_an_env_file_is_read_when_asked_and_leaves_the_environment_alone(
    fake_provider: FakeProvider, tmp_path: Path
) -> None:
    path = write(tmp_path / "keys", {"OPENAI_API_KEY": "sk-of-file", "OPENAI_BASE_URL": fake_provider.openai_url})
    before = dict(os.environ)

    with LLMClient.from_env_file(path, "gpt-4.1-nano", temperature=0) as client:
        client.process_prompts_sync(["hello"], show_progress=False)

    [record] = fake_provider.ledger
    assert (record.key, record.json["model"], record.json["temperature"]) == ("sk-of-file", "gpt-4.1-nano", 0)
    assert dict(os.environ) == before


def test_the_environment_wins_over_an_env_file(
    fake_provider: FakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / ".env", {"OPENAI_API_KEY": "sk-of-file", "OPENAI_BASE_URL": fake_provider.openai_url})
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")

    with LLMClient.from_env_file(path) as client:
        client.process_prompts_sync(["hello"], show_progress=False)

    assert reached(fake_provider) == [("sk-from-environment", "/v1/chat/completions")]


def test_an_env_file_written_by_notepad_is_read(fake_provider: FakeProvider, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("OPENAI_API_KEY=sk-of-file\r\n", encoding="utf-8-sig")

    with LLMClient.from_env_file(path, base_url=fake_provider.openai_url) as client:
        client.process_prompts_sync(["hello"], show_progress=False)

    assert [record.key for record in fake_provider.ledger] == ["sk-of-file"]


def test_an_env_file_that_is_missing_or_no_text_is_told_without_its_content(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        LLMClient.from_env_file(tmp_path / "nowhere")
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=sk-hidden\xff\n")
    with pytest.raises(ConfigError, match="no UTF-8 text") as caught:
        LLMClient.from_env_file(tmp_path / ".env")

    assert caught.value.__context__ is None  # a decoding error holds the whole file


def test_an_env_file_is_never_read_unasked(tmp_path: Path) -> None:
    write(tmp_path / ".env", {"OPENAI_API_KEY": "sk-of-file"})
    script = """
import os
from deluge_sync import LLMClient
from deluge_sync.errors import MissingKeyError
try:
    LLMClient(base_url="http://127.0.0.1:9/v1").process_prompts_sync(["x"], show_progress=False)
except MissingKeyError as error:
    print(error.env_var, "OPENAI_API_KEY" in os.environ)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=tmp_path, capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("OPENAI_API_KEY False\n", "")
