"""Follows a job to its end and hands out what came of it; or looks at it once, or stops it.

`Pursuit` is one call that waits. It can be left at any moment, by Ctrl-C, a kill or an error: the manifest knows how
far it was, and another one goes on from there.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync.batch.collecting import Collector
from deluge_sync.batch.manifest import failure_record
from deluge_sync.batch.places import load_job
from deluge_sync.batch.progress import Progress
from deluge_sync.batch.session import Lender, glance, open_desk, planned
from deluge_sync.batch.status import JobStatus, status_of
from deluge_sync.batch.waiting import Watch
from deluge_sync.batch.wire import CallFailedError
from deluge_sync.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from deluge_sync.batch.backend import BatchState
    from deluge_sync.batch.desk import Desk
    from deluge_sync.batch.patience import Pacer
    from deluge_sync.batch.selecting import Selection
    from deluge_sync.response import APIResponse
    from deluge_sync.tracker import Snapshot

__all__ = ["Pursuit", "cancel", "check"]

T = TypeVar("T")

Show: TypeAlias = "Callable[[Callable[[], Snapshot]], AbstractContextManager[object]]"
_CANCELLED = Failure(FailureKind.CANCELLED, "the batch was cancelled before it was sent", may_have_been_processed=False)


class Pursuit:
    """Waits for what was selected of one job. Used once, in one thread; `stop` may come from any other.

    show: opens a display over a function that gives snapshots; None shows nothing.
    """

    def __init__(self, selection: Selection, lender: Lender, pacer: Pacer, *, show: Show | None = None) -> None:
        self._selection = selection
        self._lender = lender
        self._pacer = pacer
        self._show = show
        self._desk: Desk | None = None

    @property
    def manifest(self) -> Path:
        """Of the job."""
        return self._selection.manifest

    def responses(self) -> Iterator[tuple[int, APIResponse]]:
        """Wait, then yield `(position, response)` in the prompts' order, holding one at a time.

        Raises:
            ConfigError, MissingKeyError: there is no such job, or no key for it.
            BatchError: it cannot go on now; nothing is lost.
            StoppedError: `stop` was called.
        """
        yield from self._results(lambda collector: collector.responses())

    def raw(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """The same with the provider's own objects, None where it has none. Raises like `responses`."""
        yield from self._results(lambda collector: collector.raw())

    def stop(self) -> None:
        """End the wait. What the provider has goes on there."""
        self._pacer.stop()
        if self._desk is not None:
            self._desk.stop()

    def _results(self, of: Callable[[Collector], Iterator[Any]]) -> Iterator[Any]:
        selection, lender = self._selection, self._lender
        with open_desk(selection.manifest, lender, self._pacer) as desk:
            job = planned(desk.job, desk.manifest)
            self._desk = desk
            self._wait(desk)
            schema = selection.output_schema if selection.output_schema is not None else job.output_schema
            parts = {part.number: part for part in selection.parts(job)}
            finisher = lender.make_finisher()
            yield from of(Collector(desk, parts, selection.routes(job), finisher, lender.tracker, output_schema=schema))

    def _wait(self, desk: Desk) -> None:
        parts = self._selection.parts(desk.job)
        if all(part.is_settled for part in parts):
            return
        progress = Progress(parts, self._selection.total(desk.job))
        with nullcontext() if self._show is None else self._show(progress.snapshot):
            try:
                Watch(desk, parts, progress.looked).run()
            except CallFailedError as error:
                failure = error.failure
            else:
                return
        raise _cannot_go_on(desk, failure)


def check(manifest: Path, lender: Lender, pacer: Pacer) -> JobStatus:
    """Look at each batch once, and say how all stand. Nothing is sent, downloaded or written down.

    Raises:
        ConfigError, MissingKeyError: there is no such job, or no key for it.
        BatchError: a batch could not be asked for.
    """
    seen: dict[int, BatchState] = {}
    with glance(manifest, lender, pacer) as desk:
        for part in desk.job.parts:
            if part.phase == "created" and part.batch_id is not None:
                account = desk.account_of(part)
                seen[part.number] = _insisted(desk, partial(account.backend.look, account.wire, part.batch_id))
        return status_of(manifest, desk.job, seen)


def cancel(selection: Selection, lender: Lender, pacer: Pacer) -> JobStatus:
    """Stop the batches that are not over, also while somebody waits for them. What is finished can be collected.

    A batch that was not sent yet will not be, unless somebody else is at work on the job now and sends it.

    Raises:
        As `check`.
    """
    with glance(selection.manifest, lender, pacer) as desk:
        for part in selection.parts(desk.job):
            if part.phase == "created" and part.batch_id is not None:
                account = desk.account_of(part)
                _insisted(desk, partial(account.backend.cancel, account.wire, part.batch_id))
    with suppress(BatchError), open_desk(selection.manifest, lender, pacer) as desk:
        for part in selection.parts(desk.job):
            if part.phase in ("written", "uploaded", "held"):
                desk.note("refused", part, problem=failure_record(_CANCELLED))
    return status_of(selection.manifest, load_job(selection.manifest), {})


def _insisted(desk: Desk, work: Callable[[], T]) -> T:
    try:
        return desk.pacer.insist(work)
    except CallFailedError as error:
        failure = error.failure
    raise _cannot_go_on(desk, failure)


def _cannot_go_on(desk: Desk, failure: Failure) -> BatchError:
    ids = [part.batch_id for part in desk.job.parts if part.batch_id is not None]
    message = (
        f"the batch job cannot be asked for now: {failure.message}. Nothing is lost: once that is mended, "
        f"resume_batch_job_sync({str(desk.manifest)!r}) goes on"
    )
    return BatchError(message, manifest=desk.manifest, kind=failure.kind.value, batch_ids=ids)
