"""Perplexity's embeddings: OpenAI's words at a path of its own, and vectors of signed bytes, which only their direction
says something of. They come as floats from -128 to 127.

Source: https://docs.perplexity.ai/docs/embeddings (read 2026-11): 512 texts and 120,000 tokens in one request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.embeddings.inputs import Limits, input_type_of, texts_of, wish_of
from deluge_sync._adapters.embeddings.reading import input_usage, listed, read_reply
from deluge_sync._adapters.writing import bearer_key, write_body, write_headers
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync.sdk import openai

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deluge_sync._adapters.call import Call, ModelReply
    from deluge_sync._adapters.failure import Failure
    from deluge_sync.response import Usage

__all__ = ["LIMITS", "build_request", "parse_reply"]

LIMITS: Final = Limits(texts=512, tokens=120_000)


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK."""
    endpoint = openai.create_embeddings
    body = write_body(call, endpoint, _fields, users_words=())
    url = f"{call.base_url.removesuffix('/v1')}/v1{endpoint.path}"  # chat is asked without a version
    return HttpRequest(endpoint.method, url, write_headers(call, bearer_key(call)), body)


def _fields(call: Call) -> dict[str, Any]:
    input_type_of(call, {})
    return {"model": call.model.name, "input": texts_of(call), "dimensions": wish_of(call).dimensions}


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The vectors in a complete reply, or why there are none."""
    return read_reply(call, reply, openai.create_embeddings, _read)


def _read(document: openai.EmbeddingList) -> tuple[Iterator[tuple[int, Any]], Usage | None]:
    usage = document.usage
    return listed(document.data, "b"), input_usage(usage.prompt_tokens if usage is not None else None)
