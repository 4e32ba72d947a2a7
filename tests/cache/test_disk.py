"""The disk cache: JSON only, whatever is found in the directory, and below its size."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation
from deluge_sync.cache import DiskCache, disk
from deluge_sync.errors import ConfigError

Ask = Callable[[str], Conversation]
Answer = Callable[..., APIResponse]

# diskcache's numbers for how a value lies there.
RAW, BINARY, TEXT, PICKLE = 1, 2, 3, 4


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DiskCache]:
    with closing(DiskCache(tmp_path / "private" / "cache")) as cache:
        yield cache


def poison(cache: DiskCache, **columns: object) -> None:
    """Change all rows, as somebody could who can write to the directory."""
    with closing(sqlite3.connect(cache.path / "cache.db")) as connection:
        for name, value in columns.items():
            connection.execute(f"UPDATE Cache SET {name} = ?", (value,))
        connection.commit()


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_the_trap_works(mark: Path) -> None:
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.exists()


def test_a_pickled_value_is_refused_and_not_run(
    cache: DiskCache, ask: Ask, answer: Answer, mark: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put(ask("x"), answer())
    poison(cache, value=pickle.dumps(Trap(mark)), mode=PICKLE)
    assert cache.get(ask("x")) is None
    assert not mark.exists()
    assert "may run code" in caplog.text
    cache.put(ask("x"), answer())
    assert cache.get(ask("x")) is not None


def test_a_pickled_file_is_refused_and_not_run(cache: DiskCache, ask: Ask, answer: Answer, mark: Path) -> None:
    cache.put(ask("x"), answer("x" * 100_000))
    [file] = cache.path.rglob("*.val")
    file.write_bytes(pickle.dumps(Trap(mark)))
    poison(cache, mode=PICKLE)
    assert cache.get(ask("x")) is None
    assert not mark.exists()


def test_a_pickled_key_is_refused_and_not_run(cache: DiskCache, ask: Ask, answer: Answer, mark: Path) -> None:
    cache.put(ask("x"), answer())
    poison(cache, key=pickle.dumps(Trap(mark)), raw=0)
    with pytest.raises(ConfigError, match="key"):
        cache.stats()
    assert not mark.exists()


def test_a_file_outside_the_directory_is_neither_read_nor_deleted(
    cache: DiskCache, ask: Ask, answer: Answer, tmp_path: Path
) -> None:
    outside = tmp_path / "private" / "diary.txt"
    cache.put(ask("x"), answer())
    outside.write_text("mine")
    poison(cache, value=None, mode=TEXT, filename="../diary.txt")
    assert cache.get(ask("x")) is None
    cache.put(ask("x"), answer())
    assert outside.read_text() == "mine"


def test_bytes_are_refused(cache: DiskCache, ask: Ask, answer: Answer) -> None:
    cache.put(ask("x"), answer())
    poison(cache, value=b"bytes", mode=RAW)
    assert cache.get(ask("x")) is None
    assert cache.stats().errors == 1


def test_only_texts_go_in(cache: DiskCache) -> None:
    with pytest.raises(ConfigError, match="text"), cache._at_work() as store:
        store.set("x", {"not": "a text"})
    with pytest.raises(ConfigError, match="text"), cache._at_work() as store:
        store.set(("not", "a text"), "x")


def test_directories_and_files_are_the_owners_alone(cache: DiskCache, ask: Ask, answer: Answer) -> None:
    before = os.umask(0)
    try:
        cache.put(ask("x"), answer("x" * 100_000))
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o700
    files = [file for file in cache.path.rglob("*") if file.is_file()]
    assert any(file.suffix == ".val" for file in files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_first_answers_make_room_for_the_last(tmp_path: Path, ask: Ask, answer: Answer) -> None:
    with closing(DiskCache(tmp_path / "small", size_limit=1_000_000)) as cache:
        for number in range(40):
            cache.put(ask(str(number)), answer("x" * 100_000))
        found = [cache.get(ask(str(number))) is not None for number in range(40)]
    assert (found[0], found[-1]) == (False, True)
    assert sum(found) < 20


def test_files_are_let_go_when_it_is_closed_whichever_threads_had_used_them(
    cache: DiskCache, ask: Ask, answer: Answer
) -> None:
    """SQLite deletes the log beside its file when the last connection is closed."""
    threads = [threading.Thread(target=cache.put, args=[ask(str(number)), answer()]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (cache.path / "cache.db-wal").exists()
    cache.close()
    assert not (cache.path / "cache.db-wal").exists()
    assert cache.stats().entries == 16


def test_a_lock_that_lasts_costs_one_warning(
    tmp_path: Path, ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_BUSY_S", 0.2)
    with closing(DiskCache(tmp_path / "locked")) as cache:
        cache.put(ask("x"), answer())
        with closing(sqlite3.connect(cache.path / "cache.db", isolation_level=None)) as blocker:
            blocker.execute("BEGIN IMMEDIATE")
            for number in range(20):
                cache.put(ask(str(number)), answer())
        assert len(caplog.records) == 1
        assert "Timeout" in caplog.text
        monkeypatch.setattr(cache, "_rests_until", 0.0)
        cache.put(ask("1"), answer())
        assert cache.get(ask("1")) is not None


@pytest.mark.parametrize("size_limit", [0, -1, 1.5, True])
def test_a_size_that_cannot_work_is_refused(tmp_path: Path, size_limit: Any) -> None:
    with pytest.raises(ConfigError, match="size_limit"):
        DiskCache(tmp_path, size_limit=size_limit)
