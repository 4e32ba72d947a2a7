"""The Gemini wire format: its paths, its errors, models and embeddings. All of it lives under `/gemini`.

Google serves `/v1beta` and `/v1`, and so does this. Contents, files and batches are in modules of their own.
Source: Google's API document v1beta (2026-11), and what google-genai 3.4.0 sends and reads.
"""

from __future__ import annotations

import json
import math
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.sdk.gemini import BatchEmbedContentsRequest, EmbedContentRequest
from deluge_sync.testing._format import Draft, Refused, Route
from deluge_sync.testing._gemini_batches import batch_routes
from deluge_sync.testing._gemini_checks import bad, checked_fields
from deluge_sync.testing._gemini_content import (
    count_tokens_of_request,
    document,
    generate_content,
    known_model,
    stream_generate_content,
)
from deluge_sync.testing._gemini_files import file_routes, page_of
from deluge_sync.testing._openai_embeddings import unit_vector
from deluge_sync.testing._reply import ErrorSpec, Raw
from deluge_sync.testing._tokens import count_tokens

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

PREFIX = "/gemini"
_VERSIONS = ("v1beta", "v1")
_DEFAULT_MODELS = ("gemini-3-flash", "gemini-2.5-flash", "gemini-embedding-001")
_METHODS = ("generateContent", "countTokens", "embedContent", "batchGenerateContent")
_DIMENSIONS = 3072
_MOST_EMBEDDINGS = 100
_JSON = MappingProxyType({"content-type": "application/json; charset=UTF-8"})
_TYPES = "type.googleapis.com/google.rpc."
_QUOTAS: Mapping[Dimension, str] = MappingProxyType(
    {
        "requests": "GenerateRequestsPerMinutePerProjectPerModel",
        "tokens": "GenerateContentInputTokensPerModelPerMinute",
    }
)

# status: name, message, where an error does not say otherwise
_USUAL: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        400: ("INVALID_ARGUMENT", "the request was refused"),
        401: ("UNAUTHENTICATED", "the request has no valid credentials"),
        403: ("PERMISSION_DENIED", "this key may not do that"),
        404: ("NOT_FOUND", "there is no such thing"),
        409: ("ALREADY_EXISTS", "there is one already"),
        429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        500: ("INTERNAL", "An internal error has occurred."),
        503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        504: ("DEADLINE_EXCEEDED", "The service was unable to finish processing within the deadline."),
    }
)


def api_key(headers: Mapping[str, str]) -> str | None:
    """The header x-goog-api-key."""
    return headers.get("x-goog-api-key") or None


def render_error(spec: ErrorSpec, _request: Incoming) -> Raw:
    """`{"error": {"code", "message", "status", "details"}}`, and the headers of `spec`.

    A number as `retry_after` is told in a RetryInfo, as Google does; a date has no place there and goes as a header.
    """
    usual_status, usual_message = _USUAL.get(spec.status, ("UNKNOWN", f"status {spec.status} as ordered"))
    error: dict[str, Any] = {
        "code": spec.status,
        "message": spec.message or usual_message,
        "status": spec.type or usual_status,
    }
    if details := _details(spec):
        error["details"] = details
    dated = {"retry-after": spec.retry_after} if isinstance(spec.retry_after, str) else {}
    return Raw(spec.status, {**_JSON, **dated, **spec.headers}, json.dumps({"error": error}).encode())


def _details(spec: ErrorSpec) -> list[dict[str, Any]]:
    """What Google's clients read: the limit that ran out or the reason, and how long to wait."""
    details: list[dict[str, Any]] = []
    if spec.code is not None and spec.status == 429:
        details.append({"@type": f"{_TYPES}QuotaFailure", "violations": [{"quotaId": spec.code}]})
    elif spec.code is not None:
        details.append({"@type": f"{_TYPES}ErrorInfo", "reason": spec.code, "domain": "googleapis.com"})
    if isinstance(spec.retry_after, int | float):
        details.append({"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{spec.retry_after:g}s"})
    return details


def unknown_path(request: Incoming) -> ErrorSpec:
    """404 for a path that is not part of the API."""
    return ErrorSpec(404, f"The requested URL {request.path} was not found on this server.")


def wrong_method(request: Incoming) -> ErrorSpec:
    """404 too, as Google does, for a path of the API with a method it does not take."""
    return ErrorSpec(404, f"The requested URL {request.path} was not found for {request.method}.")


def wrong_key(key: str | None) -> ErrorSpec:
    """403 without a key; 400 with a wrong one, which is not shown."""
    if key is None:
        message = (
            "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
        )
        return ErrorSpec(403, message)
    return ErrorSpec(400, "API key not valid. Please pass a valid API key.", code="API_KEY_INVALID")


def over_limit(shortage: Shortage) -> ErrorSpec:
    """429 naming the limit."""
    quota = _QUOTAS[shortage.dimension]
    wait = "" if math.isinf(shortage.retry_after_s) else f"\nPlease retry in {shortage.retry_after_s:g}s."
    message = f"You exceeded your current quota. Quota exceeded for metric: {quota}, limit: {shortage.limit}{wait}"
    return ErrorSpec(429, message, code=quota)


def reply_headers(_standings: Mapping[Dimension, Standing], _sequence: int) -> dict[str, str]:
    """None: Google tells nothing of where the limits stand."""
    return {}


def _list_models(call: Call) -> Draft:
    names, more = page_of(call, call.models or _DEFAULT_MODELS, most=1000)
    return document({"models": [_model(name) for name in names], **more})


def _get_model(call: Call) -> Draft:
    name = call.variables["model"]
    if name not in (call.models or _DEFAULT_MODELS):
        raise Refused(ErrorSpec(404, f"Model is not found: models/{name} for api version v1beta"))
    return document(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": _METHODS,
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
    }


def _embed_content(call: Call) -> Draft:
    known_model(call, call.variables["model"])
    request = checked_fields(call.incoming.body, EmbedContentRequest, ignore_unknown=call.ignore_unknown)
    vector, tokens = _embedding(request)
    return Draft(document({"embedding": vector, **_embedding_usage(tokens)}).raw, tokens)


def _batch_embed_contents(call: Call) -> Draft:
    model = known_model(call, call.variables["model"])
    wanted = checked_fields(call.incoming.body, BatchEmbedContentsRequest, ignore_unknown=call.ignore_unknown)
    if not 1 <= len(wanted["requests"]) <= _MOST_EMBEDDINGS:
        problem = f"at most {_MOST_EMBEDDINGS} requests can be in one batch" if wanted["requests"] else "is empty"
        raise Refused(bad(f"* BatchEmbedContentsRequest.requests: {problem}"))
    for index, request in enumerate(wanted["requests"]):
        if request.get("model") != f"models/{model}":
            raise Refused(bad(f"* BatchEmbedContentsRequest.requests[{index}].model: must be models/{model}"))
    found = [_embedding(request) for request in wanted["requests"]]
    tokens = sum(count for _, count in found)
    body = {"embeddings": [vector for vector, _ in found], **_embedding_usage(tokens)}
    return Draft(document(body).raw, tokens)


def _embedding(request: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The vector of a text, and its tokens."""
    text = "\n".join(part.get("text", "") for part in request["content"].get("parts") or ())
    size = request.get("outputDimensionality") or _DIMENSIONS
    if not text:
        raise Refused(bad("* EmbedContentRequest.content: contents.parts must not be empty."))
    if not 1 <= size <= _DIMENSIONS:
        raise Refused(bad(f"* EmbedContentRequest.output_dimensionality: must be 1 to {_DIMENSIONS}"))
    return {"values": list(unit_vector(text, size))}, count_tokens(text)


def _embedding_usage(tokens: int) -> dict[str, Any]:
    return {"usageMetadata": {"promptTokenCount": tokens}}


def _routes(version: str) -> tuple[Route, ...]:
    models = f"{PREFIX}/{version}/models"
    return (
        Route("POST", f"{models}/{{model}}:generateContent", generate_content),
        Route("POST", f"{models}/{{model}}:streamGenerateContent", stream_generate_content),
        Route("POST", f"{models}/{{model}}:countTokens", count_tokens_of_request, is_limited=False),
        Route("POST", f"{models}/{{model}}:embedContent", _embed_content),
        Route("POST", f"{models}/{{model}}:batchEmbedContents", _batch_embed_contents),
        *batch_routes(PREFIX, version, render_error),
        *file_routes(PREFIX, version),
        Route("GET", models, _list_models),
        Route("GET", f"{models}/{{model}}", _get_model),
    )


ROUTES = tuple(chain.from_iterable(_routes(version) for version in _VERSIONS))
