"""One attempt at a job: the request it needs, the exchange over the wire, and what the limiter learns from it.

It decides nothing about what comes after; `engine` does.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from deluge_sync._adapters.call import Call
from deluge_sync._adapters.classify import classify_transport
from deluge_sync._adapters.failure import LONGEST_HINT_S, Failure
from deluge_sync._adapters.hints import rate_rooms
from deluge_sync._engine.streaming import StreamedAttempt
from deluge_sync._http import Leash
from deluge_sync.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync._adapters.call import ModelReply
    from deluge_sync._engine.job import Job
    from deluge_sync._engine.limiter import Lease
    from deluge_sync._http import Flight, HttpReply, Transport

__all__ = ["call_of", "exchange", "failure_of", "land", "launch", "send", "teach"]

# How long a key rests after a rate-limit reply that does not say how long.
_UNTOLD_PAUSE_S = 1.0


def call_of(job: Job) -> Call:
    """The job's prompt for the model it is routed to, as the adapters take it."""
    route = job.route
    is_streamed = job.listener is not None
    return Call(job.sendable, route.model, route.params, route.base_url, route.api_key, job.extras, is_streamed)


def exchange(
    job: Job, transport: Transport, *, timeout_s: float, idle_s: float
) -> tuple[HttpReply | Failure, ModelReply | Failure]:
    """Send the job's request, wait for the whole reply and read it. A cancelled job is cut off.

    It takes at most `timeout_s`; of a streamed answer no byte is waited for longer than `idle_s`.
    """
    if job.listener is None:
        return _read(job, send(job, transport.send, timeout_s=timeout_s))
    streamed = StreamedAttempt(call_of(job), job.route, job.listener)
    reply = send(job, partial(transport.stream, on_chunk=streamed.take, idle_s=idle_s), timeout_s=timeout_s)
    return reply, streamed.outcome(reply)


def _read(job: Job, reply: HttpReply | Failure) -> tuple[HttpReply | Failure, ModelReply | Failure]:
    return reply, reply if isinstance(reply, Failure) else job.route.adapter.parse_reply(call_of(job), reply)


def launch(job: Job, flight: Flight, *, timeout_s: float) -> None:
    """Send the job's request without waiting for the reply, on a leash as `send` has it. `land` must follow."""
    flight.send(_leash(job, timeout_s))


def land(job: Job, flight: Flight) -> tuple[HttpReply | Failure, ModelReply | Failure]:
    """Take in the reply to a job that was launched, as `exchange` does."""
    return _read(job, _sent(job, flight.finish))


def send(job: Job, by: Callable[..., HttpReply], *, timeout_s: float) -> HttpReply | Failure:
    """Send the job's request `by` a method of a transport, on a leash that whoever cancels the job can cut."""
    request, leash = job.request, _leash(job, timeout_s)
    return _sent(job, partial(by, request, timeout_s=timeout_s, leash=leash))


def _leash(job: Job, timeout_s: float) -> Leash:
    job.leash = leash = Leash(monotonic() + timeout_s)
    if job.is_cancelled:  # looked at after the leash is there: a canceller sets the flag first and cuts then
        leash.cut("cancelled")
    return leash


def _sent(job: Job, reply: Callable[[], HttpReply]) -> HttpReply | Failure:
    try:
        return reply()
    except TransportError as error:
        return classify_transport(error)
    finally:
        job.leash = job.request = None


def teach(job: Job, lease: Lease, reply: HttpReply | Failure, outcome: ModelReply | Failure) -> None:
    """Give the place back and tell the limiter what the provider said about waiting and room."""
    lease.release()
    failure = failure_of(outcome)
    if failure is not None and failure.traits.pauses_key:
        pause_s = _UNTOLD_PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
        lease.refused(min(pause_s, LONGEST_HINT_S))
        return
    if isinstance(reply, Failure) or isinstance(outcome, Failure):
        return
    _teach_room(job, lease, reply)
    if outcome.usage is not None and job.route.model.refunds_unused:
        lease.settle(outcome.usage.total_tokens)


def _teach_room(job: Job, lease: Lease, reply: HttpReply) -> None:
    rooms = rate_rooms(reply.headers, provider=job.route.model.provider)
    lease.answered(requests=rooms.requests, tokens=rooms.tokens)


def failure_of(outcome: ModelReply | Failure) -> Failure | None:
    """Why there is no answer, or none of use; None for an answer."""
    return outcome if isinstance(outcome, Failure) else outcome.failure
