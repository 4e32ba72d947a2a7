"""The caches on disk under many processes at once, under kills and under forks: no error, and nothing is lost."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import Conversation
from deluge_sync.cache import DiskCache, LevelDBCache, SqliteCache

Program = Callable[..., "subprocess.Popen[str]"]

KINDS: dict[str, Any] = {"SqliteCache": SqliteCache, "DiskCache": DiskCache, "LevelDBCache": LevelDBCache}
SHARED = ["SqliteCache", "DiskCache"]  # LevelDB belongs to one process at a time, and says so: see its own tests

needs_plyvel = pytest.mark.skipif(find_spec("plyvel") is None, reason="plyvel (the extra leveldb) is not installed")

_COMMON = """
import logging, os, sys, threading
from deluge_sync import APIResponse, Conversation, Message, SamplingParams, cache

logging.basicConfig(stream=sys.stdout, format="%(message)s")
cache = getattr(cache, sys.argv[1])(sys.argv[2])

def ask(name):
    return Conversation().user(name).keyed(name)

def answer(name):
    said = Message.ai("re " + name + (" and so on" * 5_000 if name.endswith("0") else ""))
    return APIResponse(0, "m", ask(name), SamplingParams(), 200, False, None, content=said)

def is_stored(name):
    found = cache.get(ask(name))
    return found is not None and found.content == answer(name).content
"""

# 16 threads: each stores its own answers and reads them and those of the thread before it.
_CROWD = (
    _COMMON
    + """
who, rounds = sys.argv[3], int(sys.argv[4])
wrong = []

def work(number):
    for turn in range(rounds):
        name = f"{who} {number} {turn}"
        cache.put(ask(name), answer(name))
        if not is_stored(name):
            wrong.append(name)
        cache.get(ask(f"{who} {number - 1} {turn}"))

threads = [threading.Thread(target=work, args=[number]) for number in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(wrong), cache.stats().errors)
"""
)

# Tells each answer once `put` has returned; is killed meanwhile.
_WRITER = (
    _COMMON
    + """
def work(number):
    turn = 0
    while True:
        name = f"{sys.argv[3]} {number} {turn}"
        cache.put(ask(name), answer(name))
        os.write(1, (name + "\\n").encode())
        turn += 1

for number in range(4):
    threading.Thread(target=work, args=[number], daemon=True).start()
threading.Event().wait()
"""
)

# While four threads write, children are forked that write too.
_FORKS = (
    _COMMON
    + """
is_over = threading.Event()
counts = [0] * 4

def work(number):
    while not is_over.is_set():
        name = f"parent {number} {counts[number]}"
        cache.put(ask(name), answer(name))
        counts[number] += 1

threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
[thread.start() for thread in threads]
codes = []
for turn in range(10):
    child = os.fork()
    if child == 0:
        names = [f"child {turn} {number}" for number in range(20)]
        for name in names:
            cache.put(ask(name), answer(name))
        os._exit(0 if all(map(is_stored, names)) and not cache.stats().errors else 1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
is_over.set()
[thread.join() for thread in threads]
print(codes == [0] * 10, cache.stats().errors, cache.stats().entries == sum(counts) + 200)
"""
)


@pytest.fixture(params=SHARED)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers"


@pytest.mark.parametrize("rounds", [pytest.param(10, id="10"), pytest.param(500, id="500", marks=pytest.mark.soak)])
def test_16_threads_in_4_processes_make_no_error(rounds: int, kind: str, path: Path, program: Program) -> None:
    crowds = [program(_CROWD, kind, path, str(number), str(rounds)) for number in range(4)]
    said = [crowd.communicate(timeout=60 + rounds) for crowd in crowds]
    assert said == [("0 0\n", "")] * 4
    with closing(KINDS[kind](path)) as cache:
        assert cache.stats().entries == 4 * 16 * rounds


@pytest.mark.parametrize("kills", [pytest.param(5, id="5"), pytest.param(100, id="100", marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", [*SHARED, pytest.param("LevelDBCache", marks=needs_plyvel)])
def test_killed_writers_lose_no_answer_that_was_stored(kills: int, kind: str, path: Path, program: Program) -> None:
    chance, told = random.Random(1), list[str]()
    for kill in range(kills):
        writer = program(_WRITER, kind, path, str(kill))
        assert writer.stdout is not None
        told += [writer.stdout.readline() for _ in range(chance.randrange(1, 60))]
        writer.kill()
        told += writer.communicate(timeout=10)[0].splitlines(keepends=True)
    names = [line.rstrip("\n") for line in told if line.endswith("\n")]
    with closing(KINDS[kind](path)) as cache:
        found = [cache.get(Conversation().user(name).keyed(name)) for name in names]
        wrong = [
            name
            for name, each in zip(names, found, strict=True)
            if not str(each and each.text).startswith(f"re {name}")
        ]
        assert (wrong, cache.stats().errors, len(names) >= kills) == ([], 0, True)
    if kind == "LevelDBCache":
        return
    with closing(sqlite3.connect(path / "cache.db" if path.is_dir() else path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_parent_and_children_of_a_fork_lose_nothing(kind: str, path: Path, program: Program) -> None:
    assert program(_FORKS, kind, path).communicate(timeout=60) == ("True 0 True\n", "")
