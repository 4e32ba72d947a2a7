"""Prompts in flight that are the same question: one of them is carried out and the others get what comes of it.

The one is the *leader* of a flight, the others its followers; a flight is found by the key that `cache_key` writes.
This is only the table of flights. `engine` boards jobs, `finish` says how a flight ends: all get the answer, or the
next follower takes over, because what ended the leader was its own affair.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deluge_sync._adapters.failure import FailureKind
from deluge_sync._fork import start_afresh_in_child

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deluge_sync._engine.job import Job
    from deluge_sync.response import APIResponse

__all__ = ["SharedFlights", "is_own_affair"]

# The caller left, its patience or money was at an end, or an object of its own broke: that says nothing of the others.
_OWN_AFFAIRS = frozenset({FailureKind.CANCELLED, FailureKind.OUTAGE, FailureKind.BUDGET, FailureKind.INTERNAL})
# With so little time left, another attempt may not have been made that would have been made otherwise.
_SHORT_OF_TIME_S = 30.0


def is_own_affair(job: Job, response: APIResponse, *, now: float) -> bool:
    """Whether what ended this job might not have ended another with the same question.

    Any other error, after as many attempts as there are, is the answer to all of them: each would only ask, and maybe
    pay, as often again. A stream is tried less often than other calls, so its errors are its own.
    """
    if not response.is_error:
        return False
    was_out_of_time = job.deadline - now < _SHORT_OF_TIME_S and not response.give_up_if_no_other_models
    return was_out_of_time or job.listener is not None or response.error_kind in _OWN_AFFAIRS


@dataclass(slots=True)
class _Flight:
    leader: Job
    followers: list[Job] = field(default_factory=list)

    def leave(self, jobs: set[Job]) -> list[Job]:
        """Take those of `jobs` out that follow, and return them."""
        leaving = [job for job in self.followers if job in jobs]
        self.followers = [job for job in self.followers if job not in jobs]
        return leaving


class SharedFlights:
    """Thread-safe; `_lock` guards the table. A job is in it from `board` until `land`, `pass_on` or `withdraw`.

    Jobs without a key fly alone, and are not in the table.
    """

    def __init__(self) -> None:
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        # In a forked child: the parent's jobs stay the parent's.
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    def board(self, job: Job) -> bool:
        """Whether the job is to be carried out. If not, it follows another, and ends with that or takes over."""
        if job.cache_key is None:
            return True
        with self._lock:
            flight = self._flights.get(job.cache_key)
            if flight is None:
                self._flights[job.cache_key] = _Flight(job)
            elif flight.leader is not job:
                flight.followers.append(job)
                return False
            return True

    def land(self, leader: Job) -> list[Job]:
        """End the flight. Its followers, in the order they came; none where the job leads no flight."""
        with self._lock:
            flight = self._led_by(leader)
            if flight is None or leader.cache_key is None:
                return []
            del self._flights[leader.cache_key]
            return flight.followers

    def pass_on(self, leader: Job) -> Job | None:
        """Make the first follower the leader, to be carried out in the place of the old one. None: there is none."""
        with self._lock:
            flight = self._led_by(leader)
            if flight is None or leader.cache_key is None:
                return None
            if not flight.followers:
                del self._flights[leader.cache_key]
                return None
            flight.leader = flight.followers.pop(0)
            return flight.leader

    def withdraw(self, jobs: Iterable[Job]) -> list[Job]:
        """Take those of `jobs` out that follow others, and return them."""
        with self._lock:
            by_key: dict[str, set[Job]] = {}
            for job in jobs:
                if job.cache_key in self._flights:
                    by_key.setdefault(job.cache_key, set()).add(job)
            return [job for key, leaving in by_key.items() for job in self._flights[key].leave(leaving)]

    def withdraw_all(self) -> list[Job]:
        """Take out all that follow others, and return them."""
        with self._lock:
            return [job for flight in self._flights.values() for job in flight.leave(set(flight.followers))]

    def _led_by(self, job: Job) -> _Flight | None:
        flight = self._flights.get(job.cache_key) if job.cache_key is not None else None
        return flight if flight is not None and flight.leader is job else None
