"""Measures deluge_sync beside what a user would pick instead, in one run, and writes `benchmarks/results.md`.

    make bench                                        everything; about half an hour
    python benchmarks/compare --rounds 3 --only cpu   part of it
    python benchmarks/compare --only behaviours       what becomes of prompts when something goes wrong (`behaviours`)
    python benchmarks/compare --only scale            ours alone, from 1 to 2,000 threads and to 1,000,000 prompts

Each contender lives in an environment of its own under `.venv/bench`, which is made at first use. Every figure is the
median of several processes; contenders take turns within a round, so that whatever else the machine does meets all of
them. Ratios count, not the times of one machine. The canned provider runs in a process of its own and its CPU is not
counted.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from behaviours import behaviours
from environments import MODULES, OURS, PACKAGES, ROOT, python_of, version_of
from measuring import Load, canned_provider, run
from rich.console import Console
from scale import scale

LOADS = [
    Load("cpu", "CPU per request, 3,000 prompts, 32 at once, no latency", "cpu_us", 3_000, 32),
    Load("cpu-latency", "CPU per request, 4,000 prompts, 225 at once, 0.2 s latency", "cpu_us", 4_000, 225, 0.2),
    Load("wall", "wall time against the ideal, 4,000 prompts, 225 at once, 0.2 s", "ideal", 4_000, 225, 0.2),
    Load("wall-1000", "wall time against the ideal, 8,000 prompts, 1,000 at once, 1 s", "ideal", 8_000, 1_000, 1.0),
    Load("memory", "peak memory, 50,000 prompts of 1 KB, answers of 2 KB", "peak_mb", 50_000, 225, 0.0, 1_000, 2_000),
    Load("first", "import, client and first answer of a script", "first_ms", 1, 1),
]
# Those that would take hours for so many prompts get a share; their figures are per request, or grow with the number.
SMALLER = {("litellm", "cpu"): 1_000, ("litellm", "cpu-latency"): 2_000}
# Each figure of these would take up to ten minutes.
SLOW = ("openai_threads", "openai_asyncio", "langchain", "litellm")
NOT_FOR_SLOW = ("wall-1000", "memory")


def measure(load: Load, contenders: list[str], rounds: int) -> dict[str, float | None]:
    """The median of each contender's figure. One that fails once is not asked again."""
    contenders = [each for each in contenders if each not in SLOW or load.key not in NOT_FOR_SLOW]
    figures: dict[str, list[float]] = {contender: [] for contender in contenders}
    failed: set[str] = set()
    with canned_provider(load) as port:
        for _ in range(rounds):
            for contender in contenders:
                prompts = SMALLER.get((contender, load.key))
                found = None if contender in failed else run(contender, load, port, prompts=prompts)
                if found is None:
                    failed.add(contender)
                else:
                    figures[contender].append(found[load.figure])
    return {each: None if each in failed else median(values) for each, values in figures.items()}


def import_times(contenders: list[str], rounds: int) -> dict[str, float | None]:
    """Milliseconds of the import alone, in fresh processes."""
    figures: dict[str, list[float]] = {contender: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            module = MODULES.get(contender, contender.removesuffix("_threads"))
            names = "import deluge_sync; deluge_sync.LLMClient" if contender == OURS else f"import {module}"
            code = f"import time; a = time.perf_counter(); {names}; print((time.perf_counter() - a) * 1e3)"
            ended = subprocess.run([python_of(contender), "-c", code], check=True, capture_output=True, text=True)
            figures[contender].append(float(ended.stdout.strip().splitlines()[-1]))
    return {contender: median(values) for contender, values in figures.items()}


def table(title: str, unit: str, found: dict[str, float | None]) -> list[str]:
    """Lines of Markdown: the figure of each contender, and its ratio to ours."""
    ours = found.get(OURS)
    lines = [f"## {title}", "", f"| | {unit} | against ours |", "|---|---:|---:|"]
    for contender, figure in sorted(found.items(), key=lambda row: row[1] if row[1] is not None else float("inf")):
        if figure is None:
            lines.append(f"| {contender} | did not answer everything in time | |")
        else:
            lines.append(f"| {contender} | {figure:,.2f} | {f'{figure / ours:.2f}' if ours else ''} |")
    return [*lines, ""]


UNITS = {"cpu_us": "us of CPU", "ideal": "times the ideal", "peak_mb": "MB", "first_ms": "ms"}


def heading(contenders: list[str], rounds: int) -> list[str]:
    """What was measured, where and how."""
    versions = ", ".join(f"{contender} {version_of(contender)}" for contender in contenders)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    command = f"`python benchmarks/compare {' '.join(sys.argv[1:])}`"
    today = datetime.now(UTC).date()
    return [
        "# deluge_sync beside the alternatives",
        "",
        f"{today}, {machine}; {command}, medians of {rounds} rounds.",
        "",
        f"Versions: {versions}.",
        "",
    ]


def main() -> None:
    """Measure what was asked for, print it, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", action="append", help="one of: import, behaviours, scale, " + ", ".join(load.key for load in LOADS)
    )
    parser.add_argument("--contender", action="append", choices=list(PACKAGES))
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results.md")
    arguments = parser.parse_args()
    contenders = arguments.contender or list(PACKAGES)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # ours is not installed by pip, which would have compiled it
    console = Console()
    lines = heading(contenders, arguments.rounds)
    for load in LOADS:
        if not arguments.only or load.key in arguments.only:
            found = measure(load, contenders, arguments.rounds)
            lines += table(load.title, UNITS[load.figure], found)
            console.print("\n".join(lines[-len(found) - 5 :]), markup=False)
    if not arguments.only or "import" in arguments.only:
        lines += table("import", "ms", import_times(contenders, arguments.rounds))
    if not arguments.only or "scale" in arguments.only:
        lines += scale(arguments.rounds)
    if not arguments.only or "behaviours" in arguments.only:
        lines += behaviours(contenders)
        console.print("\n".join(lines), markup=False)
    arguments.output.write_text("\n".join(lines).rstrip() + "\n")
    console.print(f"written to {arguments.output}", markup=False)


if __name__ == "__main__":
    main()
