"""Every setting that cannot work is refused by the constructor, by its own name."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

from deluge_sync import LLMClient, SamplingParams, Tool
from deluge_sync.errors import ConfigError, UnknownModelError
from deluge_sync.testing import FakeProvider

Connect = Callable[..., LLMClient]

NO_WEIGHTS: list[object] = [[-1], [nan], [inf], [True], ["1"], [0], [], [1, 2], "even", None, 1, {1}]
NO_PARAMS: list[object] = [[], [SamplingParams()] * 2, [{}], SamplingParams(), "x", 5]
WHOLE_NUMBERS = ["max_requests_per_minute", "max_tokens_per_minute", "max_concurrent_requests", "max_attempts"]
SECONDS = ["request_timeout", "max_seconds_per_prompt", "outage_patience"]


def no_number(name: str, *more: object) -> list[tuple[str, object]]:
    return [(name, value) for value in (0, -1, nan, inf, -inf, True, "5", b"5", [5], 10**400, *more)]


REFUSED: list[tuple[str, object]] = [
    *(case for name in WHOLE_NUMBERS for case in no_number(name, None, 0.5, 1.5, 1e6)),
    *(case for name in SECONDS for case in no_number(name)),
    ("request_timeout", None),
    ("outage_patience", None),
    *[("temperature", value) for value in (-0.1, nan, inf, True, "1", None)],
    *[("top_p", value) for value in (0, -1, 1.1, nan, True, "1", None)],
    *[("max_new_tokens", value) for value in (0, -1, 1.5, nan, True, "5", None)],
    ("reasoning_effort", "enormous"),
    ("json_mode", "no"),
    ("logprobs", "no"),
    ("top_logprobs", 5),
    ("progress", "fancy"),
    ("progress", None),
    ("progress", ["rich"]),
    *[("model_weights", value) for value in NO_WEIGHTS],
    *[("sampling_params", value) for value in NO_PARAMS],
    *[("model_names", value) for value in ([], "", [""], None, 5, [5], {"gpt-4.1-mini"}, b"gpt-4.1-mini")],
    ("background", True),
    *[("extra_body", value) for value in ("x", ["x"], {"a": object()}, {"a": {1, 2}})],
    *[("stop", value) for value in ([], [""], [1], ["a"] * 5)],
    ("seed", "x"),
    *[("thinking_budget", value) for value in (-1, "x")],
    *[("stream_idle_timeout", value) for value in (0, -1, "x", None)],
    *[("background_timeout", value) for value in (0, -1, "x", None)],
    *[("extra_headers", value) for value in ("x", ["x"], [("a", "b")], {1: "a"}, {"": "x"}, {"a b": "x"}, {"a:": "x"})],
    *[("extra_headers", {"x-a": value}) for value in (1, None, b"x", "x\ny", "x\n", "x\r", " x", "x\t", "\0", "€")],
    ("extra_headers", {"Content-Length": "5"}),
    ("extra_headers", {"transfer-encoding": "chunked"}),
    *[("base_url", value) for value in ("", " ", "host/v1", "ftp://host/v1", "http://", "http://h/v1\n", 5)],
    ("base_url", "http://h/v1/chat/completions"),
    *[("api_key", value) for value in (5, b"key", "sk-1 sk-2", "sk-1\nsk-2", "sk-€")],
    ("env", "OPENAI_API_KEY=1"),
    ("cache", {}),
    ("cache", "system_and_tools"),
    ("postprocess", "strip"),
    ("limiter", 1_000),
    ("name", 5),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda value: repr(value)[:40])
def test_a_setting_that_cannot_work_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        LLMClient(**{name: value})

    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "settings",
    [
        *[{name: 1} for name in WHOLE_NUMBERS],
        *[{name: 0.1} for name in SECONDS],
        {"max_tokens_per_minute": 10**15},
        {"max_seconds_per_prompt": None},
        {"temperature": 0, "top_p": 1},
        {"logprobs": True, "top_logprobs": 0},
        {"model_names": ("gpt-4.1-mini", "gpt-4.1-nano"), "model_weights": (0, 1)},
        {"model_names": ["gpt-4.1-mini", "gpt-4.1-nano"], "sampling_params": [SamplingParams()]},
        {"extra_headers": {"X-Title": "grüße, plain\ttext", "X-Empty": ""}},
        {"api_key": ""},
        {"base_url": "http://[::1]:8000/v1/"},
        {"force_local_mcp": True},
    ],
    ids=repr,
)
def test_a_setting_at_its_bound_is_taken(settings: dict[str, Any]) -> None:
    assert isinstance(LLMClient(**settings), LLMClient)


def test_dynamic_weights_are_not_there_yet() -> None:
    with pytest.raises(NotImplementedError, match="model_weights='dynamic'"):
        LLMClient(model_weights="dynamic")


def test_background_says_what_it_needs() -> None:
    with pytest.raises(ConfigError, match="background=True needs use_responses_api=True"):
        LLMClient(background=True)


def test_a_model_without_the_responses_api_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"use_responses_api=True: model 'claude-haiku-4-5' has no Responses API"):
        LLMClient("claude-haiku-4-5", use_responses_api=True)


def test_one_key_is_not_shown_to_several_providers() -> None:
    with pytest.raises(
        ConfigError, match=r"api_key is one key, but .* several providers: anthropic, openai"
    ) as refused:
        LLMClient(["gpt-4.1-mini", "claude-4.5-sonnet"], api_key="sk-of-one-of-them")
    assert "sk-of" not in str(refused.value)
    LLMClient(["gpt-4.1-mini", "gpt-4.1-nano"], api_key="sk-of-both")
    LLMClient(["gpt-4.1-mini", "claude-4.5-sonnet"], api_key="sk-of-the-gateway", base_url="http://127.0.0.1:1/v1")


def test_an_unknown_model_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UnknownModelError, match=r"unknown model 'gpt-4\.1-mimi'; did you mean 'gpt-4\.1-mini'"):
        LLMClient(["gpt-4.1-nano", "gpt-4.1-mimi"])


@pytest.mark.parametrize(
    "settings",
    [
        {"extra_headers": {"x-secret": "sk-hidden\n"}},
        {"api_key": "sk-hidden sk-hidden"},
        {"env": ["sk-hidden"]},
        {"base_url": "http://user:sk-hidden@h/v1"},
        {"base_url": "http://h/v1?key=sk-hidden"},
    ],
    ids=repr,
)
def test_a_refusal_does_not_tell_what_may_be_a_key(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        LLMClient(**settings)

    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "tools",
    ["search", {"type": "function"}, 5, [5], [Tool("fine"), "search"], [None], [["x"]], Tool("alone")],
    ids=repr,
)
def test_tools_are_checked_at_the_call_and_nothing_is_sent(
    tools: Any, fake_provider: FakeProvider, connect: Connect
) -> None:
    client = connect(fake_provider)

    with pytest.raises(ConfigError, match="tools"):
        client.process_prompts_sync(["x"], show_progress=False, tools=tools)
    with pytest.raises(ConfigError, match="tools"):
        client.process_prompts_iter(["x"], show_progress=False, tools=tools)

    assert fake_provider.ledger == []
    assert client.tracker.snapshot().total is None


def test_tools_may_be_any_iterable_of_both_forms(fake_provider: FakeProvider, connect: Connect) -> None:
    ready = {"type": "function", "function": {"name": "ready", "parameters": {"type": "object", "properties": {}}}}

    tools: Any = iter([Tool("ours"), ready])
    connect(fake_provider).process_prompts_sync(["x", "y"], show_progress=False, tools=tools)

    sent = [[tool["function"]["name"] for tool in record.json["tools"]] for record in fake_provider.ledger]
    assert sent == [["ours", "ready"]] * 2
