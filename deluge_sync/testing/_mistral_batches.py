"""Mistral's batch jobs: over uploaded files or requests that come along; their results are files.

How a job gets on is in `_batch`. Requests that a job did not come to are in no file.
Source: https://docs.mistral.ai/capabilities/batch and /api/endpoint/batch (read 2026-11).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from deluge_sync.sdk.mistral import BatchJobRequest, BatchLine
from deluge_sync.testing._batch import BatchAnswer, BatchRun, Line, is_over_queue
from deluge_sync.testing._format import Draft, Route
from deluge_sync.testing._mistral_common import (
    PREFIX,
    checked_fields,
    document,
    found,
    item_id,
    page,
    query,
    refuse,
    refuse_field,
)
from deluge_sync.testing._mistral_files import add_file

if TYPE_CHECKING:
    from deluge_sync.testing._batch import RenderError
    from deluge_sync.testing._format import Call

__all__ = ["batch_routes"]

_STATUS = MappingProxyType(
    {
        "waiting": "QUEUED",
        "running": "RUNNING",
        "completed": "SUCCESS",
        "cancelling": "CANCELLATION_REQUESTED",
        "cancelled": "CANCELLED",
        "expired": "TIMEOUT_EXCEEDED",
    }
)
_LIST_PARAMETERS = frozenset(
    {"page", "page_size", "model", "agent_id", "created_after", "created_by_me", "status", "order_by"}
)
_MOST_REQUESTS, _MOST_INLINE = 1_000_000, 10_000


@dataclass(slots=True)
class _Job:
    """A job, what was asked for, and what is wrong with its input. The lock of `run` guards all of it."""

    run: BatchRun
    request: Mapping[str, Any]
    problems: Sequence[str]
    files: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def status(self) -> str:
        has_failed = self.problems and self.run.polls
        return "FAILED" if has_failed else _STATUS[self.run.state]


@dataclass(frozen=True, slots=True)
class _Office:
    """The operations on jobs. `operations` are what their requests may ask for, by URL."""

    operations: Mapping[str, Callable[[Call], Draft]]
    render_error: RenderError

    def create(self, call: Call) -> Draft:
        request = checked_fields(call.incoming.body, BatchJobRequest, ignore_unknown=call.ignore_unknown)
        _refuse(request)
        given = [line for file_id in request.get("input_files") or () for line in _lines_in(call, file_id)]
        given += request.get("requests") or ()
        lines, problems = _read(given, request)
        _refuse_over_queue(call, lines)
        job = call.store.shelf("mistral_jobs").add(
            lambda number: _Job(BatchRun(item_id(number), number, lines), request, problems)
        )
        return document(_job_document(job))

    def retrieve(self, call: Call) -> Draft:
        """Every look at a job counts, and may bring it on."""
        job: _Job = found(call, "jobs", call.variables["job_id"])
        told = self._looked_at(job, call, counts=True)
        if query(call).get("inline", [""])[-1].lower() == "true" and job.run.is_over:
            told["outputs"] = [_result(job, outcome) for outcome in job.run.outcomes() if outcome.raw is not None]
        return document(told)

    def list(self, call: Call) -> Draft:
        asked = query(call)
        jobs = call.store.shelf("mistral_jobs").all()
        told = [self._looked_at(job, call, counts=False) for job in jobs]
        wanted = [each for each in told if _matches(each, asked)]
        is_ascending = asked.get("order_by", ["-created"])[-1] == "created"
        return document(page(call, wanted if is_ascending else wanted[::-1], dict))

    def cancel(self, call: Call) -> Draft:
        job: _Job = found(call, "jobs", call.variables["job_id"])
        with job.run.lock:
            if job.status == "FAILED" or not job.run.cancel():
                refuse(f"Job is in status {job.status} and cannot be cancelled", status=409, type="invalid_job_status")
            return document(_job_document(job))

    def delete(self, call: Call) -> Draft:
        """The job cannot be asked for any more; its files stay."""
        job: _Job = found(call, "jobs", call.variables["job_id"])
        call.store.shelf("mistral_jobs").remove(job.id)
        return document({"id": job.id, "object": "batch", "deleted": True})

    def _looked_at(self, job: _Job, call: Call, *, counts: bool) -> dict[str, Any]:
        with job.run.lock:
            if job.problems:
                job.run.polls += counts
            elif not job.run.is_over:
                job.run.look(call, self._operation(job), self.render_error, counts=counts)
                if job.run.is_over:
                    _write_files(job, call)
            return _job_document(job)

    def _operation(self, job: _Job) -> Callable[[Call], Draft]:
        """What answers the requests of `job`; it refuses to stream."""
        answer = self.operations[job.request["endpoint"]]

        def operation(call: Call) -> Draft:
            draft = answer(call)
            if not isinstance(draft.raw.body, bytes):
                refuse("stream is not supported in a batch")
            return draft

        return operation


def batch_routes(operations: Mapping[str, Callable[[Call], Draft]], render_error: RenderError) -> tuple[Route, ...]:
    """The routes of jobs over these `operations` by URL; what they refuse is written down by `render_error`."""
    office = _Office(operations, render_error)
    return (
        Route("POST", f"{PREFIX}/v1/batch/jobs", office.create, is_limited=False),
        Route("GET", f"{PREFIX}/v1/batch/jobs", office.list),
        Route("POST", f"{PREFIX}/v1/batch/jobs/{{job_id}}/cancel", office.cancel, is_limited=False),
        Route("GET", f"{PREFIX}/v1/batch/jobs/{{job_id}}", office.retrieve),
        Route("DELETE", f"{PREFIX}/v1/batch/jobs/{{job_id}}", office.delete),
    )


def _refuse(request: Mapping[str, Any]) -> None:
    if bool(request.get("input_files")) == bool(request.get("requests")):
        refuse_field("body", "value_error", "Value error, either input_files or requests must be given")
    if len(request.get("requests") or ()) > _MOST_INLINE:
        refuse_field("body.requests", "too_long", f"List should have at most {_MOST_INLINE} items")
    if not 1 <= (request.get("timeout_hours") or 24) <= 168:
        refuse_field("body.timeout_hours", "less_than_equal", "Input should be 1 to 168")


def _refuse_over_queue(call: Call, lines: Sequence[Line]) -> None:
    """Mistral's pages tell the limit on what may be pending, but not how it is told: this is the usual 429."""
    others = (job.run for job in call.store.shelf("mistral_jobs").all())
    if is_over_queue(BatchRun("", 0, lines), others, call.store.batch_pace.most_queued):
        refuse("Requests pending in this workspace exceed the limit", status=429, type="rate_limited", code="1300")


def _lines_in(call: Call, file_id: str) -> Iterator[Any]:
    """The lines of a file, parsed as far as they can be."""
    file = found(call, "files", file_id)
    if file.purpose != "batch":
        refuse(f"File {file_id} has purpose {file.purpose}, not batch", type="invalid_file")
    for raw in file.content.split(b"\n"):
        if raw.strip():
            try:
                yield json.loads(raw)
            except (ValueError, RecursionError):
                yield None


def _read(given: Sequence[Any], request: Mapping[str, Any]) -> tuple[list[Line], list[str]]:
    """The requests, or all that is wrong with them."""
    lines: list[Line] = []
    problems = [] if 1 <= len(given) <= _MOST_REQUESTS else [f"a job may have 1 to {_MOST_REQUESTS} requests"]
    for number, each in enumerate(given):
        try:
            lines.append(_line(number, BatchLine.model_validate(each), request))
        except ValidationError as error:
            found_first = error.errors(include_url=False, include_input=False)[0]
            problems.append(f"line {number + 1}: {found_first['msg']}")
    names = [line.custom_id for line in lines]
    problems += sorted(f"custom_id {name!r} occurs more than once" for name in set(names) if names.count(name) > 1)
    return ([], problems) if problems else (lines, [])


def _line(number: int, given: BatchLine, request: Mapping[str, Any]) -> Line:
    body = given.body | ({"model": request["model"]} if request.get("model") else {})
    name = given.custom_id if given.custom_id is not None else str(number)
    return Line(name, PREFIX + request["endpoint"], json.dumps(body).encode())


def _matches(told: Mapping[str, Any], asked: Mapping[str, list[str]]) -> bool:
    """Whether a job is what was asked for. What is no parameter of the list is a key of the jobs' metadata."""
    metadata = told["metadata"] or {}
    wanted = {name: values for name, values in asked.items() if name not in _LIST_PARAMETERS}
    return all(told[name] in asked[name] for name in ("model", "status") if name in asked) and all(
        metadata.get(name) in values for name, values in wanted.items()
    )


def _write_files(job: _Job, call: Call) -> None:
    """The output file with what succeeded, the error file with what failed; an empty one is not written."""
    outcomes = [outcome for outcome in job.run.results(call) if outcome.raw is not None]
    for name, sample_type, wanted in (("output", "batch_result", True), ("error", "batch_error", False)):
        results = [_result(job, outcome) for outcome in outcomes if outcome.succeeded == wanted]
        if results:
            content = b"".join(json.dumps(result).encode() + b"\n" for result in results)
            details = {"sample_type": sample_type, "source": "mistral", "visibility": "workspace"}
            job.files[name] = add_file(call, f"{job.id}_{name}.jsonl", content, "batch", details).id


def _result(job: _Job, outcome: BatchAnswer) -> dict[str, Any]:
    raw = outcome.raw
    body = json.loads(raw.body) if raw is not None and isinstance(raw.body, bytes) else None
    return {
        "id": f"batch-{job.id[-12:]}-{outcome.number}",
        "custom_id": outcome.line.custom_id,
        "response": {"status_code": raw.status if raw is not None else None, "body": body},
        "error": None,
    }


def _job_document(job: _Job) -> dict[str, Any]:
    run, request = job.run, job.request
    succeeded = sum(answer.succeeded for answer in run.answers)
    return {
        "id": job.id,
        "object": "batch",
        "input_files": request.get("input_files") or [],
        "metadata": request.get("metadata"),
        "endpoint": request["endpoint"],
        "model": request.get("model"),
        "agent_id": None,
        "output_file": job.files.get("output"),
        "error_file": job.files.get("error"),
        "errors": [{"message": problem, "count": 1} for problem in job.problems] if job.status == "FAILED" else [],
        "outputs": None,
        "status": job.status,
        "created_at": run.instants["created"],
        "total_requests": len(run.lines),
        "completed_requests": len(run.answers),
        "succeeded_requests": succeeded,
        "failed_requests": len(run.answers) - succeeded,
        "started_at": run.instants.get("running"),
        "completed_at": next(
            (run.instants[end] for end in ("completed", "cancelled", "expired") if end in run.instants), None
        ),
    }
