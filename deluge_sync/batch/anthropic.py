"""Anthropic's message batches: the requests go in one body with the order, the results are read from an address.

Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing (read 2026-11): at most 100,000 requests
and 256 MB a batch. A batch has no name and no metadata. So one that was made without our hearing of it is looked for
among those newer than the newest before, by its number of requests; whether it is ours in fact shows in the custom ids
of its results, which carry the job's token, and the caller looks at them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import HttpReply
from deluge_sync.batch.backend import BatchState, Ending, Item, Limits
from deluge_sync.batch.reading import body_bytes, text_field
from deluge_sync.errors import ReplyFormatError
from deluge_sync.sdk import anthropic

if TYPE_CHECKING:
    from deluge_sync._http import HttpRequest
    from deluge_sync.batch.backend import PartToSend
    from deluge_sync.batch.wire import Wire
    from deluge_sync.models import Model

_HEAD: Final = b'{"requests":['
_TAIL: Final = b"]}"

name = "anthropic"
provider = anthropic.provider
limits = Limits(requests=100_000, bytes=256_000_000 - len(_HEAD) - len(_TAIL))
beta_header = "anthropic-beta"

_PAGE: Final = 100
# Of errors in a result, which come without a status. Source: https://platform.claude.com/docs/en/api/errors.
_STATUSES: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_UNANSWERED: Final = {
    "expired": (FailureKind.EXPIRED, "the batch's time was up before this request"),
    "canceled": (FailureKind.CANCELLED, "the batch was cancelled before this request"),
}


def write_line(custom_id: str, request: HttpRequest, model: Model) -> bytes:  # noqa: ARG001  (as the protocol has it)
    """The request's body as it is, with the caller's name for it."""
    assert request.body is not None
    return b'{"custom_id": "%b", "params": %b}' % (custom_id.encode(), request.body.replace(b"\n", b" "))


def upload(wire: Wire, part: PartToSend) -> str | None:  # noqa: ARG001
    """Nothing: the requests go with `create`."""
    return None


def mark(wire: Wire, part: PartToSend) -> str | None:  # noqa: ARG001
    """The newest batch."""
    page: anthropic.BatchList = wire.call(anthropic.list_batches, limit=1)
    return page.data[0].id if page.data else None


def find(wire: Wire, part: PartToSend) -> str | None:
    """A batch newer than the mark, of as many requests as the part, that is not known to be another's."""
    alike = (batch.id for batch in _newer(wire, part.mark) if _size(batch) == part.requests)
    return next((batch_id for batch_id in alike if batch_id not in part.known_ids), None)


def create(wire: Wire, part: PartToSend) -> str:
    """Start the batch, with all its requests in one body."""
    body = _HEAD + wire.placeholder + _TAIL
    betas = {"anthropic_beta": list(part.betas)} if part.betas else {}
    batch: anthropic.Batch = wire.call_with_file(anthropic.create_batch, body, part.path, joined=True, **betas)
    return batch.id


def look(wire: Wire, batch_id: str) -> BatchState:
    """How far it is. Nothing is told of single requests before the end."""
    batch: anthropic.Batch = wire.call(anthropic.retrieve_batch, batch_id=batch_id)
    counts = batch.request_counts or anthropic.BatchCounts()
    succeeded, failed = counts.succeeded or 0, counts.errored or 0
    if batch.processing_status != "ended":
        return BatchState(batch.id, "open", succeeded, failed)
    ending: Ending = "cancelled" if batch.cancel_initiated_at else "completed"
    # Results are kept for 29 days; a batch that is older has none to be read.
    references = () if batch.archived_at else (batch.id,)
    return BatchState(batch.id, "over", succeeded, failed, ending, references)


def cancel(wire: Wire, batch_id: str) -> None:
    """Stop it; what is under way is still answered."""
    if look(wire, batch_id).phase == "open":
        wire.call(anthropic.cancel_batch, batch_id=batch_id)


def result_request(wire: Wire, reference: str) -> HttpRequest:
    """Read all results."""
    return wire.api.prepare(anthropic.read_batch_results, batch_id=reference)


def read_item(line: Mapping[str, Any]) -> Item:
    """An answer as the Messages API would have given it, an error, or that there is neither."""
    custom_id, result = text_field(line, "custom_id"), line.get("result")
    if not isinstance(result, Mapping):
        raise ReplyFormatError(f"a result line has no result: {result!r:.80}")
    kind = result.get("type")
    if kind == "succeeded":
        return Item(custom_id, HttpReply(200, {}, body_bytes(result.get("message"))))
    if kind in _UNANSWERED:
        return Item(custom_id, Failure(*_UNANSWERED[kind], may_have_been_processed=False, code=kind))
    return Item(custom_id, _error_reply(result.get("error")))


def _error_reply(told: Any) -> HttpReply:
    error = told.get("error") if isinstance(told, Mapping) else None
    code = error.get("type") if isinstance(error, Mapping) else None
    return HttpReply(_STATUSES.get(str(code), 500), {}, body_bytes(told))


def _newer(wire: Wire, mark: str | None) -> Iterator[anthropic.Batch]:
    after = None
    while True:
        page: anthropic.BatchList = wire.call(anthropic.list_batches, limit=_PAGE, after_id=after)
        for batch in page.data:
            if batch.id == mark:
                return
            yield batch
        if not page.has_more or not page.data:
            return
        after = page.data[-1].id


def _size(batch: anthropic.Batch) -> int:
    counts = batch.request_counts or anthropic.BatchCounts()
    told = (counts.processing, counts.succeeded, counts.errored, counts.canceled, counts.expired)
    return sum(count or 0 for count in told)
