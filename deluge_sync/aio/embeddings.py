"""Awaiting vectors and rankings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from deluge_sync.aio.bridge import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from deluge_sync.aio.bridge import Stoppable
    from deluge_sync.embedding import Embeddings, InputType, OnError, Ranking

__all__ = ["AsyncEmbeddings"]


class AsyncEmbeddings:
    """`AsyncFacade` inherits from it; `EmbeddingCalls` makes what is declared here."""

    if TYPE_CHECKING:

        def _embedding(self, texts: Any, model: str, **how: Any) -> Stoppable[Any]: ...
        def _ranking(self, query: Any, documents: Any, model: str, **how: Any) -> Stoppable[Any]: ...

    @overload
    async def embed(
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
    async def embed(
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
    async def embed(
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
        """Like `embed_sync`. Cancelling the awaiting task cuts off what is under way."""
        return await in_thread(
            self._embedding(
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
        )

    async def rerank(
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
        """Like `rerank_sync`. Cancelling the awaiting task cuts off what is under way."""
        ranking: Ranking = await in_thread(
            self._ranking(
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
        )
        return ranking
