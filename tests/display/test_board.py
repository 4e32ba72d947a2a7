from __future__ import annotations

import io
import logging
import os
import sys
from typing import TYPE_CHECKING

import pytest

from deluge_sync._display import board as boards
from deluge_sync._display.board import TerminalBoard, has_board, join_board, leave_board
from deluge_sync._display.redirect import Above, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Screen = Callable[[str], list[str]]
    Start = Callable[[], None]


@pytest.fixture
def board(terminal: io.StringIO) -> Iterator[TerminalBoard]:
    """A board of 40 by 10 with the panel "a" on it, while `sys.stderr` is another stream."""
    opened = join_board("a", lambda: TerminalBoard(terminal, lambda: (40, 10)), terminal)
    yield opened
    for panel in ("a", "b"):
        opened.drop(panel)
    leave_board(opened)


@pytest.fixture
def led_above(board: TerminalBoard, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Makes the terminal `sys.stderr`, led above the board. Called in a test: pytest sets `sys.stderr` before it."""

    def start() -> None:
        monkeypatch.setattr(sys, "stderr", terminal)
        board.redirect.start()

    return start


def test_frames_are_drawn_in_place(board: TerminalBoard, terminal: io.StringIO, screen: Screen) -> None:
    for count in range(5):
        board.show("a", [f"+ {count} +", "long line" if count < 3 else "short"])
    assert screen(terminal.getvalue()) == ["+ 4 +", "short", ""]


def test_frame_that_shrinks_leaves_no_row_behind(board: TerminalBoard, terminal: io.StringIO, screen: Screen) -> None:
    board.show("a", ["1", "2", "3"])
    board.show("a", ["only"])
    assert [row for row in screen(terminal.getvalue()) if row] == ["only"]


def test_two_panels_share_a_terminal_and_one_may_leave_first(
    board: TerminalBoard, terminal: io.StringIO, screen: Screen
) -> None:
    assert join_board("b", pytest.fail, terminal) is board
    board.show("a", ["first"])
    board.show("b", ["second"])
    assert screen(terminal.getvalue()) == ["first", "second", ""]
    board.remove("a", "first is done")
    leave_board(board)
    assert screen(terminal.getvalue()) == ["first is done", "second", ""]
    assert has_board(terminal)
    board.remove("b", "second is done")
    leave_board(board)
    assert screen(terminal.getvalue()) == ["first is done", "second is done", ""]
    assert not has_board(terminal)


def test_panels_share_the_height(board: TerminalBoard, terminal: io.StringIO) -> None:
    assert board.room() == (39, 9)
    join_board("b", pytest.fail, terminal)
    assert board.room() == (39, 4)


def test_frame_higher_than_the_terminal_keeps_its_last_rows(
    board: TerminalBoard, terminal: io.StringIO, screen: Screen
) -> None:
    board.show("a", [str(number) for number in range(30)])
    assert screen(terminal.getvalue())[0] == "21"
    assert screen(terminal.getvalue())[-2] == "29"


@pytest.mark.parametrize(("reflows", "rows"), [(True, 5), (False, 2)])
def test_window_made_narrower_breaks_the_drawn_lines_and_they_are_all_taken_back(
    terminal: io.StringIO, reflows: bool, rows: int
) -> None:
    columns = 100
    board = TerminalBoard(terminal, lambda: (columns, 30), reflows=reflows)
    board.show("a", ["x" * 99, "\x1b[2m" + "大" * 30 + "\x1b[0m"])
    columns = 40  # 99 columns are three rows of it, 60 are two
    written = terminal.tell()
    board.show("a", ["short"])
    assert terminal.getvalue()[written:].startswith(f"\r\x1b[{rows}A")


def test_prints_and_logs_go_above_the_panel(
    board: TerminalBoard, led_above: Start, terminal: io.StringIO, screen: Screen
) -> None:
    led_above()
    board.show("a", ["panel"])
    sys.stderr.write("one\ntwo\n")
    logging.lastResort.handle(logging.makeLogRecord({"msg": "logged", "levelno": 40}))  # type: ignore[union-attr]
    board.show("a", ["panel 2"])
    assert screen(terminal.getvalue()) == ["one", "two", "logged", "panel 2", ""]


def test_unfinished_line_is_shown_above_and_becomes_one_line(
    board: TerminalBoard, led_above: Start, terminal: io.StringIO, screen: Screen
) -> None:
    led_above()
    board.show("a", ["panel"])
    sys.stderr.write("tokens \x1b[2Jcome")
    sys.stderr.flush()
    assert screen(terminal.getvalue()) == ["tokens come", "panel", ""]
    sys.stderr.write(" slowly\rreplaced")
    sys.stderr.flush()
    assert screen(terminal.getvalue()) == ["replaced", "panel", ""]
    sys.stderr.write("!\n")
    assert screen(terminal.getvalue()) == ["replaced!", "panel", ""]


def test_unfinished_line_is_not_lost_at_the_end(
    board: TerminalBoard, led_above: Start, terminal: io.StringIO, screen: Screen
) -> None:
    led_above()
    sys.stderr.write("half")
    board.remove("a", "done")
    leave_board(board)
    sys.stderr.write(" and half\n")
    assert [row for row in screen(terminal.getvalue()) if row] == ["done", "half and half"]


def test_log_handler_of_this_terminal_is_led_above_and_given_back(
    terminal: io.StringIO, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    handler, elsewhere = logging.StreamHandler(terminal), logging.StreamHandler(io.StringIO())
    named = logging.getLogger("an.application")
    named.addHandler(handler)
    named.addHandler(elsewhere)
    try:
        board = join_board("a", lambda: TerminalBoard(terminal, lambda: (40, 10)), terminal)
        board.show("a", ["panel"])
        named.error("logged")
        assert screen(terminal.getvalue()) == ["logged", "panel", ""]
        assert not isinstance(elsewhere.stream, Above)
        board.remove("a", "done")
        leave_board(board)
        assert handler.stream is terminal
    finally:
        named.removeHandler(handler)
        named.removeHandler(elsewhere)


def test_streams_that_go_elsewhere_are_left_alone(
    terminal: io.StringIO, pipe: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", pipe)
    board = join_board("a", lambda: TerminalBoard(terminal, lambda: (40, 10)), terminal)
    assert sys.stdout is pipe
    assert unwrap(sys.stderr) is terminal
    assert sys.stderr is not terminal
    board.drop("a")
    leave_board(board)
    assert sys.stderr is terminal


def test_stream_that_the_program_replaced_meanwhile_is_not_touched(
    board: TerminalBoard, led_above: Start, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    led_above()
    ours = sys.stderr
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stderr", mine)
    board.drop("a")
    leave_board(board)
    assert sys.stderr is mine
    written = terminal.getvalue()
    ours.write("late\n")
    assert terminal.getvalue() == written + "late\n"


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no fork here")
def test_forked_child_prints_directly_although_the_parent_held_the_lock(
    board: TerminalBoard, led_above: Start, terminal: io.StringIO
) -> None:
    led_above()
    board.show("a", ["panel"])
    ours, written = sys.stderr, terminal.getvalue()
    boards._forget_boards()  # what the child runs after fork; a lock held by another thread stays held there
    assert sys.stderr is terminal
    ours.write("from the child\n")
    assert terminal.getvalue() == written + "from the child\n"
    assert not has_board(terminal)
