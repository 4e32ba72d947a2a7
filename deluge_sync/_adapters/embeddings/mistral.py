"""Mistral's embeddings: near to OpenAI's, with a name of its own for the length of the vectors.

Numbers are asked for as text, the provider's default: its own package cannot read its base64.

Limits: a request of more than 512 texts, or of more than 16,384 tokens, is refused ("Too many inputs in request",
"Too many tokens in batch. Max is 16384"). Source: Mistral's OpenAPI document of 2026-08, and what the API answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.embeddings.inputs import Limits, input_type_of, texts_of, wish_of
from deluge_sync._adapters.embeddings.reading import input_usage, listed, read_reply
from deluge_sync._adapters.writing import bearer_key, write_body, write_headers
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync.sdk import mistral

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deluge_sync._adapters.call import Call, ModelReply
    from deluge_sync._adapters.failure import Failure
    from deluge_sync.response import Usage

__all__ = ["LIMITS", "build_request", "parse_reply"]

LIMITS: Final = Limits(texts=512, tokens=16_384)


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK."""
    endpoint = mistral.create_embeddings
    body = write_body(call, endpoint, _fields, users_words=())
    return HttpRequest(endpoint.method, call.base_url + endpoint.path, write_headers(call, bearer_key(call)), body)


def _fields(call: Call) -> dict[str, Any]:
    input_type_of(call, {})
    return {
        "model": call.model.name,
        "input": texts_of(call),
        "output_dimension": wish_of(call).dimensions,
    }


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The vectors in a complete reply, or why there are none."""
    return read_reply(call, reply, mistral.create_embeddings, _read)


def _read(document: mistral.EmbeddingList) -> tuple[Iterator[tuple[int, Any]], Usage | None]:
    usage = document.usage
    return listed(document.data), input_usage(usage.prompt_tokens if usage is not None else None)
