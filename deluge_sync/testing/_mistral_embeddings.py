"""Mistral's embeddings: a vector for each input, always the same for the same input, in any of the number types."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deluge_sync.sdk.mistral import EmbeddingRequest
from deluge_sync.testing._format import Draft
from deluge_sync.testing._mistral_common import check_model, checked_fields, document, refuse, refuse_field
from deluge_sync.testing._openai_embeddings import unit_vector
from deluge_sync.testing._tokens import count_tokens
from deluge_sync.testing._vectors import as_base64, as_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deluge_sync.testing._format import Call

__all__ = ["create_embeddings"]

# Models whose vectors have one size only.
_FIXED = MappingProxyType({"mistral-embed": 1024})
_USUAL_DIMENSIONS, _MOST_DIMENSIONS = 1536, 3072
_MAX_TOKENS = 8192
_MAX_TEXTS, _MAX_TOKENS_TOGETHER = 512, 16_384


def create_embeddings(call: Call) -> Draft:
    """POST /mistral/v1/embeddings."""
    request = checked_fields(call.incoming.body, EmbeddingRequest, ignore_unknown=call.ignore_unknown)
    check_model(call, request["model"])
    texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
    tokens = sum(map(count_tokens, texts))
    _refuse(texts)
    size = _size(request)
    draft = document(
        {
            "id": f"{call.sequence:032x}",
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _written(unit_vector(text, size), request)}
                for index, text in enumerate(texts)
            ],
            "model": request["model"],
            "usage": {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens},
        }
    )
    return Draft(draft.raw, tokens)


def _refuse(texts: Sequence[str]) -> None:
    if not texts:
        refuse_field("body.input", "too_short", "List should have at least 1 item")
    if len(texts) > _MAX_TEXTS:
        problem = "Too many inputs in request, split into more batches."
        refuse(problem, type="invalid_request_prompt", code="3210")
    if (together := sum(map(count_tokens, texts))) > _MAX_TOKENS_TOGETHER:
        problem = f"Too many tokens in batch. Max is {_MAX_TOKENS_TOGETHER} got {together}"
        refuse(problem, type="invalid_request_error")
    for text in texts:
        if (tokens := count_tokens(text)) > _MAX_TOKENS:
            problem = f"Input is too long: it has {tokens} tokens, more than the model's maximum of {_MAX_TOKENS}."
            refuse(problem, type="invalid_request_prompt", code="3210")


def _size(request: Mapping[str, Any]) -> int:
    fixed, wanted = _FIXED.get(request["model"]), request.get("output_dimension")
    if wanted is not None and not 1 <= wanted <= _MOST_DIMENSIONS:
        refuse_field("body.output_dimension", "greater_than", f"Input should be 1 to {_MOST_DIMENSIONS}")
    if fixed is not None and wanted is not None:
        refuse(f"output_dimension is not supported for model {request['model']}", type="invalid_request_error")
    return fixed or wanted or _USUAL_DIMENSIONS


def _written(vector: Sequence[float], request: Mapping[str, Any]) -> list[Any] | str:
    """The vector as the request wants it."""
    kind = request.get("output_dtype") or "float"
    return as_base64(vector, kind) if request.get("encoding_format") == "base64" else as_numbers(vector, kind)
