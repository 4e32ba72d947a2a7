"""What a user wants to know at the end of a run, as a table in a terminal and as plain lines anywhere else.

`summary_lines` decides what is said (pure); `show_summary` writes it to standard error. `run` and `demo` call them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deluge_sync.cli.exits import one_line, say

if TYPE_CHECKING:
    from deluge_sync.tracker import Snapshot

__all__ = ["Totals", "show_summary", "summary_lines"]


@dataclass(frozen=True, slots=True)
class Totals:
    """What the results hold now: rows with an answer, rows with an error, and how many of both were there before."""

    answered: int
    failed: int
    earlier: int = 0
    bad_lines: int = 0


def summary_lines(totals: Totals, snapshot: Snapshot) -> list[tuple[str, str]]:
    """(label, text) pairs. Counts of prompts are of the whole results file; all else is of this session."""
    lines = [
        ("answered", _answered(totals)),
        ("failed", _failed(totals, snapshot)),
        ("retried", _retried(snapshot)),
        ("tokens", f"{_input_tokens(snapshot):,} in, {snapshot.output_tokens:,} out"),
        ("cost", _cost(snapshot)),
        ("requests", _requests(snapshot)),
        ("time", _time(snapshot)),
    ]
    if totals.bad_lines:
        lines.insert(2, ("passed over", f"{totals.bad_lines:,} bad lines"))
    return lines


def show_summary(totals: Totals, snapshot: Snapshot) -> None:
    """Write the summary to standard error."""
    lines = summary_lines(totals, snapshot)
    if sys.stderr.isatty():
        _show_table(lines)
    else:
        width = max(len(label) for label, _ in lines)
        say("\n".join(f"{label:<{width}}  {text}" for label, text in lines))


def _show_table(lines: list[tuple[str, str]]) -> None:
    from rich.console import Console  # rich is large; a run in a pipe does without it
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False)
    for label, text in lines:
        table.add_row(Text(label, style="bold"), Text(text))  # Text: what looks like markup in it is not
    Console(stderr=True).print(table)


def _answered(totals: Totals) -> str:
    earlier = f" ({totals.earlier:,} of all rows from before)" if totals.earlier else ""
    return f"{totals.answered:,}{earlier}"


def _failed(totals: Totals, snapshot: Snapshot) -> str:
    """The kinds are known for this session only."""
    by_kind = ", ".join(f"{one_line(kind)} {number:,}" for kind, number in sorted(snapshot.errors.items()))
    return f"{totals.failed:,}" + (f" ({by_kind})" if by_kind else "")


def _retried(snapshot: Snapshot) -> str:
    limited = f", {snapshot.rate_limited:,} after a rate limit reply" if snapshot.rate_limited else ""
    return f"{snapshot.retried:,} requests{limited}"


def _input_tokens(snapshot: Snapshot) -> int:
    return snapshot.input_tokens + snapshot.cache_read_tokens + snapshot.cache_write_tokens


def _cost(snapshot: Snapshot) -> str:
    if snapshot.cost_usd is None:
        return "unknown price"
    unpriced = f", and {snapshot.unpriced:,} replies of unknown price" if snapshot.unpriced else ""
    return f"${snapshot.cost_usd:,.4f}{unpriced}"


def _requests(snapshot: Snapshot) -> str:
    limit = snapshot.limits.requests_per_minute
    allowed = f" of {limit:,} allowed" if limit else ""
    pace = f"{snapshot.requests_sent / snapshot.elapsed_s * 60:,.0f} a minute; " if snapshot.elapsed_s else ""
    return f"{snapshot.requests_sent:,} sent, {pace}{snapshot.busiest_minute:,} in the busiest minute{allowed}"


def _time(snapshot: Snapshot) -> str:
    minutes, seconds = divmod(snapshot.elapsed_s, 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"
