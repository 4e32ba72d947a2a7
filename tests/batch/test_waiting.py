"""Waiting: pauses, being left by Ctrl-C or by a task that is cancelled, batches of others, what is shown meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import Conversation, File, LLMClient
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync.batch import planning
from deluge_sync.batch.patience import Pacer, Patience, StoppedError, is_unclear
from deluge_sync.batch.wire import CallFailedError
from deluge_sync.errors import BatchError, ConfigError
from deluge_sync.testing import BatchPace, FakeProvider, Reply, RequestRecord

QUICK: dict[str, Any] = {"poll_interval": 0.02, "show_progress": False}
PROMPTS = [f"prompt number {number}" for number in range(5)]
TEXTS = [f"You said: {prompt}" for prompt in PROMPTS]


def texts(responses: list[Any]) -> list[str]:
    return [response.completion for response in responses]


# --- pauses


def test_pauses_grow_by_half_up_to_the_longest_and_are_drawn_from_zero() -> None:
    patience = Patience(first_s=2, longest_s=10)
    assert [patience.pause_s(times, 1.0) for times in range(6)] == [2, 3, 4.5, 6.75, 10, 10]
    assert patience.pause_s(3, 0.0) == 0
    assert patience.pause_s(3, 0.5) == 3.375
    assert patience.pause_s(10**9, 1.0) == 10


def test_a_hint_is_waited_for_but_no_longer_than_two_minutes() -> None:
    patience = Patience(first_s=2, longest_s=10)
    assert patience.pause_s(0, 0.5, hint_s=30) == 30
    assert patience.pause_s(0, 0.5, hint_s=3_600) == 120
    assert patience.pause_s(5, 1.0, hint_s=3) == 10


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def failing(kinds: list[FailureKind]) -> Callable[[], str]:
    left = iter(kinds)

    def work() -> str:
        kind = next(left, None)
        if kind is not None:
            raise CallFailedError(Failure(kind, kind.value))
        return "done"

    return work


def test_what_fails_for_a_passing_reason_is_tried_again_after_growing_pauses() -> None:
    clock = Clock()
    pacer = Pacer(Patience(2, 60, attempts=3), clock=clock, chance=lambda: 1.0, wait=clock.wait)

    assert pacer.insist(failing([FailureKind.SERVER, FailureKind.TIMEOUT])) == "done"
    assert clock.now == pytest.approx(2 + 3)
    with pytest.raises(CallFailedError, match="connect"):
        pacer.insist(failing([FailureKind.CONNECT] * 3))
    with pytest.raises(CallFailedError, match="auth"):
        pacer.insist(failing([FailureKind.AUTH]))
    assert clock.now == pytest.approx(2 * (2 + 3))


def test_a_stop_ends_a_wait_in_another_thread_at_once() -> None:
    pacer = Pacer(Patience())
    stopped = threading.Event()

    def wait() -> None:
        with pytest.raises(StoppedError):
            pacer.wait(3_600)
        stopped.set()

    threading.Thread(target=wait, daemon=True).start()
    pacer.stop()
    assert stopped.wait(10)


@pytest.mark.parametrize(
    ("status", "is_processed", "expected"),
    [(None, True, True), (None, False, False), (500, True, True), (400, True, False), (200, True, True)],
)
def test_only_a_refusal_and_a_failed_connection_are_clear(
    status: int | None, is_processed: bool, expected: bool
) -> None:
    failure = Failure(FailureKind.SERVER, "x", status, may_have_been_processed=is_processed)
    assert is_unclear(failure) is expected


# --- leaving

WAIT = """
import sys
from deluge_sync import LLMClient
from deluge_sync.errors import BatchInterrupted

client = LLMClient("gpt-4.1-mini", base_url=sys.argv[1], api_key="sk-test-0123456789")
ids = client.submit_batch_job_sync(["one", "two"], manifest=sys.argv[2])
try:
    client.wait_for_batch_job_sync(ids, "openai", poll_interval=0.02, show_progress=False)
except BatchInterrupted as interrupted:
    print(interrupted)
    raise SystemExit(0 if str(interrupted.manifest) == sys.argv[2] else 1)
"""


def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on(
    cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider], tmp_path: Path
) -> None:
    case, looked = cases["openai"], threading.Event()
    provider = fake_provider_factory(batches=BatchPace(polls=1_000_000))
    provider.use_script(lambda record: looked.set() if case.is_look(record) else None)
    manifest = tmp_path / "job.jsonl"
    arguments = [sys.executable, "-c", WAIT, provider.openai_url, str(manifest)]

    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert looked.wait(30)
        os.kill(process.pid, signal.SIGINT)
        printed, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert f"client.resume_batch_job_sync({str(manifest)!r})" in printed
    assert f"python -m deluge_sync batch wait {manifest}" in printed
    assert connect(case, provider).batch_job_status_sync(manifest).state == "running"
    assert not any("cancel" in record.path for record in provider.ledger)


def test_a_ctrl_c_while_prompts_are_read_leaves_nothing_behind(
    cases: Any, connect: Any, fake_provider: FakeProvider, state_home: Path
) -> None:
    def prompts() -> Iterator[str]:
        yield "one"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        connect(cases["openai"], fake_provider).submit_batch_job_sync(prompts())

    assert type(caught.value) is KeyboardInterrupt
    assert [path for path in state_home.rglob("*") if path.is_file()] == []
    assert fake_provider.ledger == []


def test_a_submission_whose_task_is_cancelled_sends_nothing_more(
    cases: Any, connect: Any, fake_provider: FakeProvider, state_home: Path
) -> None:
    client: LLMClient = connect(cases["openai"], fake_provider)
    reading, cancelled = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def prompts() -> Iterator[str]:
        yield "one"
        threads.append(threading.current_thread())
        reading.set()
        cancelled.wait(10)
        yield from PROMPTS

    async def work() -> None:
        task = asyncio.ensure_future(client.submit_batch_job(prompts()))
        while not reading.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        cancelled.set()

    asyncio.run(work())

    threads[0].join(10)
    assert not threads[0].is_alive()
    assert fake_provider.ledger == []
    assert [path for path in state_home.rglob("*") if path.is_file()] == []


def test_the_awaitable_twins_do_the_same(cases: Any, connect: Any, fake_provider: FakeProvider) -> None:
    client: LLMClient = connect(cases["openai"], fake_provider)

    async def work() -> list[Any]:
        ids = await client.submit_batch_job(PROMPTS, batch_size=2)
        status = await client.batch_job_status(ids.manifest)
        assert status.state == "running"
        assert await client.send_batch_job(ids.manifest) == ids
        waited = await client.wait_for_batch_job(ids, "openai", **QUICK)
        await client.cancel_batch_job(ids)
        return [waited, await client.resume_batch_job(ids.manifest, **QUICK)]

    waited, resumed = asyncio.run(work())
    assert texts(waited) == texts(resumed) == TEXTS


def test_a_cancelled_task_ends_the_wait_and_not_the_job(
    cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    provider = fake_provider_factory(batches=BatchPace(polls=1_000_000))
    client: LLMClient = connect(cases["openai"], provider)
    ids = client.submit_batch_job_sync(PROMPTS)

    async def work() -> None:
        await asyncio.wait_for(client.wait_for_batch_job(ids, "openai", **QUICK), timeout=0.3)

    with pytest.raises(TimeoutError):
        asyncio.run(work())

    assert client.batch_job_status_sync(ids.manifest).state == "running"
    # The thread that waited lets go of the job.
    for _ in range(200):
        try:
            client.send_batch_job_sync(ids.manifest)
            break
        except BatchError:  # it is being worked on
            threading.Event().wait(0.05)
    client.cancel_batch_job_sync(ids)
    assert len(client.wait_for_batch_job_sync(ids, **QUICK)) == len(PROMPTS)


def test_answers_can_be_had_one_by_one_and_the_loop_left_early(
    cases: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    client: LLMClient = connect(cases["openai"], fake_provider)
    ids = client.submit_batch_job_sync(PROMPTS)

    answers = client.iter_batch_job(ids.manifest, **QUICK)
    first = next(answers)
    answers.close()

    assert (first[0], first[1].completion) == (0, TEXTS[0])
    assert [position for position, _ in client.iter_batch_job(ids.manifest, **QUICK)] == list(range(5))


# --- batches of others


def test_a_batch_of_another_that_was_taken_for_ours_is_told_by_its_results(
    cases: Any, connect: Any, fake_provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Anthropic's batches have no names: another client's order of as many requests is all that is there to be seen."""
    case, client = cases["anthropic"], connect(cases["anthropic"], fake_provider)
    other: LLMClient = connect(case, fake_provider)
    strangers = [f"of somebody else {number}" for number in range(5)]
    orders: Iterator[int] = itertools.count()

    def script(record: RequestRecord) -> Reply | None:
        if not case.is_creation(record) or next(orders) != 0:
            return None
        other.submit_batch_job_sync(strangers)
        return Reply.raw(502, {}, b"<html>bad gateway</html>")  # ours never got there

    fake_provider.use_script(script)
    with caplog.at_level(logging.WARNING):
        responses = client.wait_for_batch_job_sync(client.submit_batch_job_sync(PROMPTS), **QUICK)

    assert texts(responses) == TEXTS
    assert "is another's" in caplog.text
    assert case.bought(fake_provider) == 2


# --- what is fetched


def test_a_file_at_a_url_is_fetched_before_it_is_sent(
    cases: Any, connect: Any, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fetcher:
        """Gives what is at a URL, or that there is nothing."""

        def fill(self, conversation: Conversation, _api_spec: str) -> Conversation:
            if "missing" in str(conversation.messages[0].parts[1]):
                raise ConfigError("it cannot be fetched")
            return Conversation.user("read", file=File(b"%PDF-1.4 what is in it", media_type="application/pdf"))

        def close(self) -> None:
            """Holds nothing."""

    monkeypatch.setattr("deluge_sync.batch.submitting.Fetcher", Fetcher)
    client = connect(cases["openai"], fake_provider)
    there = Conversation.user("read", file=File("https://example.com/there.pdf"))
    missing = Conversation.user("read", file=File("https://example.com/missing.pdf"))
    prompts = [there if number % 3 else missing for number in range(40)] + ["plain"]

    ids = client.submit_batch_job_sync(prompts)
    responses = client.wait_for_batch_job_sync(ids, **QUICK)

    expected = [None if number % 3 else "bad_request" for number in range(40)] + [None]
    assert [response.error_kind for response in responses] == expected
    assert responses[1].prompt == there
    assert responses[40].completion == "You said: plain"
    assert planning._FETCHED_AT_ONCE < 40


# --- what is shown


def test_progress_counts_what_the_provider_tells(
    cases: Any, connect: Any, fake_provider_factory: Callable[..., FakeProvider], caplog: pytest.LogCaptureFixture
) -> None:
    provider = fake_provider_factory(batches=BatchPace(failing={1: 400}))
    client = connect(cases["openai"], provider, progress="manual", name="colours")

    with caplog.at_level(logging.INFO):
        client.wait_for_batch_job_sync(client.submit_batch_job_sync([*PROMPTS, {"no": "prompt"}]), poll_interval=0.02)

    assert "colours: 5 of 6 answered, 1 failed" in caplog.text
