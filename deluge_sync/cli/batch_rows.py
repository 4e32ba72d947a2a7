"""What rows of results need to know of the prompts in a batch job, kept in a file beside the job's manifest.

The answers come on another day, and to another process, which may have no PROMPTS any more: so the index, the id and
the carried fields of each prompt are written down before the job is made. The first line tells the run that the rows
belong to. A job that was submitted from Python has no such file; its prompts are then known by their position.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

from deluge_sync.cli.exits import BadInputError, ResultsError
from deluge_sync.cli.journal import RunKey
from deluge_sync.cli.prompts import Prompt

__all__ = ["RunRecord", "keep_rows", "read_prompts", "read_run", "rows_file"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The run that a job is part of. `records` counts all prompts of its file, those that are not in the job included.

    schema: the JSON Schema that answers have to fit. source: what a report of the run tells about where it came from.
    """

    key: RunKey
    records: int
    schema: Mapping[str, Any] | None = None
    source: Mapping[str, Any] | None = None

    @classmethod
    def from_record(cls, stored: Mapping[str, Any]) -> Self:
        """What `asdict` gave."""
        return cls(RunKey(**stored["key"]), stored["records"], stored["schema"], stored["source"])


def rows_file(manifest: Path) -> Path:
    """Where the rows of a manifest's job are."""
    return manifest.with_name(f"{manifest.name}.rows")


def keep_rows(manifest: Path, run: RunRecord, prompts: Iterable[Prompt]) -> int:
    """Write down what rows need to know, all of it or nothing. Returns the number of prompts.

    Raises:
        ResultsError: it could not be written (disk full).
    """
    path = rows_file(manifest)
    draft = path.with_name(f"{path.name}.draft")
    try:
        manifest.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = _write(draft, run, prompts)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise ResultsError(f"cannot write {path}: {error.strerror}; nothing was sent") from error
    return written


def read_run(manifest: Path, *, job_id: str, prompts: int) -> RunRecord:
    """The run of a job; one of its own for a job from elsewhere, which has so many `prompts`.

    Raises:
        BadInputError: the file beside the manifest is no such file.
    """
    path = rows_file(manifest)
    try:
        with path.open("rb") as file:
            return RunRecord.from_record(json.loads(file.readline()))
    except FileNotFoundError:
        return RunRecord(RunKey(_digest(job_id), _digest("a batch job")), prompts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{path} cannot be read: {error}") from error


def read_prompts(manifest: Path) -> Iterator[Prompt]:
    """The prompts by position, as much of them as rows need; without end for a job from elsewhere."""
    path = rows_file(manifest)
    if not path.exists():
        yield from (Prompt(position, position + 1, position, "") for position in count())
        return
    with path.open("rb") as file:
        next(file)
        for position, line in enumerate(file):
            index, row_id, carried = json.loads(line)
            yield Prompt(index, position + 1, row_id, "", carried)


def _write(path: Path, run: RunRecord, prompts: Iterable[Prompt]) -> int:
    written = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(json.dumps(asdict(run)).encode() + b"\n")
        for prompt in prompts:
            file.write(json.dumps([prompt.index, prompt.id, dict(prompt.carried)]).encode() + b"\n")
            written += 1
        file.flush()
        os.fsync(file.fileno())
    return written


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
