"""What is done to a job, step by step: look up, plan, attempt, decide. The dispatcher calls it; `finish` ends a job."""

from __future__ import annotations

import logging
import random
from time import monotonic
from typing import TYPE_CHECKING

from deluge_sync._adapters.call import ModelReply
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._engine.attempt import call_of, exchange, failure_of, land, launch, teach
from deluge_sync._engine.background import Background
from deluge_sync._engine.cache_key import CacheKeys
from deluge_sync._engine.dispatcher import HURRIED_JOIN_S, JOIN_S, Dispatcher
from deluge_sync._engine.finish import Finisher
from deluge_sync._engine.forecast import input_tokens
from deluge_sync._engine.handler import Attempted
from deluge_sync._engine.job import Job, Run
from deluge_sync._engine.local_cache import LocalCache
from deluge_sync._engine.retry import Decision, GiveUp, History, SendAgain, decide
from deluge_sync._engine.shared_flight import SharedFlights
from deluge_sync._engine.spending import Spending
from deluge_sync._http import Transport
from deluge_sync.errors import ClientClosedError, ConfigError, RequestTooLargeError
from deluge_sync.prompt import Conversation
from deluge_sync.prompt.fetching import Fetcher, needs_fetch
from deluge_sync.tracker import Gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from deluge_sync._adapters.call import Call, Extras
    from deluge_sync._engine.limiter import Lease
    from deluge_sync._engine.pool import Pool, Route
    from deluge_sync._engine.settings import EngineSettings
    from deluge_sync._engine.streaming import Listener
    from deluge_sync._http import Flight, HttpReply
    from deluge_sync.tracker import Tracker

__all__ = ["Engine"]

log = logging.getLogger(__name__)


class Engine:
    """Takes jobs and resolves their futures. Thread-safe; a job's own state belongs to the worker that has it."""

    def __init__(
        self,
        pool: Pool,
        settings: EngineSettings,
        tracker: Tracker,
        *,
        clock: Callable[[], float] = monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._tracker = tracker
        self._clock = clock
        self._chance = chance
        self._shares = settings.cache is not None or settings.dedupe
        self._is_closing = False
        self._keys = CacheKeys(pool.routes)
        self._flights = SharedFlights()
        self._spending = Spending(take_up=self._take_over, refuse=self._refuse)
        self._finisher = Finisher(
            tracker,
            cache=LocalCache(settings.cache, store_truncated=settings.store_truncated),
            flights=self._flights,
            take_over=self._take_over,
            ends=self._spending.forfeit,
            postprocess=settings.postprocess,
            clock=clock,
        )
        self._transport = Transport()
        self._fetcher = Fetcher()
        self._background = Background(
            self._transport, clock=clock, chance=chance, request_timeout_s=settings.request_timeout_s
        )
        self._dispatcher = Dispatcher(
            self, max_workers=settings.max_workers, outage_patience_s=settings.outage_patience_s, clock=clock
        )
        tracker.watch(self.gauge)

    def submit(
        self, job_id: int, prompt: Conversation, *, run: Run, extras: Extras, listener: Listener | None = None
    ) -> Job:
        """Queue one prompt; its answer will be in the job's future, and in pieces at the `listener`.

        Raises:
            ClientClosedError: the engine was closed.
        """
        job = self.prepare(job_id, prompt, run=run, extras=extras, listener=listener)
        self.start(job)
        return job

    def prepare(
        self, job_id: int, prompt: Conversation, *, run: Run, extras: Extras, listener: Listener | None = None
    ) -> Job:
        """A job that is not queued yet: whoever must not lose it puts it where it can be found, and calls `start`."""
        prefer = prompt.model_used if extras.prefer_model == "last" else extras.prefer_model
        job = Job(job_id, prompt, run, self._pool.choose(run, prefer=prefer), extras, listener=listener)
        job.queued_at = self._clock()
        settings = self._settings
        job.deadline = job.queued_at + settings.seconds_per_prompt
        if extras.background:
            job.deadline = min(job.deadline, job.queued_at + settings.background_timeout_s)
        return job

    def start(self, job: Job) -> None:
        """Queue what `prepare` made.

        Raises:
            ClientClosedError: the engine was closed.
        """
        self._tracker.queued()
        try:
            self._dispatcher.submit(job, look_up=self._shares)
        except ClientClosedError:
            self._tracker.cancelled()
            raise

    def refuse(self, job_id: int, error: ConfigError, *, run: Run) -> Job:
        """A job that ends as an error at once, because its prompt cannot be read."""
        job = Job(job_id, Conversation(), run, self._pool.choose(run))
        self._tracker.queued()
        self._finisher.fail(job, Failure(FailureKind.BAD_REQUEST, str(error), may_have_been_processed=False))
        return job

    def resize(self, *, max_concurrent_requests: int | None = None, **limits: float) -> None:
        """Change the limits of every key. Raises what `LeakyBucketLimiter.resize` raises."""
        for limiter in {route.limiter for route in self._pool.routes}:
            limiter.resize(max_concurrent_requests=max_concurrent_requests, **limits)
        if max_concurrent_requests is not None:
            self._dispatcher.max_workers = max_concurrent_requests

    def gauge(self) -> Gauge:
        """Where the limiters stand: their tokens together, and the pause that all of them keep."""
        gauges = [limiter.gauge() for limiter in {route.limiter for route in self._pool.routes}]
        return Gauge(sum(each.tokens_counted for each in gauges), min(each.paused_s for each in gauges))

    def cancel(self, jobs: Iterable[Job]) -> None:
        """End `jobs` as errors unless they are finished; what is on the wire is cut off."""
        jobs = list(jobs)
        for job in jobs:  # all of them first: no job shall take over from another that is to be cancelled too
            job.is_cancelled = True
        self._let_go(self._flights.withdraw(jobs))
        self._let_go(self._spending.withdraw(jobs))
        self._dispatcher.cancel(jobs)

    def close(self, *, in_a_hurry: bool = False) -> None:
        """End everything, threads and connections included. `in_a_hurry` waits for no callback of the user's."""
        self._is_closing = True
        self._dispatcher.close(join_s=HURRIED_JOIN_S if in_a_hurry else JOIN_S)
        self._let_go(self._flights.withdraw_all())
        self._let_go(self._spending.withdraw_all())
        self._fetcher.close()
        self._transport.close()

    # --- what the dispatcher calls

    def look_up(self, job: Job) -> bool:
        """Answer from the local cache if it can, or let the job follow another that asks the same.

        It boards before it looks: what another keeps in the cache before it lands is found after that.
        """
        job.cache_key = self._key_of(job)
        if self._flights.board(job):
            return self._finisher.answer_from_cache(job)
        if job.is_cancelled:  # looked at after it can be found: a canceller sets the flag first
            self._let_go(self._flights.withdraw([job]))
        return True

    def needs_preparation(self, job: Job) -> bool:
        """Whether something at a URL has to be fetched that the provider does not fetch itself."""
        return job.pending_id is None and bool(needs_fetch(job.sendable, job.route.model.api_spec))

    def make_ready(self, job: Job) -> bool:
        """Fetch it. False: it cannot be had, so the job ended."""
        try:
            job.filled = self._fetcher.fill(job.sendable, job.route.model.api_spec)
        except ConfigError as error:
            self._finisher.fail(job, Failure(FailureKind.BAD_REQUEST, str(error), may_have_been_processed=False))
            return False
        return True

    def plan(self, job: Job) -> float | None:
        """Build the request and tell its tokens. None: it is not to be sent; the job ended, or waits for money."""
        if job.pending_id is not None:
            self._background.prepare(job)
            return 0
        if (stopped := job.run.why_stopped(job.route)) is not None:
            job.route = self._pool.fall_back(job.run, job.route, job.useless)
            if job.run.why_stopped(job.route) is not None:
                self._finisher.fail(job, stopped, "not sent: an earlier request of this run failed so")
                return None
        call = call_of(job)
        try:
            job.request = job.route.adapter.build_request(call)
        except ConfigError as error:
            self._finisher.fail(job, Failure(FailureKind.BAD_REQUEST, str(error), may_have_been_processed=False))
            return None
        return self._within_budget(job, call)

    def _within_budget(self, job: Job, call: Call) -> float | None:
        """The tokens to ask the limiter for; None where the job's budget has no room for it, now or at all."""
        if self._spending.admit(job, call):
            return input_tokens(call) + call.params.max_new_tokens
        if job.is_cancelled:  # looked at after it can be found: a canceller sets the flag first
            self._let_go(self._spending.withdraw([job]))
        return None

    def _refuse(self, job: Job, message: str) -> None:
        if self._is_closing or job.is_cancelled:  # what was cut off now may have taken the last of its money
            self._let_go([job])
            return
        self._finisher.fail(job, Failure(FailureKind.BUDGET, message, may_have_been_processed=False))

    def attempt(self, job: Job, lease: Lease) -> Attempted:
        """Send once, and finish the job unless it is to be sent again."""
        if job.pending_id is not None:
            return self._look(job)
        timeout_s = self._begin(job)
        came = exchange(job, self._transport, timeout_s=timeout_s, idle_s=self._settings.stream_idle_s)
        return self._take_in(job, lease, *came)

    def launch(self, job: Job) -> Flight | None:
        """Send without waiting, if a connection is idle; None where it takes `attempt`."""
        if job.pending_id is not None or job.listener is not None or job.request is None:
            return None
        flight = self._transport.ready(job.request)
        if flight is not None:
            launch(job, flight, timeout_s=self._begin(job))
        return flight

    def land(self, job: Job, lease: Lease, flight: Flight) -> Attempted:
        """The second half of an attempt that was launched."""
        return self._take_in(job, lease, *land(job, flight))

    def _look(self, job: Job) -> Attempted:
        """Look after an answer that the provider works on in the background."""
        found = self._background.look(job)
        if isinstance(found, SendAgain):
            return Attempted(is_answered=True, again=found)
        if isinstance(found, ModelReply):
            self._finisher.bill(job, found)
            self._spending.settle(job, found)
        else:  # that it cannot be fetched does not say that it was not made
            self._spending.forfeit(job)
        if job.pending_id is None and not self._background.is_over(job):
            return self._conclude(job, found)
        self._background.abandon(job)
        self._finish(job, found, None)
        return Attempted(is_answered=True)

    def _conclude(self, job: Job, outcome: ModelReply | Failure) -> Attempted:
        """Finish the job, unless it is to be sent again."""
        failure = failure_of(outcome)
        decision: Decision = GiveUp() if failure is None else self._decide(job, failure)
        is_answered = _is_answered(failure)
        if isinstance(decision, SendAgain):
            self._reroute(job, decision)
            return Attempted(is_answered, again=decision)
        self._finish(job, outcome, decision.reason)
        return Attempted(is_answered)

    def _finish(self, job: Job, outcome: ModelReply | Failure, reason: str | None) -> None:
        if isinstance(outcome, ModelReply):
            self._finisher.answer(job, outcome, reason)
        else:
            self._finisher.fail(job, outcome, reason)

    def give_up(self, job: Job, error: BaseException) -> None:
        """Finish a job that cannot be carried out."""
        self._background.abandon(job)
        if not job.future.done():
            kind, message = _WHY_GIVEN_UP.get(type(error), (FailureKind.INTERNAL, f"{type(error).__name__}: {error}"))
            self._finisher.fail(job, Failure(kind, message or str(error), may_have_been_processed=False))

    def can_go_elsewhere(self, job: Job) -> bool:
        """Whether the job may be asked with another key or elsewhere. What was begun in the background may not."""
        return job.pending_id is None and self._elsewhere(job) is not None

    def outlast(self, job: Job, down_s: float) -> None:
        """Finish a job whose provider has been down for longer than is waited for, or ask another provider."""
        other = self._elsewhere(job) if job.pending_id is None else None
        if other is not None:
            job.useless.update(route for route in self._pool.routes if route.key_id == job.route.key_id)
            job.route, job.queued_at = other, self._clock()
            self._take_over(job)
            return
        message = f"the provider has not answered for {down_s:.0f} s, which is longer than a prompt waits for it"
        self._finisher.fail(job, Failure(FailureKind.OUTAGE, message, may_have_been_processed=False))

    def _elsewhere(self, job: Job) -> Route | None:
        """The route to take when nobody answers at the place of the present one."""
        if len(self._pool.routes) == 1:
            return None
        here = {route for route in self._pool.routes if route.key_id == job.route.key_id}
        other = self._pool.fall_back(job.run, job.route, job.useless | here)
        return None if other is job.route else other

    # --- jobs that ask the same

    def _key_of(self, job: Job) -> str | None:
        try:
            return self._keys.key(job.prompt, job.extras)
        except (ConfigError, TypeError, ValueError, RecursionError) as error:  # told when its request is built
            log.debug("job %s has no key, so it shares no answer: %s", job.id, error)
            return None

    def _take_over(self, heir: Job) -> None:
        """Carry out a job that had followed another, or waited for money."""
        try:
            self._dispatcher.submit(heir)
        except ClientClosedError:
            self._let_go([*self._flights.land(heir), heir])
            return
        if heir.is_cancelled:  # looked at after it can be found
            self._dispatcher.cancel([heir])

    def _let_go(self, followers: Iterable[Job]) -> None:
        for job in followers:
            self.give_up(job, ClientClosedError("cancelled before it was sent"))

    # --- one attempt and what follows from it

    def _begin(self, job: Job) -> float:
        """A request is about to leave; it may take so many seconds."""
        now = self._clock()
        job.sent += 1
        job.first_sent_at = now if job.first_sent_at is None else job.first_sent_at
        self._tracker.started(attempt=job.sent)
        self._spending.sent(job)
        return max(0.0, min(self._settings.request_timeout_s, job.deadline - now))

    def _take_in(self, job: Job, lease: Lease, reply: HttpReply | Failure, outcome: ModelReply | Failure) -> Attempted:
        """Learn from what came back, and finish the job unless it is to be sent again."""
        teach(job, lease, reply, outcome)
        failure = failure_of(outcome)
        self._tracker.attempt_ended(
            is_rate_limited=failure is not None and failure.kind is FailureKind.RATE_LIMIT,
            is_maybe_billed=isinstance(outcome, Failure) and outcome.may_have_been_processed,
        )
        if (first_look := self._background.begins(job, reply)) is not None:
            return Attempted(is_answered=True, again=first_look)
        self._spending.settle(job, outcome)
        if isinstance(outcome, ModelReply):
            self._finisher.bill(job, outcome)
        return self._conclude(job, outcome)

    def _decide(self, job: Job, failure: Failure) -> Decision:
        job.run.note(job.route, failure)
        if not failure.traits.same_model_may_help:
            job.useless.add(job.route)
        is_refusal = failure.kind is FailureKind.RATE_LIMIT
        job.refusals += is_refusal
        job.attempts += not is_refusal
        if job.listener is not None and job.listener.has_heard:
            return GiveUp("not sent again, because part of the answer had been handed on")
        now = self._clock()
        history = History(
            attempts=job.attempts,
            refusals=job.refusals,
            elapsed_s=now - (job.first_sent_at or now),
            seconds_left=job.deadline - now,
            has_other_model=self._pool.fall_back(job.run, job.route, job.useless) is not job.route,
        )
        return decide(failure, history, self._settings.retry, self._chance)

    def _reroute(self, job: Job, again: SendAgain) -> None:
        log.debug("job %s is sent again in %.2f s", job.id, again.delay_s)
        if again.to_other_model:
            job.route = self._pool.fall_back(job.run, job.route, job.useless)


def _is_answered(failure: Failure | None) -> bool | None:
    """Whether the provider answered, be it with an error; None where we cut the request off."""
    if failure is not None and failure.kind is FailureKind.CANCELLED:
        return None
    return failure is None or not failure.traits.hints_at_outage


# The kind of each error that ends a job before it was sent, and what to say where the error's own text does not fit.
_WHY_GIVEN_UP: dict[type[BaseException], tuple[FailureKind, str | None]] = {
    ClientClosedError: (FailureKind.CANCELLED, "cancelled before it was answered"),
    RequestTooLargeError: (FailureKind.OVER_LIMIT, None),
    TimeoutError: (FailureKind.TIMEOUT, "its time was up before it could be sent"),
}
