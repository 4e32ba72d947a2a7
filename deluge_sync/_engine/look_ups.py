"""Jobs that may have an answer already, and how many workers look for it. The `dispatcher` holds its lock."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deluge_sync._engine.job import Job

__all__ = ["LookUps"]

# Look-ups that take this long wait for something, such as a network.
_FAST_S = 0.002
_REMEMBERED = 8


class LookUps:
    """The queue of those that were not looked for yet."""

    def __init__(self) -> None:
        self.unseen: deque[Job] = deque()
        self._looking = 0
        self._took_s = 0.0  # how long the latest took

    def may_begin(self) -> bool:
        """Whether another worker would speed them up. While they are fast, several would only take the interpreter from
        each other: where one can make 10,000 in a second, ten of them need twice as long.
        """
        return bool(self.unseen) and self._looking <= self._took_s / _FAST_S

    def begin(self) -> Job:
        """The next to look for."""
        self._looking += 1
        return self.unseen.popleft()

    def ended(self, took_s: float) -> None:
        """One that was begun has been looked for."""
        self._looking -= 1
        self._took_s += (took_s - self._took_s) / _REMEMBERED
