"""Awaiting agent loops. Async tools run in the event loop that awaits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deluge_sync.aio.bridge import in_thread

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable, Sequence

    from deluge_sync.agent import AgentLoop, Agents, AgentTool, Outcome, RoundHook
    from deluge_sync.aio.bridge import Stoppable
    from deluge_sync.prompt import Prompt, ToolCall

__all__ = ["AsyncAgents"]


class AsyncAgents:
    """`AsyncFacade` inherits from it; `AgentCalls` makes what is declared here."""

    if TYPE_CHECKING:
        _agents: Agents

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
        async def _areached(self, tools: Any) -> Any: ...

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
        max_cost: float | None = None,
    ) -> Outcome:
        """Like `run_agent_loop_sync`; async tools run in this event loop. Cancelling the task ends the agent loop."""
        import asyncio  # as in `bridge.in_thread`

        tools = await self._areached(tools)
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
            max_cost=max_cost,
        )
        self._agents.start(loop)
        try:
            return await asyncio.wrap_future(loop.future)
        except (asyncio.CancelledError, GeneratorExit):
            loop.stop()
            raise

    async def wait_for_agent_loop(self, task_id: int) -> Outcome:
        """Like `wait_for_agent_loop_sync`. Cancelling the task leaves the agent loop running; it can be waited for."""
        import asyncio  # as in `bridge.in_thread`

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
        max_cost: float | None = None,
    ) -> list[Outcome]:
        """Like `process_agent_loops_sync`; async tools run in this event loop. Cancelling the task ends all loops."""
        import asyncio  # as in `bridge.in_thread`

        tools = await self._areached(tools)
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
            max_cost=max_cost,
        )
        return await in_thread(call)
