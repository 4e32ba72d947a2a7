"""Local caches of answers: what `LLMClient(cache=...)` takes, and four that are built in.

    from deluge_sync import LLMClient
    from deluge_sync.cache import SqliteCache

    client = LLMClient("gpt-4.1-mini", cache=SqliteCache("~/.cache/answers.sqlite"))

Any object with the two methods of `Cache` will do. What is given to them is a `Conversation` whose `fingerprint` stands
for everything that shapes the answer: the messages with the content of their images and files, the pool of models with
their sampling params and APIs, the tools, the output schema. The engine makes it (`_engine.cache_key`).

`shelf` is what the built-in caches share: the stored form (`stored`), counting, age, and that no trouble of a cache
ever becomes trouble of a prompt (`complaints`). `sqlite` (over `connections`), `disk` (over `json_disk`), `leveldb`
and `distributed` say where the bytes lie; `fork_gate` and `private_files` serve them. Each is loaded when it is first
used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deluge_sync.cache.disk import DiskCache
    from deluge_sync.cache.distributed import DistributedDictCache
    from deluge_sync.cache.leveldb import LevelDBCache
    from deluge_sync.cache.protocol import Cache, CacheStats
    from deluge_sync.cache.sqlite import SqliteCache

__all__ = ["Cache", "CacheStats", "DiskCache", "DistributedDictCache", "LevelDBCache", "SqliteCache"]

_HOMES = {
    "Cache": "deluge_sync.cache.protocol",
    "CacheStats": "deluge_sync.cache.protocol",
    "DiskCache": "deluge_sync.cache.disk",
    "DistributedDictCache": "deluge_sync.cache.distributed",
    "LevelDBCache": "deluge_sync.cache.leveldb",
    "SqliteCache": "deluge_sync.cache.sqlite",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
