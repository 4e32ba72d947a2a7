"""Cohere's embeddings, version 2. It must be told what the vectors are for; "document" where the caller does not say.

A text that is too long is refused, not cut off without a word as Cohere does by itself (`extra_body={"truncate":
"END"}` lets it). Source: https://docs.cohere.com/v2/reference/embed (read 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.embeddings.inputs import Limits, input_type_of, texts_of, wish_of
from deluge_sync._adapters.embeddings.reading import from_base64, input_usage, read_reply
from deluge_sync._adapters.writing import bearer_key, write_body, write_headers
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync.sdk import cohere

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deluge_sync._adapters.call import Call, ModelReply
    from deluge_sync._adapters.failure import Failure
    from deluge_sync.response import Usage

__all__ = ["LIMITS", "build_request", "parse_reply"]

LIMITS: Final = Limits(texts=96)
_USUAL_PURPOSE: Final = "search_document"
_PURPOSES: Final = {
    "document": _USUAL_PURPOSE,
    "query": "search_query",
    "classification": "classification",
    "clustering": "clustering",
}


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK.

    Raises:
        ConfigError: there is no such purpose here.
    """
    endpoint = cohere.create_embeddings
    body = write_body(call, endpoint, _fields, users_words=())
    return HttpRequest(endpoint.method, call.base_url + endpoint.path, write_headers(call, bearer_key(call)), body)


def _fields(call: Call) -> dict[str, Any]:
    return {
        "model": call.model.name,
        "texts": texts_of(call),
        "input_type": input_type_of(call, _PURPOSES) or _USUAL_PURPOSE,
        "output_dimension": wish_of(call).dimensions,
        "embedding_types": ["base64"],
        "truncate": "NONE",
    }


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The vectors in a complete reply, or why there are none."""
    return read_reply(call, reply, cohere.create_embeddings, _read)


def _read(document: cohere.EmbedReply) -> tuple[Iterable[tuple[int, Any]], Usage | None]:
    units = document.meta.billed_units if document.meta is not None else None
    encoded, plain = document.embeddings.base64, document.embeddings.float
    vectors: Iterable[Any] = map(from_base64, encoded) if encoded is not None else plain or ()
    return enumerate(vectors), input_usage(units.input_tokens if units is not None else None)
