from __future__ import annotations

import io
import itertools
import logging
from typing import TYPE_CHECKING

import pytest

from deluge_sync._display.lines import LogLines, StreamLines, encodable
from deluge_sync.tracker import Snapshot

if TYPE_CHECKING:
    from typing import TextIO


def test_log_has_one_record_each_time_and_one_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    display = LogLines("job")
    with caplog.at_level(logging.INFO, logger="deluge_sync.progress"):
        display.show(Snapshot(total=2, answered=1))
        display.finish(Snapshot(total=2, answered=2))

    assert [record.name for record in caplog.records] == ["deluge_sync.progress"] * 2
    assert caplog.messages[0].startswith("job: 1 of 2 (50 %) finished")
    assert caplog.messages[1].startswith("job: 2 of 2 answered")
    assert list(itertools.islice(display.pauses_s, 3)) == [30, 30, 30]


def test_lines_come_less_and_less_often(pipe: TextIO) -> None:
    assert list(itertools.islice(StreamLines(pipe, "job").pauses_s, 7)) == [5, 10, 20, 40, 60, 60, 60]


def test_character_that_the_stream_cannot_encode_becomes_a_question_mark() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    StreamLines(stream, "größe").show(Snapshot())
    assert raw.getvalue().startswith(b"gr??e: 0 finished")
    assert encodable("größe", io.StringIO()) == "größe"
