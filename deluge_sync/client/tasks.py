"""The tasks of `LLMClient`: prompts that are started now and asked for later. `aio.tasks` has the awaitable half."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._engine.tasks import too_late
from deluge_sync.client import settings
from deluge_sync.errors import ConfigError, Interrupted, UnknownTaskError
from deluge_sync.prompt import Prompt, to_conversation

if TYPE_CHECKING:
    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.engine import Engine
    from deluge_sync._engine.job import Job, Run
    from deluge_sync._engine.tasks import Tasks
    from deluge_sync.agent import Agents
    from deluge_sync.response import APIResponse
    from deluge_sync.tool import AnyTool

__all__ = ["TaskCalls"]

_SIGNAL_CHECK_S: Final = 0.25


class TaskCalls:
    """The tasks of a client. `LLMClient` inherits from it and makes what is declared here.

    What ends a wait early (its time limit, Ctrl-C, leaving the loop) leaves the tasks running, and they can be waited
    for again; with `keep_running=False` it cancels those that were waited for.
    """

    if TYPE_CHECKING:
        _agents: Agents
        _tasks: Tasks
        _engine: Engine | None

        def _running_engine(self) -> Engine: ...
        def _expect(self, count: int | None) -> None: ...
        def _run(self, max_cost: float | None, *, service_tier: str | None) -> Run: ...
        def _extras(
            self,
            *,
            tools: Any,
            output_schema: Any,
            cache: str | None,
            service_tier: str | None,
            prefer_model: str | None,
        ) -> Extras: ...

    def start_nowait(
        self,
        prompt: Prompt,
        *,
        tools: Sequence[AnyTool] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
        max_cost: float | None = None,
    ) -> int:
        """Begin to answer one prompt and return at once: an id for `wait_for`, `as_completed` and `cancel`.

        Needs no event loop and works inside one, in any thread. Tens of thousands may be under way; none of them holds
        a thread while it waits. Arguments as in `process_prompts_sync`; tasks have no limit on how many are queued.

        Raises:
            ConfigError, MissingKeyError: nothing was begun.
            ClientClosedError: the client is closed; `open` opens it again.
        """
        call = self._extras(
            tools=tools, output_schema=output_schema, cache=cache, service_tier=service_tier, prefer_model=prefer_model
        )
        conversation = to_conversation(prompt)
        run = self._run(max_cost, service_tier=service_tier)
        if max_cost is None:
            run = self._tasks.shared_run(run)
        engine = self._running_engine()
        job = engine.prepare(self._tasks.next_id(), conversation, run=run, extras=call)
        self._expect(1)
        self._tasks.start(job, engine.start)
        return job.id

    def start_sync(
        self,
        prompt: Prompt,
        *,
        tools: Sequence[AnyTool] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
        max_cost: float | None = None,
        timeout: float | None = None,
        keep_running: bool = True,
    ) -> APIResponse:
        """Answer one prompt: `start_nowait` and `wait_for_sync` in one."""
        task_id = self.start_nowait(
            prompt,
            tools=tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
            max_cost=max_cost,
        )
        return self.wait_for_sync(task_id, timeout=timeout, keep_running=keep_running)

    def wait_for_sync(self, task_id: int, *, timeout: float | None = None, keep_running: bool = True) -> APIResponse:
        """The response to the task of this id, once it is there. It is handed out once, and then forgotten.

        Args:
            timeout: seconds to wait at most; 0 only looks.
            keep_running: False cancels the task when the wait ends early.

        Raises:
            UnknownTaskError: there is no such task, or its response was handed out.
            TimeoutError: the time was up.
            Interrupted: Ctrl-C. Its `responses` has the response, or None; the task can be waited for again.
        """
        [response] = self.wait_for_all_sync([task_id], timeout=timeout, keep_running=keep_running)
        return response

    def wait_for_all_sync(
        self, task_ids: Iterable[int] | None = None, *, timeout: float | None = None, keep_running: bool = True
    ) -> list[APIResponse]:
        """The responses to these tasks, in the order of their ids here, once all are there.

        Without ids: of all tasks that were started before and not handed out, in the order they were started. Other
        arguments and errors as in `wait_for_sync`; nothing is handed out where the wait ends early.
        """
        jobs = self._chosen(task_ids, timeout)
        try:
            with closing(self._ends(jobs, timeout, keep_running=keep_running)) as ends:
                for _ in ends:
                    pass
        except KeyboardInterrupt:
            raise Interrupted([job.future.result() if job.future.done() else None for job in jobs]) from None
        return self._handed_out(jobs, is_by_id=task_ids is not None)

    def as_completed_sync(
        self, task_ids: Iterable[int] | None = None, *, timeout: float | None = None, keep_running: bool = True
    ) -> Generator[tuple[int, APIResponse]]:
        """Yield `(task_id, response)` of these tasks as they end, in any order; each is then handed out.

        A plain generator: it may be left early, and those that were not yielded can still be waited for. Without ids:
        the tasks that were not handed out when the first one is asked for. Other arguments and errors as in
        `wait_for_sync`, `Interrupted` excepted.
        """
        with closing(self._ends(self._chosen(task_ids, timeout), timeout, keep_running=keep_running)) as ends:
            for job in ends:
                for response in self._handed_out([job], is_by_id=task_ids is not None):
                    yield job.id, response

    def cancel(self, task_id: int) -> bool:
        """Cancel a task, or an agent loop, that has not ended. Returns whether it had not.

        What is on the wire is cut off. The response is then an error of the kind "cancelled", to be asked for as
        always; that of an agent loop has the rounds that were answered. What was sent may have to be paid.

        Raises:
            UnknownTaskError: there is none of this id, or it was handed out.
        """
        try:
            job = self._tasks.find(task_id)
        except UnknownTaskError:
            loop = self._agents.find(task_id)
            had_ended = loop.future.done()
            loop.stop()
        else:
            had_ended = job.future.done()
            self._cancel([job])
        return not had_ended

    # --- how they are waited for

    def _cancel(self, jobs: Sequence[Job]) -> None:
        engine = self._engine
        if engine is not None:  # none of a closed client is left running
            engine.cancel([job for job in jobs if not job.future.done()])

    def _chosen(self, task_ids: Iterable[int] | None, timeout: float | None) -> list[Job]:
        """The tasks of these ids, or those that were not handed out. Both arguments are checked."""
        if timeout:
            settings.check_numbers(timeout=timeout)
        if task_ids is None:
            return self._tasks.all_kept()
        if not isinstance(task_ids, Iterable):
            raise ConfigError(f"task_ids must be a list of the ids that start_nowait gave; got {task_ids!r:.80}")
        return [self._tasks.find(task_id) for task_id in task_ids]

    def _handed_out(self, jobs: Sequence[Job], *, is_by_id: bool) -> list[APIResponse]:
        """The responses. Where nobody named the tasks, not those that another caller has got meanwhile."""
        return [job.future.result() for job in jobs if self._tasks.hand_out(job) or is_by_id]

    def _ends(self, jobs: Sequence[Job], timeout_s: float | None, *, keep_running: bool) -> Generator[Job]:
        """Each of the jobs as it ends."""
        give_up_at = inf if timeout_s is None else monotonic() + timeout_s
        arrived: SimpleQueue[Job] = SimpleQueue()
        unique = {job.id: job for job in jobs}
        try:
            with self._tasks.watch(list(unique.values()), arrived.put):
                for count in range(len(unique)):
                    try:
                        job = _next(arrived, give_up_at)
                    except Empty:
                        raise too_late(len(unique) - count, len(unique), timeout_s) from None
                    yield job
        except BaseException:
            if not keep_running:
                self._cancel(jobs)
            raise


def _next(arrived: SimpleQueue[Job], give_up_at: float) -> Job:
    """The next job that has ended. The wait is cut in slices for Ctrl-C, as in `Feed`.

    Raises:
        queue.Empty: the time is up.
    """
    while True:
        left_s = give_up_at - monotonic()
        try:
            return arrived.get(timeout=max(0.0, min(left_s, _SIGNAL_CHECK_S)))
        except Empty:
            if left_s <= 0:
                raise
