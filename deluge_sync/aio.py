"""The awaitable calls. They wait for the same answers as the blocking ones and have no logic of their own.

No event loop is made here and none is needed: the work is done by the client's threads. A coroutine may be awaited in
any loop of any thread.
"""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from deluge_sync.prompt import Prompt
    from deluge_sync.response import APIResponse
    from deluge_sync.tool import Tool

__all__ = ["AsyncFacade"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Stoppable(Protocol[T_co]):
    """A blocking call that another thread may end early."""

    def run(self) -> T_co: ...
    def stop(self) -> None: ...


class AsyncFacade:
    """The awaitable half of `LLMClient`. Each method takes the arguments of its blocking twin and gives the same."""

    if TYPE_CHECKING:

        def _prepare(
            self, prompts: Iterable[Prompt] | Prompt, *, show_progress: bool, **extras: Any
        ) -> Stoppable[list[APIResponse]]: ...

    @overload
    async def process_prompts_async(
        self,
        prompts: Iterable[Prompt] | Prompt,
        *,
        return_completions_only: Literal[False] = False,
        show_progress: bool = True,
        tools: Sequence[Tool | Mapping[str, Any]] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
    ) -> list[APIResponse]: ...
    @overload
    async def process_prompts_async(
        self,
        prompts: Iterable[Prompt] | Prompt,
        *,
        return_completions_only: Literal[True],
        show_progress: bool = True,
        tools: Sequence[Tool | Mapping[str, Any]] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
    ) -> list[str | None]: ...
    async def process_prompts_async(
        self,
        prompts: Iterable[Prompt] | Prompt,
        *,
        return_completions_only: bool = False,
        show_progress: bool = True,
        tools: Sequence[Tool | Mapping[str, Any]] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
    ) -> list[APIResponse] | list[str | None]:
        """Like `process_prompts_sync`. Cancelling the awaiting task cancels the prompts that have no answer yet."""
        call = self._prepare(
            prompts,
            show_progress=show_progress,
            tools=tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
        )
        responses = await _in_thread(call)
        return [response.completion for response in responses] if return_completions_only else responses


async def _in_thread(call: Stoppable[T]) -> T:
    """Run a blocking call in a daemon thread with the caller's context variables; being cancelled stops it.

    Not in the loop's own executor: its threads are few, and are joined when the interpreter ends.
    """
    import asyncio  # loaded already where a loop runs, and 10 ms of start-up where none does

    outcome: Future[T] = Future()
    context = contextvars.copy_context()
    threading.Thread(
        target=context.run, args=(_resolve, outcome, call.run), name="deluge-sync-call", daemon=True
    ).start()
    try:
        return await asyncio.wrap_future(outcome)
    except (asyncio.CancelledError, GeneratorExit):
        call.stop()
        raise


def _resolve(outcome: Future[T], run: Callable[[], T]) -> None:
    if not outcome.set_running_or_notify_cancel():
        return  # cancelled before the thread got to run
    try:
        outcome.set_result(run())
    except BaseException as error:  # noqa: BLE001  (it is raised where the call is awaited)
        outcome.set_exception(error)
