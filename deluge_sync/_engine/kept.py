"""Work that was begun and that somebody will ask for by its id: kept until it is handed out, and then forgotten."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from deluge_sync.errors import UnknownTaskError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Kept"]


class _Numbered(Protocol):
    @property
    def id(self) -> int: ...


T = TypeVar("T", bound=_Numbered)


class Kept(Generic[T]):
    """Thread-safe; `_lock` guards the table. `numbers` gives the ids; tables that share it have none in common."""

    def __init__(self, numbers: Iterator[int] | None = None) -> None:
        self._lock = threading.Lock()
        self._numbers = count() if numbers is None else numbers
        self._kept: dict[int, T] = {}

    def next_id(self) -> int:
        """A number for what will be kept; from 0."""
        return next(self._numbers)

    def keep(self, begun: T) -> None:
        """Find it by its id until it is handed out."""
        with self._lock:
            self._kept[begun.id] = begun

    def find(self, task_id: int) -> T:
        """What has this id.

        Raises:
            UnknownTaskError: nothing has, or it was handed out.
        """
        with self._lock:
            if (found := self._kept.get(task_id)) is None:
                raise UnknownTaskError(task_id)
            return found

    def all_kept(self) -> list[T]:
        """Everything that was not handed out, in the order it was begun."""
        with self._lock:
            return list(self._kept.values())

    def hand_out(self, ended: T) -> bool:
        """Forget it: its outcome is with the caller. False where another caller has it already."""
        with self._lock:
            return self._kept.pop(ended.id, None) is not None
