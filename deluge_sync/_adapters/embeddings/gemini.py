"""Gemini's `batchEmbedContents`: one small request for each text, at most 100 of them in one.

Each counts as a request against the provider's own limit. Too long a text is cut off by the provider without a word,
and vectors shorter than the model's own do not have length 1.
Source: Google's API document v1beta (2026-11) and https://ai.google.dev/gemini-api/docs/embeddings (read 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.embeddings.inputs import Limits, input_type_of, texts_of, wish_of
from deluge_sync._adapters.embeddings.reading import input_usage, read_reply
from deluge_sync._adapters.writing import write_body, write_headers
from deluge_sync._http import HttpReply, HttpRequest
from deluge_sync.sdk import gemini

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deluge_sync._adapters.call import Call, ModelReply
    from deluge_sync._adapters.failure import Failure
    from deluge_sync._secret import Secret
    from deluge_sync.response import Usage

__all__ = ["LIMITS", "build_request", "parse_reply"]

LIMITS: Final = Limits(texts=100)
_PURPOSES: Final = {
    "document": "RETRIEVAL_DOCUMENT",
    "query": "RETRIEVAL_QUERY",
    "similarity": "SEMANTIC_SIMILARITY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


def build_request(call: Call) -> HttpRequest:
    """The request for `call`, checked against the typed SDK."""
    endpoint = gemini.batch_embed_contents
    body = write_body(call, endpoint, _fields, users_words=())
    return HttpRequest(
        endpoint.method, endpoint.url(call.base_url, {"model": _name(call)}), write_headers(call, _key(call)), body
    )


def _name(call: Call) -> str:
    return call.model.name.removeprefix("models/")


def _key(call: Call) -> dict[str, str | Secret]:
    if call.api_key is None:
        return {}
    return {call.model.key_header or gemini.provider.key_header: call.api_key}


def _fields(call: Call) -> dict[str, Any]:
    alike = {
        "model": f"models/{_name(call)}",
        "taskType": input_type_of(call, _PURPOSES),
        "outputDimensionality": wish_of(call).dimensions,
    }
    return {"requests": [{**alike, "content": {"role": "user", "parts": [{"text": text}]}} for text in texts_of(call)]}


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The vectors in a complete reply, or why there are none."""
    return read_reply(call, reply, gemini.batch_embed_contents, _read)


def _read(document: gemini.BatchEmbedContentsResponse) -> tuple[Iterable[tuple[int, Any]], Usage | None]:
    usage = document.usage_metadata
    tokens = usage.prompt_token_count if usage is not None else None
    return ((place, each.values) for place, each in enumerate(document.embeddings)), input_usage(tokens)
