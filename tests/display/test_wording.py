from __future__ import annotations

from dataclasses import replace

import pytest

from deluge_sync._display import wording
from deluge_sync.tracker import Limits, Snapshot


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("gpt-4.1-mini", "gpt-4.1-mini"),
        ("a [/foo] [red]b", "a [/foo] [red]b"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;window title\x07text", "text"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\text", "text"),
        ("\x9b2Jwiped", "wiped"),
        ("lone \x1b", "lone"),
        ("\x1b]never ended", ""),
        ("a\r\nb\tc", "a  b c"),
        ("bell\x07 nul\x00 del\x7f", "bell nul del"),
        ("\u202egnirts\u200b\ud800", "gnirts"),
        ("x" * 500, "x" * 199 + "…"),
        ("größer 大", "größer 大"),
    ],
)
def test_plain_keeps_only_visible_text_in_one_line(hostile: str, shown: str) -> None:
    assert wording.plain(hostile) == shown


@pytest.mark.parametrize(("line", "columns"), [("", 0), ("abc", 3), ("\x1b[2mabc\x1b[0m", 3), ("大学", 4), ("╭─╮", 3)])
def test_columns_of_a_line_leave_its_colours_out(line: str, columns: int) -> None:
    assert wording.columns_of(line) == columns


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-:--"), (0, "0:00"), (59.6, "1:00"), (67, "1:07"), (3_723, "1:02:03"), (176_523, "2 d 01:02:03")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("cost_usd", "unpriced", "text"),
    [(None, 3, "unknown"), (0.0123, 0, "$0.0123"), (1234.5, 0, "$1,234.50"), (0.5, 2, "$0.5000 (2 unpriced)")],
)
def test_cost(cost_usd: float | None, unpriced: int, text: str) -> None:
    assert wording.cost(Snapshot(cost_usd=cost_usd, unpriced=unpriced)) == text


def test_share_tells_no_hundred_percent_before_the_end() -> None:
    assert wording.share(Snapshot(total=1_000, answered=999)) == "999 of 1,000 (99 %)"
    assert wording.share(Snapshot(total=1_000, answered=998, failed=2)) == "1,000 of 1,000 (100 %)"
    assert wording.share(Snapshot(answered=12)) == "12"
    assert wording.share(Snapshot(total=0)) == "0"


def test_errors_come_most_frequent_first_and_not_without_end() -> None:
    counts = {"b": 2, "a": 2, "often": 1_000, "c": 1, "d": 1, "e": 1}
    assert wording.errors(Snapshot(errors=counts)) == "often 1,000, a 2, b 2, c 1, d 1, …"
    assert wording.errors(Snapshot()) == "none"


def test_lines_say_what_a_user_wants_to_know() -> None:
    snapshot = Snapshot(
        total=200, answered=119, failed=1, errors={"timeout": 1}, retried=3, in_flight=12, input_tokens=900,
        output_tokens=100, cost_usd=0.25, requests_last_minute=123, busiest_minute=123, tokens_last_minute=100,
        tokens_counted=1_000, elapsed_s=60, finished_per_s=2, limits=Limits(1_200, 100_000, 225),
    )  # fmt: skip
    assert wording.status_line(snapshot, "job") == (
        "job: 120 of 200 (60 %) finished, 1 failed (timeout 1), 3 retried, 12 in flight, 123 of 1,200 requests/min, "
        "1,000 of 100,000 tokens/min, cost $0.2500, 1:00 passed, 0:40 left"
    )
    assert wording.summary_line(snapshot, "job") == (
        "job: 119 of 200 answered, 1 failed (timeout 1), 3 retried, 1,000 tokens, cost $0.2500, "
        "at most 123 of 1,200 requests/min, 1:00 passed"
    )


def test_line_tells_a_pause_while_there_is_one() -> None:
    assert "7 in flight, paused 0:20, " in wording.status_line(Snapshot(in_flight=7, paused_s=20.0), "job")
    assert "paused" not in wording.status_line(Snapshot(in_flight=7), "job")


def test_cancelled_prompts_are_told_apart_from_failed_ones() -> None:
    snapshot = Snapshot(total=10, answered=3, failed=1, cancelled=6, errors={"timeout": 1})
    assert wording.summary_line(snapshot, "job").startswith(
        "job: 3 of 10 answered, 1 failed (timeout 1), 6 cancelled, 0 retried"
    )


def test_tokens_a_minute_are_those_that_the_limit_counts() -> None:
    snapshot = Snapshot(tokens_last_minute=3_700, tokens_counted=98_000)
    assert wording.tokens_of_limit(replace(snapshot, limits=Limits(tokens_per_minute=100_000))) == "98,000 of 100,000"
    assert wording.tokens_of_limit(snapshot) == "3,700"
