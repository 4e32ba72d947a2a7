"""Awaiting batch jobs. Cancelling the awaiting task leaves them running at the provider; their manifests keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from deluge_sync.aio.bridge import in_thread

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from deluge_sync.aio.bridge import Stoppable
    from deluge_sync.batch.ids import BatchIds
    from deluge_sync.batch.status import JobStatus
    from deluge_sync.prompt import Prompt
    from deluge_sync.response import APIResponse
    from deluge_sync.tool import AnyTool

__all__ = ["AsyncBatches"]


class AsyncBatches:
    """`AsyncFacade` inherits from it; `BatchCalls` makes what is declared here."""

    if TYPE_CHECKING:

        async def _areached(self, tools: Any) -> Any: ...
        def _submission(self, prompts: Any, **order: Any) -> Stoppable[BatchIds]: ...
        def _sending(self, manifest: str | os.PathLike[str]) -> Stoppable[BatchIds]: ...
        def _pursuit(
            self, batch_ids: Iterable[str] | str, provider: str | None, **how: Any
        ) -> Stoppable[list[Any]]: ...
        def _resumption(self, manifest: str | os.PathLike[str], **how: Any) -> Stoppable[list[Any]]: ...
        def _cancelling(
            self, batch_ids: Iterable[str] | str | os.PathLike[str], provider: str | None
        ) -> Stoppable[list[JobStatus]]: ...
        def _checking(self, manifest: str | os.PathLike[str]) -> Stoppable[JobStatus]: ...

    async def submit_batch_job(
        self,
        prompts: Iterable[Prompt] | Prompt,
        *,
        tools: Sequence[AnyTool] | None = None,
        cache: str | None = None,
        batch_size: int = 50_000,
        output_schema: Any = None,
        manifest: str | os.PathLike[str] | None = None,
        prefer_model: str | None = None,
    ) -> BatchIds:
        """Like `submit_batch_job_sync`. The prompts are read in another thread."""
        tools = await self._areached(tools)
        call = self._submission(
            prompts,
            tools=tools,
            cache=cache,
            batch_size=batch_size,
            output_schema=output_schema,
            manifest=manifest,
            prefer_model=prefer_model,
        )
        return await in_thread(call)

    async def send_batch_job(self, manifest: str | os.PathLike[str]) -> BatchIds:
        """Like `send_batch_job_sync`."""
        return await in_thread(self._sending(manifest))

    @overload
    async def wait_for_batch_job(
        self,
        batch_ids: Iterable[str] | str,
        provider: str | None = None,
        *,
        as_raw: Literal[False] = False,
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[APIResponse]: ...
    @overload
    async def wait_for_batch_job(
        self,
        batch_ids: Iterable[str] | str,
        provider: str | None = None,
        *,
        as_raw: Literal[True],
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[dict[str, Any] | None]: ...
    async def wait_for_batch_job(
        self,
        batch_ids: Iterable[str] | str,
        provider: str | None = None,
        *,
        as_raw: bool = False,
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[APIResponse] | list[dict[str, Any] | None]:
        """Like `wait_for_batch_job_sync`. Cancelling the awaiting task ends the wait, not the job."""
        call = self._pursuit(
            batch_ids,
            provider,
            as_raw=as_raw,
            show_progress=show_progress,
            poll_interval=poll_interval,
            output_schema=output_schema,
        )
        return await in_thread(call)

    @overload
    async def resume_batch_job(
        self,
        manifest: str | os.PathLike[str],
        *,
        as_raw: Literal[False] = False,
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[APIResponse]: ...
    @overload
    async def resume_batch_job(
        self,
        manifest: str | os.PathLike[str],
        *,
        as_raw: Literal[True],
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[dict[str, Any] | None]: ...
    async def resume_batch_job(
        self,
        manifest: str | os.PathLike[str],
        *,
        as_raw: bool = False,
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[APIResponse] | list[dict[str, Any] | None]:
        """Like `resume_batch_job_sync`. Cancelling the awaiting task ends the wait, not the job."""
        call = self._resumption(
            manifest,
            as_raw=as_raw,
            show_progress=show_progress,
            poll_interval=poll_interval,
            output_schema=output_schema,
        )
        return await in_thread(call)

    async def cancel_batch_job(
        self, batch_ids: Iterable[str] | str | os.PathLike[str], provider: str | None = None
    ) -> list[JobStatus]:
        """Like `cancel_batch_job_sync`."""
        return await in_thread(self._cancelling(batch_ids, provider))

    async def batch_job_status(self, manifest: str | os.PathLike[str]) -> JobStatus:
        """Like `batch_job_status_sync`."""
        return await in_thread(self._checking(manifest))
