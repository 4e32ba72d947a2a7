from __future__ import annotations

import io
import itertools
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from deluge_sync._display.panel import Panel, reflows, render
from deluge_sync.tracker import Limits, Snapshot

SNAPSHOT = Snapshot(
    total=200, answered=119, failed=1, errors={"timeout": 1}, retried=3, rate_limited=2, in_flight=12, queued=68,
    input_tokens=900, output_tokens=100, cost_usd=0.25, requests_last_minute=123, tokens_last_minute=100,
    tokens_counted=1_000, elapsed_s=60, finished_per_s=2, local_cache_hits=4, limits=Limits(1_200, 100_000, 225),
)  # fmt: skip


def rows(snapshot: Snapshot, label: str = "job", *, width: int = 79, height: int = 23) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=width + 1, height=height + 1)
    lines = render(console, snapshot, label, width=width, height=height)
    return [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines]


def test_panel_shows_every_figure() -> None:
    text = " ".join(" ".join(rows(SNAPSHOT)).split())
    for fact in (
        "job", "120 of 200 (60 %) 0:40 left", "requests/min 123 of 1,200", "tokens/min 1,000 of 100,000",
        "in flight 12 of 225", "queued 68", "retried 3 (2 rate limited)", "from cache 4", "tokens 900 in, 100 out",
        "cost $0.2500", "errors timeout 1",
    ):  # fmt: skip
        assert fact in text


@pytest.mark.parametrize(
    ("width", "height", "count"), [(79, 23, 8), (49, 14, 12), (20, 14, 12), (79, 5, 1), (10, 2, 1)]
)
@pytest.mark.parametrize(
    "snapshot",
    [
        SNAPSHOT,
        Snapshot(),
        Snapshot(total=0),
        Snapshot(answered=5, elapsed_s=3),
        Snapshot(
            total=10**7, answered=10**7 - 1, input_tokens=10**11, cost_usd=None, unpriced=9, paused_s=30,
            errors={"大" * 60: 10**6, "[/foo]": 1},
        ),
    ],
)  # fmt: skip
def test_rows_are_as_many_whatever_happens_and_none_is_too_wide(
    snapshot: Snapshot, width: int, height: int, count: int
) -> None:
    lines = rows(snapshot, "label " * 40, width=width, height=height)
    assert len(lines) == count
    assert max(cell_len(line) for line in lines) <= width


def test_panel_of_a_long_run_is_drawn_less_often() -> None:
    panel = Panel(io.StringIO(), Console(file=io.StringIO()), "job")
    pauses = list(itertools.islice(panel.pauses_s, 102))
    assert (pauses[0], pauses[1], pauses[100], pauses[101]) == (0.0, 0.2, 0.2, 0.5)
    assert list(itertools.islice(Panel(io.StringIO(), Console(), "job", 3.0).pauses_s, 2)) == [3.0, 3.0]


@pytest.mark.parametrize(
    ("env", "does"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "screen-256color", "TMUX": "/run/tmux,1,0"}, True),
        ({"TERM": "xterm", "XTERM_VERSION": "XTerm(379)"}, False),
        ({"TERM": "screen", "STY": "1.pts"}, False),
        ({"TERM": "linux"}, False),
    ],
)
def test_terminals_that_cut_lines_are_known(env: dict[str, str], does: bool) -> None:
    assert reflows(env) is does


def test_label_and_errors_are_plain_text() -> None:
    lines = rows(Snapshot(failed=1, errors={"[/foo]\x1b[2J\r\n[red]": 1}), "\x1b]0;title\x07[/bar]")
    assert "[/bar]" in lines[0]
    assert "[/foo] [red] 1" in " ".join(lines).replace("  ", " ")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", "".join(lines))


def test_unknown_total_has_a_counter_and_something_that_turns() -> None:
    turning = {rows(Snapshot(answered=5, elapsed_s=tenth / 10), height=1)[0].split()[0] for tenth in range(0, 8, 2)}
    assert turning == {"|", "/", "-", "\\"}
    assert "5  0:03" in rows(Snapshot(answered=5, elapsed_s=3))[1]


def test_console_keeps_one_summary_line_when_the_panel_is_gone(screen: object) -> None:
    assert callable(screen)
    stream = io.StringIO()
    panel = Panel(stream, Console(file=io.StringIO(), force_terminal=True, width=200, height=24), "job")
    panel.show(SNAPSHOT)
    assert any("requests/min" in row for row in screen(stream.getvalue()))
    panel.finish(Snapshot(total=2, answered=2))
    assert [row for row in screen(stream.getvalue()) if row] == [
        "job: 2 of 2 answered, 0 failed, 0 retried, 0 tokens, cost $0.0000, at most 0 requests/min, 0:00 passed"
    ]


def test_cursor_stays_visible_so_that_a_kill_leaves_a_sane_terminal() -> None:
    stream = io.StringIO()
    panel = Panel(stream, Console(file=io.StringIO(), force_terminal=True, width=80, height=24), "job")
    panel.show(SNAPSHOT)
    panel.finish(SNAPSHOT)
    assert "\x1b[?" not in stream.getvalue()
