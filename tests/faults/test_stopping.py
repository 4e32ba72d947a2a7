"""Ctrl-C, close and the end of the process: prompt, without a thread left waiting and without an answer lost."""

from __future__ import annotations

import contextvars
import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation, LLMClient
from deluge_sync.errors import ClientClosedError
from deluge_sync.testing import FakeProvider, Reply, RequestRecord

_NO_LIMITS = "max_requests_per_minute=10_000_000, max_tokens_per_minute=10**12"

# 40 prompts are answered, 100 hang and 60 wait behind them; the program says when Ctrl-C may come, and how it went.
_INTERRUPTED = f"""
import sys, threading, time
from deluge_sync import Interrupted, LLMClient

client = LLMClient(base_url=sys.argv[1], api_key="k", max_concurrent_requests=100, {_NO_LIMITS})

def tell():
    while (seen := client.tracker.snapshot()).in_flight < 100 or seen.answered < 40:
        time.sleep(0.005)
    print("ready", flush=True)

threading.Thread(target=tell, daemon=True).start()
prompts = [("quick" if number < 40 else "hangs") + f" {{number}}" for number in range(200)]
try:
    client.process_prompts_sync(prompts, show_progress=sys.argv[2] == "shown")
except KeyboardInterrupt as interrupted:
    raised = time.monotonic()
    assert type(interrupted) is Interrupted
    answers = [response and response.completion for response in interrupted.responses]
    expected = [f"You said: {{prompt}}" if prompt.startswith("quick") else None for prompt in prompts]
    while client.tracker.snapshot().in_flight:
        time.sleep(0.005)
    print(raised, answers == expected, time.monotonic(), flush=True)
"""


def hang(record: RequestRecord) -> Reply | None:
    return Reply.hang(60) if record.json["messages"][-1]["content"].startswith("hangs") else None


@pytest.mark.parametrize("display", ["shown", "hidden"])
def test_the_first_ctrl_c_ends_it_within_a_second_with_every_answer_in_place(
    display: str,
    fake_provider_factory: Callable[..., FakeProvider],
    program: Callable[..., Any],
    wait_until: Callable[..., None],
    record_property: Callable[[str, object], None],
) -> None:
    provider = fake_provider_factory(script=hang)
    running = program(_INTERRUPTED, provider.openai_url, display)
    assert running.line() == "ready"
    wait_until(lambda: len(provider.ledger) == 140)
    interrupted_at = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    raised_at, all_in_place, cut_at = running.line().split()
    status, _, err = running.end()

    raised_s, cut_s = float(raised_at) - interrupted_at, float(cut_at) - interrupted_at
    record_property("Ctrl-C", f"raised after {raised_s:.3f} s, all 100 cut after {cut_s:.3f} s")
    assert raised_s < 1
    assert cut_s < 1.5
    assert (all_in_place, status) == ("True", 0), err
    assert len(provider.ledger) == 140


# The callback keeps its worker busy, so that the first Ctrl-C has something to wait for: the second one must not.
_INTERRUPTED_TWICE = f"""
import sys, threading, time
from deluge_sync import LLMClient

def forever(response):
    print("busy", flush=True)
    time.sleep(600)

with LLMClient(base_url=sys.argv[1], api_key="k", postprocess=forever, {_NO_LIMITS}) as client:
    try:
        client.process_prompts_sync(["x"], show_progress=False)
    finally:
        print("stopping", flush=True)
"""


def test_the_second_ctrl_c_ends_the_process_at_once(
    fake_provider: FakeProvider, program: Callable[..., Any], own_time: Callable[[], float]
) -> None:
    running = program(_INTERRUPTED_TWICE, fake_provider.openai_url)
    assert running.line() == "busy"
    running.process.send_signal(signal.SIGINT)
    assert running.line() == "stopping"  # and now `close` waits some seconds for the worker
    again_at = own_time()
    running.process.send_signal(signal.SIGINT)
    status, _, err = running.end()

    assert own_time() - again_at < 1.5
    assert status in (130, -signal.SIGINT), err


_LEFT_ALONE = f"""
import atexit, sys, threading, time
from deluge_sync import LLMClient

client = LLMClient(base_url=sys.argv[1], api_key="k", {_NO_LIMITS})
call = lambda: client.process_prompts_sync(["hangs"] * 100, show_progress=False)
caller = threading.Thread(target=call, daemon=True)
caller.start()
while client.tracker.snapshot().in_flight < 100 and caller.is_alive():
    time.sleep(0.005)
print(time.monotonic(), flush=True)
"""


def test_calls_that_hang_do_not_keep_a_process_alive_that_is_at_its_end(
    fake_provider_factory: Callable[..., FakeProvider],
    program: Callable[..., Any],
    record_property: Callable[[str, object], None],
) -> None:
    running = program(_LEFT_ALONE, fake_provider_factory(script=hang).openai_url)
    main_ended_at = float(running.line())
    status, _, err = running.end()

    took_s = time.monotonic() - main_ended_at
    record_property("end of the process", f"{took_s:.3f} s after the end of main with 100 calls in flight")
    assert (status, err) == (0, "")
    assert took_s < 1.5


def test_closing_from_another_thread_ends_500_queued_prompts(
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    wait_until: Callable[..., None],
    own_threads: Callable[[], list[str]],
    own_time: Callable[[], float],
) -> None:
    provider = fake_provider_factory(script=hang)
    client = connect(provider, max_concurrent_requests=8)
    prompts = [f"quick {number}" for number in range(10)] + [f"hangs {number}" for number in range(500)]
    got: dict[int, APIResponse] = {}
    problem: list[Exception] = []

    def call() -> None:
        try:
            got.update(enumerate(client.process_prompts_sync(prompts, show_progress=False)))
        except ClientClosedError as error:
            problem.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: len(provider.ledger) == 18 and client.tracker.snapshot().queued == 492)
    started = own_time()
    client.close()
    caller.join(5)

    assert own_time() - started < 1.5
    assert not caller.is_alive()
    assert problem == []
    assert [got[place].completion for place in range(10)] == [f"You said: quick {place}" for place in range(10)]
    assert {got[place].error_kind for place in range(10, 510)} == {"cancelled"}
    assert len(provider.ledger) == 18
    assert own_threads() == []


class RaisingCache:
    """Fails at everything, in the ways users' code fails."""

    def get(self, _prompt: Conversation) -> APIResponse | None:
        raise KeyError("no such row")

    def put(self, _prompt: Conversation, _response: APIResponse) -> None:
        raise RecursionError("too deep")


def test_user_code_that_raises_costs_no_answer(
    fake_provider: FakeProvider, connect: Callable[..., LLMClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_response: APIResponse) -> APIResponse:
        raise ZeroDivisionError("mine")

    class BrokenTerminal:
        encoding = "utf-8"

        def isatty(self) -> bool:
            raise OSError("gone")

        def write(self, _text: str) -> int:
            raise OSError("gone")

        def flush(self) -> None:
            raise OSError("gone")

    client = connect(fake_provider, postprocess=explode, cache=RaisingCache())
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", BrokenTerminal())
        responses = client.process_prompts_sync([f"{number}" for number in range(50)])

    assert [response.completion for response in responses] == [f"You said: {number}" for number in range(50)]
    assert all("ZeroDivisionError: mine" in str(response.error_message) for response in responses)
    assert len(fake_provider.ledger) == 50


@pytest.mark.parametrize("fatal", [SystemExit("mine"), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_user_code_that_would_end_the_thread_costs_no_answer(
    fatal: BaseException, fake_provider: FakeProvider, connect: Callable[..., LLMClient]
) -> None:
    def leave(response: APIResponse) -> APIResponse:
        if response.id % 10 == 0:
            raise fatal
        return response

    client = connect(fake_provider, postprocess=leave, max_concurrent_requests=4)

    responses = client.process_prompts_sync([f"{number}" for number in range(50)], show_progress=False)

    assert [response.completion for response in responses] == [f"You said: {number}" for number in range(50)]


def test_a_postprocess_that_returns_nothing_costs_no_answer(
    fake_provider: FakeProvider, connect: Callable[..., LLMClient], caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(fake_provider, postprocess=lambda _: None)

    with caplog.at_level(logging.WARNING):
        [response] = client.process_prompts_sync(["x"], show_progress=False)

    assert response is not None
    assert response.completion == "You said: x"


WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


class NotingCache:
    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.told: set[str] = set()

    def get(self, _prompt: Conversation) -> APIResponse | None:
        self.asked.add(WHO.get())
        return None

    def put(self, _prompt: Conversation, _response: APIResponse) -> None:
        self.told.add(WHO.get())


@pytest.mark.parametrize("call", ["sync", "iter"])
def test_user_code_sees_the_context_variables_of_its_caller(
    call: str, fake_provider_factory: Callable[..., FakeProvider], connect: Callable[..., LLMClient]
) -> None:
    provider = fake_provider_factory(script=[Reply.error(500)] * 3)  # a retry loses them no more than a first attempt
    cache, seen = NotingCache(), {"me": set[str](), "you": set[str]()}

    def note(response: APIResponse) -> APIResponse:
        seen[str(response.completion).split()[-1]].add(WHO.get())
        return response

    client = connect(provider, cache=cache, postprocess=note)

    def ask(name: str) -> None:
        WHO.set(name)
        if call == "sync":
            client.process_prompts_sync([name] * 20, show_progress=False)
        else:
            list(client.process_prompts_iter([name] * 20, show_progress=False))

    threads = [threading.Thread(target=contextvars.Context().run, args=(ask, name)) for name in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert seen == {"me": {"me"}, "you": {"you"}}
    assert cache.asked == cache.told == {"me", "you"}
