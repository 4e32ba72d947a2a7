"""The prompts of a report to read: each a line that opens to the prompt, its error and its answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from deluge_sync.cli.report import words
from deluge_sync.cli.report.blocks import card
from deluge_sync.cli.report.figures import Figures, Sample
from deluge_sync.cli.report.markup import Html, tag

__all__ = ["failed_prompts", "slowest_prompts"]

_GIST = 160


def slowest_prompts(figures: Figures, questions: Mapping[int, str]) -> Html | None:
    """The slowest first; None when no latency is known. `questions` are the texts of prompts that are known."""
    lede = "Of those that were answered. Open one to read it."
    return _reading("Slowest prompts", lede, figures.slowest, questions, _slow_lead, class_="read")


def failed_prompts(figures: Figures, questions: Mapping[int, str]) -> Html | None:
    """Some of each kind, the most frequent kind first; None when none failed."""
    if not figures.errors:
        return None
    ranked = sorted(figures.errors.items(), key=lambda item: (-item[1].rows, item[0]))
    samples = [sample for _, found in ranked for sample in sorted(found.samples, key=lambda sample: sample.index)]
    lede = (
        "All of them."
        if len(samples) == figures.failed
        else f"{len(samples)} of {words.count(figures.failed)}, some of each kind."
    )
    return _reading("Failed prompts", lede, samples, questions, _failed_lead, class_="read failed")


def _reading(
    title: str,
    lede: str,
    samples: Sequence[Sample],
    questions: Mapping[int, str],
    lead: Callable[[Sample], Html],
    *,
    class_: str,
) -> Html | None:
    if not samples:
        return None
    items = [_item(sample, questions.get(sample.index), lead(sample)) for sample in samples]
    return card(title, lede, tag("ol", *items, class_=class_))


def _slow_lead(sample: Sample) -> Html:
    return tag("span", words.latency(sample.latency_s), class_="lead")


def _failed_lead(sample: Sample) -> Html:
    return tag("span", sample.kind or "", class_="lead kind")


def _item(sample: Sample, question: str | None, lead: Html) -> Html:
    gist = " ".join((question or sample.message or sample.completion).split())[:_GIST] or f"prompt {sample.id}"
    summary = tag(
        "summary",
        lead,
        tag("span", gist, class_="gist", dir="auto"),
        tag("span", f"id {sample.id}", class_="aside", dir="auto"),
        tag("span", class_="chevron", aria_hidden="true"),
    )
    attempts = f"{sample.attempts} attempt{'s' * (sample.attempts != 1)}"
    facts = [sample.model, words.latency(sample.latency_s), attempts, f"index {sample.index}"]
    texts = [
        _text("Prompt", question, ""),
        _text("Error" if sample.kind is None else f"Error: {sample.kind}", sample.message, "wrong"),
        _text("Answer", sample.completion, ""),
    ]
    body = tag("div", tag("div", " · ".join(facts), class_="aside", dir="auto"), *texts, class_="body")
    return tag("li", tag("details", summary, body))


def _text(title: str, text: str | None, state: str) -> Html | None:
    if not text:
        return None
    return tag("div", tag("h4", title), tag("pre", text, class_=state or None, dir="auto"))
