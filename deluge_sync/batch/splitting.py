"""Splits a batch that a provider's queue will never have room for, because it is over the limit all by itself.

Whether to split and into how many pieces is decided by `pieces_for`, which is pure. The pieces are on the disk before
the manifest says so, in one record: a kill leaves the batch whole or split.
"""

from __future__ import annotations

import os
import re
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.batch.journal import create_private, sync_directory
from deluge_sync.batch.places import files_of, part_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from deluge_sync.batch.desk import Desk
    from deluge_sync.batch.manifest import Job, Part

__all__ = ["pieces_for", "split"]

# What the provider counts is not known; a token has some four bytes, and a request says more than its prompt.
_BYTES_PER_TOKEN: Final = 4
# Of the limit that the provider tells a piece takes about so much.
_SHARE: Final = 0.5
# One that is refused so often although nothing else of the job is queued is halved, whatever is told.
_PATIENT_TRIES: Final = 20
_TOLD_LIMIT: Final = re.compile(r"[Ll]imit:? (?:of )?([\d,]+)")


def pieces_for(job: Job, part: Part) -> int:
    """Into how many pieces a part that is held should be split; 1 where it should wait."""
    is_alone = not any(other.phase in ("created", "creating") and other.route == part.route for other in job.parts)
    if part.phase != "held" or part.requests < 2 or not is_alone:
        return 1
    told = _TOLD_LIMIT.search(part.problem.message) if part.problem is not None else None
    most = int(told[1].replace(",", "")) if told else 0
    tokens = part.bytes / _BYTES_PER_TOKEN
    if most and tokens > most:
        return min(part.requests, ceil(tokens / (most * _SHARE)))
    return 2 if part.tries >= _PATIENT_TRIES else 1


def split(desk: Desk, part: Part, wanted: int) -> None:
    """Put `wanted` smaller parts in the place of `part`.

    Raises:
        OSError: the disk is full; the part is as it was.
    """
    most = ceil(part.requests / wanted)
    first_number = len(desk.job.parts)
    pieces: list[dict[str, Any]] = []
    for lines in _chunks(part_file(desk.manifest, part.number), most):
        number = first_number + len(pieces)
        first = next(lines)
        count, size = _write(part_file(desk.manifest, number), chain([first], lines))
        pieces.append({"part": number, "requests": count, "bytes": size, "first": _position(desk.job, first)})
    sync_directory(files_of(desk.manifest))
    desk.note("split", part, into=pieces)
    part_file(desk.manifest, part.number).unlink(missing_ok=True)


def _chunks(path: Path, most: int) -> Iterator[Iterator[bytes]]:
    """The lines of a file, `most` at a time. Each chunk is to be used up before the next is asked for."""
    with path.open("rb") as file:
        for line in file:
            yield _chunk(line, file, most)


def _chunk(first: bytes, rest: Iterator[bytes], most: int) -> Iterator[bytes]:
    yield first
    for _ in range(most - 1):
        line = next(rest, None)
        if line is None:
            return
        yield line


def _write(path: Path, lines: Iterable[bytes]) -> tuple[int, int]:
    """Write the lines. Gives how many they are, and their bytes."""
    count = size = 0
    with create_private(path) as file:
        for line in lines:
            count, size = count + 1, size + file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return count, size


def _position(job: Job, line: bytes) -> int:
    """Of the prompt whose request the line is: its custom id has it before the job's token."""
    found = re.search(rb'"(\d+)-%b"' % job.token.encode(), line)
    assert found is not None
    return int(found[1])
