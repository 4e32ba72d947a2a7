"""Threads, queues and the order of things. It knows nothing of models or HTTP: what is done to a job is the handler's.

The workers are daemon threads of our own, because an executor joins its threads at exit and so keeps a script alive
for as long as its slowest call. They take turns as *leader*: the leader takes the next job and waits until the limiter
admits it; then it hands the lead on and carries the job out itself. So jobs are admitted in the order they came, and
one thread waits however long the queue is.

A request on a connection that was idle is sent, and then *watched* with all others of its kind by one worker; whoever
is free takes the replies in (`flights`). All others, such as the first on each connection and streams, have a worker
that waits for them. There are never more threads than requests in flight, plus the leaders.

Jobs are queued in lanes, one for each key and the limiter it shares. A job that is to be tried again is parked on a
heap until it is due; one worker holds the timer for all of them. A lane whose provider is down opens only for
probes (see `brake`), and jobs that waited for it longer than `outage_patience_s` are given up.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections import deque
from functools import partial
from math import inf
from time import monotonic, thread_time
from typing import TYPE_CHECKING, TypeAlias

from deluge_sync._engine.flights import Flights, Sent
from deluge_sync._engine.handler import Attempted
from deluge_sync._engine.hands import Hands
from deluge_sync._engine.lane import Lane
from deluge_sync._engine.look_ups import LookUps
from deluge_sync._fork import start_afresh_in_child
from deluge_sync.errors import ClientClosedError, RequestTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from deluge_sync._engine.handler import Handler
    from deluge_sync._engine.job import Job
    from deluge_sync._engine.limiter import LeakyBucketLimiter, Lease
    from deluge_sync._engine.retry import SendAgain

__all__ = ["HURRIED_JOIN_S", "JOIN_S", "Dispatcher"]

log = logging.getLogger(__name__)

_IDLE_S = 5.0
JOIN_S = 5.0
HURRIED_JOIN_S = 0.5
"""How long to wait for busy workers after a Ctrl-C: whoever pressed it does not want to wait."""
# Failures of a job from its third attempt on may be its own fault, and say little about the provider.
_NEWS = 2
_UNTOLD = Attempted(is_answered=None)


Turn: TypeAlias = "Callable[[], Settle | None]"
"""What a worker does next, without the lock. It returns what is to be settled with it, if anything is."""
Settle: TypeAlias = "Callable[[], Turn | None]"


class Dispatcher:
    """Carries out jobs on at most `max_workers` threads, besides one leader a lane. Thread-safe.

    `_lock` guards every queue and counter; no job is handled while it is held.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        max_workers: int,
        outage_patience_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._handler = handler
        self.max_workers = max_workers  # may be changed at any time
        self._outage_patience_s = outage_patience_s
        self._clock = clock
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        # In a forked child: the parent's jobs stay the parent's, and its workers do not exist here.
        self._lock = threading.Lock()  # of `_changed`, which is only entered by who waits or notifies: it takes longer
        self._changed = threading.Condition(self._lock)
        self._lanes: dict[tuple[LeakyBucketLimiter, object], Lane] = {}
        self._look_ups = LookUps()
        self._parked: list[tuple[float, int, Job]] = []
        self._flights = Flights()
        self._hands = Hands()
        self._in_hand: dict[int, Job] = {}  # by worker, because a job may be back in a queue before its worker lets go
        self._order = itertools.count()
        self._threads: set[threading.Thread] = set()
        self._sending = 0  # workers whose job was admitted
        self._idle = 0
        self._coming = 0  # workers called, woken or started, that have not looked for something to do yet
        self._alarm_at = inf  # when the earliest idle worker wakes by itself
        self._closed = False

    def submit(self, job: Job, *, look_up: bool = False) -> None:
        """Take charge of `job`. With `look_up` the handler is first asked for an answer it has already.

        Raises:
            ClientClosedError: `close` was called.
        """
        with self._lock:
            if self._closed:
                raise ClientClosedError("the client is closed")
            if look_up:
                self._look_ups.unseen.append(job)
            else:
                self._queue(job)
            self._call_a_worker()

    def cancel(self, jobs: Iterable[Job]) -> None:
        """Give up those of `jobs` that are not finished: waiting ones here and now, others by cutting them off."""
        for job in jobs:
            job.is_cancelled = True
        with self._lock:
            waiting = self._withdraw_cancelled()
            in_hand = [job for job in (*self._in_hand.values(), *self._flights.jobs()) if job.is_cancelled]
            tickets = [
                lane.waiting[1] for lane in self._lanes.values() if lane.waiting and lane.waiting[0].is_cancelled
            ]
        for ticket in tickets:
            ticket.cancel()
        for job in in_hand:
            if job.leash is not None:
                job.leash.cut("cancelled")
        for job in waiting:
            self._cancelled(job)

    def close(self, *, join_s: float = JOIN_S) -> None:
        """Give up everything that is not finished and end the threads, within `join_s` whatever they do."""
        with self._lock:
            self._closed = True
            everything = [*self._waiting_jobs(), *self._in_hand.values(), *self._flights.jobs()]
            threads = self._threads - {threading.current_thread()}
            self._changed.notify_all()
        self.cancel(everything)
        give_up_at = monotonic() + join_s
        for thread in threads:
            thread.join(max(0.0, give_up_at - monotonic()))
        if any(thread.is_alive() for thread in threads):
            log.warning("a worker is still busy %.1f s after close, probably in a callback of yours", join_s)
        elif threading.current_thread() not in self._threads:
            self._flights.close()

    # --- a worker's life

    def _work(self) -> None:
        with self._lock:
            self._arrive()
        settle: Settle | None = None
        while (turn := self._next_turn(settle)) is not None:
            settle = turn()

    def _next_turn(self, settle: Settle | None) -> Turn | None:
        """Settle the last turn and wait for something to do, under one lock. None: the thread may end."""
        with self._lock:
            self._in_hand.pop(threading.get_ident(), None)
            self._hands.put_down(threading.get_ident())
            if settle is not None and (rest := settle()) is not None:
                return rest
            was_called = True
            while not self._closed or self._flights:  # what has left is seen to its end
                turn = self._pick()
                if turn is not None:
                    self._call_a_worker()
                    return turn
                # A call that came just as the wait ran out is not lost: it has been looked for once more here.
                if self._closed or (not was_called and self._next_alarm() >= self._alarm_at):
                    break
                was_called = self._wait()
            self._threads.discard(threading.current_thread())
            return None

    def _handle(self, job: Job, turn: Turn) -> Settle | None:
        """Whatever `turn` raises ends the job and not the thread."""
        try:
            return turn()
        except BaseException as error:  # noqa: BLE001  (logged; a user's callback may also raise SystemExit)
            self._end(job, error)
        return None

    def _end(self, job: Job, error: BaseException) -> None:
        """End a job that something unforeseen happened to. What happens then is logged too, and is the end of it."""
        log.error("job %s ended by an unforeseen error", job.id, exc_info=error)
        try:
            self._handler.give_up(job, error)
        except BaseException:
            log.exception("job %s ended by an unforeseen error, and so did telling it", job.id)

    def _cancelled(self, job: Job, words: str = "cancelled before it was sent") -> None:
        self._handler.give_up(job, ClientClosedError(words))

    def _look_up(self, job: Job) -> None:
        """Look this job up, and those after it as long as there is nothing else to do: a hit takes microseconds."""
        following: Job | None = job
        while following is not None:
            following = self._look_up_one(following)

    def _look_up_one(self, job: Job) -> Job | None:
        """The job to look up after this one, if that is what is to be done next."""
        began_at = monotonic()
        is_over = True
        try:
            is_over = self._handler.look_up(job)
        except BaseException as error:  # noqa: BLE001  (as in `_handle`)
            self._end(job, error)
        with self._lock:
            self._look_ups.ended(monotonic() - began_at)
            is_cancelled = self._closed or job.is_cancelled
            if is_over:
                return self._next_to_look_up()
            if not is_cancelled:
                self._queue(job)
                self._call_a_worker()  # not for more look-ups: this one looks for those itself
        if is_cancelled:
            self._cancelled(job)
        return None

    def _carry_out(self, lane: Lane, job: Job) -> Settle | None:
        if self._needs_preparation(lane, job):
            self._make_ready(job)
            return None
        admitted = self._lead(lane, job)
        if admitted is None:
            return None
        lease, period = admitted
        attempted = _UNTOLD
        try:
            flight = self._handler.launch(job) if self._flights.can_leave else None
            if flight is not None:
                self._flights.leave(Sent(lane, job, lease, period, flight))
                return None
            self._take_time()
            with lease:
                attempted = self._handler.attempt(job, lease)
        except BaseException as error:  # noqa: BLE001  (as in `_handle`; if this was the probe, all others wait for its end)
            lease.release()
            self._end(job, error)
        return partial(self._after, lane, job, attempted, period)

    def _land(self, sent: Sent) -> Settle:
        """Take in the reply to a job that was launched."""
        began_at, cpu_at = monotonic(), thread_time()
        attempted = _UNTOLD
        try:
            with sent.lease:
                attempted = self._handler.land(sent.job, sent.lease, sent.flight)
        except BaseException as error:  # noqa: BLE001  (as in `_carry_out`)
            self._end(sent.job, error)
        return partial(self._after_landing, sent, attempted, monotonic() - began_at, thread_time() - cpu_at)

    def _take_time(self) -> None:
        """This worker is not back in a moment: what it would have done next is another's."""
        with self._lock:
            self._hands.put_down(threading.get_ident())
            self._call_a_worker()

    def _watch(self, alarm_at: float) -> Settle:
        """Wait for the replies to all that has left."""
        timeout_s = None if alarm_at == inf else max(0.0, alarm_at - self._clock())
        return partial(self._after_watch, self._flights.wait(timeout_s), alarm_at)

    def _needs_preparation(self, lane: Lane, job: Job) -> bool:
        """Ask the handler, and hand the lead on where it says yes: what comes takes time that is not the lane's."""
        is_needed = True  # also after an unforeseen error, or nobody would lead the lane any more
        try:
            is_needed = self._handler.needs_preparation(job)
        finally:
            if is_needed:
                with self._lock:
                    lane.has_leader = False
                    self._hands.put_down(threading.get_ident())
                    self._call_a_worker()
        return is_needed

    def _make_ready(self, job: Job) -> None:
        """Prepare the job and put it back at the head of its lane.

        Others are prepared meanwhile, but none any more once one is ready, which is led again: so there are never more
        of them than workers, and what was prepared for them does not fill the memory.
        """
        if not self._handler.make_ready(job):
            return
        with self._lock:
            is_cancelled = self._closed or job.is_cancelled
            if not is_cancelled:
                self._queue(job, first=True)
            self._call_a_worker()
        if is_cancelled:
            self._cancelled(job)

    def _lead(self, lane: Lane, job: Job) -> tuple[Lease, int] | None:
        """Wait until `job` is admitted, then hand the lead on. None when the job ended instead.

        Returns the lease and the period of the brake in which the request goes out.
        """
        lease, period = None, 0
        try:
            tokens = self._handler.plan(job)
            lease = None if tokens is None else self._admit(lane, job, tokens)
        except (RequestTooLargeError, ClientClosedError, TimeoutError) as error:
            self._handler.give_up(job, error)
        finally:
            with self._lock:
                lane.has_leader, lane.waiting = False, None
                if lease is not None:
                    period = lane.brake.sent()
                    self._sending += 1
                    self._flights.open()
                lane.look_again()
        return None if lease is None else (lease, period)

    def _admit(self, lane: Lane, job: Job, tokens: float) -> Lease:
        if job.is_cancelled:
            raise ClientClosedError("cancelled before it was sent")
        ticket = lane.limiter.enter(tokens)
        if ticket.is_admitted:
            return ticket.wait()
        with self._lock:
            lane.waiting = (job, ticket)
            self._hands.put_down(threading.get_ident())
            self._call_a_worker()
        if job.is_cancelled:  # looked at after the ticket can be found: a canceller sets the flag first
            ticket.cancel()
        return ticket.wait(None if job.deadline == inf else max(0.0, job.deadline - self._clock()))

    # --- queues; `_lock` is held

    def _after(self, lane: Lane, job: Job, attempted: Attempted, period: int) -> Turn | None:
        """Draw the consequences of an attempt for the lane and, if the job is not finished, for the job.

        Returns what is left to be done without the lock.
        """
        self._sending -= 1
        may_go = self._mind(lane, job, attempted, period)
        if self._closed or job.is_cancelled:
            self._call_a_worker()  # in any other case this one is about to look itself
            if attempted.again is not None:
                return partial(self._handle, job, partial(self._cancelled, job, "cancelled before it was sent again"))
        elif attempted.again is not None:
            self._queue_again(lane, job, attempted.again, may_go=may_go)
        return None

    def _after_landing(self, sent: Sent, attempted: Attempted, took_s: float, cpu_s: float) -> Turn | None:
        self._hands.measured(took_s, cpu_s, self._clock())
        return self._after(sent.lane, sent.job, attempted, sent.period)

    def _after_watch(self, descriptors: list[int], alarm_at: float) -> None:
        self._arrive()
        self._flights.came(descriptors)
        if self._alarm_at == alarm_at:
            self._alarm_at = inf

    def _mind(self, lane: Lane, job: Job, attempted: Attempted, period: int) -> bool:
        """Tell the brake. Returns whether the job may be sent again at its own time."""
        before = lane.brake.down_since, lane.brake.opens_at
        may_go = self._tell_brake(lane, job, attempted, period)
        if before != (lane.brake.down_since, lane.brake.opens_at):
            lane.look_again()
        return may_go

    def _tell_brake(self, lane: Lane, job: Job, attempted: Attempted, period: int) -> bool:
        now = self._clock()
        if attempted.is_answered is None:
            lane.brake.told_nothing(period, now)
        elif attempted.is_answered:
            if lane.brake.answered(period):
                log.warning("the provider answers again")
                self._come_back(lane)
        else:
            was_down = lane.brake.is_down
            cost = attempted.again.cost if attempted.again else 0
            may_go = lane.brake.failed(period, now, cost, is_news=job.attempts <= _NEWS)
            if lane.brake.is_down and not was_down:
                log.warning("the provider does not answer; nothing is sent but a probe now and then")
            return may_go
        return True

    def _queue_again(self, lane: Lane, job: Job, again: SendAgain, *, may_go: bool) -> None:
        if may_go:
            self._park(job, self._clock() + again.delay_s)
            return
        job.attempts -= 1  # the provider was down: that is not this job's failure
        if lane.brake.is_down:
            self._queue(job)
        else:
            self._park(job, lane.place_to_come_back(self._clock()))

    def _come_back(self, lane: Lane) -> None:
        """Let those that have failed before come one after another; the rest goes at the limiter's pace as always."""
        now = self._clock()
        failed_before = [job for job in lane.ready if job.sent]
        lane.ready = deque(job for job in lane.ready if not job.sent)
        for job in failed_before:
            self._park(job, lane.place_to_come_back(now))

    def _park(self, job: Job, due_at: float) -> None:
        heapq.heappush(self._parked, (due_at, next(self._order), job))

    def _pick(self) -> Turn | None:
        now = self._clock()
        due = []
        while self._parked and self._parked[0][0] <= now:
            due.append(heapq.heappop(self._parked)[2])
        for job in reversed(due):  # so that the one that has been due for longest is the first
            self._queue(job, first=True)
        self._hands.check(now, is_needed=bool(self._flights))
        for lane in self._lanes.values():
            # First, because a probe that is due says more than the clock: the machine may have stood still for a while.
            if lane.opens_at() <= now and self._sending < self.max_workers:
                job = self._take(lane.next_to_lead(now), now)
                return partial(self._handle, job, partial(self._carry_out, lane, job))
            if lane.overdue_at <= now and (overdue := self._overdue(lane, now)):
                return overdue
        if self._flights.has_come and self._hands.may_help(now):
            sent = self._flights.next_that_came()
            return partial(self._handle, self._take(sent.job, now), partial(self._land, sent))
        if self._look_ups.may_begin():
            job = self._take_unseen()
            return partial(self._handle, job, partial(self._look_up, job))
        if self._flights.is_to_watch and self._hands.may_help(now):
            return self._begin_to_watch()
        return None

    def _begin_to_watch(self) -> Turn:
        """The watcher wakes for what is due next, unless an idle worker does."""
        self._flights.is_watched = True
        alarm_at = self._next_alarm()
        if alarm_at >= self._alarm_at:
            return partial(self._watch, inf)
        self._alarm_at = alarm_at
        return partial(self._watch, alarm_at)

    def _take(self, job: Job, now: float) -> Job:
        """What this worker has in hand now, and will not have for long unless it says so."""
        me = threading.get_ident()
        self._in_hand[me] = job
        self._hands.take_up(me, now)
        return job

    def _next_to_look_up(self) -> Job | None:
        if self._closed or not self._look_ups.may_begin() or self._next_alarm() <= self._clock():
            return None
        job = self._take_unseen()
        if self._look_ups.may_begin():
            self._call_a_worker()
        return job

    def _take_unseen(self) -> Job:
        job = self._in_hand[threading.get_ident()] = self._look_ups.begin()
        return job

    def _overdue(self, lane: Lane, now: float) -> Turn | None:
        """End the jobs that have waited too long for a provider that is down."""
        waits_until = {job: self._waits_until(lane, job, now) for job in lane.ready}
        jobs = [job for job, until in waits_until.items() if until <= now]
        lane.ready = deque(job for job, until in waits_until.items() if until > now)
        lane.overdue_at = min((until for until in waits_until.values() if until > now), default=inf)
        return partial(self._outlast, jobs, now - (lane.brake.down_since or now)) if jobs else None

    def _waits_until(self, lane: Lane, job: Job, now: float) -> float:
        return lane.waits_until(job, self._outage_patience_s, now, can_leave=self._handler.can_go_elsewhere(job))

    def _outlast(self, jobs: list[Job], down_s: float) -> None:
        now = self._clock()
        for job in jobs:
            if job.deadline <= now:
                self._handler.give_up(job, TimeoutError())
            else:
                self._handler.outlast(job, down_s)

    def _next_alarm(self) -> float:
        """When something can be done that cannot be done now."""
        alarms = [self._hands.check_at]
        if self._parked:
            alarms.append(self._parked[0][0])
        for lane in self._lanes.values():
            if self._sending < self.max_workers:
                alarms.append(lane.opens_at())
            alarms.append(lane.overdue_at)
        return min(alarms)

    def _call_a_worker(self) -> None:
        """See to it that somebody takes what can be taken now, and wakes for what can be taken later.

        One at a time: whoever comes and takes something calls the next. Nobody is called for what those do who will be
        back in a moment.
        """
        if self._coming or not self._is_needed():
            return
        if self._idle:
            self._coming += 1
            self._changed.notify()
        elif self._flights.is_watched:
            self._coming += 1
            self._flights.ring()
        elif not self._closed and len(self._threads) < self.max_workers + len(self._lanes):
            self._start_a_worker()

    def _is_needed(self) -> bool:
        if self._look_ups.may_begin():
            return True
        now = self._clock()
        if self._hands.may_help(now):
            return self._is_there_work()
        # Others are busy: somebody must see in a while whether they are held up, if anybody has to wait for them.
        if self._hands.check_at == inf and self._is_there_work():
            self._hands.check(now, is_needed=True)
        return self._hands.check_at < self._alarm_at

    def _is_there_work(self) -> bool:
        return self._flights.has_come or self._flights.is_to_watch or self._next_alarm() < self._alarm_at

    def _start_a_worker(self) -> None:
        thread = threading.Thread(target=self._work, name=f"deluge-sync-worker-{next(self._order)}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads: those there are go on
            if not self._threads:
                raise
            return
        self._coming += 1
        self._threads.add(thread)

    def _wait(self) -> bool:
        """Be idle for a while. False when nothing happened for so long that the thread should end."""
        alarm_at = self._next_alarm()
        holds_timer = alarm_at < self._alarm_at
        if holds_timer:
            self._alarm_at = alarm_at
        self._idle += 1
        was_called = self._changed.wait(max(0.0, alarm_at - self._clock()) if holds_timer else _IDLE_S)
        self._idle -= 1
        self._arrive()
        if holds_timer and self._alarm_at == alarm_at:
            self._alarm_at = inf
        return was_called or holds_timer

    def _arrive(self) -> None:
        # Also by one that woke by itself: better to call one worker too many than to wait for one that never comes.
        self._coming = max(0, self._coming - 1)

    def _queue(self, job: Job, *, first: bool = False) -> None:
        lane = self._lane(job)
        (lane.ready.appendleft if first else lane.ready.append)(job)
        if lane.brake.is_down:
            lane.overdue_at = min(lane.overdue_at, self._waits_until(lane, job, self._clock()))

    def _lane(self, job: Job) -> Lane:
        place = (job.limiter, job.route.key_id)
        return self._lanes.get(place) or self._lanes.setdefault(place, Lane(job.limiter))

    def _waiting_jobs(self) -> list[Job]:
        in_lanes = [job for lane in self._lanes.values() for job in lane.ready]
        return [*in_lanes, *self._look_ups.unseen, *(job for *_, job in self._parked)]

    def _withdraw_cancelled(self) -> list[Job]:
        withdrawn = [job for job in self._waiting_jobs() if job.is_cancelled]
        if withdrawn:
            self._look_ups.unseen = deque(job for job in self._look_ups.unseen if not job.is_cancelled)
            self._parked = [entry for entry in self._parked if not entry[2].is_cancelled]
            heapq.heapify(self._parked)
            for lane in self._lanes.values():
                lane.ready = deque(job for job in lane.ready if not job.is_cancelled)
        return withdrawn
