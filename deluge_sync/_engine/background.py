"""Answers that a provider works on by itself: asked for once, then looked after until they are there.

A pending job holds no place at its model's limiter. It is parked between two looks and goes through a lane of its
own, so that an outage or a rate limit of the looks is one of the looks alone. A look that fails is made again; the
answer is not bought again for it. When the job's time is up, or nobody wants it any more, the provider is told to stop.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Protocol, cast

from deluge_sync._adapters.call import Adapter, ModelReply
from deluge_sync._adapters.failure import LONGEST_HINT_S, Failure, FailureKind
from deluge_sync._engine.attempt import call_of, failure_of, send
from deluge_sync._engine.limiter import LeakyBucketLimiter
from deluge_sync._engine.retry import SendAgain
from deluge_sync._fork import start_afresh_in_child
from deluge_sync.errors import DelugeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync._adapters.call import Call
    from deluge_sync._engine.job import Job
    from deluge_sync._http import HttpReply, HttpRequest, Transport

__all__ = ["Background"]

log = logging.getLogger(__name__)

_LOOKS_AT_ONCE = 16
# The pauses between two looks grow from the first to the second, in seconds.
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 10.0
_GROWTH = 1.5
# So long before the job's time is up the provider is told to stop, and what it then answers is read.
_LAST_CALL_S = 2.0
_STOP_TIMEOUT_S = 10.0


class BackgroundAdapter(Adapter, Protocol):
    """A wire format that has background answers."""

    def pending_id(self, reply: HttpReply) -> str | None:
        """The id to look with, if the reply says that the answer is still being worked on."""
        ...

    def build_poll(self, call: Call, response_id: str) -> HttpRequest: ...

    def build_cancel(self, call: Call, response_id: str) -> HttpRequest: ...


class Background:
    """Looks after pending jobs, each of which belongs to the worker that has it. `_lock` guards the abandoned ones."""

    def __init__(
        self, transport: Transport, *, clock: Callable[[], float], chance: Callable[[], float], request_timeout_s: float
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._chance = chance
        self._request_timeout_s = request_timeout_s
        self._limiter = LeakyBucketLimiter.auto(_LOOKS_AT_ONCE)
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._abandoned: deque[HttpRequest] = deque()
        self._is_stopping = False

    def begins(self, job: Job, reply: HttpReply | Failure) -> SendAgain | None:
        """When to look for the first time, if the reply to the request says that the provider goes on by itself."""
        if not job.extras.background or isinstance(reply, Failure):
            return None
        job.pending_id = _adapter(job).pending_id(reply)
        if job.pending_id is None:
            return None
        job.looks, job.lane_limiter = 0, self._limiter
        return SendAgain(self._pause_s(job))

    def prepare(self, job: Job) -> None:
        """Build the next request of a pending job: a look, or at the end of its time the word to stop."""
        assert job.pending_id is not None
        build = _adapter(job).build_cancel if self.is_over(job) else _adapter(job).build_poll
        job.request = build(call_of(job), job.pending_id)

    def look(self, job: Job) -> SendAgain | ModelReply | Failure:
        """Send what was prepared. Gives what the answer came to, or when to look again."""
        was_over = self.is_over(job)
        job.looks += 1
        timeout_s = max(0.0, min(self._request_timeout_s, job.deadline - self._clock()))
        reply = send(job, self._transport.send, timeout_s=timeout_s)
        outcome = self._read(job, reply)
        if was_over and (isinstance(outcome, SendAgain) or failure_of(outcome) is not None):
            return Failure(FailureKind.TIMEOUT, "its time was up while the provider worked on it in the background")
        return outcome

    def abandon(self, job: Job) -> None:
        """Tell the provider in a thread of its own that nobody wants the answer any more. Once a job."""
        pending_id, job.pending_id = job.pending_id, None
        if pending_id is None:
            return
        with self._lock:
            self._abandoned.append(_adapter(job).build_cancel(call_of(job), pending_id))
            if self._is_stopping:
                return
            self._is_stopping = True
        threading.Thread(target=self._stop_abandoned, name="deluge-sync-background", daemon=True).start()

    def _read(self, job: Job, reply: HttpReply | Failure) -> SendAgain | ModelReply | Failure:
        if isinstance(reply, Failure):
            return self._after_failure(job, reply)
        if _adapter(job).pending_id(reply) is not None:
            return SendAgain(self._pause_s(job))
        outcome = job.route.adapter.parse_reply(call_of(job), reply)
        failure = failure_of(outcome)
        if failure is not None and (reply.status >= 300 or failure.kind is FailureKind.TRUNCATED):
            return self._after_failure(job, failure)
        job.pending_id = job.lane_limiter = None  # it has ended, well or badly
        return outcome

    def _after_failure(self, job: Job, failure: Failure) -> SendAgain | Failure:
        """The look failed, which says nothing about the answer."""
        if not failure.traits.same_model_may_help and not failure.traits.pauses_key:
            return failure
        hint_s = min(failure.retry_after_s or 0.0, LONGEST_HINT_S)
        return SendAgain(self._bounded(job, max(hint_s, self._plain_pause_s(job))))

    def _pause_s(self, job: Job) -> float:
        return self._bounded(job, self._plain_pause_s(job))

    def _plain_pause_s(self, job: Job) -> float:
        """Longer with every look, and spread out by a fifth, so that jobs begun together do not look together."""
        pause_s = min(_FIRST_PAUSE_S * _GROWTH ** min(job.looks, 20), _LONGEST_PAUSE_S)
        return pause_s * (0.8 + 0.4 * self._chance())

    def _bounded(self, job: Job, pause_s: float) -> float:
        return max(0.0, min(pause_s, job.deadline - _LAST_CALL_S - self._clock()))

    def is_over(self, job: Job) -> bool:
        """Whether the job's time is up, but for what it takes to tell the provider."""
        return job.deadline - self._clock() <= _LAST_CALL_S

    def _stop_abandoned(self) -> None:
        while True:
            with self._lock:
                if not self._abandoned:
                    self._is_stopping = False
                    return
                request = self._abandoned.popleft()
            try:
                self._transport.send(request, timeout_s=_STOP_TIMEOUT_S)
            except DelugeError as error:
                log.warning("a background response could not be cancelled at the provider: %s", error)


def _adapter(job: Job) -> BackgroundAdapter:
    return cast("BackgroundAdapter", job.route.adapter)
