"""The promise of the journal, judged by the provider's ledger: kill -9 at any moment loses and repeats nothing."""

from __future__ import annotations

import json
import os
import random
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from deluge_sync.testing import FakeProvider

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROMPTS = 500
KILLS = 10
CONCURRENCY = 8


def moments(rng: random.Random, results: Path, provider: FakeProvider) -> Iterator[Callable[[], bool]]:
    """When to kill: some rows or some requests after the launch, as the seed wants it."""
    for _ in range(KILLS):
        count: Callable[[], int] = rng.choice([lambda: rows_in(results), lambda: len(provider.ledger)])
        target = count() + rng.randrange(1, 40)
        yield lambda count=count, target=target: count() >= target  # type: ignore[misc]  # bound now, not later


def rows_in(results: Path) -> int:
    return results.read_bytes().count(b"\n") if results.exists() else 0


def answered_in(results: Path) -> set[str]:
    """The prompts that have a whole line."""
    whole, _, _ = results.read_bytes().rpartition(b"\n")
    return {json.loads(line)["completion"].removeprefix("You said: ") for line in whole.splitlines()}


def wait_for(is_time: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not is_time():
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def sent_by_launch(provider: FakeProvider) -> dict[str, list[str]]:
    """What each launch asked for; every launch has a key of its own."""
    sent: dict[str, list[str]] = defaultdict(list)
    for record in provider.ledger:
        sent[record.key or ""].append(record.json["messages"][-1]["content"])
    return sent


def test_ten_kills_lose_no_answer_and_repeat_none(spawn: Any, tmp_path: Path, results: Path) -> None:
    prompts = [f"prompt {number}" for number in range(PROMPTS)]
    (tmp_path / "p.txt").write_text("\n".join(prompts))
    rng = random.Random(20)
    answered_at_kill: list[set[str]] = []
    with FakeProvider(latency_s=lambda chance: chance.uniform(0.002, 0.04), seed=20) as provider:

        def launch(number: int) -> subprocess.Popen[bytes]:
            process: subprocess.Popen[bytes] = spawn(
                *("run", "p.txt", "-o", results, "--base-url", provider.openai_url, "--no-progress"),
                *("--rpm", "100000", "--tpm", "100000000", "--concurrency", str(CONCURRENCY)),
                env={**os.environ, "OPENAI_API_KEY": f"launch-{number}"},
            )
            return process

        for number, is_time in enumerate(moments(rng, results, provider)):
            process = launch(number)
            wait_for(is_time, process)
            process.kill()
            process.wait()
            answered_at_kill.append(answered_in(results) if results.exists() else set())
        last = launch(KILLS)
        _, err = last.communicate(timeout=60)
        assert last.returncode == 0, err
        sent = sent_by_launch(provider)

    # None is missing, and each has one row.
    assert sorted(json.loads(line)["index"] for line in results.read_bytes().splitlines()) == list(range(PROMPTS))
    assert answered_in(results) == set(prompts)
    # An answer that was in the file at a kill is still there, and its prompt was never sent again.
    for number, answered in enumerate(answered_at_kill):
        for later in range(number + 1, KILLS + 1):
            assert not answered & set(sent[f"launch-{later}"])
            assert answered <= (answered_at_kill[later] if later < KILLS else set(prompts))
    # What was sent in vain is what was in flight at a kill, and no launch sent a prompt twice.
    in_vain = 0
    for number, answered in enumerate(answered_at_kill):
        launched = sent[f"launch-{number}"]
        assert len(launched) == len(set(launched))
        assert len(set(launched) - answered) <= CONCURRENCY + 1  # a worker each, and the leader
        in_vain += len(set(launched) - answered)
    assert sum(map(len, sent.values())) == PROMPTS + in_vain
    assert any(answered_at_kill), "every kill came before the first row"
