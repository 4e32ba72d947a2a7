"""RESULTS: where answers are kept as they arrive, so that a killed run goes on instead of paying twice.

The file is its own journal, without a second file beside it: JSON lines, one object a prompt, each written whole by
one `write` to the operating system as soon as the answer is there. Every row carries `run`, which stands for the
prompts and for the settings that shape an answer; only a run with the same two goes on with the file.

Opening it reads it once: which prompts have a row (one bit each), whether a last line was cut off (repaired and told),
whether anything else is wrong (refused with its line number, never repaired by guessing). A lock keeps a second
process out. It knows `index`, `error`, `cost` and `run` of a row; the rest is made in `rows`. `session` writes through
it.

Locks are POSIX `flock`; a file system that has none is refused.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
import sys
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeGuard

from deluge_sync.cli.exits import BadInputError, ResultsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Journal", "Mode", "Results", "RunKey", "Stream", "open_journal"]

Mode = Literal["resume", "retry", "restart", "overwrite"]

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_OPENING = b'{"index": '
_SETTINGS = "model, system, max-tokens, temperature, base-url, schema, images, config"
_CURE = "choose another -o, or --restart to move it aside and begin anew"


@dataclass(frozen=True, slots=True)
class RunKey:
    """Which run a row belongs to: hashes of the prompts' content and of the settings that shape an answer."""

    prompts: str
    settings: str

    def __str__(self) -> str:
        return f"{self.prompts[:12]}-{self.settings[:12]}"


class Results(Protocol):
    """Where rows go. `answered` and `failed` count the rows that were there at the beginning.

    `spent_usd` is what those cost, failed ones that are sent again included.
    """

    answered: int
    failed: int
    spent_usd: float

    def has(self, index: int) -> bool:
        """Whether the prompt at `index` has a row already."""

    def append(self, row: bytes) -> None:
        """Write one whole line, its line end included."""

    def close(self) -> None:
        """Make what was written last."""


class Journal:
    """An open, locked results file. Made by `open_journal`; `append` is for one thread."""

    def __init__(self, descriptor: int, path: Path, found: _Found) -> None:
        self.answered = found.answered
        self.failed = found.failed
        self.spent_usd = found.spent_usd
        self._descriptor = descriptor
        self._path = path
        self._rows = found.rows
        self._end = found.end

    def has(self, index: int) -> bool:
        """Whether the prompt at `index` had a row when the file was opened."""
        return index in self._rows

    def append(self, row: bytes) -> None:
        """Hand one whole line to the operating system; from then on even SIGKILL cannot lose it.

        Raises:
            ResultsError: it could not be written (disk full). The part that was is taken back.
        """
        try:
            _write(self._descriptor, row)
        except OSError as error:
            with contextlib.suppress(OSError):  # else the next run repairs it
                os.ftruncate(self._descriptor, self._end)
            raise ResultsError(f"cannot write {self._path}: {error.strerror}; what it holds is intact") from error
        self._end += len(row)

    def close(self) -> None:
        """Wait until the disk has everything, and let the next process in. Calling it again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise ResultsError(f"cannot write {self._path}: {error.strerror}") from error
        finally:
            os.close(descriptor)


class Stream:
    """Rows to standard output (`-o -`): nothing to resume, nothing remembered."""

    answered = failed = 0
    spent_usd = 0.0

    def has(self, index: int) -> bool:  # noqa: ARG002
        """Never: a stream has no past."""
        return False

    def append(self, row: bytes) -> None:
        """Write one whole line at once.

        Raises:
            BrokenPipeError: the reader went away.
            ResultsError: it could not be written for another reason.
        """
        try:
            _write(sys.stdout.fileno(), row)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ResultsError(f"cannot write to standard output: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is held back, so nothing is left to do."""


def open_journal(
    path: Path,
    key: RunKey,
    *,
    records: int,
    tell: Callable[[str], None],
    mode: Mode = "resume",
) -> Journal:
    """The results file at `path`, locked, checked and ready for more rows; a new one if there is none.

    records: how many prompts there are; an `index` is below it.
    tell: is given one line about each thing that was changed (a repaired last line, a file moved aside).
    mode: what becomes of rows that are there. "resume" keeps them; "retry" drops those of failed prompts, so that they
        are sent again; "restart" moves the file aside to the first free `path.1`, `path.2`, ... and begins anew;
        "overwrite" empties a file made with the same settings, whatever its prompts, and moves any other aside.

    Raises:
        BadInputError: it cannot be opened, another process has it, it is no journal, belongs to another run or is
            damaged in the middle. The file is as it was.
        ResultsError: the disk is full.
    """
    path = Path(os.path.realpath(path))  # replacing a symbolic link would cut it off from its file
    descriptor = _open_locked(path)
    try:
        if mode == "overwrite" and _has_settings(descriptor, key):
            os.ftruncate(descriptor, 0)
        elif mode in ("restart", "overwrite") and os.fstat(descriptor).st_size:
            descriptor = _set_aside(descriptor, path, tell)
        found = _Reader(path, key, records).read(descriptor)
        _repair(descriptor, path, found, tell)
        if mode == "retry" and found.failed:
            spent_usd = found.spent_usd
            descriptor = _without_failed(descriptor, path)
            found = replace(_Reader(path, key, records).read(descriptor), spent_usd=spent_usd)
    except BaseException:
        os.close(descriptor)
        raise
    return Journal(descriptor, path, found)


# --- opening and locking


def _open_locked(path: Path) -> int:
    """Open and lock the file that bears the name now, not one that was replaced between the two steps."""
    while True:
        try:
            descriptor = os.open(path, _FLAGS, 0o666)
        except OSError as error:
            raise BadInputError(f"cannot open {path}: {error.strerror}") from error
        try:
            _lock(descriptor, path)
            if _is_current(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise BadInputError(f"{path} is no regular file; '-o -' writes to standard output")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise BadInputError(f"{path} is in use by another process") from error
        raise BadInputError(f"cannot lock {path}: {error.strerror}") from error


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _set_aside(descriptor: int, path: Path, tell: Callable[[str], None]) -> int:
    free = next(name for number in count(1) if not (name := path.with_name(f"{path.name}.{number}")).exists())
    try:
        path.rename(free)
    except OSError as error:
        raise BadInputError(f"cannot move {path} aside to {free.name}: {error.strerror}") from error
    tell(f"moved the old {path.name} aside to {free.name}")
    fresh = _open_locked(path)
    os.close(descriptor)
    return fresh


def _has_settings(descriptor: int, key: RunKey) -> bool:
    row = _load(next(_lines(descriptor), b""))
    run = row.get("run") if isinstance(row, dict) else None
    return _is_run(run) and run.endswith(f"-{key.settings[:12]}")


# --- reading what is there


class _Indexes:
    """A set of numbers below `limit`, one bit each: a million prompts take 125 KB."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bits = bytearray((limit + 7) // 8)

    def add(self, index: int) -> None:
        self._bits[index >> 3] |= 1 << (index & 7)

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self._limit and bool(self._bits[index >> 3] & 1 << (index & 7))


@dataclass(slots=True)
class _Found:
    """What a results file holds. `end` is where its last good line ends; `torn` counts the bytes after that."""

    rows: _Indexes
    answered: int = 0
    failed: int = 0
    spent_usd: float = 0.0
    end: int = 0
    torn: int = 0
    lacks_line_end: bool = False


class _Reader:
    """Reads a results file line by line and refuses what this run must not go on with."""

    def __init__(self, path: Path, key: RunKey, records: int) -> None:
        self._path = path
        self._key = key
        self._records = records

    def read(self, descriptor: int) -> _Found:
        found = _Found(_Indexes(self._records))
        for number, line in enumerate(_lines(descriptor), 1):
            if line.endswith(b"\n"):
                self._take(found, number, line)
            else:
                self._take_last(found, number, line)
        return found

    def _take_last(self, found: _Found, number: int, line: bytes) -> None:
        """A line without its end: whole after all, cut off by a crash, or not ours."""
        if _load(line) is not None:
            self._take(found, number, line)
            found.lacks_line_end = True
        elif found.end or _OPENING.startswith(line[: len(_OPENING)]):
            found.torn = len(line)
        else:
            raise self._foreign()

    def _take(self, found: _Found, number: int, line: bytes) -> None:
        row = self._row(number, line)
        index = row["index"]
        if index in found.rows:
            raise self._corrupt(number, f"a second row with index {index}")
        found.rows.add(index)
        found.end += len(line)
        found.spent_usd += _cost(row.get("cost"))
        if row.get("error") is None:
            found.answered += 1
        else:
            found.failed += 1

    def _row(self, number: int, line: bytes) -> dict[str, Any]:
        row = _load(line)
        if not (isinstance(row, dict) and _is_run(row.get("run")) and _is_index(row.get("index"))):
            raise self._foreign() if number == 1 else self._corrupt(number, "not a row of results")
        self._check_run(row["run"])
        if row["index"] >= self._records:
            raise self._corrupt(number, f"index {row['index']}, but there are only {self._records} prompts")
        return row

    def _check_run(self, run: str) -> None:
        prompts, settings = run.split("-")
        differing = []
        if prompts != self._key.prompts[:12]:
            differing.append("a different prompts file")
        if settings != self._key.settings[:12]:
            differing.append(f"different settings ({_SETTINGS})")
        if differing:
            raise BadInputError(f"{self._path} has the answers to {' and '.join(differing)}; {_CURE}")

    def _foreign(self) -> BadInputError:
        return BadInputError(f"{self._path} holds something else than results of 'run'; {_CURE}")

    def _corrupt(self, number: int, what: str) -> BadInputError:
        return BadInputError(
            f"{self._path}:{number}: {what}; remove or correct that line by hand (a removed prompt is sent again), "
            "or --restart to move the file aside and begin anew"
        )


_RUN = re.compile(r"[0-9a-f]{12}-[0-9a-f]{12}")


def _is_run(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _RUN.fullmatch(value) is not None


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _cost(cost: object) -> float:
    """An unknown cost counts as nothing, because nobody can tell."""
    return cost if isinstance(cost, int | float) and not isinstance(cost, bool) and cost > 0 else 0.0


def _load(line: bytes) -> Any:
    """The JSON value of a line; None where it is no JSON (or the null that no row is)."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _lines(descriptor: int) -> Iterator[bytes]:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        yield from file


# --- changing what is there


def _repair(descriptor: int, path: Path, found: _Found, tell: Callable[[str], None]) -> None:
    """Take away half a last line, or give a whole one the line end that it lacks."""
    try:
        if found.torn:
            os.ftruncate(descriptor, found.end)
            tell(f"removed half a last line ({found.torn:,} bytes) of {path.name}; its prompt will be sent again")
        elif found.lacks_line_end:
            _write(descriptor, b"\n")
            found.end += 1
            tell(f"ended the last line of {path.name}, which was whole but for its line end")
    except OSError as error:
        raise ResultsError(f"cannot repair {path}: {error.strerror}") from error


def _without_failed(descriptor: int, path: Path) -> int:
    """Replace the file by a copy without the rows of failed prompts, in one step, and keep the lock all the while."""
    draft = path.with_name(f".{path.name}.retry")  # one fixed name: what a crash leaves behind is overwritten
    fresh = -1
    try:
        fresh = os.open(draft, _FLAGS | os.O_TRUNC, stat.S_IMODE(os.fstat(descriptor).st_mode))
        _lock(fresh, draft)
        _copy_answered(descriptor, fresh)
        os.fsync(fresh)
        draft.replace(path)
    except OSError as error:
        _discard(fresh, draft)
        raise ResultsError(f"cannot rewrite {path}: {error.strerror}; it is as it was") from error
    os.close(descriptor)
    _sync_directory(path.parent)
    return fresh


def _discard(descriptor: int, draft: Path) -> None:
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)
        os.close(descriptor)


def _copy_answered(source: int, target: int) -> None:
    with os.fdopen(target, "wb", closefd=False) as copy:
        for line in _lines(source):
            if json.loads(line).get("error") is None:
                copy.write(line)


def _sync_directory(directory: Path) -> None:
    """Make a new name last. Some file systems cannot; then the old name, with all its rows, may come back."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    with contextlib.suppress(OSError):
        os.fsync(descriptor)
    os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    """Everything, in one call of the operating system unless it takes only a part (a pipe, a full disk)."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
