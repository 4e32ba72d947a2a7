"""Awaiting an estimate, which is counted in a thread: the event loop goes on meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deluge_sync.aio.bridge import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from deluge_sync._engine.estimate import Estimate, Estimation
    from deluge_sync.prompt import Prompt
    from deluge_sync.tool import AnyTool

__all__ = ["AsyncEstimates"]


class AsyncEstimates:
    """`AsyncFacade` inherits from it; `EstimateCalls` makes what is declared here."""

    if TYPE_CHECKING:

        def _estimation(self, prompts: Any, **extras: Any) -> Estimation: ...
        async def _areached(self, tools: Any) -> Any: ...

    async def estimate(
        self,
        prompts: Iterable[Prompt] | Prompt,
        *,
        tools: Sequence[AnyTool] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
    ) -> Estimate:
        """Like `estimate_sync`. Cancelling the task ends the counting."""
        tools = await self._areached(tools)
        return await in_thread(
            self._estimation(prompts, tools=tools, output_schema=output_schema, cache=cache, service_tier=service_tier)
        )
