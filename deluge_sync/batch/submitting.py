"""Submits a job: everything is written to the disk first, and only then is anything sent."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.json_schema import schema_of
from deluge_sync.batch.backend import backend_of
from deluge_sync.batch.ids import BatchIds
from deluge_sync.batch.journal import Journal, sync_directory
from deluge_sync.batch.manifest import VERSION, RouteRecord, token_of
from deluge_sync.batch.places import files_of, manifest_for, point_to
from deluge_sync.batch.planning import Planner
from deluge_sync.batch.sending import send
from deluge_sync.batch.session import Lender, desk_of
from deluge_sync.batch.wire import CallFailedError
from deluge_sync.cache.private_files import make_private_directory
from deluge_sync.errors import BatchError
from deluge_sync.prompt.fetching import Fetcher

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.cache_key import CacheKeys
    from deluge_sync._engine.local_cache import LocalCache
    from deluge_sync._engine.pool import Pool
    from deluge_sync.batch.desk import Desk
    from deluge_sync.batch.patience import Pacer

__all__ = ["Order", "Submission", "send_all"]

_UNSENT: Final = ("written", "uploaded", "creating", "held")


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. `manifest` None: a file of its own in the directory for them. `keys` None: no local cache."""

    prompts: Iterable[Any]
    pool: Pool
    extras: Extras
    batch_size: int
    cache: LocalCache
    keys: CacheKeys | None = None
    manifest: Path | None = None
    name: str | None = None


class Submission:
    """One call that submits. `run` once, in one thread; `stop` from any. `manifest` is set once there is one that holds
    the whole job.
    """

    def __init__(self, order: Order, lender: Lender, pacer: Pacer) -> None:
        self._order = order
        self._lender = lender
        self._pacer = pacer
        self._desk: Desk | None = None
        self.manifest: Path | None = None

    def run(self) -> BatchIds:
        """Write everything down, then send it.

        Raises:
            ConfigError: the manifest cannot be made.
            BatchError: not every batch could be sent. What was, goes on; the manifest keeps the rest.
            OSError: the disk is full; nothing was sent.
            StoppedError: `stop` was called; nothing more is sent.
            Whatever the iterable of prompts raises; nothing was sent.
        """
        path, job_id = manifest_for(self._order.manifest, time.time())
        make_private_directory(path.parent)
        with Journal.create(path) as journal:
            try:
                self._plan(journal, job_id)
            except BaseException:
                _forget(path)
                raise
            self.manifest = path
            point_to(path, job_id)
            with desk_of(path, journal.append, self._lender, self._pacer) as desk:
                self._desk = desk
                return send_all(desk, output_schema=self._order.extras.output_schema)

    def stop(self) -> None:
        """Send nothing more. What is planned can be resumed."""
        self._pacer.stop()
        if self._desk is not None:
            self._desk.stop()

    def _plan(self, journal: Journal, job_id: str) -> None:
        order, path = self._order, journal.path
        journal.append(self._job_record(job_id))
        make_private_directory(files_of(path))
        fetcher = Fetcher()
        planner = Planner(
            path,
            order.pool,
            order.extras,
            token=token_of(job_id),
            batch_size=order.batch_size,
            keys=order.keys,
            cache=order.cache,
            fetcher=fetcher,
            check=self._pacer.check,
        )
        try:
            parts, count = planner.plan(order.prompts)
        finally:
            planner.abandon()
            fetcher.close()
        for part in parts:
            journal.append(part.record())
        sync_directory(path.parent)
        journal.append({"record": "planned", "prompts": count})

    def _job_record(self, job_id: str) -> dict[str, Any]:
        order = self._order
        routes = [
            RouteRecord(
                route.model,
                route.params.model_dump(mode="json"),
                route.base_url,
                backend_of(route.model.api_spec).name,
            )
            for route in order.pool.routes
        ]
        schema = order.extras.output_schema
        return {
            "record": "job",
            "version": VERSION,
            "id": job_id,
            "created_at": time.time(),
            "name": order.name,
            "routes": [route.to_record() for route in routes],
            "output_schema": None if schema is None else schema_of(schema)[1],
        }


def send_all(desk: Desk, *, output_schema: Any = None) -> BatchIds:
    """Send every part that has not been sent yet, once, and give the ids of all. Raises like `Submission.run`."""
    job, failed = desk.job, dict[int, CallFailedError]()
    for part in job.parts:
        if part.route not in failed and part.phase in _UNSENT:
            try:
                send(desk, part)
            except CallFailedError as error:
                if not error.failure.traits.pauses_key:  # else it waits its turn, and whoever waits for it sends it
                    failed[part.route] = error
    if failed:
        raise _error(desk, failed)
    parts = job.leaves(job.roots)
    providers = [job.route_of(part).backend for part in parts]
    ids = [part.id for part in parts]
    return BatchIds(ids, manifest=desk.manifest, providers=providers, output_schema=output_schema)


def _error(desk: Desk, failed: dict[int, CallFailedError]) -> BatchError:
    unsent = [part for part in desk.job.parts if part.phase in _UNSENT]
    failure = next(iter(failed.values())).failure
    sent = [part.batch_id for part in desk.job.parts if part.batch_id is not None]
    message = (
        f"{len(unsent)} of {len(desk.job.parts)} batches could not be sent: {failure.message}. Nothing is lost: "
        f"resume_batch_job_sync({str(desk.manifest)!r}) sends them and waits for all"
    )
    return BatchError(message, manifest=desk.manifest, kind=failure.kind.value, batch_ids=sent)


def _forget(manifest: Path) -> None:
    """Take away what was written of a job of which nothing was sent."""
    shutil.rmtree(files_of(manifest), ignore_errors=True)
    with suppress(OSError):
        manifest.unlink()
