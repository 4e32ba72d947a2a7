"""What the built-in caches have in common; each of them only says where a text lies.

No method that the engine calls raises for trouble with the store. A look-up that fails is a miss, an answer that cannot
be stored is not, and a warning says so, once for each kind of trouble.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from deluge_sync._fork import start_afresh_in_child
from deluge_sync.cache.complaints import Complaints
from deluge_sync.cache.protocol import CacheStats
from deluge_sync.cache.stored import dump_answer, load_answer
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync.prompt import Conversation
    from deluge_sync.response import APIResponse

__all__ = ["Shelf"]

log = logging.getLogger(__name__)

# Whoever has waited for a locked store in vain does not let every prompt wait as long.
_REST_S = 10.0


class _RestingError(OSError):
    """The store is left alone for now."""

    def __init__(self) -> None:
        super().__init__(f"the store was locked for too long, so it is left alone for {_REST_S:.0f} s")


class Shelf(ABC):
    """Answers by key. For any number of threads; `_lock` guards the counters and `_rests_until`.

    Args:
        cache_key: parts the answers of one purpose from those of another in the same store.
        expire: seconds after which an answer is too old to be given; None for never.
        clock: seconds since 1970, for what is stored outlives the process.
    """

    # Whatever the store may raise when it is broken, full or locked. ConfigError is what is no answer of ours.
    _troubles: tuple[type[Exception], ...]

    def __init__(
        self, cache_key: str = "default", *, expire: float | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.cache_key = _checked_key(cache_key)
        self.expire = _checked_age(expire)
        self._clock = clock
        self._complaints = Complaints(log)
        self._hits = self._misses = self._stored = self._errors = 0
        self._rests_until = 0.0
        self._lock = threading.Lock()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()

    def get(self, prompt: Conversation) -> APIResponse | None:
        """The answer stored under the prompt's fingerprint, as the answer to this prompt; None if there is none."""
        found = self._find(prompt)
        with self._lock:
            self._hits += found is not None
            self._misses += found is None
        return found

    def put(self, prompt: Conversation, response: APIResponse) -> None:
        """Store an answer in the place of an older one. It is safe from a kill of this process once this returns."""
        try:
            self._rest_if_locked()
            text = dump_answer(response, stored_at=self._clock())
            self._write(self._place(prompt.fingerprint), text)
        except _RestingError:
            return
        except self._troubles as error:
            self._complain("the cache did not take an answer", error)
            return
        with self._lock:
            self._stored += 1

    def stats(self) -> CacheStats:
        """What was asked of this object, and what the store holds.

        Raises:
            Exception: what the store raises, if it cannot be read.
        """
        entries, size_bytes = self._measure()
        with self._lock:
            return CacheStats(self._hits, self._misses, self._stored, self._errors, entries, size_bytes)

    @abstractmethod
    def clear(self) -> None:
        """Forget all answers under this `cache_key`, for every process.

        Raises:
            Exception: what the store raises, if it cannot be changed.
        """

    def close(self) -> None:  # noqa: B027  (a store may have nothing to close)
        """Let go of files. The cache opens them again when it is used again."""

    @abstractmethod
    def _read(self, place: str) -> object:
        """What is stored there, be it a text of ours or not; None if nothing is."""

    @abstractmethod
    def _write(self, place: str, text: str) -> None:
        """Store a text there, in the place of another."""

    @abstractmethod
    def _measure(self) -> tuple[int | None, int | None]:
        """Entries and bytes, as in `CacheStats`."""

    def _place(self, fingerprint: str) -> str:
        return f"{self.cache_key}:{fingerprint}"

    def _find(self, prompt: Conversation) -> APIResponse | None:
        try:
            self._rest_if_locked()
            text = self._read(self._place(prompt.fingerprint))
            if text is None:
                return None
            response, stored_at = load_answer(text, prompt)
        except _RestingError:
            return None
        except self._troubles as error:
            self._complain("the cache could not be read, so the prompt is sent", error)
            return None
        return None if self._is_old(stored_at) else response

    def _is_old(self, stored_at: float) -> bool:
        return self.expire is not None and stored_at + self.expire <= self._clock()

    def _is_locked(self, error: Exception) -> bool:  # noqa: ARG002  (for stores that have locks)
        """Whether the error means that somebody else has held the store's lock for as long as is waited for it."""
        return False

    def _rest_if_locked(self) -> None:
        """Raise unless the store may be used. A store calls it again where it has waited for its turn."""
        if self._rests_until > time.monotonic():
            raise _RestingError

    def _complain(self, consequence: str, error: Exception) -> None:
        with self._lock:
            self._errors += 1
            if self._is_locked(error):
                self._rests_until = time.monotonic() + _REST_S
        self._complaints.warn(f"{consequence} ({self!r})", error)


def _checked_key(cache_key: Any) -> str:
    if not isinstance(cache_key, str) or not cache_key:
        raise ConfigError(f"cache_key must be a text that is not empty; got {cache_key!r:.80}")
    return cache_key


def _checked_age(expire: Any) -> float | None:
    is_number = isinstance(expire, int | float) and not isinstance(expire, bool)
    if expire is not None and not (is_number and expire > 0):
        raise ConfigError(f"expire must be a positive number of seconds or None; got {expire!r:.80}")
    return expire if expire is None else float(expire)
