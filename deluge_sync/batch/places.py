"""Where the manifests of batch jobs are, and which of them a batch belongs to. A job's other files are beside its
manifest, in a directory of the manifest's name with `.files` behind it.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deluge_sync.batch.journal import begins_a_job, create_private, read_records
from deluge_sync.batch.manifest import Job, replay
from deluge_sync.cache.private_files import absolute, make_private_directory
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "default_directory",
    "files_of",
    "find_manifest",
    "load_job",
    "manifest_for",
    "manifests_in",
    "new_job_id",
    "part_file",
    "point_to",
    "prompts_file",
    "result_file",
]

_ELSEWHERE = ".elsewhere"
_JOB_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")


def default_directory(env: Mapping[str, str] | None = None) -> Path:
    """`deluge_sync/batches` in `XDG_STATE_HOME`, or in `~/.local/state` where that is not set to a whole path.

    Source: https://specifications.freedesktop.org/basedir-spec (read 2026-11): what is not absolute is to be ignored.
    """
    told = Path((os.environ if env is None else env).get("XDG_STATE_HOME", ""))
    state = told if told.is_absolute() else Path.home() / ".local" / "state"
    return state / "deluge_sync" / "batches"


def new_job_id(now: float) -> str:
    """The instant in UTC and eight random hexadecimal digits, which are the job's token."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def files_of(manifest: Path) -> Path:
    """The directory for what belongs to the job of a manifest."""
    return manifest.with_name(f"{manifest.name}.files")


def prompts_file(manifest: Path) -> Path:
    """The prompts, and what was decided for each of them before anything was sent."""
    return files_of(manifest) / "prompts.jsonl"


def part_file(manifest: Path, number: int) -> Path:
    """The request file of a part."""
    return files_of(manifest) / f"part-{number:05d}.jsonl"


def result_file(manifest: Path, part: int, number: int) -> Path:
    """A file of results of a part."""
    return files_of(manifest) / f"part-{part:05d}.results-{number}.jsonl"


def load_job(manifest: Path) -> Job:
    """The job as its manifest tells it now. Another process may be at work on it.

    Raises:
        ConfigError: there is no such file, or it is no manifest.
    """
    return replay(read_records(manifest))


def manifests_in(directory: Path) -> list[tuple[Path, Job]]:
    """The jobs in a directory, the newest first. What is no manifest is passed over."""
    return sorted(_jobs(directory), key=lambda found: found[1].created_at, reverse=True)


def find_manifest(directory: Path, batch_id: str) -> Path | None:
    """The manifest of the job that has a batch of this id."""
    return next((path for path, job in _jobs(directory) if job.part_named(batch_id) is not None), None)


def manifest_for(given: Path | None, now: float) -> tuple[Path, str]:
    """Where the manifest of a new job is to be, and the job's id: the name of the file, if that could be one."""
    if given is None:
        job_id = new_job_id(now)
        return default_directory() / f"{job_id}.jsonl", job_id
    path = absolute(given)
    return path, path.stem if _JOB_ID.fullmatch(path.stem) else new_job_id(now)


def point_to(manifest: Path, job_id: str) -> None:
    """Leave a note in the default directory of a manifest that is elsewhere, so that its batches' ids lead to it.

    That directory may not be writable, which is why somebody may have chosen another: then there is no note.
    """
    directory = default_directory()
    if manifest.parent == directory:
        return
    with suppress(OSError):
        make_private_directory(directory)
        with create_private(directory / f"{job_id}{_ELSEWHERE}") as file:
            file.write(os.fsencode(manifest))


def _jobs(directory: Path) -> Iterator[tuple[Path, Job]]:
    elsewhere = (_pointed(note) for note in directory.glob(f"*{_ELSEWHERE}"))
    for path in (*directory.glob("*.jsonl"), *elsewhere):
        try:
            if begins_a_job(path):
                yield path, load_job(path)
        except ConfigError:
            continue


def _pointed(note: Path) -> Path:
    try:
        return Path(os.fsdecode(note.read_bytes()))
    except OSError:
        return note
