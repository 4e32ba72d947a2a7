"""The awaitable calls. They wait for the same answers as the blocking ones and have no logic of their own.

No event loop is made here and none is needed: the work is done by the client's threads. A coroutine may be awaited in
any loop of any thread.
"""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, overload

from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence

    from deluge_sync.agent import AgentLoop, Agents, AgentTool, Outcome, RoundHook
    from deluge_sync.deltas import StreamEvent
    from deluge_sync.prompt import Prompt, ToolCall
    from deluge_sync.tool import Tool

__all__ = ["AsyncFacade", "StreamItem"]

StreamItem: TypeAlias = "StreamEvent | APIResponse"

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Stoppable(Protocol[T_co]):
    """A blocking call that another thread may end early."""

    def run(self) -> T_co: ...
    def stop(self) -> None: ...


class Deliverable(Protocol):
    """An answer in pieces, which another thread may end early."""

    def begin(self, deliver: Callable[[StreamItem], None]) -> None: ...
    def stop(self) -> None: ...


class AsyncFacade:
    """The awaitable half of `LLMClient`. Each method takes the arguments of its blocking twin and gives the same."""

    if TYPE_CHECKING:

        def _prepare(
            self, prompts: Iterable[Prompt] | Prompt, *, show_progress: bool, **extras: Any
        ) -> Stoppable[list[APIResponse]]: ...
        def _stream(self, prompt: Any, tools: Any, **extras: Any) -> Deliverable: ...
        def _shown(self, prompt: Any, tools: Any, **extras: Any) -> Stoppable[APIResponse]: ...
        def _agent_loop(
            self, conversation: Any, *, event_loop: AbstractEventLoop | None = None, **options: Any
        ) -> AgentLoop: ...
        def _agent_loops(
            self,
            conversations: Any,
            *,
            show_progress: bool,
            event_loop: AbstractEventLoop | None = None,
            **options: Any,
        ) -> Stoppable[list[Outcome]]: ...

        _agents: Agents

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
        prefer_model: str | None = None,
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
        prefer_model: str | None = None,
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
        prefer_model: str | None = None,
    ) -> list[APIResponse] | list[str | None]:
        """Like `process_prompts_sync`. Cancelling the awaiting task cancels the prompts that have no answer yet."""
        call = self._prepare(
            prompts,
            show_progress=show_progress,
            tools=tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        )
        responses = await _in_thread(call)
        return [response.completion for response in responses] if return_completions_only else responses

    async def stream_chat(
        self,
        prompt: Prompt,
        tools: Sequence[Tool | Mapping[str, Any]] | None = None,
        *,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> AsyncGenerator[StreamItem]:
        """Like `stream_chat_sync`. Leaving the loop early, or cancelling the task, cuts the answer off."""
        import asyncio  # as in `_in_thread`

        loop, arrived = asyncio.get_running_loop(), asyncio.Queue[Any]()
        call = self._stream(
            prompt,
            tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        )
        call.begin(lambda item: _into_loop(loop, arrived.put_nowait, item))
        try:
            is_last = False
            while not is_last:
                item = await arrived.get()
                is_last = isinstance(item, APIResponse)
                yield item
        finally:
            call.stop()

    async def stream(
        self,
        prompt: Prompt,
        tools: Sequence[Tool | Mapping[str, Any]] | None = None,
        *,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> APIResponse:
        """Like `stream_sync`. Cancelling the awaiting task cuts the answer off."""
        return await _in_thread(
            self._shown(
                prompt,
                tools,
                output_schema=output_schema,
                cache=cache,
                service_tier=service_tier,
                prefer_model=prefer_model,
            )
        )

    async def run_agent_loop(
        self,
        conversation: Prompt,
        *,
        tools: Sequence[AgentTool] | None = None,
        max_rounds: int = 5,
        tool_timeout: float | None = 60,
        max_result_chars: int = 100_000,
        on_round: RoundHook | None = None,
        approve: Callable[[ToolCall], Any] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> Outcome:
        """Like `run_agent_loop_sync`; async tools run in this event loop. Cancelling the task ends the agent loop."""
        import asyncio  # as in `_in_thread`

        loop = self._agent_loop(
            conversation,
            event_loop=asyncio.get_running_loop(),
            tools=tools,
            max_rounds=max_rounds,
            tool_timeout=tool_timeout,
            max_result_chars=max_result_chars,
            on_round=on_round,
            approve=approve,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        )
        self._agents.start(loop)
        try:
            return await asyncio.wrap_future(loop.future)
        except (asyncio.CancelledError, GeneratorExit):
            loop.stop()
            raise

    async def wait_for_agent_loop(self, task_id: int) -> Outcome:
        """Like `wait_for_agent_loop_sync`. Cancelling the task leaves the agent loop running; it can be waited for."""
        import asyncio  # as in `_in_thread`

        loop = self._agents.find(task_id)
        outcome = await asyncio.wrap_future(loop.future)
        self._agents.hand_out(loop)
        return outcome

    async def process_agent_loops_async(
        self,
        conversations: Iterable[Prompt] | Prompt,
        *,
        tools: Sequence[AgentTool] | None = None,
        max_rounds: int = 5,
        show_progress: bool = True,
        tool_timeout: float | None = 60,
        max_result_chars: int = 100_000,
        on_round: RoundHook | None = None,
        approve: Callable[[ToolCall], Any] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> list[Outcome]:
        """Like `process_agent_loops_sync`; async tools run in this event loop. Cancelling the task ends all loops."""
        import asyncio  # as in `_in_thread`

        call = self._agent_loops(
            conversations,
            event_loop=asyncio.get_running_loop(),
            show_progress=show_progress,
            tools=tools,
            max_rounds=max_rounds,
            tool_timeout=tool_timeout,
            max_result_chars=max_result_chars,
            on_round=on_round,
            approve=approve,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        )
        return await _in_thread(call)


def _into_loop(loop: AbstractEventLoop, put: Callable[[Any], None], item: Any) -> None:
    """Hand `item` to the loop's thread; a loop that has ended wants nothing any more."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(put, item)


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
