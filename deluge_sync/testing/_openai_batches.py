"""OpenAI's batches: started over an uploaded file, looked up, cancelled; their results are files.

How a batch gets on is in `_batch`, what its input must look like in `_openai_lines`.
Source: https://platform.openai.com/docs/guides/batch and /docs/api-reference/batch (read 2026-11).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.sdk.openai import BatchRequest
from deluge_sync.testing._batch import BatchAnswer, BatchRun, is_over_queue
from deluge_sync.testing._format import Draft, Refused, Route
from deluge_sync.testing._openai_checks import checked_fields
from deluge_sync.testing._openai_files import add_file, document, found, page
from deluge_sync.testing._openai_lines import read_lines
from deluge_sync.testing._reply import ErrorSpec

if TYPE_CHECKING:
    from deluge_sync.testing._batch import RenderError
    from deluge_sync.testing._format import Call

__all__ = ["batch_routes"]

_DAY_S = 24 * 3600
_STATUS = MappingProxyType({"waiting": "validating", "running": "in_progress"})
_UNANSWERED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "expired": {"code": "batch_expired", "message": "the completion window closed before this request"},
        "cancelled": {"code": "batch_cancelled", "message": "the batch was cancelled before this request"},
    }
)


@dataclass(slots=True)
class _Batch:
    """A batch, what was asked for, and what is wrong with its input. The lock of `run` guards all of it."""

    run: BatchRun
    request: Mapping[str, Any]
    problems: Sequence[Mapping[str, Any]]
    failed_at: int | None = None
    files: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def status(self) -> str:
        return "failed" if self.failed_at else _STATUS.get(self.run.state, self.run.state)


@dataclass(frozen=True, slots=True)
class _Office:
    """The operations on batches. `operations` are what their requests may ask for, by URL."""

    operations: Mapping[str, Callable[[Call], Draft]]
    render_error: RenderError

    def create(self, call: Call) -> Draft:
        request = checked_fields(call.incoming.body, BatchRequest, ignore_unknown=call.ignore_unknown)
        file = found(call, "files", request["input_file_id"])
        if file.purpose != "batch":
            message = f"the file {file.id} has the purpose {file.purpose!r}, not 'batch'"
            raise Refused(ErrorSpec(400, message, param="input_file_id"))
        lines, problems = read_lines(file.content, request["endpoint"])
        batch = call.store.shelf("batches").add(
            lambda number: _Batch(BatchRun(f"batch_{number:08d}", number, lines), request, problems)
        )
        return document(_batch_document(batch))

    def retrieve(self, call: Call) -> Draft:
        """Every look at a batch counts, and may bring it on."""
        return document(self._looked_at(found(call, "batches", call.variables["batch_id"]), call, counts=True))

    def list(self, call: Call) -> Draft:
        newest_first = call.store.shelf("batches").all()[::-1]
        return page(call, newest_first, lambda batch: self._looked_at(batch, call, counts=False), most=100, usual=20)

    def cancel(self, call: Call) -> Draft:
        batch: _Batch = found(call, "batches", call.variables["batch_id"])
        with batch.run.lock:
            if batch.failed_at or not batch.run.cancel():
                raise Refused(ErrorSpec(409, f"a batch with status {batch.status!r} cannot be cancelled"))
            return document(_batch_document(batch))

    def _looked_at(self, batch: _Batch, call: Call, *, counts: bool) -> dict[str, Any]:
        with batch.run.lock:
            if batch.run.state == "waiting" and not batch.problems:
                batch.problems = _queue_problems(batch, call)
            if batch.problems:
                batch.failed_at = batch.failed_at or batch.run.instants["created"]
            elif not batch.run.is_over:
                batch.run.look(call, self._operation(batch), self.render_error, counts=counts)
                if batch.run.is_over:
                    _write_files(batch, call)
            return _batch_document(batch)

    def _operation(self, batch: _Batch) -> Callable[[Call], Draft]:
        """What answers the requests of `batch`; it refuses to stream."""
        answer = self.operations[batch.request["endpoint"]]

        def operation(call: Call) -> Draft:
            draft = answer(call)
            if not isinstance(draft.raw.body, bytes):
                raise Refused(ErrorSpec(400, "a request of a batch cannot be streamed", param="stream"))
            return draft

        return operation


def batch_routes(operations: Mapping[str, Callable[[Call], Draft]], render_error: RenderError) -> tuple[Route, ...]:
    """The routes of batches over these `operations` by URL; what they refuse is written down by `render_error`."""
    office = _Office(operations, render_error)
    return (
        Route("POST", "/v1/batches", office.create, is_limited=False),
        Route("GET", "/v1/batches", office.list),
        Route("POST", "/v1/batches/{batch_id}/cancel", office.cancel, is_limited=False),
        Route("GET", "/v1/batches/{batch_id}", office.retrieve),
    )


def _queue_problems(batch: _Batch, call: Call) -> list[Mapping[str, Any]]:
    """That too much is enqueued already, by those batches that have begun."""
    begun = [other for other in call.store.shelf("batches").all() if other.run.state != "waiting"]
    most = call.store.batch_pace.most_queued
    if most is None or not is_over_queue(batch.run, [other.run for other in begun], most):
        return []
    lines = batch.run.lines
    tokens = sum(len(line.body) for line in lines) * most // (4 * len(lines))
    message = (
        f"Enqueued token limit reached for {batch.request['endpoint']}. Limit: {tokens:,} enqueued tokens. "
        "Please try again once some in_progress batches have been completed."
    )
    return [{"code": "token_limit_exceeded", "message": message, "line": None, "param": None}]


def _write_files(batch: _Batch, call: Call) -> None:
    """The output file with what succeeded, the error file with the rest; an empty one is not written."""
    outcomes = batch.run.results(call)
    expiry = batch.request.get("output_expires_after") or {}
    for name, wanted in (("output", True), ("error", False)):
        results = [_result(batch, outcome) for outcome in outcomes if outcome.succeeded == wanted]
        if results:
            content = b"".join(json.dumps(result).encode() + b"\n" for result in results)
            file = add_file(call, f"{batch.id}_{name}.jsonl", content, "batch_output", lives_s=expiry.get("seconds"))
            batch.files[name] = file.id


def _result(batch: _Batch, outcome: BatchAnswer) -> dict[str, Any]:
    return {
        "id": f"batch_req_{outcome.number:012d}",
        "custom_id": outcome.line.custom_id,
        "response": _response(outcome),
        "error": _UNANSWERED[batch.run.state] if outcome.raw is None else None,
    }


def _response(outcome: BatchAnswer) -> dict[str, Any] | None:
    raw = outcome.raw
    if raw is None or not isinstance(raw.body, bytes):
        return None
    return {"status_code": raw.status, "request_id": f"req_{outcome.number:012d}", "body": json.loads(raw.body)}


def _batch_document(batch: _Batch) -> dict[str, Any]:
    run, request = batch.run, batch.request
    succeeded = sum(answer.succeeded for answer in run.answers)
    counts = {
        "total": 0 if batch.status == "validating" else len(run.lines),
        "completed": succeeded,
        "failed": len(run.answers) - succeeded,
    }
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": request["endpoint"],
        "errors": {"object": "list", "data": batch.problems} if batch.failed_at else None,
        "input_file_id": request["input_file_id"],
        "completion_window": request["completion_window"],
        "status": batch.status,
        "output_file_id": batch.files.get("output"),
        "error_file_id": batch.files.get("error"),
        **_instants(batch),
        "request_counts": counts,
        "usage": _usage(run),
        "metadata": request.get("metadata"),
    }


def _instants(batch: _Batch) -> dict[str, int | None]:
    instants = batch.run.instants
    return {
        "created_at": instants["created"],
        "expires_at": instants["created"] + _DAY_S,
        "in_progress_at": instants.get("running"),
        "finalizing_at": instants.get("completed"),
        "completed_at": instants.get("completed"),
        "failed_at": batch.failed_at,
        "expired_at": instants.get("expired"),
        "cancelling_at": instants.get("cancelling"),
        "cancelled_at": instants.get("cancelled"),
    }


def _usage(run: BatchRun) -> dict[str, Any]:
    prompt = sum(answer.prompt_tokens for answer in run.answers)
    completion = sum(answer.completion_tokens for answer in run.answers)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + completion,
    }
