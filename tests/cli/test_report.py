from __future__ import annotations

import json
import math
import random
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.cli.report import words
from deluge_sync.cli.report.figures import gather
from deluge_sync.cli.report.histogram import Histogram
from deluge_sync.cli.report.markup import Html, joined, tag
from deluge_sync.cli.report.timeline import Timeline

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC).timestamp()
EVIL = "<script>document.title='owned'</script></pre></script><img src=x onerror=alert(1)>\x1b[31m\x00"


def row(index: int, **fields: Any) -> dict[str, Any]:
    ended = datetime.fromtimestamp(NOON + index, UTC).isoformat().replace("+00:00", "Z")
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 2, "cache_write_tokens": 1}
    return {
        "index": index,
        "id": index,
        "completion": "yes",
        "finish_reason": "stop",
        "model": "m",
        "usage": usage,
        "cost": 0.5,
        "error": None,
        "attempts": 1,
        "latency": 1.0,
        "finished_at": ended,
        "run": "0123456789ab-cdef01234567",
        **fields,
    }


def failed(index: int, kind: str = "timeout", **fields: Any) -> dict[str, Any]:
    error = {"kind": kind, "message": f"{kind} of {index}"}
    return row(index, **{"completion": None, "usage": None, "cost": None, "error": error, **fields})


def lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    return (json.dumps(one).encode() + b"\n" for one in rows)


# --- counting


def test_quantiles_are_right_to_a_few_percent() -> None:
    rng = random.Random(1)
    values = sorted(rng.lognormvariate(0, 1.5) for _ in range(20_000))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    for share in (0.01, 0.5, 0.9, 0.99):
        exact = values[math.ceil(share * len(values)) - 1]
        assert histogram.quantile(share) == pytest.approx(exact, rel=0.025)
    assert histogram.quantile(1.0) == pytest.approx(values[-1], rel=0.025)
    assert sum(number for *_, number in histogram.bars(20)) == len(values)
    assert all(begin < end for begin, end, _ in histogram.bars(10))


def test_the_ends_of_the_histogram_take_what_is_beyond() -> None:
    histogram = Histogram()
    for value in (0.0, 1e-9, 1e9):
        histogram.add(value)
    assert [number for *_, number in histogram.bars(1)] == [2, 0, 0, 0, 0, 0, 0, 1]
    assert Histogram().quantile(0.5) is None
    assert Histogram().bars(10) == []


def test_the_timeline_keeps_its_sums_however_often_it_widens() -> None:
    timeline = Timeline()
    rng = random.Random(2)
    for number in range(50_000):
        timeline.add(NOON + number + rng.random(), requests=1, tokens=3)
    [stretch] = timeline.stretches(most_slots=90)
    assert len(stretch.slots) <= 91
    assert sum(slot.requests for slot in stretch.slots) == 50_000
    assert sum(slot.tokens for slot in stretch.slots) == 150_000
    assert stretch.begin_s <= NOON < stretch.begin_s + stretch.width_s


def test_a_long_pause_parts_two_stretches() -> None:
    timeline = Timeline()
    for instant in (NOON, NOON + 30, NOON + 7_200, NOON + 7_201):
        timeline.add(instant, requests=1)
    first, second = timeline.stretches(most_slots=90)
    assert (first.begin_s, first.end_s) == (NOON, NOON + 31)
    assert (second.begin_s, len(second.slots)) == (NOON + 7_200, 2)
    assert Timeline().stretches(most_slots=90) == []


def test_figures_are_sums_over_the_rows() -> None:
    session = {"began_at": "2026-11-23T12:00:00Z", "requests_per_minute": 60, "prompts": "p.txt", "format": "text"}
    rows = [
        row(0, session=session),
        row(1, model="n", latency=3.0, attempts=3),
        row(2, cost=None),
        row(3, is_cached=True, attempts=0, latency=None, cost=0.0),
        failed(4),
        failed(5, "schema", completion="no"),
    ]
    figures = gather([*lines(rows), b"[1]\n", b"\n", b'{"index": 6, "err'])
    assert (figures.rows, figures.answered, figures.failed, figures.cached, figures.bad_lines) == (6, 4, 2, 1, 1)
    assert (figures.requests, figures.retried_rows, figures.cost_usd, figures.unpriced) == (7, 1, 1.0, 1)
    assert {name: model.rows for name, model in figures.models.items()} == {"m": 5, "n": 1}
    model = figures.models["m"]
    assert (model.input_tokens, model.cached_tokens, model.output_tokens, model.failed) == (22, 4, 10, 2)
    assert {kind: found.rows for kind, found in figures.errors.items()} == {"timeout": 1, "schema": 1}
    assert [sample.index for sample in figures.slowest] == [1, 2, 0]
    assert (figures.began_s, figures.ended_s) == (NOON - 2, NOON + 5)
    assert [(one.requests_per_minute, one.tokens_per_minute) for one in figures.sessions] == [(60.0, None)]
    [stretch] = figures.timeline.stretches(most_slots=90)
    assert sum(slot.requests for slot in stretch.slots) == 7
    assert sum(slot.failed for slot in stretch.slots) == 2


def test_samples_of_failures_are_a_fair_choice_of_each_kind() -> None:
    rows = [failed(index, "rare" if index == 500 else "timeout") for index in range(1_000)]
    figures = gather(lines(rows))
    assert [sample.index for sample in figures.errors["rare"].samples] == [500]
    drawn = [sample.index for sample in figures.errors["timeout"].samples]
    assert len(drawn) == len(set(drawn)) == 6
    assert max(drawn) > 100, "only the first ones were taken"


ODD = [
    {"index": 1, "error": None},
    row(1, usage="none", cost="much", latency=-3, attempts=None, finished_at="yesterday", model=None, id={"a": 1}),
    row(1, error="broken", session="x", run=3),
    row(1, latency=float("nan"), session={"began_at": 4}),
    row(1, attempts=10**30, cost=True, usage={"input_tokens": "x"}),
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_whatever_a_row_holds_it_can_be_counted(odd: dict[str, Any]) -> None:
    assert gather(lines([odd])).rows == 1


def test_memory_does_not_grow_with_the_file() -> None:
    """Three times the rows, with kinds and models of their own and hours apart, cost no more than a little."""

    def peak(rows: int) -> int:
        made = (
            failed(n, f"kind {n}", model=f"model {n}") if n % 3 else row(n, completion="x" * 500, latency=n % 97 + 0.1)
            for n in range(rows)
        )
        tracemalloc.start()
        gather(lines(made))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(9_000) < 1.7 * peak(3_000)


# --- words and markup


def test_figures_are_told_in_few_letters() -> None:
    assert [words.short(number) for number in (0, 7, 950, 999.6, 12_345, 4.56e6)] == [
        "0",
        "7",
        "950",
        "1k",
        "12.3k",
        "4.56M",
    ]
    assert [words.dollars(n) for n in (0, 0.0000068, 0.0042, 0.46, 1234.5, None)] == [
        *("$0.00", "$0.0000068", "$0.0042", "$0.46", "$1,234.50", "unknown"),
    ]
    assert [words.latency(n) for n in (0.34, 1.244, 59.96, 150, None)] == [
        "340 ms",
        "1.24 s",
        "60 s",
        "2 min 30 s",
        "-",
    ]
    assert [words.span(n) for n in (0.4, 61, 3_720, 90_000)] == ["0.4 s", "1 min 1 s", "1 h 2 min", "1 d 1 h"]
    shares = [words.share(1, 10_000), words.share(9_999, 10_000), words.share(0, 5), words.share(5, 5)]
    assert shares == ["0.1 %", "99.9 %", "0 %", "100 %"]


def test_no_text_becomes_markup() -> None:
    assert tag("p", "<b>&", class_='x"y') == '<p class="x&quot;y">&lt;b&gt;&amp;</p>'
    assert joined(Html("<i>"), None, "\x00\ud800\n") == "<i>��\n"
    assert tag("line", x1=1.0, x2=2.345) == '<line x1="1" x2="2.35"/>'


# --- the page


class Outline(HTMLParser):
    """The elements of a page, and the text in them; refuses elements that are not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def report(cli: Any, tmp_path: Path) -> Callable[..., Outline]:
    """Writes the rows into `r.jsonl` and reads the page that is made of them."""

    def make(rows: Iterable[dict[str, Any]], *options: str) -> Outline:
        (tmp_path / "r.jsonl").write_bytes(b"".join(lines(rows)))
        ended = cli("report", "r.jsonl", *options)
        assert ended.status == 0, ended.err
        return Outline((tmp_path / "r.html").read_text("utf-8"))

    return make


def test_the_page_says_what_the_rows_say(report: Any) -> None:
    page = report([*(row(n) for n in range(8)), failed(8), failed(9, "auth")])
    for said in ("r.jsonl", "10 prompts", "23 Nov 2026, 11:59:59 to 12:00:09 UTC", "80.0 % of all", "$4.00", "timeout"):
        assert said in page.text, said
    assert "auth of 9" in page.text


def test_texts_of_prompts_do_nothing_and_nothing_is_loaded(report: Any) -> None:
    hostile = {"completion": EVIL, "id": EVIL, "model": EVIL, "error": {"kind": EVIL, "message": EVIL}}
    page = report([row(0, **hostile), row(1, completion=EVIL, model=f'"{EVIL}')], "--title", EVIL)
    assert not {"script", "img", "link", "iframe", "object", "a"} & set(page.tags)
    assert not {"src", "href", "srcset", "data"} & {name for name, _ in page.attributes}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not any("url(" in (value or "") or "expression" in (value or "") for _, value in page.attributes)
    assert "<script>document.title='owned'</script>" in page.text
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in (value or ""))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "\x1b" not in page.text


@pytest.mark.parametrize(
    "rows",
    [
        [row(0)],
        [failed(0)],
        [row(0, finished_at=None, latency=None, usage=None, cost=None)],
        [row(0, is_cached=True, attempts=0, latency=None)],
        [row(n * 90_000) for n in range(4)],
        [row(0, latency=0.0), row(1, latency=10_000.0)],
        [row(n, model=f"model {n}") for n in range(80)],
    ],
    ids=["one", "one failed", "old", "cached", "days", "wide", "many models"],
)
def test_a_page_can_be_made_of_any_results(report: Any, rows: list[dict[str, Any]]) -> None:
    page = report(rows)
    assert "NaN" not in page.text
    assert not [value for _, value in page.attributes if value and ("nan" in value.split() or "inf" in value.split())]


def test_prompts_are_found_and_shown(cli: Any, answer: Any, ten: Path, results: Path, tmp_path: Path) -> None:
    assert answer(ten).status == 0
    page = tmp_path / "results.html"
    assert cli("report", results).err == f"wrote {page}: 10 prompts, 0 failed\n"
    assert "prompt 7" in page.read_text().replace("You said: prompt 7", "")
    ten.rename(tmp_path / "moved.jsonl")
    ended = cli("report", results)
    assert (
        f"the page shows answers without their prompts ({ten}: no such file); --prompts PROMPTS adds them" in ended.err
    )
    assert cli("report", results, "--prompts", "moved.jsonl").status == 0
    assert "prompt 7" in page.read_text().replace("You said: prompt 7", "")
    (tmp_path / "other.txt").write_text("other\n")
    ended = cli("report", results, "--prompts", "other.txt")
    assert (ended.status, ended.err) == (2, "error: other.txt is not the file that these results are of\n")


def test_json_has_the_figures(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(b"".join(lines([row(0), failed(1)])))
    document = json.loads(cli("report", "r.jsonl", "--json").out)
    assert (document["page"], document["prompts"], document["failed"]) == ("r.html", 2, 1)
    assert (document["errors"], document["cost"]) == ({"timeout": 1}, 0.5)
    assert document["latency"]["p50"] == pytest.approx(1.0, rel=0.03)


def test_the_page_can_go_to_standard_output(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(b"".join(lines([row(0)])))
    ended = cli("report", "r.jsonl", "-o", "-")
    assert ended.out.startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.jsonl"]


def test_only_a_report_is_replaced(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(b"".join(lines([row(0)])))
    (tmp_path / "r.html").write_text("<!doctype html>my own page")
    ended = cli("report", "r.jsonl")
    assert (ended.status, ended.err) == (
        2,
        "error: r.html is no report; choose another -o, or --force to replace it\n",
    )
    assert cli("report", "r.jsonl", "--force").status == 0
    assert cli("report", "r.jsonl").status == 0
    assert cli("report", "r.jsonl", "-o", "r.jsonl", "--force").status == 2
    assert cli("report", "r.jsonl", "-o", "none/r.html").status == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.jsonl"]


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), (b"x\n", "holds no results of run")]
)
def test_a_file_without_results_is_refused(cli: Any, tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "r.jsonl").write_bytes(content)
    ended = cli("report", "r.jsonl")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert reason in ended.err
