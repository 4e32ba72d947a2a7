"""Awaiting tasks. No thread waits for them: the worker that ends one tells the event loop."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any

from deluge_sync._engine.tasks import too_late
from deluge_sync.aio.bridge import into_loop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Queue
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from deluge_sync._engine.job import Job
    from deluge_sync._engine.tasks import Tasks
    from deluge_sync.prompt import Prompt
    from deluge_sync.response import APIResponse
    from deluge_sync.tool import AnyTool

__all__ = ["AsyncTasks"]


class AsyncTasks:
    """`AsyncFacade` inherits from it; `TaskCalls` makes what is declared here."""

    if TYPE_CHECKING:
        _tasks: Tasks

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
        ) -> int: ...
        async def _areached(self, tools: Any) -> Any: ...
        def _cancel(self, jobs: Sequence[Job]) -> None: ...
        def _chosen(self, task_ids: Iterable[int] | None, timeout: float | None) -> list[Job]: ...
        def _handed_out(self, jobs: Sequence[Job], *, is_by_id: bool) -> list[APIResponse]: ...

    async def start(
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
        """Like `start_sync`. Cancelling the coroutine leaves the task running; `wait_for_all` still finds it."""
        tools = await self._areached(tools)
        task_id = self.start_nowait(
            prompt,
            tools=tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
            max_cost=max_cost,
        )
        return await self.wait_for(task_id, timeout=timeout, keep_running=keep_running)

    async def wait_for(self, task_id: int, *, timeout: float | None = None, keep_running: bool = True) -> APIResponse:
        """Like `wait_for_sync`. Cancelling the coroutine is one more way to end the wait early."""
        [response] = await self.wait_for_all([task_id], timeout=timeout, keep_running=keep_running)
        return response

    async def wait_for_all(
        self, task_ids: Iterable[int] | None = None, *, timeout: float | None = None, keep_running: bool = True
    ) -> list[APIResponse]:
        """Like `wait_for_all_sync`. Cancelling the coroutine is one more way to end the wait early."""
        jobs = self._chosen(task_ids, timeout)
        async with aclosing(self._async_ends(jobs, timeout, keep_running=keep_running)) as ends:
            async for _ in ends:
                pass
        return self._handed_out(jobs, is_by_id=task_ids is not None)

    async def as_completed(
        self, task_ids: Iterable[int] | None = None, *, timeout: float | None = None, keep_running: bool = True
    ) -> AsyncGenerator[tuple[int, APIResponse]]:
        """Like `as_completed_sync`: a plain async generator."""
        jobs = self._chosen(task_ids, timeout)
        async with aclosing(self._async_ends(jobs, timeout, keep_running=keep_running)) as ends:
            async for job in ends:
                for response in self._handed_out([job], is_by_id=task_ids is not None):
                    yield job.id, response

    async def _async_ends(
        self, jobs: Sequence[Job], timeout_s: float | None, *, keep_running: bool
    ) -> AsyncGenerator[Job]:
        """Each of the jobs as it ends."""
        import asyncio  # as in `bridge.in_thread`

        loop, arrived = asyncio.get_running_loop(), asyncio.Queue[Any]()
        give_up_at = None if timeout_s is None else loop.time() + timeout_s
        tell = partial(_tell, loop, get_ident(), arrived)
        unique = {job.id: job for job in jobs}
        try:
            with self._tasks.watch(list(unique.values()), tell):
                for count in range(len(unique)):
                    try:
                        async with asyncio.timeout_at(give_up_at if arrived.empty() else None):
                            job = await arrived.get()
                    except TimeoutError:
                        raise too_late(len(unique) - count, len(unique), timeout_s) from None
                    yield job
        except BaseException:
            if not keep_running:
                self._cancel(jobs)
            raise


def _tell(loop: AbstractEventLoop, thread_id: int, arrived: Queue[Any], job: Job) -> None:
    """From another thread or from the loop's own, where what has ended already shall not wait for the loop's turn."""
    if get_ident() == thread_id:
        arrived.put_nowait(job)
    else:
        into_loop(loop, arrived.put_nowait, job)
