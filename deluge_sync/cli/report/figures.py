"""What a report says, gathered from the rows of RESULTS one at a time in bounded memory.

A million rows leave counters, two histograms, a timeline of two thousand slots and some dozen rows to read. Lines that
are no rows are counted and passed over: a report refuses nothing that can be shown, and a run may be writing the file.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deluge_sync.cli.report.histogram import Histogram
from deluge_sync.cli.report.timeline import Timeline

__all__ = ["ErrorFigures", "Figures", "ModelFigures", "Sample", "SessionInfo", "gather"]

_SLOWEST = 20
_FAILED_OF_A_KIND = 6
_MOST_KINDS = 40
_MOST_MODELS = 60
_MOST_SESSIONS = 500
_LONGEST_TEXT = 6_000
_OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class Sample:
    """A row to read. Long texts are cut; `prompt` is filled in when the file of prompts is at hand."""

    index: int
    id: str
    model: str
    latency_s: float | None
    attempts: int
    completion: str
    kind: str | None = None
    message: str = ""


@dataclass(slots=True)
class ModelFigures:
    """Sums over the rows of one model. `unpriced` counts answers whose cost is unknown."""

    rows: int = 0
    failed: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    latency: Histogram = field(default_factory=Histogram)

    @property
    def tokens(self) -> int:
        """Of every sort."""
        return self.input_tokens + self.cached_tokens + self.output_tokens


@dataclass(slots=True)
class ErrorFigures:
    """How many rows failed in one way, and some of them, each as likely as any other."""

    rows: int = 0
    samples: list[Sample] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What `run` noted when it began: where the prompts were, and the limits."""

    began_s: float
    prompts: str | None
    file_format: str | None
    requests_per_minute: float | None
    tokens_per_minute: float | None


@dataclass(slots=True)
class Figures:
    """All that the page shows."""

    rows: int = 0
    failed: int = 0
    cached: int = 0
    bad_lines: int = 0
    requests: int = 0
    retried_rows: int = 0
    began_s: float | None = None
    ended_s: float | None = None
    runs: set[str] = field(default_factory=set)
    latency: Histogram = field(default_factory=Histogram)
    timeline: Timeline = field(default_factory=Timeline)
    models: dict[str, ModelFigures] = field(default_factory=dict)
    errors: dict[str, ErrorFigures] = field(default_factory=dict)
    sessions: list[SessionInfo] = field(default_factory=list)
    slowest: list[Sample] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return self.rows - self.failed

    @property
    def cost_usd(self) -> float | None:
        """None where rows have a usage, and no price of any was known."""
        if self.models and all(model.unpriced and not model.cost_usd for model in self.models.values()):
            return None
        return sum(model.cost_usd for model in self.models.values())

    @property
    def unpriced(self) -> int:
        return sum(model.unpriced for model in self.models.values())


def gather(lines: Iterable[bytes]) -> Figures:
    """The figures of a results file, whose lines may come from a file that still grows."""
    gatherer = _Gatherer()
    for line in lines:
        gatherer.take(line)
    return gatherer.finished()


class _Gatherer:
    def __init__(self) -> None:
        self._figures = Figures()
        self._slowest: list[tuple[float, int, Sample]] = []
        self._random = random.Random(0)  # the same results give the same page

    def take(self, line: bytes) -> None:
        row = _row(line)
        if row is None:
            self._figures.bad_lines += bool(line.strip()) and line.endswith(b"\n")  # else it is being written
            return
        figures, error, latency_s = self._figures, row.get("error"), _number(row.get("latency"))
        is_cached = bool(row.get("is_cached"))
        figures.rows += 1
        figures.failed += error is not None
        figures.cached += is_cached
        figures.requests += _count(row.get("attempts"))
        figures.retried_rows += _count(row.get("attempts")) > 1
        if isinstance(run := row.get("run"), str) and len(figures.runs) < _MOST_SESSIONS:
            figures.runs.add(run)
        self._take_model(row, error, None if is_cached else latency_s)
        self._take_times(row, error, latency_s)
        self._take_session(row.get("session"))
        if error is not None:
            self._take_error(row, error)
        if latency_s is not None and error is None and not is_cached:
            self._take_slow(latency_s, row)

    def finished(self) -> Figures:
        self._figures.slowest = [sample for *_, sample in sorted(self._slowest, reverse=True)]
        self._figures.sessions.sort(key=lambda session: session.began_s)
        return self._figures

    def _take_model(self, row: Mapping[str, Any], error: object, latency_s: float | None) -> None:
        model = _bounded(self._figures.models, str(row.get("model") or "unknown"), _MOST_MODELS, ModelFigures)
        usage, cost = row.get("usage"), _number(row.get("cost"))
        model.rows += 1
        model.failed += error is not None
        if isinstance(usage, dict) and not row.get("is_cached"):
            model.input_tokens += _count(usage.get("input_tokens")) + _count(usage.get("cache_write_tokens"))
            model.cached_tokens += _count(usage.get("cache_read_tokens"))
            model.output_tokens += _count(usage.get("output_tokens"))
            model.unpriced += cost is None
        model.cost_usd += cost or 0.0
        if latency_s is not None and error is None:
            model.latency.add(latency_s)
            self._figures.latency.add(latency_s)

    def _take_times(self, row: Mapping[str, Any], error: object, latency_s: float | None) -> None:
        """Attempts are told by their number only: they count as spread evenly over the time that the prompt took."""
        ended_s = _instant(row.get("finished_at"))
        if ended_s is None:
            return
        figures, attempts = self._figures, min(_count(row.get("attempts")), 100)
        began_s = ended_s - (latency_s or 0.0)
        figures.began_s = min(figures.began_s or began_s, began_s)
        figures.ended_s = max(figures.ended_s or ended_s, ended_s)
        for number in range(attempts):
            figures.timeline.add(began_s + (latency_s or 0.0) * number / attempts, requests=1)
        tokens = _tokens(row.get("usage")) if attempts else 0
        if tokens or error is not None:
            figures.timeline.add(began_s, tokens=tokens, failed=error is not None)

    def _take_session(self, session: object) -> None:
        if not isinstance(session, dict) or len(self._figures.sessions) >= _MOST_SESSIONS:
            return
        began_s = _instant(session.get("began_at"))
        if began_s is not None:
            prompts, file_format = session.get("prompts"), session.get("format")
            self._figures.sessions.append(
                SessionInfo(
                    began_s,
                    prompts if isinstance(prompts, str) else None,
                    file_format if isinstance(file_format, str) else None,
                    _number(session.get("requests_per_minute")),
                    _number(session.get("tokens_per_minute")),
                )
            )

    def _take_error(self, row: Mapping[str, Any], error: object) -> None:
        kind = str(error.get("kind") or "unknown") if isinstance(error, dict) else "unknown"
        found = _bounded(self._figures.errors, kind, _MOST_KINDS, ErrorFigures)
        found.rows += 1
        if len(found.samples) < _FAILED_OF_A_KIND:
            found.samples.append(_sample(row))
        elif (place := self._random.randrange(found.rows)) < _FAILED_OF_A_KIND:
            found.samples[place] = _sample(row)

    def _take_slow(self, latency_s: float, row: Mapping[str, Any]) -> None:
        if len(self._slowest) == _SLOWEST and latency_s <= self._slowest[0][0]:
            return
        entry = (latency_s, self._figures.rows, _sample(row))
        if len(self._slowest) < _SLOWEST:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heapreplace(self._slowest, entry)


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("index"), int) and "error" in row else None


def _sample(row: Mapping[str, Any]) -> Sample:
    error = row.get("error")
    told = error if isinstance(error, dict) else {}
    return Sample(
        index=row["index"],
        id=cut(row.get("id")),
        model=str(row.get("model") or "unknown"),
        latency_s=_number(row.get("latency")),
        attempts=_count(row.get("attempts")),
        completion=cut(row.get("completion")),
        kind=None if error is None else str(told.get("kind") or "unknown"),
        message=cut(told.get("message")),
    )


def cut(value: object) -> str:
    """The value as a text that is not longer than a page can bear."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} … ({len(text):,} characters)"


def _bounded(known: dict[str, Any], name: str, most: int, make: type[Any]) -> Any:
    """The entry of that name; of one for all names beyond so many, because a file may have any number of them."""
    if name not in known and len(known) >= most:
        name = _OTHERS
    return known.setdefault(name, make())


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < float("inf") else None  # type: ignore[operator, arg-type]  # checked


def _count(value: object) -> int:
    return int(_number(value) or 0)


def _tokens(usage: object) -> int:
    if not isinstance(usage, dict):
        return 0
    return sum(_count(usage.get(f"{sort}_tokens")) for sort in ("input", "output", "cache_read", "cache_write"))


def _instant(value: object) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError):
        return None
