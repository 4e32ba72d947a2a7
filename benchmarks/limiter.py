"""Measures the limiter alone: acquisitions a second, rate against limit, worst window, lateness of wake-ups.

    python benchmarks/limiter.py                    two limits, 75 s each
    python benchmarks/limiter.py --seconds 150 --busy 2

Bounded in time; sends nothing. With --busy so many threads compute all the while.
"""

from __future__ import annotations

import argparse
import threading
import time
from statistics import quantiles

from rich.console import Console
from rich.table import Table

from deluge_sync import LeakyBucketLimiter

WINDOW_S = 60.0


def admissions(limiter: LeakyBucketLimiter, *, threads: int, seconds: float) -> list[float]:
    """The instants at which `threads` threads, always ready for more, were admitted; in order."""
    stop_at = time.monotonic() + seconds
    admitted: list[list[float]] = [[] for _ in range(threads)]

    def work(mine: list[float]) -> None:
        while time.monotonic() < stop_at:
            try:
                limiter.acquire(timeout_s=max(0.0, stop_at - time.monotonic())).release()
            except TimeoutError:
                return
            mine.append(time.monotonic())

    workers = [threading.Thread(target=work, args=(mine,), daemon=True) for mine in admitted]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(seconds + 30)
    return sorted(instant for mine in admitted for instant in mine)


def worst_window(instants: list[float]) -> int:
    """The most admissions in any 60 s."""
    first = worst = 0
    for last, instant in enumerate(instants):
        while instants[first] <= instant - WINDOW_S:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def long_run_share(instants: list[float], per_minute: float) -> float:
    """The rate of the second half against the limit: the first half has the burst in it, and its paying back."""
    middle = (instants[0] + instants[-1]) / 2
    later = [instant for instant in instants if instant >= middle]
    return (len(later) - 1) / (later[-1] - later[0]) * 60 / per_minute


def lateness_ms(instants: list[float], per_minute: float) -> float:
    """The 99th percentile of how much later than its even turn an admission of the second half came."""
    middle = len(instants) // 2
    interval_s = 60 / per_minute
    late = [
        max(0.0, later - earlier - interval_s)
        for earlier, later in zip(instants[middle:], instants[middle + 1 :], strict=False)
    ]
    return quantiles(late, n=100)[98] * 1000


def busy(is_over: threading.Event) -> None:
    """Compute until told otherwise."""
    while not is_over.is_set():
        sum(range(1_000))


def main() -> None:
    """Run the measurements and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=75.0, help="for each limit; above 60 to see a whole window")
    parser.add_argument("--threads", type=int, default=256)
    parser.add_argument("--busy", type=int, default=0, help="threads that compute alongside")
    chosen = parser.parse_args()
    is_over = threading.Event()
    for _ in range(chosen.busy):
        threading.Thread(target=busy, args=(is_over,), daemon=True).start()
    table = Table("limit a minute", "acquired", "a second", "long-run share", "worst 60 s", "late by (p99)")
    free = admissions(LeakyBucketLimiter(), threads=chosen.threads, seconds=3)
    table.add_row("none", f"{len(free):,}", f"{len(free) / (free[-1] - free[0]):,.0f}", "-", "-", "-")
    for per_minute in (6_000, 60_000):
        instants = admissions(LeakyBucketLimiter(per_minute), threads=chosen.threads, seconds=chosen.seconds)
        table.add_row(
            f"{per_minute:,}",
            f"{len(instants):,}",
            f"{len(instants) / (instants[-1] - instants[0]):,.0f}",
            f"{long_run_share(instants, per_minute):.2%}",
            f"{worst_window(instants):,}",
            f"{lateness_ms(instants, per_minute):.1f} ms",
        )
    is_over.set()
    Console().print(table)


if __name__ == "__main__":
    main()
