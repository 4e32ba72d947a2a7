"""The SQLite cache under threads, locks and damage. `test_processes` has what other processes can do to it."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation
from deluge_sync.cache import SqliteCache, sqlite
from deluge_sync.errors import ConfigError

Clock = Callable[[], float]
Ask = Callable[[str], Conversation]
Answer = Callable[..., APIResponse]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "deep" / "answers.sqlite"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directories_and_files_are_the_owners_alone(path: Path, ask: Ask, answer: Answer) -> None:
    before = os.umask(0)
    try:
        cache = SqliteCache(path)
        cache.put(ask("x"), answer())
        assert [mode(path.parent.parent), mode(path.parent)] == [0o700, 0o700]
        assert {mode(file) for file in path.parent.iterdir()} == {0o600}
        assert {file.suffix for file in path.parent.iterdir()} == {".sqlite", ".sqlite-wal", ".sqlite-shm"}
    finally:
        os.umask(before)
        cache.close()


def test_nothing_is_touched_before_it_is_used(path: Path) -> None:
    SqliteCache(path)
    assert not path.parent.exists()


@pytest.mark.parametrize("name", ["", ":memory:"])
def test_a_database_without_a_file_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="path"):
        SqliteCache(name)


def test_threads_share_a_few_connections(path: Path, ask: Ask, answer: Answer, monkeypatch: Any) -> None:
    cache, opened, lock = SqliteCache(path), [0], threading.Lock()
    cache.put(ask("x"), answer())
    connect, gather = cache._connections._connect, threading.Barrier(40)

    def count() -> sqlite3.Connection:
        with lock:
            opened[0] += 1
        return connect()

    monkeypatch.setattr(cache._connections, "_connect", count)
    found: list[APIResponse | None] = []

    def read() -> None:
        gather.wait(10)
        found.append(cache.get(ask("x")))

    threads = [threading.Thread(target=read) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.close()
    assert opened[0] < 8
    assert [each is not None for each in found] == [True] * 40


def test_a_file_that_is_no_database_costs_one_warning(
    path: Path, ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else" * 100)
    cache = SqliteCache(path)
    for number in range(20):
        assert cache.get(ask(str(number))) is None
        cache.put(ask(str(number)), answer())
    assert len(caplog.records) == 2  # one for reading, one for writing
    assert str(path) in caplog.text
    assert path.read_bytes() == b"something else" * 100


def test_a_path_that_cannot_be_made_costs_one_warning(
    tmp_path: Path, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("x")
    cache = SqliteCache(tmp_path / "file" / "answers.sqlite")
    assert [cache.get(ask("x")) for _ in range(5)] == [None] * 5
    assert len(caplog.records) == 1


def test_a_full_database_costs_a_warning_and_keeps_what_it_has(
    path: Path, ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    cache = SqliteCache(path)
    cache.put(ask("small"), answer())
    with cache._connections.one() as connection:
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(3):
        cache.put(ask(f"large {number}"), answer("x" * 100_000))
        with cache._connections.one() as connection:  # a new one: the other was closed after its error
            connection.execute(f"PRAGMA max_page_count = {pages}")
    found = cache.get(ask("small"))
    cache.close()
    assert found is not None
    assert len(caplog.records) == 1
    assert "full" in caplog.text


def test_a_locked_database_is_waited_for_once_and_then_left_alone_for_a_while(
    path: Path,
    ask: Ask,
    answer: Answer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    own_time: Clock,
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_S", 0.2)
    cache = SqliteCache(path)
    cache.put(ask("x"), answer())
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    began_at = own_time()
    for number in range(50):
        cache.put(ask(str(number)), answer())
    assert own_time() - began_at < 50 * 0.2 / 2
    blocker.execute("ROLLBACK")
    blocker.close()
    cache.close()
    assert len(caplog.records) == 1
    assert "locked" in caplog.text
    monkeypatch.setattr(cache, "_rests_until", 0.0)
    cache.put(ask("1"), answer())
    assert cache.get(ask("1")) is not None
    cache.close()


def test_what_is_too_old_is_deleted_when_the_file_is_opened(path: Path, ask: Ask, answer: Answer) -> None:
    now = [1_000.0]
    first = SqliteCache(path, expire=10, clock=lambda: now[0])
    first.put(ask("x"), answer())
    first.close()
    now[0] += 10
    later = SqliteCache(path, expire=10, clock=lambda: now[0])
    assert later.stats().entries == 0
    later.close()


def test_a_reader_is_not_stopped_by_a_writer(path: Path, ask: Ask, answer: Answer) -> None:
    cache = SqliteCache(path)
    cache.put(ask("x"), answer())
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert cache.get(ask("x")) is not None
    writer.close()
    cache.close()


def test_ctrl_c_leaves_the_cache_usable(path: Path, ask: Ask, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = SqliteCache(path)

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "_change", interrupt)
        for _ in range(20):  # more often than there are connections
            with pytest.raises(KeyboardInterrupt):
                cache.put(ask("x"), answer())
    cache.put(ask("x"), answer())
    assert cache.get(ask("x")) is not None
    cache.close()
