"""The file of a manifest: JSON lines that are only ever added, each on the disk before anything follows from it.

A kill at any byte leaves at most half a last line, which nothing had followed from: it is cut off when the file is
opened to go on. A lock keeps a second process from working on the same job. Knows nothing of what records mean.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from deluge_sync.errors import BatchError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["Journal", "begins_a_job", "create_private", "read_records", "sync_directory"]

_FIRST = b'{"record": "job"'
_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


class Journal:
    """An open, locked manifest. For one thread."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new file, with mode 0600.

        Raises:
            ConfigError: there is one, or none can be made.
        """
        try:
            descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise ConfigError(
                f"manifest={str(path)!r} is there already: resume_batch_job goes on with that job; for a new one "
                "choose another name"
            ) from None
        except OSError as error:
            raise ConfigError(f"manifest={str(path)!r} cannot be made: {error.strerror}") from error
        return cls._locked(descriptor, path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The file of a job that goes on. Half a last line is cut off.

        Raises:
            ConfigError: there is none.
            BatchError: another process, or another thread of this one, is at work on the job.
        """
        try:
            descriptor = os.open(path, _FLAGS)
        except OSError as error:
            raise ConfigError(f"no manifest at {str(path)!r}: {error.strerror}") from error
        journal = cls._locked(descriptor, path)
        os.ftruncate(descriptor, _whole_bytes(path))
        return journal

    @classmethod
    def _locked(cls, descriptor: int, path: Path) -> Self:
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise BatchError(
                f"the batch job of {path} is being worked on by another process or thread; wait for that one",
                manifest=path,
            ) from None
        return cls(descriptor, path)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record. It is on the disk when this returns.

        Raises:
            OSError: it could not be written (disk full); it counts as not written.
        """
        line = json.dumps(record).encode() + b"\n"
        end = os.fstat(self._descriptor).st_size
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, end)
            raise

    def close(self) -> None:
        """Let go of the file and its lock. A second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a manifest, without half a last line.

    Raises:
        ConfigError: there is no such file, or a whole line is no JSON object.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"no manifest at {str(path)!r}: {error.strerror}") from error
    lines = content.split(b"\n")[:-1]
    return [_record(path, number, line) for number, line in enumerate(lines, 1)]


def begins_a_job(path: Path) -> bool:
    """Whether the file may be a manifest, by its first bytes: other files beside it may be large."""
    try:
        with path.open("rb") as file:
            return file.read(len(_FIRST)) == _FIRST
    except OSError:
        return False


def create_private(path: Path) -> BinaryIO:
    """A new file for writing, with mode 0600; what is there is emptied.

    Raises:
        OSError: it cannot be made.
    """
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def sync_directory(directory: Path) -> None:
    """Make the names in a directory last. Some file systems, and Windows, cannot."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or "record" not in record:
        raise ConfigError(f"{path}:{number}: not a line of a manifest of a batch job")
    return record


def _whole_bytes(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        return  # has no flock; there one process at a time is the user's to see to
    import fcntl  # only where there is one

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
