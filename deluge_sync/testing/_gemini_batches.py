"""Gemini's batches: started over requests in the body or in a file, looked up and cancelled as operations.

How a batch gets on is in `_batch`. Results come where the requests came. Google promises the order of the requests but
does not always keep it (googleapis/python-genai, issue 1909): here results in a file come in another, those in the
operation itself, which can have no key, in the requests'. An expired batch has no results.
Source: https://ai.google.dev/api/batch-api and /gemini-api/docs/batch-api (read 2026-11).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.sdk.gemini import CreateBatchRequest
from deluge_sync.testing._batch import BatchRun, Line, is_over_queue
from deluge_sync.testing._format import Refused, Route
from deluge_sync.testing._gemini_checks import bad, checked_fields
from deluge_sync.testing._gemini_content import document, generate_content, known_model
from deluge_sync.testing._gemini_files import FILES, add_file, page_of, rfc_3339
from deluge_sync.testing._reply import ErrorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deluge_sync.testing._batch import BatchAnswer, RenderError
    from deluge_sync.testing._format import Call, Draft

__all__ = ["batch_routes"]

_BATCHES = "gemini-batches"
_STATES = MappingProxyType(
    {
        "waiting": "PENDING",
        "running": "RUNNING",
        "cancelling": "RUNNING",
        "completed": "SUCCEEDED",
        "cancelled": "CANCELLED",
        "expired": "EXPIRED",
    }
)
_MOST_LISTED = 100
_CANCELLED, _DEADLINE_EXCEEDED = 1, 4  # Google's codes for errors of RPCs
_RPC_CODES: Mapping[str, int] = MappingProxyType({"INVALID_ARGUMENT": 3, "NOT_FOUND": 5, "PERMISSION_DENIED": 7})


@dataclass(slots=True)
class _Batch:
    """A batch. `metadata` is what came beside each request; None: the requests came in a file. The lock of `run`
    guards `output`.
    """

    run: BatchRun
    model: str
    display_name: str
    metadata: Sequence[Any] | None
    output: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.run.id


@dataclass(frozen=True, slots=True)
class _Office:
    """The operations on batches."""

    render_error: RenderError

    def create(self, call: Call) -> Draft:
        model = known_model(call, call.variables["model"])
        wanted = checked_fields(call.incoming.body, CreateBatchRequest, ignore_unknown=call.ignore_unknown)["batch"]
        lines, metadata = _lines(call, model, wanted["inputConfig"])
        _refuse_over_queue(call, lines)
        batch = call.store.shelf(_BATCHES).add(
            lambda number: _Batch(
                BatchRun(f"batches/{number:012d}", number, lines), model, wanted["displayName"], metadata
            )
        )
        return document(_operation(batch))

    def look_up(self, call: Call) -> Draft:
        """Every look at a batch counts, and may bring it on."""
        return document(self._looked_at(_found(call), call, counts=True))

    def list(self, call: Call) -> Draft:
        """The newest first, which Google does not promise."""
        batches, more = page_of(call, call.store.shelf(_BATCHES).all()[::-1], most=_MOST_LISTED)
        told = [self._looked_at(batch, call, counts=False) for batch in batches]
        return document({**({"operations": told} if told else {}), **more})

    def delete(self, call: Call) -> Draft:
        """An empty reply; the batch cannot be asked for any more."""
        call.store.shelf(_BATCHES).remove(_found(call).id)
        return document({})

    def cancel(self, call: Call) -> Draft:
        """An empty reply, also for a batch that is over."""
        batch = _found(call)
        with batch.run.lock:
            batch.run.cancel()
        return document({})

    def _looked_at(self, batch: _Batch, call: Call, *, counts: bool) -> dict[str, Any]:
        with batch.run.lock:
            if not batch.run.is_over:
                batch.run.look(call, generate_content, self.render_error, counts=counts)
                if batch.run.is_over and batch.run.state != "expired":
                    batch.output = _output(call, batch)
            return _operation(batch)


def batch_routes(root: str, version: str, render_error: RenderError) -> tuple[Route, ...]:
    """The operations on batches of one version of the API; what they refuse is written down by `render_error`."""
    office = _Office(render_error)
    base = f"{root}/{version}"
    return (
        Route("POST", f"{base}/models/{{model}}:batchGenerateContent", office.create, is_limited=False),
        Route("POST", f"{base}/batches/{{batch}}:cancel", office.cancel, is_limited=False),
        Route("GET", f"{base}/batches", office.list),
        Route("GET", f"{base}/batches/{{batch}}", office.look_up),
        Route("DELETE", f"{base}/batches/{{batch}}", office.delete),
    )


def _refuse_over_queue(call: Call, lines: Sequence[Line]) -> None:
    """Google says of all its quotas the same, and of this one no name."""
    others = (batch.run for batch in call.store.shelf(_BATCHES).all())
    if is_over_queue(BatchRun("", 0, lines), others, call.store.batch_pace.most_queued):
        message = "You exceeded your current quota, please check your plan and billing details."
        raise Refused(ErrorSpec(429, message))


def _found(call: Call) -> Any:
    name = f"batches/{call.variables['batch']}"
    batch = call.store.shelf(_BATCHES).get(name)
    if batch is None:
        raise Refused(ErrorSpec(404, f"Requested entity was not found: {name}"))
    return batch


def _lines(call: Call, model: str, source: Mapping[str, Any]) -> tuple[list[Line], list[Any] | None]:
    """The requests, and what came beside each, None if they came in a file."""
    if ("fileName" in source) == ("requests" in source):
        raise Refused(bad("batch.input_config: exactly one of file_name and requests must be set"))
    if "fileName" in source:
        entries = _read_file(call, source["fileName"])
        return [_line(model, entry.get("key", ""), entry["request"]) for entry in entries], None
    inlined = source["requests"]["requests"]
    if not inlined:
        raise Refused(bad("batch.input_config.requests: there are none"))
    return [_line(model, "", entry["request"]) for entry in inlined], [entry.get("metadata") for entry in inlined]


def _read_file(call: Call, name: str) -> list[dict[str, Any]]:
    file = call.store.shelf(FILES).get(name)
    if file is None:
        raise Refused(ErrorSpec(404, f"Requested entity was not found: {name}"))
    try:
        entries = [json.loads(line) for line in file.content.splitlines() if line.strip()]
    except ValueError:
        entries = []
    if not entries or not all(isinstance(entry, dict) and isinstance(entry.get("request"), dict) for entry in entries):
        raise Refused(bad(f"{name}: each line must be a JSON object with a request"))
    return entries


def _line(model: str, key: str, request: Mapping[str, Any]) -> Line:
    return Line(key, f"/models/{model}:generateContent", json.dumps(request).encode(), (("model", model),))


def _output(call: Call, batch: _Batch) -> dict[str, Any]:
    """What became of all requests: in a file of its own, or in the operation itself."""
    if batch.metadata is not None:
        in_order = sorted(batch.run.outcomes(), key=lambda outcome: outcome.number)
        told = [
            {**_result(outcome), **({"metadata": metadata} if metadata is not None else {})}
            for outcome, metadata in zip(in_order, batch.metadata, strict=True)
        ]
        return {"inlinedResponses": {"inlinedResponses": told}}
    keyed = [{"key": outcome.line.custom_id, **_result(outcome)} for outcome in batch.run.results(call)]
    content = b"".join(json.dumps(result).encode() + b"\n" for result in keyed)
    described = {"name": f"files/batch-{batch.run.number:012d}", "mimeType": "application/jsonl"}
    return {"responsesFile": add_file(call, content, described, source="GENERATED").id}


def _result(outcome: BatchAnswer) -> dict[str, Any]:
    if outcome.raw is None or not isinstance(outcome.raw.body, bytes):
        return {"error": {"code": _CANCELLED, "message": "The batch was cancelled before this request."}}
    body = json.loads(outcome.raw.body)
    if outcome.succeeded:
        return {"response": body}
    error = body["error"]
    return {"error": {"code": _RPC_CODES.get(error["status"], 2), "message": error["message"]}}


def _operation(batch: _Batch) -> dict[str, Any]:
    run = batch.run
    state = f"BATCH_STATE_{_STATES[run.state]}"
    metadata = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "name": batch.id,
        "model": f"models/{batch.model}",
        "displayName": batch.display_name,
        "state": state,
        **_instants(run),
        "batchStats": _stats(run),
        **({"output": batch.output} if batch.output else {}),
    }
    operation: dict[str, Any] = {"name": batch.id, "metadata": metadata}
    if not run.is_over:
        return operation
    operation["done"] = True
    if run.state == "completed":
        return {**operation, "response": batch.output}
    code = _CANCELLED if run.state == "cancelled" else _DEADLINE_EXCEEDED
    return {**operation, "error": {"code": code, "message": f"The batch was {run.state}."}}


def _instants(run: BatchRun) -> dict[str, str]:
    instants = {"createTime": rfc_3339(run.instants["created"]), "updateTime": rfc_3339(max(run.instants.values()))}
    return instants | ({"endTime": rfc_3339(run.instants[run.state])} if run.is_over else {})


def _stats(run: BatchRun) -> dict[str, str]:
    """Numbers as texts; a 0 is not written."""
    succeeded = sum(answer.succeeded for answer in run.answers)
    counts = {
        "requestCount": len(run.lines),
        "successfulRequestCount": succeeded,
        "failedRequestCount": len(run.answers) - succeeded,
        "pendingRequestCount": len(run.lines) - len(run.answers),
    }
    return {name: str(count) for name, count in counts.items() if count}
