"""Figures as a reader wants them: short, with units, the same everywhere on the page. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor, log10

__all__ = ["clock", "count", "day", "dollars", "latency", "share", "short", "span"]

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def count(number: float) -> str:
    """`12,345`."""
    return f"{number:,.0f}"


def short(number: float) -> str:
    """`950`, `12.3k`, `4.56M`: three digits that count."""
    for size, unit in _UNITS:
        if number >= size * 0.9995:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}" if number < 100 else f"{number:.0f}"


def dollars(amount: float | None) -> str:
    """`$12.34`; small amounts keep two digits that count; `unknown` for None."""
    if amount is None:
        return "unknown"
    if amount >= 0.0995 or amount == 0:
        return f"${amount:,.2f}"
    return f"${amount:.{1 - floor(log10(amount))}f}"


def latency(seconds: float | None) -> str:
    """`340 ms`, `1.24 s`, `3 min 20 s`; a dash for None."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < 99.95 else span(seconds)


def span(seconds: float) -> str:
    """`12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`: the two largest units."""
    left, parts = round(seconds), list[str]()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return " ".join(part for part in parts[:2] if part) or f"{seconds:.1f} s"


def share(part: int, whole: int) -> str:
    """`97.6 %`; 100 % and 0 % are said only of all and of none."""
    if not whole or part in (0, whole):
        return "100 %" if part and part == whole else "0 %"
    return f"{min(max(100 * part / whole, 0.1), 99.9):.1f} %"


def clock(instant: float, *, with_seconds: bool = False) -> str:
    """`14:05` or `14:05:09`, in UTC."""
    return datetime.fromtimestamp(instant, UTC).strftime("%H:%M:%S" if with_seconds else "%H:%M")


def day(instant: float) -> str:
    """`23 Nov 2026`, in UTC."""
    moment = datetime.fromtimestamp(instant, UTC)
    return f"{moment.day} {moment:%b %Y}"
