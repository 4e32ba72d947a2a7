"""Two clients with one limiter: what one learns about the key holds for both, its own troubles hold for itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

from deluge_sync import APIResponse, LeakyBucketLimiter, LLMClient
from deluge_sync.testing import FakeProvider, Reply, RequestRecord


def said(record: RequestRecord) -> str:
    return str(record.json["messages"][-1]["content"])


def test_a_refusal_of_one_pauses_the_other(
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    wait_until: Callable[..., None],
) -> None:
    provider = fake_provider_factory(script=[Reply.error(429, retry_after=1)])
    limiter = LeakyBucketLimiter(60_000)
    one, other = connect(provider, limiter=limiter), connect(provider, limiter=limiter)
    asking = threading.Thread(target=one.process_prompts_sync, args=(["one"],), kwargs={"show_progress": False})
    asking.start()
    wait_until(lambda: one.tracker.snapshot().rate_limited == 1)

    responses = other.process_prompts_sync([f"{number}" for number in range(20)], show_progress=False)
    asking.join(10)

    refused_at = provider.ledger[0].arrived
    assert not any(response.is_error for response in responses)
    assert len(provider.ledger) == 22
    assert min(record.arrived for record in provider.ledger[1:]) >= refused_at + 1.0


def test_an_outage_that_only_one_meets_stops_nothing_of_the_other(
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    wait_until: Callable[..., None],
    own_time: Callable[[], float],
) -> None:
    def fail_one(record: RequestRecord) -> Reply | None:
        return Reply.error(503) if said(record).startswith("one") else None

    provider = fake_provider_factory(script=fail_one)
    limiter = LeakyBucketLimiter(max_concurrent_requests=8)
    one, other = connect(provider, limiter=limiter), connect(provider, limiter=limiter)
    parked = threading.Thread(
        target=one.process_prompts_sync, args=(["one"] * 100,), kwargs={"show_progress": False}, daemon=True
    )
    parked.start()
    wait_until(lambda: any(lane.brake.is_down for lane in one._running_engine()._dispatcher._lanes.values()))
    started = own_time()

    responses = other.process_prompts_sync([f"{number}" for number in range(300)], show_progress=False)

    assert own_time() - started < 5
    assert all(response.attempts == 1 and not response.is_error for response in responses)
    assert parked.is_alive()  # the first one's prompts wait for their provider, and hold no place of the limiter's
    assert limiter.in_flight <= 1
    one.close()
    parked.join(10)
    assert not parked.is_alive()


def test_closing_one_gives_its_place_in_the_queue_to_the_other(
    fake_provider: FakeProvider, connect: Callable[..., LLMClient], wait_until: Callable[..., None]
) -> None:
    limiter = LeakyBucketLimiter(max_concurrent_requests=1)
    one, other = connect(fake_provider, limiter=limiter), connect(fake_provider, limiter=limiter)
    got: dict[str, list[APIResponse]] = {}

    def ask(name: str, client: LLMClient) -> threading.Thread:
        def call() -> None:
            got[name] = [response for _, response in client.process_prompts_iter([name], show_progress=False)]

        thread = threading.Thread(target=call)
        thread.start()
        return thread

    held = limiter.acquire()
    threads = [ask("one", one)]
    wait_until(lambda: len(limiter._queue) == 1)
    threads.append(ask("other", other))
    wait_until(lambda: len(limiter._queue) == 2)
    one.close()
    held.release()
    for thread in threads:
        thread.join(10)

    assert [response.completion for response in got["other"]] == ["You said: other"]
    assert [response.error_kind for response in got["one"]] == ["cancelled"]
    assert [said(record) for record in fake_provider.ledger] == ["other"]
    assert limiter.in_flight == 0
