"""How calls for numbers are made of what a client has. Loaded with the first texts: prompts need none of `embedding`.

`client.embeddings` has the methods that users call, `client.numbers` carries a call out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from deluge_sync._adapters.embeddings.inputs import INPUT_TYPES, InputType, Wish
from deluge_sync._engine.engine import Engine
from deluge_sync._engine.pool import Pool, Route
from deluge_sync.client import settings
from deluge_sync.client.budgets import run_within
from deluge_sync.client.number_routes import find_number_model, limits_of, make_number_route
from deluge_sync.client.numbers import Asked, Found, NumbersCall, text_problem
from deluge_sync.embedding.batches import limits_for
from deluge_sync.embedding.result import ON_ERROR, Embeddings, OnError, Ranked, Ranking, load_numpy
from deluge_sync.embedding.stored import StoredNumbers
from deluge_sync.errors import ClientClosedError, ConfigError, EmbeddingError, RerankError

if TYPE_CHECKING:
    from deluge_sync.client.embeddings import EmbeddingCalls
    from deluge_sync.models import Model

__all__ = ["NumberMaker", "ShapedCall"]


class NumberMaker:
    """Makes the calls of one client, which lends what they need."""

    def __init__(self, client: EmbeddingCalls) -> None:
        self._client = client

    def embedding(
        self,
        texts: Any,
        model: str,
        *,
        dimensions: int | None,
        input_type: InputType | None,
        as_numpy: bool,
        **how: Any,
    ) -> ShapedCall:
        if input_type is not None:
            settings.check_choice("input_type", input_type, INPUT_TYPES)
        if dimensions is not None:
            settings.check_whole_numbers(dimensions=dimensions)
        if as_numpy:
            load_numpy()
        given = [texts] if isinstance(texts, str) else _texts("texts", texts)
        found_model = find_number_model(model, "embedding", base_url=self._client._base_url)

        def shape(found: Found, *, raises: bool) -> Embeddings | Any:
            embeddings = Embeddings(found.numbers, **_facts(found_model, found))
            if found.errors and raises:
                raise EmbeddingError(embeddings)
            return embeddings.to_numpy() if as_numpy else embeddings

        return self._shaped(given, found_model, shape, wish=Wish(dimensions, input_type), **how)

    def ranking(self, query: Any, documents: Any, model: str, *, top_n: int | None, **how: Any) -> ShapedCall:
        if not isinstance(query, str) or not query.strip() or text_problem(query) is not None:
            raise ConfigError(f"query must be a text that is not empty; got {query!r:.80}")
        if top_n is not None:
            settings.check_whole_numbers(top_n=top_n)
        if isinstance(documents, str):
            raise ConfigError("documents must be a list of texts, not one text")
        given = _texts("documents", documents)
        found_model = find_number_model(model, "rerank", base_url=self._client._base_url)

        def shape(found: Found, *, raises: bool) -> Ranking:
            ranking = Ranking(_ranked(given, found)[:top_n], **_facts(found_model, found))
            if found.errors and raises:
                raise RerankError(ranking, len(given))
            return ranking

        return self._shaped(given, found_model, shape, wish=Wish(), query=query, arrived=_scores, **how)

    def _shaped(
        self,
        texts: list[str],
        model: Model,
        shape: Callable[..., Any],
        *,
        on_error: OnError,
        show_progress: bool,
        arrived: Callable[[Found], list[Any]] | None = None,
        **how: Any,
    ) -> ShapedCall:
        settings.check_choice("on_error", on_error, ON_ERROR)
        asked = self._asked(model, **how)

        def display(requests: int) -> AbstractContextManager[object]:
            return self._client._display(requests, show=show_progress and requests > 0)

        call = NumbersCall(texts, asked, display, self._client._expect)
        return ShapedCall(call, partial(shape, raises=on_error == "raise"), arrived or attrgetter("numbers"))

    def _asked(
        self,
        model: Model,
        *,
        wish: Wish,
        batch_size: int | None,
        extra_body: Mapping[str, Any] | None,
        max_cost: float | None,
        query: str | None = None,
    ) -> Asked:
        if batch_size is not None:
            settings.check_whole_numbers(batch_size=batch_size)
        body = settings.body_of(extra_body)
        run = run_within(self._client._budget, max_cost, [model], service_tier=None)
        engine, route = self._engine(model)
        per_minute = self._client._limits.tokens_per_minute
        return Asked(
            engine=engine,
            run=run,
            extras=replace(self._client._plain_call, body=body, background=False, wish=wish),
            limits=limits_for(limits_of(model), batch_size=batch_size, tokens_per_minute=per_minute),
            context_tokens=model.context_tokens,
            workers=self._client._engine_settings.max_workers,
            stored=self._stored(model, route, wish, query=query, body=body),
            query=query,
        )

    def _stored(
        self, model: Model, route: Route, wish: Wish, *, query: str | None, body: Mapping[str, Any]
    ) -> StoredNumbers | None:
        cache = self._client._engine_settings.cache
        if cache is None:
            return None
        return StoredNumbers(cache, model, route.base_url, wish, query=query, extra_body=body)

    def _engine(self, model: Model) -> tuple[Engine, Route]:
        """The engine for this model, made at its first call, and its route."""
        client = self._client
        with client._lock:
            if client._is_closed:
                raise ClientClosedError("the client is closed")
            if model not in client._number_engines:
                client._number_engines[model] = self._make_engine(model)
            return client._number_engines[model]

    def _make_engine(self, model: Model) -> tuple[Engine, Route]:
        client = self._client
        route = make_number_route(
            model,
            base_url=client._base_url,
            api_key=client._api_key,
            env=client._env(),
            limiters=client._limiters,
            limiter_for_key=client._limiter_for_key,
        )
        # What is kept and what is sent once is a text, not a request; and no user's function expects such responses.
        plain = replace(client._engine_settings, cache=None, dedupe=False, postprocess=None)
        return Engine(Pool([route], [1.0]), plain, client.tracker), route


@dataclass(frozen=True, slots=True)
class ShapedCall:
    """A call and what is made of what it finds. As `NumbersCall`: `run` once, `stop` from any thread.

    arrived: one entry a text of what is there by then, for whoever interrupted the call.
    """

    call: NumbersCall
    shape: Callable[[Found], Any]
    arrived: Callable[[Found], list[Any]]

    def run(self) -> Any:
        return self.shape(self.call.run())

    def stop(self) -> None:
        self.call.stop()


def _scores(found: Found) -> list[float | None]:
    return [None if numbers is None else numbers[0] for numbers in found.numbers]


def _texts(name: str, texts: Any) -> list[str]:
    if isinstance(texts, Mapping) or not isinstance(texts, Iterable):
        raise ConfigError(f"{name} must be an iterable of texts; got {texts!r:.80}")
    given = list(texts)
    for place, text in enumerate(given):
        if not isinstance(text, str):
            raise ConfigError(f"{name}: each must be a text (str); at position {place} is a {type(text).__name__}")
    return given


def _facts(model: Model, found: Found) -> dict[str, Any]:
    return {
        "model": model.id,
        "errors": found.errors,
        "usage": found.usage,
        "cost": found.cost,
        "from_cache": found.from_cache,
    }


def _ranked(documents: list[str], found: Found) -> list[Ranked]:
    """Those that have a score, the best first; `sorted` leaves equal ones in their order."""
    scores = enumerate(_scores(found))
    scored = [Ranked(place, score, documents[place]) for place, score in scores if score is not None]
    return sorted(scored, key=lambda ranked: -ranked.score)
