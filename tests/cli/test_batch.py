"""`batch` and `run --batch` from the outside. What another process has to do is done by one."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deluge_sync.testing import BatchPace, FakeProvider, Reply

if TYPE_CHECKING:
    import subprocess

    from deluge_sync.testing import RequestRecord

FAST = ("--rpm", "100000", "--tpm", "100000000", "--no-progress")
POLL = ("--poll", "0.05", "--no-progress")
TEN = [f"You said: prompt {n}" for n in range(10)]
# At the price of gpt-4.1-mini for batches, per token.
INPUT_USD, OUTPUT_USD = 0.2e-6, 0.8e-6


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Manifests of this test only, and a key for every provider."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY"):
        monkeypatch.setenv(name, "sk-a-key-that-must-appear-nowhere")


@pytest.fixture
def submit(cli: Any, fake_provider: FakeProvider, ten: Path) -> Callable[..., Any]:
    """`submit(*options)` makes a job of ten prompts."""
    return lambda *options, prompts=ten: cli(
        "batch", "submit", prompts, "--base-url", fake_provider.openai_url, *options
    )


@pytest.fixture
def quick_provider(fake_provider_factory: Callable[..., FakeProvider]) -> FakeProvider:
    """One whose batches are over at the first look, for commands that wait a while between two."""
    return fake_provider_factory(batches=BatchPace(polls=1))


@pytest.fixture
def job(submit: Callable[..., Any]) -> dict[str, Any]:
    """A job of ten prompts as `submit --json` tells it."""
    ended = submit("--json")
    assert ended.status == 0
    [told] = json.loads(ended.out)
    return dict(told)


def created(provider: FakeProvider) -> int:
    """How many batches the provider has."""
    return sum(record.answered for record in posts(provider, "/batches"))


def posts(provider: FakeProvider, path: str) -> list[RequestRecord]:
    return [record for record in provider.ledger if record.method == "POST" and record.path.endswith(path)]


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes], *, timeout_s: float = 60.0) -> None:
    """Look again and again; fail if the process ends before."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert process.poll() is None, process.stderr.read() if process.stderr else None
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def ended_well(process: subprocess.Popen[bytes], *, status: int = 0) -> str:
    """What a process said on standard error, once it has ended as it should."""
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err.decode()
    return err.decode()


# --- from prompts to rows


def test_a_job_is_answered_in_other_processes_from_its_manifest_alone(
    spawn: Any, fake_provider: FakeProvider, ten: Path, results: Path, rows: Any
) -> None:
    submitting = spawn("batch", "submit", ten, "--base-url", fake_provider.openai_url, "--json")
    out, err = submitting.communicate(timeout=60)
    assert submitting.returncode == 0, err
    [told] = json.loads(out)
    ten.unlink()
    ended_well(spawn("batch", "wait", told["manifest"], "-o", results, *POLL))
    assert [row["completion"] for row in rows()] == TEN
    assert [(row["index"], row["id"], row["topic"]) for row in rows()] == [(n, f"q{n}", "x") for n in range(10)]
    first = rows()[0]
    cost = first["usage"]["input_tokens"] * INPUT_USD + first["usage"]["output_tokens"] * OUTPUT_USD
    assert first["cost"] == pytest.approx(cost)
    assert created(fake_provider) == 1


@pytest.mark.parametrize(
    ("model", "place"),
    [
        ("gpt-4.1-mini", "openai_url"),
        ("claude-haiku-4-5", "anthropic_url"),
        ("gemini-2.5-flash", "gemini_url"),
        ("mistral-small-latest", "mistral_url"),
    ],
)
def test_every_provider_that_has_batches_answers(
    cli: Any, fake_provider: FakeProvider, ten: Path, results: Path, rows: Any, model: str, place: str
) -> None:
    version = {"anthropic_url": "/v1", "gemini_url": "/v1beta", "mistral_url": "/v1"}.get(place, "")
    url = getattr(fake_provider, place) + version
    [told] = json.loads(cli("batch", "submit", ten, "-m", model, "--base-url", url, "--json").out)
    assert (told["models"], told["state"]) == ([model], "running")
    waited = cli("batch", "wait", told["id"], "-o", results, *POLL, "--json")
    assert waited.status == 0
    summary = json.loads(waited.out)
    assert (summary["answered"], summary["failed"], summary["unpriced"]) == (10, 0, 0)
    assert [row["completion"] for row in rows()] == TEN
    assert all(row["cost"] > 0 for row in rows())


def test_rows_are_those_of_run_so_that_run_has_nothing_left_to_do(
    cli: Any, job: dict[str, Any], results: Path, answer: Any, ten: Path, fake_provider: FakeProvider
) -> None:
    assert cli("batch", "wait", job["id"], "-o", results, *POLL).status == 0
    [listed] = json.loads(cli("batch", "list", "--json").out)
    assert (listed["state"], listed["answered"], listed["failed"]) == ("fetched", 10, 0)
    assert "nothing left to send: 10 answered" in answer(ten).err
    assert not posts(fake_provider, "/chat/completions")


def test_system_schema_and_limits_of_a_batch_go_in(
    cli: Any, submit: Any, fake_provider: FakeProvider, results: Path, rows: Any, tmp_path: Path
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}')
    ended = submit("--system", "Be brief.", "--schema", schema, "--batch-size", "4", "--limit", "9", "--json")
    [told] = json.loads(ended.out)
    assert (told["prompts"], [part["requests"] for part in told["parts"]]) == (9, [4, 4, 1])
    uploaded = b"".join(record.body for record in posts(fake_provider, "/files"))
    assert uploaded.count(b'"response_format"') == uploaded.count(b'"Be brief."') == 9
    assert cli("batch", "wait", told["id"], "-o", results, *POLL).status == 0
    assert all(isinstance(row["parsed"]["a"], int) for row in rows())


def test_a_prompt_that_fails_has_an_error_row_which_run_can_send_again(
    cli: Any, fake_provider: FakeProvider, results: Path, rows: Any, answer: Any, tmp_path: Path
) -> None:
    prompts = tmp_path / "some.jsonl"
    bad = [{"role": "tool", "tool_call_id": "nobody-called", "content": "x"}]
    prompts.write_text("\n".join(map(json.dumps, [{"prompt": "good"}, {"messages": bad}])))
    [told] = json.loads(cli("batch", "submit", prompts, "--base-url", fake_provider.openai_url, "--json").out)
    waited = cli("batch", "wait", told["id"], "-o", results, *POLL)
    good, failed = rows()
    assert (good["completion"], good["error"]) == ("You said: good", None)
    assert failed["error"]["kind"] == "bad_request"
    assert waited.status == 1
    assert re.search(r"^failed +1 \(bad_request 1\)$", waited.err, re.MULTILINE)
    answer(prompts, "--retry-errors")
    assert len(posts(fake_provider, "/chat/completions")) <= 1


def test_what_expired_is_an_error_and_what_was_finished_is_delivered(
    cli: Any, ten: Path, results: Path, rows: Any
) -> None:
    with FakeProvider(batches=BatchPace(polls=1, expires_after=4)) as provider:
        [told] = json.loads(cli("batch", "submit", ten, "--base-url", provider.openai_url, "--json").out)
        assert cli("batch", "wait", told["id"], "-o", results, *POLL).status == 1
    assert [row["completion"] for row in rows()] == [*TEN[:4], *[None] * 6]
    assert [row["error"]["kind"] for row in rows()[4:]] == ["expired"] * 6


# --- asking and stopping


def test_status_asks_the_provider_and_list_does_not(cli: Any, job: dict[str, Any], fake_provider: FakeProvider) -> None:
    before = len(fake_provider.ledger)
    [listed] = json.loads(cli("batch", "list", "--json").out)
    assert len(fake_provider.ledger) == before
    assert (listed["id"], listed["state"], listed["prompts"]) == (job["id"], "running", 10)
    assert listed["manifest"] == job["manifest"]
    looks = [json.loads(cli("batch", "status", job["id"], "--json").out)[0] for _ in range(2)]
    assert [(look["state"], look["answered"], look["failed"]) for look in looks] == [("running", 5, 0), ("over", 10, 0)]
    assert looks[1]["parts"][0]["phase"] == "over"


def test_a_job_is_known_by_its_manifest_its_id_and_the_ids_of_its_batches(cli: Any, job: dict[str, Any]) -> None:
    [part] = job["parts"]
    for target in (job["manifest"], job["id"], part["id"]):
        [told] = json.loads(cli("batch", "status", target, "--json").out)
        assert told["id"] == job["id"]
    ended = cli("batch", "status", "batch_of_somebody_else")
    assert ended.status == 2
    assert "error: batch_of_somebody_else: no such manifest, and no job or batch has that id" in ended.err


def test_jobs_are_plain_columns_in_a_pipe(cli: Any, submit: Any) -> None:
    assert cli("batch", "list").err == "no batch jobs\n"
    submit()
    submit("--again")
    header, *lines = cli("batch", "list").out.splitlines()
    assert header.split() == ["JOB", "STATE", "PROMPTS", "ANSWERED", "FAILED", "PROVIDER", "MODEL", "AGE"]
    for line in lines:
        assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{8}  running +10 +- +- +openai +gpt-4.1-mini +\d+ (s|min)", line)
    assert len(lines) == 2


def test_results_of_a_job_that_is_not_over_are_refused(cli: Any, ten: Path, results: Path) -> None:
    with FakeProvider(batches=BatchPace(polls=100)) as provider:
        [told] = json.loads(cli("batch", "submit", ten, "--base-url", provider.openai_url, "--json").out)
        ended = cli("batch", "results", told["id"], "-o", results)
    assert ended.status == 2
    assert "is not over" in ended.err
    assert not results.exists()


def test_results_go_to_standard_output_and_are_fetched_once(
    cli: Any, job: dict[str, Any], fake_provider: FakeProvider
) -> None:
    cli("batch", "status", job["id"])
    for _ in range(2):
        ended = cli("batch", "results", job["id"], "--quiet")
        assert (ended.status, ended.err) == (0, "")
        assert sorted(json.loads(line)["completion"] for line in ended.out.splitlines()) == TEN
    assert sum(record.path.endswith("/content") for record in fake_provider.ledger) == 1


def test_a_cancelled_job_has_errors_for_what_was_not_answered(cli: Any, ten: Path, results: Path, rows: Any) -> None:
    with FakeProvider(batches=BatchPace(polls=100)) as provider:
        [told] = json.loads(cli("batch", "submit", ten, "--base-url", provider.openai_url, "--json").out)
        assert cli("batch", "cancel", told["id"]).status == 0
        assert cli("batch", "wait", told["id"], "-o", results, *POLL).status == 1
    assert {row["error"]["kind"] for row in rows()} == {"cancelled"}
    assert len(rows()) == 10


def test_a_job_that_was_submitted_from_python_is_delivered_too(
    cli: Any, fake_provider: FakeProvider, results: Path, rows: Any
) -> None:
    from deluge_sync import LLMClient

    with LLMClient("gpt-4.1-mini", base_url=fake_provider.openai_url, api_key="k") as client:
        ids = client.submit_batch_job_sync(["prompt 0", "prompt 1"])
    assert cli("batch", "wait", ids[0], "-o", results, *POLL).status == 0
    assert [(row["index"], row["id"], row["completion"]) for row in rows()] == [(0, 0, TEN[0]), (1, 1, TEN[1])]
    assert cli("batch", "wait", ids[0], "-o", results, *POLL).status == 0
    assert len(rows()) == 2


# --- nothing is bought twice


def test_the_same_command_goes_on_with_the_job_that_is_under_way(
    submit: Any, job: dict[str, Any], fake_provider: FakeProvider
) -> None:
    ended = submit("--json")
    assert [told["id"] for told in json.loads(ended.out)] == [job["id"]]
    assert "are under way with these settings" in ended.err
    assert created(fake_provider) == 1
    [other] = json.loads(submit("--again", "--json").out)
    assert other["id"] != job["id"]
    assert created(fake_provider) == 2


def test_only_what_is_in_no_job_yet_becomes_a_new_one(submit: Any, fake_provider: FakeProvider) -> None:
    submit("--limit", "3")
    jobs = json.loads(submit("--json").out)
    assert [told["prompts"] for told in jobs] == [3, 7]
    uploaded = b"".join(record.body for record in posts(fake_provider, "/files"))
    assert all(uploaded.count(b'prompt %d"' % n) == 1 for n in range(10))


def test_other_settings_are_another_job(submit: Any, job: dict[str, Any]) -> None:
    [other] = json.loads(submit("--temperature", "0", "--json").out)
    assert other["id"] != job["id"]


def test_a_manifest_of_another_job_is_refused(submit: Any, tmp_path: Path, fake_provider: FakeProvider) -> None:
    place = tmp_path / "jobs" / "mine.jsonl"
    assert submit("--manifest", place).status == 0
    assert submit("--manifest", place).status == 0
    ended = submit("--manifest", place, "--temperature", "0")
    assert ended.status == 2
    assert "a job of other prompts or settings is there" in ended.err
    assert created(fake_provider) == 1


@pytest.mark.parametrize("more", [(), ("--again",)])
def test_a_job_at_a_named_place_is_not_written_over(
    cli: Any, submit: Any, tmp_path: Path, results: Path, rows: Any, more: tuple[str, ...]
) -> None:
    place = tmp_path / "mine.jsonl"
    assert submit("--manifest", place, "--limit", "3").status == 0
    ended = submit("--manifest", place, *more)
    assert ended.status == 2
    assert "a job is there already" in ended.err
    assert cli("batch", "wait", place, "-o", results, *POLL).status == 0
    assert [row["id"] for row in rows()] == ["q0", "q1", "q2"]


@pytest.mark.parametrize("path", ["/files", "/batches"])
def test_a_submission_that_is_killed_while_the_provider_is_at_work_goes_on(
    spawn: Any, cli: Any, ten: Path, results: Path, rows: Any, path: str
) -> None:
    def keep_the_reply(record: RequestRecord) -> Reply | None:
        """The provider does what it is asked, and the first process never hears of it."""
        return Reply.hang(60) if record.method == "POST" and record.path.endswith(path) and record.key == "1" else None

    with FakeProvider(script=keep_the_reply) as provider:
        command = ("batch", "submit", ten, "--base-url", provider.openai_url)
        process = spawn(*command, env={**os.environ, "OPENAI_API_KEY": "1"})
        wait_until(lambda: bool(posts(provider, path)), process)
        process.kill()
        process.wait()
        ended = cli(*command, "--json")
        [told] = json.loads(ended.out)
        assert "are under way" in ended.err
        assert len(posts(provider, "/batches")) == 1
        assert cli("batch", "wait", told["id"], "-o", results, *POLL).status == 0
    assert [row["completion"] for row in rows()] == TEN


def test_a_killed_wait_goes_on_and_writes_each_row_once(
    spawn: Any, cli: Any, tmp_path: Path, results: Path, rows: Any
) -> None:
    prompts = tmp_path / "many.txt"
    prompts.write_text("\n".join(f"prompt {n}" for n in range(1_000)))
    with FakeProvider(batches=BatchPace(polls=3)) as provider:
        [told] = json.loads(cli("batch", "submit", prompts, "--base-url", provider.openai_url, "--json").out)

        def looks() -> int:
            return sum(record.method == "GET" for record in provider.ledger)

        seen = looks()
        waiting = spawn("batch", "wait", told["id"], "-o", results, *POLL)
        wait_until(lambda: looks() > seen, waiting)
        waiting.kill()
        waiting.wait()
        writing = spawn("batch", "wait", told["id"], "-o", results, *POLL)
        wait_until(lambda: results.exists() and results.stat().st_size > 0, writing)
        writing.kill()
        writing.wait()
        ended_well(spawn("batch", "wait", told["id"], "-o", results, *POLL))
        assert created(provider) == 1
    assert [row["index"] for row in rows()] == list(range(1_000))
    assert [row["completion"] for row in rows()] == [f"You said: prompt {n}" for n in range(1_000)]


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_the_wait_does_not_stop_the_job(spawn: Any, cli: Any, ten: Path, sent: int, status: int) -> None:
    with FakeProvider(batches=BatchPace(polls=10_000)) as provider:
        [told] = json.loads(cli("batch", "submit", ten, "--base-url", provider.openai_url, "--json").out)
        seen = len(provider.ledger)
        process = spawn("batch", "wait", told["id"], *POLL)
        wait_until(lambda: len(provider.ledger) > seen + 2, process)
        process.send_signal(sent)
        said = ended_well(process, status=status)
        assert f"'batch wait {told['manifest']}' waits for it" in said
        assert not posts(provider, "/cancel")


# --- run --batch


def test_run_batch_writes_the_rows_that_run_would(
    cli: Any, quick_provider: FakeProvider, ten: Path, results: Path, rows: Any
) -> None:
    command = ("run", ten, "-o", results, "--base-url", quick_provider.openai_url, "--batch", "--no-progress")
    assert cli(*command).status == 0
    assert [row["completion"] for row in rows()] == TEN
    assert all(row["cost"] > 0 for row in rows())
    assert cli(*command).status == 0
    assert created(quick_provider) == 1


def test_run_batch_sends_only_what_has_no_row(
    cli: Any, quick_provider: FakeProvider, ten: Path, results: Path, rows: Any
) -> None:
    url = quick_provider.openai_url
    cli("run", ten, "-o", results, "--base-url", url, *FAST, "--limit", "4")
    ended = cli("run", ten, "-o", results, "--base-url", url, "--batch", "--no-progress", "--json")
    assert ended.status == 0
    summary = json.loads(ended.out)
    assert (summary["answered"], summary["earlier"]) == (10, 4)
    uploaded = b"".join(record.body for record in posts(quick_provider, "/files"))
    assert [uploaded.count(b'prompt %d"' % n) for n in range(10)] == [0] * 4 + [1] * 6
    assert [row["completion"] for row in rows()] == TEN


def test_a_killed_run_batch_goes_on_with_its_job(spawn: Any, ten: Path, results: Path, rows: Any) -> None:
    with FakeProvider(batches=BatchPace(polls=1)) as provider:
        command = ("run", ten, "-o", results, "--base-url", provider.openai_url, "--batch", "--no-progress")
        process = spawn(*command)
        wait_until(lambda: created(provider) == 1, process)
        process.kill()
        process.wait()
        said = ended_well(spawn(*command))
        assert "going on with the batch job" in said
        assert created(provider) == 1
    assert [row["completion"] for row in rows()] == TEN


def test_run_batch_retries_errors_as_a_new_job(cli: Any, ten: Path, results: Path, rows: Any) -> None:
    with FakeProvider(batches=BatchPace(polls=1, expires_after=4)) as provider:
        url = provider.openai_url
        assert cli("run", ten, "-o", results, "--base-url", url, "--batch", "--no-progress").status == 1
        port = int(url.rpartition(":")[2].partition("/")[0])
    with FakeProvider(port=port, batches=BatchPace(polls=1)) as provider:
        command = ("run", ten, "-o", results, "--base-url", provider.openai_url, "--batch", "--no-progress")
        assert cli(*command, "--retry-errors").status == 0
        assert created(provider) == 1
    assert [row["completion"] for row in rows()] == TEN


def test_a_budget_and_a_batch_exclude_each_other(cli: Any, ten: Path, results: Path) -> None:
    ended = cli("run", ten, "-o", results, "--batch", "--max-cost", "1")
    assert ended.status == 2
    assert "--max-cost" in ended.err


# --- what cannot be used


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("submit", "nowhere.jsonl"), "nowhere.jsonl: No such file or directory"),
        (("submit", "p.txt", "--model", "bedrock:amazon.nova-lite-v1:0"), "there are no batch jobs for"),
        (("submit", "p.txt", "--model", "no-such-model"), "unknown model"),
        (("submit", "p.txt", "--schema", "none.json"), "none.json"),
        (("wait", "p.txt"), "not a"),
        (("list", "--json", "--quiet", "x"), "unexpected extra argument"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_status_2(
    cli: Any, tmp_path: Path, arguments: tuple[str, ...], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "k")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    (tmp_path / "p.txt").write_text("a\n")
    ended = cli("batch", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert what in ended.err


def test_a_file_without_prompts_is_no_job(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    ended = cli("batch", "submit", "empty.jsonl")
    assert (ended.status, ended.out) == (0, "")
    assert "holds no prompts" in ended.err
    assert cli("batch", "list").err == "no batch jobs\n"


def test_a_provider_that_takes_nothing_now_loses_no_job(
    cli: Any, ten: Path, results: Path, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeProvider(api_keys=["right"]) as provider:
        command = ("batch", "submit", ten, "--base-url", provider.openai_url)
        refused = cli(*command)
        assert refused.status == 2
        assert created(provider) == 0
        [left] = json.loads(cli("batch", "list", "--json").out)
        assert left["state"] == "unsent"
        monkeypatch.setenv("OPENAI_API_KEY", "right")
        assert cli("batch", "wait", left["id"], "-o", results, *POLL).status == 0
        assert created(provider) == 1
    assert [row["completion"] for row in rows()] == TEN


def test_the_files_of_a_job_are_for_its_owner_only(job: dict[str, Any]) -> None:
    manifest = Path(job["manifest"])
    for path in (manifest, manifest.with_name(f"{manifest.name}.rows")):
        assert path.stat().st_mode & 0o777 == 0o600
    assert manifest.parent.stat().st_mode & 0o777 == 0o700
