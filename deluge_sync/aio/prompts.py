"""Awaiting the answers to prompts: all at once, or one while it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, overload

from deluge_sync.aio.bridge import in_thread, into_loop
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from deluge_sync.aio.bridge import Stoppable
    from deluge_sync.deltas import StreamEvent
    from deluge_sync.prompt import Prompt
    from deluge_sync.tool import AnyTool

__all__ = ["AsyncPrompts", "StreamItem"]

StreamItem: TypeAlias = "StreamEvent | APIResponse"


class Deliverable(Protocol):
    """An answer in pieces, which another thread may end early."""

    def begin(self, deliver: Callable[[StreamItem], None]) -> None: ...
    def stop(self) -> None: ...


class AsyncPrompts:
    """`AsyncFacade` inherits from it; `LLMClient` makes what is declared here."""

    if TYPE_CHECKING:

        def _prepare(
            self, prompts: Iterable[Prompt] | Prompt, *, show_progress: bool, max_cost: float | None, **extras: Any
        ) -> Stoppable[list[APIResponse]]: ...
        def _stream(self, prompt: Any, tools: Any, **extras: Any) -> Deliverable: ...
        def _shown(self, prompt: Any, tools: Any, **extras: Any) -> Stoppable[APIResponse]: ...
        async def _areached(self, tools: Any) -> Any: ...

    @overload
    async def process_prompts_async(
        self,
        prompts: Iterable[Prompt] | Prompt,
        *,
        return_completions_only: Literal[False] = False,
        show_progress: bool = True,
        tools: Sequence[AnyTool] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
        max_cost: float | None = None,
    ) -> list[APIResponse]: ...
    @overload
    async def process_prompts_async(
        self,
        prompts: Iterable[Prompt] | Prompt,
        *,
        return_completions_only: Literal[True],
        show_progress: bool = True,
        tools: Sequence[AnyTool] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
        max_cost: float | None = None,
    ) -> list[str | None]: ...
    async def process_prompts_async(
        self,
        prompts: Iterable[Prompt] | Prompt,
        *,
        return_completions_only: bool = False,
        show_progress: bool = True,
        tools: Sequence[AnyTool] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
        max_cost: float | None = None,
    ) -> list[APIResponse] | list[str | None]:
        """Like `process_prompts_sync`. Cancelling the awaiting task cancels the prompts that have no answer yet."""
        tools = await self._areached(tools)
        call = self._prepare(
            prompts,
            show_progress=show_progress,
            tools=tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
            max_cost=max_cost,
        )
        responses = await in_thread(call)
        return [response.completion for response in responses] if return_completions_only else responses

    async def stream_chat(
        self,
        prompt: Prompt,
        tools: Sequence[AnyTool] | None = None,
        *,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> AsyncGenerator[StreamItem]:
        """Like `stream_chat_sync`. Leaving the loop early, or cancelling the task, cuts the answer off."""
        import asyncio  # as in `bridge.in_thread`

        tools = await self._areached(tools)
        loop, arrived = asyncio.get_running_loop(), asyncio.Queue[Any]()
        call = self._stream(
            prompt,
            tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        )
        call.begin(lambda item: into_loop(loop, arrived.put_nowait, item))
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
        tools: Sequence[AnyTool] | None = None,
        *,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> APIResponse:
        """Like `stream_sync`. Cancelling the awaiting task cuts the answer off."""
        tools = await self._areached(tools)
        return await in_thread(
            self._shown(
                prompt,
                tools,
                output_schema=output_schema,
                cache=cache,
                service_tier=service_tier,
                prefer_model=prefer_model,
            )
        )
