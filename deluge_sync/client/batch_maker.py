"""How the calls for batch jobs are made of what a client has. Loaded with the first job: prompts need none of `batch`.

`client.batches` has the methods that users call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from deluge_sync._display import open_display
from deluge_sync._engine.cache_key import CacheKeys
from deluge_sync._engine.finish import Finisher
from deluge_sync._engine.limiter import LeakyBucketLimiter
from deluge_sync._engine.local_cache import LocalCache
from deluge_sync._engine.pool import Pool, Route
from deluge_sync._engine.shared_flight import SharedFlights
from deluge_sync._secret import Secret
from deluge_sync.batch import calls
from deluge_sync.batch.backend import backend_of
from deluge_sync.batch.patience import Pacer, Patience
from deluge_sync.batch.selecting import Selection, select
from deluge_sync.batch.session import Lender
from deluge_sync.batch.submitting import Order
from deluge_sync.cache.private_files import absolute
from deluge_sync.client import settings
from deluge_sync.client.prompts import as_prompts
from deluge_sync.client.routes import make_routes
from deluge_sync.config import SamplingParams
from deluge_sync.errors import ClientClosedError

if TYPE_CHECKING:
    from deluge_sync.batch.manifest import RouteRecord
    from deluge_sync.client.batches import BatchCalls
    from deluge_sync.models import Model
    from deluge_sync.tracker import Snapshot

__all__ = ["BatchMaker"]

# Between two tries of what is not waited for by looking: uploads, orders, single looks.
_LONGEST_PAUSE_S = 10.0


class BatchMaker:
    """Makes the calls of one client, which lends what they need."""

    def __init__(self, client: BatchCalls) -> None:
        self._client = client

    def submission(
        self,
        prompts: Any,
        *,
        tools: Any,
        cache: str | None,
        batch_size: int,
        output_schema: Any,
        manifest: str | os.PathLike[str] | None,
        prefer_model: str | None,
    ) -> calls.Submit:
        settings.check_whole_numbers(batch_size=batch_size)
        client = self._client
        extras = client._extras(
            tools=tools, output_schema=output_schema, cache=cache, service_tier=None, prefer_model=prefer_model
        )
        for model in client._models:
            backend_of(model.api_spec)
        routes = self._routes(client._models, client.sampling_params, base_url=client._base_url, with_key=True)
        kept = client._engine_settings.cache
        order = Order(
            as_prompts(prompts),
            Pool(routes, client._weights),
            replace(extras, background=False),
            batch_size,
            cache=self._local_cache(),
            keys=CacheKeys(routes) if kept is not None else None,
            manifest=None if manifest is None else Path(manifest),
            name=client.name,
        )
        return calls.Submit(order, self._lender(), self._pacer(_LONGEST_PAUSE_S))

    def sending(self, manifest: str | os.PathLike[str]) -> calls.Send:
        return calls.Send(absolute(manifest), self._lender(), self._pacer(_LONGEST_PAUSE_S))

    def pursuit(
        self, batch_ids: Iterable[str] | str, provider: str | None, *, output_schema: Any, **how: Any
    ) -> calls.Follow:
        return self._follow(select(batch_ids, provider, output_schema=output_schema), **how)

    def resumption(self, manifest: str | os.PathLike[str], *, output_schema: Any, **how: Any) -> calls.Follow:
        return self._follow([Selection(absolute(manifest), output_schema=output_schema)], **how)

    def cancelling(self, batch_ids: Iterable[str] | str | os.PathLike[str], provider: str | None) -> calls.Cancel:
        if isinstance(batch_ids, os.PathLike):
            selections = [Selection(absolute(batch_ids), provider=provider)]
        else:
            selections = select(batch_ids, provider)
        return calls.Cancel(selections, self._lender(), self._pacer(_LONGEST_PAUSE_S))

    def checking(self, manifest: str | os.PathLike[str]) -> calls.Check:
        return calls.Check(absolute(manifest), self._lender(), self._pacer(_LONGEST_PAUSE_S))

    # --- what is lent to them

    def _follow(
        self, selections: Sequence[Selection], *, as_raw: bool, show_progress: bool, poll_interval: float
    ) -> calls.Follow:
        settings.check_numbers(poll_interval=poll_interval)
        lender, pacer = self._lender(), self._pacer(poll_interval)
        return calls.Follow(selections, lender, pacer, as_raw=as_raw, show=self._shown if show_progress else None)

    def _lender(self) -> Lender:
        client = self._client
        with client._lock:
            if client._is_closed:
                raise ClientClosedError("the client is closed; open() opens it again")
        return Lender(self._route_again, self._finisher, client._plain_call.headers, client.tracker)

    def _pacer(self, longest_s: float) -> Pacer:
        attempts = self._client._engine_settings.retry.max_attempts
        return Pacer(Patience(first_s=min(2.0, longest_s), longest_s=longest_s, attempts=attempts))

    def _route_again(self, record: RouteRecord, *, with_key: bool) -> Route:
        params = SamplingParams(**record.params)
        return self._routes([record.model], [params], base_url=record.base_url, with_key=with_key)[0]

    def _routes(
        self, models: Sequence[Model], params: Sequence[SamplingParams], *, base_url: str | None, with_key: bool
    ) -> list[Route]:
        return make_routes(
            models,
            params,
            base_url=base_url,
            api_key=self._client._api_key if with_key else Secret(""),
            env=self._client._env(),
            limiter_for_key=lambda: LeakyBucketLimiter.auto(1),  # batches have limits of their own
        )

    def _finisher(self) -> Finisher:
        return Finisher(
            self._client.tracker,
            cache=self._local_cache(),
            flights=SharedFlights(),
            take_over=lambda _job: None,
            ends=lambda _job: None,
            postprocess=self._client._engine_settings.postprocess,
            clock=monotonic,
        )

    def _local_cache(self) -> LocalCache:
        held = self._client._engine_settings
        return LocalCache(held.cache, store_truncated=held.store_truncated)

    def _shown(self, snapshot: Callable[[], Snapshot]) -> Any:
        return open_display(self._client.progress, snapshot, label=self._client.name or "batch job")
