"""The calls of `LLMClient` that answer prompts. `aio.prompts` has the awaitable half."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

from deluge_sync._adapters.json_schema import schema_of
from deluge_sync.aio import StreamItem
from deluge_sync.client import settings
from deluge_sync.client.budgets import run_within
from deluge_sync.client.collect import Collect
from deluge_sync.client.feed import Feed
from deluge_sync.client.prompts import as_prompts, length_of
from deluge_sync.client.stream import ShownCall, StreamCall
from deluge_sync.errors import ConfigError, Interrupted
from deluge_sync.prompt import Prompt, to_conversation

if TYPE_CHECKING:
    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.budget import Budget
    from deluge_sync._engine.engine import Engine
    from deluge_sync._engine.job import Job, Run
    from deluge_sync._engine.settings import EngineSettings
    from deluge_sync._engine.streaming import Listener
    from deluge_sync.models import Model
    from deluge_sync.response import APIResponse
    from deluge_sync.tool import AnyTool
    from deluge_sync.tracker import Tracker

__all__ = ["PromptCalls"]

# So many prompts are handed to the engine ahead of the answers: enough to keep every worker busy, few enough for
# memory to stay flat. A call that keeps all its answers anyway may look further ahead.
_WINDOW_PER_WORKER = 2
_WINDOW_OF_LISTS = 2_500


class PromptCalls:
    """`LLMClient` inherits from it and makes what is declared here."""

    if TYPE_CHECKING:
        tracker: Tracker
        _plain_call: Extras
        _models: list[Model]
        _budget: Budget | None
        _engine_settings: EngineSettings

        @property
        def models(self) -> list[str]: ...
        def _running_engine(self) -> Engine: ...
        def _reached(self, tools: Any) -> Any: ...
        def _expect(self, count: int | None) -> None: ...
        def _display(self, total: int | None, *, show: bool) -> AbstractContextManager[object]: ...

    @overload
    def process_prompts_sync(
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
    def process_prompts_sync(
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
    def process_prompts_sync(
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
        """Answer all prompts and wait for it. One response per prompt, in the prompts' order.

        Args:
            prompts: any iterable, or one prompt. A prompt that cannot be read becomes an error response.
            return_completions_only: give texts instead; None for a prompt that failed.
            tools: what the model may call: `Tool`s, or dicts in the provider's own form. Nothing is run.
            output_schema: a pydantic model class or a JSON Schema that the answers shall fit.
            cache: a pattern of the provider's prompt cache, such as "system_and_tools".
            service_tier: "auto", "default", "flex" or "priority".
            prefer_model: of several models the one to ask first; "last" is the one that answered the conversation
                last. When it cannot answer, the others are asked as usual.
            max_cost: US dollars for all these prompts together. A request is sent only if the most that it can cost
                still fits beside what was spent and what those under way can cost; otherwise the prompt waits, and
                when it is clear that it will never fit it becomes an error response of the kind "budget".

        Raises:
            ConfigError, MissingKeyError: before anything is sent.
            Interrupted: Ctrl-C. What had arrived is in its `responses`; what was on the wire is cut off.
        """
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
        try:
            responses = call.run()
        except KeyboardInterrupt:
            raise Interrupted(call.partial()) from None
        return [response.completion for response in responses] if return_completions_only else responses

    def process_prompts_iter(
        self,
        prompts: Iterable[Prompt] | Prompt,
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
    ) -> Generator[tuple[int, APIResponse]]:
        """Yield `(position, response)` as answers come, in any order; for more prompts than fit into memory.

        `prompts` is read lazily, and at most twice `max_concurrent_requests` of them are outstanding. Leaving the loop
        early, or closing the iterator, cancels those. `total` is for the progress display, where the iterable has no
        length. `on_response(position, response)` is called in the worker that has the answer, before that worker goes
        on to another prompt: whoever stores answers there has at most `max_concurrent_requests` of them unstored at any
        moment. It may run in several threads at once; what it raises ends the iteration. Other arguments and errors as
        in `process_prompts_sync`, `Interrupted` excepted.
        """
        return self._iteration(
            prompts,
            show_progress=show_progress,
            total=total,
            on_response=on_response,
            tools=tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
            max_cost=max_cost,
        ).__iter__()

    def stream_chat_sync(
        self,
        prompt: Prompt,
        tools: Sequence[AnyTool] | None = None,
        *,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> Generator[StreamItem]:
        """Yield the answer while it arrives, and the `APIResponse` last.

        Text comes as `str`, reasoning as `ThinkingDelta`, tool calls as `ToolCallDelta`. Limits, timeouts and retries
        are those of every prompt, but once a piece was handed out there is no retry: a stream that breaks then ends as
        an error response whose `content` has what came. Leaving the loop early cuts the answer off.

        Raises:
            ConfigError, MissingKeyError: before anything is sent.
        """
        return self._stream(
            prompt,
            tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        ).__iter__()

    def stream_sync(
        self,
        prompt: Prompt,
        tools: Sequence[AnyTool] | None = None,
        *,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> APIResponse:
        """Print the answer's text on standard output while it arrives, and return the `APIResponse`."""
        return self._shown(
            prompt,
            tools,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        ).run()

    # --- how a call is made

    def _iteration(
        self,
        prompts: Any,
        *,
        show_progress: bool,
        total: int | None,
        on_response: Callable[[int, APIResponse], None] | None,
        max_cost: float | None,
        **extras: Any,
    ) -> _Iteration:
        if on_response is not None:
            settings.check_callable("on_response", on_response)
        prompts = as_prompts(prompts)
        window = _WINDOW_PER_WORKER * self._engine_settings.max_workers
        feed = self._feed(prompts, self._extras(**extras), window=window, on_response=on_response, max_cost=max_cost)
        return _Iteration(feed, self._display(length_of(prompts) if total is None else total, show=show_progress))

    def _prepare(
        self, prompts: Any, *, show_progress: bool, max_cost: float | None, **extras: Any
    ) -> Collect[APIResponse]:
        prompts = as_prompts(prompts)
        total = length_of(prompts)
        window = max(_WINDOW_OF_LISTS, _WINDOW_PER_WORKER * self._engine_settings.max_workers)
        feed = self._feed(prompts, self._extras(**extras), window=window, needs_all=True, max_cost=max_cost)
        return Collect(feed, self._display(total, show=show_progress), total)

    def _extras(
        self, *, tools: Any, output_schema: Any, cache: str | None, service_tier: str | None, prefer_model: str | None
    ) -> Extras:
        if cache is not None:
            settings.check_choice("cache", cache, settings.CACHE_PATTERNS)
        if service_tier is not None:
            settings.check_choice("service_tier", service_tier, settings.SERVICE_TIERS)
        if prefer_model is not None:
            settings.check_choice("prefer_model", prefer_model, (*self.models, "last"))
        if output_schema is not None:
            schema_of(output_schema)
        return replace(
            self._plain_call,
            tools=settings.tools_of(self._reached(tools)),
            output_schema=output_schema,
            cache_pattern=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        )

    def _run(self, max_cost: float | None, *, service_tier: str | None) -> Run:
        return run_within(self._budget, max_cost, self._models, service_tier=service_tier)

    def _feed(
        self,
        prompts: Iterable[Any],
        extras: Extras,
        *,
        window: int,
        max_cost: float | None,
        needs_all: bool = False,
        on_response: Callable[[int, APIResponse], None] | None = None,
    ) -> Feed[APIResponse]:
        run = self._run(max_cost, service_tier=extras.service_tier)
        engine = self._running_engine()

        def prepare(position: int, prompt: Any) -> Job:
            try:
                conversation = to_conversation(prompt)
            except ConfigError as error:
                return engine.refuse(position, error, run=run)
            return engine.prepare(position, conversation, run=run, extras=extras)

        start, cancel = engine.start, engine.cancel
        return Feed(prompts, prepare, start, cancel, window=window, needs_all=needs_all, on_response=on_response)

    def _stream(self, prompt: Any, tools: Any, **extras: Any) -> StreamCall:
        call = self._extras(tools=tools, **extras)
        run = self._run(None, service_tier=call.service_tier)
        engine, conversation = self._running_engine(), to_conversation(prompt)
        self._expect(1)

        def submit(listener: Listener) -> Job:
            return engine.submit(0, conversation, run=run, extras=call, listener=listener)

        return StreamCall(submit, engine.cancel)

    def _shown(self, prompt: Any, tools: Any, **extras: Any) -> ShownCall:
        return ShownCall(self._stream(prompt, tools, **extras))


class _Iteration:
    """Answers one by one, with progress shown meanwhile. Iterated once; `stop` from any thread."""

    def __init__(self, feed: Feed[APIResponse], display: AbstractContextManager[object]) -> None:
        self._feed = feed
        self._display = display

    def __iter__(self) -> Generator[tuple[int, APIResponse]]:
        with self._display:
            try:
                yield from self._feed
            finally:
                self._feed.stop()

    def stop(self) -> None:
        """Cancel what is outstanding and end the iteration."""
        self._feed.stop()
