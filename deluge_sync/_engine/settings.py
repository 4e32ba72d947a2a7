"""How an engine works, as a value. Apart from `engine`, which loads requests: a client has settings before it sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from deluge_sync._engine.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync.cache.protocol import Cache
    from deluge_sync.response import APIResponse

__all__ = ["EngineSettings"]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`request_timeout_s` is the total time of one attempt, `seconds_per_prompt` that of all attempts and waits.

    `stream_idle_s` is how long a streamed answer may pause, `background_timeout_s` the time for an answer that the
    provider works on in the background. With a `cache` or with `dedupe` prompts that are the same question while one of
    them is under way are answered by that one.
    """

    max_workers: int
    request_timeout_s: float
    seconds_per_prompt: float = inf
    outage_patience_s: float = 60.0
    stream_idle_s: float = 60.0
    background_timeout_s: float = 3_600.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    cache: Cache | None = None
    dedupe: bool = False
    store_truncated: bool = False
    postprocess: Callable[[APIResponse], APIResponse] | None = None
