"""Which prompts of which jobs somebody means by some ids of batches. Reads manifests, and changes none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deluge_sync.batch.ids import BatchIds
from deluge_sync.batch.places import default_directory, find_manifest, load_job
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from deluge_sync.batch.manifest import Job, Part

__all__ = ["Selection", "select"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Prompts of one job. `names` None: all of its batches; `provider` None: of every provider."""

    manifest: Path
    names: frozenset[str] | None = None
    provider: str | None = None
    output_schema: Any = None

    def parts(self, job: Job) -> list[Part]:
        """The batches that are meant."""
        mine = [part for part in job.parts if self._is_of_provider(job, part.route)]
        named = [part for part in mine if self.names is None or self.names.intersection(part.ids)]
        return list({part.number: part for part in job.leaves(named)}.values())

    def routes(self, job: Job) -> frozenset[int]:
        """Those whose prompts are meant too that are in no batch: all of them, unless only some batches are meant."""
        routes = frozenset(number for number in range(len(job.routes)) if self._is_of_provider(job, number))
        mine = [part for part in job.parts if part.route in routes and not part.pieces]
        return routes if len(self.parts(job)) == len(mine) else frozenset()

    def total(self, job: Job) -> int:
        """How many prompts that is at least; exactly where the whole job is meant."""
        parts, routes = self.parts(job), self.routes(job)
        return (job.prompts or 0) if len(routes) == len(job.routes) else sum(part.requests for part in parts)

    def _is_of_provider(self, job: Job, route: int) -> bool:
        told = job.routes[route]
        return self.provider in (None, told.backend, told.model.provider)


def select(batch_ids: Iterable[str] | str, provider: str | None, *, output_schema: Any = None) -> list[Selection]:
    """What the ids mean, a selection for each job, in the order in which the jobs are named.

    Raises:
        ConfigError: an id is of no job whose manifest can be found, or of none at `provider`.
    """
    if isinstance(batch_ids, BatchIds):
        schema = batch_ids.output_schema if output_schema is None else output_schema
        return [_checked(Selection(batch_ids.manifest, frozenset(batch_ids), provider, schema), batch_ids)]
    ids = [batch_ids] if isinstance(batch_ids, str) else list(batch_ids)
    if not ids:
        raise ConfigError("batch_ids is empty; pass what submit_batch_job gave, or a manifest to resume_batch_job")
    by_manifest: dict[Path, list[str]] = {}
    for batch_id in ids:
        by_manifest.setdefault(_manifest_of(batch_id), []).append(batch_id)
    return [
        _checked(Selection(manifest, frozenset(names), provider, output_schema), names)
        for manifest, names in by_manifest.items()
    ]


def _manifest_of(batch_id: object) -> Path:
    directory = default_directory()
    found = find_manifest(directory, batch_id) if isinstance(batch_id, str) else None
    if found is None:
        raise ConfigError(
            f"no manifest in {directory} knows the batch {batch_id!r:.100}; if it is elsewhere, call "
            "resume_batch_job(manifest)"
        )
    return found


def _checked(selection: Selection, names: Iterable[str]) -> Selection:
    job = load_job(selection.manifest)
    known = [name for name in names if job.part_named(name) is not None]
    if selection.provider is not None and known and not selection.parts(job):
        has = sorted({route.backend for route in job.routes})
        raise ConfigError(f"provider={selection.provider!r}: the job has batches at {', '.join(has)} only")
    return selection
