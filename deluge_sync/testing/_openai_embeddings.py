"""OpenAI embeddings: a vector of length 1 for each input, always the same for the same input.

Shortening a vector gives the same as asking for fewer dimensions, as with the real models; beyond that a vector means
nothing: texts that are alike are not near each other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from array import array
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.sdk.openai import EmbeddingRequest
from deluge_sync.testing._format import Draft, Refused
from deluge_sync.testing._openai_checks import checked_fields, unknown_model
from deluge_sync.testing._reply import ErrorSpec, Raw
from deluge_sync.testing._tokens import count_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deluge_sync.testing._format import Call

__all__ = ["create_embeddings", "unit_vector"]

_JSON = MappingProxyType({"content-type": "application/json"})
_DIMENSIONS = MappingProxyType({"text-embedding-3-large": 3072})
_USUAL_DIMENSIONS = 1536
_MAX_INPUTS = 2048
_MAX_TOKENS = 8192
_MAX_TOKENS_TOGETHER = 300_000


def create_embeddings(call: Call) -> Draft:
    """POST /v1/embeddings."""
    request = checked_fields(call.incoming.body, EmbeddingRequest, ignore_unknown=call.ignore_unknown)
    model = request["model"]
    if call.models is not None and model not in call.models:
        raise Refused(unknown_model(model))
    inputs = _inputs(request["input"])
    _refuse(inputs, request)
    size = request.get("dimensions") or _DIMENSIONS.get(model, _USUAL_DIMENSIONS)
    tokens = sum(map(_tokens, inputs))
    document = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _written(unit_vector(each, size), request)}
            for index, each in enumerate(inputs)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return Draft(Raw(200, _JSON, json.dumps(document).encode()), tokens)


def unit_vector(text: str | Sequence[int], dimensions: int) -> array[float]:
    """The vector of an input: `dimensions` 32-bit floats."""
    digest = hashlib.shake_256(json.dumps(text).encode()).digest(2 * dimensions)
    raw = [int.from_bytes(digest[at : at + 2]) - 32_767.5 for at in range(0, len(digest), 2)]
    length = math.hypot(*raw)
    return array("f", (number / length for number in raw))


def _inputs(given: str | Sequence[Any]) -> Sequence[str | Sequence[int]]:
    """The inputs, each a text or a list of token ids."""
    is_one = isinstance(given, str) or (given and isinstance(given[0], int))
    return [given] if is_one else given


def _tokens(each: str | Sequence[int]) -> int:
    return count_tokens(each) if isinstance(each, str) else len(each)


def _refuse(inputs: Sequence[str | Sequence[int]], request: Mapping[str, Any]) -> None:
    problem = None
    if not 1 <= len(inputs) <= _MAX_INPUTS:
        problem = ErrorSpec(400, f"'input' must hold 1 to {_MAX_INPUTS} texts, not {len(inputs)}", param="input")
    elif not all(inputs):
        problem = ErrorSpec(400, "'input' cannot be an empty string", param="input")
    elif (most := max(map(_tokens, inputs))) > _MAX_TOKENS:
        message = f"an input may have {_MAX_TOKENS} tokens at most, yours has {most}"
        problem = ErrorSpec(400, message, code="context_length_exceeded", param="input")
    elif (together := sum(map(_tokens, inputs))) > _MAX_TOKENS_TOGETHER:
        message = f"Requested {together} tokens, max {_MAX_TOKENS_TOGETHER} tokens per request"
        problem = ErrorSpec(400, message, code="max_tokens_per_request", param="input")
    elif (dimensions := request.get("dimensions")) is not None and dimensions < 1:
        problem = ErrorSpec(400, f"'dimensions' must be 1 or more, not {dimensions}", param="dimensions")
    if problem is not None:
        raise Refused(problem)


def _written(vector: array[float], request: Mapping[str, Any]) -> list[float] | str:
    """The vector as the request wants it."""
    if request.get("encoding_format") != "base64":
        return list(vector)
    if (1).to_bytes(2, "little") != array("H", [1]).tobytes():
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()
