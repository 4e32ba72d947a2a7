"""Answers one by one as they come: in a loop, with asynchronous prompts, and with memory that stays flat."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.errors import ClientClosedError, ConfigError
from deluge_sync.testing import FakeProvider

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]


def wait_until(is_so: Callable[[], bool], *, seconds: float = 20) -> None:
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.001)


def iterating() -> int:
    return sum(thread.name == "deluge-sync-iter" for thread in threading.enumerate())


async def collect(client: LLMClient, prompts: Any, **how: Any) -> dict[int, str | None]:
    answers = client.process_prompts_iter_async(prompts, show_progress=False, **how)
    return {position: response.completion async for position, response in answers}


def test_every_answer_comes_with_its_position(fake_provider: FakeProvider, connect: Connect) -> None:
    answers = asyncio.run(collect(connect(fake_provider), (f"{n}" for n in range(300))))

    assert answers == {n: f"You said: {n}" for n in range(300)}
    wait_until(lambda: not iterating())


def test_prompts_may_come_asynchronously(fake_provider: FakeProvider, connect: Connect) -> None:
    async def prompts() -> AsyncIterator[str]:
        for number in range(100):
            await asyncio.sleep(0)
            yield f"{number}"

    assert asyncio.run(collect(connect(fake_provider), prompts())) == {n: f"You said: {n}" for n in range(100)}


def test_one_prompt_and_none(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    assert asyncio.run(collect(client, "x")) == {0: "You said: x"}
    assert asyncio.run(collect(client, [])) == {}


def test_no_more_prompts_are_read_than_may_be_under_way(fake_provider: FakeProvider, connect: Connect) -> None:
    """However slowly the answers are taken: twice the concurrency, and the one that is in the hands of the caller."""
    client = connect(fake_provider, max_concurrent_requests=5)
    read = taken = most = 0

    def prompts() -> Iterator[str]:
        nonlocal read
        for number in range(200):
            read += 1
            yield f"{number}"

    async def main() -> None:
        nonlocal taken, most
        async for _ in client.process_prompts_iter_async(prompts(), show_progress=False):
            most = max(most, read - taken)
            taken += 1

    asyncio.run(main())
    assert taken == 200
    assert most <= 11


def test_leaving_early_cancels_the_rest(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(latency_s=0.01)
    client = connect(provider, max_concurrent_requests=5)

    async def main() -> None:
        answers = client.process_prompts_iter_async((f"{n}" for n in range(10**6)), show_progress=False)
        async for _ in answers:
            break
        await answers.aclose()

    asyncio.run(main())
    wait_until(lambda: not iterating())
    wait_until(lambda: client.tracker.snapshot().in_flight == client.tracker.snapshot().queued == 0)
    assert len(provider.ledger) <= 11


def test_cancelling_the_task_ends_it_even_where_prompts_do_not_come(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    was_ended = threading.Event()

    async def prompts() -> AsyncIterator[str]:
        try:
            await asyncio.Event().wait()
            yield "never"
        finally:
            was_ended.set()

    async def main() -> None:
        task = asyncio.create_task(collect(connect(fake_provider), prompts()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert was_ended.wait(10)
    wait_until(lambda: not iterating())


def test_what_the_prompts_raise_is_raised(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    async def asynchronous() -> AsyncIterator[str]:
        yield "x"
        raise LookupError("no more")

    def plain() -> Iterator[str]:
        yield "x"
        raise LookupError("no more")

    for prompts in (asynchronous, plain):
        with pytest.raises(LookupError, match="no more"):
            asyncio.run(collect(client, prompts()))


def test_what_on_response_raises_is_raised(fake_provider: FakeProvider, connect: Connect) -> None:
    def disk_full(_position: int, _response: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        asyncio.run(collect(connect(fake_provider), ["x"], on_response=disk_full))


def test_wrong_arguments_and_a_closed_client_are_told(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    with pytest.raises(ConfigError):
        asyncio.run(collect(client, 7))
    with pytest.raises(ConfigError):
        asyncio.run(collect(client, ["x"], service_tier="x"))
    client.close()
    with pytest.raises(ClientClosedError):
        asyncio.run(collect(client, ["x"]))


_PROGRAM = """
import asyncio, sys
from pathlib import Path
from deluge_sync import LLMClient

PAGE = "The quick brown fox jumps over the lazy dog. " * 1_000  # 45 KB
COUNT = 1_000

def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 1e6

class Watch:
    def __init__(self):
        self.seen, self.first, self.most = 0, 0.0, 0.0
    def note(self):
        self.seen += 1
        if self.seen % 100 == 0:
            now = megabytes()
            self.first = self.first or (now if self.seen >= 300 else 0.0)
            self.most = max(self.most, now)

client = LLMClient("gpt-4.1-mini", base_url=sys.argv[1], api_key="sk-test-0123456789", max_concurrent_requests=8,
                   max_requests_per_minute=10**7, max_tokens_per_minute=10**11, max_cost=10_000.0)
watch = Watch()
prompts = (f"{number} {PAGE}" for number in range(COUNT))

def blocking():
    for _ in client.process_prompts_iter(prompts, show_progress=False, max_cost=1_000.0):
        watch.note()

async def asynchronous():
    async for _ in client.process_prompts_iter_async(prompts, show_progress=False):
        watch.note()

def tasks():
    for prompt in prompts:
        client.start_nowait(prompt)
        if len(client._tasks.all_kept()) >= 16:
            for _ in client.as_completed_sync():
                watch.note()
                break

if sys.argv[2] == "asynchronous":
    asyncio.run(asynchronous())
else:
    {"blocking": blocking, "tasks": tasks}[sys.argv[2]]()
print(watch.seen, watch.most - watch.first)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize("way", ["blocking", "asynchronous", "tasks"])
def test_memory_stays_flat_however_many_prompts_there_are(fake_provider_factory: Factory, way: str) -> None:
    """1,000 pages of 45 KB, which are 45 MB; each is there as text, in parts, as JSON and in bytes."""
    provider = fake_provider_factory(keep_bodies=False, script=lambda _: None)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, provider.openai_url, way],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    seen, grown_mb = done.stdout.split()
    assert int(seen) > 900
    assert float(grown_mb) < 20
