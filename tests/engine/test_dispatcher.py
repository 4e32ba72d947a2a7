"""Threads, queues and the order of things, with a handler that only notes what it is asked to do."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, cast

import pytest

from deluge_sync._engine import dispatcher as module
from deluge_sync._engine.dispatcher import Dispatcher
from deluge_sync._engine.handler import Attempted
from deluge_sync._engine.job import Job, Run
from deluge_sync._engine.limiter import LeakyBucketLimiter, Lease
from deluge_sync._engine.pool import Route
from deluge_sync._engine.retry import SendAgain
from deluge_sync._engine.watch import IS_AVAILABLE
from deluge_sync._http import Leash
from deluge_sync.errors import ClientClosedError, RequestTooLargeError
from deluge_sync.prompt import Conversation

ANSWERED = Attempted(is_answered=True)
RETRY_COST = 14


class Notes:
    """A handler: `attempt` is a function of the job, everything else is written down."""

    def __init__(self, attempt: Callable[[Job], Attempted] = lambda _: ANSWERED) -> None:
        self._attempt = attempt
        self.lock = threading.Lock()
        self.attempted: list[int] = []
        self.given_up: dict[int, BaseException] = {}
        self.outlasted: list[int] = []
        self.threads: set[str] = set()
        self.hits: set[int] = set()
        self.movable: set[int] = set()
        self.tokens = 0.0
        self.unprepared: dict[int, Callable[[Job], bool]] = {}
        self.flights: dict[int, Any] = {}

    def look_up(self, job: Job) -> bool:
        if job.id in self.hits:
            job.future.set_result(cast("object", "hit"))  # type: ignore[arg-type]  # what it is does not matter here
            return True
        return False

    def needs_preparation(self, job: Job) -> bool:
        return job.id in self.unprepared

    def make_ready(self, job: Job) -> bool:
        return self.unprepared.pop(job.id)(job)

    def plan(self, _job: Job) -> float:
        return self.tokens

    def attempt(self, job: Job, lease: Lease) -> Attempted:
        with self.lock:
            self.attempted.append(job.id)
            self.threads.add(threading.current_thread().name)
        job.sent += 1
        outcome = self._attempt(job)
        lease.release()
        if outcome.again is None:
            job.future.set_result(cast("object", "done"))  # type: ignore[arg-type]  # as above
        return outcome

    def launch(self, job: Job) -> Any:
        plane = self.flights.get(job.id)
        if plane is not None:
            job.leash = Leash(math.inf)
            job.leash.lend(plane.cut)
        return plane

    def land(self, job: Job, lease: Lease, flight: Any) -> Attempted:
        flight.landed()
        return self.attempt(job, lease)

    def give_up(self, job: Job, error: BaseException) -> None:
        if not job.future.done():
            self.given_up[job.id] = error
            job.future.set_result(cast("object", "given up"))  # type: ignore[arg-type]  # as above

    def can_go_elsewhere(self, job: Job) -> bool:
        return job.id in self.movable

    def outlast(self, job: Job, down_s: float) -> None:
        assert down_s > 0
        self.outlasted.append(job.id)
        job.future.set_result(cast("object", "outlasted"))  # type: ignore[arg-type]  # as above


Start = Callable[..., Dispatcher]


@pytest.fixture
def start() -> Iterator[Start]:
    """Makes dispatchers and closes them."""
    made: list[Dispatcher] = []

    def make(handler: Notes, *, max_workers: int = 8, outage_patience_s: float = 60.0) -> Dispatcher:
        made.append(Dispatcher(handler, max_workers=max_workers, outage_patience_s=outage_patience_s))
        return made[-1]

    yield make
    for dispatcher in made:
        dispatcher.close()


def job(number: int, limiter: LeakyBucketLimiter, *, base_url: str = "http://x") -> Job:
    route = Route(None, None, None, base_url, None, limiter)  # type: ignore[arg-type]  # the rest is not used here
    made = Job(number, Conversation(), Run(), route)
    made.queued_at = time.monotonic()
    return made


def unlimited(concurrency: int | None = None) -> LeakyBucketLimiter:
    return LeakyBucketLimiter(max_concurrent_requests=concurrency)


def finish(jobs: list[Job]) -> None:
    for each in jobs:
        each.future.result(30)


def test_jobs_are_admitted_in_the_order_they_came(start: Start) -> None:
    notes = Notes()
    limiter = unlimited(1)
    dispatcher = start(notes)
    jobs = [job(number, limiter) for number in range(200)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)

    assert notes.attempted == list(range(200))


def test_there_are_never_more_threads_than_requests_in_flight_and_one_leader(start: Start) -> None:
    together = threading.Barrier(4)

    def wait_for_the_others(_: Job) -> Attempted:
        together.wait(10)
        return ANSWERED

    notes = Notes(wait_for_the_others)
    dispatcher = start(notes, max_workers=4)
    limiter = unlimited(4)
    jobs = [job(number, limiter) for number in range(40)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)

    assert len(dispatcher._threads) <= 5


def test_one_thread_waits_however_long_the_queue_is(start: Start) -> None:
    limiter = unlimited(1)
    held = limiter.acquire()
    dispatcher = start(Notes(), max_workers=100)
    jobs = [job(number, limiter) for number in range(1_000)]
    for each in jobs:
        dispatcher.submit(each)

    assert len(dispatcher._threads) <= 2
    held.release()
    finish(jobs)


def test_a_job_to_be_sent_again_does_not_hold_up_the_others(start: Start) -> None:
    def fail_the_first_once(each: Job) -> Attempted:
        again = SendAgain(0.2) if each.id == 0 and each.sent == 1 else None
        return Attempted(is_answered=True, again=again)

    notes = Notes(fail_the_first_once)
    dispatcher = start(notes, max_workers=1)
    limiter = unlimited(1)
    jobs = [job(number, limiter) for number in range(20)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)

    assert notes.attempted == [*range(20), 0]


def test_an_earlier_retry_is_not_late_because_somebody_waits_for_a_later_one(start: Start) -> None:
    delays = {0: 30.0, 1: 0.05}

    def again_once(each: Job) -> Attempted:
        return Attempted(is_answered=True, again=SendAgain(delays[each.id]) if each.sent == 1 else None)

    notes = Notes(again_once)
    dispatcher = start(notes)
    limiter = unlimited()
    late, soon = job(0, limiter), job(1, limiter)
    dispatcher.submit(late)
    wait_until(lambda: dispatcher._alarm_at < float("inf"))  # an idle worker holds the timer of the late one
    dispatcher.submit(soon)

    soon.future.result(5)
    assert not late.future.done()


def test_jobs_that_are_due_together_go_in_the_order_they_became_due(start: Start) -> None:
    limiter = unlimited(1)
    held = limiter.acquire()
    notes = Notes()
    dispatcher = start(notes, max_workers=1)
    blocker, jobs = job(99, limiter), [job(number, limiter) for number in range(5)]
    dispatcher.submit(blocker)
    wait_until(lambda: any(lane.waiting for lane in dispatcher._lanes.values()))
    with dispatcher._changed:
        for place, each in enumerate(jobs):
            dispatcher._park(each, place / 1_000)  # all of them are due
    held.release()
    finish([blocker, *jobs])

    assert notes.attempted == [99, 0, 1, 2, 3, 4]


def test_an_unforeseen_error_ends_the_job_and_not_the_thread(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    def explode_on_one(each: Job) -> Attempted:
        if each.id == 1:
            raise ZeroDivisionError("boom")
        return ANSWERED

    notes = Notes(explode_on_one)
    dispatcher = start(notes, max_workers=1)
    jobs = [job(number, unlimited()) for number in range(3)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)

    assert isinstance(notes.given_up[1], ZeroDivisionError)
    assert sorted(notes.attempted) == [0, 1, 2]
    assert "unforeseen" in caplog.text


def test_a_job_over_the_whole_budget_is_given_up_and_the_next_one_goes(start: Start) -> None:
    notes = Notes()
    notes.tokens = 500
    dispatcher = start(notes)
    small, large = LeakyBucketLimiter(None, 100), LeakyBucketLimiter(None, 1_000)
    jobs = [job(0, small), job(1, large)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)

    assert isinstance(notes.given_up[0], RequestTooLargeError)
    assert notes.attempted == [1]


def test_lanes_do_not_wait_for_each_other(start: Start) -> None:
    blocked, free = unlimited(1), unlimited(1)
    held = blocked.acquire()
    notes = Notes()
    dispatcher = start(notes)
    waiting, going = job(0, blocked), job(1, free)
    dispatcher.submit(waiting)
    dispatcher.submit(going)

    going.future.result(5)
    assert not waiting.future.done()
    held.release()
    waiting.future.result(5)


def test_a_look_up_that_finds_the_answer_sends_nothing(start: Start) -> None:
    notes = Notes()
    notes.hits = set(range(0, 100, 2))
    dispatcher = start(notes)
    limiter = unlimited()
    jobs = [job(number, limiter) for number in range(100)]
    for each in jobs:
        dispatcher.submit(each, look_up=True)
    finish(jobs)

    assert sorted(notes.attempted) == list(range(1, 100, 2))


def test_a_job_that_can_be_sent_is_not_kept_waiting_by_a_row_of_look_ups(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads there may be here: one carries out a job all the while, the other has all the rest to do."""
    told, is_over = list[tuple[str, int]](), threading.Event()

    def attempt(each: Job) -> Attempted:
        told.append(("sent", each.id))
        if each is first:
            is_over.wait(10)
        return ANSWERED

    class Submitting(Notes):
        def look_up(self, job: Job) -> bool:
            told.append(("looked up", job.id))
            if job.id == 5:
                dispatcher.submit(between)
            return super().look_up(job)

    notes, limiter = Submitting(attempt), unlimited()
    notes.hits = set(range(1, 10))
    dispatcher = start(notes, max_workers=2)
    begin = dispatcher._start_a_worker
    monkeypatch.setattr(dispatcher, "_start_a_worker", lambda: begin() if len(dispatcher._threads) < 2 else None)
    first, between, *found = [job(number, limiter) for number in (0, 100, *range(1, 10))]
    dispatcher.submit(first)
    wait_until(lambda: told == [("sent", 0)])
    for each in found:
        dispatcher.submit(each, look_up=True)
    finish([between, *found])
    is_over.set()
    finish([first])

    looked_up = [("looked up", number) for number in range(1, 10)]
    assert told == [("sent", 0), *looked_up[:5], ("sent", 100), *looked_up[5:]]


def test_a_look_up_that_breaks_ends_its_own_job_only(start: Start) -> None:
    class Breaking(Notes):
        def look_up(self, job: Job) -> bool:
            if job.id % 10 == 0:
                raise SystemExit(job.id)
            return super().look_up(job)

    notes = Breaking()
    notes.hits = set(range(100))
    dispatcher = start(notes)
    limiter = unlimited()
    jobs = [job(number, limiter) for number in range(100)]
    for each in jobs:
        dispatcher.submit(each, look_up=True)
    finish(jobs)

    assert sorted(notes.given_up) == list(range(0, 100, 10))
    assert not notes.attempted
    wait_until(lambda: not dispatcher._in_hand)
    assert dispatcher._look_ups._looking == 0


def test_cancelling_gives_up_what_waits_and_leaves_the_rest(start: Start) -> None:
    limiter = unlimited(1)
    held = limiter.acquire()
    notes = Notes()
    dispatcher = start(notes)
    jobs = [job(number, limiter) for number in range(10)]
    for each in jobs:
        dispatcher.submit(each)
    wait_until(lambda: any(lane.waiting for lane in dispatcher._lanes.values()))
    dispatcher.cancel(jobs[:5])
    for each in jobs[:5]:
        each.future.result(5)  # the first of them was waiting in the limiter's queue

    assert all(isinstance(error, ClientClosedError) for error in notes.given_up.values())
    held.release()
    finish(jobs)
    assert notes.attempted == [5, 6, 7, 8, 9]


def test_a_job_can_be_cut_off_though_the_worker_that_looked_it_up_was_slow_to_let_go(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_sent = threading.Event()

    def send_until_cut(each: Job) -> Attempted:
        each.leash = Leash(math.inf)
        is_cut = threading.Event()
        each.leash.lend(is_cut.set)
        is_sent.set()
        is_cut.wait(10)
        return ANSWERED

    notes = Notes(send_until_cut)
    dispatcher = start(notes)
    look_up = dispatcher._look_up_one

    def look_up_slowly(each: Job) -> Job | None:
        following = look_up(each)
        is_sent.wait(10)
        return following

    monkeypatch.setattr(dispatcher, "_look_up_one", look_up_slowly)
    dispatcher.submit(it := job(0, unlimited()), look_up=True)
    assert is_sent.wait(10)
    wait_until(lambda: dispatcher._idle == 1)
    dispatcher.cancel([it])
    assert it.leash is not None
    assert it.leash.cut_reason == "cancelled"
    finish([it])


def test_a_job_that_is_made_ready_holds_up_no_other(start: Start) -> None:
    notes, others_sent = Notes(), threading.Event()
    notes.unprepared[0] = lambda _: others_sent.wait(10)
    dispatcher, limiter = start(notes), unlimited()
    jobs = [job(number, limiter) for number in range(5)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs[1:])
    others_sent.set()
    finish(jobs)

    assert sorted(notes.attempted[:4]) == [1, 2, 3, 4]
    assert notes.attempted[4:] == [0]


def test_jobs_are_made_ready_at_the_same_time(start: Start) -> None:
    notes, together = Notes(), threading.Barrier(4)
    for number in range(4):
        notes.unprepared[number] = lambda _: together.wait(10) >= 0
    dispatcher, limiter = start(notes), unlimited()
    jobs = [job(number, limiter) for number in range(4)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)

    assert sorted(notes.attempted) == [0, 1, 2, 3]


def test_no_more_jobs_are_made_ready_than_can_be_sent_soon(start: Start) -> None:
    """Of those that wait for a limiter no more are prepared than there are workers: contents take memory."""
    notes, made_ready, limiter = Notes(), [], unlimited(1)

    def note(each: Job) -> bool:
        made_ready.append(each.id)
        return True

    held = limiter.acquire()
    notes.unprepared = dict.fromkeys(range(100), note)
    dispatcher = start(notes, max_workers=4)
    jobs = [job(number, limiter) for number in range(100)]
    for each in jobs:
        dispatcher.submit(each)
    wait_until(lambda: any(lane.waiting for lane in dispatcher._lanes.values()))

    assert 1 <= len(made_ready) <= 5
    held.release()
    finish(jobs)


def test_a_job_that_ends_while_it_is_made_ready_is_not_sent(start: Start) -> None:
    def end(each: Job) -> bool:
        each.future.set_result(cast("object", "failed"))  # type: ignore[arg-type]  # as above
        return False

    notes = Notes()
    notes.unprepared[0] = end
    dispatcher, limiter = start(notes), unlimited()
    jobs = [job(number, limiter) for number in range(2)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)

    assert notes.attempted == [1]


def test_a_job_that_is_cancelled_while_it_is_made_ready_is_given_up(start: Start) -> None:
    notes, begun, go_on = Notes(), threading.Event(), threading.Event()

    def prepare(_: Job) -> bool:
        begun.set()
        return go_on.wait(10)

    notes.unprepared[0] = prepare
    dispatcher = start(notes)
    one = job(0, unlimited())
    dispatcher.submit(one)
    assert begun.wait(10)
    dispatcher.cancel([one])
    go_on.set()
    finish([one])

    assert (notes.attempted, list(notes.given_up)) == ([], [0])


def test_an_unforeseen_error_before_a_job_is_planned_does_not_end_its_lane(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()
    monkeypatch.setattr(notes, "needs_preparation", lambda each: 1 // each.id < 0)
    dispatcher, limiter = start(notes), unlimited()
    jobs = [job(number, limiter) for number in range(3)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)

    assert (sorted(notes.attempted), list(notes.given_up)) == ([1, 2], [0])


def test_what_is_raised_when_a_job_is_told_that_it_was_cancelled_ends_no_worker(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    def cancel_itself(each: Job) -> Attempted:
        each.is_cancelled = True
        return Attempted(is_answered=False, again=SendAgain(0.0, RETRY_COST))

    class Touchy(Notes):
        def give_up(self, job: Job, error: BaseException) -> None:
            super().give_up(job, error)
            raise ZeroDivisionError("boom")

    notes = Touchy(cancel_itself)
    dispatcher = start(notes, max_workers=1)
    one = job(0, unlimited())
    dispatcher.submit(one)
    finish([one])
    wait_until(lambda: "ended by an unforeseen error, and so did telling it" in caplog.text)

    assert str(notes.given_up[0]) == "cancelled before it was sent again"
    assert all(thread.is_alive() for thread in dispatcher._threads)


class Plane:
    """A flight whose reply comes when the test says so."""

    def __init__(self) -> None:
        self.ours, self.peer = socket.socketpair()

    def fileno(self) -> int:
        return self.ours.fileno()

    def cut(self) -> None:
        self.ours.shutdown(socket.SHUT_RDWR)

    def landed(self) -> None:
        self.ours.close()
        self.peer.close()


@pytest.fixture
def planes() -> Iterator[dict[int, Plane]]:
    made = {number: Plane() for number in range(50)}
    yield made
    for plane in made.values():
        plane.landed()


in_flight = pytest.mark.skipif(not IS_AVAILABLE, reason="requests are watched for on Linux only")


@in_flight
def test_requests_in_flight_need_no_thread_each(planes: dict[int, Plane], start: Start) -> None:
    notes = Notes()
    notes.flights.update(planes)
    dispatcher, limiter = start(notes, max_workers=50), unlimited()
    jobs = [job(number, limiter) for number in range(50)]
    for each in jobs:
        dispatcher.submit(each)
    wait_until(lambda: len(dispatcher._flights.jobs()) == 50)
    threads = len(dispatcher._threads)
    assert notes.attempted == []
    for number in (49, 0, 25):
        planes[number].peer.send(b"x")
        jobs[number].future.result(5)
    for plane in planes.values():
        with suppress(OSError):
            plane.peer.send(b"x")
    finish(jobs)

    assert notes.attempted[:3] == [49, 0, 25]
    assert threads < 25  # two or three, unless the machine is busy


@in_flight
def test_a_reply_that_takes_long_to_take_in_holds_up_no_other(planes: dict[int, Plane], start: Start) -> None:
    go_on = threading.Event()
    notes = Notes(lambda each: ANSWERED if each.id >= 10 or go_on.wait(10) else Attempted(is_answered=None))
    notes.flights.update(planes)
    dispatcher = start(notes, max_workers=50)
    jobs = [job(number, unlimited()) for number in range(50)]
    for each in jobs:
        dispatcher.submit(each)
    wait_until(lambda: len(dispatcher._flights.jobs()) == 50)
    for plane in planes.values():
        plane.peer.send(b"x")
    finish(jobs[10:])
    assert not any(each.future.done() for each in jobs[:10])
    go_on.set()
    finish(jobs[:10])


@in_flight
def test_what_comes_while_a_reply_is_taken_in_need_not_wait_for_that(planes: dict[int, Plane], start: Start) -> None:
    """As when a callback asks the next question and waits for the answer."""
    limiter, asked = unlimited(), threading.Event()
    dispatchers: list[Dispatcher] = []

    def ask_another(each: Job) -> Attempted:
        if each.id == 0:
            dispatchers[0].submit(job(1, limiter))
            assert asked.wait(10)
        asked.set()
        return ANSWERED

    notes = Notes(ask_another)
    notes.flights[0] = planes[0]
    dispatchers.append(start(notes))
    one = job(0, limiter)
    dispatchers[0].submit(one)
    planes[0].peer.send(b"x")
    finish([one])

    assert (notes.attempted, notes.given_up) == ([0, 1], {})


def test_a_job_that_is_cancelled_while_its_request_is_written_is_not_sent(start: Start) -> None:
    dispatchers: list[Dispatcher] = []

    class Cancelling(Notes):
        def plan(self, job_in_hand: Job) -> float:
            dispatchers[0].cancel([job_in_hand])
            return super().plan(job_in_hand)

    notes, limiter = Cancelling(), unlimited(1)
    dispatchers.append(start(notes))
    one = job(0, limiter)
    dispatchers[0].submit(one)
    finish([one])

    assert (notes.attempted, list(notes.given_up)) == ([], [0])
    assert limiter.in_flight == 0


def test_what_comes_while_a_request_is_written_need_not_wait_for_that(start: Start) -> None:
    dispatchers: list[Dispatcher] = []

    class Slow(Notes):
        def plan(self, job_in_hand: Job) -> float:
            if job_in_hand.id == 0:
                dispatchers[0].submit(other)
                other.future.result(10)
            return super().plan(job_in_hand)

    notes = Slow()
    dispatchers.append(start(notes))
    one, other = job(0, unlimited()), job(1, unlimited())
    dispatchers[0].submit(one)
    finish([one])

    assert notes.attempted == [1, 0]


@in_flight
def test_a_job_in_flight_is_cut_off_when_it_is_cancelled(planes: dict[int, Plane], start: Start) -> None:
    notes = Notes()
    notes.flights.update(planes)
    dispatcher = start(notes)
    jobs = [job(number, unlimited()) for number in range(3)]
    for each in jobs:
        dispatcher.submit(each)
    wait_until(lambda: len(dispatcher._flights.jobs()) == 3)
    dispatcher.cancel([jobs[1]])
    finish([jobs[1]])
    assert jobs[1].leash is not None
    assert jobs[1].leash.cut_reason == "cancelled"
    assert not jobs[0].future.done()
    dispatcher.close()  # as closing does all others

    finish(jobs)
    assert sorted(notes.attempted) == [0, 1, 2]
    assert not dispatcher._threads


@in_flight
def test_an_unforeseen_error_in_taking_a_reply_in_ends_its_job_alone(planes: dict[int, Plane], start: Start) -> None:
    def explode(each: Job) -> Attempted:
        if each.id == 0:
            raise ZeroDivisionError("boom")
        return ANSWERED

    notes = Notes(explode)
    notes.flights.update(planes)
    dispatcher, limiter = start(notes), unlimited(1)
    jobs = [job(number, limiter) for number in range(3)]
    for each in jobs:
        dispatcher.submit(each)
        planes[each.id].peer.send(b"x")
    finish(jobs)

    assert (sorted(notes.attempted), list(notes.given_up)) == ([0, 1, 2], [0])
    assert limiter.in_flight == 0


@in_flight
def test_a_flight_that_could_not_leave_lands_at_once(start: Start) -> None:
    class Grounded(Plane):
        def fileno(self) -> int:
            return -1

    notes = Notes()
    notes.flights[0] = Grounded()
    dispatcher = start(notes)
    one = job(0, unlimited())
    dispatcher.submit(one)
    finish([one])
    assert notes.attempted == [0]


@in_flight
def test_a_job_that_comes_while_all_wait_for_replies_is_sent_at_once(planes: dict[int, Plane], start: Start) -> None:
    notes = Notes()
    notes.flights.update(planes)
    dispatcher, limiter = start(notes), unlimited()
    for count in (1, 2, 3):
        dispatcher.submit(job(count, limiter))
        wait_until(partial(lambda count: len(dispatcher._flights.jobs()) == count, count))
        wait_until(lambda: dispatcher._flights.is_watched)


def test_closing_gives_up_everything_and_ends_the_threads(start: Start) -> None:
    limiter = unlimited(1)
    limiter.acquire()
    notes = Notes()
    dispatcher = start(notes)
    jobs = [job(number, limiter) for number in range(50)]
    for each in jobs:
        dispatcher.submit(each)
    dispatcher.close()
    finish(jobs)

    assert len(notes.given_up) == 50
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("deluge-sync-worker")]
    with pytest.raises(ClientClosedError):
        dispatcher.submit(job(99, limiter))


def test_workers_that_have_nothing_to_do_end(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_S", 0.02)
    dispatcher = start(Notes())
    jobs = [job(number, unlimited()) for number in range(10)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)
    wait_until(lambda: not dispatcher._threads)

    again = job(11, unlimited())
    dispatcher.submit(again)
    again.future.result(5)


def test_a_provider_that_is_down_gets_probes_and_no_job_loses_an_attempt(start: Start) -> None:
    is_down = threading.Event()
    is_down.set()

    def attempt(each: Job) -> Attempted:
        if not is_down.is_set():
            return ANSWERED
        each.attempts += 1
        return Attempted(is_answered=False, again=SendAgain(0.0, RETRY_COST))

    notes = Notes(attempt)
    dispatcher = start(notes)
    limiter = unlimited(8)
    jobs = [job(number, limiter) for number in range(300)]
    for each in jobs:
        dispatcher.submit(each)
    wait_until(lambda: any(lane.brake.opens_at > time.monotonic() + 0.5 for lane in dispatcher._lanes.values()))
    sent_while_down = len(notes.attempted)
    is_down.clear()
    finish(jobs)

    assert sent_while_down < 100
    assert len(notes.attempted) <= sent_while_down + 300 + 1
    assert sum(each.attempts for each in jobs) <= 36  # those the purse paid for; the rest were taken back


def test_what_waits_too_long_for_a_provider_that_is_down_is_given_up(start: Start) -> None:
    notes = Notes(lambda _: Attempted(is_answered=False, again=SendAgain(0.0, RETRY_COST)))
    dispatcher = start(notes, outage_patience_s=0.3)
    limiter = unlimited(8)
    jobs = [job(number, limiter) for number in range(300)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)

    assert sorted(notes.outlasted) == list(range(300))
    assert len(notes.attempted) < 100


def test_a_provider_that_is_down_does_not_stop_another_that_shares_its_limiter(start: Start) -> None:
    def attempt(each: Job) -> Attempted:
        if each.route.base_url == "http://up":
            return ANSWERED
        return Attempted(is_answered=False, again=SendAgain(0.0, RETRY_COST))

    notes = Notes(attempt)
    dispatcher = start(notes)
    limiter = unlimited(8)
    lost = [job(number, limiter, base_url="http://down") for number in range(100)]
    for each in lost:
        dispatcher.submit(each)
    wait_until(lambda: any(lane.brake.is_down for lane in dispatcher._lanes.values()))
    jobs = [job(number, limiter, base_url="http://up") for number in range(100, 400)]
    for each in jobs:
        dispatcher.submit(each)
    finish(jobs)  # while the others are parked for a minute

    assert not any(each.future.done() for each in lost)


def test_late_jobs_that_nobody_had_time_for_learn_from_a_probe_that_the_provider_is_back(start: Start) -> None:
    """The machine stood still for longer than the patience, between their coming and the first look at them."""
    notes = Notes()
    dispatcher, limiter = start(notes, outage_patience_s=0.5), unlimited()
    jobs = [job(number, limiter) for number in range(100)]
    now = time.monotonic()
    with dispatcher._lock:
        dispatcher._lane(jobs[0]).brake._turn(down_since=now - 60, opens_at=now - 10)
        for each in jobs:
            each.queued_at = now - 1
            dispatcher._lane(each).ready.append(each)
        dispatcher._call_a_worker()
    finish(jobs)

    assert (len(notes.attempted), notes.outlasted) == (100, [])


def test_the_patience_of_those_that_wait_is_not_reckoned_anew_for_each_that_comes(start: Start) -> None:
    class Counting(Notes):
        looks = 0

        def can_go_elsewhere(self, job: Job) -> bool:
            self.looks += 1  # once for each time its patience is reckoned; with the dispatcher's lock held
            return super().can_go_elsewhere(job)

    notes = Counting(lambda _: Attempted(is_answered=False, again=SendAgain(0.0, RETRY_COST)))
    dispatcher, limiter = start(notes), unlimited(8)
    dispatcher.submit(job(0, limiter))
    wait_until(lambda: any(lane.brake.is_down for lane in dispatcher._lanes.values()))
    for number in range(1, 3_001):
        dispatcher.submit(job(number, limiter))

    assert notes.looks < 20 * 3_000


def bring_down(start: Start, attempt_of_the_probe: Callable[[], Attempted]) -> tuple[Notes, list[Job]]:
    """A lane whose provider is down, with 60 jobs that wait; the first probe ends as told, and all others are answered.

    Returns when every job has ended.
    """
    probed = threading.Event()
    dispatchers: list[Dispatcher] = []

    def attempt(_: Job) -> Attempted:
        if not any(lane.brake.is_down for lane in dispatchers[0]._lanes.values()):
            return ANSWERED if probed.is_set() else Attempted(is_answered=False, again=SendAgain(0.0, RETRY_COST))
        if probed.is_set():
            return ANSWERED
        probed.set()
        return attempt_of_the_probe()

    notes = Notes(attempt)
    dispatchers.append(start(notes, max_workers=1))
    limiter = unlimited(1)
    jobs = [job(number, limiter) for number in range(60)]
    for each in jobs:
        dispatchers[0].submit(each)
    finish(jobs)
    return notes, jobs


def test_a_probe_that_is_cut_off_leaves_the_others_a_probe(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    notes, _ = bring_down(start, lambda: Attempted(is_answered=None))

    assert notes.outlasted == []
    assert caplog.text.count("answers again") == 1


def test_a_probe_that_ends_by_an_unforeseen_error_leaves_the_others_a_probe(start: Start) -> None:
    def explode() -> Attempted:
        raise ZeroDivisionError("boom")

    notes, _ = bring_down(start, explode)

    assert [type(error) for error in notes.given_up.values()] == [ZeroDivisionError]
    assert notes.outlasted == []


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a state that another thread brings about; bounded."""
    give_up_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.001)
