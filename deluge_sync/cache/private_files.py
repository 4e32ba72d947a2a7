"""Makes directories and files that only their owner may read: prompts and answers are nobody else's business."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from deluge_sync._fork import start_afresh_in_child

__all__ = ["absolute", "make_private_directory", "make_private_file"]


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path from the root, so that it means the same after a change of directory; `~` is the home directory."""
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100  (`resolve` would ask the disk for links)


def make_private_directory(path: Path) -> None:
    """Make the directory, and those above it that are missing, with mode 0700. One that is there stays as it is.

    Raises:
        OSError: it cannot be made, or is no directory.
    """
    for directory in (*reversed(path.parents), path):
        if not directory.is_dir():
            directory.mkdir(mode=0o700, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make the file, empty, with mode 0600, and its directory. One that is there stays as it is, and is not opened.

    Whoever closes a file gives up all locks that its process has on it. Another part of the process may have it open
    as an SQLite database by then; without its locks, other processes would throw away what it writes.
    Source: https://www.sqlite.org/howtocorrupt.html, 2.2 (read 2026-11).

    Raises:
        OSError: it cannot be made.
    """
    make_private_directory(path.parent)
    with _turn.lock:  # nobody finds the file, and locks it, between its making and its closing
        if not path.exists():
            with suppress(FileExistsError):  # another process made it just now
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600))


class _Turn:
    """The lock of whoever makes a file; a new one in a forked child."""

    def __init__(self) -> None:
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self.lock = threading.Lock()


_turn = _Turn()
