"""The ways to answer many prompts that are compared. Each is written as its documentation has it, and as fast as that.

Run in the contender's own environment, in a process of its own:

    python contenders.py NAME PORT PROMPTS CONCURRENCY CHARACTERS

Prints one JSON line: seconds of wall and CPU time from the first prompt to the last answer, warmed up; how many were
answered, the peak of memory, and the seconds from before the import to the very first answer. Imports of packages stand
in the functions, because each environment has just one of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

KEY = "not-a-key"
MODEL = "gpt-4.1-mini"
MANY = 10_000_000  # a limit that limits nothing

Answer = Callable[[Any], int]  # of a list of prompts, or of any iterable where the contender is in LAZY


def deluge_sync(url: str, concurrency: int) -> Answer:
    client = _our_client(url, concurrency)

    def answer(prompts: list[str]) -> int:
        responses = client.process_prompts_sync(prompts, show_progress=False)
        return sum(response.completion is not None for response in responses)

    return answer


def deluge_sync_iter(url: str, concurrency: int) -> Answer:
    """Ours again, for more prompts than a list should have."""
    client = _our_client(url, concurrency)

    def answer(prompts: Iterable[str]) -> int:
        responses = client.process_prompts_iter(prompts, show_progress=False)
        return sum(response.completion is not None for _, response in responses)

    return answer


def _our_client(url: str, concurrency: int) -> Any:
    from deluge_sync import LLMClient

    return LLMClient(
        MODEL,
        base_url=url,
        api_key=KEY,
        max_requests_per_minute=MANY,
        max_tokens_per_minute=MANY * 1_000,
        max_concurrent_requests=concurrency,
        request_timeout=120,
    )


def lm_deluge(url: str, concurrency: int) -> Answer:
    os.environ["CANNED_API_KEY"] = KEY
    from lm_deluge import LLMClient
    from lm_deluge.models import register_model

    register_model(id="canned", name=MODEL, api_base=url, api_key_env_var="CANNED_API_KEY", api_spec="openai")
    client = LLMClient(
        "canned",
        max_requests_per_minute=MANY,
        max_tokens_per_minute=MANY * 1_000,
        max_concurrent_requests=concurrency,
        request_timeout=120,
    )

    def answer(prompts: list[str]) -> int:
        responses = client.process_prompts_sync(prompts, show_progress=False)
        return sum(response is not None and response.completion is not None for response in responses)

    return answer


def litellm(url: str, concurrency: int) -> Answer:
    from litellm import batch_completion

    def answer(prompts: list[str]) -> int:
        responses = batch_completion(
            model=f"openai/{MODEL}",
            messages=[[{"role": "user", "content": prompt}] for prompt in prompts],
            api_base=url,
            api_key=KEY,
            max_workers=concurrency,
        )
        return sum(bool(getattr(response, "choices", None)) for response in responses)

    return answer


def openai_threads(url: str, concurrency: int) -> Answer:
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key=KEY)

    def ask(prompt: str) -> str | None:
        completion = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": prompt}])
        return completion.choices[0].message.content

    def answer(prompts: list[str]) -> int:
        with ThreadPoolExecutor(concurrency) as pool:
            return sum(text is not None for text in pool.map(ask, prompts))

    return answer


def openai_asyncio(url: str, concurrency: int) -> Answer:
    from openai import AsyncOpenAI

    async def answer_all(prompts: list[str]) -> int:
        client, places = AsyncOpenAI(base_url=url, api_key=KEY), asyncio.Semaphore(concurrency)

        async def ask(prompt: str) -> str | None:
            async with places:
                completion = await client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": prompt}]
                )
            return completion.choices[0].message.content

        return sum(text is not None for text in await asyncio.gather(*map(ask, prompts)))

    return lambda prompts: asyncio.run(answer_all(prompts))


def langchain(url: str, concurrency: int) -> Answer:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=url, api_key=KEY)

    def answer(prompts: list[str]) -> int:
        return sum(bool(message.content) for message in model.batch(prompts, {"max_concurrency": concurrency}))

    return answer


def requests_threads(url: str, concurrency: int) -> Answer:
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=concurrency))

    def ask(prompt: str) -> str:
        reply = session.post(
            f"{url}/chat/completions",
            json={"model": MODEL, "messages": [{"role": "user", "content": prompt}]},
            headers={"Authorization": f"Bearer {KEY}"},
        )
        reply.raise_for_status()
        return str(reply.json()["choices"][0]["message"]["content"])

    def answer(prompts: list[str]) -> int:
        with ThreadPoolExecutor(concurrency) as pool:
            return sum(bool(text) for text in pool.map(ask, prompts))

    return answer


CONTENDERS: dict[str, Callable[[str, int], Answer]] = {
    each.__name__: each
    for each in (
        deluge_sync,
        deluge_sync_iter,
        lm_deluge,
        litellm,
        openai_threads,
        openai_asyncio,
        langchain,
        requests_threads,
    )
}
LAZY = {deluge_sync_iter.__name__}


def prompts_of(number: int, characters: int) -> Iterator[str]:
    """So many different prompts."""
    return (f"{position} ".ljust(characters, "x") for position in range(number))


def measure(name: str, url: str, *, number: int, concurrency: int, characters: int) -> dict[str, Any]:
    """Answer `number` prompts and say what it took."""
    began_at = time.perf_counter()
    answer = CONTENDERS[name](url, concurrency)
    answer(["first"])
    first_s = time.perf_counter() - began_at
    take = iter if name in LAZY else list
    answer(take(prompts_of(concurrency, characters)))  # what is loaded and opened once is not counted for each request
    prompts = take(prompts_of(number, characters))
    warm_at, cpu_at_start = time.perf_counter(), time.process_time()
    answered = answer(prompts)
    return {
        "wall_s": time.perf_counter() - warm_at,
        "cpu_s": time.process_time() - cpu_at_start,
        "first_s": first_s,
        "answered": answered,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
    }


if __name__ == "__main__":
    name, port, number, concurrency, characters = sys.argv[1:]
    outcome = measure(
        name,
        f"http://127.0.0.1:{port}/v1",
        number=int(number),
        concurrency=int(concurrency),
        characters=int(characters),
    )
    sys.stdout.write("\n" + json.dumps(outcome) + "\n")
