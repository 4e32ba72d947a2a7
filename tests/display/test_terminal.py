"""A client in a process whose standard error is a real terminal: what is written there, call by call."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

pty = pytest.importorskip("pty", reason="pseudo-terminals need Unix")
termios = pytest.importorskip("termios", reason="pseudo-terminals need Unix")

_PROGRAM = r"""
import os, sys
from deluge_sync import LLMClient
from deluge_sync.testing import FakeProvider, Reply

hostile = "[/foo] \x1b]0;title\x07\x1b[31m"
script = lambda record: Reply.error(400, message=hostile) if b"bad" in record.body else None

def say(mark):
    sys.stderr.write(f"<{mark}>\n")
    sys.stderr.flush()

with FakeProvider(script=script) as provider:
    def run(mark, *, progress="rich", show=True, **env):
        os.environ.update(env)
        say(mark)
        place = {"base_url": provider.openai_url, "api_key": "k"}
        with LLMClient("odd" + hostile, progress=progress, name=hostile, **place) as client:
            client.process_prompts_sync([hostile, "bad" + hostile] * 5, show_progress=show)
        for name in env:
            os.environ.pop(name)

    run("off", show=False)
    run("ci", CI="true")
    run("manual", progress="manual")
    os.environ["TERM"] = "dumb"
    run("dumb")
    os.environ["TERM"] = "xterm-256color"
    run("panel")
    run("bar", progress="tqdm")
    say("end")
"""


def _read(terminal: int) -> Iterator[str]:
    with suppress(OSError):  # how Linux tells that nobody has the other side open any more
        while data := os.read(terminal, 65_536):
            yield data.decode("utf-8", "replace")


@pytest.fixture(params=[(24, 120), (0, 0)], ids=["", "without a size"])
def written(request: pytest.FixtureRequest) -> dict[str, str]:
    """What came after each mark, as the terminal got it; line ends as the program wrote them."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, request.param)
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen([sys.executable, "-W", "error", "-c", _PROGRAM], stderr=theirs, env=environment)
    os.close(theirs)
    try:
        text = "".join(_read(ours)).replace("\r\n", "\n")
    finally:
        os.close(ours)
        assert process.wait(60) == 0
    parts = re.split(r"<(\w+)>\n", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_each_kind_shows_what_it_should_and_hostile_text_as_text(
    written: dict[str, str], screen: Callable[[str], list[str]]
) -> None:
    assert written["off"] == ""
    assert written["manual"] == ""  # a record of the log, which nobody asked for
    for mark in ("ci", "dumb"):
        assert re.fullmatch(r"\[/foo\]: 5 of 10 answered, 5 failed \(bad_request 5\), [ -~]*\n", written[mark])
    for mark in ("panel", "bar"):
        assert "title" not in written[mark]
        assert "\x1b[31m[" not in written[mark]
        assert "\x1b]" not in written[mark]
    assert "requests/min" in written["panel"]
    [summary] = [row for row in screen(written["panel"]) if row]
    assert summary.startswith("[/foo]: 5 of 10 answered, 5 failed (bad_request 5)")
    [bar] = [row for row in screen(written["bar"]) if row]
    assert bar.startswith("[/foo]: 100%")
    assert "5 failed" in bar
    assert written["end"] == ""
