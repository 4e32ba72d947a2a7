"""Writes the `APIResponse` of a finished job. Pure: it looks at the job and at what came back, and changes neither."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING

from deluge_sync._adapters.mcp_servers import secrets_of
from deluge_sync._engine.parsed import parsed_answer
from deluge_sync.prompt.parts import copy_json
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from deluge_sync._adapters.call import ModelReply
    from deluge_sync._adapters.failure import Failure
    from deluge_sync._engine.job import Job

__all__ = ["answer_response", "failure_response", "repeated_response"]

# All at once: `dataclasses.replace` asks for them one by one, which for so many fields is as dear as a look-up.
_values_of = attrgetter(*(field.name for field in fields(APIResponse)))


def answer_response(job: Job, reply: ModelReply, *, reason: str | None, latency_s: float | None) -> APIResponse:
    """The response to a job that the model answered. A refusal is an error that keeps what the model said.

    What it cost, with all replies before it that were billed, was reckoned then.
    """
    usage, failure = reply.usage, reply.failure
    return APIResponse(
        id=job.id,
        model_internal=job.route.model.id,
        prompt=job.prompt,
        sampling_params=job.route.params,
        status_code=200,
        is_error=failure is not None,
        error_message=_message(job, failure, reason) if failure is not None else None,
        error_kind=failure.kind.value if failure is not None else None,
        usage=usage,
        content=reply.content,
        thinking=reply.content.thinking,
        model_external=reply.model_external,
        logprobs=reply.logprobs,
        finish_reason=reply.finish_reason,
        cost=job.cost_usd,
        cache_hit=usage is not None and usage.has_cache_hit,
        retry_with_different_model=failure is not None and failure.traits.other_model_may_help,
        give_up_if_no_other_models=failure is not None and not failure.traits.same_model_may_help,
        response_id=reply.response_id,
        raw_response=dict(reply.raw) if reply.raw is not None else None,
        attempts=job.sent,
        latency_s=latency_s,
        parsed=parsed_answer(job.extras.output_schema, reply.content.text),
    )


def failure_response(job: Job, failure: Failure, *, reason: str | None, latency_s: float | None) -> APIResponse:
    """The response to a job that got no answer. `reason` says why it was not tried again."""
    traits = failure.traits
    return APIResponse(
        id=job.id,
        model_internal=job.route.model.id,
        prompt=job.prompt,
        sampling_params=job.route.params,
        status_code=failure.status,
        is_error=True,
        error_message=_message(job, failure, reason),
        error_kind=failure.kind.value,
        cost=job.cost_usd,
        retry_with_different_model=traits.other_model_may_help,
        give_up_if_no_other_models=not traits.same_model_may_help,
        attempts=job.sent,
        latency_s=latency_s,
    )


def repeated_response(job: Job, response: APIResponse) -> APIResponse:
    """The response to a job whose question had this one already: nothing was sent or paid.

    It shares nothing with the other that somebody might change.
    """
    repeated = APIResponse(*_values_of(response))
    repeated.id = job.id
    repeated.prompt = job.prompt
    repeated.content = response.content.copy() if response.content is not None else None
    schema = job.extras.output_schema
    repeated.parsed = None if schema is None else parsed_answer(schema, response.text)
    repeated.logprobs = copy_json(response.logprobs)
    repeated.raw_response = copy_json(response.raw_response)
    repeated.cost = 0.0
    repeated.local_cache_hit = not response.is_error
    repeated.attempts = 0
    repeated.latency_s = None
    return repeated


def _message(job: Job, failure: Failure, reason: str | None) -> str:
    """What went wrong. Some servers quote the key they refuse, and not every key looks like one."""
    message = f"{failure.message} ({reason})" if reason else failure.message
    for secret in (job.route.api_key, *secrets_of(job.extras.tools)):
        message = message if secret is None else secret.hide_in(message)
    return message
