"""The blocks of a page beside its plots over axes: cards, tables, legends, and bars that lie on their side. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deluge_sync.cli.report.markup import Html, Piece, tag

__all__ = ["Bar", "bars_plot", "card", "legend", "numbers", "table"]


def card(title: str, lede: str, *content: Piece) -> Html:
    """A part of the page under a heading of its own."""
    return tag("section", tag("h2", title), tag("p", lede, class_="lede"), *content, class_="card")


def numbers(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> Html:
    """A table to open below a plot: what the plot shows, for those who cannot see it or want to know."""
    return tag("details", tag("summary", "Show the numbers"), table(header, rows, caption=caption), class_="numbers")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of several parts: (class of the colour, size, what a pointer is told)."""

    name: str
    parts: Sequence[tuple[str, float, str]]
    text: str


def legend(entries: Sequence[tuple[str, str]]) -> Html:
    """What the colours mean: (class of the colour, words)."""
    items = [tag("li", tag("span", class_=f"chip {colour}", aria_hidden="true"), text) for colour, text in entries]
    return tag("ul", *items, class_="legend")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, class_: str | None = None) -> Html:
    """A table whose first column names its rows; all others are figures."""
    head = tag("tr", *(tag("th", name, scope="col") for name in header))
    body = [
        tag("tr", tag("th", row[0], scope="row", dir="auto"), *(tag("td", cell) for cell in row[1:])) for row in rows
    ]
    content = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), class_=class_)
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=caption)


def bars_plot(bars: Sequence[Bar]) -> Html:
    """Bars from the top down, the longest as wide as the plot. Their figures stand beside them."""
    longest = max((sum(size for _, size, _ in bar.parts) for bar in bars), default=0.0) or 1.0
    return tag("div", *(_bar(bar, longest) for bar in bars), class_="bars")


def _bar(bar: Bar, longest: float) -> Html:
    parts = [
        tag("span", class_=f"part {colour}", style=f"width:{100 * size / longest:.3f}%", title=told)
        for colour, size, told in bar.parts
        if size
    ]
    return tag(
        "div",
        tag("span", bar.name, class_="bar-name", dir="auto"),
        tag("span", *parts, class_="bar-track", aria_hidden="true"),
        tag("span", bar.text, class_="bar-text"),
        class_="bar",
    )
