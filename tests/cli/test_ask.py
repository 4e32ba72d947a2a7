from __future__ import annotations

import base64
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.cli.exits import Voice
from deluge_sync.testing import Answer, FakeProvider, Reply

DOT = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0"
CITIES = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture
def ask(cli: Any, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`ask(*arguments, stdin=b"...")` runs the command in this process; nothing is piped in unless told."""

    def run(*arguments: str | Path, stdin: bytes = b"") -> Any:
        reader, writer = os.pipe()
        os.write(writer, stdin)
        os.close(writer)
        with os.fdopen(reader) as file:
            monkeypatch.setattr(sys, "stdin", file)
            return cli("ask", "--base-url", fake_provider.openai_url, *arguments)

    return run


def sent(provider: FakeProvider) -> Any:
    [record] = provider.ledger
    return record.json


def test_the_answer_is_shown_and_ends_with_a_line(ask: Any, fake_provider: FakeProvider) -> None:
    ended = ask("Hello there", "--system", "Be brief.", "--max-tokens", "9", "--temperature", "0.5", "-m", "my-own")
    assert (ended.status, ended.out, ended.err) == (0, "You said: Hello there\n", "")
    assert [message["content"] for message in sent(fake_provider)["messages"]] == ["Be brief.", "Hello there"]
    assert (sent(fake_provider)["model"], sent(fake_provider)["temperature"]) == ("my-own", 0.5)
    assert sent(fake_provider)["stream"] is True


PIPED = [
    (("Sum up",), b"a text\n", "Sum up\n\na text"),
    ((), b"the prompt\n", "the prompt"),
    (("-",), b"the prompt\n", "the prompt"),
    (("Sum up",), b"", "Sum up"),
    (("Sum up",), b"\n", "Sum up"),
]


@pytest.mark.parametrize(("arguments", "stdin", "prompt"), PIPED)
def test_what_is_piped_in_is_context_or_the_prompt(
    ask: Any, fake_provider: FakeProvider, arguments: tuple[str, ...], stdin: bytes, prompt: str
) -> None:
    assert ask(*arguments, stdin=stdin).status == 0
    assert sent(fake_provider)["messages"][-1]["content"] == prompt


def test_files_and_images_are_sent_along(ask: Any, fake_provider: FakeProvider, tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(DOT)
    (tmp_path / "note.txt").write_text("a note")
    url = "https://example.com/a.png"
    assert ask("What?", "--image", "dot.png", "--image", url, "--file", "note.txt").status == 0
    text, dot, remote, file = sent(fake_provider)["messages"][-1]["content"]
    assert text == {"type": "text", "text": "What?"}
    assert dot["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(DOT).decode()}"
    assert remote["image_url"]["url"] == url
    assert file["file"]["filename"] == "note.txt"


def test_json_is_the_whole_response_in_the_words_of_a_row(ask: Any) -> None:
    ended = ask("Hi", "--json", "-m", "gpt-4.1-mini")
    document = json.loads(ended.out)
    assert (ended.status, ended.err) == (0, "")
    assert list(document) == [
        *("completion", "finish_reason", "model", "usage", "cost", "error", "attempts", "latency"),
    ]
    assert (document["completion"], document["model"], document["error"]) == ("You said: Hi", "gpt-4.1-mini", None)
    assert document["cost"] > 0


def test_json_steers_no_terminal(ask: Any, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_provider.use_script([Reply.text("\x9b31m\u00e9")] * 2)
    assert "\x9b31m\u00e9" in ask("Hi", "--json").out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = ask("Hi", "--json").out
    assert shown.isascii()
    assert json.loads(shown)["completion"] == "\x9b31m\u00e9"


def test_half_a_surrogate_pair_is_no_trouble(capfd: pytest.CaptureFixture[str]) -> None:
    Voice().document({"text": "half \ud83c"})
    assert json.loads(capfd.readouterr().out) == {"text": "half \ud83c"}


def test_an_answer_that_fits_the_schema_is_parsed(ask: Any, fake_provider: FakeProvider, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(CITIES))
    fake_provider.use_script([Reply.text('{"city": "Rome"}')])
    document = json.loads(ask("Where?", "--schema", "s.json", "--json").out)
    assert document["parsed"] == {"city": "Rome"}
    assert sent(fake_provider)["response_format"]["json_schema"]["schema"] == CITIES


def test_an_answer_that_does_not_fit_is_shown_and_told(ask: Any, fake_provider: FakeProvider, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(CITIES))
    fake_provider.use_script([Reply.text('{"city": 3}'), Reply.text("Rome, of course")])
    ended = ask("Where?", "--schema", "s.json")
    assert (ended.status, ended.out) == (1, '{"city": 3}\n')
    assert ended.err == "error: city: must fit type 'string', not 3 (schema)\n"
    assert ask("Where?", "--schema", "s.json").err == "error: the answer is no JSON document (schema)\n"


def test_a_failure_is_one_line_on_standard_error(ask: Any, fake_provider: FakeProvider) -> None:
    fake_provider.use_script([Reply.error(400, message="no \x1b[31msuch\nthing")])
    ended = ask("Hi")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("error: ")
    assert ended.err.endswith("(bad_request)\n")
    assert ended.err.count("\n") == 1
    assert "\x1b" not in ended.err
    fake_provider.use_script([Reply.error(400, message="no")])
    document = json.loads(ask("Hi", "--json").out)
    assert (document["completion"], document["error"]["kind"]) == (None, "bad_request")


def test_a_cut_off_answer_and_a_silent_one_are_told_unless_quiet(ask: Any, fake_provider: FakeProvider) -> None:
    cut = Reply.text("half", finish_reason="length")
    fake_provider.use_script([cut, cut, Reply.text(""), Reply.answer(Answer(refusal="I will not."))])
    assert ask("Hi").err == "the answer was cut off at its token limit; --max-tokens N allows more\n"
    quiet = ask("Hi", "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (0, "half\n", "")
    assert ask("Hi").err == "the model said nothing\n"
    refused = ask("Hi")
    assert (refused.status, refused.err) == (1, "error: the model refused: I will not. (content_filter)\n")


BAD = [
    ([], "no prompt: give one, or pipe it in"),
    (["Hi", "--image", "none.png"], "'none.png' cannot be read: No such file or directory"),
    (["Hi", "--image", "note.txt"], "is no image"),
    (["Hi", "--file", "none.pdf"], "'none.pdf' cannot be read: No such file or directory"),
    (["Hi", "--schema", "none.json"], "none.json: No such file or directory (--schema)"),
    (["Hi", "--schema", "note.txt"], "note.txt: not JSON: "),
    (["Hi", "--config", "none.yaml"], "none.yaml cannot be read: No such file or directory"),
    (["Hi", "--cache", "."], "--cache '.': the name of a file is needed"),
    (["Hi", "--base-url="], "--base-url '' is no http or https URL"),
    (["Hi", "--max-cost", "1", "-m", "unpriced"], "no price is known for model 'unpriced'"),
]


@pytest.mark.parametrize(("arguments", "reason"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_what_cannot_be_used_is_one_clear_line(
    ask: Any, fake_provider: FakeProvider, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    (tmp_path / "note.txt").write_text("a note")
    ended = ask(*arguments)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith("error: ")
    assert reason in ended.err
    assert fake_provider.ledger == []


def test_what_is_piped_in_has_to_be_text(ask: Any) -> None:
    ended = ask("Hi", stdin=b"\xff\xfe")
    assert (ended.status, ended.err) == (2, "error: stdin: not UTF-8: byte 0xff; send it with --file\n")


def test_an_answer_is_kept_in_the_cache(ask: Any, fake_provider: FakeProvider) -> None:
    for _ in range(2):
        assert ask("Hi", "--cache", "c.sqlite").out == "You said: Hi\n"
    assert len(fake_provider.ledger) == 1


def test_max_cost_keeps_it_from_being_sent(ask: Any, fake_provider: FakeProvider) -> None:
    ended = ask("Hi", "--max-cost", "0.0000001", "-m", "gpt-4.1-mini")
    assert ended.status == 1
    assert "max_cost" in ended.err
    assert fake_provider.ledger == []


# --- a process of its own


@pytest.mark.parametrize(("stop", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_keeps_what_was_shown(
    spawn: Any, fake_provider: FakeProvider, stop: signal.Signals, status: int
) -> None:
    words = "word " * 400
    fake_provider.use_script([_slow(words)])
    process = spawn("ask", "Hi", "--base-url", fake_provider.openai_url)
    first = process.stdout.read(4)
    process.send_signal(stop)
    out, err = process.communicate(timeout=30)
    assert first == b"word"
    assert process.returncode == status
    assert out.endswith(b"\n")
    assert len(out) < len(words)
    assert b"Traceback" not in err
    assert err == (b"interrupted\n" if stop == signal.SIGINT else b"")


def test_a_reader_that_goes_away_ends_it_quietly(spawn: Any, fake_provider: FakeProvider) -> None:
    fake_provider.use_script([_slow("word " * 400)])
    process = spawn("ask", "Hi", "--base-url", fake_provider.openai_url)
    assert process.stdout.read(4) == b"word"
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, b"")


def test_a_terminal_sees_no_escape_sequence_and_the_answer_as_it_arrives(fake_provider: FakeProvider) -> None:
    fake_provider.use_script([Reply.text("\x1b]0;owned\x07\x1b[31mred\x1b[0m and plain")])
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "deluge_sync", "ask", "Hi", "--base-url", fake_provider.openai_url]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=terminal, stderr=subprocess.PIPE) as process:
        os.close(terminal)
        shown = _read_all(controller)
        assert process.wait(timeout=30) == 0
    os.close(controller)
    assert shown == b"red and plain\r\n"


def _read_all(controller: int) -> bytes:
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            piece = os.read(controller, 1_024)
        except OSError:  # Linux: the other side is closed
            return shown
        shown += piece
    raise AssertionError("it never ended")


def _slow(text: str) -> Reply:
    """A stream that takes longer than any test waits for it."""
    reply = Reply.text(text)
    return replace(reply, delivery=replace(reply.delivery, body_rate=2_000))
