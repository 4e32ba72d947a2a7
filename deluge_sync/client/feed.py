"""Feeds prompts to the engine a window at a time and hands the answers out as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from deluge_sync._adapters.failure import FailureKind
from deluge_sync.errors import ClientClosedError

if TYPE_CHECKING:
    from deluge_sync._engine.job import Job
    from deluge_sync.response import APIResponse

__all__ = ["Feed"]


class Feed:
    """Yields `(position, response)` for each prompt, in the order the answers come.

    At most `window` prompts are outstanding at any moment, so that an endless iterable of prompts can be fed and
    memory stays flat. The iterable is read in the thread that iterates. Whoever leaves early must call `stop`.

    A client that is closed meanwhile takes no more prompts; what was answered is handed out before that is raised.
    """

    def __init__(
        self,
        prompts: Iterable[Any],
        submit: Callable[[int, Any], Job],
        cancel: Callable[[Iterable[Job]], None],
        *,
        window: int,
    ) -> None:
        self._prompts = enumerate(prompts)
        self._submit = submit
        self._cancel = cancel
        self._window = window
        self._outstanding: set[Job] = set()
        self._finished: SimpleQueue[Job | None] = SimpleQueue()
        self._is_exhausted = False
        self._closed_error: ClientClosedError | None = None
        self._is_stopped = False

    def __iter__(self) -> Iterator[tuple[int, APIResponse]]:
        while not self._is_stopped:
            # One prompt for each answer handed out: a slow source of prompts must not hold back what is finished.
            while self._has_room() and (not self._outstanding or self._finished.empty()):
                self._feed_one()
            if not self._outstanding:
                break
            job = self._finished.get()
            if job is None:
                break
            self._outstanding.discard(job)
            yield job.id, job.future.result()
        if self._closed_error is not None:
            raise self._closed_error

    def stop(self) -> None:
        """Cancel what is outstanding and end the iteration. From any thread; a second call does nothing."""
        self._is_stopped = True
        self._cancel(list(self._outstanding))
        self._finished.put(None)

    def finished_rest(self) -> Iterator[tuple[int, APIResponse]]:
        """After `stop`: the answers that had come but were not handed out yet. Cancelled prompts are not among them."""
        for job in list(self._outstanding):
            if job.future.done() and job.future.result().error_kind != FailureKind.CANCELLED:
                yield job.id, job.future.result()

    def _has_room(self) -> bool:
        return not self._is_exhausted and len(self._outstanding) < self._window

    def _feed_one(self) -> None:
        try:
            position, prompt = next(self._prompts)
        except StopIteration:
            self._is_exhausted = True
            return
        try:
            job = self._submit(position, prompt)
        except ClientClosedError as error:
            self._is_exhausted, self._closed_error = True, error
            return
        self._outstanding.add(job)
        job.future.add_done_callback(lambda _: self._finished.put(job))
