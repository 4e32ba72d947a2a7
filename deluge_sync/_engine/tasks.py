"""Prompts that were started and will be asked for later, and how their ends come to those who wait.

No thread waits for a task. Whoever waits for some of them has a watch, which is told of each as it ends, in the thread
that ends it; leaving takes the watch away, and nothing of it stays behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from deluge_sync._engine.job import Job
from deluge_sync._engine.kept import Kept
from deluge_sync.errors import ClientClosedError

if TYPE_CHECKING:
    from deluge_sync._engine.job import Run

__all__ = ["Tasks", "too_late"]


class _Watch:
    """The tasks that somebody waits for and has not been told of."""

    def __init__(self, jobs: Iterable[Job], tell: Callable[[Job], object]) -> None:
        self.jobs = {job.id: job for job in jobs}
        self.tell = tell


class Tasks(Kept[Job]):
    """Thread-safe; the lock of `Kept` guards the watches too. A task's id is its job's."""

    def __init__(self, numbers: Iterator[int] | None = None) -> None:
        super().__init__(numbers)
        self._watches: list[_Watch] = []
        self._under_way = 0
        self._run: Run | None = None

    def shared_run(self, fresh: Run) -> Run:
        """What the tasks under way have learned about keys and models; `fresh` where none is under way.

        So 10,000 tasks do not find out one by one that a key is wrong, and later ones try it again.
        """
        with self._lock:
            if self._run is None or not self._under_way:
                self._run = fresh
            return self._run

    def start(self, job: Job, begin: Callable[[Job], None]) -> None:
        """Keep the job, and `begin` it.

        Raises:
            ClientClosedError: `begin` did; the job is not kept.
        """
        self.keep(job)  # first, so that a Ctrl-C cannot lose what was begun
        with self._lock:
            self._under_way += 1
        job.future.add_done_callback(partial(self._ended, job.id))  # not with the job: it would keep itself alive
        try:
            begin(job)
        except ClientClosedError:
            self.hand_out(job)
            with self._lock:
                self._under_way -= 1
            raise

    @contextmanager
    def watch(self, jobs: Sequence[Job], tell: Callable[[Job], object]) -> Iterator[None]:
        """While the block runs `tell` is called once with each of `jobs` that has ended, in any thread."""
        watch = _Watch(jobs, tell)
        with self._lock:
            self._watches.append(watch)
        try:
            for job in jobs:
                if job.future.done():
                    self._tell(watch, job.id)
            yield
        finally:
            with self._lock:
                self._watches.remove(watch)

    def _ended(self, task_id: int, _: object) -> None:
        with self._lock:
            self._under_way -= 1
            watches = list(self._watches)
        for watch in watches:
            self._tell(watch, task_id)

    def _tell(self, watch: _Watch, task_id: int) -> None:
        with self._lock:
            job = watch.jobs.pop(task_id, None)
        if job is not None:
            watch.tell(job)


def too_late(left: int, total: int, timeout_s: float | None) -> TimeoutError:
    """What is raised where a wait for `total` tasks was limited, and `left` of them had not ended."""
    return TimeoutError(f"{left} of {total} tasks had not ended after {timeout_s} s")
