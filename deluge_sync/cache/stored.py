"""An answer as one text for storage, and back. Plain JSON, so that reading what others wrote can run nothing.

The prompt is not stored: whoever reads an answer has just asked for it. Nor is `parsed`, which the engine makes anew of
the text and of the schema that is asked for.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deluge_sync.config import SamplingParams
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["dump_answer", "load_answer"]

_FORMAT = 1
# What is at its default is left out, which makes a row half as long and its reading twice as fast.
_LEFT_OUT = {field.name: field.default for field in fields(APIResponse) if field.default is not MISSING}
_LEFT_OUT["rounds"] = []  # as `to_dict` writes none
_NEVER = object()
_APART = {"prompt": None, "sampling_params": None}


def dump_answer(response: APIResponse, *, stored_at: float) -> str:
    """The text to store. `stored_at` is seconds since 1970.

    Raises:
        ConfigError: the answer holds something that JSON has no form for, or an image that cannot be read.
    """
    answer = replace(response, prompt=Conversation(), parsed=None).to_dict(keep_media=True)
    answer = {name: value for name, value in answer.items() if _LEFT_OUT.get(name, _NEVER) != value}
    params = json.dumps(answer.pop("sampling_params"), separators=(",", ":"))
    del answer["prompt"]
    document = {"format": _FORMAT, "stored_at": stored_at, "sampling_params": params, "answer": answer}
    try:
        return json.dumps(document, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the answer cannot be written as JSON: {error}") from error


def load_answer(text: object, prompt: Conversation) -> tuple[APIResponse, float]:
    """The answer as the one to `prompt`, and when it was stored.

    Raises:
        ConfigError: it is not what `dump_answer` writes.
    """
    document = _document(text)
    stored_at, answer, params = (document.get(name) for name in ("stored_at", "answer", "sampling_params"))
    if document.get("format") != _FORMAT or not isinstance(stored_at, int | float) or not isinstance(answer, dict):
        raise ConfigError("not a stored answer, or one of another version")
    try:
        response = APIResponse.from_dict({**answer, **_APART})
        response.sampling_params = _sampling_params(params)
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise ConfigError(f"not a stored answer: {error}") from error
    response.prompt = prompt
    return response, stored_at


@lru_cache(maxsize=64)
def _sampling_params(text: str) -> SamplingParams:
    """Kept, as thousands of answers have the same, and one unchangeable value serves them all."""
    return SamplingParams(**json.loads(text))


def _document(text: object) -> Mapping[str, Any]:
    if not isinstance(text, str | bytes):
        raise ConfigError(f"not a stored answer but a {type(text).__name__}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not a stored answer: {error}") from error
    return document if isinstance(document, dict) else {}
