"""Gemini's batches: a file of requests goes through the Files API, a batch is made of it, its results are a file.

Source: https://ai.google.dev/gemini-api/docs/batch-api and /api/batch-api (read 2026-11): files of at most 2 GB, which
vanish after two days; no limit on the requests is named. A batch is for one model and bears a part's name as its
display name. Results tell their key, and an expired batch has none. What exceeds the tokens that may be enqueued at
once is refused with status 429.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.classify import classify_reply, plain_line
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import HttpReply
from deluge_sync.batch.backend import BatchState, Ending, Item, Limits
from deluge_sync.batch.reading import body_bytes, text_field
from deluge_sync.batch.wire import CallFailedError
from deluge_sync.errors import ReplyFormatError
from deluge_sync.sdk import gemini

if TYPE_CHECKING:
    from deluge_sync._http import HttpRequest
    from deluge_sync.batch.backend import PartToSend, Phase
    from deluge_sync.batch.wire import Wire
    from deluge_sync.models import Model

name = "gemini"
provider = gemini.provider
limits = Limits(requests=10_000_000, bytes=2_000_000_000)
beta_header = None

_MEDIA_TYPE: Final = "application/jsonl"
_PAGE: Final = 100
_ENDINGS: Final[Mapping[str, Ending]] = {
    "BATCH_STATE_SUCCEEDED": "completed",
    "BATCH_STATE_CANCELLED": "cancelled",
    "BATCH_STATE_EXPIRED": "expired",
    "BATCH_STATE_FAILED": "failed",
}
# Google's codes for errors of RPCs, with the HTTP status and the name that stand for them elsewhere.
# Source: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto (read 2026-11).
_CANCELLED: Final = 1
_RPC_CODES: Final[Mapping[int, tuple[int, str]]] = {
    2: (500, "UNKNOWN"),
    3: (400, "INVALID_ARGUMENT"),
    4: (504, "DEADLINE_EXCEEDED"),
    5: (404, "NOT_FOUND"),
    6: (409, "ALREADY_EXISTS"),
    7: (403, "PERMISSION_DENIED"),
    8: (429, "RESOURCE_EXHAUSTED"),
    9: (400, "FAILED_PRECONDITION"),
    10: (409, "ABORTED"),
    11: (400, "OUT_OF_RANGE"),
    12: (501, "UNIMPLEMENTED"),
    13: (500, "INTERNAL"),
    14: (503, "UNAVAILABLE"),
    15: (500, "DATA_LOSS"),
    16: (401, "UNAUTHENTICATED"),
}


def write_line(custom_id: str, request: HttpRequest, model: Model) -> bytes:  # noqa: ARG001  (as the protocol has it)
    """The request's body as it is, with the caller's name for it."""
    assert isinstance(request.body, bytes)
    return b'{"key": "%b", "request": %b}' % (custom_id.encode(), request.body.replace(b"\n", b" "))


def upload(wire: Wire, part: PartToSend) -> str | None:
    """Announce the request file, then send its bytes in one piece to the address that comes back."""
    announced = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": str(part.path.stat().st_size),
        "X-Goog-Upload-Header-Content-Type": _MEDIA_TYPE,
    }
    request = gemini.StartUploadRequest(file=gemini.FileToUpload(display_name=part.name, mime_type=_MEDIA_TYPE))
    started = wire.send(wire.api.prepare(gemini.start_upload, request, extra_headers=announced))
    address = started.headers.get("x-goog-upload-url")
    if not address:
        raise CallFailedError(Failure(FailureKind.MALFORMED, "Gemini did not say where to send the file", 200))
    commands = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
    stored: gemini.UploadedFile = wire.call_with_file(
        gemini.upload_content, wire.placeholder, part.path, url=address, extra_headers=commands
    )
    return stored.file.name


def mark(wire: Wire, part: PartToSend) -> str | None:  # noqa: ARG001
    """Nothing: batches are listed in no certain order."""
    return None


def find(wire: Wire, part: PartToSend) -> str | None:
    """The batch with the part's name, among all there are."""
    mine = (each for each in _all(wire) if each.metadata is not None and each.metadata.display_name == part.name)
    begun = (each for each in mine if _state_of(each).phase in ("open", "over"))
    return next((each.name for each in begun if each.name not in part.known_ids), None)


def create(wire: Wire, part: PartToSend) -> str:
    """Start the batch over the uploaded file, or over a new one where that has vanished while the part waited."""
    file = part.file_id if part.file_id is not None and _is_usable(wire, part.file_id) else upload(wire, part)
    source = gemini.BatchInput(file_name=file)
    request = gemini.CreateBatchRequest(batch=gemini.BatchToCreate(display_name=part.name, input_config=source))
    batch: gemini.BatchOperation = wire.call(
        gemini.create_batch, request, model=part.model.name.removeprefix("models/")
    )
    return batch.name


def look(wire: Wire, batch_id: str) -> BatchState:
    """How far it is."""
    batch: gemini.BatchOperation = wire.call(gemini.get_batch, name=batch_id)
    return _state_of(batch)


def cancel(wire: Wire, batch_id: str) -> None:
    """Stop it."""
    if look(wire, batch_id).phase == "open":
        wire.call(gemini.cancel_batch, name=batch_id)


def result_request(wire: Wire, reference: str) -> HttpRequest:
    """Read the responses file."""
    return wire.api.prepare(gemini.read_batch_results, name=reference)


def read_item(line: Mapping[str, Any]) -> Item:
    """An answer as `generateContent` would have given it, or an error in the form of Google's RPCs."""
    key, response, error = text_field(line, "key"), line.get("response"), line.get("error")
    if isinstance(response, Mapping):
        return Item(key, HttpReply(200, {}, body_bytes(response)))
    if isinstance(error, Mapping):
        message = str(error.get("message") or "no reason was given")
        return Item(key, _refusal(error.get("code"), message, error.get("details")))
    raise ReplyFormatError(f"a result line has neither a response nor an error: {dict(line)!r:.80}")


def _all(wire: Wire) -> Iterator[gemini.BatchOperation]:
    token = None
    while True:
        page: gemini.BatchList = wire.call(gemini.list_batches, page_size=_PAGE, page_token=token)
        yield from page.operations or ()
        token = page.next_page_token
        if not token:
            return


def _is_usable(wire: Wire, file_id: str) -> bool:
    """Whether the uploaded file is still there. Google answers 403 for one that is not."""
    try:
        file: gemini.File = wire.call(gemini.get_file, name=file_id)
    except CallFailedError as error:
        if error.failure.status not in (403, 404):
            raise
        return False
    if file.state == "PROCESSING":
        raise CallFailedError(Failure(FailureKind.OVERLOADED, "Gemini is not done with the uploaded file yet", 200))
    return file.state != "FAILED"


def _state_of(batch: gemini.BatchOperation) -> BatchState:
    """A state that is not known here is taken for one of a batch that goes on."""
    told = batch.metadata or gemini.Batch()
    stats = told.batch_stats or gemini.BatchStats()
    succeeded, failed = _number(stats.successful_request_count), _number(stats.failed_request_count)
    if told.state is None or told.state not in _ENDINGS:
        return BatchState(batch.name, "open", succeeded, failed)
    output = told.output or batch.response or gemini.BatchOutput()
    results = (output.responses_file,) if output.responses_file else ()
    if told.state == "BATCH_STATE_FAILED" and not results:
        problem = _problem(batch.error or gemini.Status())
        phase: Phase = "held" if problem.traits.pauses_key or problem.traits.stops_key else "refused"
        return BatchState(batch.name, phase, succeeded, failed, "failed", problem=problem)
    return BatchState(batch.name, "over", succeeded, failed, _ENDINGS[told.state], results)


def _problem(error: gemini.Status) -> Failure:
    """Why the whole batch failed."""
    refusal = _refusal(error.code, error.message or "no reason was given", error.details)
    return refusal if isinstance(refusal, Failure) else classify_reply(refusal, provider=name)


def _refusal(code: Any, message: str, details: Any) -> HttpReply | Failure:
    """The reply that says with an HTTP status what Google's RPCs say with a code of theirs."""
    if code == _CANCELLED:
        return Failure(FailureKind.CANCELLED, plain_line(message), may_have_been_processed=False)
    status, word = _RPC_CODES.get(code, (500, "UNKNOWN"))
    told = {"code": status, "message": message, "status": word, **({"details": details} if details else {})}
    return HttpReply(status, {}, body_bytes({"error": told}))


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0
