from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from deluge_sync.cli.batch_delivery import Delivery, Nowhere
from deluge_sync.cli.batch_work import deliver, plain_errors
from deluge_sync.cli.exits import BadInputError, Exit, ResultsError, Terminated, Voice
from deluge_sync.client import LLMClient
from deluge_sync.errors import BatchError, BatchInterrupted, ConfigError

MANIFEST = Path("/jobs/a.jsonl")


class Waiting:
    """A client that hands out answers until a signal comes."""

    def __init__(self) -> None:
        self.is_closed = False

    def iter_batch_job(self, manifest: Path, **_: Any) -> Iterator[tuple[int, Any]]:
        assert manifest == MANIFEST
        try:
            yield from [(0, None), (1, None)]
        finally:
            self.is_closed = True


@pytest.mark.parametrize(("signal", "status"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_a_signal_while_a_row_is_written_leaves_the_job_to_be_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], signal: type[BaseException], status: int
) -> None:
    client, delivery = Waiting(), Delivery(Nowhere(), run="r", records=2)

    def stop(*_: object) -> None:
        raise signal

    monkeypatch.setattr(delivery, "has", stop)
    with plain_errors(Voice()) as ended:
        deliver(cast("LLMClient", client), MANIFEST, delivery, poll_s=None, show_progress=False)
    assert ended == [Exit(status)]
    assert client.is_closed
    assert "'batch wait /jobs/a.jsonl' waits for it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (BatchError("the key is wrong", manifest=MANIFEST), BadInputError("the key is wrong")),
        (ConfigError("no such model"), BadInputError("no such model")),
        (
            OSError(28, "No space left on device", "/jobs/x"),
            ResultsError("cannot write /jobs/x: No space left on device"),
        ),
        (BrokenPipeError(32, "gone"), BrokenPipeError(32, "gone")),
        (ZeroDivisionError("a bug"), ZeroDivisionError("a bug")),
    ],
)
def test_what_a_client_raises_is_told_in_one_line_and_a_bug_as_it_is(raised: Exception, told: Exception) -> None:
    with pytest.raises(type(told)) as caught, plain_errors(Voice()):
        raise raised
    assert str(caught.value) == str(told)


def test_a_quiet_command_says_nothing_of_an_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    with plain_errors(Voice(is_quiet=True)) as ended:
        raise BatchInterrupted(MANIFEST)
    assert ended == [Exit.INTERRUPTED]
    assert capsys.readouterr().err == ""
