"""The constructor's contract, and what a client shows of itself."""

from __future__ import annotations

import inspect
import io
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import APIResponse, LLMClient, SamplingParams, Usage
from deluge_sync.errors import Interrupted
from deluge_sync.testing import FakeProvider, Reply

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]

REQUIRED: Any = inspect.Parameter.empty

CLIENT = [
    ("model_names", "gpt-4.1-mini"),
    ("name", None),
    ("max_requests_per_minute", 1_000),
    ("max_tokens_per_minute", 100_000),
    ("max_concurrent_requests", 225),
    ("sampling_params", None),
    ("model_weights", "uniform"),
    ("max_attempts", 5),
    ("request_timeout", 30),
    ("cache", None),
    ("extra_headers", None),
    ("use_responses_api", False),
    ("background", False),
    ("temperature", 0.75),
    ("top_p", 1.0),
    ("json_mode", False),
    ("max_new_tokens", 512),
    ("reasoning_effort", None),
    ("logprobs", False),
    ("top_logprobs", None),
    ("force_local_mcp", False),
    ("progress", "rich"),
    ("postprocess", None),
]
PARAMS = [
    ("temperature", 0.0),
    ("top_p", 1.0),
    ("json_mode", False),
    ("max_new_tokens", 2_048),
    ("reasoning_effort", None),
    ("logprobs", False),
    ("top_logprobs", None),
    ("strict_tools", True),
]
RESPONSE = [
    ("id", REQUIRED),
    ("model_internal", REQUIRED),
    ("prompt", REQUIRED),
    ("sampling_params", REQUIRED),
    ("status_code", REQUIRED),
    ("is_error", REQUIRED),
    ("error_message", REQUIRED),
    ("usage", None),
    ("content", None),
    ("thinking", None),
    ("model_external", None),
    ("region", None),
    ("logprobs", None),
    ("finish_reason", None),
    ("cost", None),
    ("cache_hit", False),
    ("local_cache_hit", False),
    ("retry_with_different_model", False),
    ("give_up_if_no_other_models", False),
    ("response_id", None),
    ("raw_response", None),
]
PROMPTS = [
    ("prompts", REQUIRED),
    ("return_completions_only", False),
    ("show_progress", True),
    ("tools", None),
    ("output_schema", None),
    ("cache", None),
    ("service_tier", None),
]
USAGE = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"]


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [each for each in inspect.signature(function).parameters.values() if each.name != "self"]


def table(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    return [(each.name, each.default) for each in parameters(function)]


# --- signatures


@pytest.mark.parametrize(
    ("function", "seed"),
    [(LLMClient, CLIENT), (SamplingParams, PARAMS), (APIResponse, RESPONSE)],
    ids=["LLMClient", "SamplingParams", "APIResponse"],
)
def test_the_seed_signature_is_kept_and_ours_come_after_it(
    function: Callable[..., Any], seed: list[tuple[str, Any]]
) -> None:
    found = table(function)

    assert found[: len(seed)] == seed
    assert all(type(value) is type(expected) for (_, value), (_, expected) in zip(found, seed, strict=False))
    assert all(default is not REQUIRED for _, default in found[len(seed) :])


def test_only_the_models_are_positional() -> None:
    first, *others = parameters(LLMClient)

    assert first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {each.kind for each in others} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("method", [LLMClient.process_prompts_sync, LLMClient.process_prompts_async])
def test_both_calls_take_exactly_what_the_seed_says(method: Callable[..., Any]) -> None:
    first, *others = parameters(method)

    assert table(method) == [*PROMPTS, ("prefer_model", None), ("max_cost", None)]
    assert first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {each.kind for each in others} == {inspect.Parameter.KEYWORD_ONLY}


def test_usage_begins_with_the_seeds_four_counts() -> None:
    assert [name for name, _ in table(Usage)][:4] == USAGE
    usage = Usage(1, 2, 3, 4)
    assert (usage.total_tokens, usage.has_cache_hit) == (10, True)


def test_the_client_is_a_class_that_can_be_subclassed() -> None:
    class Mine(LLMClient):
        pass

    assert isinstance(Mine(), LLMClient)


# --- what reaches the provider


def test_extra_headers_reach_every_request_in_the_place_of_ours(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(script=[Reply.error(500), None])
    given = {"X-Title": "grüße", "authorization": "Bearer sk-by-header"}
    client = connect(provider, extra_headers=given)
    given["X-Title"] = "changed later"

    client.process_prompts_sync(["x", "y"], show_progress=False)
    list(client.process_prompts_iter(["z"], show_progress=False))

    assert len(provider.ledger) == 4
    assert {record.headers["x-title"] for record in provider.ledger} == {"grüße"}
    assert {record.key for record in provider.ledger} == {"sk-by-header"}


def test_the_clients_own_arguments_make_the_sampling_params(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, temperature=0.25, top_p=0.5, max_new_tokens=7, json_mode=True)

    [response] = client.process_prompts_sync(["x"], show_progress=False)

    body = fake_provider.ledger[0].json
    assert (body["temperature"], body["top_p"], body["max_completion_tokens"]) == (0.25, 0.5, 7)
    assert body["response_format"] == {"type": "json_object"}
    assert response.sampling_params == SamplingParams(temperature=0.25, top_p=0.5, max_new_tokens=7, json_mode=True)


def test_each_model_is_asked_with_its_own_sampling_params(fake_provider: FakeProvider, connect: Connect) -> None:
    params = {"gpt-4.1-mini": SamplingParams(temperature=0.125), "gpt-4.1-nano": SamplingParams(temperature=0.875)}
    client = connect(fake_provider, list(params), sampling_params=list(params.values()))

    responses = client.process_prompts_sync(["x"] * 60, show_progress=False)

    assert {(each.json["model"], each.json["temperature"]) for each in fake_provider.ledger} == {
        (name, own.temperature) for name, own in params.items()
    }
    assert all(response.sampling_params == params[response.model_internal] for response in responses)


def test_one_sampling_params_is_for_all_models(fake_provider: FakeProvider, connect: Connect) -> None:
    models = ["gpt-4.1-mini", "gpt-4.1-nano"]
    client = connect(fake_provider, models, sampling_params=[SamplingParams(temperature=0.125)], temperature=0.9)

    client.process_prompts_sync(["x"] * 60, show_progress=False)

    assert {(each.json["model"], each.json["temperature"]) for each in fake_provider.ledger} == {
        (model, 0.125) for model in models
    }


# --- what a client shows


def test_no_key_is_in_what_a_client_shows_of_itself(fake_provider: FakeProvider, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OTHER_KEY=sk-sentinel-file\n")
    settings: dict[str, Any] = {
        "base_url": fake_provider.openai_url,
        "api_key": "sk-sentinel-argument",
        "extra_headers": {"X-Api-Key": "sk-sentinel-header"},
    }
    by_env: dict[str, Any] = {"env": {"OPENAI_API_KEY": "sk-sentinel-env"}}
    clients = [
        LLMClient(**settings, **by_env),
        LLMClient.from_env_file(tmp_path / ".env", **settings),
    ]
    for client in clients:
        client.process_prompts_sync(["x"], show_progress=False)
        shown = [repr(client), str(client), f"{client}", repr(vars(client)), *map(repr, vars(client).values())]
        shown += [repr(vars(value)) for value in vars(client).values() if hasattr(value, "__dict__")]
        client.close()

        assert "sentinel" not in "".join(shown)
        assert repr(client) == "LLMClient(gpt-4.1-mini)"


def test_a_client_refuses_pickling_without_a_key_in_the_message() -> None:
    with pytest.raises(TypeError) as caught:
        pickle.dumps(LLMClient(api_key="sk-sentinel", env={"OPENAI_API_KEY": "sk-sentinel"}))

    assert "sentinel" not in str(caught.value)


def test_the_name_is_shown_beside_the_progress(
    fake_provider: FakeProvider, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(fake_provider, name="nightly [/run]").process_prompts_sync(["x", "y"])

    shown = capsys.readouterr()
    assert shown.err.startswith("nightly [/run]: 2 of 2 answered, 0 failed, ")
    assert shown.out == ""


def test_a_pipe_gets_one_plain_line_and_nothing_else_is_said(fake_provider: FakeProvider) -> None:
    script = f"""
from deluge_sync import LLMClient
with LLMClient(base_url={fake_provider.openai_url!r}, api_key="sk-sentinel") as client:
    client.process_prompts_sync([str(n) for n in range(50)], show_progress=True)
    client.process_prompts_sync(["x"], show_progress=False)
"""
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", script], capture_output=True, text=True)

    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("deluge_sync: 50 of 50 answered, 0 failed, 0 retried, ")
    assert done.stderr.removesuffix("\n").isprintable()


def test_the_log_tells_no_prompt_answer_or_key(
    fake_provider_factory: Factory, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    provider = fake_provider_factory(script=[Reply.error(500), Reply.half_json(), Reply.reset(), None])
    caplog.set_level(logging.DEBUG)

    [response] = connect(provider, api_key="sk-sentinel", extra_headers={"X-Key": "sk-sentinel"}).process_prompts_sync(
        ["sentinel prompt"], show_progress=False
    )

    assert response.completion == "You said: sentinel prompt"
    assert "sentinel" not in caplog.text


def test_the_last_line_after_ctrl_c_tells_cancelled_prompts_from_failed_ones(
    fake_provider_factory: Factory, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = fake_provider_factory(script=lambda record: Reply.hang(60) if b"slow" in record.body else None)
    client = connect(provider, max_concurrent_requests=1)
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)

    def interrupt() -> None:
        give_up_at = time.monotonic() + 10
        while client.tracker.snapshot().answered < 2 or client.tracker.snapshot().in_flight < 1:
            assert time.monotonic() < give_up_at
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(Interrupted):
        client.process_prompts_sync(["a", "b", "slow", "c", "d"])

    assert "2 of 5 answered, 0 failed, " in screen.getvalue()
    assert " cancelled, " in screen.getvalue()
    client.close()
    snapshot = client.tracker.snapshot()
    assert (snapshot.answered, snapshot.failed, snapshot.cancelled, snapshot.errors) == (2, 0, 3, {})


def test_a_ctrl_c_that_another_thread_takes_ends_the_wait_all_the_same(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    """The kernel may choose the thread, and only a wait in that one is cut short."""
    provider = fake_provider_factory(script=lambda _: Reply.hang(60))
    client = connect(provider)

    def interrupt() -> None:
        give_up_at = time.monotonic() + 10
        while not provider.ledger:
            assert time.monotonic() < give_up_at
            time.sleep(0.001)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    started = time.monotonic()
    with pytest.raises(Interrupted):
        client.process_prompts_sync(["x"], show_progress=False)

    assert time.monotonic() - started < 10
