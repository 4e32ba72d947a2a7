from __future__ import annotations

import io
import logging
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from tqdm import tqdm

from deluge_sync._display.bar import Bar
from deluge_sync.tracker import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable


def test_bar_tells_the_count_and_what_went_wrong(terminal: io.StringIO) -> None:
    bar = Bar(terminal, "job [/foo]")
    bar.show(Snapshot(total=4, answered=1))
    bar.show(Snapshot(total=4, answered=2, failed=1, retried=5, cost_usd=0.5))
    bar.finish(Snapshot(total=4, answered=3, failed=1, retried=5, cost_usd=0.5))

    last = terminal.getvalue().rstrip("\n").rpartition("\r")[2]
    assert last.startswith("job [/foo]: 100%")
    assert "4/4" in last
    assert "1 failed, 5 retried, $0.5000" in last


def test_total_that_grows_keeps_the_count_and_the_time(terminal: io.StringIO) -> None:
    bar = Bar(terminal, "job")
    bar.show(Snapshot(answered=2))
    bar.show(Snapshot(total=10, answered=3))
    bar.finish(Snapshot(total=10, answered=3))
    assert "3/10" in terminal.getvalue().rpartition("\r")[2]


def test_bar_below_another_leaves_both_on_the_screen(terminal: io.StringIO, screen: Callable[[str], list[str]]) -> None:
    with tqdm(total=2, desc="outer", file=terminal, mininterval=0) as outer:
        inner = Bar(terminal, "inner")
        inner.show(Snapshot(total=4, answered=1))
        inner.finish(Snapshot(total=4, answered=4))
        outer.update(2)

    rows = [row for row in screen(terminal.getvalue()) if row]
    assert [row.partition(":")[0] for row in rows] == ["inner", "outer"]


def test_prints_and_logs_go_above_the_bar(
    terminal: io.StringIO, screen: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        bar = Bar(terminal, "job")
        bar.show(Snapshot(total=4, answered=1))
        sys.stderr.write("printed ")
        sys.stderr.write("line\nunfinished")
        logging.getLogger("anything").warning("logged")
        bar.finish(Snapshot(total=4, answered=4))
        assert sys.stderr is terminal
        assert handler.stream is terminal
    finally:
        logging.getLogger().removeHandler(handler)

    rows = [row for row in screen(terminal.getvalue()) if row]
    assert rows[:2] == ["printed line", "unfinishedlogged"]
    assert rows[2].startswith("job: 100%")


def test_stream_that_raises_leaves_the_bars_of_the_program_working() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    bar = Bar(Broken(), "job")
    with pytest.raises(BrokenPipeError):
        bar.show(Snapshot(total=4, answered=1))
    bar.abandon()
    done = threading.Event()

    def show_own_bar() -> None:  # in another thread: tqdm's lock is one that its own thread may take again
        with tqdm(total=1, file=io.StringIO()):
            done.set()

    threading.Thread(target=show_own_bar, daemon=True).start()
    assert done.wait(10)


def test_abandoned_bar_writes_nothing_more_and_frees_its_place(terminal: io.StringIO) -> None:
    bar = Bar(terminal, "job")
    bar.show(Snapshot(total=4, answered=1))
    written = terminal.getvalue()
    bar.abandon()
    assert terminal.getvalue() == written
    with tqdm(total=1, file=io.StringIO()) as other:
        assert other.pos == 0
