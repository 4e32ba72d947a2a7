"""`LLMClient`: answers prompts through one model or a pool of them, within the limits it was given."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from deluge_sync._adapters.call import Extras
from deluge_sync._engine.limiter import LeakyBucketLimiter
from deluge_sync._engine.pool import Pool, Route
from deluge_sync._engine.retry import RetryPolicy
from deluge_sync._engine.settings import EngineSettings
from deluge_sync._engine.tasks import Tasks
from deluge_sync._fork import start_afresh_in_child
from deluge_sync.aio import AsyncFacade
from deluge_sync.client import settings
from deluge_sync.client.agents import AgentCalls
from deluge_sync.client.answers import PromptCalls
from deluge_sync.client.batches import BatchCalls
from deluge_sync.client.budgets import budget_of_client
from deluge_sync.client.config_file import ConfigFiles
from deluge_sync.client.embeddings import EmbeddingCalls
from deluge_sync.client.estimate import EstimateCalls
from deluge_sync.client.mcp import MCPCalls
from deluge_sync.client.opening import Opening
from deluge_sync.client.routes import Limiters, find_models, make_routes
from deluge_sync.client.tasks import TaskCalls
from deluge_sync.config import ReasoningEffort, SamplingParams
from deluge_sync.errors import ClientClosedError, ConfigError
from deluge_sync.tool.mcp.registry import Holder
from deluge_sync.tracker import Limits, Tracker

if TYPE_CHECKING:
    from types import TracebackType

    from deluge_sync._engine.engine import Engine
    from deluge_sync.models import Model
    from deluge_sync.response import APIResponse

__all__ = ["LLMClient"]

_LIMIT_FIELDS = {
    "max_requests_per_minute": "requests_per_minute",
    "max_tokens_per_minute": "tokens_per_minute",
    "max_concurrent_requests": "concurrency",
}


class LLMClient(
    ConfigFiles,
    Opening,
    PromptCalls,
    TaskCalls,
    EstimateCalls,
    AgentCalls,
    MCPCalls,
    BatchCalls,
    EmbeddingCalls,
    AsyncFacade,
):
    """Answers prompts through hosted models. One client serves any number of threads, with or without event loops.

    A prompt is a text, a `Message`, a `Conversation`, or a list of messages in OpenAI's form. Each gets one
    `APIResponse`; a prompt that fails gets one with `is_error`, and the others are unaffected. Wrong use raises.

    Args:
        model_names: registered names (see `register_model`); with `base_url` any name that the endpoint knows.
        name: shown beside the progress bar.
        max_requests_per_minute, max_tokens_per_minute: never exceeded in any 60 s, for each key. Tokens are those of
            the prompt and of the longest answer it may get.
        max_concurrent_requests: requests on the wire at once.
        sampling_params: one for all models or one each; by default made of `temperature`, `top_p`, `json_mode`,
            `max_new_tokens`, `reasoning_effort`, `thinking_budget`, `seed`, `stop`, `logprobs` and `top_logprobs`.
        model_weights: "uniform", or one number a model; a prompt's model is drawn by them.
        max_attempts: requests for one prompt at most, the first one included. Rate-limit replies do not count.
        request_timeout: seconds for one request in total, from connecting to the last byte.
        cache: answers from earlier runs: an object with `get(prompt)` and `put(prompt, response)`, such as those of
            `deluge_sync.cache`. What it raises costs a warning and no answer.
        dedupe: of prompts that are the same question at the same time send one, and give its answer to all of them. A
            `cache` does so too.
        store_truncated: let the cache keep answers too that the token limit or an error cut off.
        extra_headers: sent with every request.
        use_responses_api: ask OpenAI's Responses API instead of chat completions.
        background: have the provider work on answers by itself and look after them, so that none of them holds a
            connection or a place among `max_concurrent_requests`. Needs `use_responses_api`.
        extra_body: fields for the top of every request's JSON, in the provider's own words.
        force_local_mcp: connect to every `MCPServer` among the tools from here, also where the provider would do it.
        progress: how `show_progress` looks: a panel, a bar, or a log line now and then.
        postprocess: called once with each response, in a worker thread; what it returns is delivered.
        base_url: send everything there; what comes before `/chat/completions`.
        api_key: instead of the environment's; an empty one sends no key.
        env: read instead of `os.environ`, for keys and base URLs.
        limiter: shared with other clients, instead of the three limits above.
        limits: "auto" knows no limits but that on concurrency and starts from the provider's headers alone.
        max_seconds_per_prompt: for all attempts and waits of one prompt; None for no bound.
        outage_patience: seconds that a prompt waits for a provider that is down, before it fails.
        thinking_budget, seed, stop: see `SamplingParams`.
        background_timeout: seconds that a background answer may take; then it is cancelled.
        stream_idle_timeout: seconds that a streamed answer may pause before it counts as broken.
        max_cost: US dollars for all prompts that the client ever sends; see `process_prompts_sync`. Each process has
            its own.

    Raises:
        UnknownModelError: a name is not registered.
        ConfigError: a setting cannot work; the message names it.
        NotImplementedError: `model_weights="dynamic"`.

    Threads, connections and keys are taken at the first prompt (`MissingKeyError` is raised there), and made anew in
    a forked child. `close`, or leaving a `with` block, ends them; `open` opens the client again. `_lock` guards the
    making and closing of the engine.
    """

    def __init__(
        self,
        model_names: str | list[str] = "gpt-4.1-mini",
        *,
        name: str | None = None,
        max_requests_per_minute: int = 1_000,
        max_tokens_per_minute: int = 100_000,
        max_concurrent_requests: int = 225,
        sampling_params: list[SamplingParams] | None = None,
        model_weights: list[float] | Literal["uniform", "dynamic"] = "uniform",
        max_attempts: int = 5,
        request_timeout: int = 30,
        cache: Any = None,
        extra_headers: dict[str, str] | None = None,
        use_responses_api: bool = False,
        background: bool = False,
        temperature: float = 0.75,
        top_p: float = 1.0,
        json_mode: bool = False,
        max_new_tokens: int = 512,
        reasoning_effort: ReasoningEffort | None = None,
        logprobs: bool = False,
        top_logprobs: int | None = None,
        force_local_mcp: bool = False,
        progress: settings.Progress = "rich",
        postprocess: Callable[[APIResponse], APIResponse] | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        env: Mapping[str, str] | None = None,
        limiter: LeakyBucketLimiter | None = None,
        limits: Literal["auto"] | None = None,
        max_seconds_per_prompt: float | None = None,
        outage_patience: float = 60,
        thinking_budget: int | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        stream_idle_timeout: float = 60,
        background_timeout: float = 3_600,
        dedupe: bool = False,
        store_truncated: bool = False,
        max_cost: float | None = None,
    ) -> None:
        settings.check_whole_numbers(
            max_requests_per_minute=max_requests_per_minute,
            max_tokens_per_minute=max_tokens_per_minute,
            max_concurrent_requests=max_concurrent_requests,
            max_attempts=max_attempts,
        )
        settings.check_numbers(request_timeout=request_timeout, outage_patience=outage_patience)
        settings.check_numbers(stream_idle_timeout=stream_idle_timeout, background_timeout=background_timeout)
        if max_seconds_per_prompt is not None:
            settings.check_numbers(max_seconds_per_prompt=max_seconds_per_prompt)
        settings.check_choice("progress", progress, settings.PROGRESS)
        settings.check_type("name", name, str)
        settings.check_type("env", env, Mapping)
        settings.check_type("limiter", limiter, LeakyBucketLimiter)
        if limits is not None:
            settings.check_choice("limits", limits, ("auto",))
        settings.check_cache(cache)
        settings.check_callable("postprocess", postprocess)
        settings.check_background(use_responses_api=use_responses_api, background=background)
        names = settings.names_of(model_names)
        default = SamplingParams(
            temperature=temperature,
            top_p=top_p,
            json_mode=json_mode,
            max_new_tokens=max_new_tokens,
            reasoning_effort=reasoning_effort,
            logprobs=logprobs,
            top_logprobs=top_logprobs,
            thinking_budget=thinking_budget,
            seed=seed,
            stop=settings.stop_of(stop),
        )
        self.name = name
        self.force_local_mcp = force_local_mcp
        self.progress: settings.Progress = progress
        self.sampling_params = settings.params_of(sampling_params, names, default)
        self._weights = settings.weights_of(model_weights, names)
        self._models = find_models(names, base_url=base_url, use_responses_api=use_responses_api)
        settings.check_one_key_fits(api_key, self._models, base_url=base_url)
        self._base_url = base_url
        self._api_key = None if api_key is None else settings.key_of("api_key", api_key)
        # Behind a function, as the headers are behind `Extras`: printing the client's attributes shows no key.
        self._env: Callable[[], Mapping[str, str]] = lambda: os.environ if env is None else env
        self._limits = Limits(max_requests_per_minute, max_tokens_per_minute, max_concurrent_requests)
        self._is_auto = limits == "auto"
        if self._is_auto:
            self._limits = Limits(concurrency=max_concurrent_requests)
        self._limiter = limiter
        self._plain_call = Extras(
            headers=settings.headers_of(extra_headers), body=settings.body_of(extra_body), background=background
        )
        self._engine_settings = EngineSettings(
            max_workers=max_concurrent_requests,
            request_timeout_s=request_timeout,
            seconds_per_prompt=max_seconds_per_prompt or inf,
            outage_patience_s=outage_patience,
            stream_idle_s=stream_idle_timeout,
            background_timeout_s=background_timeout,
            retry=RetryPolicy(max_attempts=max_attempts),
            cache=cache,
            dedupe=dedupe,
            store_truncated=store_truncated,
            postprocess=postprocess,
        )
        self._make_budget = partial(budget_of_client, max_cost, self._models)
        self._is_closed = False
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        # A forked child gets counters, threads, connections and a minute's budget of its own.
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._number_engines: dict[Model, tuple[Engine, Route]] = {}
        self._limiters: Limiters = {}
        self._task_numbers = count()
        self._made_agents = None
        self._tasks = Tasks(self._task_numbers)
        self._mcp = Holder()
        self._session = None
        self._budget = self._make_budget()
        self.tracker = Tracker(self._limits)

    @classmethod
    def from_env_file(cls, path: str | Path = ".env", *args: Any, **settings: Any) -> Self:
        """A client that also looks into a `.env` file for keys and base URLs. `os.environ` wins, and stays as it is.

        Takes the constructor's arguments after the path.

        Raises:
            ConfigError: there is no such file, or it is no text.
        """
        return cls(*args, env={**_read_env_file(Path(path)), **os.environ}, **settings)

    @property
    def models(self) -> list[str]:
        """The registry ids of the pool, in the order given."""
        return [model.id for model in self._models]

    def with_limits(
        self,
        *,
        max_requests_per_minute: int | None = None,
        max_tokens_per_minute: int | None = None,
        max_concurrent_requests: int | None = None,
    ) -> Self:
        """Change those limits that are given, also while prompts are running, and return the client.

        What was sent in the last minute counts against the new limits. A limiter that was handed in changes for all
        who share it. More concurrency than the client began with needs as many more threads, which come as needed.

        Raises:
            ConfigError: a number cannot work; nothing was changed.
        """
        changes = {
            "max_requests_per_minute": max_requests_per_minute,
            "max_tokens_per_minute": max_tokens_per_minute,
            "max_concurrent_requests": max_concurrent_requests,
        }
        given = {name: value for name, value in changes.items() if value is not None}
        settings.check_whole_numbers(**given)
        with self._lock:
            self._limits = replace(self._limits, **{_LIMIT_FIELDS[name]: value for name, value in given.items()})
            self.tracker.set_limits(self._limits)
            if max_concurrent_requests is not None:
                self._engine_settings = replace(self._engine_settings, max_workers=max_concurrent_requests)
            if self._limiter is not None:
                self._limiter.resize(**given)
            else:
                for engine in self._engines():
                    engine.resize(**given)
                for limiter in self._limiters.values():  # of a closed client, which may be opened again
                    limiter.resize(**given)
        return self

    def close(self) -> None:
        """Cancel what is not finished, and end all threads, connections and the display that `open` began.

        Calls and new tasks raise `ClientClosedError` until `open` opens the client again. Its limits, counts and budget
        go on from where they were, and what its tasks have given can still be asked for.
        """
        self._close(in_a_hurry=False)

    def _close(self, *, in_a_hurry: bool) -> None:
        with self._lock:
            self._is_closed = True
            engines = self._engines()
            self._engine, self._number_engines = None, {}
            agents = self._made_agents
        if agents is not None:
            agents.close()
        self._mcp.close()
        for engine in engines:
            engine.close(in_a_hurry=in_a_hurry)
        self._end_session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(in_a_hurry=isinstance(error, KeyboardInterrupt))

    def __repr__(self) -> str:
        return f"LLMClient({', '.join(self.models)})"

    # --- how a call is made

    def _running_engine(self) -> Engine:
        with self._lock:
            if self._is_closed:
                raise ClientClosedError("the client is closed; open() opens it again")
            if self._engine is None:
                self._engine = self._make_engine()
            return self._engine

    def _engines(self) -> list[Engine]:
        """Those that run. Called with the lock held."""
        ours = [] if self._engine is None else [self._engine]
        return ours + [engine for engine, _ in self._number_engines.values()]

    def _make_engine(self) -> Engine:
        from deluge_sync._engine.engine import Engine  # with the first prompt: it loads requests

        routes = make_routes(
            self._models,
            self.sampling_params,
            base_url=self._base_url,
            api_key=self._api_key,
            env=self._env(),
            limiter_for_key=self._limiter_for_key,
            limiters=self._limiters,
        )
        return Engine(Pool(routes, self._weights), self._engine_settings, self.tracker)

    def _limiter_for_key(self) -> LeakyBucketLimiter:
        if self._limiter is not None:
            return self._limiter
        limits = self._limits
        if not self._is_auto:
            return LeakyBucketLimiter(limits.requests_per_minute, limits.tokens_per_minute, limits.concurrency)
        limiter = LeakyBucketLimiter.auto(limits.concurrency)
        limiter.resize(  # by what `with_limits` was told
            max_requests_per_minute=limits.requests_per_minute, max_tokens_per_minute=limits.tokens_per_minute
        )
        return limiter


def _read_env_file(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values  # only here, so that plain use does not load it

    if not path.is_file():
        raise ConfigError(f"no such file: {path}")
    try:
        return {name: value for name, value in dotenv_values(path, encoding="utf-8-sig").items() if value is not None}
    except UnicodeDecodeError as error:
        problem = error.reason
    # Raised here and not where it was caught: that exception holds the whole file.
    raise ConfigError(f"{path} is no UTF-8 text: {problem}")
