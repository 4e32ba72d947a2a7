"""Awaiting answers one by one as they come, with no more prompts under way than the blocking twin has.

A thread iterates as the blocking call does, and goes on only when its last answer was taken: so memory stays flat
however slowly the loop takes them. Prompts that come asynchronously are fetched from the loop by that thread.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Protocol

from deluge_sync.aio.bridge import into_loop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, Sequence

    from deluge_sync.prompt import Prompt
    from deluge_sync.response import APIResponse
    from deluge_sync.tool import AnyTool

__all__ = ["AsyncIteration"]

_END = object()


class Iteration(Protocol):
    """The blocking iteration, which another thread may stop."""

    def __iter__(self) -> Iterator[tuple[int, APIResponse]]: ...
    def stop(self) -> None: ...


class AsyncIteration:
    """`AsyncFacade` inherits from it; `PromptCalls` makes what is declared here."""

    if TYPE_CHECKING:

        def _iteration(
            self,
            prompts: Any,
            *,
            show_progress: bool,
            total: int | None,
            on_response: Callable[[int, APIResponse], None] | None,
            max_cost: float | None,
            **extras: Any,
        ) -> Iteration: ...
        async def _areached(self, tools: Any) -> Any: ...

    async def process_prompts_iter_async(
        self,
        prompts: AsyncIterable[Prompt] | Iterable[Prompt] | Prompt,
        *,
        show_progress: bool = True,
        total: int | None = None,
        on_response: Callable[[int, APIResponse], None] | None = None,
        tools: Sequence[AnyTool] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
        max_cost: float | None = None,
    ) -> AsyncGenerator[tuple[int, APIResponse]]:
        """Like `process_prompts_iter`; `prompts` may be asynchronous too. A plain one is read in another thread.

        Prompts are read ahead, as many as may be under way: a source must not wait for an answer before it gives more.
        Leaving the loop early, or cancelling the task, cancels what is outstanding.
        """
        import asyncio  # as in `bridge.in_thread`

        tools = await self._areached(tools)
        loop = asyncio.get_running_loop()
        source = _Source(prompts, loop) if isinstance(prompts, AsyncIterable) else None
        iteration = self._iteration(
            source or prompts,
            show_progress=show_progress,
            total=total,
            on_response=on_response,
            tools=tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
            max_cost=max_cost,
        )
        relay = _Relay(iteration, loop, asyncio.Queue[Any]())
        relay.start()
        try:
            while (item := await relay.arrived.get()) is not _END:
                yield item
                relay.was_taken.release()
            relay.raise_what_ended_it()
        finally:
            iteration.stop()
            if source is not None:
                source.stop()
            relay.was_taken.release()


class _Relay:
    """Iterates in a thread of its own and hands each answer to the loop; the next when that was taken."""

    def __init__(self, iteration: Iteration, loop: AbstractEventLoop, arrived: Any) -> None:
        self.arrived = arrived
        self.was_taken = threading.Semaphore(0)
        self._iteration = iteration
        self._loop = loop
        self._error: BaseException | None = None

    def start(self) -> None:
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), name="deluge-sync-iter", daemon=True).start()

    def raise_what_ended_it(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for item in self._iteration:
                into_loop(self._loop, self.arrived.put_nowait, item)
                self.was_taken.acquire()
        except BaseException as error:  # noqa: BLE001  (it is raised where the answers are awaited)
            self._error = error
        into_loop(self._loop, self.arrived.put_nowait, _END)


class _Source:
    """Asynchronous prompts as an iterator for one other thread."""

    def __init__(self, prompts: AsyncIterable[Any], loop: AbstractEventLoop) -> None:
        self._prompts: AsyncIterator[Any] = aiter(prompts)
        self._loop = loop
        self._coming: Future[Any] | None = None
        self._is_stopped = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        import asyncio  # as in `bridge.in_thread`

        self._coming = coming = asyncio.run_coroutine_threadsafe(self._one(), self._loop)
        if self._is_stopped:  # looked at after it can be found: `stop` sets the flag first, and cancels then
            coming.cancel()
        try:
            prompt = coming.result()
        except CancelledError:
            raise StopIteration from None
        if prompt is _END:
            raise StopIteration
        return prompt

    async def _one(self) -> Any:
        return await anext(self._prompts, _END)

    def stop(self) -> None:
        """Wait for no prompt any more."""
        self._is_stopped = True
        if self._coming is not None:
            self._coming.cancel()
