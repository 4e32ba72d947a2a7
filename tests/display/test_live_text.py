"""What a model says while it says it: as plain text, whatever it is."""

from __future__ import annotations

import io

import pytest

from deluge_sync._display import LiveText


def shown(*pieces: str) -> str:
    stream = io.StringIO()
    text = LiveText(stream)
    for piece in pieces:
        text.write(piece)
    text.end()
    return stream.getvalue()


@pytest.mark.parametrize(
    ("pieces", "seen"),
    [
        (("one ", "two"), "one two\n"),
        (("one\n", "two\n"), "one\ntwo\n"),
        ((), ""),
        (("", "\x1b"), ""),
        (("red \x1b[31mtext", "\x1b]0;title\x07"), "red [31mtext]0;title\n"),
        (("red \x1b", "[31mtext"), "red [31mtext\n"),
        (("back\b\b\rspace\x9b2J",), "backspace2J\n"),
        (("left \u202eto right\u2066",), "left to right\n"),
        (("half \ud83d",), "half \n"),
        (
            ("\tcolumns: 家族 \U0001f469\u200d\U0001f467, \u06a9\u200c\u06a9",),
            "\tcolumns: 家族 \U0001f469\u200d\U0001f467, \u06a9\u200c\u06a9\n",
        ),
    ],
)
def test_text_is_shown_and_nothing_steers_the_terminal(pieces: tuple[str, ...], seen: str) -> None:
    assert shown(*pieces) == seen


def test_a_terminal_that_is_gone_ends_the_showing_and_not_the_answer() -> None:
    stream = io.StringIO()
    text = LiveText(stream)
    stream.close()
    text.write("more")
    text.end()
