"""The Cohere wire format, as far as we speak it: vectors and ranking, version 2. All of it lives under `/cohere`.

A document fits a query by the share of the query's words that occur in it. Vectors mean nothing: texts that are alike
are not near each other. Replies tell nothing of the limits, as Cohere's do not.
Sources: https://docs.cohere.com/v2/reference/embed, /reference/rerank and /reference/errors (read 2026-11).
"""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from pydantic import BaseModel, ValidationError

from deluge_sync.sdk.cohere import EmbedRequest, RerankRequest
from deluge_sync.testing._format import Draft, Refused, Route
from deluge_sync.testing._openai import api_key
from deluge_sync.testing._openai_embeddings import unit_vector
from deluge_sync.testing._reply import ErrorSpec, Raw
from deluge_sync.testing._tokens import count_tokens
from deluge_sync.testing._vectors import as_base64, as_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

PREFIX = "/cohere"
_JSON = MappingProxyType({"content-type": "application/json"})
_INPUTS = ("texts", "images", "inputs")
_MOST_INPUTS, _MOST_DOCUMENTS = 96, 10_000
_USUAL_DIMENSIONS = 1536
_DIMENSIONS = (256, 512, 1024, 1536)
_IMAGE_TOKENS = 1_000
_DOCUMENTS_A_UNIT = 100
_USUAL: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid request",
        401: "invalid api token",
        404: "not found",
        429: "You are past the per minute request limit, please wait and try again later.",
        503: "the service is unavailable",
    }
)

Request = dict[str, Any]


def render_error(spec: ErrorSpec, request: Incoming) -> Raw:
    """`{"id": ..., "message": ...}` and the headers of `spec`."""
    hint = {} if spec.retry_after is None else {"retry-after": str(spec.retry_after)}
    message = spec.message or _USUAL.get(spec.status, f"status {spec.status} as ordered")
    document = {"id": _id(len(request.body)), "message": message}
    return Raw(spec.status, {**_JSON, **hint, **spec.headers}, json.dumps(document).encode())


def unknown_path(request: Incoming) -> ErrorSpec:
    """404 for a path that is not part of the API."""
    return ErrorSpec(404, f"page not found: {request.path}")


def wrong_method(request: Incoming) -> ErrorSpec:
    """405 for a path of the API with a method it does not take."""
    return ErrorSpec(405, f"{request.path} does not take {request.method}")


def wrong_key(key: str | None) -> ErrorSpec:
    """401; it tells nothing of the key."""
    return ErrorSpec(401, "no api key supplied" if key is None else "invalid api token")


def over_limit(_shortage: Shortage) -> ErrorSpec:
    """429."""
    return ErrorSpec(429)


def reply_headers(_standings: Mapping[Dimension, Standing], sequence: int) -> dict[str, str]:
    """`x-debug-trace-id` only."""
    return {"x-debug-trace-id": f"{sequence:032x}"}


def _id(number: int) -> str:
    return str(UUID(int=number, version=4))


def _embed(call: Call) -> Draft:
    request = _checked(call, EmbedRequest)
    kind, inputs = _inputs(request)
    size = request.get("output_dimension") or _USUAL_DIMENSIONS
    if size not in _DIMENSIONS:
        _refuse(f"output_dimension must be one of {', '.join(map(str, _DIMENSIONS))}, not {size}")
    vectors = [unit_vector(json.dumps(each), size) for each in inputs]
    kinds = request.get("embedding_types") or ["float"]
    tokens, images = _billed(inputs, kind)
    units = {"images": images} if images else {}
    document = {
        "id": _id(call.sequence),
        "texts": inputs if kind == "texts" else [],
        "embeddings": {each: [_written(vector, each) for vector in vectors] for each in kinds},
        "meta": _meta({"input_tokens": tokens, **units}),
        "response_type": "embeddings_by_type",
    }
    return Draft(Raw(200, _JSON, json.dumps(document).encode()), tokens)


def _inputs(request: Request) -> tuple[str, Sequence[Any]]:
    """The one kind of inputs there is, and the inputs."""
    given = [name for name in _INPUTS if request.get(name) is not None]
    if len(given) != 1:
        _refuse(f"exactly one of {', '.join(_INPUTS)} must be given, not {len(given)}")
    kind, inputs = given[0], request[given[0]]
    if not 1 <= len(inputs) <= _MOST_INPUTS:
        _refuse(f"{kind} must have 1 to {_MOST_INPUTS} items, not {len(inputs)}")
    if (kind == "images") != (request["input_type"] == "image"):
        _refuse("input_type 'image' and images need each other")
    if kind == "texts" and not all(inputs):
        _refuse("texts must not have empty strings")
    return kind, inputs


def _billed(inputs: Sequence[Any], kind: str) -> tuple[int, int]:
    """Tokens and images."""
    if kind != "inputs":
        images = len(inputs) if kind == "images" else 0
        return images * _IMAGE_TOKENS or sum(map(count_tokens, inputs)), images
    parts = [part for each in inputs for part in each["content"]]
    images = sum(part["type"] == "image_url" for part in parts)
    return images * _IMAGE_TOKENS + sum(count_tokens(part.get("text", "")) for part in parts), images


def _written(vector: Sequence[float], kind: str) -> list[Any] | str:
    return as_base64(vector) if kind == "base64" else as_numbers(vector, kind)


def _rerank(call: Call) -> Draft:
    request = _checked(call, RerankRequest)
    query, documents, top = request["query"], request["documents"], request.get("top_n")
    if not query.strip():
        _refuse("query must not be empty")
    if not 1 <= len(documents) <= _MOST_DOCUMENTS:
        _refuse(f"documents must have 1 to {_MOST_DOCUMENTS} items, not {len(documents)}")
    if top is not None and top < 1:
        _refuse(f"top_n must be 1 or more, not {top}")
    scores = [_score(query, document) for document in documents]
    order = sorted(range(len(documents)), key=lambda index: (-scores[index], index))
    document = {
        "id": _id(call.sequence),
        "results": [{"index": index, "relevance_score": scores[index]} for index in order[:top]],
        "meta": _meta({"search_units": -(-len(documents) // _DOCUMENTS_A_UNIT)}),
    }
    tokens = sum(map(count_tokens, [query, *documents]))
    return Draft(Raw(200, _JSON, json.dumps(document).encode()), tokens)


def _score(query: str, document: str) -> float:
    """0 to 1: the share of the query's words that the document has."""
    wanted, there = _words(query), _words(document)
    return round(len(wanted & there) / max(1, len(wanted)), 6)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _meta(units: Mapping[str, int]) -> dict[str, Any]:
    return {"api_version": {"version": "2"}, "billed_units": units}


def _checked(call: Call, model: type[BaseModel]) -> Request:
    """The request as parsed JSON, if its fields and types are those of `model` and its model is there."""
    try:
        request: Request = json.loads(call.incoming.body)
        model.model_validate(request, strict=True)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            if not (call.ignore_unknown and problem["type"] == "extra_forbidden"):
                _refuse(f"invalid request: {'.'.join(map(str, problem['loc']))}: {problem['msg']}")
    except (ValueError, RecursionError):
        _refuse("invalid json syntax")
    if call.models is not None and request["model"] not in call.models:
        _refuse(f"model '{request['model']}' not found", status=404)
    return request


def _refuse(message: str, *, status: int = 400) -> NoReturn:
    raise Refused(ErrorSpec(status, message))


ROUTES = (Route("POST", f"{PREFIX}/v2/embed", _embed), Route("POST", f"{PREFIX}/v2/rerank", _rerank))
