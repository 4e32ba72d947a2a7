"""The numbers of each text in the user's cache of answers, so that a second run sends only the texts that are new.

What is stored is an `APIResponse` without content, with the numbers as base64 in `raw_response`: every cache that
stores answers can store it. The key covers the text, the model, where it is, what was wished of the vectors and the
query. It is no key of a prompt: those are made of other things (see `_engine.cache_key`).
"""

from __future__ import annotations

import base64
import contextvars
import hashlib
import logging
import sys
from array import array
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.cache.complaints import Complaints
from deluge_sync.config import SamplingParams
from deluge_sync.prompt import Conversation
from deluge_sync.prompt.parts import compact_json
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync._adapters.embeddings.inputs import Wish
    from deluge_sync.cache.protocol import Cache
    from deluge_sync.models import Model

__all__ = ["StoredNumbers"]

log = logging.getLogger(__name__)
_complaints: Final = Complaints(log)

# To be raised when a key or what is stored under it means something else than before.
_VERSION: Final = 1
# Vectors are of 32-bit floats, as they come; scores of 64-bit ones.
_FIELDS: Final = {"f": "float32", "d": "float64"}
_PARAMS: Final = SamplingParams()


class StoredNumbers:
    """Looks numbers up and keeps them. For any number of threads, if the cache is.

    What the cache raises is logged, once for each kind, and costs nothing but its own effect. It is called with the
    context variables of whoever made this object.
    """

    def __init__(
        self,
        cache: Cache,
        model: Model,
        base_url: str,
        wish: Wish,
        *,
        query: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        self._cache = cache
        self._model_id = model.id
        self._context = contextvars.copy_context()
        asked = [wish.dimensions, wish.input_type, query, sorted((extra_body or {}).items())]
        where = [model.id, model.name, model.provider, model.api_spec, model.mode, base_url]
        said = compact_json([_VERSION, where, asked], what="extra_body")
        self._common = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()

    def find(self, text: str) -> array[float] | None:
        """The numbers that were kept for this text."""
        try:
            found = self._run(self._cache.get, self._question(text))
        except Exception as error:  # noqa: BLE001  (the user's cache may raise anything; logged with its traceback)
            _complaints.warn("cache look-up failed, so the text is sent", error)
            return None
        return _numbers(found) if isinstance(found, APIResponse) else None

    def keep(self, text: str, numbers: array[float]) -> None:
        """Keep the numbers of a text."""
        question = self._question(text)
        try:
            self._run(self._cache.put, question, self._answer(question, numbers))
        except Exception as error:  # noqa: BLE001  (as above)
            _complaints.warn("the cache did not take the numbers of a text", error)

    def _run(self, function: Any, *arguments: Any) -> Any:
        return self._context.copy().run(function, *arguments)  # a context is entered by one thread at a time

    def _question(self, text: str) -> Conversation:
        key = hashlib.sha256(f"{self._common} {text}".encode("utf-8", "surrogatepass")).hexdigest()
        return Conversation.user(text).keyed(key)

    def _answer(self, question: Conversation, numbers: array[float]) -> APIResponse:
        return APIResponse(
            id=0,
            model_internal=self._model_id,
            prompt=question,
            sampling_params=_PARAMS,
            status_code=200,
            is_error=False,
            error_message=None,
            finish_reason="stop",
            raw_response={_FIELDS[numbers.typecode]: _encoded(numbers)},
        )


def _encoded(numbers: array[float]) -> str:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")


def _numbers(response: APIResponse) -> array[float] | None:
    """None where something else was stored under the key."""
    stored = response.raw_response or {}
    return next((_decoded(code, stored[name]) for code, name in _FIELDS.items() if name in stored), None)


def _decoded(code: str, text: object) -> array[float] | None:
    try:
        numbers: array[Any] = array(code, base64.b64decode(str(text), validate=True))
    except ValueError:
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers or None
