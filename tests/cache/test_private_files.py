"""Files that only their owner may read, made without harm to whoever uses them already."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from deluge_sync.cache.private_files import make_private_file

_TRY = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN EXCLUSIVE")
except sqlite3.OperationalError as error:
    print(error)
else:
    print("nobody has locked it")
"""


def test_a_file_that_is_there_keeps_its_content_its_mode_and_its_locks(
    tmp_path: Path, program: Callable[..., subprocess.Popen[str]]
) -> None:
    """Whoever opens and closes a file gives up all locks of its process: a database in use would look free."""
    path = tmp_path / "answers.sqlite"
    path.touch(0o640)
    path.chmod(0o640)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE x (y)")
        connection.execute("BEGIN EXCLUSIVE")
        make_private_file(path)
        out, _ = program(_TRY, path).communicate(timeout=20)
    assert out == "database is locked\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_threads_that_make_the_same_file_make_one(tmp_path: Path) -> None:
    path, gather = tmp_path / "deep" / "down" / "x", threading.Barrier(16)
    errors: list[Exception] = []

    def make() -> None:
        gather.wait(10)
        try:
            make_private_file(path)
        except OSError as error:
            errors.append(error)

    before = os.umask(0)
    try:
        threads = [threading.Thread(target=make) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        os.umask(before)
    assert errors == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
