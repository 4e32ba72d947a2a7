"""The jobs that wait to be sent with one key, and how long they wait for a provider that is down.

State and arithmetic only: the `dispatcher` holds its lock around every call and decides what is done.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from deluge_sync._engine.brake import Brake

if TYPE_CHECKING:
    from deluge_sync._engine.job import Job
    from deluge_sync._engine.limiter import LeakyBucketLimiter, Ticket

__all__ = ["Lane"]

# Jobs that failed together come back one after another, so that their provider is not knocked over again.
_COME_BACK_PER_S = 250.0


class Lane:
    """The jobs that wait to be sent with one key. `has_leader` means that some worker has the first of them in hand.

    `led_at` is when the last lead was taken, `all_back_at` when the last of those that an outage held up will be sent.
    Before `overdue_at` no job in `ready` has waited too long; it is only looked for again when that has come.
    """

    __slots__ = ("all_back_at", "brake", "has_leader", "led_at", "limiter", "overdue_at", "ready", "waiting")

    def __init__(self, limiter: LeakyBucketLimiter) -> None:
        self.limiter = limiter
        self.brake = Brake()
        self.led_at = self.all_back_at = -inf
        self.overdue_at = inf
        self.ready: deque[Job] = deque()
        self.has_leader = False
        self.waiting: tuple[Job, Ticket] | None = None

    def opens_at(self) -> float:
        """From when on a worker may take the lead; infinity when there is nothing to lead."""
        return self.brake.opens_at if self.ready and not self.has_leader else inf

    def next_to_lead(self, now: float) -> Job:
        """Take the first job out of the queue, and the lead with it."""
        self.has_leader, self.led_at = True, now
        self.look_again()
        return self.ready.popleft()

    def look_again(self) -> None:
        """The brake or the lead has changed, and with them how long the jobs wait."""
        self.overdue_at = -inf if self.brake.is_down else inf

    def waits_until(self, job: Job, patience_s: float, now: float, *, can_leave: bool) -> float:
        """How long a job waits for a provider that is down: its own time may be up before its patience ends.

        With `can_leave` it waits for nothing but to be the next probe, so that the provider's return is noticed.
        One that came when patience had ended already has only to learn whether the provider is still down: it waits
        for the probe that is on its way or due, and not at all where one has just failed.
        """
        assert self.brake.down_since is not None
        if can_leave and self.opens_at() > now:
            return -inf
        comes_late = job.queued_at >= self.brake.down_since + patience_s
        if comes_late and self.brake.has_just_failed(now):
            return -inf
        since = max(job.queued_at, self.led_at if comes_late else self.brake.down_since)
        return min(job.deadline, since + patience_s)

    def place_to_come_back(self, now: float) -> float:
        """When the next of those may be sent that an outage held up: one after another, whichever outage it was."""
        self.all_back_at = max(now, self.all_back_at + 1 / _COME_BACK_PER_S)
        return self.all_back_at
