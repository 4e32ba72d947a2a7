"""The Anthropic wire format: its paths, versions, errors and rate-limit headers, the list of models.

It lives below /anthropic, so that its paths and OpenAI's cannot be mixed up. Both versions of the API are spoken:
2023-06-01, where files are a beta, and 2026-10-21, which has no sampling parameters. The operations themselves are in
`_anthropic_messages`, `_anthropic_files` and `_anthropic_batches`.
Sources: the official packages `anthropic` 0.76 and 2.12; https://platform.claude.com/docs/en/api/errors.
"""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.testing import _anthropic_files
from deluge_sync.testing._anthropic_batches import batch_routes
from deluge_sync.testing._anthropic_common import JSON, MODELS, PREFIX, check_version, document, instant, page
from deluge_sync.testing._anthropic_messages import count_tokens, create_message
from deluge_sync.testing._format import Draft, Refused, Route
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

# status: type, message, where an error does not say otherwise
_USUAL: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        401: ("authentication_error", "invalid x-api-key"),
        402: ("billing_error", "there is a problem with billing"),
        403: ("permission_error", "this key may not do that"),
        404: ("not_found_error", "there is no such thing"),
        413: ("request_too_large", "the request is larger than 32 MB"),
        429: ("rate_limit_error", "too many requests"),
        500: ("api_error", "internal server error"),
        504: ("timeout_error", "the request took too long"),
        529: ("overloaded_error", "overloaded"),
    }
)


def api_key(headers: Mapping[str, str]) -> str | None:
    """The key in x-api-key, or the bearer token of the Authorization header, which the later version sends."""
    if headers.get("x-api-key", "").strip():
        return headers["x-api-key"].strip()
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def render_error(spec: ErrorSpec, _request: Incoming) -> Raw:
    """`{"type": "error", "error": {"type", "message"}, "request_id"}` and the headers of `spec`."""
    kind = "api_error" if spec.status >= 500 else "invalid_request_error"
    usual_type, usual_message = _USUAL.get(spec.status, (kind, f"status {spec.status} as ordered"))
    error = {"type": spec.type or usual_type, "message": spec.message or usual_message}
    hint = {} if spec.retry_after is None else {"retry-after": str(spec.retry_after)}
    body = {"type": "error", "error": error, "request_id": None}
    return Raw(spec.status, {**JSON, **hint, **spec.headers}, json.dumps(body).encode())


def unknown_path(_request: Incoming) -> ErrorSpec:
    """404 for a path that is not part of the API."""
    return ErrorSpec(404, "Not found")


def wrong_method(request: Incoming) -> ErrorSpec:
    """405 for a path of the API with a method it does not take."""
    return ErrorSpec(405, f"{request.path} does not take {request.method}")


def wrong_key(key: str | None) -> ErrorSpec:
    """401; the key is not shown."""
    return ErrorSpec(401, "x-api-key header is required" if key is None else "invalid x-api-key")


def over_limit(shortage: Shortage) -> ErrorSpec:
    """429 naming the limit."""
    if math.isinf(shortage.retry_after_s):
        return ErrorSpec(429, f"this request of {shortage.requested} tokens exceeds your limit of {shortage.limit}")
    return ErrorSpec(429, f"this request exceeds your rate limit of {shortage.limit} {shortage.dimension} a minute")


def reply_headers(standings: Mapping[Dimension, Standing], sequence: int) -> dict[str, str]:
    """`request-id`, and `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}` for what is limited."""
    headers = {"request-id": f"req_{sequence:08d}"}
    for name, standing in standings.items():
        reset = datetime.fromtimestamp(math.ceil(time.time() + standing.reset_s), UTC)
        headers[f"anthropic-ratelimit-{name}-limit"] = str(standing.limit)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(max(0, standing.remaining))
        headers[f"anthropic-ratelimit-{name}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
    return headers


def _list_models(call: Call) -> Draft:
    check_version(call)
    return page(call, list(call.models or MODELS), _model, most=1_000, usual=20, key=str)


def _get_model(call: Call) -> Draft:
    check_version(call)
    name = call.variables["model_id"]
    if name not in (call.models or MODELS):
        raise Refused(ErrorSpec(404, f"model: {name}"))
    return document(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": instant(_CREATED),
        "lifecycle": "active",
        "line": None,
        "capabilities": None,
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "deprecated_at": None,
        "retires_at": None,
    }


ROUTES = (
    Route("POST", f"{PREFIX}/v1/messages", create_message),
    Route("POST", f"{PREFIX}/v1/messages/count_tokens", count_tokens, is_limited=False),
    *batch_routes(create_message, render_error),
    *_anthropic_files.ROUTES,
    Route("GET", f"{PREFIX}/v1/models", _list_models),
    Route("GET", f"{PREFIX}/v1/models/{{model_id}}", _get_model),
)
