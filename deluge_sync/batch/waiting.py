"""Waits for the batches of a job and brings their results to the disk.

One loop over the parts, each looked at when it is due. A look that fails for a passing reason says nothing about the
batch and is made again; one that shows the account to be at fault ends the wait, not the job. A part that the provider
did not take yet is sent again when it is due, or when another has made room.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final

from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync.batch.manifest import failure_record
from deluge_sync.batch.patience import is_passing
from deluge_sync.batch.places import part_file, result_file
from deluge_sync.batch.sending import send
from deluge_sync.batch.splitting import pieces_for, split
from deluge_sync.batch.wire import CallFailedError
from deluge_sync.errors import ReplyFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from deluge_sync._http import HttpRequest
    from deluge_sync.batch.backend import BatchState
    from deluge_sync.batch.desk import Desk
    from deluge_sync.batch.manifest import Part
    from deluge_sync.batch.wire import Wire

__all__ = ["Watch", "fetch_results", "look"]

log = logging.getLogger(__name__)

# A look that has failed so often in a row is worth a line, and so is each further stretch of as many.
_TOLD_EVERY: Final = 10
# A queue empties more slowly than a batch gets on, and trying costs more than looking.
_HELD_LONGER: Final = 5


class Watch:
    """Waits for the parts given. For one thread.

    on_look: told of each part that was looked at, with what the provider said of it; None where a look has failed.
    """

    def __init__(
        self, desk: Desk, parts: Sequence[Part], on_look: Callable[[Part, BatchState | None], None] | None = None
    ) -> None:
        self._desk = desk
        self._parts = parts
        self._on_look = on_look or (lambda _part, _state: None)
        now = desk.pacer.clock()
        self._due: defaultdict[int, float] = defaultdict(lambda: now)
        self._looks: defaultdict[int, int] = defaultdict(int)
        self._failures: defaultdict[int, int] = defaultdict(int)

    def run(self) -> None:
        """Wait until nothing is left to be asked of the provider.

        Raises:
            CallFailedError: it makes no sense to go on now. Another `run` goes on from here.
            StoppedError: nobody wants to wait any more.
            OSError: the disk is full.
        """
        while open_parts := [part for part in self._desk.job.leaves(self._parts) if not part.is_settled]:
            part = min(open_parts, key=lambda part: self._due[part.number])
            self._desk.pacer.wait(max(0.0, self._due[part.number] - self._desk.pacer.clock()))
            try:
                self._step(part)
            except CallFailedError as error:
                self._after_failure(part, error)
            else:
                self._failures[part.number] = 0

    def _step(self, part: Part) -> None:
        """What is next for the part."""
        if part.phase == "over":
            fetch_results(self._desk, part)
            self._make_room(part)
        elif part.phase == "created":
            self._look(part)
        elif (pieces := pieces_for(self._desk.job, part)) > 1:
            log.warning("batch %s is too large for the provider's queue: it becomes %d batches", part.id, pieces)
            split(self._desk, part, pieces)
        else:
            send(self._desk, part)
            self._schedule(part)

    def _look(self, part: Part) -> None:
        state = look(self._desk, part)
        self._on_look(part, state)
        if state.phase == "held" and state.problem is not None and state.problem.traits.stops_key:
            raise CallFailedError(state.problem)
        if state.phase != "over":  # else its results are fetched at once
            self._schedule(part)

    def _schedule(self, part: Part) -> None:
        if part.phase == "held":
            self._looks[part.number] = 0
            self._set_due(part, _HELD_LONGER * self._desk.pacer.pause_s(part.tries))
            return
        self._set_due(part, self._desk.pacer.pause_s(self._looks[part.number]))
        self._looks[part.number] += 1

    def _after_failure(self, part: Part, error: CallFailedError) -> None:
        failure = error.failure
        if not is_passing(failure):
            raise error
        failures = self._failures[part.number] = self._failures[part.number] + 1
        level = logging.WARNING if failures % _TOLD_EVERY == 0 else logging.DEBUG
        log.log(level, "looking at batch %s has failed %d times in a row: %s", part.id, failures, failure.message)
        self._on_look(part, None)
        self._set_due(part, self._desk.pacer.pause_s(failures, hint_s=failure.retry_after_s))

    def _make_room(self, part: Part) -> None:
        """Something has ended there, so the next one that waits its turn may fit now."""
        parts = self._desk.job.leaves(self._parts)
        waiting = [other for other in parts if other.phase == "held" and other.route == part.route]
        if waiting:
            self._set_due(waiting[0], 0.0)

    def _set_due(self, part: Part, pause_s: float) -> None:
        self._due[part.number] = self._desk.pacer.clock() + pause_s


def look(desk: Desk, part: Part) -> BatchState:
    """Ask how far a part's batch is, once, and note what has come to its end.

    Raises:
        CallFailedError: there was no answer to that.
    """
    assert part.batch_id is not None
    account = desk.account_of(part)
    state = account.backend.look(account.wire, part.batch_id)
    if state.phase == "over":
        counts = {"succeeded": state.succeeded, "failed": state.failed}
        desk.note("over", part, ending=state.ending, results=list(state.results), **counts)
    elif state.phase in ("refused", "held") and state.problem is not None:
        level = logging.WARNING if part.tries % _TOLD_EVERY == 0 else logging.DEBUG
        log.log(
            level, "the provider did not begin batch %s (%s): %s", part.batch_id, state.phase, state.problem.message
        )
        desk.note(state.phase, part, problem=failure_record(state.problem))
    return state


def fetch_results(desk: Desk, part: Part) -> None:
    """Download all results of a part that is over. Its request file is of no use any more then, and deleted.

    Raises:
        CallFailedError: something could not be had.
        OSError: the disk is full.
    """
    account = desk.account_of(part)
    for number, reference in enumerate(part.results):
        path = result_file(desk.manifest, part.number, number)
        request = account.backend.result_request(account.wire, reference)
        desk.pacer.insist(partial(_download, account.wire, request, path))
    if part.was_found and part.results and not _has_ours(desk, part):
        log.warning("batch %s, which was taken for part %d of the job, is another's", part.batch_id, part.number)
        desk.note("mistaken", part)
        return
    desk.note("fetched", part)
    part_file(desk.manifest, part.number).unlink(missing_ok=True)


def _download(wire: Wire, request: HttpRequest, path: Path) -> None:
    """Fetch one file of results, all of it: some proxies cut a body short and leave its length to fit."""
    wire.download(request, path)
    last = b"{}"
    with path.open("rb") as file:
        for line in file:
            last = line if line.strip() else last
    try:
        json.loads(last)
    except (ValueError, RecursionError):
        path.unlink()
    else:
        return
    raise CallFailedError(Failure(FailureKind.TRUNCATED, "a file of results ends in the middle of a line", 200))


def _has_ours(desk: Desk, part: Part) -> bool:
    """Whether any result carries the job's token."""
    backend, ending = desk.account_of(part).backend, f"-{desk.job.token}"
    for number in range(len(part.results)):
        with result_file(desk.manifest, part.number, number).open("rb") as file:
            for line in file:
                try:
                    if backend.read_item(json.loads(line)).custom_id.endswith(ending):
                        return True
                except (ValueError, RecursionError, AttributeError, ReplyFormatError):
                    continue
    return False
