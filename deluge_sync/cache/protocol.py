"""What a cache of answers must have, and what the built-in ones tell of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from deluge_sync.prompt import Conversation
    from deluge_sync.response import APIResponse

__all__ = ["Cache", "CacheStats"]


class Cache(Protocol):
    """A local cache of answers: any object with these two methods, called from many threads.

    What they are given is a copy of the prompt that is not to be changed. Its `fingerprint` is the key to use: unlike
    that of an ordinary conversation it covers models, sampling params, tools and schema too. What they raise is logged
    as a warning, once for each kind of error, and costs no answer.
    """

    def get(self, prompt: Conversation) -> APIResponse | None:
        """The answer that was put under this fingerprint, or None."""
        ...

    def put(self, prompt: Conversation, response: APIResponse) -> object:
        """Keep an answer. What is returned is not looked at."""
        ...


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a built-in cache did and holds.

    Attributes:
        hits: look-ups that found an answer, by this object in this process; so are the next three.
        misses: look-ups that found none, those that failed included.
        stored: answers that were kept.
        errors: look-ups and writes that failed.
        entries: answers under its `cache_key`, those that are too old included; None where the store cannot tell.
        size_bytes: the whole store on disk, other `cache_key`s included; None where the store cannot tell.
    """

    hits: int
    misses: int
    stored: int
    errors: int
    entries: int | None = None
    size_bytes: int | None = None
