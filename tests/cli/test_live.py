from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deluge_sync.cli.live import EscapeFilter, LiveAnswer

PIECES = st.lists(st.text(alphabet="a[]mH0;?\x1b\x07\x9b\x9d\\P \n\u202e\u00e9", max_size=6), max_size=8)

SEQUENCES = [
    ("\x1b[31mred\x1b[0m", "red"),
    ("\x1b]0;owned\x07title", "title"),
    ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
    ("\x9b2Jcleared", "cleared"),
    ("\x1bPq#0\x1b\\sixel", "sixel"),
    ("\x1bcreset", "reset"),
    ("a\rb\x08c\x00d", "abcd"),
    ("tab\tand\nline", "tab\tand\nline"),
    ("\u202etxt.exe", "txt.exe"),
    ("half \x1b[3", "half [3"),
    ("héllo 🌊", "héllo 🌊"),
]


@pytest.mark.parametrize(("given_text", "shown"), SEQUENCES, ids=[repr(given) for given, _ in SEQUENCES])
@pytest.mark.parametrize("size", [1, 2, 3, 1_000])
def test_nothing_that_steers_a_terminal_is_left_however_it_is_cut(given_text: str, shown: str, size: int) -> None:
    text = EscapeFilter()
    pieces = [given_text[place : place + size] for place in range(0, len(given_text), size)]
    assert "".join(map(text.feed, pieces)) + text.end() == shown


@settings(deadline=None)
@given(PIECES)
def test_pieces_give_what_the_whole_gives_and_no_control_character(pieces: list[str]) -> None:
    whole, cut = EscapeFilter(), EscapeFilter()
    shown = "".join(map(cut.feed, pieces)) + cut.end()
    assert shown == whole.feed("".join(pieces)) + whole.end()
    assert not any((char < " " and char != "\n") or "\x7f" <= char < "\xa0" for char in shown)


def test_a_string_without_end_does_not_hide_the_rest() -> None:
    text = EscapeFilter()
    shown = text.feed("\x1b]0;" + "x" * 5_000) + text.feed("the answer") + text.end()
    assert shown.endswith("the answer")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", b"a? \xc3\xa9\n"), ("ascii", b"a? ?\n")])
def test_what_the_stream_cannot_hold_becomes_a_question_mark(encoding: str, shown: bytes) -> None:
    raw = io.BytesIO()
    live = LiveAnswer(io.TextIOWrapper(raw, encoding=encoding))
    live.write("a\ud800 \u00e9")
    live.end()
    assert raw.getvalue() == shown


def test_only_a_terminal_gets_filtered_text_and_both_a_whole_last_line() -> None:
    for stream, shown in ((Terminal(), "red\n"), (io.StringIO(), "\x1b[31mred\n")):
        live = LiveAnswer(stream)
        live.write("\x1b[3")
        live.write("1mred")
        live.end()
        assert stream.getvalue() == shown
