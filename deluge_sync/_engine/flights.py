"""Requests that have left, and whose replies no thread waits for: one worker watches for all of them.

The `dispatcher` holds its lock around every call, except of `leave` and `wait`.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deluge_sync._engine.watch import IS_AVAILABLE, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deluge_sync._engine.job import Job
    from deluge_sync._engine.lane import Lane
    from deluge_sync._engine.limiter import Lease
    from deluge_sync._http import Flight

__all__ = ["Flights", "Sent"]


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """A job whose request has left: in `period` of its lane's brake, on `lease`."""

    lane: Lane
    job: Job
    lease: Lease
    period: int
    flight: Flight


class Flights:
    """What has left, by the descriptor of its connection, and what has come. One worker at a time may watch."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent] = {}
        self._came: deque[Sent] = deque()
        self._watch: Watch | None = None
        self.is_watched = False

    def __bool__(self) -> bool:
        return bool(self._sent or self._came)

    @property
    def is_to_watch(self) -> bool:
        """Nobody watches for what has left."""
        return bool(self._sent) and not self.is_watched

    @property
    def has_come(self) -> bool:
        """There is a reply to take in."""
        return bool(self._came)

    def jobs(self) -> list[Job]:
        """Those whose reply is not being taken in yet."""
        return [sent.job for sent in (*self._sent.copy().values(), *self._came.copy())]

    @property
    def can_leave(self) -> bool:
        """Whether requests can be watched for. Otherwise each has a thread that waits, as on other systems."""
        return self._watch is not None

    def open(self) -> None:
        """Must be called before the first one leaves."""
        if self._watch is None and IS_AVAILABLE:
            with suppress(OSError):  # no descriptors are left
                self._watch = Watch()

    def leave(self, sent: Sent) -> None:
        """Its request has left. From any thread, without the lock: watching for it takes a call of the system."""
        descriptor = sent.flight.fileno()
        if descriptor < 0:
            self._came.append(sent)
            return
        assert self._watch is not None
        self._sent[descriptor] = sent  # first, so that it is found whenever its reply comes
        try:
            self._watch.add(descriptor)
        except OSError:  # the system watches no more: whoever takes it in waits for it
            self._came.append(self._sent.pop(descriptor))

    def next_that_came(self) -> Sent:
        return self._came.popleft()

    def wait(self, timeout_s: float | None) -> list[int]:
        """Wait for replies, or until the bell is rung; without the lock."""
        assert self._watch is not None
        return self._watch.wait(timeout_s)

    def came(self, descriptors: Iterable[int]) -> None:
        """What `wait` found."""
        self.is_watched = False
        for descriptor in descriptors:
            if (sent := self._sent.pop(descriptor, None)) is not None:
                self._came.append(sent)

    def ring(self) -> None:
        """Wake the worker that watches."""
        assert self._watch is not None
        self._watch.ring()

    def close(self) -> None:
        """Only once no worker is left."""
        if self._watch is not None:
            self._watch.close()
