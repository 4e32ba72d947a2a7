from __future__ import annotations

import json
from dataclasses import replace

import pytest

from deluge_sync.cli.exits import Voice
from deluge_sync.cli.summary import Totals, show_summary, summary_document, summary_lines
from deluge_sync.tracker import Limits, Snapshot

SNAPSHOT = Snapshot(
    answered=195,
    failed=5,
    retried=7,
    requests_sent=207,
    rate_limited=2,
    input_tokens=12_000,
    cache_read_tokens=300,
    cache_write_tokens=45,
    output_tokens=6_789,
    cost_usd=0.01234,
    elapsed_s=10.0,
    busiest_minute=207,
    errors={"server": 4, "auth": 1},
    limits=Limits(requests_per_minute=1_200),
)


def test_everything_a_user_wants_to_know_is_said() -> None:
    assert summary_lines(Totals(195, 5), SNAPSHOT) == [
        ("answered", "195"),
        ("failed", "5 (auth 1, server 4)"),
        ("retried", "7 requests, 2 after a rate limit reply"),
        ("tokens", "12,345 in, 6,789 out"),
        ("cost", "$0.0123"),
        ("requests", "207 sent, 1,242 a minute; 207 in the busiest minute of 1,200 allowed"),
        ("time", "10.0 s"),
    ]


def test_rows_from_before_and_bad_lines_are_counted_apart() -> None:
    lines = dict(summary_lines(Totals(1_200, 0, earlier=1_000, bad_lines=3), Snapshot()))
    assert lines["answered"] == "1,200 (1,000 of all rows from before)"
    assert lines["failed"] == "0"
    assert lines["passed over"] == "3 bad lines"


@pytest.mark.parametrize(
    ("cost_usd", "unpriced", "text"),
    [(None, 3, "unknown price"), (0.0, 0, "$0.0000"), (1234.5, 2, "$1,234.5000, and 2 replies of unknown price")],
)
def test_an_unknown_price_is_not_a_price_of_nothing(cost_usd: float | None, unpriced: int, text: str) -> None:
    lines = dict(summary_lines(Totals(1, 0), replace(SNAPSHOT, cost_usd=cost_usd, unpriced=unpriced)))
    assert lines["cost"] == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (61.2, "1 min 1 s"), (3_725.0, "1 h 2 min")]
)
def test_time_is_told_in_fitting_units(seconds: float, text: str) -> None:
    assert dict(summary_lines(Totals(1, 0), replace(SNAPSHOT, elapsed_s=seconds)))["time"] == text


def test_without_a_limit_none_is_claimed() -> None:
    lines = dict(summary_lines(Totals(1, 0), replace(SNAPSHOT, limits=Limits())))
    assert lines["requests"] == "207 sent, 1,242 a minute; 207 in the busiest minute"


def test_prompts_that_were_held_back_are_no_failures() -> None:
    snapshot = replace(SNAPSHOT, errors={"budget": 3, "timeout": 1})
    assert dict(summary_lines(Totals(5, 1, held_back=3), snapshot))["failed"] == "1 (timeout 1)"
    document = summary_document(Totals(5, 2, held_back=2), snapshot)
    assert (document["errors"], document["held_back"]) == ({"budget": 1, "timeout": 1}, 2)


def test_machines_get_a_document_and_a_quiet_voice_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(Totals(195, 5), SNAPSHOT, Voice(is_quiet=True))
    assert capsys.readouterr() == ("", "")
    show_summary(Totals(195, 5, earlier=3), SNAPSHOT, Voice(is_quiet=True, is_json=True))
    shown = capsys.readouterr()
    assert (json.loads(shown.out)["answered"], json.loads(shown.out)["earlier"], shown.err) == (195, 3, "")


def test_in_a_pipe_it_is_plain_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(Totals(195, 5), replace(SNAPSHOT, errors={"[/bold]\x1b[31m": 5}))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[:2] == ["answered  195", "failed    5 ([/bold] [31m 5)"]


def test_in_a_terminal_it_is_a_table_in_which_markup_is_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    show_summary(Totals(195, 5), replace(SNAPSHOT, errors={"[/bold]": 5}))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "5 ([/bold] 5)" in shown.err
