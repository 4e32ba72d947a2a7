"""Tasks of a client against the embedded provider: started now, asked for later, by whoever and however often."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deluge_sync import APIResponse, LLMClient
from deluge_sync.errors import ClientClosedError, ConfigError, Interrupted, UnknownTaskError
from deluge_sync.testing import FakeProvider, Reply, RequestRecord

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]


def wait_until(is_so: Callable[[], bool], *, seconds: float = 20) -> None:
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.001)


class Gate:
    """A provider that answers prompts with "slow" in them only when the gate is opened."""

    def __init__(self, make: Factory) -> None:
        self.opened = threading.Event()
        self.provider = make(script=self._script)

    def _script(self, record: RequestRecord) -> Reply | None:
        if b"slow" in record.body:
            assert self.opened.wait(60)
        return None


@pytest.fixture
def gate(fake_provider_factory: Factory) -> Iterator[Gate]:
    gate = Gate(fake_provider_factory)
    yield gate
    gate.opened.set()


# --- starting and waiting


def test_tasks_are_answered_and_handed_out_in_the_order_asked_for(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    client = connect(fake_provider)
    ids = [client.start_nowait(f"{n}") for n in range(5)]

    assert client.wait_for_sync(ids[3]).completion == "You said: 3"
    assert [each.completion for each in client.wait_for_all_sync([ids[2], ids[0]])] == ["You said: 2", "You said: 0"]
    rest = client.wait_for_all_sync()
    assert [each.id for each in rest] == [ids[1], ids[4]]
    assert client.wait_for_all_sync() == []


def test_start_sync_gives_the_answer(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    assert client.start_sync("x").completion == "You said: x"
    assert client.wait_for_all_sync() == []


def test_what_was_handed_out_is_forgotten(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    task_id = client.start_nowait("x")
    client.wait_for_sync(task_id)

    for again in (client.wait_for_sync, client.cancel):
        with pytest.raises(UnknownTaskError):
            again(task_id)
    with pytest.raises(UnknownTaskError):
        client.wait_for_all_sync([task_id])
    with pytest.raises(UnknownTaskError):
        next(client.as_completed_sync([task_id]))
    assert client._tasks.all_kept() == []
    assert client._tasks._watches == []


def test_one_id_twice_gives_one_response_twice(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    task_id = client.start_nowait("x")

    first, second = client.wait_for_all_sync([task_id, task_id])
    assert first is second


@pytest.mark.parametrize("wrong", [7, "7", [None]])
def test_ids_that_are_none(fake_provider: FakeProvider, connect: Connect, wrong: Any) -> None:
    with pytest.raises((ConfigError, UnknownTaskError)):
        connect(fake_provider).wait_for_all_sync(wrong)


def test_wrong_arguments_begin_nothing(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    begin: Callable[..., object] = client.start_nowait
    for wrong in ({"service_tier": "first class"}, {"cache": "x"}, {"prefer_model": "x"}, {"tools": "x"}):
        with pytest.raises(ConfigError):
            begin("x", **wrong)
    with pytest.raises(ConfigError):
        begin(7)
    with pytest.raises(ConfigError):
        client.wait_for_all_sync(timeout=-1)

    assert client.tracker.snapshot().total in (None, 0)
    assert client._tasks.all_kept() == []


def test_tasks_of_a_wrong_key_are_not_sent_one_by_one(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(api_keys=["another"])
    client = connect(provider, max_concurrent_requests=4)
    ids = [client.start_nowait(f"{n}") for n in range(300)]

    assert {each.error_kind for each in client.wait_for_all_sync(ids)} == {"auth"}
    assert len(provider.ledger) <= 20
    asked = len(provider.ledger)
    client.start_sync("later")  # a later task tries again
    assert len(provider.ledger) == asked + 1


def test_agent_loops_and_tasks_share_no_id(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    task, loop = client.start_nowait("x"), client.start_agent_loop_nowait("x")

    assert task != loop
    with pytest.raises(UnknownTaskError):
        client.wait_for_sync(loop)
    assert client.wait_for_agent_loop_sync(loop)[1].completion == "You said: x"
    assert [each.id for each in client.wait_for_all_sync()] == [task]


# --- as they end


def test_as_completed_gives_what_has_ended_first(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)
    slow = client.start_nowait("slow")
    quick = [client.start_nowait("quick") for _ in range(3)]
    ends = client.as_completed_sync()

    assert {next(ends)[0] for _ in range(3)} == set(quick)
    gate.opened.set()
    assert [task_id for task_id, _ in ends] == [slow]


def test_as_completed_may_be_left_early(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)
    ids = {client.start_nowait("quick"), client.start_nowait("slow"), client.start_nowait("slow too")}
    first = None
    for task_id, _ in client.as_completed_sync():
        first = task_id
        break
    gate.opened.set()

    assert client._tasks._watches == []
    assert {each.id for each in client.wait_for_all_sync()} == ids - {first}


def test_each_task_goes_to_one_of_several_who_ask_for_all(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    ids = [client.start_nowait(f"{n}") for n in range(200)]
    got: list[int] = []

    def take() -> None:
        got.extend(task_id for task_id, _ in client.as_completed_sync())

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(got) == ids


def test_ten_thousand_tasks_need_no_more_threads_than_requests(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_concurrent_requests=16)
    ids = [client.start_nowait(f"{n}") for n in range(10_000)]
    most = 0
    for _ in client.as_completed_sync(ids[:100]):
        most = max(most, sum(thread.name.startswith("deluge-sync-worker") for thread in threading.enumerate()))

    assert most <= 17
    client.close()
    assert len(client.wait_for_all_sync()) == 9_900


# --- what ends a wait early


@pytest.mark.parametrize("wait", ["wait_for_sync", "wait_for_all_sync", "as_completed_sync"])
@pytest.mark.parametrize("keep_running", [True, False])
def test_a_time_limit_ends_the_wait_and_the_task_only_if_asked(
    gate: Gate, connect: Connect, wait: str, keep_running: bool
) -> None:
    client = connect(gate.provider)
    task_id = client.start_nowait("slow")
    wait_until(lambda: len(gate.provider.ledger) == 1)
    waits: dict[str, Callable[..., object]] = {
        "wait_for_sync": lambda **limit: client.wait_for_sync(task_id, **limit),
        "wait_for_all_sync": lambda **limit: client.wait_for_all_sync([task_id], **limit),
        "as_completed_sync": lambda **limit: list(client.as_completed_sync([task_id], **limit)),
    }
    with pytest.raises(TimeoutError, match="1 of 1 tasks"):
        waits[wait](timeout=0, keep_running=keep_running)
    gate.opened.set()

    assert client.wait_for_sync(task_id).error_kind == (None if keep_running else "cancelled")


def test_a_time_limit_of_nothing_gives_what_is_there(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    task_id = client.start_nowait("x")
    wait_until(lambda: client.tracker.snapshot().answered == 1)
    wait_until(client._tasks.find(task_id).future.done)

    assert client.wait_for_sync(task_id, timeout=0).completion == "You said: x"


@pytest.mark.parametrize("keep_running", [True, False])
def test_leaving_as_completed_cancels_only_if_asked(gate: Gate, connect: Connect, keep_running: bool) -> None:
    client = connect(gate.provider)
    client.start_nowait("quick")
    slow = client.start_nowait("slow")
    ends = client.as_completed_sync(keep_running=keep_running)
    next(ends)
    ends.close()
    gate.opened.set()

    assert client.wait_for_sync(slow).error_kind in ((None,) if keep_running else ("cancelled",))


def interrupt_when(is_so: Callable[[], bool]) -> None:
    def interrupt() -> None:
        wait_until(is_so)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()


def test_ctrl_c_gives_what_had_come_and_everything_can_be_waited_for_again(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)
    ids = [client.start_nowait("slow"), client.start_nowait("quick")]
    interrupt_when(lambda: client.tracker.snapshot().answered == 1 and client._tasks.find(ids[1]).future.done())
    with pytest.raises(Interrupted) as interrupted:
        client.wait_for_all_sync()

    first, second = interrupted.value.responses
    assert first is None
    assert second.completion == "You said: quick"
    gate.opened.set()
    assert [each.completion for each in client.wait_for_all_sync(ids)] == ["You said: slow", "You said: quick"]


def test_ctrl_c_ends_the_task_if_asked(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)
    interrupt_when(lambda: len(gate.provider.ledger) == 1)
    with pytest.raises(Interrupted):
        client.start_sync("slow", keep_running=False)

    assert [each.error_kind for each in client.wait_for_all_sync(timeout=20)] == ["cancelled"]


# --- cancelling and closing


def test_cancel_cuts_a_task_off_and_leaves_the_others(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)
    ids = [client.start_nowait("slow"), client.start_nowait("slow too")]
    wait_until(lambda: len(gate.provider.ledger) == 2)

    assert client.cancel(ids[0])
    assert client.wait_for_sync(ids[0], timeout=20).error_kind == "cancelled"
    gate.opened.set()
    assert client.wait_for_sync(ids[1]).completion == "You said: slow too"


def test_a_task_that_has_ended_keeps_its_answer(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    task_id = client.start_nowait("x")
    wait_until(client._tasks.find(task_id).future.done)

    assert not client.cancel(task_id)
    assert client.wait_for_sync(task_id).completion == "You said: x"


def test_cancel_ends_agent_loops_too(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)
    loop = client.start_agent_loop_nowait("slow")
    wait_until(lambda: len(gate.provider.ledger) == 1)

    assert client.cancel(loop)
    assert client.wait_for_agent_loop_sync(loop)[1].error_kind == "cancelled"
    with pytest.raises(UnknownTaskError):
        client.cancel(loop)


def test_a_closed_client_still_hands_out_what_it_has(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)
    quick, slow = client.start_nowait("quick"), client.start_nowait("slow")
    client.wait_for_all_sync([quick], timeout=20)
    later = client.start_nowait("quick")
    wait_until(client._tasks.find(later).future.done)
    client.close()

    assert client.wait_for_sync(later).completion == "You said: quick"
    assert client.wait_for_sync(slow, timeout=20).error_kind == "cancelled"
    with pytest.raises(ClientClosedError, match="open"):
        client.start_nowait("x")
    assert client.wait_for_all_sync() == []


# --- in event loops


def test_starting_needs_no_loop_and_works_in_one(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    before = client.start_nowait("before")

    async def main() -> list[APIResponse]:
        inside = client.start_nowait("inside")
        return [await client.wait_for(before), await client.wait_for(inside), await client.start("awaited")]

    assert [each.completion for each in asyncio.run(main())] == [
        "You said: before",
        "You said: inside",
        "You said: awaited",
    ]
    assert client.wait_for_all_sync() == []


def test_awaiting_all_and_as_they_end(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)

    async def main() -> None:
        slow = client.start_nowait("slow")
        quick = {client.start_nowait("quick") for _ in range(3)}
        first: set[int] = set()
        async for task_id, response in client.as_completed():
            assert response.completion == "You said: quick"
            first.add(task_id)
            if len(first) == 3:
                break
        assert first == quick
        gate.opened.set()
        assert [each.id for each in await client.wait_for_all()] == [slow]
        assert await client.wait_for_all() == []

    asyncio.run(main())
    assert client._tasks._watches == []


@pytest.mark.parametrize("keep_running", [True, False])
@pytest.mark.parametrize("how", ["cancelled", "outer limit", "own limit"])
def test_a_coroutine_that_ends_early_leaves_the_request_running_unless_asked(
    gate: Gate, connect: Connect, how: str, keep_running: bool
) -> None:
    client = connect(gate.provider)

    async def wait(task_id: int) -> None:
        if how == "own limit":
            with pytest.raises(TimeoutError, match="1 of 1 tasks"):
                await client.wait_for(task_id, timeout=0.01, keep_running=keep_running)
        elif how == "outer limit":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.wait_for(task_id, keep_running=keep_running), 0.01)
        else:
            waiting = asyncio.create_task(client.wait_for(task_id, keep_running=keep_running))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    task_id = client.start_nowait("slow")
    wait_until(lambda: len(gate.provider.ledger) == 1)
    asyncio.run(wait(task_id))
    gate.opened.set()

    assert client.wait_for_sync(task_id).error_kind == (None if keep_running else "cancelled")
    assert len(gate.provider.ledger) == 1


def test_a_start_that_is_not_waited_for_to_its_end_can_still_be_found(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)
    with pytest.raises(TimeoutError):
        asyncio.run(client.start("slow", timeout=0.01))
    gate.opened.set()

    assert [each.completion for each in client.wait_for_all_sync()] == ["You said: slow"]


def test_loops_in_several_threads_share_a_client(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    wrong: list[str | None] = []

    async def ask(thread: int) -> None:
        ids = [client.start_nowait(f"{thread}-{n}") for n in range(50)]
        answers = await asyncio.gather(*[client.wait_for(task_id) for task_id in ids])
        expected = [f"You said: {thread}-{n}" for n in range(50)]
        wrong.extend(each.completion for each, right in zip(answers, expected, strict=True) if each.completion != right)
        wrong.extend([] if len(answers) == 50 else ["too few"])

    threads = [threading.Thread(target=lambda n=n: asyncio.run(ask(n))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert wrong == []
    assert len(fake_provider.ledger) == 300
    assert client.wait_for_all_sync() == []


def test_a_loop_that_is_gone_harms_nobody(gate: Gate, connect: Connect) -> None:
    client = connect(gate.provider)
    task_id = client.start_nowait("slow")

    async def leave() -> None:
        waiting = asyncio.create_task(client.wait_for(task_id))
        await asyncio.sleep(0)
        assert not waiting.done()

    asyncio.run(leave())
    gate.opened.set()
    assert client.wait_for_sync(task_id).completion == "You said: slow"
