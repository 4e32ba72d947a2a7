"""What every built-in cache does, whatever it stores its answers in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation
from deluge_sync.cache import DiskCache, DistributedDictCache, LevelDBCache, SqliteCache
from deluge_sync.errors import ConfigError

Make = Callable[..., Any]
Ask = Callable[[str], Conversation]
Answer = Callable[..., APIResponse]

needs_plyvel = pytest.mark.skipif(find_spec("plyvel") is None, reason="plyvel (the extra leveldb) is not installed")


@pytest.fixture(params=["sqlite", "disk", "distributed", pytest.param("leveldb", marks=needs_plyvel)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes caches that share one store; LevelDB's, which one object at a time can open, are the same object."""
    shared: dict[str, str] = {}
    kinds: dict[str, Make] = {
        "sqlite": lambda **options: SqliteCache(tmp_path / "a.sqlite", **options),
        "disk": lambda **options: DiskCache(tmp_path / "disk", **options),
        "leveldb": lambda **options: LevelDBCache(tmp_path / "level", **options),
        "distributed": lambda **options: DistributedDictCache(shared, **options),
    }
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(closing(kinds[request.param](**options)))


def test_an_answer_comes_back_whole_as_the_answer_to_who_asks(make: Make, ask: Ask, answer: Answer) -> None:
    cache, asked = make(), ask("What is 2 + 2?")
    assert cache.get(asked) is None
    stored = answer(raw_response={"more": [1]}, logprobs=[{"token": "Four"}], thinking="hm")
    cache.put(asked, stored)

    found = cache.get(asked)
    assert found.prompt is asked
    found.prompt = stored.prompt
    assert found == stored


def test_the_fingerprint_alone_is_the_key(make: Make, answer: Answer) -> None:
    cache = make()
    cache.put(Conversation().user("x").keyed("one"), answer("first"))
    assert cache.get(Conversation().user("x").keyed("two")) is None
    assert cache.get(Conversation().user("y").keyed("one")).completion == "first"


def test_a_later_answer_takes_the_place_of_an_earlier_one(make: Make, ask: Ask, answer: Answer) -> None:
    cache = make()
    for text in ("first", "second"):
        cache.put(ask("x"), answer(text))
    assert cache.get(ask("x")).completion == "second"
    assert cache.stats().entries == 1


def test_cache_keys_part_a_store_and_clear_empties_one_of_them(make: Make, ask: Ask, answer: Answer) -> None:
    mine = make(cache_key="mine")
    mine.put(ask("x"), answer())
    mine.close()
    yours = make(cache_key="yours")
    assert yours.get(ask("x")) is None
    yours.put(ask("x"), answer())
    yours.clear()
    assert yours.stats().entries == 0
    yours.close()
    assert mine.get(ask("x")) is not None


def test_what_is_too_old_is_not_given(make: Make, ask: Ask, answer: Answer) -> None:
    now = [1_000_000.0]
    cache = make(expire=60, clock=lambda: now[0])
    cache.put(ask("x"), answer())
    now[0] += 59
    assert cache.get(ask("x")) is not None
    now[0] += 1
    assert cache.get(ask("x")) is None


def test_stats_tell_what_was_asked_and_what_is_there(make: Make, ask: Ask, answer: Answer) -> None:
    cache = make()
    for text in ("a", "b"):
        cache.put(ask(text), answer())
    for text in ("a", "b", "c"):
        cache.get(ask(text))
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.stored, stats.errors, stats.entries) == (2, 1, 2, 0, 2)
    assert stats.size_bytes is None or stats.size_bytes > 0


@pytest.mark.parametrize("damage", ["", "no JSON", "[]", '{"format": 99}', '{"format":1,"stored_at":1,"answer":{}}'])
def test_a_damaged_answer_is_a_miss_a_warning_and_replaced(
    damage: str, make: Make, ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    cache = make()
    for text in ("x", "y"):
        cache._write(cache._place(ask(text).fingerprint), damage)
    assert cache.get(ask("x")) is None
    assert cache.get(ask("y")) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert cache.stats().errors == 2
    cache.put(ask("x"), answer())
    assert cache.get(ask("x")) is not None


def test_an_answer_that_is_no_json_is_not_stored(
    make: Make, ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    cache = make()
    cache.put(ask("x"), answer(raw_response={"x": object()}))
    assert cache.get(ask("x")) is None
    assert "did not take an answer" in caplog.text


@pytest.mark.parametrize("options", [{"cache_key": ""}, {"cache_key": 1}, {"expire": 0}, {"expire": True}])
def test_what_cannot_work_is_refused_by_name(make: Make, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        make(**options)


def test_threads_write_and_read_without_error(make: Make, ask: Ask, answer: Answer) -> None:
    cache, wrong = make(), list[str]()

    def work(number: int) -> None:
        for turn in range(10):
            name = f"{number} {turn}"
            cache.put(ask(name), answer(name))
            found = cache.get(ask(name))
            if found is None or found.completion != name:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = cache.stats()
    assert (wrong, stats.errors, stats.entries) == ([], 0, 160)
