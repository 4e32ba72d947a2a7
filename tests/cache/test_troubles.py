"""What trouble with a cache costs a client: a warning of each kind, and never an answer."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.cache import DiskCache, SqliteCache, disk, sqlite
from deluge_sync.testing import FakeProvider

PROMPTS = [f"question {number}" for number in range(30)]
ANSWERS = [f"You said: {prompt}" for prompt in PROMPTS]


@dataclass(frozen=True, slots=True)
class Store:
    """A cache on disk, and the SQLite file that it keeps its answers in or finds them by."""

    make: Callable[[Path], Any]
    path: Path
    database: Path

    def open(self) -> Any:
        return self.make(self.path)


@pytest.fixture(params=["SqliteCache", "DiskCache"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    path = tmp_path / "answers"
    stores = {"SqliteCache": Store(SqliteCache, path, path), "DiskCache": Store(DiskCache, path, path / "cache.db")}
    return stores[request.param]


@pytest.fixture
def ask(fake_provider: FakeProvider) -> Callable[[Any], int]:
    """Has all prompts answered by a client with this cache, and tells how many answers came from there."""

    def answer(cache: Any) -> int:
        settings: dict[str, Any] = {"max_requests_per_minute": 10**6, "max_tokens_per_minute": 10**9, "cache": cache}
        with closing(cache), LLMClient(base_url=fake_provider.openai_url, api_key="sk-test", **settings) as client:
            responses = client.process_prompts_sync(PROMPTS, show_progress=False)
        assert [response.completion for response in responses] == ANSWERS
        return sum(response.local_cache_hit for response in responses)

    return answer


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname}: {record.message}" for record in caplog.records if "deluge_sync" in record.name]


def overwrite(database: Path) -> None:
    database.write_bytes(b"something else" * 1_000)


def overwrite_the_second_half(database: Path) -> None:
    whole = database.read_bytes()
    database.write_bytes(whole[: len(whole) // 2] + b"\xff" * (len(whole) // 2))


def cut_off(database: Path) -> None:
    whole = database.read_bytes()
    database.write_bytes(whole[: len(whole) // 2])


def let_another_program_use_it(database: Path) -> None:
    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        for table in ("deluge_answers", "Settings", "Cache"):
            connection.execute(f"CREATE TABLE {table} (something TEXT, different TEXT)")
        connection.commit()


def put_a_directory_there(database: Path) -> None:
    database.unlink()
    database.mkdir()


DAMAGES = [overwrite, overwrite_the_second_half, cut_off, let_another_program_use_it, put_a_directory_there]


def test_a_cache_without_trouble_warns_of_nothing(
    store: Store, ask: Callable[[Any], int], caplog: pytest.LogCaptureFixture
) -> None:
    assert [ask(store.open()), ask(store.open())] == [0, len(PROMPTS)]
    assert warnings(caplog) == []


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_cache_costs_warnings_and_no_answer(
    damage: Callable[[Path], None], store: Store, ask: Callable[[Any], int], caplog: pytest.LogCaptureFixture
) -> None:
    ask(store.open())
    assert not list(store.database.parent.glob("*-wal"))
    damage(store.database)
    assert ask(store.open()) < len(PROMPTS)
    told = warnings(caplog)
    assert 1 <= len(told) <= 4
    assert all(each.startswith("WARNING") and str(store.path) in each for each in told)


def test_a_locked_cache_costs_a_warning_and_no_answer(
    store: Store, ask: Callable[[Any], int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sqlite, disk):
        monkeypatch.setattr(module, "_BUSY_S", 0.2)
    with closing(store.open()) as cache:
        assert cache.stats().entries == 0
    with closing(sqlite3.connect(store.database, isolation_level=None)) as blocker:
        blocker.execute("BEGIN EXCLUSIVE")
        assert ask(store.open()) == 0
    told = warnings(caplog)
    assert 1 <= len(told) <= 2
    assert ("locked" in told[0].lower()) or ("Timeout" in told[0])


# A limit on the size of a file is what a full disk looks like: what is written beyond it fails.
_FULL = """
import logging, resource, sys
from deluge_sync import LLMClient, cache
from deluge_sync.testing import FakeProvider, Reply

class Short(logging.Formatter):
    def format(self, record):
        return record.levelname

handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(Short())
logging.getLogger("deluge_sync").addHandler(handler)
prompts, said = [f"question {number}" for number in range(60)], "and so on " * 150
with FakeProvider(script=lambda _: Reply.text(said)) as provider:
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
    for _ in range(2):
        store = getattr(cache, sys.argv[1])(sys.argv[2])
        settings = {"max_requests_per_minute": 10**6, "max_tokens_per_minute": 10**9, "cache": store}
        with LLMClient(base_url=provider.openai_url, api_key="k", **settings) as client:
            responses = client.process_prompts_sync(prompts, show_progress=False)
        assert {response.completion for response in responses} == {said}
        hits = sum(response.local_cache_hit for response in responses)
        store.close()
print(0 < hits < len(prompts) or hits, flush=True)
"""


@pytest.mark.parametrize("kind", ["SqliteCache", "DiskCache"])
def test_a_full_disk_costs_warnings_and_neither_an_answer_nor_what_is_stored(
    kind: str, tmp_path: Path, program: Callable[..., subprocess.Popen[str]]
) -> None:
    pytest.importorskip("resource", reason="this system limits no sizes of files")
    out, err = program(_FULL, kind, tmp_path / "answers").communicate(timeout=60)
    *told, stored_some = out.splitlines()
    assert (stored_some, err) == ("True", "")
    assert told
    assert set(told) == {"WARNING"}
    assert len(told) <= 4
