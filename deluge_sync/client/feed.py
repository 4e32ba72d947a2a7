"""Feeds prompts to the engine a window at a time and hands the answers out as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from typing import Any, Generic, Protocol, TypeVar

from deluge_sync._adapters.failure import FailureKind
from deluge_sync.client.gathered import Gathered
from deluge_sync.errors import ClientClosedError

__all__ = ["Feed"]

# Where many answers are to come soon, the first of them waits so long for others.
_GATHER_S = 0.01
_MANY = 32
# Or so long, where whoever iterates needs all of them anyway.
_GATHER_ALL_S = 0.25
_SHARE = 4  # when this part of the window has come, it is high time for more prompts

T = TypeVar("T")


class Pending(Protocol[T]):
    """What has been made of a prompt, and will have an answer: a job, or an agent loop."""

    @property
    def id(self) -> int: ...
    @property
    def future(self) -> Future[T]: ...


def _is_answer(response: Any) -> bool:
    return bool(response.error_kind != FailureKind.CANCELLED)


class Feed(Generic[T]):
    """Yields `(position, response)` for each prompt, in the order the answers come.

    At most `window` prompts are outstanding at any moment, so that an endless iterable of prompts can be fed and
    memory stays flat. The iterable is read in the thread that iterates. Whoever leaves early must call `stop`.

    `prepare` makes the job of a prompt (it may be finished already, when the prompt cannot be read), `start` sets it
    going. Between the two it is noted down, so that wherever a Ctrl-C strikes `stop` finds every job that was started.

    `is_answer` tells a response that is worth keeping from one that was cancelled. With `needs_all` nobody does
    anything before the last answer is there, so that none has to be handed out at once.

    `on_response` is called with each of them in the worker that has it, before that worker goes on; what it raises is
    raised by the iteration. A client that is closed meanwhile takes no more prompts; what was answered is handed out
    before that is raised.
    """

    def __init__(
        self,
        prompts: Iterable[Any],
        prepare: Callable[[int, Any], Pending[T]],
        start: Callable[[Any], None],
        cancel: Callable[[Iterable[Any]], None],
        *,
        window: int,
        needs_all: bool = False,
        on_response: Callable[[int, T], None] | None = None,
        is_answer: Callable[[T], bool] = _is_answer,
    ) -> None:
        self._prompts = enumerate(prompts)
        self._prepare = prepare
        self._start = start
        self._cancel = cancel
        self._window = window
        self._needs_all = needs_all
        self._on_response = on_response
        self._is_answer = is_answer
        self._callback_error: Exception | None = None
        # By their futures, which know nothing of them: what is taken is freed at once, and not by a garbage collector.
        self._outstanding: dict[Future[T], Pending[T]] = {}
        self._finished: Gathered[Pending[T] | None] = Gathered()
        self._is_exhausted = False
        self._closed_error: ClientClosedError | None = None
        self._is_stopped = False

    def __iter__(self) -> Iterator[tuple[int, T]]:
        while not self._is_stopped:
            # One prompt for each answer handed out: a slow source of prompts must not hold back what is finished.
            while self._has_room() and not (self._outstanding and self._finished):
                self._feed_one()
            if not self._outstanding:
                break
            job = self._next_finished()
            if job is None:
                break
            if self._callback_error is not None:
                raise self._callback_error
            # Forgotten when it was taken: a Ctrl-C on the way would lose it otherwise.
            yield job.id, job.future.result()
            self._outstanding.pop(job.future, None)
        if self._closed_error is not None:
            raise self._closed_error

    def stop(self) -> None:
        """Cancel what is outstanding and end the iteration. From any thread; a second call does nothing."""
        self._is_stopped = True
        self._cancel(list(self._outstanding.values()))
        self._finished.put(None, is_urgent=True)

    def finished_rest(self, *, wait_s: float = 0.0) -> Iterator[tuple[int, T]]:
        """After `stop`: the answers that had come and may not have been taken. Cancelled prompts are not among them.

        wait_s: wait so long for what was cut off to be told.
        """
        outstanding = list(self._outstanding.values())
        if wait_s:
            wait([job.future for job in outstanding], timeout=wait_s)
        for job in outstanding:
            if job.future.done() and self._is_answer(job.future.result()):
                yield job.id, job.future.result()

    def _next_finished(self) -> Pending[T] | None:
        """Wait for the next finished job; None after `stop`."""
        outstanding = len(self._outstanding)
        if self._needs_all:
            within_s = _GATHER_ALL_S
        elif outstanding > _MANY:
            within_s = _GATHER_S
        else:
            return self._finished.take(1, within_s=0.0)
        count = outstanding if self._is_exhausted else min(outstanding, self._window // _SHARE)
        return self._finished.take(count, within_s=within_s)

    def _has_room(self) -> bool:
        return not self._is_exhausted and len(self._outstanding) < self._window

    def _feed_one(self) -> None:
        try:
            position, prompt = next(self._prompts)
        except StopIteration:
            self._is_exhausted = True
            return
        job = self._prepare(position, prompt)
        self._outstanding[job.future] = job
        job.future.add_done_callback(self._hand_over)
        if not job.future.done():
            self._start_noted(job)

    def _start_noted(self, job: Pending[T]) -> None:
        try:
            self._start(job)
        except ClientClosedError as error:
            self._outstanding.pop(job.future, None)
            self._is_exhausted, self._closed_error = True, error
            return
        if self._is_stopped:  # looked at after it was started: `stop` sets the flag first, and cancels then
            self._cancel([job])

    def _hand_over(self, future: Future[T]) -> None:
        """In the worker's thread, before it goes on to its next job."""
        job = self._outstanding[future]
        if self._on_response is not None:
            try:
                self._on_response(job.id, job.future.result())
            except Exception as error:  # noqa: BLE001  (the caller's callback; raised where the caller iterates)
                self._callback_error = self._callback_error or error
        self._finished.put(job)
