"""Batch jobs as a table in a terminal, as columns anywhere else, and as JSON documents. `batch` calls it; pure but for
the writing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from deluge_sync.cli.exits import Voice, one_line

if TYPE_CHECKING:
    from deluge_sync.batch.status import JobStatus

__all__ = ["age", "document", "job_rows", "part_rows", "show", "tell"]

_JOB_HEADER: Final = ("JOB", "STATE", "PROMPTS", "ANSWERED", "FAILED", "PROVIDER", "MODEL", "AGE")
_PART_HEADER: Final = ("BATCH", "STATE", "REQUESTS", "ANSWERED", "FAILED", "PROVIDER", "MODEL", "PROBLEM")
_NUMBERS: Final = frozenset({"PROMPTS", "REQUESTS", "ANSWERED", "FAILED", "AGE"})
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_UNKNOWN: Final = "-"


def job_rows(jobs: Iterable[JobStatus], *, now: float) -> list[tuple[str, ...]]:
    """A header and a row for each job. `now` is Unix time."""
    return [_JOB_HEADER, *(_job_row(job, now) for job in jobs)]


def part_rows(job: JobStatus) -> list[tuple[str, ...]]:
    """A header and a row for each batch of a job."""
    rows = (
        (
            *(part.id, part.phase, f"{part.requests:,}", f"{part.succeeded:,}", f"{part.failed:,}"),
            *(part.provider, part.model, one_line(part.problem or "") or _UNKNOWN),
        )
        for part in job.parts
    )
    return [_PART_HEADER, *rows]


def document(job: JobStatus) -> dict[str, Any]:
    """The job for machines: counts as numbers, instants in Unix time."""
    counts = {"answered": job.succeeded, "failed": job.failed}
    return {**asdict(job), "manifest": str(job.manifest), "providers": job.providers, "models": job.models, **counts}


def show(rows: Sequence[tuple[str, ...]]) -> None:
    """Write rows, the first of which is their header, to standard output."""
    if sys.stdout.isatty():
        _show_table(rows)
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def tell(jobs: list[JobStatus], voice: Voice) -> None:
    """How jobs stand, with their batches; for machines always a list."""
    if voice.is_json:
        voice.document([document(job) for job in jobs])
        return
    show(job_rows(jobs, now=time.time()))
    for job in jobs:
        show(part_rows(job))


def age(seconds: float) -> str:
    """A duration in its largest whole unit: 45 s, 3 min, 26 h is 1 d."""
    whole = max(int(seconds), 0)
    size, unit = next(((size, unit) for size, unit in _UNITS if whole >= size), (1, "s"))
    return f"{whole // size} {unit}"


def _job_row(job: JobStatus, now: float) -> tuple[str, ...]:
    prompts = _UNKNOWN if job.prompts is None else f"{job.prompts:,}"
    is_told = bool(job.succeeded or job.failed) or job.state in ("over", "fetched")
    counts = (prompts, *(f"{count:,}" if is_told else _UNKNOWN for count in (job.succeeded, job.failed)))
    names = (", ".join(job.providers), ", ".join(job.models))
    return (job.id, job.state, *counts, *(one_line(name) or _UNKNOWN for name in names), age(now - job.created_at))


def _show_table(rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console  # rich is large; a pipe does without it
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in rows[0]:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold")
    for row in rows[1:]:
        table.add_row(*map(Text, row))  # Text: what looks like markup in it is not
    Console().print(table)
