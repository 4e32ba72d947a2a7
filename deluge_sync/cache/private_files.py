"""Makes directories and files that only their owner may read: prompts and answers are nobody else's business."""

from __future__ import annotations

import os
from pathlib import Path

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
    """Make the file, empty, with mode 0600, and its directory. One that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    make_private_directory(path.parent)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600))
