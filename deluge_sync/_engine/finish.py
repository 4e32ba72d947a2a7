"""The end of a job: its response is written, counted, kept, postprocessed and delivered, in this order.

The response is complete before anything that can fail touches it. What the user's cache and postprocess raise is
logged and costs nothing but their own effect.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from deluge_sync._adapters.failure import FailureKind
from deluge_sync._engine.parsed import parsed_answer
from deluge_sync._engine.respond import answer_response, failure_response
from deluge_sync.models.pricing import cost_usd
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync._adapters.call import ModelReply
    from deluge_sync._adapters.failure import Failure
    from deluge_sync._engine.job import Job
    from deluge_sync.prompt import Conversation
    from deluge_sync.tracker import Tracker

__all__ = ["Cache", "Finisher"]

log = logging.getLogger(__name__)


class Cache(Protocol):
    """A local cache of answers: any object with these two methods, called from many threads."""

    def get(self, prompt: Conversation) -> APIResponse | None: ...
    def put(self, prompt: Conversation, response: APIResponse) -> object: ...


class Finisher:
    """Finishes jobs for all workers. Keeps no state of its own."""

    def __init__(
        self,
        tracker: Tracker,
        *,
        cache: Cache | None,
        postprocess: Callable[[APIResponse], APIResponse] | None,
        clock: Callable[[], float],
    ) -> None:
        self._tracker = tracker
        self._cache = cache
        self._user_postprocess = postprocess
        self._clock = clock

    def bill(self, job: Job, reply: ModelReply) -> None:
        """Count what a reply cost, whether it ends the job or is tried again."""
        if reply.usage is not None:
            self._tracker.billed(
                cost_usd=cost_usd(job.route.model, reply.usage, service_tier=reply.service_tier),
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
            self._deliver(job, response)
        else:
            self._tracker.answered()
            try:
                self._keep(job, response)
            finally:  # what is no Exception travels on, but it takes no answer with it
                self._deliver(job, response)

    def fail(self, job: Job, failure: Failure, reason: str | None = None) -> None:
        """There is no answer. `reason` says why it was not tried again."""
        response = failure_response(job, failure, reason=reason, latency_s=self._latency_s(job))
        self._count_failed(failure)
        self._deliver(job, response)

    def answer_from_cache(self, job: Job) -> bool:
        """Whether the local cache had the answer. A cache that fails is as good as none."""
        found = self._look_up(job)
        if found is None:
            return False
        parsed = parsed_answer(job.extras.output_schema, found.text)
        own = {"id": job.id, "prompt": job.prompt, "parsed": parsed, "attempts": 0, "latency_s": None}
        hit = replace(found, local_cache_hit=True, cost=0.0, **own)
        self._tracker.answered(is_local_cache_hit=True)
        self._deliver(job, hit)
        return True

    def _count_failed(self, failure: Failure) -> None:
        if failure.kind is FailureKind.CANCELLED:
            self._tracker.cancelled()
        else:
            self._tracker.failed(failure.kind.value)

    def _latency_s(self, job: Job) -> float | None:
        return None if job.first_sent_at is None else self._clock() - job.first_sent_at

    def _look_up(self, job: Job) -> APIResponse | None:
        if self._cache is None:
            return None
        try:
            found = job.context.run(self._cache.get, job.prompt)
        except Exception as error:  # the user's cache may raise anything
            log.warning("cache look-up failed, so the prompt is sent: %s", error, exc_info=True)
            return None
        if found is not None and not isinstance(found, APIResponse):
            log.warning("the cache gave a %s instead of an APIResponse, so the prompt is sent", type(found).__name__)
            return None
        return found

    def _keep(self, job: Job, response: APIResponse) -> None:
        if self._cache is None or response.finish_reason == "length":
            return
        try:
            job.context.run(self._cache.put, job.prompt, response)
        except Exception as error:  # the user's cache may raise anything
            log.warning("the cache did not take an answer: %s", error, exc_info=True)

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
        try:
            response = self._postprocess(job, response)
        finally:
            if job.future.set_running_or_notify_cancel():
                job.future.set_result(response)
