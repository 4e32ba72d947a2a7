"""How jobs and their batches stand, for people: what `batch_job_status` gives and `list_jobs` lists. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deluge_sync.batch.places import default_directory, manifests_in

if TYPE_CHECKING:
    from deluge_sync.batch.backend import BatchState
    from deluge_sync.batch.manifest import Job, Part

__all__ = ["JobStatus", "PartStatus", "list_jobs", "status_of"]

JobPhase = Literal["unplanned", "unsent", "running", "over", "fetched"]


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One batch. `id` is the provider's, or ours while there is none. `phase` is "unsent", "held" (it waits its turn),
    "running", "over" (results can be fetched), "fetched", or "refused". `succeeded` and `failed` are 0 where nothing
    is told.
    """

    id: str
    provider: str
    model: str
    requests: int
    phase: str
    succeeded: int = 0
    failed: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job. `created_at` is Unix time; `prompts` is None where not all were written down, so that nothing was sent.

    Attributes:
        state: that of the batch that is least far: "unplanned" (nothing was sent), "unsent" (some batch was not sent
            yet), "running", "over" (all ended, results can be fetched), "fetched" (all is on this disk).
    """

    id: str
    manifest: Path
    created_at: float
    name: str | None
    prompts: int | None
    state: JobPhase
    parts: tuple[PartStatus, ...]

    @property
    def providers(self) -> tuple[str, ...]:
        """Of the batches, each once."""
        return tuple(dict.fromkeys(part.provider for part in self.parts))

    @property
    def models(self) -> tuple[str, ...]:
        """Our ids of the models that are asked, each once."""
        return tuple(dict.fromkeys(part.model for part in self.parts))

    @property
    def succeeded(self) -> int:
        """Requests that were answered, as far as the providers tell."""
        return sum(part.succeeded for part in self.parts)

    @property
    def failed(self) -> int:
        """Requests that failed, as far as the providers tell."""
        return sum(part.failed for part in self.parts)


def list_jobs(directory: Path | None = None) -> list[JobStatus]:
    """The jobs whose manifests are in a directory, the newest first; without one those in the default directory and
    those that a note there leads to. Asks no provider.
    """
    found = manifests_in(default_directory() if directory is None else directory)
    return [status_of(path, job, {}) for path, job in found]


def status_of(manifest: Path, job: Job, seen: Mapping[int, BatchState]) -> JobStatus:
    """What the manifest says, with what the providers have just said of some parts."""
    parts = tuple(_part_status(job, part, seen.get(part.number)) for part in job.leaves(job.roots))
    return JobStatus(job.id, manifest, job.created_at, job.name, job.prompts, _state(job, parts), parts)


_PHASES: Mapping[str, str] = {
    "written": "unsent",
    "uploaded": "unsent",
    "creating": "unsent",
    "created": "running",
    "open": "running",
}


def _part_status(job: Job, part: Part, seen: BatchState | None) -> PartStatus:
    route = job.route_of(part)
    phase = part.phase if seen is None else seen.phase
    problem = part.problem if seen is None else seen.problem
    return PartStatus(
        part.id,
        route.backend,
        route.model.id,
        part.requests,
        _PHASES.get(phase, phase),
        part.succeeded if seen is None else seen.succeeded,
        part.failed if seen is None else seen.failed,
        None if problem is None else problem.message,
    )


def _state(job: Job, parts: tuple[PartStatus, ...]) -> JobPhase:
    phases = {part.phase for part in parts}
    if job.prompts is None:
        return "unplanned"
    if phases & {"unsent", "held"}:
        return "unsent"
    if "running" in phases:
        return "running"
    return "over" if "over" in phases else "fetched"
