"""A batch on its way: its requests are answered bit by bit, as often as somebody looks. Neutral about wire formats.

A format makes a `BatchRun` of what was submitted, keeps it on a shelf of the store, calls `look` when the client asks
how far it is, and writes down `state`, `answers` and `instants` in its own way.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from deluge_sync.testing._format import Draft, Refused
from deluge_sync.testing._reply import Answer, ErrorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from deluge_sync.testing._format import Call
    from deluge_sync.testing._reply import Raw
    from deluge_sync.testing._wire import Incoming

__all__ = ["BatchAnswer", "BatchRun", "BatchState", "Line", "is_over_queue"]

# What the requests of batch n are numbered from, n times over; no batch has more.
_LINES_AT_MOST = 1_000_000

BatchState = Literal["waiting", "running", "cancelling", "completed", "cancelled", "expired"]
Operation: TypeAlias = "Callable[[Call], Draft]"
RenderError: TypeAlias = "Callable[[ErrorSpec, Incoming], Raw]"


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch: the caller's name for it, the path of its operation with variables, and its body."""

    custom_id: str
    path: str
    body: bytes
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of one request. `raw` None: the batch ended before its turn."""

    line: Line
    number: int
    raw: Raw | None
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether it was answered with status 200."""
        return self.raw is not None and self.raw.status == 200


@dataclass(slots=True)
class BatchRun:
    """One batch. `instants` has the Unix time at which each state began, "created" among them.

    `lock` guards all of it and is held by the caller of every method: also while requests are answered, so that others
    who look at the same batch wait.
    """

    id: str
    number: int
    lines: Sequence[Line]
    state: BatchState = "waiting"
    polls: int = 0
    answers: list[BatchAnswer] = field(default_factory=list)
    instants: dict[str, int] = field(default_factory=lambda: {"created": int(time.time())})
    lock: threading.Lock = field(default_factory=threading.Lock)
    started: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("completed", "cancelled", "expired")

    def look(self, call: Call, operation: Operation, render_error: RenderError, *, counts: bool = True) -> None:
        """Do what is due by now according to the store's `BatchPace`. Looking moves it on, if this look `counts`."""
        if self.is_over:
            return
        self.polls += counts
        if self.state == "cancelling":
            self._enter("cancelled")
            return
        if self.state == "waiting":
            self._enter("running")
        self._answer_due(call, operation, render_error)

    def cancel(self) -> bool:
        """Let the next look find it cancelled. False if it is too late."""
        if self.is_over:
            return False
        if self.state != "cancelling":
            self._enter("cancelling")
        return True

    def outcomes(self) -> list[BatchAnswer]:
        """An entry for every request, in an order that is not that of the requests but always the same."""
        found = [*self.answers, *self._unanswered()]
        random.Random(self.number).shuffle(found)
        return found

    def results(self, call: Call) -> list[BatchAnswer]:
        """What goes into the files of results: the outcomes, and those that the store's `BatchPace` repeats."""
        outcomes = self.outcomes()
        answered = [outcome for outcome in outcomes if outcome.succeeded]
        return outcomes + [_second(outcome) for outcome in answered[: call.store.batch_pace.repeats]]

    @property
    def queued(self) -> int:
        """How many requests count against what may be queued."""
        return 0 if self.is_over else len(self.lines)

    def _answer_due(self, call: Call, operation: Operation, render_error: RenderError) -> None:
        pace, total = call.store.batch_pace, len(self.lines)
        share = pace.share(self.polls, time.monotonic() - self.started)
        last = total if pace.expires_after is None else min(pace.expires_after, total)
        for place in range(len(self.answers), min(int(share * total), last)):
            self.answers.append(self._answer(place, call, operation, render_error))
        if len(self.answers) == last < total:
            self._enter("expired")
        elif share >= 1:
            self._enter("completed")

    def _answer(self, place: int, call: Call, operation: Operation, render_error: RenderError) -> BatchAnswer:
        line, number = self.lines[place], self._number(place)
        incoming = replace(call.incoming, method="POST", target=line.path, body=line.body)
        asked = replace(
            call,
            incoming=incoming,
            sequence=number,
            rng=random.Random(number),
            variables=dict(line.variables),
            answer=Answer(),
        )
        status = call.store.batch_pace.failing.get(place)
        if status is not None:
            return BatchAnswer(line, number, render_error(ErrorSpec(status), incoming))
        try:
            draft = operation(asked)
        except Refused as refused:
            draft = Draft(render_error(refused.spec, incoming))
        return BatchAnswer(line, number, draft.raw, draft.prompt_tokens, draft.completion_tokens)

    def _unanswered(self) -> Iterator[BatchAnswer]:
        for place in range(len(self.answers), len(self.lines)):
            yield BatchAnswer(self.lines[place], self._number(place), None)

    def _number(self, place: int) -> int:
        return self.number * _LINES_AT_MOST + place

    def _enter(self, state: BatchState) -> None:
        self.state = state
        self.instants[state] = int(time.time())


def is_over_queue(run: BatchRun, others: Iterable[BatchRun], most: int | None) -> bool:
    """Whether the requests of `run` are more than may be queued beside those of the others."""
    return most is not None and len(run.lines) + sum(other.queued for other in others if other is not run) > most


def _second(outcome: BatchAnswer) -> BatchAnswer:
    """The same result once more, with another text in it."""
    assert outcome.raw is not None
    assert isinstance(outcome.raw.body, bytes)
    return replace(outcome, raw=replace(outcome.raw, body=outcome.raw.body.replace(b"You said", b"You say again")))
