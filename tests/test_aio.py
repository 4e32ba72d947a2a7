"""The awaitable calls: many loops, many calls, a full executor, cancelling. The provider's ledger judges."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from deluge_sync import APIResponse, LLMClient
from deluge_sync.aio import bridge
from deluge_sync.errors import ClientClosedError, ConfigError, MissingKeyError
from deluge_sync.testing import FakeProvider, Reply, RequestRecord

Factory = Callable[..., FakeProvider]
Connect = Callable[..., LLMClient]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients of a provider without limits, and closes them."""
    with ExitStack() as stack:

        def make(provider: FakeProvider, **settings: Any) -> LLMClient:
            placed: dict[str, Any] = {"base_url": provider.openai_url, "api_key": "sk-test"}
            unlimited = {"max_requests_per_minute": 10_000_000, "max_tokens_per_minute": 10**12}
            return stack.enter_context(LLMClient(**{**unlimited, **placed, **settings}))

        yield make


async def ask(client: LLMClient, *prompts: str) -> list[str | None]:
    return await client.process_prompts_async(prompts, return_completions_only=True, show_progress=False)


def said(*prompts: str) -> list[str]:
    return [f"You said: {prompt}" for prompt in prompts]


def test_two_hundred_calls_at_once_each_get_their_own_answers(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    async def main() -> list[list[str | None]]:
        return await asyncio.gather(*[ask(client, f"{n} a", f"{n} b") for n in range(200)])

    assert asyncio.run(main()) == [said(f"{n} a", f"{n} b") for n in range(200)]
    assert len(fake_provider.ledger) == 400
    wait_until(lambda: call_threads() == [])


def test_several_loops_in_several_threads_share_one_client(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    together = threading.Barrier(8)

    async def main(number: int) -> list[list[str | None]]:
        together.wait(10)
        return [await ask(client, f"{number} {n}") for n in range(5)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: asyncio.run(main(number)), range(8)))

    assert answers == [[said(f"{number} {n}") for n in range(5)] for number in range(8)]


def test_a_loop_whose_executor_is_exhausted_still_gets_its_answer(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    client, release = connect(fake_provider), threading.Event()

    async def main() -> list[str | None]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        stuck = [loop.run_in_executor(None, release.wait, 30) for _ in range(3)]
        try:
            async with asyncio.timeout(10):
                return await ask(client, "x")
        finally:
            release.set()
            await asyncio.gather(*stuck)

    assert asyncio.run(main()) == said("x")


def test_a_callers_context_variables_reach_the_prompts_and_the_answers(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")
    seen: list[str] = []

    def note(response: APIResponse) -> APIResponse:
        seen.append(tenant.get())
        return response

    def prompts() -> Iterator[str]:
        yield tenant.get()

    client = connect(fake_provider, postprocess=note)

    async def main() -> list[str | None]:
        tenant.set("acme")
        return await client.process_prompts_async(prompts(), return_completions_only=True, show_progress=False)

    assert asyncio.run(main()) == said("acme")
    assert seen == ["acme"]


class OwnError(Exception):
    """Raised by a caller's own prompts."""


def test_an_exception_passes_and_ends_the_call(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.hang(60))
    client = connect(provider)

    def prompts() -> Iterator[str]:
        yield "never answered"
        wait_until(lambda: len(provider.ledger) == 1)
        raise OwnError("mine")

    async def main() -> None:
        await client.process_prompts_async(prompts(), show_progress=False)

    with pytest.raises(OwnError, match="mine"):
        asyncio.run(main())
    wait_until(lambda: client.tracker.snapshot().cancelled == 1)


def test_wrong_use_raises_where_it_is_awaited(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    with pytest.raises(ConfigError, match="service_tier"):
        asyncio.run(client.process_prompts_async(["x"], service_tier="gold"))
    with pytest.raises(MissingKeyError):
        asyncio.run(LLMClient(env={}).process_prompts_async(["x"]))
    client.close()
    with pytest.raises(ClientClosedError):
        asyncio.run(client.process_prompts_async(["x"]))

    assert fake_provider.ledger == []


def test_cancelling_one_call_leaves_the_others_alone(fake_provider_factory: Factory, connect: Connect) -> None:
    release = threading.Event()

    def hold(record: RequestRecord) -> Reply | None:
        if b"doomed" in record.body:
            return Reply.hang(60)
        release.wait(10)
        return None

    provider = fake_provider_factory(script=hold)
    client = connect(provider)

    async def main() -> list[list[str | None]]:
        kept = [asyncio.create_task(ask(client, f"kept {n}")) for n in range(5)]
        doomed = [asyncio.create_task(ask(client, f"doomed {n}")) for n in range(5)]
        while len(provider.ledger) < 10:
            await asyncio.sleep(0.001)
        for task in doomed:
            task.cancel()
        results = await asyncio.gather(*doomed, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 5
        release.set()
        return await asyncio.gather(*kept)

    assert asyncio.run(main()) == [said(f"kept {n}") for n in range(5)]
    assert len(provider.ledger) == 10
    wait_until(lambda: client.tracker.snapshot().cancelled == 5)
    assert client.tracker.snapshot().answered == 5


def test_a_prompt_that_is_read_after_the_cancelling_is_not_sent(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    is_reading, is_cancelled = threading.Event(), threading.Event()

    def prompts() -> Iterator[str]:
        is_reading.set()
        assert is_cancelled.wait(10)
        yield "too late"
        yield "much too late"

    async def main() -> None:
        task = asyncio.create_task(client.process_prompts_async(prompts(), show_progress=False))
        while not is_reading.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        is_cancelled.set()

    asyncio.run(main())
    wait_until(lambda: call_threads() == [])
    wait_until(lambda: client.tracker.snapshot().queued + client.tracker.snapshot().in_flight == 0)

    assert fake_provider.ledger == []
    assert client.tracker.snapshot().cancelled == 1


def test_a_coroutine_that_is_thrown_away_cancels_its_prompts(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.hang(60))
    client = connect(provider)

    async def main() -> None:
        thrown_away = ask(client, "x")
        thrown_away.send(None)
        while not provider.ledger:
            await asyncio.sleep(0.001)
        thrown_away.close()

    asyncio.run(main())

    wait_until(lambda: client.tracker.snapshot().cancelled == 1)


def test_a_call_that_was_cancelled_before_its_thread_ran_does_nothing() -> None:
    outcome: Future[int] = Future()
    outcome.cancel()

    bridge._resolve(outcome, lambda: pytest.fail("it must not run"))

    assert outcome.cancelled()


def test_a_loop_that_ends_meanwhile_leaves_no_trace(
    fake_provider_factory: Factory, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.hang(60))
    client = connect(provider)

    async def main() -> None:
        task = asyncio.create_task(ask(client, "x"))
        while not provider.ledger:
            await asyncio.sleep(0.001)
        assert not task.done()  # asyncio.run cancels it

    asyncio.run(main())
    wait_until(lambda: call_threads() == [])
    gc.collect()

    assert caplog.records == []
    assert client.tracker.snapshot().answered == 0


def call_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "deluge-sync-call"]


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a state that another thread brings about; bounded."""
    give_up_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.001)
