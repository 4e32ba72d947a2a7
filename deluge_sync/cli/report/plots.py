"""Plots out of figures, as HTML with SVG inside: they grow and shrink with the page, and their letters do not.

The SVG holds shapes only and is stretched to its box; labels are HTML beside it, placed in percent. Colours are CSS
variables of the page, so that one plot serves light, dark and paper. Pure; no script is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, log10

from deluge_sync.cli.report import words
from deluge_sync.cli.report.histogram import Histogram
from deluge_sync.cli.report.markup import Html, tag
from deluge_sync.cli.report.timeline import Slot, Stretch

__all__ = ["latency_plot", "rate_plot"]

_WIDTH, _HEIGHT = 1000.0, 200.0
_BELOW_MARKS = 0.78  # of the height: above it stand the words of the marked latencies
_GAP = 0.012  # of the width, between two stretches of time
_ON_A_PHONE, _ON_A_DESK = 2.6, 1.75  # percent of a plot's width that a letter of its labels takes
_TICK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)

Tick = tuple[float, str]
"""(place from 0 to 1, words)"""


# --- how long it took


def latency_plot(histogram: Histogram) -> Html:
    """How many answers took how long, on a logarithmic axis, with the median and two of the slow end."""
    bars = histogram.bars(20 if histogram.total >= 400 else 10)
    least, most = bars[0][0], bars[-1][1]
    place = _log_scale(least, most)
    top = _nice_top(max(number for *_, number in bars) / _BELOW_MARKS)
    shapes = [
        _rect(
            (place(begin), place(end)),
            number / top,
            "latency",
            f"{words.latency(begin)} to {words.latency(end)}: {words.count(number)} answers",
        )
        for begin, end, number in bars
        if number
    ]
    marks = [("median", 0.5), ("95 %", 0.95), ("99 %", 0.99)]
    quantiles = [(name, histogram.quantile(share) or 0.0) for name, share in marks]
    lines = [_vertical(place(value)) for _, value in quantiles]
    labels = [_mark(f"{name} {words.latency(value)}", place(value), row) for row, (name, value) in enumerate(quantiles)]
    told = "Distribution of latency: " + ", ".join(f"{name} {words.latency(value)}" for name, value in quantiles)
    ticks = [(place(value), words.latency(value)) for value in _log_ticks(least, most)]
    return _frame(told, [*shapes, *lines], labels, _value_labels(top, words.short), ticks, class_="plot tall")


def _log_scale(least: float, most: float) -> Callable[[float], float]:
    width = log10(most / least)
    return lambda value: min(max(log10(max(value, least) / least) / width, 0.0), 1.0)


def _log_ticks(least: float, most: float) -> list[float]:
    """1, 2 and 5 of each decade, or the powers of ten alone where there are many decades."""
    decades = range(floor(log10(least)), ceil(log10(most)) + 1)
    steps = (1,) if log10(most / least) > 2.5 else (1, 2, 5)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if least * 0.999 <= tick <= most * 1.001]


def _mark(text: str, place: float, row: int) -> Html:
    side = "right" if place > 0.6 else "left"
    shift = f"right:{100 * (1 - place):.2f}%" if side == "right" else f"left:{100 * place:.2f}%"
    return tag("span", text, class_=f"mark {side}", style=f"{shift};top:{row * 1.5:.1f}em")


# --- what was sent when


def rate_plot(
    stretches: Sequence[Stretch],
    amount: Callable[[Slot], float],
    limit_at: Callable[[float], float | None],
    *,
    colour: str,
    what: str,
) -> Html:
    """Amounts a minute over time, with the limit as a line. Long pauses are left out, and marked."""
    rates = [[amount(slot) * 60 / stretch.width_s for slot in stretch.slots] for stretch in stretches]
    peak = max((rate for stretch in rates for rate in stretch), default=0.0)
    limits = [limit for stretch in stretches if (limit := limit_at(stretch.end_s)) is not None]
    highest = max(limits, default=0.0)
    is_limit_shown = 0 < highest <= 4 * peak
    top = _nice_top(max(peak, highest * 1.08) if is_limit_shown else peak)
    axis = _TimeAxis(stretches)
    shapes: list[Html | None] = [
        _rect(axis.slot(number, place), rate / top, colour, f"{_when(stretch, place)}: {words.short(rate)} {what}")
        for number, stretch in enumerate(stretches)
        for place, rate in enumerate(rates[number])
        if rate
    ]
    if is_limit_shown:
        shapes += [_limit_line(axis.stretch(number), limit_at(one.end_s), top) for number, one in enumerate(stretches)]
    shapes += [_vertical(place, class_="pause") for place in axis.pauses()]
    label = _limit_label(highest, top, is_shown=is_limit_shown)
    told = f"{what} over time, at most {words.short(peak)}" + (f" of {words.short(highest)}" if highest else "")
    return _frame(told, shapes, [label], _value_labels(top, words.short), axis.ticks())


class _TimeAxis:
    """Where instants lie, from 0 to 1: stretches in a row, with a small gap for each pause."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self._stretches = stretches
        gaps = _GAP * (len(stretches) - 1)
        slots = sum(len(stretch.slots) for stretch in stretches)
        self._slot = max(1 - gaps, 0.2) / max(slots, 1)
        self._begins: list[float] = []
        place = 0.0
        for stretch in stretches:
            self._begins.append(place)
            place += len(stretch.slots) * self._slot + _GAP

    def slot(self, stretch: int, number: int) -> tuple[float, float]:
        begin = self._begins[stretch] + number * self._slot
        return begin, begin + self._slot

    def stretch(self, number: int) -> tuple[float, float]:
        begin = self._begins[number]
        return begin, begin + len(self._stretches[number].slots) * self._slot

    def pauses(self) -> list[float]:
        return [begin - _GAP / 2 for begin in self._begins[1:]]

    def ticks(self) -> list[Tick]:
        """The beginning of each stretch, and round times inside."""
        covered_s = sum(stretch.end_s - stretch.begin_s for stretch in self._stretches)
        step_s = next((step for step in _TICK_STEPS_S if covered_s / step <= 10), _TICK_STEPS_S[-1])
        has_days = self._stretches[-1].end_s - self._stretches[0].begin_s > 86_400
        begins = [(number, stretch.begin_s) for number, stretch in enumerate(self._stretches)]
        inside = [
            (number, instant)
            for number, stretch in enumerate(self._stretches)
            for instant in range(-(-stretch.begin_s // step_s) * step_s, stretch.end_s, step_s)
        ]
        return [(self._place(*one), _tick_text(one[1], step_s, has_days=has_days)) for one in [*begins, *inside]]

    def _place(self, stretch: int, instant: float) -> float:
        offset_s = instant - self._stretches[stretch].begin_s
        return self._begins[stretch] + offset_s / self._stretches[stretch].width_s * self._slot


def _tick_text(instant: float, step_s: int, *, has_days: bool) -> str:
    text = words.clock(instant, with_seconds=step_s < 60)
    return f"{words.day(instant)[:-5]} {text}" if has_days else text


def _when(stretch: Stretch, place: int) -> str:
    return words.clock(stretch.begin_s + place * stretch.width_s, with_seconds=stretch.width_s < 60)


def _limit_line(ends: tuple[float, float], limit: float | None, top: float) -> Html | None:
    if limit is None:
        return None
    height = _HEIGHT * (1 - limit / top)
    return tag("line", x1=ends[0] * _WIDTH, x2=ends[1] * _WIDTH, y1=height, y2=height, class_="limit")


def _limit_label(limit: float, top: float, *, is_shown: bool) -> Html | None:
    if not limit:
        return None
    if not is_shown:
        return tag("span", f"limit {words.short(limit)}, far above", class_="limit-label", style="top:0")
    return tag("span", f"limit {words.short(limit)}", class_="limit-label", style=f"bottom:{100 * limit / top:.2f}%")


# --- what every plot has


def _frame(
    told: str,
    shapes: Sequence[Html | None],
    labels: Sequence[Html | None],
    values: Sequence[tuple[float, str]],
    ticks: Sequence[Tick],
    *,
    class_: str = "plot",
) -> Html:
    grid = [
        tag("line", x1=0, x2=_WIDTH, y1=_HEIGHT * (1 - at), y2=_HEIGHT * (1 - at), class_="grid") for at, _ in values
    ]
    drawing = tag(
        "svg",
        *grid,
        *shapes,
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=told,
    )
    heights = [tag("span", text, style=f"bottom:{100 * at:.2f}%") for at, text in values]
    return tag(
        "div",
        tag("div", *heights, class_="values", aria_hidden="true"),
        tag("div", drawing, *labels, class_="area"),
        tag("div", *_tick_labels(ticks), class_="ticks", aria_hidden="true"),
        class_=class_,
    )


def _tick_labels(ticks: Sequence[Tick]) -> list[Html]:
    """Those that fit, the first ones first; and some only where the page is wide."""
    kept: list[tuple[float, str, bool]] = []
    for share, text in ticks:
        place = 100 * share
        if place > 99 or _is_taken(place, text, kept, _ON_A_DESK):
            continue
        majors = [one for one in kept if one[2]]
        kept.append((place, text, not _is_taken(place, text, majors, _ON_A_PHONE)))
    return [_tick_label(place, text, is_major=is_major) for place, text, is_major in sorted(kept)]


def _is_taken(place: float, text: str, kept: Sequence[tuple[float, str, bool]], letter: float) -> bool:
    begin, end = _extent(place, text, letter)
    others = (_extent(other, words_, letter) for other, words_, _ in kept)
    return any(begin < other_end and other_begin < end for other_begin, other_end in others)


def _extent(place: float, text: str, letter: float) -> tuple[float, float]:
    """From where to where a label reaches, with room around it, where a letter is so wide."""
    width = (len(text) + 1) * letter
    left = {"first": 0.0, "last": width}.get(_edge(place), width / 2)
    return place - left, place - left + width


def _edge(place: float) -> str:
    """At the ends of the axis a label does not stand in the middle of its place."""
    return "first" if place < 5 else "last" if place > 93 else ""


def _tick_label(place: float, text: str, *, is_major: bool) -> Html:
    classes = [name for name in (_edge(place), "" if is_major else "minor") if name]
    return tag("span", text, class_=" ".join(classes) or None, style=f"left:{place:.2f}%")


def _value_labels(top: float, write: Callable[[float], str]) -> list[tuple[float, str]]:
    return [(share, write(top * share)) for share in (0.0, 0.5, 1.0)]


def _nice_top(value: float) -> float:
    """The next number whose half is as short to read."""
    if value <= 0:
        return 1.0
    size = 10.0 ** floor(log10(value))
    return next((step * size for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8) if step * size >= value), 10 * size)


def _rect(ends: tuple[float, float], height: float, colour: str, told: str) -> Html:
    begin, end = ends
    tall = max(min(height, 1.0) * _HEIGHT, 1.0)
    gap = min((end - begin) * 0.08, 0.0015)
    return tag(
        "rect",
        tag("title", told),
        x=(begin + gap) * _WIDTH,
        y=_HEIGHT - tall,
        width=max(end - begin - 2 * gap, 0.0006) * _WIDTH,
        height=tall,
        class_=colour,
    )


def _vertical(place: float, *, class_: str = "quantile") -> Html:
    return tag("line", x1=place * _WIDTH, x2=place * _WIDTH, y1=0, y2=_HEIGHT, class_=class_)
