"""Anthropic's message batches: made of requests in one body, looked up, cancelled; the results are JSON Lines.

How a batch gets on is in `_batch`.
Source: the official package `anthropic` 2.12, `resources.messages.batches`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._anthropic_common import PREFIX, check_version, document, found, instant, page, refuse
from deluge_sync.testing._batch import BatchAnswer, BatchRun, Line, is_over_queue
from deluge_sync.testing._format import Draft, Route
from deluge_sync.testing._reply import Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deluge_sync.testing._batch import RenderError
    from deluge_sync.testing._format import Call

__all__ = ["batch_routes"]

_DAY_S = 24 * 3600
_MOST_REQUESTS = 100_000
_JSON_LINES = MappingProxyType({"content-type": "application/x-jsonl"})
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_STATUS = MappingProxyType({"waiting": "in_progress", "running": "in_progress", "cancelling": "canceling"})
_UNANSWERED = MappingProxyType({"cancelled": "canceled", "expired": "expired"})


@dataclass(frozen=True, slots=True)
class _Office:
    """The operations on batches. `operation` answers one of their requests."""

    operation: Callable[[Call], Draft]
    render_error: RenderError

    def create(self, call: Call) -> Draft:
        """The requests are checked when their turn comes; only their names are checked at once."""
        check_version(call)
        lines = _lines(call)
        _refuse_over_queue(call, lines)
        run: BatchRun = call.store.shelf("anthropic_batches").add(
            lambda number: BatchRun(f"msgbatch_{number:08d}", number, lines)
        )
        with run.lock:
            return document(_batch(run, call))

    def list(self, call: Call) -> Draft:
        check_version(call)
        newest_first = call.store.shelf("anthropic_batches").all()[::-1]
        return page(call, newest_first, lambda run: self._looked_at(run, call, counts=False), most=1_000, usual=20)

    def retrieve(self, call: Call) -> Draft:
        """Every look at a batch counts, and may bring it on."""
        return document(self._looked_at(_found(call), call, counts=True))

    def cancel(self, call: Call) -> Draft:
        """A batch that has ended stays as it is."""
        run = _found(call)
        with run.lock:
            run.cancel()
            return document(_batch(run, call))

    def results(self, call: Call) -> Draft:
        run = _found(call)
        with run.lock:
            if not run.is_over:
                refuse(f"batch {run.id} has not ended: its results are not available yet", 404)
            lines = [json.dumps(_result(run, outcome)).encode() + b"\n" for outcome in run.results(call)]
        return Draft(Raw(200, _JSON_LINES, b"".join(lines)))

    def _looked_at(self, run: BatchRun, call: Call, *, counts: bool) -> dict[str, Any]:
        with run.lock:
            run.look(call, self._whole_answer, self.render_error, counts=counts)
            return _batch(run, call)

    def _whole_answer(self, call: Call) -> Draft:
        draft = self.operation(call)
        if not isinstance(draft.raw.body, bytes):
            refuse("stream: a request of a batch cannot be streamed")
        return draft


def batch_routes(operation: Callable[[Call], Draft], render_error: RenderError) -> tuple[Route, ...]:
    """The routes of batches whose requests `operation` answers; what it refuses is written down by `render_error`."""
    office = _Office(operation, render_error)
    path = f"{PREFIX}/v1/messages/batches"
    return (
        Route("POST", path, office.create, is_limited=False),
        Route("GET", path, office.list),
        Route("POST", f"{path}/{{batch_id}}/cancel", office.cancel, is_limited=False),
        Route("GET", f"{path}/{{batch_id}}/results", office.results),
        Route("GET", f"{path}/{{batch_id}}", office.retrieve),
    )


def _found(call: Call) -> BatchRun:
    check_version(call)
    run: BatchRun = found(call, "batches", call.variables["batch_id"], "Batch")
    return run


def _lines(call: Call) -> list[Line]:
    try:
        requests = json.loads(call.incoming.body)["requests"]
        named = {str(request["custom_id"]): request["params"] for request in requests}
    except (ValueError, KeyError, TypeError, RecursionError):
        refuse("requests: a list of {custom_id, params} is required")
    if not requests or len(requests) > _MOST_REQUESTS:
        refuse(f"requests: 1 to {_MOST_REQUESTS:,} are taken, not {len(requests):,}")
    if len(named) < len(requests):
        refuse("requests: a custom_id comes twice")
    wrong = next((name for name in named if not _CUSTOM_ID.fullmatch(name)), None)
    if wrong is not None:
        refuse(f"requests: custom_id {wrong!r} must be 1 to 64 letters, digits, '_' or '-'")
    return [Line(name, f"{PREFIX}/v1/messages", json.dumps(params).encode()) for name, params in named.items()]


def _refuse_over_queue(call: Call, lines: Sequence[Line]) -> None:
    others = call.store.shelf("anthropic_batches").all()
    if is_over_queue(BatchRun("", 0, lines), others, call.store.batch_pace.most_queued):
        message = "This request would exceed your organization's limit of requests in the batch processing queue"
        refuse(message, 429)


def _result(run: BatchRun, outcome: BatchAnswer) -> dict[str, Any]:
    return {"custom_id": outcome.line.custom_id, "result": _outcome(run, outcome)}


def _outcome(run: BatchRun, outcome: BatchAnswer) -> Mapping[str, Any]:
    raw = outcome.raw
    if raw is None or not isinstance(raw.body, bytes):
        return {"type": _UNANSWERED[run.state]}
    said = json.loads(raw.body)
    if not outcome.succeeded:
        return {"type": "errored", "error": said}
    said["usage"]["service_tier"] = "batch"
    return {"type": "succeeded", "message": said}


def _batch(run: BatchRun, call: Call) -> dict[str, Any]:
    ended = run.instants.get(run.state) if run.is_over else None
    return {
        "type": "message_batch",
        "id": run.id,
        "processing_status": _STATUS.get(run.state, "ended"),
        "request_counts": _counts(run),
        "results_url": _results_url(run, call) if run.is_over else None,
        "created_at": instant(run.instants["created"]),
        "expires_at": instant(run.instants["created"] + _DAY_S),
        "ended_at": instant(ended),
        "cancel_initiated_at": instant(run.instants.get("cancelling")),
        "archived_at": None,
    }


def _counts(run: BatchRun) -> dict[str, int]:
    """Nothing is told of single requests until the whole batch has ended."""
    counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    if not run.is_over:
        return counts | {"processing": len(run.lines)}
    for outcome in run.outcomes():
        kind = "succeeded" if outcome.succeeded else "errored"
        counts[kind if outcome.raw is not None else _UNANSWERED[run.state]] += 1
    return counts


def _results_url(run: BatchRun, call: Call) -> str:
    return f"http://{call.incoming.headers.get('host', 'localhost')}{PREFIX}/v1/messages/batches/{run.id}/results"
