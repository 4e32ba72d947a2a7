"""The Mistral wire format: its paths, its errors, its rate-limit headers, the list of models. All under `/mistral`.

The operations themselves are in `_mistral_chat`, `_mistral_embeddings`, `_mistral_files` and `_mistral_batches`.
Sources: https://docs.mistral.ai/api and /resources/error-glossary (read 2026-11).
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._format import Draft, Route
from deluge_sync.testing._mistral_batches import batch_routes
from deluge_sync.testing._mistral_chat import create_chat_completion
from deluge_sync.testing._mistral_common import JSON, PREFIX, document, refuse
from deluge_sync.testing._mistral_embeddings import create_embeddings
from deluge_sync.testing._mistral_files import ROUTES as FILE_ROUTES
from deluge_sync.testing._openai import api_key
from deluge_sync.testing._reply import ErrorSpec, Raw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync.testing._format import Call
    from deluge_sync.testing._limits import Dimension, Shortage, Standing
    from deluge_sync.testing._wire import Incoming

__all__ = [
    "PREFIX",
    "ROUTES",
    "api_key",
    "over_limit",
    "render_error",
    "reply_headers",
    "unknown_path",
    "wrong_key",
    "wrong_method",
]

_CREATED = 1_735_689_600
_DEFAULT_MODELS = ("mistral-large-latest", "mistral-small-latest", "magistral-medium-latest", "mistral-embed")
_CAPABILITIES = ("completion_chat", "function_calling", "vision")
_DIMENSIONS: Mapping[Dimension, str] = MappingProxyType({"requests": "req", "tokens": "tokens"})

# status: type, code, message, where an error does not say otherwise
_USUAL: Mapping[int, tuple[str, str | None, str]] = MappingProxyType(
    {
        400: ("invalid_request_error", None, "the request was refused"),
        403: ("permission_denied", None, "this key may not do that"),
        404: ("not_found", None, "there is no such thing"),
        429: ("rate_limited", "1300", "Rate limit exceeded"),
        503: ("service_unavailable", "3505", "Service tier capacity exceeded for this model."),
    }
)
# These have just a word or a list of flawed fields.
_BARE = (401, 404, 405)


def render_error(spec: ErrorSpec, _request: Incoming) -> Raw:
    """`{"detail": [...]}` for a field, `{"detail": "..."}` from in front of the API, else an error object."""
    hint = {} if spec.retry_after is None else {"retry-after": str(spec.retry_after)}
    body = json.dumps(_error_document(spec)).encode()
    return Raw(spec.status, {**JSON, **hint, **spec.headers}, body)


def _error_document(spec: ErrorSpec) -> dict[str, Any]:
    if spec.status == 422:
        place = [int(step) if step.isdecimal() else step for step in (spec.param or "body").split(".")]
        message = spec.message or "Value error, the request was refused"
        return {"detail": [{"type": spec.type or "value_error", "loc": place, "msg": message, "input": None}]}
    if spec.status in _BARE and spec.type is None:
        return {"detail": spec.message or "Unauthorized"}
    usual = ("internal_server_error", "3000", f"status {spec.status} as ordered")
    usual_type, usual_code, usual_message = _USUAL.get(spec.status, usual)
    return {
        "object": "error",
        "message": spec.message or usual_message,
        "type": spec.type or usual_type,
        "param": spec.param,
        "code": spec.code or (usual_code if spec.type is None else None),
        "raw_status_code": spec.status,
    }


def unknown_path(_request: Incoming) -> ErrorSpec:
    """404 for a path that is not part of the API."""
    return ErrorSpec(404, "Not Found")


def wrong_method(_request: Incoming) -> ErrorSpec:
    """405 for a path of the API with a method it does not take."""
    return ErrorSpec(405, "Method Not Allowed")


def wrong_key(_key: str | None) -> ErrorSpec:
    """401; it tells nothing of the key."""
    return ErrorSpec(401, "Unauthorized")


def over_limit(shortage: Shortage) -> ErrorSpec:
    """429 with code 1300, whichever limit it is."""
    return ErrorSpec(429, f"{shortage.dimension.title()} rate limit exceeded")


def reply_headers(standings: Mapping[Dimension, Standing], sequence: int) -> dict[str, str]:
    """`mistral-correlation-id`, and `x-ratelimit-{limit,remaining}-{req,tokens}-minute` for what is limited."""
    headers = {"mistral-correlation-id": f"{sequence:032x}"}
    for name, standing in standings.items():
        headers[f"x-ratelimit-limit-{_DIMENSIONS[name]}-minute"] = str(standing.limit)
        headers[f"x-ratelimit-remaining-{_DIMENSIONS[name]}-minute"] = str(max(0, standing.remaining))
    return headers


def _list_models(call: Call) -> Draft:
    return document({"object": "list", "data": [_model(name) for name in call.models or _DEFAULT_MODELS]})


def _get_model(call: Call) -> Draft:
    name = call.variables["model"]
    if name not in (call.models or _DEFAULT_MODELS):
        refuse(f"Model {name} not found", status=404, type="invalid_model")
    return document(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": _CREATED,
        "owned_by": "deluge-sync",
        "capabilities": dict.fromkeys(_CAPABILITIES, True),
        "name": name,
        "max_context_length": 131_072,
        "aliases": [],
        "type": "base",
    }


# What asks a model, by its URL without the prefix. Batch jobs may be made of these.
_ASKING = MappingProxyType({"/v1/chat/completions": create_chat_completion, "/v1/embeddings": create_embeddings})

ROUTES = (
    *(Route("POST", PREFIX + path, operation) for path, operation in _ASKING.items()),
    Route("GET", f"{PREFIX}/v1/models", _list_models),
    Route("GET", f"{PREFIX}/v1/models/{{model}}", _get_model),
    *FILE_ROUTES,
    *batch_routes(_ASKING, render_error),
)
