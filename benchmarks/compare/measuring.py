"""A load, and one process of one contender that answers it against the canned provider."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from environments import HERE, python_of

LONGEST_RUN_S = 1_800


@dataclass(frozen=True, slots=True)
class Load:
    """So many prompts, so many at once, against a provider that takes so long. `figure` is what is looked at."""

    key: str
    title: str
    figure: str
    prompts: int
    concurrency: int
    latency_s: float = 0.0
    characters: int = 40
    answer_bytes: int = 40

    @property
    def ideal_s(self) -> float:
        """How long it takes if nothing but the provider takes time."""
        return self.prompts / self.concurrency * self.latency_s


@contextmanager
def canned_provider(load: Load) -> Iterator[int]:
    """Yields the port of a provider for this load."""
    command = [sys.executable, HERE / "canned_provider.py"]
    command += ["--latency", str(load.latency_s), "--answer-bytes", str(load.answer_bytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def run(contender: str, load: Load, port: int, *, prompts: int | None = None) -> dict[str, float] | None:
    """The figures of one process of one contender; None where it lost answers or took too long.

    `cpu_us` is per request, `ideal` the wall time in ideal ones, `per_s` answers a second.
    """
    prompts = prompts or load.prompts
    command = [python_of(contender), HERE / "contenders.py", contender]
    command += map(str, (port, prompts, load.concurrency, load.characters))
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_RUN_S, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{contender}: {error}\n{(error.stderr or '')[-500:]}\n")
        return None
    found = json.loads(ended.stdout.strip().splitlines()[-1])
    if found["answered"] != prompts:
        sys.stderr.write(f"{contender}: {found['answered']} of {prompts} answered\n")
        return None
    return {
        "cpu_us": found["cpu_s"] / prompts * 1e6,
        "ideal": found["wall_s"] / load.ideal_s if load.ideal_s else 0.0,
        "per_s": prompts / found["wall_s"],
        "peak_mb": found["peak_mb"],
        "first_ms": found["first_s"] * 1e3,
    }


def medians(figures: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over several processes."""
    return {name: median(each[name] for each in figures) for name in figures[0]}
