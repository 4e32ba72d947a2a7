"""The engine's way to the user's cache of answers: what is asked of it, what is kept, and that it breaks nothing."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from deluge_sync._adapters.failure import FailureKind
from deluge_sync.cache.complaints import Complaints
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from deluge_sync._engine.job import Job
    from deluge_sync.cache.protocol import Cache

__all__ = ["LocalCache"]

log = logging.getLogger(__name__)

# How an answer ends that nothing has cut off; some servers that imitate OpenAI have words of their own.
_WHOLE: Final = frozenset({"stop", "tool_calls", "function_call", "eos", "end_turn", "stop_sequence"})


class LocalCache:
    """What the user's cache raises is logged, once for each kind, and costs nothing but its own effect. Thread-safe.

    store_truncated: keep answers too that the token limit or an error cut off.
    """

    def __init__(self, cache: Cache | None, *, store_truncated: bool) -> None:
        self._cache = cache
        self._store_truncated = store_truncated
        self._complaints = Complaints(log)

    def find(self, job: Job) -> APIResponse | None:
        """The answer that was kept for this question."""
        if self._cache is None or job.cache_key is None:
            return None
        consequence = "cache look-up failed, so the prompt is sent"
        try:
            found = job.context.run(self._cache.get, job.prompt.keyed(job.cache_key))
        except Exception as error:  # noqa: BLE001  (the user's cache may raise anything; logged with its traceback)
            self._complaints.warn(consequence, error)
            return None
        if found is not None and not isinstance(found, APIResponse):
            self._complaints.warn(consequence, f"the cache gave a {type(found).__name__} instead of an APIResponse")
            return None
        return found

    def keep(self, job: Job, response: APIResponse) -> None:
        """Keep the answer, if it is one to be kept."""
        if self._cache is None or job.cache_key is None or not self._is_to_be_kept(response):
            return
        # A copy: what `postprocess` makes of the response is not what the model said.
        content = response.content.copy() if response.content is not None else None
        try:
            job.context.run(self._cache.put, job.prompt.keyed(job.cache_key), replace(response, content=content))
        except Exception as error:  # noqa: BLE001  (as above)
            self._complaints.warn("the cache did not take an answer", error)

    def _is_to_be_kept(self, response: APIResponse) -> bool:
        if response.is_error:
            is_part = response.error_kind == FailureKind.TRUNCATED and bool(response.text)
            return self._store_truncated and is_part
        return self._store_truncated or response.finish_reason in _WHOLE
