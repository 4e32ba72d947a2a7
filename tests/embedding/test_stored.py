"""Numbers in every cache there is, under keys that cover what makes them."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deluge_sync._adapters.embeddings.inputs import Wish
from deluge_sync.cache import DiskCache, DistributedDictCache, LevelDBCache, SqliteCache
from deluge_sync.cache.complaints import Complaints
from deluge_sync.embedding import stored
from deluge_sync.embedding.stored import StoredNumbers
from deluge_sync.models import Model
from deluge_sync.response import APIResponse

MODEL = Model("m", "m", "openai", "https://provider.test/v1", mode="embedding")
VECTOR = array("f", [0.1, -2.5, 3e-30])
SCORE = array("d", [0.1])  # a double, to the last bit


class Dict:
    """A cache of one's own: two methods around a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, APIResponse] = {}

    def get(self, prompt: Any) -> Any:
        return self.kept.get(prompt.fingerprint)

    def put(self, prompt: Any, response: APIResponse) -> None:
        self.kept[prompt.fingerprint] = response


CACHES: dict[str, Callable[[Path], Any]] = {
    "dict": lambda _: Dict(),
    "sqlite": lambda path: SqliteCache(path / "answers.db"),
    "disk": lambda path: DiskCache(path / "disk"),
    "leveldb": lambda path: LevelDBCache(path / "level"),
    "distributed": lambda _: DistributedDictCache({}),
}


def numbers_in(
    cache: Any, model: Model = MODEL, url: str = "u", wish: Wish | None = None, **more: Any
) -> StoredNumbers:
    return StoredNumbers(cache, model, url, wish or Wish(), **more)


@pytest.mark.parametrize("name", CACHES)
def test_numbers_come_back_bit_for_bit_from_every_cache(name: str, tmp_path: Path) -> None:
    kept = numbers_in(CACHES[name](tmp_path))

    kept.keep("Grüße", VECTOR)
    kept.keep("score", SCORE)

    assert kept.find("Grüße") == VECTOR
    assert (kept.find("Grüße") or array("b")).typecode == "f"
    assert kept.find("score") == SCORE
    assert kept.find("other") is None


@pytest.mark.parametrize(
    "other",
    [
        {"model": replace(MODEL, name="n")},
        {"model": replace(MODEL, id="n")},
        {"model": replace(MODEL, mode="rerank")},
        {"url": "elsewhere"},
        {"wish": Wish(dimensions=3)},
        {"wish": Wish(input_type="query")},
        {"query": "which?"},
        {"extra_body": {"truncate": "END"}},
    ],
    ids=lambda other: "-".join(other),
)
def test_what_makes_other_numbers_makes_another_key(other: dict[str, Any]) -> None:
    cache = Dict()
    numbers_in(cache).keep("a", VECTOR)

    assert numbers_in(cache, **other).find("a") is None
    assert numbers_in(cache).find("a") == VECTOR


def test_something_else_under_the_key_is_no_vector() -> None:
    cache = Dict()
    kept = numbers_in(cache)
    kept.keep("a", VECTOR)
    [(key, response)] = cache.kept.items()

    for raw in (None, {}, {"float32": 7}, {"float32": "no base64!"}, {"float32": "AAA="}, {"float32": ""}):
        cache.kept[key] = replace(response, raw_response=raw)
        assert kept.find("a") is None


def test_a_cache_that_fails_costs_a_warning_and_nothing_else(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def get(self, _: Any) -> Any:
            raise OSError("gone")

        put = get

    monkeypatch.setattr(stored, "_complaints", Complaints(stored.log))  # it tells each kind once a process
    kept = numbers_in(Broken())

    with caplog.at_level(logging.WARNING):
        assert kept.find("a") is None
        assert kept.find("b") is None

    assert [record.message for record in caplog.records] == [
        "cache look-up failed, so the text is sent: OSError: gone (said once)"
    ]
