"""The calls of `LLMClient` for batch jobs: half the price, within a day. `aio.batches` has the awaitable half."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from deluge_sync.errors import BatchInterrupted

if TYPE_CHECKING:
    import threading

    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.settings import EngineSettings
    from deluge_sync._secret import Secret
    from deluge_sync.batch import calls
    from deluge_sync.batch.ids import BatchIds
    from deluge_sync.batch.status import JobStatus
    from deluge_sync.client import settings
    from deluge_sync.client.batch_maker import BatchMaker
    from deluge_sync.config import SamplingParams
    from deluge_sync.models import Model
    from deluge_sync.prompt import Prompt
    from deluge_sync.response import APIResponse
    from deluge_sync.tool import AnyTool
    from deluge_sync.tracker import Tracker

__all__ = ["BatchCalls"]

T = TypeVar("T")


class BatchCalls:
    """`LLMClient` inherits from it and makes what is declared here."""

    if TYPE_CHECKING:
        name: str | None
        progress: settings.Progress
        sampling_params: list[SamplingParams]
        tracker: Tracker
        _lock: threading.Lock
        _is_closed: bool
        _models: list[Model]
        _weights: list[float]
        _base_url: str | None
        _api_key: Secret | None
        _env: Callable[[], Mapping[str, str]]
        _plain_call: Extras
        _engine_settings: EngineSettings

        def _extras(
            self,
            *,
            tools: Any,
            output_schema: Any,
            cache: str | None,
            service_tier: str | None,
            prefer_model: str | None,
        ) -> Extras: ...

    def submit_batch_job_sync(
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
        """Have all prompts answered within a day, at half the price, and return the ids of the batches.

        The prompts are written to the disk first, one by one, so there may be a million of them; then one batch is made
        of as many as `batch_size` and the provider allow. A prompt that cannot be read or sent becomes an error
        response; one that the client's local cache answers is not sent. Of several models each prompt is given to one,
        drawn by their weights.

        Args:
            prompts, tools, output_schema, cache, prefer_model: as in `process_prompts_sync`.
            batch_size: prompts in one batch at most.
            manifest: the file that keeps the job, which must not exist. By default one of its own in
                `~/.local/state/deluge_sync/batches` (or in `XDG_STATE_HOME`). A directory beside it has the rest.

        Raises:
            ConfigError, MissingKeyError: before anything is sent.
            BatchError: not every batch could be sent; its `manifest` keeps the job, which can be resumed.
            BatchInterrupted: Ctrl-C while batches were sent; likewise. Before that it is a plain KeyboardInterrupt.
            OSError: the disk is full; nothing was sent.
        """
        call = self._submission(
            prompts,
            tools=tools,
            cache=cache,
            batch_size=batch_size,
            output_schema=output_schema,
            manifest=manifest,
            prefer_model=prefer_model,
        )
        return _interruptible(call.run, lambda: call.manifest)

    def send_batch_job_sync(self, manifest: str | os.PathLike[str]) -> BatchIds:
        """Send what is left to be sent of a job whose submission ended too early, without waiting for answers.

        Raises: as `submit_batch_job_sync`.
        """
        call = self._sending(manifest)
        return _interruptible(call.run, lambda: call.manifest)

    @overload
    def wait_for_batch_job_sync(
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
    def wait_for_batch_job_sync(
        self,
        batch_ids: Iterable[str] | str,
        provider: str | None = None,
        *,
        as_raw: Literal[True],
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[dict[str, Any] | None]: ...
    def wait_for_batch_job_sync(
        self,
        batch_ids: Iterable[str] | str,
        provider: str | None = None,
        *,
        as_raw: bool = False,
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[APIResponse] | list[dict[str, Any] | None]:
        """Wait until the batches are over and return one response per prompt, in the prompts' order.

        A batch that the provider had no room for is sent when there is some. Looks that fail are made again. May be
        called again, in another process too: what was fetched is not fetched twice.

        Args:
            batch_ids: what `submit_batch_job` gave, or some of the ids in it. Those of several jobs give the responses
                of one job after the other.
            provider: only the prompts that went to "openai", "anthropic", "gemini" or "mistral"; None for all.
            as_raw: the provider's own result objects instead, None for a prompt that has none.
            poll_interval: seconds between two looks at the most; the first ones come sooner.
            output_schema: the class of which `parsed` shall be, if it was given in another process.

        Raises:
            ConfigError, MissingKeyError: an id is of no known job, or there is no key.
            BatchError: it cannot go on now (wrong key, no credit, another process at work on it); the job is intact.
            BatchInterrupted: Ctrl-C. The provider goes on; the text says how to wait again.
        """
        call = self._pursuit(
            batch_ids,
            provider,
            as_raw=as_raw,
            show_progress=show_progress,
            poll_interval=poll_interval,
            output_schema=output_schema,
        )
        return _interruptible(call.run, lambda: call.manifest)

    @overload
    def resume_batch_job_sync(
        self,
        manifest: str | os.PathLike[str],
        *,
        as_raw: Literal[False] = False,
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[APIResponse]: ...
    @overload
    def resume_batch_job_sync(
        self,
        manifest: str | os.PathLike[str],
        *,
        as_raw: Literal[True],
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[dict[str, Any] | None]: ...
    def resume_batch_job_sync(
        self,
        manifest: str | os.PathLike[str],
        *,
        as_raw: bool = False,
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> list[APIResponse] | list[dict[str, Any] | None]:
        """Go on with a job wherever it was left: send what was not sent, wait, and return one response per prompt.

        Nothing is bought twice. Models, sampling and addresses are those of the job; keys and extra headers are this
        client's. Arguments and errors as in `wait_for_batch_job_sync`.
        """
        call = self._resumption(
            manifest,
            as_raw=as_raw,
            show_progress=show_progress,
            poll_interval=poll_interval,
            output_schema=output_schema,
        )
        return _interruptible(call.run, lambda: call.manifest)

    def iter_batch_job(
        self,
        manifest: str | os.PathLike[str],
        *,
        show_progress: bool = True,
        poll_interval: float = 60,
        output_schema: Any = None,
    ) -> Generator[tuple[int, APIResponse]]:
        """`resume_batch_job_sync` for more answers than fit into memory: yields `(position, response)` in order.

        The first one comes when all batches are over. Errors as there, raised by the iteration.
        """
        call = self._resumption(
            manifest,
            as_raw=False,
            show_progress=show_progress,
            poll_interval=poll_interval,
            output_schema=output_schema,
        )
        try:
            yield from call
        except KeyboardInterrupt:
            raise BatchInterrupted(call.manifest) from None

    def cancel_batch_job_sync(
        self, batch_ids: Iterable[str] | str | os.PathLike[str], provider: str | None = None
    ) -> list[JobStatus]:
        """Stop the batches that are not over: of some ids, or of the whole job of a manifest (a `Path`).

        What was answered by then is paid for and can be waited for as usual; the rest becomes error responses.

        Raises:
            ConfigError, MissingKeyError, BatchError: as `wait_for_batch_job_sync`.
        """
        return self._cancelling(batch_ids, provider).run()

    def batch_job_status_sync(self, manifest: str | os.PathLike[str]) -> JobStatus:
        """How a job stands: each batch is looked at once. Nothing is sent or fetched; somebody may be waiting for it.

        Raises:
            ConfigError, MissingKeyError, BatchError: as `wait_for_batch_job_sync`.
        """
        return self._checking(manifest).run()

    # --- how a call is made

    def _submission(self, prompts: Any, **order: Any) -> calls.Submit:
        return self._batch_maker().submission(prompts, **order)

    def _sending(self, manifest: str | os.PathLike[str]) -> calls.Send:
        return self._batch_maker().sending(manifest)

    def _pursuit(self, batch_ids: Iterable[str] | str, provider: str | None, **how: Any) -> calls.Follow:
        return self._batch_maker().pursuit(batch_ids, provider, **how)

    def _resumption(self, manifest: str | os.PathLike[str], **how: Any) -> calls.Follow:
        return self._batch_maker().resumption(manifest, **how)

    def _cancelling(self, batch_ids: Iterable[str] | str | os.PathLike[str], provider: str | None) -> calls.Cancel:
        return self._batch_maker().cancelling(batch_ids, provider)

    def _checking(self, manifest: str | os.PathLike[str]) -> calls.Check:
        return self._batch_maker().checking(manifest)

    def _batch_maker(self) -> BatchMaker:
        from deluge_sync.client.batch_maker import BatchMaker  # with the first job: it loads all of `batch`

        return BatchMaker(self)


def _interruptible(run: Callable[[], T], manifest: Callable[[], Path | None]) -> T:
    """What `run` gives; a Ctrl-C while there is a manifest says how to go on."""
    try:
        return run()
    except KeyboardInterrupt:
        found = manifest()
        if found is None:
            raise
        raise BatchInterrupted(found) from None  # its context tells what it was: a signal may have a class of its own
