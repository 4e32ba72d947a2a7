"""What a request costs as threads and prompts grow, and where one process stops being enough."""

from __future__ import annotations

from environments import OURS
from measuring import Load, canned_provider, medians, run

OURS_ITERATED = "deluge_sync_iter"

# Replies take a second, as short answers of a model do, so that all threads wait at the same time; each sends 4 times.
THREADS = [
    Load(f"scale-{count}", f"{count:,}", "cpu_us", max(200, 4 * count), count, 1.0 if count >= 50 else 0.02)
    for count in (1, 8, 32, 100, 225, 500, 1_000, 2_000)
]
PROMPTS = [Load(f"scale-{count}", f"{count:,}", "cpu_us", count, 225) for count in (1_000, 10_000, 100_000, 1_000_000)]


def scale(rounds: int) -> list[str]:
    """Lines of Markdown: a table over the number of threads, and one over the number of prompts."""
    lines = ["## Scale: threads", "", "| threads | us of CPU a request | wall, times the ideal | answers/s | MB |"]
    lines += ["|---:|---:|---:|---:|---:|", *(_row(load, OURS, rounds) for load in THREADS), ""]
    lines += ["## Scale: prompts through `process_prompts_iter`, 225 at once, no latency", ""]
    lines += ["| prompts | us of CPU a request | | answers/s | MB |", "|---:|---:|---:|---:|---:|"]
    return [*lines, *(_row(load, OURS_ITERATED, 1 if load.prompts > 100_000 else rounds) for load in PROMPTS), ""]


def _row(load: Load, contender: str, rounds: int) -> str:
    with canned_provider(load) as port:
        found = [run(contender, load, port) for _ in range(rounds)]
    figures = [each for each in found if each is not None]
    if len(figures) < rounds:
        return f"| {load.title} | did not answer everything in time | | | |"
    middle = medians(figures)
    ideal = f"{middle['ideal']:.2f}" if load.latency_s else ""
    return f"| {load.title} | {middle['cpu_us']:,.0f} | {ideal} | {middle['per_s']:,.0f} | {middle['peak_mb']:,.0f} |"
