from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, cast

import pytest

from deluge_sync._display import open_display
from deluge_sync._display.lines import StreamLines
from deluge_sync._display.painter import Painter
from deluge_sync.tracker import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from deluge_sync._display import Kind

    class Terminal(io.StringIO):
        wrote: threading.Event
        writes: int


WAIT_S = 10.0


class Failing(io.StringIO):
    """A terminal (or pipe) that works for some writes and then raises for ever."""

    def __init__(self, good_writes: int, error: Exception, *, is_terminal: bool) -> None:
        super().__init__()
        self._left = good_writes
        self._error = error
        self._is_terminal = is_terminal
        self.failed = threading.Event()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        self._left -= 1
        if self._left < 0:
            self.failed.set()
            raise self._error
        return super().write(text)


class Hanging(io.StringIO):
    """A stream whose reader has stopped: a write returns only when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.gate.wait(WAIT_S)
        return super().write(text)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("kind", ["rich", "tqdm"])
def test_pipe_gets_lines_without_control_characters(pipe: Terminal, kind: Kind) -> None:
    with open_display(kind, lambda: Snapshot(total=2, answered=1), label="j\x1b[1mob\r", stream=pipe, interval_s=0.001):
        assert pipe.wrote.wait(WAIT_S)

    lines = pipe.getvalue().splitlines()
    assert lines[0].startswith("job: 1 of 2 (50 %) finished")
    assert lines[-1].startswith("job: 1 of 2 answered")
    assert not set(pipe.getvalue()) & set("\x1b\r\x08\x07")


@pytest.mark.parametrize("kind", ["rich", "tqdm"])
def test_terminal_shows_progress_and_keeps_the_final_state(
    terminal: Terminal, screen: Callable[[str], list[str]], kind: Kind
) -> None:
    with open_display(kind, lambda: Snapshot(total=2, answered=2), label="[/foo]", stream=terminal):
        assert terminal.wrote.wait(WAIT_S)

    rows = [row for row in screen(terminal.getvalue()) if row]
    assert rows[0].startswith("[/foo]: ")
    assert len(rows) <= 2


@pytest.mark.parametrize("kind", ["rich", "tqdm", "manual"])
def test_nothing_is_written_once_the_block_is_left(
    terminal: Terminal, caplog: pytest.LogCaptureFixture, kind: Kind
) -> None:
    before = set(threading.enumerate())
    with caplog.at_level(logging.INFO), open_display(kind, Snapshot, stream=terminal, interval_s=0.001):
        pass
    written, records = terminal.writes, len(caplog.records)

    assert not {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("deluge_sync")}
    assert (terminal.writes, len(caplog.records)) == (written, records)
    assert sys.stderr is not terminal


def test_manual_writes_only_to_the_log(terminal: Terminal, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), open_display("manual", Snapshot, label="job", stream=terminal):
        pass
    assert terminal.getvalue() == ""
    assert [record.name for record in caplog.records] == ["deluge_sync.progress"]


@pytest.mark.parametrize("kind", ["rich", "tqdm"])
@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("good_writes", [0, 2])
@pytest.mark.parametrize("error", [BrokenPipeError("gone"), ValueError("I/O operation on closed file")])
def test_broken_stream_costs_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    kind: Kind, is_terminal: bool, good_writes: int, error: Exception,
) -> None:  # fmt: skip
    stream = Failing(good_writes, error, is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    done = False
    with open_display(kind, lambda: Snapshot(total=9, answered=1), interval_s=0.001):
        # tqdm itself falls silent when its stream is closed, which is as good.
        assert stream.failed.wait(WAIT_S)
        done = True

    assert done
    assert sys.stderr is stream
    assert len(warnings_of(caplog)) <= 1
    if not (kind == "tqdm" and is_terminal):
        assert warnings_of(caplog) == [f"the progress display was given up: {error!r}"]


def test_terminal_that_breaks_gives_the_log_back_before_the_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Failing(2, BrokenPipeError("gone"), is_terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    handler = logging.StreamHandler(stream)
    monkeypatch.setattr(handler, "handleError", lambda _record: None)
    logging.getLogger().addHandler(handler)
    try:
        with open_display("rich", Snapshot, interval_s=0.001):
            assert stream.failed.wait(WAIT_S)
        assert handler.stream is stream
    finally:
        logging.getLogger().removeHandler(handler)


def test_stream_that_hangs_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    stream = Hanging()
    painter = Painter(lambda: StreamLines(stream, "job", 0.001), Snapshot, leave_s=0.05)
    painter.start()
    assert stream.entered.wait(WAIT_S)
    painter.stop()
    painter.stop()
    assert warnings_of(caplog) == ["the progress display hangs in its output and was left behind"]
    stream.gate.set()
    painter._thread.join(WAIT_S)
    assert not painter._thread.is_alive()


def test_bug_in_the_snapshot_costs_one_warning(caplog: pytest.LogCaptureFixture, terminal: Terminal) -> None:
    def broken() -> Snapshot:
        raise RuntimeError("bug")

    with open_display("rich", broken, stream=terminal):
        pass
    assert warnings_of(caplog) == ["the progress display failed"]
    assert caplog.records[-1].exc_info is not None


def test_exception_of_the_block_passes_through(terminal: Terminal) -> None:
    with pytest.raises(KeyError), open_display("rich", Snapshot, label="job", stream=terminal):
        raise KeyError("mine")
    assert "job: 0 answered" in terminal.getvalue()


@pytest.mark.parametrize("kinds", [("rich", "rich"), ("rich", "tqdm"), ("tqdm", "rich"), ("tqdm", "tqdm")])
def test_displays_of_several_threads_share_a_terminal(
    terminal: Terminal, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kinds: tuple[Kind, Kind]
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    are_open = threading.Barrier(4)

    def run(kind: Kind, name: str) -> None:
        with open_display(kind, lambda: Snapshot(total=2, answered=1), label=name, interval_s=0.001):
            are_open.wait(WAIT_S)

    threads = [threading.Thread(target=run, args=(kinds[number % 2], f"job {number}")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert warnings_of(caplog) == []
    assert sys.stderr is cast("TextIO", terminal)
    for number in range(4):
        assert f"job {number}: " in terminal.getvalue()


@pytest.mark.parametrize("kind", ["rich", "tqdm"])
def test_nested_displays_each_leave_their_line(
    terminal: Terminal, screen: Callable[[str], list[str]], kind: Kind
) -> None:
    with open_display(kind, Snapshot, label="outer", stream=terminal, interval_s=0.001):
        assert terminal.wrote.wait(WAIT_S)
        for name in ("one", "two"):
            with open_display(kind, Snapshot, label=name, stream=terminal, interval_s=0.001):
                pass

    names = [row.partition(":")[0] for row in screen(terminal.getvalue())]
    assert [name for name in names if name in ("outer", "one", "two")] == ["one", "two", "outer"]


def test_heavy_packages_are_imported_only_for_their_kind() -> None:
    script = (
        "import sys; from deluge_sync._display import open_display; from deluge_sync.tracker import Snapshot\n"
        "with open_display('manual', Snapshot): pass\n"
        "with open_display('rich', Snapshot): pass\n"
        "assert not {'rich', 'tqdm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stderr=subprocess.DEVNULL, timeout=60)


def test_program_that_ends_inside_the_block_leaves_a_final_line() -> None:
    script = (
        "from deluge_sync._display import open_display; from deluge_sync.tracker import Snapshot\n"
        "display = open_display('rich', Snapshot, label='job'); display.__enter__()\n"
        "import builtins; builtins.kept = display"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr.startswith("job: 0 answered")
    assert ended.stderr.count("\n") == 1
