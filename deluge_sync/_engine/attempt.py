"""One attempt at a job: the request it needs, the exchange over the wire, and what the limiter learns from it.

It decides nothing about what comes after; `engine` does.
"""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING

from deluge_sync._adapters.call import Call
from deluge_sync._adapters.classify import classify_transport
from deluge_sync._adapters.failure import LONGEST_HINT_S, Failure
from deluge_sync._adapters.hints import rate_rooms
from deluge_sync._adapters.json_schema import schema_of
from deluge_sync._http import Leash
from deluge_sync.errors import TransportError
from deluge_sync.prompt import estimate_text_tokens
from deluge_sync.tool import Tool

if TYPE_CHECKING:
    from deluge_sync._adapters.call import ModelReply
    from deluge_sync._engine.job import Job
    from deluge_sync._engine.limiter import Lease
    from deluge_sync._http import HttpReply, Transport

__all__ = ["call_of", "estimate_tokens", "exchange", "failure_of", "read", "teach"]

# How long a key rests after a rate-limit reply that does not say how long.
_UNTOLD_PAUSE_S = 1.0


def call_of(job: Job) -> Call:
    """The job's prompt for the model it is routed to, as the adapters take it."""
    route = job.route
    return Call(job.prompt, route.model, route.params, route.base_url, route.api_key, job.extras)


def estimate_tokens(call: Call) -> int:
    """Everything that is sent, tools and schema included, and the longest answer it may bring."""
    beside = [tool.to_dict() if isinstance(tool, Tool) else tool for tool in call.extras.tools]
    if call.extras.output_schema is not None:
        beside.append(schema_of(call.extras.output_schema)[1])
    beside_tokens = estimate_text_tokens(json.dumps(beside, default=str)) if beside else 0
    return call.prompt.count_tokens(max_new_tokens=call.params.max_new_tokens) + beside_tokens


def exchange(job: Job, transport: Transport, *, timeout_s: float) -> HttpReply | Failure:
    """Send the job's request and wait for the whole reply, for at most `timeout_s`. A cancelled job is cut off."""
    assert job.request is not None
    job.leash = Leash(monotonic() + timeout_s)
    if job.is_cancelled:  # looked at after the leash is there: a canceller sets the flag first and cuts then
        job.leash.cut("cancelled")
    try:
        return transport.send(job.request, timeout_s=timeout_s, leash=job.leash)
    except TransportError as error:
        return classify_transport(error)
    finally:
        job.leash = job.request = None


def read(job: Job, reply: HttpReply | Failure) -> ModelReply | Failure:
    """What the reply says, in our terms."""
    return reply if isinstance(reply, Failure) else job.route.adapter.parse_reply(call_of(job), reply)


def teach(job: Job, lease: Lease, reply: HttpReply | Failure, outcome: ModelReply | Failure) -> None:
    """Give the place back and tell the limiter what the provider said about waiting and room."""
    lease.release()
    failure = failure_of(outcome)
    if failure is not None and failure.traits.pauses_key:
        pause_s = _UNTOLD_PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
        job.route.limiter.pause(min(pause_s, LONGEST_HINT_S))
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
