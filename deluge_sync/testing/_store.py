"""What a provider remembers from one request to the next: uploaded files, batches, and whatever a format adds.

Knows nothing of wire formats. Operations reach it as `Call.store`; every `FakeProvider` has one of its own.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["BatchPace", "Shelf", "Store", "StoredFile"]


class Kept(Protocol):
    """What can be put on a shelf."""

    @property
    def id(self) -> str:
        """What it is asked for by."""


T = TypeVar("T", bound=Kept)


@dataclass(frozen=True, slots=True)
class BatchPace:
    """How fast batches get on: over so many looks at them, and so many seconds. The slower of the two counts.

    `expires_after`: their time is up when so many of their requests are answered. None: never.
    `failing`: requests by their place in the batch, from 0, that get an error of this status instead of an answer.
    `repeats`: so many of the results come a second time, after all others, and say something else.
    `most_queued`: so many requests may be in batches that are not over; a batch with more than the rest is refused, in
    its provider's way. None: any number.
    """

    polls: int = 2
    seconds: float = 0.0
    expires_after: int | None = None
    failing: Mapping[int, int] = field(default_factory=dict)
    repeats: int = 0
    most_queued: int | None = None

    def share(self, polls: int, seconds: float) -> float:
        """How much of a batch is done, 0 to 1, after `polls` looks and `seconds`."""
        by_polls = polls / self.polls if self.polls else 1.0
        by_time = seconds / self.seconds if self.seconds else 1.0
        return min(by_polls, by_time, 1.0)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was uploaded or written. Instants are Unix time in seconds; `details` are a format's own."""

    id: str
    filename: str
    media_type: str
    content: bytes = field(repr=False)
    purpose: str = ""
    created_at: int = field(default_factory=lambda: int(time.time()))
    expires_at: int | None = None
    details: Any = None


class Shelf:
    """Things of one kind by id, in the order in which they came. For any number of threads; one lock guards it all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[str, Any] = {}
        self._count = 0

    def add(self, make: Callable[[int], T]) -> T:
        """Keep what `make` gives for the next number, which counts from 1, and return it."""
        with self._lock:
            self._count += 1
            item = make(self._count)
            self._items[item.id] = item
            return item

    def get(self, item_id: str) -> Any | None:
        """The thing with this id, or None."""
        with self._lock:
            return self._items.get(item_id)

    def replace(self, item_id: str, item: Any) -> None:
        """Put `item` in the place of what has this id."""
        with self._lock:
            self._items[item_id] = item

    def remove(self, item_id: str) -> bool:
        """Forget it. Whether it was there."""
        with self._lock:
            return self._items.pop(item_id, None) is not None

    def all(self) -> list[Any]:
        """Everything, the oldest first; a list of its own."""
        with self._lock:
            return list(self._items.values())


class Store:
    """One shelf for each kind of thing, made when it is first asked for. For any number of threads."""

    def __init__(self, batch_pace: BatchPace | None = None, background_pace: BatchPace | None = None) -> None:
        self.batch_pace = batch_pace or BatchPace()
        self.background_pace = background_pace or BatchPace()
        self._lock = threading.Lock()
        self._shelves: dict[str, Shelf] = {}

    def shelf(self, kind: str) -> Shelf:
        """The shelf of one kind, such as "files"."""
        with self._lock:
            return self._shelves.setdefault(kind, Shelf())
