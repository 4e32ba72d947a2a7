from __future__ import annotations

import dataclasses
import threading
import tracemalloc

import pytest

from deluge_sync.tracker import Gauge, Limits, Snapshot, Tracker


class FakeClock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_000.0)


@pytest.fixture
def tracker(clock: FakeClock) -> Tracker:
    return Tracker(clock=clock)


def send(tracker: Tracker, count: int = 1) -> None:
    for _ in range(count):
        tracker.queued()
        tracker.started()


def finish(tracker: Tracker, count: int = 1) -> None:
    for _ in range(count):
        tracker.attempt_ended()
        tracker.answered()


def test_one_prompt_with_a_retry_is_counted_at_every_step(tracker: Tracker) -> None:
    tracker.expect(1)
    tracker.queued()
    assert (tracker.snapshot().queued, tracker.snapshot().in_flight) == (1, 0)
    tracker.started()
    assert (tracker.snapshot().queued, tracker.snapshot().in_flight) == (0, 1)
    tracker.attempt_ended(is_rate_limited=True)
    assert (tracker.snapshot().queued, tracker.snapshot().in_flight) == (1, 0)
    tracker.started(attempt=2)
    tracker.attempt_ended()
    tracker.billed(cost_usd=0.25, input_tokens=7, output_tokens=5, cache_read_tokens=3, cache_write_tokens=2)
    tracker.answered()

    assert tracker.snapshot() == Snapshot(
        total=1, answered=1, retried=1, requests_sent=2, rate_limited=1, cost_usd=0.25,
        input_tokens=7, output_tokens=5, cache_read_tokens=3, cache_write_tokens=2,
        requests_last_minute=2, tokens_last_minute=17, busiest_minute=2,
    )  # fmt: skip


def test_failed_prompts_are_counted_by_kind_and_as_maybe_billed(tracker: Tracker) -> None:
    for kind in ("timeout", "timeout", "bad_request"):
        send(tracker)
        tracker.attempt_ended(is_maybe_billed=kind == "timeout")
        tracker.failed(kind)

    snapshot = tracker.snapshot()

    assert (snapshot.failed, snapshot.finished, snapshot.maybe_billed) == (3, 3, 2)
    assert snapshot.errors == {"timeout": 2, "bad_request": 1}


def test_cancelled_prompts_are_finished_and_neither_answered_nor_failed(tracker: Tracker) -> None:
    tracker.expect(3)
    tracker.queued(3)
    tracker.started()
    finish(tracker)
    tracker.cancelled()
    tracker.cancelled()

    snapshot = tracker.snapshot()

    assert (snapshot.answered, snapshot.failed, snapshot.cancelled, snapshot.finished) == (1, 0, 2, 3)
    assert (snapshot.errors, snapshot.queued, snapshot.left_s) == ({}, 0, 0.0)


def test_local_cache_hit_is_an_answer_without_a_request(tracker: Tracker) -> None:
    tracker.queued()
    tracker.answered(is_local_cache_hit=True)

    snapshot = tracker.snapshot()

    assert (snapshot.answered, snapshot.local_cache_hits, snapshot.requests_sent, snapshot.queued) == (1, 1, 0, 0)


def test_total_is_unknown_until_told_and_after_prompts_without_number(tracker: Tracker) -> None:
    assert tracker.snapshot().total is None
    tracker.expect(3)
    tracker.expect(4)
    assert tracker.snapshot().total == 7
    tracker.expect(None)
    assert tracker.snapshot().total is None


@pytest.mark.parametrize(
    ("prices", "cost_usd", "unpriced"), [([], 0.0, 0), ([None], None, 1), ([None, 0.5, 0.25], 0.75, 1), ([0.0], 0.0, 0)]
)
def test_cost_is_unknown_only_if_no_reply_had_a_price(
    tracker: Tracker, prices: list[float | None], cost_usd: float | None, unpriced: int
) -> None:
    for price in prices:
        tracker.billed(cost_usd=price)

    assert (tracker.snapshot().cost_usd, tracker.snapshot().unpriced) == (cost_usd, unpriced)


def test_minute_window_forgets_after_sixty_slots(tracker: Tracker, clock: FakeClock) -> None:
    def requests_at(second: float) -> int:
        clock.now = 1_000.0 + second
        return tracker.snapshot().requests_last_minute

    send(tracker, 3)  # slot 0
    clock.now = 1_059.9
    send(tracker, 2)  # slot 59, the last that shares a window with slot 0

    assert requests_at(59.9) == 5
    assert requests_at(60.0) == 2
    assert requests_at(118.9) == 2
    assert requests_at(119.0) == 0
    assert tracker.snapshot().busiest_minute == 5


def test_window_is_empty_after_hours_without_a_look(tracker: Tracker, clock: FakeClock) -> None:
    tracker.billed(cost_usd=0.0, input_tokens=10, output_tokens=4)
    assert tracker.snapshot().tokens_last_minute == 14
    clock.now += 36_000.5
    tracker.billed(cost_usd=0.0, input_tokens=1)
    assert tracker.snapshot().tokens_last_minute == 1


def test_busiest_minute_counts_no_two_bursts_a_minute_apart(tracker: Tracker, clock: FakeClock) -> None:
    send(tracker, 4)
    clock.now += 60
    send(tracker, 4)
    assert tracker.snapshot().busiest_minute == 4


def test_elapsed_stands_still_while_nothing_is_open(tracker: Tracker, clock: FakeClock) -> None:
    clock.now += 100
    assert tracker.snapshot().elapsed_s == 0
    send(tracker)
    clock.now += 5
    assert tracker.snapshot().elapsed_s == 5
    finish(tracker)
    clock.now += 1_000
    assert tracker.snapshot().elapsed_s == 5
    send(tracker)
    clock.now += 2
    finish(tracker)
    assert tracker.snapshot().elapsed_s == 7


def test_time_left_follows_the_rate_of_the_last_minute(tracker: Tracker, clock: FakeClock) -> None:
    tracker.expect(300)
    tracker.queued(300)
    assert tracker.snapshot().left_s is None
    for _ in range(100):
        tracker.started()
    clock.now += 10
    finish(tracker, 100)  # 100 in the first 10 s, then none for 70 s
    assert tracker.snapshot().left_s == pytest.approx(200 / (100 / 10))
    clock.now += 70
    assert tracker.snapshot().left_s is None
    tracker.started()
    finish(tracker)
    assert tracker.snapshot().left_s == pytest.approx(199 / (1 / 60))


def test_recent_rate_begins_anew_after_an_idle_stretch(tracker: Tracker, clock: FakeClock) -> None:
    send(tracker, 50)
    clock.now += 1
    finish(tracker, 50)
    send(tracker, 4)
    clock.now += 2
    finish(tracker, 3)
    assert tracker.snapshot().finished_per_s == pytest.approx(1.5)


def test_shorter_pause_never_ends_a_longer_one(tracker: Tracker, clock: FakeClock) -> None:
    tracker.paused(10)
    tracker.paused(2)
    clock.now += 4
    assert tracker.snapshot().paused_s == 6
    clock.now += 7
    assert tracker.snapshot().paused_s == 0


def test_reset_keeps_what_is_open_and_nothing_else(clock: FakeClock) -> None:
    tracker = Tracker(Limits(10, 20, 3), clock=clock)
    tracker.expect(5)
    send(tracker, 5)
    finish(tracker, 2)
    clock.now += 3
    tracker.reset()
    assert tracker.snapshot() == Snapshot(total=3, in_flight=3, limits=Limits(10, 20, 3))
    clock.now += 1
    finish(tracker, 3)
    snapshot = tracker.snapshot()
    assert (snapshot.answered, snapshot.in_flight, snapshot.queued, snapshot.elapsed_s) == (3, 0, 0, 1)


def test_since_gives_the_figures_of_one_call(tracker: Tracker, clock: FakeClock) -> None:
    tracker.expect(2)
    send(tracker, 2)
    tracker.billed(cost_usd=0.5, input_tokens=10)
    finish(tracker, 1)
    tracker.attempt_ended()
    tracker.failed("timeout")
    before = tracker.snapshot()
    tracker.expect(1)
    send(tracker, 1)
    clock.now += 2
    tracker.billed(cost_usd=0.25, input_tokens=4)
    finish(tracker, 1)

    call = tracker.snapshot().since(before)

    assert (call.total, call.answered, call.failed, call.errors) == (1, 1, 0, {})
    assert (call.cost_usd, call.input_tokens, call.elapsed_s, call.requests_sent) == (0.25, 4, 2, 1)
    assert call.requests_last_minute == 3


def test_since_never_goes_below_nothing_after_a_reset(tracker: Tracker) -> None:
    tracker.expect(1)
    send(tracker)
    tracker.billed(cost_usd=0.5, input_tokens=10)
    finish(tracker)
    before = tracker.snapshot()
    tracker.reset()

    call = tracker.snapshot().since(before)

    assert (call.answered, call.input_tokens, call.cost_usd, call.total) == (0, 0, 0.0, None)


def test_sixteen_threads_lose_no_event() -> None:
    tracker, rounds, threads = Tracker(), 500, 16
    start = threading.Barrier(threads)

    def work() -> None:
        start.wait()
        for _ in range(rounds):
            tracker.expect(1)
            send(tracker)
            tracker.attempt_ended(is_rate_limited=True, is_maybe_billed=True)
            tracker.started(attempt=2)
            tracker.billed(cost_usd=0.5, input_tokens=3, output_tokens=2)
            finish(tracker)
            tracker.queued()
            tracker.failed("refused")
            assert tracker.snapshot().in_flight <= threads

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    snapshot, prompts = tracker.snapshot(), rounds * threads
    assert (snapshot.total, snapshot.answered, snapshot.failed, snapshot.retried) == (prompts,) * 4
    assert (snapshot.requests_sent, snapshot.in_flight, snapshot.queued) == (2 * prompts, 0, 0)
    assert (snapshot.input_tokens, snapshot.output_tokens, snapshot.cost_usd) == (3 * prompts, 2 * prompts, prompts / 2)
    assert snapshot.errors == {"refused": prompts}


def test_ten_thousand_retries_and_error_kinds_take_no_memory(tracker: Tracker, clock: FakeClock) -> None:
    tracker.queued(10_000)
    tracemalloc.start()
    try:
        for attempt in range(10_000):
            clock.now += 0.5
            tracker.started(attempt=attempt + 1)
            tracker.attempt_ended(is_rate_limited=True)
            tracker.failed(f"kind {attempt}")
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    errors = tracker.snapshot().errors
    assert grown < 64_000
    assert len(errors) == 65
    assert errors["other"] == 10_000 - 64


def test_snapshot_can_become_plain_data(tracker: Tracker) -> None:
    tracker.queued()
    tracker.failed("timeout")
    assert dataclasses.asdict(tracker.snapshot())["errors"] == {"timeout": 1}


def test_snapshot_tells_what_those_say_who_hold_the_limits(tracker: Tracker) -> None:
    tracker.paused(2.0)
    assert (tracker.snapshot().tokens_counted, tracker.snapshot().paused_s) == (0, 2.0)
    tracker.watch(lambda: Gauge(tokens_counted=512, paused_s=7.0))
    assert (tracker.snapshot().tokens_counted, tracker.snapshot().paused_s) == (512, 7.0)
    tracker.watch(lambda: Gauge(tokens_counted=9, paused_s=0.5))
    assert (tracker.snapshot().tokens_counted, tracker.snapshot().paused_s) == (9, 2.0)
