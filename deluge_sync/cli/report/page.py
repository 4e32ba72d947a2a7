"""The page of a report: one HTML document that asks nothing of anybody.

It has no script and loads nothing; its content security policy forbids both, so that even a text that escaped our
escaping could do nothing. Built of `figures` with `blocks`, `plots` and `readings`; pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files

from deluge_sync import __version__
from deluge_sync.cli.report import words
from deluge_sync.cli.report.blocks import Bar, bars_plot, card, legend, numbers, table
from deluge_sync.cli.report.figures import Figures, ModelFigures
from deluge_sync.cli.report.markup import Html, tag
from deluge_sync.cli.report.plots import latency_plot, rate_plot
from deluge_sync.cli.report.readings import failed_prompts, slowest_prompts
from deluge_sync.cli.report.timeline import Slot, Stretch

__all__ = ["MARK", "make_page"]

MARK = "<!doctype html><!-- deluge-sync report -->"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_MOST_SLOTS = 90


def make_page(figures: Figures, title: str, questions: Mapping[int, str]) -> str:
    """The document. `questions` has the texts of those prompts that are known, by index."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{title}: report"),
        tag("style", Html((files(__package__) / "page.css").read_text("utf-8"))),
    )
    sections = [
        _header(figures, title),
        _tiles(figures),
        _throughput(figures),
        _latency(figures),
        tag("div", _cost(figures), _tokens(figures), class_="pair"),
        _models(figures),
        _errors(figures),
        slowest_prompts(figures, questions),
        failed_prompts(figures, questions),
    ]
    footer = tag("footer", f"Made by deluge-sync {__version__}. Times are in UTC. This page loads nothing.")
    return f"{MARK}\n{tag('html', head, tag('body', tag('main', *sections, footer)), lang='en')}\n"


# --- the top


def _header(figures: Figures, title: str) -> Html:
    facts = [f"{words.count(figures.rows)} prompts", _period(figures), _model_names(figures)]
    notes = []
    if figures.bad_lines:
        notes.append(
            f"Lines of the file that are no rows of results, and are left out: {words.count(figures.bad_lines)}."
        )
    if len(figures.runs) > 1:
        notes.append("The file holds rows of several runs.")
    return tag(
        "header",
        tag("p", "deluge-sync report", class_="eyebrow"),
        tag("h1", title, dir="auto"),
        tag("p", " · ".join(fact for fact in facts if fact), class_="facts"),
        *(tag("p", note, class_="note") for note in notes),
    )


def _period(figures: Figures) -> str:
    if figures.began_s is None or figures.ended_s is None:
        return ""
    begin, end = figures.began_s, figures.ended_s
    last_day = "" if words.day(begin) == words.day(end) else f"{words.day(end)}, "
    is_short = end - begin < 600
    return (
        f"{words.day(begin)}, {words.clock(begin, with_seconds=is_short)} to "
        f"{last_day}{words.clock(end, with_seconds=is_short)} UTC"
    )


def _model_names(figures: Figures) -> str:
    names = [name for name, _ in _by_size(figures)]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _tiles(figures: Figures) -> Html:
    median, slow = figures.latency.quantile(0.5), figures.latency.quantile(0.95)
    tokens = sum(model.tokens for model in figures.models.values())
    output = sum(model.output_tokens for model in figures.models.values())
    unpriced = f"{words.count(figures.unpriced)} of unknown price" if figures.unpriced else _each(figures)
    retried = f"{words.count(figures.retried_rows)} prompts tried again" if figures.retried_rows else "none tried again"
    tiles = [
        ("Answered", words.count(figures.answered), f"{words.share(figures.answered, figures.rows)} of all", ""),
        ("Failed", words.count(figures.failed), _worst(figures), " bad" if figures.failed else ""),
        ("Cost", words.dollars(figures.cost_usd), unpriced, ""),
        ("Tokens", words.short(tokens), f"{words.short(output)} of them output", ""),
        ("Median latency", words.latency(median), f"95 % within {words.latency(slow)}", ""),
        ("Requests", words.count(figures.requests), retried, ""),
    ]
    return tag("dl", *(_tile(*tile) for tile in tiles), class_="tiles")


def _tile(name: str, figure: str, beside: str, state: str) -> Html:
    return tag(
        "div",
        tag("dt", name),
        tag("dd", figure, class_="figure"),
        tag("dd", beside, class_="beside"),
        class_=f"tile{state}",
    )


def _each(figures: Figures) -> str:
    if not figures.cost_usd or not figures.answered:
        return f"{words.count(figures.cached)} from the cache" if figures.cached else "nothing was paid"
    return f"{words.dollars(figures.cost_usd / figures.answered)} an answer"


def _worst(figures: Figures) -> str:
    if not figures.errors:
        return "no errors"
    kind, found = max(figures.errors.items(), key=lambda item: item[1].rows)
    return f"mostly {kind}" if len(figures.errors) > 1 else f"{kind}" if found.rows else ""


# --- plots


def _throughput(figures: Figures) -> Html:
    title = "Throughput"
    stretches = figures.timeline.stretches(most_slots=_MOST_SLOTS)
    if not stretches:
        return card(title, "These results do not say when they arrived.", None)
    width = words.span(stretches[0].width_s)
    lede = f"What was sent, at the rate of a minute. One bar is {width}; the limits hold for any 60 s." + (
        " Pauses longer than 15 min are left out." if len(stretches) > 1 else ""
    )
    requests = rate_plot(
        stretches,
        lambda slot: slot.requests,
        _limits(figures, "requests_per_minute"),
        colour="requests",
        what="requests a minute",
    )
    tokens = rate_plot(
        stretches,
        lambda slot: slot.tokens,
        _limits(figures, "tokens_per_minute"),
        colour="tokens",
        what="tokens a minute",
    )
    return card(
        title,
        lede,
        legend([("requests", "requests a minute"), ("tokens", "tokens a minute, read and written"), ("line", "limit")]),
        requests,
        tokens,
        numbers(
            ("From (UTC)", "Requests", "Tokens", "Failed prompts"),
            (_slot_row(stretch, place, slot) for stretch in stretches for place, slot in enumerate(stretch.slots)),
            f"Sums of each {width}",
        ),
    )


def _slot_row(stretch: Stretch, place: int, slot: Slot) -> tuple[str, ...]:
    begin = stretch.begin_s + place * stretch.width_s
    return (
        f"{words.day(begin)}, {words.clock(begin, with_seconds=stretch.width_s < 60)}",
        *map(words.count, (slot.requests, slot.tokens, slot.failed)),
    )


def _limits(figures: Figures, name: str) -> Callable[[float], float | None]:
    def limit_at(instant: float) -> float | None:
        """That of the session that ran then."""
        sessions = [session for session in figures.sessions if session.began_s <= instant] or figures.sessions[:1]
        limit: float | None = getattr(sessions[-1], name) if sessions else None
        return limit

    return limit_at


def _latency(figures: Figures) -> Html:
    title, lede = "Latency", "From the first request of a prompt to the end of its answer, retries and waits included."
    if not figures.latency.total:
        return card(title, lede, tag("p", "No latencies are known.", class_="none"))
    rows = [
        (
            model_name,
            words.count(model.latency.total),
            *(words.latency(model.latency.quantile(share)) for share in _SHARES),
        )
        for model_name, model in _by_size(figures)
        if model.latency.total
    ]
    header = ("Model", "Answers", "Median", "90 %", "95 %", "99 %", "Slowest")
    return card(
        title,
        lede,
        legend([("latency", "answers, by how long they took")]),
        latency_plot(figures.latency),
        numbers(header, rows, "Latency by model; a share of the answers took no longer"),
    )


_SHARES = (0.5, 0.9, 0.95, 0.99, 1.0)


def _by_size(figures: Figures) -> list[tuple[str, ModelFigures]]:
    return sorted(figures.models.items(), key=lambda item: (-item[1].rows, item[0]))


def _cost(figures: Figures) -> Html:
    ranked = sorted(figures.models.items(), key=lambda item: (-item[1].cost_usd, item[0]))
    bars = [
        Bar(name, [("cost", model.cost_usd, words.dollars(model.cost_usd))], _cost_text(model))
        for name, model in ranked
    ]
    return card("Cost by model", f"{words.dollars(figures.cost_usd)} in all, in US dollars.", bars_plot(bars))


def _cost_text(model: ModelFigures) -> str:
    if model.unpriced and not model.cost_usd:
        return "unknown price"
    return words.dollars(model.cost_usd) + (f", {words.count(model.unpriced)} unpriced" if model.unpriced else "")


def _tokens(figures: Figures) -> Html:
    ranked = sorted(figures.models.items(), key=lambda item: (-item[1].tokens, item[0]))
    bars = [Bar(name, _token_parts(model), words.short(model.tokens)) for name, model in ranked]
    entries = [("input", "input"), ("cached", "input from the provider's cache"), ("output", "output")]
    return card("Tokens by model", "As the providers counted them.", legend(entries), bars_plot(bars))


def _token_parts(model: ModelFigures) -> list[tuple[str, float, str]]:
    parts = [("input", model.input_tokens), ("cached", model.cached_tokens), ("output", model.output_tokens)]
    return [(name, number, f"{words.count(number)} {name}") for name, number in parts]


def _models(figures: Figures) -> Html:
    header = ("Model", "Prompts", "Failed", "Input tokens", "Cached tokens", "Output tokens", "Cost", "Median", "95 %")
    rows = [
        (
            name,
            *map(words.count, (model.rows, model.failed, model.input_tokens, model.cached_tokens, model.output_tokens)),
            _cost_text(model),
            words.latency(model.latency.quantile(0.5)),
            words.latency(model.latency.quantile(0.95)),
        )
        for name, model in _by_size(figures)
    ]
    return tag("section", tag("h2", "Models"), table(header, rows, caption="All figures by model"), class_="card")


def _errors(figures: Figures) -> Html:
    if not figures.errors:
        return tag("section", tag("h2", "Errors"), tag("p", "No prompt failed.", class_="good"), class_="card")
    ranked = sorted(figures.errors.items(), key=lambda item: (-item[1].rows, item[0]))
    bars = [
        Bar(kind, [("error", found.rows, f"{words.count(found.rows)} {kind}")], _error_text(found.rows, figures.rows))
        for kind, found in ranked
    ]
    lede = f"{words.count(figures.failed)} prompts failed, after their retries. The share is of all prompts."
    return card("Errors by kind", lede, bars_plot(bars))


def _error_text(rows: int, of: int) -> str:
    return f"{words.count(rows)} ({words.share(rows, of)})"
