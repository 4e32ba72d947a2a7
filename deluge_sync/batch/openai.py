"""OpenAI's batches: a file of requests is uploaded, a batch is made of it, and its results are two more files.

Source: https://platform.openai.com/docs/guides/batch and /docs/api-reference/batch (read 2026-11): at most 50,000
requests and 200 MB a file, all for one model; a part's name goes into the batch's metadata. What exceeds the tokens
that may be enqueued at once fails after it was accepted, with the code `token_limit_exceeded`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.classify import classify_reply, plain_line
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import HttpReply
from deluge_sync.batch.backend import BatchState, Ending, Item, Limits, Phase
from deluge_sync.batch.reading import body_bytes, text_field
from deluge_sync.sdk import openai

if TYPE_CHECKING:
    from deluge_sync._http import HttpRequest
    from deluge_sync.batch.backend import PartToSend
    from deluge_sync.batch.wire import Wire
    from deluge_sync.models import Model

name = "openai"
provider = openai.provider
limits = Limits(requests=50_000, bytes=200_000_000)
beta_header = None

_METADATA_KEY: Final = "deluge_sync"
_PAGE: Final = 100
_ENDPOINTS: Final[Mapping[str, Any]] = {"openai": "/v1/chat/completions", "openai-responses": "/v1/responses"}
_ENDINGS: Final[Mapping[str, Ending]] = {"completed": "completed", "expired": "expired", "cancelled": "cancelled"}
_FULL: Final = "token_limit_exceeded"
_UNANSWERED: Final = {"batch_expired": FailureKind.EXPIRED, "batch_cancelled": FailureKind.CANCELLED}


def write_line(custom_id: str, request: HttpRequest, model: Model) -> bytes:
    """The request's body as it is, with the caller's name for it and where it goes."""
    assert request.body is not None
    head = {"custom_id": custom_id, "method": request.method, "url": _ENDPOINTS[model.api_spec]}
    return json.dumps(head)[:-1].encode() + b', "body": ' + request.body.replace(b"\n", b" ") + b"}"


def upload(wire: Wire, part: PartToSend) -> str | None:
    """Upload the request file."""
    file = openai.Upload(filename=f"{part.name}.jsonl", content=wire.placeholder, media_type="application/jsonl")
    request = openai.FileUpload(file=file, purpose="batch")
    stored: openai.FileObject = wire.call_with_file(openai.create_file, request, part.path)
    return stored.id


def mark(wire: Wire, part: PartToSend) -> str | None:  # noqa: ARG001  (as the protocol has it)
    """The newest batch, so that `find` need not look further back."""
    page: openai.BatchList = wire.call(openai.list_batches, limit=1)
    return page.data[0].id if page.data else None


def find(wire: Wire, part: PartToSend) -> str | None:
    """The batch with the part's name in its metadata, among those made since the mark."""
    mine = (batch for batch in _newer(wire, part.mark) if (batch.metadata or {}).get(_METADATA_KEY) == part.name)
    return next((batch.id for batch in mine if batch.id not in part.known_ids and batch.status != "failed"), None)


def create(wire: Wire, part: PartToSend) -> str:
    """Start the batch over the uploaded file."""
    assert part.file_id is not None
    request = openai.BatchRequest(
        input_file_id=part.file_id,
        endpoint=_ENDPOINTS[part.model.api_spec],
        metadata={_METADATA_KEY: part.name},
    )
    batch: openai.Batch = wire.call(openai.create_batch, request)
    return batch.id


def look(wire: Wire, batch_id: str) -> BatchState:
    """How far it is. A status that is not known here is taken for one of a batch that goes on."""
    batch: openai.Batch = wire.call(openai.retrieve_batch, batch_id=batch_id)
    counts = batch.request_counts or openai.BatchRequestCounts()
    succeeded, failed = counts.completed or 0, counts.failed or 0
    if batch.status == "failed":
        problem = _problem(batch)
        phase: Phase = "held" if problem.traits.pauses_key or problem.traits.stops_key else "refused"
        return BatchState(batch.id, phase, succeeded, failed, problem=problem)
    if batch.status not in _ENDINGS:
        return BatchState(batch.id, "open", succeeded, failed)
    files = tuple(file for file in (batch.output_file_id, batch.error_file_id) if file)
    return BatchState(batch.id, "over", succeeded, failed, _ENDINGS[batch.status], files)


def cancel(wire: Wire, batch_id: str) -> None:
    """Stop it; what is finished can still be read."""
    if look(wire, batch_id).phase == "open":
        wire.call(openai.cancel_batch, batch_id=batch_id)


def result_request(wire: Wire, reference: str) -> HttpRequest:
    """Read an output or an error file."""
    return wire.api.prepare(openai.read_batch_results, file_id=reference)


def read_item(line: Mapping[str, Any]) -> Item:
    """A line of either file: the reply that the request would have got, or the code of what kept it from one."""
    response, error = line.get("response"), line.get("error")
    custom_id = text_field(line, "custom_id")
    if isinstance(response, Mapping):
        return Item(custom_id, HttpReply(int(response.get("status_code") or 500), {}, body_bytes(response.get("body"))))
    told = error if isinstance(error, Mapping) else {}
    if told.get("code") in _UNANSWERED:
        kind = _UNANSWERED[told["code"]]
        message = plain_line(str(told.get("message") or told["code"]))
        return Item(custom_id, Failure(kind, message, may_have_been_processed=False, code=told["code"]))
    return Item(custom_id, HttpReply(500, {}, body_bytes({"error": dict(told)})))


def _newer(wire: Wire, mark: str | None) -> Iterator[openai.Batch]:
    after = None
    while True:
        page: openai.BatchList = wire.call(openai.list_batches, limit=_PAGE, after=after)
        for batch in page.data:
            if batch.id == mark:
                return
            yield batch
        if not page.has_more or not page.data:
            return
        after = page.data[-1].id


def _problem(batch: openai.Batch) -> Failure:
    """Why the whole batch failed: the first of the errors that OpenAI found, or that too much is enqueued."""
    errors = (batch.errors.data if batch.errors else None) or [openai.BatchError(message="no reason was given")]
    full = next((error for error in errors if error.code == _FULL), None)
    if full is not None:
        message = plain_line(full.message or "the provider's queue is full")
        return Failure(FailureKind.RATE_LIMIT, message, may_have_been_processed=False, code=_FULL)
    told = {"error": {"code": errors[0].code, "message": errors[0].message, "param": errors[0].param}}
    return classify_reply(HttpReply(400, {}, json.dumps(told).encode()), provider=name)
