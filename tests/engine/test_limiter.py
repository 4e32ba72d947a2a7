"""The limiter as threads meet it: real threads and real time, order forced by events and not by sleeping."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import pytest

from deluge_sync import LeakyBucketLimiter
from deluge_sync._engine.limiter import Ticket
from deluge_sync.errors import ClientClosedError, ConfigError, RequestTooLargeError


def until_queued(limiter: LeakyBucketLimiter, waiting: int) -> None:
    """Wait until so many threads stand in the queue; bounded."""
    for _ in range(5_000):
        with limiter._lock:
            if len(limiter._queue) == waiting:
                return
        time.sleep(0.001)
    raise AssertionError(f"{len(limiter._queue)} of {waiting} threads are in the queue")


def test_256_threads_stay_within_the_limit_and_use_it() -> None:
    limiter = LeakyBucketLimiter(60_000)
    stop_at = time.monotonic() + 2.0
    admitted: list[float] = []

    def work() -> None:
        while time.monotonic() < stop_at:
            with limiter.acquire():
                admitted.append(time.monotonic())

    run_in_threads(256, work)

    # A second's worth at once (1,000), then 60,000 a minute less the half percent that is kept as a margin.
    assert 2_600 <= len(admitted) <= 3_300


def test_nothing_is_lost_and_nobody_stalls_beside_busy_threads() -> None:
    limiter = LeakyBucketLimiter(30_000, max_concurrent_requests=8)
    is_over = threading.Event()
    burners = [threading.Thread(target=burn, args=(is_over,), daemon=True) for _ in range(4)]
    for burner in burners:
        burner.start()
    admitted: list[int] = []

    def work() -> None:
        for _ in range(10):
            with limiter.acquire(timeout_s=60):
                admitted.append(1)

    run_in_threads(64, work)
    is_over.set()
    for burner in burners:
        burner.join()

    assert len(admitted) == 640
    assert limiter.in_flight == 0


def test_waiters_are_served_in_the_order_they_came() -> None:
    limiter = LeakyBucketLimiter(None, 1_000_000, 1)
    first = limiter.acquire()
    served: list[int] = []

    def wait(place: int, tokens: float) -> None:
        with limiter.acquire(tokens):
            served.append(place)

    threads = []
    for place in range(20):
        threads.append(threading.Thread(target=wait, args=(place, 500_000 if place == 0 else 1)))
        threads[-1].start()
        until_queued(limiter, place + 1)
    first.release()
    for thread in threads:
        thread.join(10)

    assert served == list(range(20))


def test_half_the_token_budget_queued_first_among_300_small_requests_is_admitted_when_its_turn_comes() -> None:
    clock = Clock()
    limiter = LeakyBucketLimiter(None, 60_000, clock=clock)
    limiter.acquire(60_000, timeout_s=0)  # the minute is used up
    tickets = [limiter.enter(30_000), *(limiter.enter(100) for _ in range(300))]
    admitted_at: dict[Ticket, float] = {}
    while limiter._queue:
        clock.now = max(clock.now, limiter._due(clock.now, limiter._queue[0]))
        with limiter._lock:
            limiter._grant_due(clock.now)
        for ticket in tickets:
            if ticket._lease is not None:
                admitted_at.setdefault(ticket, clock.now)

    assert [*admitted_at] == tickets  # in their order: nobody overtook
    # It waits until the minute is over and no longer. Together they fill just the next one.
    assert 60 <= admitted_at[tickets[0]] <= 61
    assert admitted_at[tickets[-1]] <= 122


def test_a_request_over_the_whole_budget_fails_at_once_with_both_numbers() -> None:
    with pytest.raises(RequestTooLargeError, match="5,000 tokens, more than the limit of 1,000") as caught:
        LeakyBucketLimiter(10, 1_000).acquire(5_000)

    assert (caught.value.needed, caught.value.budget) == (5_000, 1_000)


def test_a_timeout_takes_nothing_and_lets_the_next_one_in() -> None:
    limiter = LeakyBucketLimiter(None, None, 1)
    held = limiter.acquire()
    outcome: list[str] = []

    def give_up() -> None:
        with pytest.raises(TimeoutError):
            limiter.acquire(timeout_s=0.05)
        outcome.append("gave up")

    def wait() -> None:
        with limiter.acquire():
            outcome.append("admitted")

    threads = [threading.Thread(target=give_up), threading.Thread(target=wait)]
    for place, thread in enumerate(threads):
        thread.start()
        until_queued(limiter, place + 1)
    threads[0].join(10)
    held.release()
    threads[1].join(10)

    assert outcome == ["gave up", "admitted"]


def test_a_cancelled_ticket_wakes_its_thread_and_frees_its_place() -> None:
    limiter = LeakyBucketLimiter(None, None, 1)
    held = limiter.acquire()
    ticket = limiter.enter()
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            ticket.wait()
        except ClientClosedError as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    ticket.cancel()
    thread.join(10)
    held.release()

    assert len(caught) == 1
    limiter.acquire(timeout_s=0).release()


def test_closing_wakes_everybody() -> None:
    limiter = LeakyBucketLimiter(None, None, 1)
    limiter.acquire()
    refused: list[int] = []

    def wait() -> None:
        with pytest.raises(ClientClosedError):
            limiter.acquire()
        refused.append(1)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    until_queued(limiter, 5)
    limiter.close()
    for thread in threads:
        thread.join(10)

    assert len(refused) == 5


def test_a_pause_holds_everybody_and_pauses_do_not_add_up() -> None:
    clock = Clock()
    limiter = LeakyBucketLimiter(6_000, clock=clock)
    limiter.pause(10)
    limiter.pause(3)

    with pytest.raises(TimeoutError):
        limiter.acquire(timeout_s=0)
    clock.now = 10.0
    limiter.acquire(timeout_s=0)


def test_a_second_call_does_not_get_a_fresh_budget() -> None:
    clock = Clock()
    limiter = LeakyBucketLimiter(10, clock=clock)
    for _ in range(10):
        limiter.acquire(timeout_s=0).release()

    clock.now = 59.0
    with pytest.raises(TimeoutError):
        limiter.acquire(timeout_s=0)
    clock.now = 61.0
    limiter.acquire(timeout_s=0)


def admitted_at_once(limiter: LeakyBucketLimiter) -> int:
    for count in range(10_000):
        try:
            limiter.acquire(timeout_s=0)
        except TimeoutError:
            return count
    raise AssertionError("it admits without end")


def test_what_a_reply_tells_of_the_room_may_go_at_once() -> None:
    limiter = LeakyBucketLimiter(6_000, clock=Clock())
    limiter.acquire(timeout_s=0).answered(requests=Told(80))

    assert admitted_at_once(limiter) == 80


def test_what_went_with_the_request_that_tells_the_room_counts_as_not_yet_arrived() -> None:
    limiter = LeakyBucketLimiter(6_000, clock=Clock())
    first = limiter.acquire(timeout_s=0)
    for _ in range(9):
        limiter.acquire(timeout_s=0)
    first.answered(requests=Told(80))

    assert admitted_at_once(limiter) == 80 - 9


def test_an_older_word_about_the_room_does_not_count() -> None:
    clock = Clock()
    limiter = LeakyBucketLimiter(6_000, clock=clock)
    older = limiter.acquire(timeout_s=0)
    clock.now = 1.0
    newer = limiter.acquire(timeout_s=0)
    newer.answered(requests=Told(12))
    older.answered(requests=Told(5_000))

    assert admitted_at_once(limiter) == 12


def test_without_room_the_next_one_waits_until_the_providers_bucket_has_it() -> None:
    clock = Clock()
    limiter = LeakyBucketLimiter(600, clock=clock)
    limiter.acquire(timeout_s=0).answered(requests=Told(-2))

    clock.now = 0.29  # 600 a minute are one in 0.1 s, and three are missing
    assert admitted_at_once(limiter) == 0
    clock.now = 0.31
    assert admitted_at_once(limiter) == 1


def test_the_tokens_that_are_left_may_go_at_once_and_no_more() -> None:
    limiter = LeakyBucketLimiter(None, 60_000, clock=Clock())
    limiter.acquire(1_000, timeout_s=0).answered(tokens=Told(2_500))

    limiter.acquire(1_000, timeout_s=0)
    limiter.acquire(1_000, timeout_s=0)
    with pytest.raises(TimeoutError):
        limiter.acquire(1_000, timeout_s=0)
    limiter.acquire(500, timeout_s=0)


def test_refusals_of_what_went_before_a_pause_are_the_same_one_however_late_they_come() -> None:
    clock = Clock()
    limiter = LeakyBucketLimiter(6_000, clock=clock)
    leases = [limiter.acquire(timeout_s=0) for _ in range(50)]
    for clock.now in (10.0, 12.0, 14.0, 16.0):
        leases.pop().refused(1.0)

    assert limiter._requests is not None
    assert limiter._requests._pace.rate == 6_000 * 0.5 * 0.75  # three quarters of what was being sent: 50 in a second


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["max_requests_per_minute", "max_tokens_per_minute", "max_concurrent_requests"])
def test_limits_that_cannot_work_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        LeakyBucketLimiter(**{name: value})  # type: ignore[arg-type]  # that is the point


def test_a_limit_that_was_not_there_is_set_by_resizing() -> None:
    limiter = LeakyBucketLimiter(100)
    limiter.resize(max_tokens_per_minute=1_000, max_concurrent_requests=2)

    with pytest.raises(RequestTooLargeError):
        limiter.acquire(1_001)
    assert admitted_at_once(limiter) == 2
    with pytest.raises(ConfigError, match="max_requests_per_minute"):
        limiter.resize(max_requests_per_minute=0)


def test_a_limit_the_provider_tells_slows_down_and_never_speeds_up() -> None:
    clock = Clock()
    limiter = LeakyBucketLimiter(600, clock=clock)
    limiter.acquire(timeout_s=0).answered(requests=Told(0, 60))

    assert limiter._requests is not None
    assert limiter._requests._interval_s == pytest.approx(1.0, rel=0.01)
    limiter.acquire(timeout_s=None if clock.move(5) else 0).answered(requests=Told(5_000, 6_000))
    assert limiter._requests._interval_s == pytest.approx(0.1, rel=0.01)


def test_told_nothing_it_adopts_the_limits_of_the_providers_headers() -> None:
    clock = Clock()
    limiter = LeakyBucketLimiter.auto(clock=clock)
    limiter.acquire(100, timeout_s=0).answered(requests=Told(499, 500), tokens=Told(900, 1_000))

    assert admitted_at_once(limiter) == 499
    with pytest.raises(RequestTooLargeError):
        limiter.acquire(1_001)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_limit_that_is_given_later_is_kept_whatever_the_headers_say(is_first: bool) -> None:
    limiter = LeakyBucketLimiter.auto(clock=Clock())
    if not is_first:
        limiter.acquire(100, timeout_s=0).answered(requests=Told(499, 500), tokens=Told(900, 1_000))
    limiter.resize(max_requests_per_minute=100, max_tokens_per_minute=200)
    limiter.acquire(100, timeout_s=0).answered(requests=Told(4_999, 5_000), tokens=Told(9_000, 10_000))

    assert admitted_at_once(limiter) <= 100
    with pytest.raises(RequestTooLargeError):
        limiter.acquire(201)


def test_told_nothing_and_without_headers_it_begins_with_ten() -> None:
    assert admitted_at_once(LeakyBucketLimiter.auto(clock=Clock())) == 10


def test_a_larger_limit_wakes_who_waits() -> None:
    limiter = LeakyBucketLimiter(1)
    limiter.acquire().release()
    thread = threading.Thread(target=lambda: limiter.acquire().release(), daemon=True)
    thread.start()
    until_queued(limiter, 1)
    limiter.resize(max_requests_per_minute=6_000)
    thread.join(10)

    assert not thread.is_alive()


@dataclass
class Told:
    """What a reply tells of a budget."""

    remaining: float
    per_minute: float | None = None


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> bool:
        self.now += seconds
        return True


def burn(is_over: threading.Event) -> None:
    total = 0
    while not is_over.is_set():
        total += sum(range(1_000))


def run_in_threads(count: int, work: object) -> None:
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]  # type: ignore[arg-type]  # a function
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_gauge_tells_the_tokens_that_count_and_the_pause() -> None:
    now = [100.0]
    limiter = LeakyBucketLimiter(max_tokens_per_minute=1_000, clock=lambda: now[0])
    first, second = limiter.acquire(400), limiter.acquire(500)
    first.settle(150)
    second.refused(20)
    now[0] += 5
    assert (limiter.gauge().tokens_counted, limiter.gauge().paused_s) == (650, 15.0)
    now[0] += 60
    assert (limiter.gauge().tokens_counted, limiter.gauge().paused_s) == (0, 0.0)
    assert LeakyBucketLimiter(10).gauge().tokens_counted == 0
