"""The calls about batch jobs as values: each is `run` once in one thread, and may be stopped from another.

The client makes them; its blocking methods run them, the awaitable ones have a thread run them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deluge_sync.batch.following import Pursuit, Show, cancel, check
from deluge_sync.batch.session import Lender, open_desk, planned
from deluge_sync.batch.submitting import Submission, send_all

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from deluge_sync.batch.desk import Desk
    from deluge_sync.batch.ids import BatchIds
    from deluge_sync.batch.patience import Pacer
    from deluge_sync.batch.selecting import Selection
    from deluge_sync.batch.status import JobStatus

__all__ = ["Cancel", "Check", "Follow", "Send", "Submit"]

Submit = Submission


class Send:
    """Sends what is left to be sent of a job, and does not wait."""

    def __init__(self, manifest: Path, lender: Lender, pacer: Pacer) -> None:
        self.manifest = manifest
        self._lender = lender
        self._pacer = pacer
        self._desk: Desk | None = None

    def run(self) -> BatchIds:
        """Raises like `Submission.run`, and ConfigError if there is no such job."""
        with open_desk(self.manifest, self._lender, self._pacer) as desk:
            self._desk = desk
            planned(desk.job, self.manifest)
            return send_all(desk)

    def stop(self) -> None:
        """Send nothing more."""
        self._pacer.stop()
        if self._desk is not None:
            self._desk.stop()


class Follow:
    """Waits for what was selected, job after job. `manifest` is that of the job it is at."""

    def __init__(
        self, selections: Sequence[Selection], lender: Lender, pacer: Pacer, *, as_raw: bool, show: Show | None
    ) -> None:
        self._pursuits = [Pursuit(selection, lender, pacer, show=show) for selection in selections]
        self._as_raw = as_raw
        self.manifest = selections[0].manifest

    def run(self) -> list[Any]:
        """All responses, or all raw results, in the prompts' order. Raises like `Pursuit.responses`."""
        return [result for _, result in self]

    def __iter__(self) -> Generator[tuple[int, Any]]:
        for pursuit in self._pursuits:
            self.manifest = pursuit.manifest
            yield from pursuit.raw() if self._as_raw else pursuit.responses()

    def stop(self) -> None:
        """End the wait. What the provider has goes on there."""
        for pursuit in self._pursuits:
            pursuit.stop()


class Cancel:
    """Stops batches."""

    def __init__(self, selections: Sequence[Selection], lender: Lender, pacer: Pacer) -> None:
        self._selections = selections
        self._lender = lender
        self._pacer = pacer

    def run(self) -> list[JobStatus]:
        """How the jobs stand then. Raises like `check`."""
        return [cancel(selection, self._lender, self._pacer) for selection in self._selections]

    def stop(self) -> None:
        """Do not try again."""
        self._pacer.stop()


class Check:
    """Looks at a job once."""

    def __init__(self, manifest: Path, lender: Lender, pacer: Pacer) -> None:
        self._manifest = manifest
        self._lender = lender
        self._pacer = pacer

    def run(self) -> JobStatus:
        """How it stands. Raises like `check`."""
        return check(self._manifest, self._lender, self._pacer)

    def stop(self) -> None:
        """Do not try again."""
        self._pacer.stop()
