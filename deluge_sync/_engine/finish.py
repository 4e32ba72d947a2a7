"""The end of a job: its response is written, counted, kept, postprocessed and delivered, in this order.

The response is complete before anything that can fail touches it. What the user's cache and postprocess raise is
logged and costs nothing but their own effect. Jobs that waited for this one because they ask the same end with it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from deluge_sync._adapters.failure import FailureKind
from deluge_sync._engine.respond import answer_response, failure_response, repeated_response
from deluge_sync._engine.shared_flight import is_own_affair
from deluge_sync.models.pricing import cost_usd
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync._adapters.call import ModelReply
    from deluge_sync._adapters.failure import Failure
    from deluge_sync._engine.job import Job
    from deluge_sync._engine.local_cache import LocalCache
    from deluge_sync._engine.shared_flight import SharedFlights
    from deluge_sync.tracker import Tracker

__all__ = ["Finisher"]

log = logging.getLogger(__name__)


class Finisher:
    """Finishes jobs for all workers. Keeps no state of its own.

    take_over: carries out a job that followed one which ended through an affair of its own. ends: told of each job
    that was carried out, before its answer is delivered.
    """

    def __init__(
        self,
        tracker: Tracker,
        *,
        cache: LocalCache,
        flights: SharedFlights,
        take_over: Callable[[Job], None],
        ends: Callable[[Job], None],
        postprocess: Callable[[APIResponse], APIResponse] | None,
        clock: Callable[[], float],
    ) -> None:
        self._tracker = tracker
        self._cache = cache
        self._flights = flights
        self._take_over = take_over
        self._ends = ends
        self._user_postprocess = postprocess
        self._clock = clock

    def bill(self, job: Job, reply: ModelReply) -> None:
        """Count what a reply cost, whether it ends the job or is tried again."""
        if reply.usage is not None:
            cost = cost_usd(job.route.model, reply.usage, service_tier=reply.service_tier)
            job.costs_usd.append(cost)
            self._tracker.billed(
                cost_usd=cost,
                input_tokens=reply.usage.input_tokens,
                output_tokens=reply.usage.output_tokens,
                cache_read_tokens=reply.usage.cache_read_tokens,
                cache_write_tokens=reply.usage.cache_write_tokens,
            )

    def answer(self, job: Job, reply: ModelReply, reason: str | None = None) -> None:
        """The model answered, or refused. `reason` says why what failed was not tried again."""
        response = answer_response(job, reply, reason=reason, latency_s=self._latency_s(job))
        if reply.failure is not None:
            self._count_failed(reply.failure)
        else:
            self._tracker.answered()
        try:
            self._cache.keep(job, response)
        finally:  # what is no Exception travels on, but it takes no answer with it
            self._deliver(job, response)

    def fail(self, job: Job, failure: Failure, reason: str | None = None) -> None:
        """There is no answer. `reason` says why it was not tried again."""
        response = failure_response(job, failure, reason=reason, latency_s=self._latency_s(job))
        self._count_failed(failure)
        self._deliver(job, response)

    def answer_from_cache(self, job: Job) -> bool:
        """Whether the local cache had the answer. A cache that fails is as good as none."""
        found = self._cache.find(job)
        if found is None:
            return False
        self.repeat(job, found)
        return True

    def repeat(self, job: Job, found: APIResponse) -> None:
        """The local cache had this answer."""
        hit = repeated_response(job, found)
        hit.local_cache_hit = True
        self._count_repeated(hit)
        self._deliver(job, hit)

    def _count_failed(self, failure: Failure) -> None:
        if failure.kind is FailureKind.CANCELLED:
            self._tracker.cancelled()
        else:
            self._tracker.failed(failure.kind.value)

    def _count_repeated(self, response: APIResponse) -> None:
        if response.is_error:
            self._tracker.failed(response.error_kind or FailureKind.INTERNAL.value)
        else:
            self._tracker.answered(is_local_cache_hit=True)

    def _latency_s(self, job: Job) -> float | None:
        return None if job.first_sent_at is None else self._clock() - job.first_sent_at

    def _postprocess(self, job: Job, response: APIResponse) -> APIResponse:
        """What the user makes of the response; the response itself where that fails, because it was paid for."""
        if self._user_postprocess is None or response.error_kind == FailureKind.CANCELLED:
            return response
        try:
            processed = job.context.run(self._user_postprocess, response)
        except Exception as error:  # a user's callback may raise anything
            log.warning("postprocess failed, the answer is kept as it came: %s", error, exc_info=True)
            problem = f"{type(error).__name__}: {error}"
        else:
            if isinstance(processed, APIResponse):
                return processed
            problem = f"it returned a {type(processed).__name__} instead of an APIResponse"
            log.warning("postprocess failed, the answer is kept as it came: %s", problem)
        response.error_message = f"postprocess failed: {problem}"
        return response

    def _deliver(self, job: Job, response: APIResponse) -> None:
        """End the job, and with it those that followed it; or the first of these takes over."""
        self._ends(job)
        heir = None
        followers: list[Job] = []
        if is_own_affair(job, response, now=self._clock()):
            heir = self._flights.pass_on(job)
        else:
            followers = self._flights.land(job)
        # Written before `postprocess` may change what they are written from.
        repeated = [(follower, repeated_response(follower, response)) for follower in followers]
        try:
            self._hand_out(job, response)
        finally:
            if heir is not None:
                self._take_over(heir)
            for follower, own_response in repeated:
                self._hand_out_repeated(follower, own_response)

    def _hand_out_repeated(self, follower: Job, response: APIResponse) -> None:
        self._count_repeated(response)
        try:
            self._hand_out(follower, response)
        except BaseException:  # of the user's callback; it keeps none of the others from its answer
            log.exception("job %s ended by an unforeseen error", follower.id)

    def _hand_out(self, job: Job, response: APIResponse) -> None:
        try:
            response = self._postprocess(job, response)
        finally:
            if job.future.set_running_or_notify_cancel():
                job.future.set_result(response)
