"""What is done to a job, step by step: look up, plan, attempt, decide, finish. The dispatcher calls it.

A reply that was paid for becomes an `APIResponse` before anything that can fail touches it; the cache and the user's
postprocess come after that, and what they raise is logged and costs nothing but their own effect.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field, replace
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from deluge_sync._adapters.call import ModelReply
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._engine.attempt import call_of, estimate_tokens, exchange, is_rate_limit, read, teach
from deluge_sync._engine.dispatcher import Attempted, Dispatcher
from deluge_sync._engine.job import Job, Run
from deluge_sync._engine.respond import answer_response, failure_response
from deluge_sync._engine.retry import GiveUp, History, RetryPolicy, SendAgain, decide
from deluge_sync._http import Transport
from deluge_sync.errors import ClientClosedError, ConfigError, RequestTooLargeError
from deluge_sync.prompt import Conversation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.limiter import Lease
    from deluge_sync._engine.pool import Pool
    from deluge_sync.response import APIResponse
    from deluge_sync.tracker import Tracker

__all__ = ["Cache", "Engine", "EngineSettings"]

log = logging.getLogger(__name__)


class Cache(Protocol):
    """A local cache of answers: any object with these two methods, called from many threads."""

    def get(self, prompt: Conversation) -> APIResponse | None: ...
    def put(self, prompt: Conversation, response: APIResponse) -> object: ...


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`request_timeout_s` is the total time of one attempt, `seconds_per_prompt` that of all attempts and waits."""

    max_workers: int
    request_timeout_s: float
    seconds_per_prompt: float = inf
    outage_patience_s: float = 60.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    cache: Cache | None = None
    postprocess: Callable[[APIResponse], APIResponse] | None = None


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
        self._transport = Transport()
        self._dispatcher = Dispatcher(
            self, max_workers=settings.max_workers, outage_patience_s=settings.outage_patience_s, clock=clock
        )

    def submit(self, job_id: int, prompt: Conversation, *, run: Run, extras: Extras) -> Job:
        """Queue one prompt; its answer will be in the job's future.

        Raises:
            ClientClosedError: the engine was closed.
        """
        job = Job(job_id, prompt, run, self._pool.choose(run), extras)
        job.queued_at = self._clock()
        job.deadline = job.queued_at + self._settings.seconds_per_prompt
        self._tracker.queued()
        try:
            self._dispatcher.submit(job, look_up=self._settings.cache is not None)
        except ClientClosedError:
            self._tracker.failed(FailureKind.CANCELLED)
            raise
        return job

    def refuse(self, job_id: int, error: ConfigError, *, run: Run) -> Job:
        """A job that ends as an error at once, because its prompt cannot be read."""
        job = Job(job_id, Conversation(), run, self._pool.choose(run))
        self._tracker.queued()
        self._fail(job, Failure(FailureKind.BAD_REQUEST, str(error), may_have_been_processed=False))
        return job

    def cancel(self, jobs: Iterable[Job]) -> None:
        """End `jobs` as errors unless they are finished; what is on the wire is cut off."""
        self._dispatcher.cancel(jobs)

    def close(self) -> None:
        """End everything, threads and connections included."""
        self._dispatcher.close()
        self._transport.close()

    # --- what the dispatcher calls

    def look_up(self, job: Job) -> bool:
        """Answer from the local cache if it can; a cache that fails is as good as none."""
        assert self._settings.cache is not None
        try:
            found = job.context.run(self._settings.cache.get, job.prompt)
        except Exception as error:
            log.warning("cache look-up failed, so the prompt is sent: %s", error, exc_info=True)
            return False
        if found is None:
            return False
        hit = replace(found, id=job.id, prompt=job.prompt, local_cache_hit=True, cost=0.0, attempts=0, latency_s=None)
        self._tracker.answered(is_local_cache_hit=True)
        self._deliver(job, hit)
        return True

    def plan(self, job: Job) -> float | None:
        """Build the request and tell its tokens. None: the job ended, because it can or should not be sent."""
        if (stopped := job.run.why_stopped(job.route)) is not None:
            job.route = self._pool.choose(job.run, avoid=job.route)
            if job.run.why_stopped(job.route) is not None:
                self._fail(job, stopped, "not sent: an earlier request of this run failed so")
                return None
        call = call_of(job)
        try:
            job.request = job.route.adapter.build_request(call)
        except ConfigError as error:
            self._fail(job, Failure(FailureKind.BAD_REQUEST, str(error), may_have_been_processed=False))
            return None
        return estimate_tokens(call)

    def attempt(self, job: Job, lease: Lease) -> Attempted:
        """Send once, and finish the job unless it is to be sent again."""
        now = self._clock()
        job.sent += 1
        job.first_sent_at = now if job.first_sent_at is None else job.first_sent_at
        self._tracker.started(attempt=job.sent)
        timeout_s = max(0.0, min(self._settings.request_timeout_s, job.deadline - now))
        reply = exchange(job, self._transport, timeout_s=timeout_s)
        outcome = read(job, reply)
        teach(job, lease, reply, outcome)
        self._tracker.attempt_ended(
            is_rate_limited=is_rate_limit(outcome),
            is_maybe_billed=isinstance(outcome, Failure) and outcome.may_have_been_processed,
        )
        if isinstance(outcome, ModelReply):
            self._answer(job, outcome)
            return Attempted(is_answered=True)
        return Attempted(is_answered=not outcome.traits.hints_at_outage, again=self._after_failure(job, outcome))

    def give_up(self, job: Job, error: Exception) -> None:
        """Finish a job that cannot be carried out."""
        if not job.future.done():
            kind = _KINDS.get(type(error), FailureKind.INTERNAL)
            self._fail(job, Failure(kind, f"{type(error).__name__}: {error}", may_have_been_processed=False))

    def outlast(self, job: Job, down_s: float) -> None:
        """Finish a job whose provider has been down for longer than is waited for."""
        message = f"the provider has not answered for {down_s:.0f} s, and the prompt waited for it long enough"
        self._fail(job, Failure(FailureKind.OUTAGE, message, may_have_been_processed=False))

    # --- what comes after an attempt

    def _after_failure(self, job: Job, failure: Failure) -> SendAgain | None:
        job.run.note(job.route, failure)
        job.refusals += is_rate_limit(failure)
        job.attempts += not is_rate_limit(failure)
        decision = decide(failure, self._history(job), self._settings.retry, self._chance)
        if isinstance(decision, GiveUp):
            self._fail(job, failure, decision.reason)
            return None
        if decision.to_other_model:
            job.route = self._pool.choose(job.run, avoid=job.route)
        log.debug("job %s is sent again in %.2f s after %s", job.id, decision.delay_s, failure.kind)
        return decision

    def _history(self, job: Job) -> History:
        now = self._clock()
        return History(
            attempts=job.attempts,
            refusals=job.refusals,
            elapsed_s=now - (job.first_sent_at or now),
            seconds_left=job.deadline - now,
            has_other_model=self._pool.has_other(job.run, job.route),
        )

    def _answer(self, job: Job, reply: ModelReply) -> None:
        response = answer_response(job, reply, latency_s=self._clock() - (job.first_sent_at or 0.0))
        self._count_cost(response)
        if response.is_error:
            self._tracker.failed(str(response.error_kind))
        else:
            self._keep(job, response)
            self._tracker.answered()
        self._deliver(job, self._postprocess(job, response))

    def _fail(self, job: Job, failure: Failure, reason: str | None = None) -> None:
        latency_s = None if job.first_sent_at is None else self._clock() - job.first_sent_at
        response = failure_response(job, failure, reason=reason, latency_s=latency_s)
        self._tracker.failed(failure.kind)
        self._deliver(job, self._postprocess(job, response))

    def _count_cost(self, response: APIResponse) -> None:
        usage = response.usage
        if usage is not None:
            self._tracker.billed(
                cost_usd=response.cost,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cache_write_tokens=usage.cache_write_tokens,
            )

    def _keep(self, job: Job, response: APIResponse) -> None:
        cache = self._settings.cache
        if cache is None or response.finish_reason == "length":
            return
        try:
            job.context.run(cache.put, job.prompt, response)
        except Exception as error:
            log.warning("the cache did not take an answer: %s", error, exc_info=True)

    def _postprocess(self, job: Job, response: APIResponse) -> APIResponse:
        if self._settings.postprocess is None:
            return response
        try:
            return job.context.run(self._settings.postprocess, response)
        except Exception as error:
            log.warning("postprocess failed, the answer is kept as it came: %s", error, exc_info=True)
            response.error_message = f"postprocess failed: {type(error).__name__}: {error}"
            return response

    def _deliver(self, job: Job, response: APIResponse) -> None:
        if job.future.set_running_or_notify_cancel():
            job.future.set_result(response)


_KINDS: dict[type[Exception], FailureKind] = {
    ClientClosedError: FailureKind.CANCELLED,
    RequestTooLargeError: FailureKind.BUDGET,
}
