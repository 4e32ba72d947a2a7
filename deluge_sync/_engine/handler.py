"""What the `dispatcher` asks of whoever knows what is to be done to a job, and what it is told of an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from deluge_sync._engine.job import Job
    from deluge_sync._engine.limiter import Lease
    from deluge_sync._engine.retry import SendAgain
    from deluge_sync._http import Flight

__all__ = ["Attempted", "Handler"]


@dataclass(frozen=True, slots=True)
class Attempted:
    """What came of one request: whether the provider answered at all, and whether the job is to be sent again.

    `is_answered` is None where the request was cut off from our side, which says nothing about the provider.
    """

    is_answered: bool | None
    again: SendAgain | None = None


class Handler(Protocol):
    """What is done to a job. Called by workers, one thread at a time for any one job."""

    def look_up(self, job: Job) -> bool:
        """Whether the job could be answered without sending anything; it is then finished."""
        ...

    def needs_preparation(self, job: Job) -> bool:
        """Whether `make_ready` has something to do before the job can be planned. Quick."""
        ...

    def make_ready(self, job: Job) -> bool:
        """Do what has to wait for others than the provider. False when the job ended instead."""
        ...

    def plan(self, job: Job) -> float | None:
        """The tokens to ask the limiter for, or None when the job ended without being sent."""
        ...

    def attempt(self, job: Job, lease: Lease) -> Attempted:
        """Send the job once. It is finished unless it is to be sent again."""
        ...

    def launch(self, job: Job) -> Flight | None:
        """Begin an attempt that need not be waited for, and `land` later. None: it takes `attempt`."""
        ...

    def land(self, job: Job, lease: Lease, flight: Flight) -> Attempted:
        """The reply has begun to come, or will not: the rest of the attempt."""
        ...

    def give_up(self, job: Job, error: BaseException) -> None:
        """Finish a job that cannot be carried out: it was cancelled, is too large, or something unforeseen happened."""
        ...

    def can_go_elsewhere(self, job: Job) -> bool:
        """Whether another provider may answer the job. Quick; called with the dispatcher's lock held."""
        ...

    def outlast(self, job: Job, down_s: float) -> None:
        """Finish a job whose provider has been down for longer than is waited for, or send it elsewhere."""
        ...
