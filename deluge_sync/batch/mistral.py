"""Mistral's batch jobs: a file of requests is uploaded, a job is made of it, and its results are two more files.

Source: https://docs.mistral.ai/capabilities/batch and /api/endpoint/batch (read 2026-11): a million requests may be
pending in a workspace, files have at most 512 MB. A job is for one model; a part's name goes into its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.classify import classify_reply, plain_line
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import HttpReply
from deluge_sync.batch.backend import BatchState, Ending, Item, Limits
from deluge_sync.batch.reading import body_bytes, text_field
from deluge_sync.errors import ReplyFormatError
from deluge_sync.sdk import mistral

if TYPE_CHECKING:
    from deluge_sync._http import HttpRequest
    from deluge_sync.batch.backend import PartToSend, Phase
    from deluge_sync.batch.wire import Wire
    from deluge_sync.models import Model

name = "mistral"
provider = mistral.provider
limits = Limits(requests=1_000_000, bytes=512_000_000)
beta_header = None

_METADATA_KEY: Final = "deluge_sync"
_PAGE: Final = 100
_ENDINGS: Final[Mapping[str, Ending]] = {
    "SUCCESS": "completed",
    "TIMEOUT_EXCEEDED": "expired",
    "CANCELLED": "cancelled",
    "FAILED": "failed",
}


def write_line(custom_id: str, request: HttpRequest, model: Model) -> bytes:  # noqa: ARG001  (as the protocol has it)
    """The request's body as it is, with the caller's name for it."""
    assert isinstance(request.body, bytes)
    return b'{"custom_id": "%b", "body": %b}' % (custom_id.encode(), request.body.replace(b"\n", b" "))


def upload(wire: Wire, part: PartToSend) -> str | None:
    """Upload the request file."""
    file = mistral.Upload(filename=f"{part.name}.jsonl", content=wire.placeholder, media_type="application/jsonl")
    request = mistral.FileUpload(file=file, purpose="batch")
    stored: mistral.FileObject = wire.call_with_file(mistral.create_file, request, part.path)
    return stored.id


def mark(wire: Wire, part: PartToSend) -> str | None:
    """The newest job for the model, so that `find` need not look further back."""
    page: mistral.BatchJobList = wire.call(mistral.list_batch_jobs, page=0, page_size=1, model=part.model.name)
    return page.data[0].id if page.data else None


def find(wire: Wire, part: PartToSend) -> str | None:
    """The job with the part's name in its metadata, among those made since the mark."""
    mine = (job for job in _newer(wire, part) if (job.metadata or {}).get(_METADATA_KEY) == part.name)
    begun = (job for job in mine if _state_of(job).phase in ("open", "over"))
    return next((job.id for job in begun if job.id not in part.known_ids), None)


def create(wire: Wire, part: PartToSend) -> str:
    """Start the job over the uploaded file. It gets the provider's usual time, which is a day."""
    assert part.file_id is not None
    request = mistral.BatchJobRequest(
        endpoint="/v1/chat/completions",
        input_files=[part.file_id],
        model=part.model.name,
        metadata={_METADATA_KEY: part.name},
    )
    job: mistral.BatchJob = wire.call(mistral.create_batch_job, request)
    return job.id


def look(wire: Wire, batch_id: str) -> BatchState:
    """How far it is."""
    job: mistral.BatchJob = wire.call(mistral.retrieve_batch_job, job_id=batch_id)
    return _state_of(job)


def cancel(wire: Wire, batch_id: str) -> None:
    """Stop it; what is finished can still be read."""
    if look(wire, batch_id).phase == "open":
        wire.call(mistral.cancel_batch_job, job_id=batch_id)


def result_request(wire: Wire, reference: str) -> HttpRequest:
    """Read an output or an error file."""
    return wire.api.prepare(mistral.read_batch_results, file_id=reference)


def read_item(line: Mapping[str, Any]) -> Item:
    """A line of either file: the reply that the request would have got, or what kept it from one."""
    custom_id, response, error = text_field(line, "custom_id"), line.get("response"), line.get("error")
    if isinstance(response, Mapping) and isinstance(response.get("status_code"), int):
        return Item(custom_id, HttpReply(response["status_code"], {}, body_bytes(response.get("body"))))
    if error is None:
        raise ReplyFormatError(f"a result line has neither a response nor an error: {dict(line)!r:.80}")
    message = error if isinstance(error, str) else json.dumps(error)
    return Item(custom_id, Failure(FailureKind.SERVER, plain_line(message)))


def _newer(wire: Wire, part: PartToSend) -> Iterator[mistral.BatchJob]:
    """The jobs for the part's model, the newest first, up to the mark."""
    number = 0
    while True:
        page: mistral.BatchJobList = wire.call(
            mistral.list_batch_jobs, page=number, page_size=_PAGE, model=part.model.name
        )
        for job in page.data or ():
            if job.id == part.mark:
                return
            yield job
        if len(page.data or ()) < _PAGE:
            return
        number += 1


def _state_of(job: mistral.BatchJob) -> BatchState:
    """A status that is not known here is taken for one of a job that goes on."""
    succeeded, failed = job.succeeded_requests or 0, job.failed_requests or 0
    if job.status not in _ENDINGS:
        return BatchState(job.id, "open", succeeded, failed)
    files = tuple(file for file in (job.output_file, job.error_file) if file)
    if job.status == "FAILED" and not files:
        problem = _problem(job)
        phase: Phase = "held" if problem.traits.pauses_key or problem.traits.stops_key else "refused"
        return BatchState(job.id, phase, succeeded, failed, "failed", problem=problem)
    return BatchState(job.id, "over", succeeded, failed, _ENDINGS[job.status], files)


def _problem(job: mistral.BatchJob) -> Failure:
    """Why the whole job failed: all that Mistral found."""
    found = "; ".join(error.message for error in job.errors or () if error.message) or "no reason was given"
    return classify_reply(HttpReply(400, {}, body_bytes({"object": "error", "message": found})), provider=name)
