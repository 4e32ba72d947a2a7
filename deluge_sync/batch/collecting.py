"""Matches result lines with prompts and writes the responses, in the prompts' order.

The result files are read twice: once for where each answer is, once in the prompts' order. Of a prompt that takes two
numbers in memory, so a million of them take some 16 MB. Of two results for the same prompt the first counts; one for a
prompt that this job does not have is passed over, with a warning.
"""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from deluge_sync._adapters.call import Call, Extras, ModelReply
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._engine.job import Job as Task
from deluge_sync._engine.job import Run
from deluge_sync.batch.entries import Entry, read_entries
from deluge_sync.batch.places import prompts_file, result_file
from deluge_sync.errors import ReplyFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from deluge_sync._engine.finish import Finisher
    from deluge_sync.batch.accounts import Account
    from deluge_sync.batch.desk import Desk
    from deluge_sync.batch.manifest import Part
    from deluge_sync.response import APIResponse
    from deluge_sync.tracker import Tracker

__all__ = ["Collector"]

log = logging.getLogger(__name__)

_NONE: Final = -1
_ENDINGS: Final[Mapping[str, tuple[FailureKind, str]]] = {
    "expired": (FailureKind.EXPIRED, "the batch's time was up before this request"),
    "cancelled": (FailureKind.CANCELLED, "the batch was cancelled before this request"),
    "failed": (FailureKind.SERVER, "the batch failed at the provider before this request"),
    "completed": (FailureKind.MALFORMED, "the batch has ended without a result for this request"),
}


class Collector:
    """Hands out what became of the prompts of some routes and parts of a job. For one thread, once.

    parts: those whose prompts are wanted; all of them settled. routes: of these the prompts that were never sent are
    wanted too. finisher: counts, keeps and postprocesses each response, and reports to tracker.
    """

    def __init__(
        self,
        desk: Desk,
        parts: Mapping[int, Part],
        routes: frozenset[int],
        finisher: Finisher,
        tracker: Tracker,
        *,
        output_schema: Any = None,
    ) -> None:
        self._desk = desk
        self._parts = parts
        self._routes = routes
        self._finisher = finisher
        self._tracker = tracker
        self._extras = Extras(output_schema=output_schema)
        self._run = Run()
        self._files: list[tuple[int, Path]] = [
            (number, result_file(desk.manifest, number, each))
            for number, part in parts.items()
            for each in range(len(part.results))
        ]

    def responses(self) -> Iterator[tuple[int, APIResponse]]:
        """`(position, response)` of every prompt that is wanted, in the prompts' order.

        Raises:
            OSError: a file of the job is gone.
        """
        with ExitStack() as stack:
            for position, entry, line in self._found(stack):
                yield position, self._response(position, entry, line)

    def raw(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """The same with the provider's own objects; None where it has none for a prompt. Raises like `responses`."""
        with ExitStack() as stack:
            for position, _, line in self._found(stack):
                yield position, line

    # --- finding the lines

    def _found(self, stack: ExitStack) -> Iterator[tuple[int, Entry, dict[str, Any] | None]]:
        index = _Index(self._desk.job.prompts or 0)
        for number, (part, path) in enumerate(self._files):
            self._read_index(index, number, part, path)
        index.tell()
        files = [stack.enter_context(path.open("rb")) for _, path in self._files]
        for position, entry in enumerate(read_entries(prompts_file(self._desk.manifest))):
            if self._is_wanted(position, entry):
                yield position, entry, self._line(index, files, position)

    def _is_wanted(self, position: int, entry: Entry) -> bool:
        if entry.part is None:
            return entry.route in self._routes
        return self._desk.job.leaf(entry.part, position).number in self._parts

    def _read_index(self, index: _Index, number: int, part: int, path: Path) -> None:
        backend = self._desk.account_of(self._parts[part]).backend
        offset = 0
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    try:
                        index.add(backend.read_item(json.loads(line)).custom_id, self._desk.job.token, number, offset)
                    except (ValueError, RecursionError, AttributeError, ReplyFormatError):
                        index.unreadable += 1
                offset += len(line)

    def _line(self, index: _Index, files: Sequence[BinaryIO], position: int) -> dict[str, Any] | None:
        number, offset = index.files[position], index.offsets[position]
        if number == _NONE:
            return None
        files[number].seek(offset)
        line: dict[str, Any] = json.loads(files[number].readline())
        return line

    # --- from a line to a response

    def _response(self, position: int, entry: Entry, line: dict[str, Any] | None) -> APIResponse:
        account = self._desk.account(entry.route)
        task = Task(position, entry.prompt, self._run, account.route, self._extras)
        task.cache_key = entry.key
        self._tracker.queued()
        if entry.hit is not None:
            self._finisher.repeat(task, entry.hit)
        else:
            task.sent = int(entry.part is not None)
            self._finish(task, self._outcome(account, position, entry, line))
        return task.future.result()

    def _outcome(
        self, account: Account, position: int, entry: Entry, line: dict[str, Any] | None
    ) -> ModelReply | Failure:
        if entry.failure is not None or entry.part is None:
            return entry.failure or Failure(FailureKind.INTERNAL, "the prompt was not sent")
        part = self._desk.job.leaf(entry.part, position)
        if part.phase == "refused" and part.problem is not None:
            return part.problem
        if line is None:
            kind, message = _ENDINGS[part.ending]
            return Failure(kind, message, may_have_been_processed=part.ending == "completed")
        outcome = account.backend.read_item(line).outcome
        if isinstance(outcome, Failure):
            return outcome
        route = account.route
        call = Call(entry.prompt, route.model, route.params, route.base_url, route.api_key, self._extras)
        return route.adapter.parse_reply(call, outcome)

    def _finish(self, task: Task, outcome: ModelReply | Failure) -> None:
        if isinstance(outcome, Failure):
            self._finisher.fail(task, outcome)
            return
        # Some providers tell the tier in the answer and some do not; what a batch costs is the same.
        reply = replace(outcome, service_tier="batch")
        self._finisher.bill(task, reply)
        self._finisher.answer(task, reply)


class _Index:
    """Where the result of each prompt is: the number of its file and the byte at which its line begins."""

    def __init__(self, prompts: int) -> None:
        self.files = array("l", [_NONE]) * prompts
        self.offsets = array("q", [0]) * prompts
        self.unreadable = 0
        self._duplicates = 0
        self._unknown = 0

    def add(self, custom_id: str, token: str, file: int, offset: int) -> None:
        """Note a result, unless its prompt has one or is none of this job's."""
        text, _, told = custom_id.partition("-")
        position = int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else _NONE
        if told != token or not 0 <= position < len(self.files):
            self._unknown += 1
        elif self.files[position] != _NONE:
            self._duplicates += 1
        else:
            self.files[position], self.offsets[position] = file, offset

    def tell(self) -> None:
        """Warn of what was passed over."""
        for count, what in (
            (self._duplicates, "were second ones for the same prompt; the first counts"),
            (self._unknown, "have a custom_id that this job did not give"),
            (self.unreadable, "cannot be read"),
        ):
            if count:
                log.warning("passed over %d result lines of a batch job that %s", count, what)
