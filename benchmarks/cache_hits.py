"""Measures how many answers a second a client gives out of its local cache.

    python benchmarks/cache_hits.py                     10,000 hits of SqliteCache, five runs
    python benchmarks/cache_hits.py --kind disk --hits 2000

Sends nothing: every answer is in the cache before the clock starts. `cpu` is that of the whole process, both threads
and system calls; on a machine that does other things as well it is the figure to compare.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from deluge_sync import APIResponse, Conversation, LLMClient, Message, SamplingParams, Usage
from deluge_sync.cache import DiskCache, SqliteCache

KINDS: dict[str, Any] = {
    "sqlite": lambda directory: SqliteCache(directory / "answers.sqlite"),
    "disk": lambda directory: DiskCache(directory / "answers"),
}
ANSWER = "It depends on what you call an answer; the short of it is that there are forty-two of them. " * 2


class Filling:
    """Stands for a provider: has an answer to every question, and stores it in the cache that is to be measured."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def get(self, prompt: Conversation) -> APIResponse:
        answer = APIResponse(
            0,
            "gpt-4.1-mini",
            prompt,
            SamplingParams(temperature=0.75, max_new_tokens=512),
            200,
            False,
            None,
            usage=Usage(12, 40),
            content=Message.ai(ANSWER),
            finish_reason="stop",
            cost=0.0001,
            model_external="gpt-4.1-mini-2025-04-14",
            attempts=1,
            latency_s=0.8,
        )
        self._cache.put(prompt, answer)
        return answer

    def put(self, prompt: Conversation, response: APIResponse) -> None:
        """Nothing is sent, so nothing comes."""


def ask(cache: Any, prompts: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds for all answers, the client's making excluded."""
    with LLMClient("gpt-4.1-mini", api_key="none", cache=cache, base_url="http://127.0.0.1:9") as client:
        wall, cpu = time.perf_counter(), time.process_time()
        responses = client.process_prompts_sync(prompts, show_progress=False)
        needed = time.perf_counter() - wall, time.process_time() - cpu
    assert all(response.local_cache_hit for response in responses)
    return needed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hits", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kind", choices=KINDS, default="sqlite")
    arguments = parser.parse_args()
    prompts = [f"Question {number}: how many answers are there?" for number in range(arguments.hits)]
    with tempfile.TemporaryDirectory() as directory, closing(KINDS[arguments.kind](Path(directory))) as cache:
        ask(Filling(cache), prompts)
        runs = [ask(cache, prompts) for _ in range(arguments.runs)]
    wall, cpu = (median(each) for each in zip(*runs, strict=True))
    Console().print(
        f"{arguments.kind}: {arguments.hits:,} hits, median of {arguments.runs} runs: "
        f"wall {wall:.2f} s ({arguments.hits / wall:,.0f} a second), cpu {cpu:.2f} s ({arguments.hits / cpu:,.0f})"
    )


if __name__ == "__main__":
    main()
