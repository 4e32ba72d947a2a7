"""Answers in a dictionary of somebody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation
from deluge_sync.cache import DistributedDictCache
from deluge_sync.errors import ConfigError

Ask = Callable[[str], Conversation]
Answer = Callable[..., APIResponse]


class Remote:
    """The methods that a `modal.Dict` has, of those that are needed."""

    def __init__(self) -> None:
        self.stored: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.stored.get(key)

    def put(self, key: str, value: str) -> None:
        self.stored[key] = value


class Listed(Remote):
    def keys(self) -> list[str]:
        return list(self.stored)

    def pop(self, key: str) -> str:
        return self.stored.pop(key)


class Strict(dict[str, str]):
    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002
        return self[key]


class Down:
    def get(self, key: str) -> str:
        raise RuntimeError(f"no network for {key}")

    def put(self, key: str, value: str) -> None:
        raise RuntimeError(f"no network for {key} {value}")


@pytest.mark.parametrize("kind", [Remote, Listed, Strict])
def test_anything_with_get_and_put_will_do(kind: type, ask: Ask, answer: Answer) -> None:
    store = kind()
    cache = DistributedDictCache(store, "mine")
    assert cache.get(ask("x")) is None
    cache.put(ask("x"), answer("y"))
    found = cache.get(ask("x"))
    assert found is not None
    assert found.completion == "y"
    assert cache.stats().errors == 0


def test_what_it_stores_is_a_json_text_under_a_plain_key(ask: Ask, answer: Answer) -> None:
    remote = Remote()
    DistributedDictCache(remote, "mine").put(ask("x"), answer())
    [(key, value)] = remote.stored.items()
    assert key == "mine:key of x"
    assert json.loads(value)["answer"]["cost"] == 0.25


def test_clear_needs_keys_and_stats_do_without(ask: Ask, answer: Answer) -> None:
    plain, listed = DistributedDictCache(Remote()), DistributedDictCache(Listed())
    for cache in (plain, listed):
        cache.put(ask("x"), answer())
    assert (plain.stats().entries, listed.stats().entries) == (None, 1)
    with pytest.raises(ConfigError, match="pop or __delitem__"):
        plain.clear()
    listed.clear()
    assert listed.get(ask("x")) is None


def test_a_store_that_fails_costs_a_warning_for_each_kind(
    ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    cache = DistributedDictCache(Down())
    for number in range(10):
        assert cache.get(ask(str(number))) is None
        cache.put(ask(str(number)), answer())
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert cache.stats().errors == 20


@pytest.mark.parametrize("store", [None, object(), []])
def test_what_is_no_store_is_refused(store: Any) -> None:
    with pytest.raises(ConfigError, match="cache must have"):
        DistributedDictCache(store)
