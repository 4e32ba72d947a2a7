"""What a user wants to know at the end of a run, as a table in a terminal and as plain lines anywhere else.

`summary_lines` and `summary_document` decide what is said (pure); `show_summary` writes the lines to standard error, or
the document to standard output. `run` and `demo` call them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deluge_sync.cli.exits import Voice, one_line, say

if TYPE_CHECKING:
    from deluge_sync.tracker import Snapshot

__all__ = ["Totals", "show_lines", "show_summary", "summary_document", "summary_lines"]

_PLAIN = Voice()


@dataclass(frozen=True, slots=True)
class Totals:
    """What the results hold now: rows with an answer, rows with an error, and how many of both were there before.

    held_back: prompts that were refused because they could have cost more than --max-cost; they have no row.
    """

    answered: int
    failed: int
    earlier: int = 0
    bad_lines: int = 0
    held_back: int = 0


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


def summary_document(totals: Totals, snapshot: Snapshot) -> dict[str, Any]:
    """The same for machines: money in US dollars, None where no price is known, durations in seconds."""
    return {
        "answered": totals.answered,
        "failed": totals.failed,
        "earlier": totals.earlier,
        "bad_lines": totals.bad_lines,
        "held_back": totals.held_back,
        "errors": _kinds(totals, snapshot),
        "requests": snapshot.requests_sent,
        "retried": snapshot.retried,
        "rate_limited": snapshot.rate_limited,
        "input_tokens": snapshot.input_tokens,
        "output_tokens": snapshot.output_tokens,
        "cache_read_tokens": snapshot.cache_read_tokens,
        "cache_write_tokens": snapshot.cache_write_tokens,
        "cost": snapshot.cost_usd,
        "elapsed": round(snapshot.elapsed_s, 3),
        "busiest_minute": snapshot.busiest_minute,
        "requests_per_minute_limit": snapshot.limits.requests_per_minute,
    }


def show_summary(totals: Totals, snapshot: Snapshot, voice: Voice = _PLAIN) -> None:
    """Tell the summary in the way that was asked for; not at all where --quiet asked for silence."""
    show_lines(summary_lines(totals, snapshot), summary_document(totals, snapshot), voice)


def show_lines(lines: list[tuple[str, str]], document: dict[str, Any], voice: Voice = _PLAIN) -> None:
    """Tell (label, text) pairs, or the document that says the same, in the way that was asked for."""
    if voice.is_json:
        voice.document(document)
    elif voice.is_quiet:
        return
    elif sys.stderr.isatty():
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
    by_kind = ", ".join(f"{one_line(kind)} {number:,}" for kind, number in sorted(_kinds(totals, snapshot).items()))
    return f"{totals.failed:,}" + (f" ({by_kind})" if by_kind else "")


def _kinds(totals: Totals, snapshot: Snapshot) -> dict[str, int]:
    """What was held back is no failure, because nothing was tried."""
    kinds = {**snapshot.errors, "budget": snapshot.errors.get("budget", 0) - totals.held_back}
    return {kind: number for kind, number in kinds.items() if number > 0}


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
