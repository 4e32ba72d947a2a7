"""A process that forks while it works: parent and child both go on, and neither gets an answer of the other."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest

if not hasattr(os, "fork"):
    pytest.skip("this system has no fork", allow_module_level=True)

_CLIENT = """
import os, sys, threading, time
from deluge_sync import LLMClient

client = LLMClient(base_url=sys.argv[1], api_key="k", max_requests_per_minute=10_000_000,
                   max_tokens_per_minute=10**12, max_concurrent_requests=50)

def ask(who, count=20):
    prompts = [f"{who} {number}" for number in range(count)]
    got = client.process_prompts_sync(prompts, show_progress=False, return_completions_only=True)
    return [f"You said: {prompt}" for prompt in prompts] == got
"""

# 50 times: 50 calls are in flight in the parent when it forks; both ask, the parent's calls go on, and all is checked.
_FORKS = (
    _CLIENT
    + """
ask("warm-up", 50)  # idle connections that a child could inherit
for run in range(int(sys.argv[2])):
    busy = []
    thread = threading.Thread(target=lambda: busy.append(ask(f"busy-{run}", 50)))
    thread.start()
    while client.tracker.snapshot().in_flight < 50:
        time.sleep(0.001)
    child = os.fork()
    if child == 0:
        ok = ask(f"child-{run}")
        ok = ok and ask(f"child-again-{run}")
        client.close()
        os._exit(0 if ok else 1)
    own = ask(f"parent-{run}")
    _, status = os.waitpid(child, 0)
    thread.join()
    print(run, own, busy == [True], os.waitstatus_to_exitcode(status), flush=True)
client.close()
"""
)

_POOL = (
    _CLIENT
    + """
import multiprocessing

ask("preload")
with multiprocessing.get_context("fork").Pool(4) as pool:
    print(all(pool.map(ask, [f"worker-{number}" for number in range(16)])), ask("parent"), flush=True)
client.close()
"""
)


@pytest.mark.parametrize("runs", [pytest.param(5, id="5 runs"), pytest.param(50, id="50 runs", marks=pytest.mark.soak)])
def test_fork_with_50_calls_in_flight_gives_each_process_its_own_answers(
    runs: int,
    remote_provider: Callable[..., Any],
    program: Callable[..., Any],
    record_property: Callable[[str, object], None],
) -> None:
    provider = remote_provider(latency_s=0.1)
    running = program(_FORKS, provider.openai_url, str(runs))
    status, out, err = running.end(within_s=10 + 3 * runs)

    lines = out.splitlines()
    good = sum(line == f"{run} True True 0" for run, line in enumerate(lines))
    record_property("fork", f"{good} of {runs} runs without a wrong, lost or foreign answer")
    assert (status, good) == (0, runs), err
    ledger = provider.ledger
    assert set(Counter(record.said for record in ledger).values()) == {1}  # nothing was sent twice
    ports: dict[str, set[int]] = defaultdict(set)
    for record in ledger:
        ports[record.said.split()[0]].add(record.client_port)
    # The parent's connections stay open while the child lives, so a port of both would be a connection of both.
    for run in range(runs):
        of_child = ports[f"child-{run}"] | ports[f"child-again-{run}"]
        assert not of_child & (ports[f"busy-{run}"] | ports[f"parent-{run}"])


def test_the_workers_of_a_multiprocessing_pool_use_a_client_made_before_the_fork(
    remote_provider: Callable[..., Any], program: Callable[..., Any]
) -> None:
    provider = remote_provider(latency_s=0.02)

    status, out, err = program(_POOL, provider.openai_url).end()

    assert (status, out.strip()) == (0, "True True"), err
    assert len(provider.ledger) == 18 * 20
