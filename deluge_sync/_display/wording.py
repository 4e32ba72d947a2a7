"""Figures as words: the texts that every kind of display shares. Pure; knows no terminal."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deluge_sync.tracker import Snapshot

__all__ = [
    "columns_of",
    "cost",
    "duration",
    "errors",
    "of_limit",
    "plain",
    "share",
    "status_line",
    "summary_line",
    "tokens_of_limit",
    "visible",
]

_LONGEST_TEXT = 200
_SHOWN_ERRORS = 5

# Escape sequences as ECMA-48 has them, in their 7-bit and 8-bit forms: strings (OSC, DCS, ...) with their contents,
# control sequences (CSI), and the two-character rest.
_ESCAPES = re.compile(
    r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?"
)
_DIRECTION_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_COLUMNS = {"W": 2, "F": 2}
_SPACES = frozenset("\t\n\v\f\r\x85\u2028\u2029")


def plain(text: str) -> str:
    """`text` in one line of visible characters: no escape sequences, controls, direction marks or half surrogates."""
    kept = _ESCAPES.sub("", text[: 10 * _LONGEST_TEXT])
    kept = "".join(" " if char in _SPACES else char for char in kept if char in _SPACES or _is_visible(char)).strip()
    return kept if len(kept) <= _LONGEST_TEXT else kept[: _LONGEST_TEXT - 1] + "…"


def visible(text: str) -> str:
    """A piece of running text without controls, direction marks and half surrogates; line ends and tabs stay.

    What follows an escape character is left as text, because it may come in another piece.
    """
    return "".join(char for char in text if char in "\n\t" or not _steers(char))


def columns_of(line: str) -> int:
    """The columns that `line` takes on a terminal; its escape sequences take none."""
    return sum(_COLUMNS.get(unicodedata.east_asian_width(char), 1) for char in _ESCAPES.sub("", line))


def _steers(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or char in _DIRECTION_MARKS


def _is_visible(char: str) -> bool:
    return not unicodedata.category(char).startswith("C")


def of_limit(value: int, limit: int | None) -> str:
    """`1,180 of 1,200`, or the bare value where nothing limits it."""
    return f"{value:,}" if limit is None else f"{value:,} of {limit:,}"


def tokens_of_limit(snapshot: Snapshot) -> str:
    """`98,000 of 100,000`: what counts against the limit; without one what was billed."""
    limit = snapshot.limits.tokens_per_minute
    return f"{snapshot.tokens_last_minute:,}" if limit is None else of_limit(snapshot.tokens_counted, limit)


def share(snapshot: Snapshot) -> str:
    """`120 of 200 (60 %)`; without a total the count alone. The last percent is only told when all is done."""
    if not snapshot.total:
        return f"{snapshot.finished:,}"
    percent = min(100, 100 * snapshot.finished // snapshot.total)
    return f"{snapshot.finished:,} of {snapshot.total:,} ({percent} %)"


def duration(seconds: float | None) -> str:
    """`0:07`, `1:02:03`, `2 d 01:02:03`; `-:--` for None."""
    if seconds is None:
        return "-:--"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour:02}:{minute:02}:{second:02}"
    return f"{hour}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def cost(snapshot: Snapshot) -> str:
    """`$0.0123`; `unknown` where no price is known, and a note where some are missing."""
    if snapshot.cost_usd is None:
        return "unknown"
    dollars = f"${snapshot.cost_usd:,.4f}" if snapshot.cost_usd < 1 else f"${snapshot.cost_usd:,.2f}"
    return f"{dollars} ({snapshot.unpriced:,} unpriced)" if snapshot.unpriced else dollars


def errors(snapshot: Snapshot) -> str:
    """`timeout 3, bad_request 1`, the most frequent first; `none` without any."""
    ranked = sorted(snapshot.errors.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{plain(kind)} {count:,}" for kind, count in ranked[:_SHOWN_ERRORS]]
    return ", ".join(words + ["…"] * (len(ranked) > _SHOWN_ERRORS)) or "none"


def status_line(snapshot: Snapshot, label: str) -> str:
    """How it stands, in one line."""
    limits = snapshot.limits
    return f"{label}: " + ", ".join(
        [
            f"{share(snapshot)} finished",
            _failures(snapshot),
            f"{snapshot.retried:,} retried",
            f"{snapshot.in_flight:,} in flight",
            *([f"paused {duration(snapshot.paused_s)}"] if snapshot.paused_s else []),
            f"{of_limit(snapshot.requests_last_minute, limits.requests_per_minute)} requests/min",
            f"{tokens_of_limit(snapshot)} tokens/min",
            f"cost {cost(snapshot)}",
            f"{duration(snapshot.elapsed_s)} passed",
            *([] if snapshot.total is None else [f"{duration(snapshot.left_s)} left"]),
        ]
    )


def summary_line(snapshot: Snapshot, label: str) -> str:
    """How it ended, in one line."""
    return f"{label}: " + ", ".join(
        [
            f"{of_limit(snapshot.answered, snapshot.total)} answered",
            _failures(snapshot),
            f"{snapshot.retried:,} retried",
            f"{snapshot.total_tokens:,} tokens",
            f"cost {cost(snapshot)}",
            f"at most {of_limit(snapshot.busiest_minute, snapshot.limits.requests_per_minute)} requests/min",
            f"{duration(snapshot.elapsed_s)} passed",
        ]
    )


def _failures(snapshot: Snapshot) -> str:
    failed = f"{snapshot.failed:,} failed" + (f" ({errors(snapshot)})" if snapshot.errors else "")
    return failed + (f", {snapshot.cancelled:,} cancelled" if snapshot.cancelled else "")
