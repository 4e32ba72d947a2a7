"""What becomes of the prompts when a provider is not at its best: answers handed back, and requests that it took.

Counts, not times: they hardly depend on the machine. The provider is the embedded one, and its ledger is the judge.
Each contender runs as in the other measurements, with its own defaults for retries, and is told of no limit.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from environments import HERE, python_of

from deluge_sync.testing import FakeProvider, Reply, RequestRecord

LONGEST_RUN_S = 300
WORKING_S, DOWN_S = 1.0, 10.0
_NUMBER = re.compile(rb'"([0-9]+) x+"')


@dataclass(frozen=True, slots=True)
class Situation:
    """`options` are those of `FakeProvider`; `meanwhile` happens to it while the prompts are answered."""

    title: str
    prompts: int
    concurrency: int
    options: dict[str, Any] = field(default_factory=dict)
    meanwhile: Callable[[FakeProvider], None] | None = None


def refuses_some(record: RequestRecord) -> Reply | None:
    """Every fiftieth prompt is refused, whenever it is asked."""
    number = _NUMBER.search(record.body)  # some send the text alone, some a list of parts
    return Reply.error(400) if number is not None and int(number[1]) % 50 == 0 else None


def goes_down(provider: FakeProvider) -> None:
    """An outage, beginning soon after the first requests."""
    while not provider.ledger:
        time.sleep(0.05)
    time.sleep(WORKING_S)
    provider.down("503")
    time.sleep(DOWN_S)
    provider.up()


SITUATIONS = [
    Situation("2 of 100 prompts are refused (400)", 100, 16, {"script": refuses_some}),
    Situation("the key is wrong (401), 500 prompts", 500, 32, {"api_keys": ["another"]}),
    Situation(
        "12 % of replies fail (500, reset, cut off), 1,000 prompts",
        1_000,
        64,
        {"latency_s": 0.05, "faults": {"error_500": 0.05, "reset": 0.05, "truncate": 0.02}},
    ),
    Situation(
        "50 requests a second are let in (429), 1,000 prompts",
        1_000,
        100,
        {"latency_s": 0.3, "requests_per_minute": 3_000, "burst_s": 1.0},
    ),
    Situation("down for 10 s (503), 1,000 prompts", 1_000, 64, {"latency_s": 0.3}, goes_down),
]


def behaviours(contenders: list[str]) -> list[str]:
    """A table in Markdown: a row for each situation, a column for each contender."""
    rows = [["answers / requests", *contenders], ["---", *["---:"] * len(contenders)]]
    rows += [[each.title, *(_outcome(contender, each) for contender in contenders)] for each in SITUATIONS]
    return ["## when something goes wrong, one run", "", *(f"| {' | '.join(row)} |" for row in rows), ""]


def _outcome(contender: str, situation: Situation) -> str:
    """`answers / requests`; the exception instead of the answers where the call ended with one."""
    with FakeProvider(keep_bodies="script" in situation.options, **situation.options) as provider:
        if situation.meanwhile is not None:
            threading.Thread(target=situation.meanwhile, args=(provider,), daemon=True).start()
        answers = _run(contender, situation, provider.url.rpartition(":")[2])
        return f"{answers} / {len(provider.ledger):,}"


def _run(contender: str, situation: Situation, port: str) -> str:
    command = [python_of(contender), HERE / "contenders.py", contender, port]
    command += map(str, (situation.prompts, situation.concurrency, 40))
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_RUN_S, check=False)
    except subprocess.TimeoutExpired:
        return f"not ended after {LONGEST_RUN_S} s"
    last = (ended.stdout if ended.returncode == 0 else ended.stderr).strip().splitlines()[-1]
    if ended.returncode == 0:
        return f"{json.loads(last)['answered']:,}"
    sys.stderr.write(f"{contender}: {last[:200]}\n")
    return last.partition(":")[0].rpartition(".")[2]
