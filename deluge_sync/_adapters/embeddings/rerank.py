"""Cohere's rerank, which Together, vLLM and others imitate: one score for each document, for how well it fits a query.

All documents' scores are asked for: which are the best is decided where those of all requests are together. Cohere
bills search units (a query with up to 100 documents), of which no token price can be made; others tell tokens.
Source: https://docs.cohere.com/v2/reference/rerank and /docs/reranking-best-practices (read 2026-11): at most 1,000
documents are advised, and 10,000 taken.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.embeddings.inputs import Limits, query_of, texts_of
from deluge_sync._adapters.embeddings.reading import input_usage, read_reply
from deluge_sync._adapters.writing import bearer_key, write_body, write_headers
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync.sdk import cohere

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deluge_sync._adapters.call import Call, ModelReply
    from deluge_sync._adapters.failure import Failure
    from deluge_sync.response import Usage

__all__ = ["LIMITS", "build_request", "parse_reply"]

LIMITS: Final = Limits(texts=1_000)


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK."""
    endpoint = cohere.rerank
    body = write_body(call, endpoint, _fields, users_words=())
    return HttpRequest(endpoint.method, call.base_url + endpoint.path, write_headers(call, bearer_key(call)), body)


def _fields(call: Call) -> dict[str, Any]:
    return {"model": call.model.name, "query": query_of(call), "documents": texts_of(call)}


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The scores in a complete reply, or why there are none."""
    return read_reply(call, reply, cohere.rerank, _read)


def _read(document: cohere.RerankReply) -> tuple[Iterable[tuple[int, Any]], Usage | None]:
    scores = ((each.index, array("d", [each.relevance_score])) for each in document.results)
    return scores, input_usage(_tokens(document))


def _tokens(document: cohere.RerankReply) -> float | None:
    """As Cohere tells them, or in the words of those who imitate it."""
    units = document.meta.billed_units if document.meta is not None else None
    if units is not None:
        return units.input_tokens
    usage = (document.model_extra or {}).get("usage")
    tokens = usage.get("total_tokens", usage.get("prompt_tokens")) if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int | float) else None
