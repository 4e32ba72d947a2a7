from __future__ import annotations

import inspect
import json
import os
import re
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deluge_sync.cli.connect import CLIENT_ARGUMENTS
from deluge_sync.cli.run import command
from deluge_sync.client import LLMClient
from deluge_sync.testing import FakeProvider, Reply

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from deluge_sync.testing import RequestRecord

FAST = ("--rpm", "100000", "--tpm", "100000000", "--no-progress")
TEN = [f"prompt {n}" for n in range(10)]


def refuse(*texts: str) -> Callable[[RequestRecord], Reply | None]:
    """A script that answers 400 where the last message is one of `texts`."""
    return lambda record: Reply.error(400) if record.json["messages"][-1]["content"] in texts else None


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes], *, timeout_s: float = 30.0) -> None:
    """Look again and again; fail if the process ends before."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert process.poll() is None, process.stderr.read() if process.stderr else None
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


# --- answering


def test_every_prompt_gets_one_row_that_tells_all(answer: Any, ten: Path, rows: Any, asked: Any) -> None:
    ended = answer(ten)
    assert ended.status == 0
    assert ended.out == ""
    assert asked() == TEN
    assert [row["completion"] for row in rows()] == [f"You said: prompt {n}" for n in range(10)]
    first = rows()[0]
    assert [name for name in first if name != "session"] == [
        *("index", "id", "topic", "completion", "finish_reason", "model", "usage", "cost", "error"),
        *("attempts", "latency", "finished_at", "run"),
    ]
    assert (first["id"], first["topic"], first["model"]) == ("q0", "x", "gpt-4.1-mini")
    assert (first["finish_reason"], first["error"], first["attempts"]) == ("stop", None, 1)
    assert first["usage"]["output_tokens"] > 0
    assert first["cost"] > 0
    assert first["latency"] >= 0
    assert {row["run"] for row in rows()} == {first["run"]}


def test_the_summary_is_plain_lines_on_standard_error(answer: Any, ten: Path) -> None:
    said = dict(re.split(r"  +", line) for line in answer(ten, "--rpm", "5000").err.splitlines())
    assert list(said) == ["answered", "failed", "retried", "tokens", "cost", "requests", "time"]
    assert said["answered"] == "10"
    assert said["failed"] == "0"
    assert said["retried"] == "0 requests"
    assert said["cost"].startswith("$0.")
    assert re.fullmatch(r"10 sent, [\d,]+ a minute; 10 in the busiest minute of 5,000 allowed", said["requests"])


def test_local_files_are_sent_only_where_they_are_allowed(
    answer: Any, tmp_path: Path, fake_provider: FakeProvider, results: Path
) -> None:
    (tmp_path / "note.txt").write_text("what only this machine knows")
    content = [{"type": "file", "file": {"file_data": "note.txt"}}]
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(json.dumps({"messages": [{"role": "user", "content": content}]}) + "\n")
    refused = answer(prompts)
    assert refused.status == 2
    assert "prompts.jsonl:1: 'messages': message 0: " in refused.err
    assert "--allow-local-files" in refused.err
    assert (fake_provider.ledger, results.exists()) == ([], False)
    assert answer(prompts, "--allow-local-files").status == 0
    [record] = fake_provider.ledger
    sent = record.json["messages"][-1]["content"][0]["file"]
    assert sent == {
        "filename": "note.txt",
        "file_data": "data:text/plain;base64,d2hhdCBvbmx5IHRoaXMgbWFjaGluZSBrbm93cw==",
    }


def test_options_reach_the_provider(answer: Any, ten: Path, fake_provider: FakeProvider) -> None:
    answer(
        ten, "--limit", "1", "--model", "my-own", "--system", "Be brief.", "--max-tokens", "7", "--temperature", "0.5"
    )
    [record] = fake_provider.ledger
    sent = record.json
    assert sent["model"] == "my-own"
    assert sent["temperature"] == 0.5
    assert 7 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    assert [message["content"] for message in sent["messages"]] == ["Be brief.", "prompt 0"]


def test_csv_text_and_messages_are_answered_too(answer: Any, tmp_path: Path, results: Path, rows: Any) -> None:
    files = {
        "p.csv": b'prompt,cost\n"a, b",3\n',
        "p.txt": b"a, b\n\n",
        "p.jsonl": b'{"messages": [{"role": "user", "content": "a, b"}]}\n',
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        results.unlink(missing_ok=True)
        assert answer(name).status == 0
        [row] = rows()
        assert row["completion"] == "You said: a, b"
        assert row.get("input_cost") == ("3" if name == "p.csv" else None)


def test_standard_input_is_answered_and_resumed(
    spawn: Any, fake_provider: FakeProvider, ten: Path, results: Path, asked: Any
) -> None:
    for options in (("--limit", "4"), ()):
        with ten.open("rb") as stdin:
            arguments = ("run", "-", "-o", results, "--base-url", fake_provider.openai_url, *FAST, *options)
            process = spawn(*arguments, stdin=stdin)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert asked() == TEN
    assert b"going on: 4 prompts have a row already, 6 are left" in err


def test_an_empty_file_is_answered_with_an_empty_file(answer: Any, tmp_path: Path, results: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"\n\n")
    ended = answer("p.txt")
    assert (ended.status, ended.err) == (0, "p.txt holds no prompts\n")
    assert results.read_bytes() == b""


def test_the_display_in_a_pipe_has_no_control_characters(
    cli: Any, fake_provider: FakeProvider, ten: Path, results: Path
) -> None:
    ended = cli("run", ten, "-o", results, "--base-url", fake_provider.openai_url)
    assert ended.status == 0
    assert ended.out == ""
    assert "\x1b" not in ended.err
    assert "\r" not in ended.err


def test_warnings_of_the_library_are_seen(spawn: Any, fake_provider: FakeProvider, ten: Path, results: Path) -> None:
    url = fake_provider.openai_url
    process = spawn("run", ten, "-o", results, "--base-url", url, "--model", "o4-mini", "--limit", "2", *FAST)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "WARNING: not sent to o4-mini, which does not take it: temperature" in err.decode().splitlines()


# --- going on


def test_the_first_prompts_and_then_the_rest(answer: Any, ten: Path, asked: Any, rows: Any) -> None:
    assert answer(ten, "--limit", "3").status == 0
    assert asked() == TEN[:3]
    assert answer(ten, "--limit", "3").err == "nothing left to send: 3 answered, 0 failed\n"
    assert answer(ten).status == 0
    assert asked() == TEN
    assert len(rows()) == 10
    assert answer(ten, "--limit", "0").status == 0
    assert asked() == TEN


def test_failed_prompts_are_sent_again_only_when_asked(
    answer: Any, ten: Path, fake_provider: FakeProvider, asked: Any, rows: Any
) -> None:
    fake_provider.use_script(refuse("prompt 2", "prompt 5"))
    first = answer(ten)
    assert first.status == 1
    assert "failed    2 (bad_request 2)" in first.err
    assert [row["index"] for row in rows() if row["error"]] == [2, 5]
    assert rows()[2]["error"]["kind"] == "bad_request"
    assert rows()[2]["completion"] is None
    again = answer(ten)
    assert again.status == 1
    assert again.err == "nothing left to send: 8 answered, 2 failed\n--retry-errors sends the failed ones again\n"
    assert asked() == TEN
    fake_provider.use_script(())
    assert answer(ten, "--retry-errors").status == 0
    assert asked() == sorted([*TEN, "prompt 2", "prompt 5"])
    assert [row["index"] for row in rows()] == list(range(10))
    assert not any(row["error"] for row in rows())


def test_failures_of_an_earlier_run_count_for_the_exit_status(
    answer: Any, ten: Path, fake_provider: FakeProvider
) -> None:
    fake_provider.use_script(refuse("prompt 2"))
    assert answer(ten, "--limit", "5").status == 1
    ended = answer(ten)
    assert ended.status == 1
    assert "answered  9 (5 of all rows from before)" in ended.err


def test_half_a_last_line_is_repaired_and_its_prompt_sent_again(
    answer: Any, ten: Path, results: Path, asked: Any, rows: Any
) -> None:
    answer(ten)
    whole = results.read_bytes()
    results.write_bytes(whole[:-30])
    lost = json.loads(whole.splitlines()[-1])["index"]
    ended = answer(ten)
    assert ended.status == 0
    assert "removed half a last line" in ended.err
    assert asked() == sorted([*TEN, f"prompt {lost}"])
    assert [row["index"] for row in rows()] == list(range(10))


def test_a_damaged_line_is_refused_before_anything_is_sent(answer: Any, ten: Path, results: Path, asked: Any) -> None:
    answer(ten, "--limit", "3")
    content = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(content[0] + b"{broken\n" + content[2])
    ended = answer(ten)
    assert ended.status == 2
    assert ended.err.startswith(f"error: {results}:2: not a row of results; ")
    assert ended.err.count("\n") == 1
    assert asked() == TEN[:3]


CHANGED_SETTINGS = [
    ("--model", "gpt-4.1"),
    ("--system", "Be brief."),
    ("--max-tokens", "7"),
    ("--temperature", "0"),
]


@pytest.mark.parametrize("change", CHANGED_SETTINGS, ids=[option for option, _ in CHANGED_SETTINGS])
def test_settings_that_shape_the_answer_must_be_the_same(
    answer: Any, ten: Path, change: tuple[str, str], asked: Any
) -> None:
    answer(ten, "--limit", "3")
    ended = answer(ten, *change)
    assert ended.status == 2
    settings = "model, system, max-tokens, temperature, base-url, schema, images, config"
    assert f"has the answers to different settings ({settings})" in ended.err
    assert asked() == TEN[:3]


def test_another_endpoint_is_another_setting_however_it_is_named(
    cli: Any, answer: Any, ten: Path, results: Path, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(ten, "--limit", "3")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{fake_provider.openai_url}/")
    assert cli("run", ten, "-o", results, *FAST, "--limit", "4").status == 0
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    ended = cli("run", ten, "-o", results, *FAST)
    assert ended.status == 2
    assert "different settings" in ended.err


def test_a_default_that_is_spelled_out_and_a_change_of_pace_change_nothing(answer: Any, ten: Path, asked: Any) -> None:
    answer(ten, "--limit", "3")
    spelled_out = ("--model", "gpt-4.1-mini", "--max-tokens", "512", "--temperature", "0.75")
    pace = ("--rpm", "6000", "--tpm", "9000000", "--concurrency", "3", "--max-attempts", "2", "--timeout", "9")
    assert answer(ten, *spelled_out, *pace, "--retry-errors").status == 0
    assert asked() == TEN


def test_another_prompts_file_is_refused(answer: Any, ten: Path, results: Path, asked: Any) -> None:
    answer(ten, "--limit", "3")
    with ten.open("a") as file:
        file.write('{"prompt": "one more"}\n')
    ended = answer(ten)
    assert ended.status == 2
    assert ended.err == (
        f"error: {results} has the answers to a different prompts file; "
        "choose another -o, or --restart to move it aside and begin anew\n"
    )
    assert asked() == TEN[:3]


def test_restart_begins_anew_and_keeps_the_old_answers(
    answer: Any, ten: Path, results: Path, asked: Any, rows: Any
) -> None:
    answer(ten)
    old = results.read_bytes()
    ended = answer(ten, "--restart", "--temperature", "0")
    assert ended.status == 0
    assert ended.err.startswith("moved the old results.jsonl aside to results.jsonl.1\n")
    assert results.with_name("results.jsonl.1").read_bytes() == old
    assert asked() == sorted(TEN * 2)
    assert len(rows()) == 10


# --- bad input


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{oops", "not JSON: Expecting property name enclosed in double quotes (column 2)"),
        (b'{"id": 1}', "no 'prompt' and no 'messages'"),
        (b'{"prompt": "\xff"}', "not UTF-8: byte 0xff at position 12"),
    ],
)
def test_a_bad_line_is_told_with_its_number_or_passed_over(
    answer: Any, ten: Path, results: Path, asked: Any, rows: Any, line: bytes, reason: str
) -> None:
    content = ten.read_bytes().splitlines(keepends=True)
    ten.write_bytes(b"".join([*content[:4], line + b"\n", *content[4:]]))
    ended = answer(ten)
    assert (ended.status, ended.out, ended.err) == (2, "", f"error: {ten}:5: {reason}\n")
    assert asked() == []
    assert not results.exists()
    ended = answer(ten, "--skip-bad-lines")
    assert ended.status == 0
    assert ended.err.startswith(f"passed over {ten}:5: {reason}\n")
    assert "passed over  1 bad lines" in ended.err
    assert asked() == TEN
    assert [row["index"] for row in rows()] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert answer(ten, "--skip-bad-lines").err.endswith("nothing left to send: 10 answered, 0 failed\n")


BAD_COMMANDS = [
    ("none.jsonl -o r.jsonl", "none.jsonl: No such file or directory"),
    ("p.txt -o r.jsonl --api-key-env NONE", "no API key: the environment variable NONE is not set (--api-key-env)"),
    ("p.txt -o r.jsonl --env-file none.env", "none.env: no such file (--env-file)"),
    ("p.txt -o r.jsonl --restart --retry-errors", "--restart and --retry-errors exclude each other"),
    ("p.txt -o - --restart", "--restart and --retry-errors need a results file; '-o -' has none"),
    ("p.txt -o p.txt --restart", "p.txt: prompts and results are the same file"),
    ("p.txt -o r.jsonl --base-url localhost:8089", "--base-url 'localhost:8089' is no http or https URL"),
    ("p.txt -o r.jsonl --base-url=", "--base-url '' is no http or https URL"),
    ("p.txt -o none/r.jsonl", "cannot open {here}/none/r.jsonl: No such file or directory"),
    ("p.txt -o .", "cannot open {here}: Is a directory"),
]


@pytest.mark.parametrize(("arguments", "reason"), BAD_COMMANDS, ids=[arguments for arguments, _ in BAD_COMMANDS])
def test_what_cannot_be_used_is_one_clear_line(
    cli: Any, fake_provider: FakeProvider, tmp_path: Path, arguments: str, reason: str
) -> None:
    (tmp_path / "p.txt").write_text("Hi\n")
    ended = cli("run", "--base-url", fake_provider.openai_url, *arguments.split())
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"error: {reason.format(here=tmp_path)}\n"
    assert fake_provider.ledger == []
    assert [path.name for path in tmp_path.iterdir()] == ["p.txt"]
    assert (tmp_path / "p.txt").read_text() == "Hi\n"


def test_an_unknown_model_is_told_with_the_nearest_name(cli: Any, ten: Path, results: Path) -> None:
    ended = cli("run", ten, "-o", results, "--model", "gpt-4.1-minii")
    assert ended.status == 2
    assert ended.err.startswith("error: unknown model 'gpt-4.1-minii'; did you mean 'gpt-4.1-mini'")
    assert ended.err.count("\n") == 1
    assert not results.exists()


@pytest.mark.parametrize("base_url", [(), ("--base-url", "http://127.0.0.1:9/v1")])
def test_a_missing_key_is_told_before_anything_happens(
    cli: Any, ten: Path, results: Path, monkeypatch: pytest.MonkeyPatch, base_url: tuple[str, ...]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    ended = cli("run", ten, "-o", results, *FAST, *base_url)
    assert ended.status == 2
    assert ended.err == ("error: no API key for model 'gpt-4.1-mini': set the environment variable OPENAI_API_KEY\n")
    assert not results.exists()


@pytest.mark.parametrize(
    "arguments",
    [["--rpm", "0"], ["--rpm", "many"], ["--temperature", "3"], ["--limit", "-1"], ["--nonsense"], ["--format", "xml"]],
)
def test_a_wrong_option_is_told_by_name(cli: Any, ten: Path, arguments: list[str]) -> None:
    ended = cli("run", ten, "-o", "r.jsonl", *arguments)
    assert ended.status == 2
    assert arguments[0] in ended.err


def test_the_stated_defaults_are_those_of_the_client() -> None:
    defaults = inspect.signature(LLMClient).parameters
    for option in command.params:
        argument = CLIENT_ARGUMENTS.get(option.name or "")
        if argument and (default := defaults[argument].default) is not None:
            assert f"[default: {default}]" in (getattr(option, "help", None) or "")


# --- keys and environment


def test_keys_come_from_the_environment_then_from_the_env_file(
    cli: Any, ten: Path, results: Path, tmp_path: Path, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e").write_text(
        f"OPENAI_API_KEY=from-file\nMY_KEY='from file two'\nOPENAI_BASE_URL={fake_provider.openai_url}\nEMPTY\n"
    )
    before = dict(os.environ)
    arguments = ("run", ten, "-o", results, *FAST, "--env-file", "e", "--limit")
    assert cli(*arguments, "1").status == 0
    monkeypatch.delenv("OPENAI_API_KEY")
    assert cli(*arguments, "2").status == 0
    (tmp_path / "e").write_text(f"MY_KEY=my-own\nOPENAI_BASE_URL={fake_provider.openai_url}\n")
    assert cli(*arguments, "3", "--api-key-env", "MY_KEY").status == 0
    assert [record.key for record in fake_provider.ledger] == [before["OPENAI_API_KEY"], "from-file", "my-own"]
    monkeypatch.setenv("OPENAI_API_KEY", before["OPENAI_API_KEY"])
    assert dict(os.environ) == before


# --- standard output


def test_rows_go_to_standard_output(cli: Any, ten: Path, fake_provider: FakeProvider, tmp_path: Path) -> None:
    ended = cli("run", ten, "-o", "-", "--base-url", fake_provider.openai_url, *FAST)
    assert ended.status == 0
    assert sorted(json.loads(line)["index"] for line in ended.out.splitlines()) == list(range(10))
    assert "answered  10" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prompts.jsonl"]


def test_a_reader_that_goes_away_ends_it_quietly(spawn: Any, fake_provider: FakeProvider, ten: Path) -> None:
    fake_provider.use_script(lambda record: None if record.sequence == 0 else Reply(latency_s=0.2))
    process = spawn(*("run", ten, "-o", "-", "--concurrency", "1", "--base-url", fake_provider.openai_url, *FAST))
    assert process.stdout.readline().startswith(b'{"index": 0, ')
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert process.returncode == 141
    assert b"Traceback" not in err
    assert len(fake_provider.ledger) < 10


# --- being stopped


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_keeps_its_answers_and_goes_on(
    spawn: Any,
    answer: Any,
    ten: Path,
    results: Path,
    asked: Any,
    rows: Any,
    fake_provider: FakeProvider,
    sent: signal.Signals,
    status: int,
) -> None:
    fake_provider.use_script(lambda record: Reply.hang(60) if record.sequence >= 6 else None)
    arguments = ("run", ten, "-o", results, "--base-url", fake_provider.openai_url, "--concurrency", "2", *FAST)
    process = spawn(*arguments)
    wait_until(lambda: len(fake_provider.ledger) == 8 and lines(results) == 6, process)
    started = time.monotonic()
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 5
    assert process.returncode == status
    assert err.endswith(b"the same command (without --restart) goes on from here\n")
    assert b"answered  6\n" in err
    assert b"failed    0\n" in err
    assert b"Traceback" not in err
    fake_provider.use_script(())
    kept = {row["id"] for row in rows()}
    assert len(kept) == 6
    assert answer(ten).status == 0
    assert len(rows()) == 10
    assert len(asked()) == 12
    assert sorted(set(asked())) == TEN


def test_a_second_process_on_the_same_results_is_refused(
    spawn: Any, answer: Any, ten: Path, results: Path, fake_provider: FakeProvider
) -> None:
    fake_provider.use_script(lambda _: Reply.hang(60))
    process = spawn("run", ten, "-o", results, "--base-url", fake_provider.openai_url, *FAST)
    wait_until(lambda: len(fake_provider.ledger) == 10, process)
    for option in ((), ("--restart",), ("--retry-errors",)):
        ended = answer(ten, *option)
        assert (ended.status, ended.err) == (2, f"error: {results} is in use by another process\n")
    assert len(fake_provider.ledger) == 10


def test_a_full_disk_ends_the_run_with_whole_rows(
    spawn: Any, answer: Any, ten: Path, results: Path, rows: Any, asked: Any, fake_provider: FakeProvider
) -> None:
    process = spawn(
        *("run", ten, "-o", results, "--base-url", fake_provider.openai_url, "--concurrency", "1", *FAST),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_200, 1_200)),
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert f"error: cannot write {results}: File too large; what it holds is intact\n" in err.decode()
    assert b"Traceback" not in err
    written = len(rows())
    assert 2 <= written <= 5
    assert results.read_bytes().endswith(b"\n")
    assert len(asked()) <= written + 3
    assert answer(ten).status == 0
    assert [row["index"] for row in rows()] == list(range(10))
