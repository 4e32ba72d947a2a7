"""The OpenAI wire format: its paths, its errors, its rate-limit headers, the list of models.

The operations themselves are in `_openai_chat`, `_openai_responses`, `_openai_embeddings`, `_openai_files` and
`_openai_batches`.
Sources: https://platform.openai.com/docs/guides/rate-limits and /docs/guides/error-codes (read 2026-11).
"""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing import _openai_files, _openai_responses
from deluge_sync.testing._format import Draft, Refused, Route
from deluge_sync.testing._openai_batches import batch_routes
from deluge_sync.testing._openai_chat import create_chat_completion
from deluge_sync.testing._openai_embeddings import create_embeddings
from deluge_sync.testing._openai_responses import create_response
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

PREFIX = ""
_CREATED = 1_735_689_600
_DEFAULT_MODELS = ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano")
_JSON = MappingProxyType({"content-type": "application/json"})

# status: type, code, message, where an error does not say otherwise
_USUAL: Mapping[int, tuple[str, str | None, str]] = MappingProxyType(
    {
        400: ("invalid_request_error", None, "the request was refused"),
        401: ("invalid_request_error", "invalid_api_key", "the API key is wrong"),
        403: ("permission_error", None, "this key may not do that"),
        404: ("invalid_request_error", None, "there is no such thing"),
        429: ("requests", "rate_limit_exceeded", "too many requests"),
        503: ("service_unavailable_error", "server_is_overloaded", "too busy at the moment"),
    }
)


def api_key(headers: Mapping[str, str]) -> str | None:
    """The bearer token of the Authorization header."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def render_error(spec: ErrorSpec, _request: Incoming) -> Raw:
    """`{"error": {"message", "type", "param", "code"}}` and the headers of `spec`."""
    kind = "server_error" if spec.status >= 500 else "invalid_request_error"
    usual_type, usual_code, usual_message = _USUAL.get(spec.status, (kind, None, f"status {spec.status} as ordered"))
    error = {
        "message": spec.message or usual_message,
        "type": spec.type or usual_type,
        "param": spec.param,
        "code": spec.code or usual_code,
    }
    hint = {} if spec.retry_after is None else {"retry-after": str(spec.retry_after)}
    return Raw(spec.status, {**_JSON, **hint, **spec.headers}, json.dumps({"error": error}).encode())


def unknown_path(request: Incoming) -> ErrorSpec:
    """404 for a path that is not part of the API."""
    return ErrorSpec(404, f"unknown URL: {request.method} {request.path}", code="unknown_url")


def wrong_method(request: Incoming) -> ErrorSpec:
    """405 for a path of the API with a method it does not take."""
    return ErrorSpec(405, f"{request.path} does not take {request.method}", code="method_not_supported")


def wrong_key(key: str | None) -> ErrorSpec:
    """401; the message shows no more than the last four characters of the key."""
    if key is None:
        return ErrorSpec(401, "no API key came with the request; send it as 'Authorization: Bearer KEY'")
    return ErrorSpec(401, f"incorrect API key provided: ***{key[-4:] if len(key) > 8 else ''}")


def over_limit(shortage: Shortage) -> ErrorSpec:
    """429 naming the limit; its type is the dimension that ran out."""
    unit = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}[shortage.dimension]
    if math.isinf(shortage.retry_after_s):
        message = f"Request too large on {unit}: Limit {shortage.limit}, Requested {shortage.requested}."
    else:
        message = (
            f"Rate limit reached on {unit}: Limit {shortage.limit}, Used {shortage.limit - shortage.remaining}, "
            f"Requested {shortage.requested}. Please try again in {_duration(shortage.retry_after_s)}."
        )
    return ErrorSpec(429, message, code="rate_limit_exceeded", type=shortage.dimension)


def reply_headers(standings: Mapping[Dimension, Standing], sequence: int) -> dict[str, str]:
    """`x-request-id`, and `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` for what is limited."""
    headers = {"x-request-id": f"req_{sequence:08d}"}
    for name, standing in standings.items():
        headers[f"x-ratelimit-limit-{name}"] = str(standing.limit)
        headers[f"x-ratelimit-remaining-{name}"] = str(max(0, standing.remaining))
        headers[f"x-ratelimit-reset-{name}"] = _duration(standing.reset_s)
    return headers


def _duration(seconds: float) -> str:
    """OpenAI's way to write a duration, rounded up to a millisecond: `17ms`, `1.5s`, `6m0s`."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:g}s"
    return f"{minutes}m{text}" if minutes else text


def _list_models(call: Call) -> Draft:
    return _document({"object": "list", "data": [_model(name) for name in call.models or _DEFAULT_MODELS]})


def _get_model(call: Call) -> Draft:
    name = call.variables["model"]
    if name not in (call.models or _DEFAULT_MODELS):
        raise Refused(ErrorSpec(404, f"the model '{name}' does not exist", code="model_not_found", param="model"))
    return _document(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "deluge-sync"}


def _document(document: dict[str, Any]) -> Draft:
    return Draft(Raw(200, _JSON, json.dumps(document).encode()))


# What asks a model, by its URL. Batches may be made of these.
_ASKING = MappingProxyType(
    {
        "/v1/chat/completions": create_chat_completion,
        "/v1/embeddings": create_embeddings,
        "/v1/responses": create_response,
    }
)

ROUTES = (
    *(Route("POST", path, operation) for path, operation in _ASKING.items()),
    Route("GET", "/v1/models", _list_models),
    Route("GET", "/v1/models/{model}", _get_model),
    *_openai_files.ROUTES,
    *_openai_responses.ROUTES,
    *batch_routes(_ASKING, render_error),
)
