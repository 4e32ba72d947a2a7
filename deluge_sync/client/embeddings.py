"""The calls of `LLMClient` that turn texts into vectors and rank documents. `aio.embeddings` has the awaitable half."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, overload

from deluge_sync.errors import Interrupted

if TYPE_CHECKING:
    import threading

    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.budget import Budget
    from deluge_sync._engine.engine import Engine
    from deluge_sync._engine.limiter import LeakyBucketLimiter
    from deluge_sync._engine.pool import Route
    from deluge_sync._engine.settings import EngineSettings
    from deluge_sync._secret import Secret
    from deluge_sync.client.number_maker import NumberMaker, ShapedCall
    from deluge_sync.client.routes import Limiters
    from deluge_sync.embedding import Embeddings, InputType, OnError, Ranking
    from deluge_sync.models import Model
    from deluge_sync.tracker import Limits, Tracker

__all__ = ["EmbeddingCalls"]


class EmbeddingCalls:
    """`LLMClient` inherits from it and makes what is declared here.

    `_number_engines` are those for texts, by model: a prompt never falls back to a model that answers none, nor the
    other way round. They share the limiters of the prompts, by key.
    """

    if TYPE_CHECKING:
        tracker: Tracker
        _base_url: str | None
        _api_key: Secret | None
        _env: Callable[[], Mapping[str, str]]
        _limits: Limits
        _plain_call: Extras
        _engine_settings: EngineSettings
        _lock: threading.Lock
        _is_closed: bool
        _number_engines: dict[Model, tuple[Engine, Route]]
        _budget: Budget | None
        _limiters: Limiters

        def _limiter_for_key(self) -> LeakyBucketLimiter: ...
        def _expect(self, count: int | None) -> None: ...
        def _display(self, total: int | None, *, show: bool) -> AbstractContextManager[object]: ...

    @overload
    def embed_sync(
        self,
        texts: Iterable[str] | str,
        model: str = "text-embedding-3-small",
        *,
        dimensions: int | None = None,
        input_type: InputType | None = None,
        batch_size: int | None = None,
        as_numpy: Literal[False] = False,
        on_error: OnError = "raise",
        show_progress: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        max_cost: float | None = None,
    ) -> Embeddings: ...
    @overload
    def embed_sync(
        self,
        texts: Iterable[str] | str,
        model: str = "text-embedding-3-small",
        *,
        dimensions: int | None = None,
        input_type: InputType | None = None,
        batch_size: int | None = None,
        as_numpy: Literal[True],
        on_error: OnError = "raise",
        show_progress: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        max_cost: float | None = None,
    ) -> Any: ...
    def embed_sync(
        self,
        texts: Iterable[str] | str,
        model: str = "text-embedding-3-small",
        *,
        dimensions: int | None = None,
        input_type: InputType | None = None,
        batch_size: int | None = None,
        as_numpy: bool = False,
        on_error: OnError = "raise",
        show_progress: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        max_cost: float | None = None,
    ) -> Embeddings | Any:
        """Turn texts into vectors and wait for it. One vector per text, in the texts' order.

        Texts go in batches as large as the provider takes, within the client's limits, and are tried again as prompts
        are. Equal texts are sent once; with a `cache` each text is stored by itself, so that a later run sends those
        alone that are new. The client's pool of models has no part in it.

        Args:
            texts: any iterable of texts, or one text. An empty text fails: no provider takes it.
            model: a model for embeddings (`find_models(mode="embedding")`), or with `base_url` any name.
            dimensions: shorter vectors than the model's own, where the model can make them.
            input_type: what the vectors are for. Models that tell a query from a document want to know; others are not
                told. Cohere's take a text for a "document" if nothing is said.
            batch_size: texts in one request at most, if fewer than the provider takes.
            as_numpy: give a numpy array of float32 instead, of shape (texts, dimensions).
            on_error: "raise" an `EmbeddingError` when a text failed, which carries the vectors of the others; or "keep"
                them, with None in the place of each that failed (a row of NaN in an array).
            extra_body: fields for the top of each request's JSON, in the provider's own words. The client's own
                `extra_body` is for prompts and not sent here; its `extra_headers` are.
            max_cost: US dollars for this call, as in `process_prompts_sync`. What it does not cover fails.

        Raises:
            ConfigError, UnknownModelError, MissingKeyError: before anything is sent.
            EmbeddingError: see `on_error`.
            Interrupted: Ctrl-C. Its `responses` are the vectors that had arrived, None where none had.
        """
        call = self._embedding(
            texts,
            model,
            dimensions=dimensions,
            input_type=input_type,
            batch_size=batch_size,
            as_numpy=as_numpy,
            on_error=on_error,
            show_progress=show_progress,
            extra_body=extra_body,
            max_cost=max_cost,
        )
        return _uninterrupted(call)

    def rerank_sync(
        self,
        query: str,
        documents: Iterable[str],
        *,
        model: str = "rerank-v3.5",
        top_n: int | None = None,
        batch_size: int | None = None,
        on_error: OnError = "raise",
        show_progress: bool = True,
        extra_body: Mapping[str, Any] | None = None,
        max_cost: float | None = None,
    ) -> Ranking:
        """Order documents by how well they fit the query, the best first, and wait for it.

        Each document's score is its own, so that any number of documents can be ranked: in batches, sent, tried again,
        cached and sent once where they are equal as texts are in `embed_sync`.

        Args:
            documents: any iterable of texts. An empty one fails.
            model: a model for ranking (`find_models(mode="rerank")`), or with `base_url` any name.
            top_n: so many of the best; None for all. It changes nothing of what is sent and paid.
            on_error: "raise" a `RerankError` when a document failed, which carries the ranking of the others; or "keep"
                that.
            batch_size, extra_body, max_cost: as in `embed_sync`.

        Raises:
            ConfigError, UnknownModelError, MissingKeyError: before anything is sent.
            RerankError: see `on_error`.
            Interrupted: Ctrl-C. Its `responses` are the scores that had arrived, None where none had.
        """
        call = self._ranking(
            query,
            documents,
            model,
            top_n=top_n,
            batch_size=batch_size,
            on_error=on_error,
            show_progress=show_progress,
            extra_body=extra_body,
            max_cost=max_cost,
        )
        ranking: Ranking = _uninterrupted(call)
        return ranking

    # --- how a call is made

    def _embedding(self, texts: Any, model: str, **how: Any) -> ShapedCall:
        return self._number_maker().embedding(texts, model, **how)

    def _ranking(self, query: Any, documents: Any, model: str, **how: Any) -> ShapedCall:
        return self._number_maker().ranking(query, documents, model, **how)

    def _number_maker(self) -> NumberMaker:
        from deluge_sync.client.number_maker import NumberMaker  # with the first texts: it loads all of `embedding`

        return NumberMaker(self)


def _uninterrupted(call: ShapedCall) -> Any:
    try:
        return call.run()
    except KeyboardInterrupt:
        call.stop()
        raise Interrupted(call.arrived(call.call.found())) from None
