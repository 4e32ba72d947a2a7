"""A client is killed by SIGKILL at any step of a job, and another process goes on: nothing is lost or bought twice.

The provider's ledger is the judge.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.batch import list_jobs
from deluge_sync.errors import BatchError
from deluge_sync.testing import BatchPace, FakeProvider, Reply, RequestRecord

QUICK: dict[str, Any] = {"poll_interval": 0.02, "show_progress": False}
PROMPTS = 6

CLIENT = """
import sys, threading
from deluge_sync import LLMClient
model, url, key, manifest, mode = sys.argv[1:6]
client = LLMClient(model, base_url=url, api_key=key)

def prompts():
    for number in range(6):
        if mode == "planning" and number == 4:
            print("planning", flush=True)
            threading.Event().wait(60)
        yield f"prompt number {number}"

ids = client.submit_batch_job_sync(prompts(), batch_size=3, manifest=manifest)
client.wait_for_batch_job_sync(ids, poll_interval=0.02, show_progress=False)
"""


def is_upload(case: Any, record: RequestRecord) -> bool:
    return record.method == "POST" and ("/files" in record.path) and not case.is_creation(record)


def is_mark(case: Any, record: RequestRecord) -> bool:
    """The look back before an order; of providers that need none, the order itself."""
    return record.method == "GET" and record.path.endswith(case.create)


STAGES: dict[str, Callable[[Any, RequestRecord], bool]] = {
    "uploading": is_upload,
    "between upload and create": is_mark,
    "creating": lambda case, record: case.is_creation(record),
    "after create": lambda case, record: case.is_look(record),
    "downloading": lambda case, record: case.is_download(record),
}


@pytest.fixture
def run_client() -> Any:
    """Starts a client in a process of its own, which is killed at the end of the test at the latest."""
    started: list[subprocess.Popen[str]] = []

    def run(case: Any, provider: FakeProvider, manifest: Path, mode: str = "") -> subprocess.Popen[str]:
        arguments = [case.model, provider.url + case.base, "sk-test-0123456789abcdef", str(manifest), mode]
        process = subprocess.Popen([sys.executable, "-c", CLIENT, *arguments], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def kill(process: subprocess.Popen[str]) -> None:
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


@pytest.mark.parametrize(
    ("case_name", "stage", "nth"),
    [
        *(("openai", stage, 2) for stage in STAGES),
        *(("anthropic", stage, 2) for stage in STAGES if stage != "uploading"),  # there it goes with the order
        *((case_name, "creating", 1) for case_name in ("openai", "anthropic", "gemini", "mistral")),
    ],
)
def test_a_killed_job_is_resumed_and_bought_once(
    case_name: str,
    stage: str,
    nth: int,
    cases: Any,
    connect: Any,
    run_client: Any,
    fake_provider_factory: Callable[..., FakeProvider],
    tmp_path: Path,
) -> None:
    case, provider = cases[case_name], fake_provider_factory(batches=BatchPace(polls=1))
    manifest = tmp_path / "job.jsonl"
    reached, count = threading.Event(), iter(range(1, 1_000))

    def script(record: RequestRecord) -> Reply | None:
        if STAGES[stage](case, record) and next(count) == nth:
            reached.set()
            return Reply.hang(60.0)  # it is carried out, and nobody hears of it
        return None

    provider.use_script(script)
    process = run_client(case, provider, manifest)
    assert reached.wait(30), "the client never came to that step"
    kill(process)
    provider.use_script([])

    responses = connect(case, provider).resume_batch_job_sync(manifest, **QUICK)

    assert [response.completion for response in responses] == [f"You said: prompt number {n}" for n in range(PROMPTS)]
    assert case.bought(provider) == 2


def test_a_job_killed_while_its_prompts_were_written_was_not_sent(
    cases: Any, connect: Any, run_client: Any, fake_provider: FakeProvider, tmp_path: Path
) -> None:
    manifest = tmp_path / "job.jsonl"
    process = run_client(cases["openai"], fake_provider, manifest, "planning")
    assert process.stdout is not None
    assert process.stdout.readline() == "planning\n"
    kill(process)

    with pytest.raises(BatchError, match="nothing was sent") as caught:
        connect(cases["openai"], fake_provider).resume_batch_job_sync(manifest, **QUICK)

    assert caught.value.manifest == manifest
    assert fake_provider.ledger == []
    assert [job.state for job in list_jobs(tmp_path)] == ["unplanned"]


def test_two_at_once_do_not_work_on_the_same_job(
    cases: Any,
    connect: Any,
    run_client: Any,
    fake_provider_factory: Callable[..., FakeProvider],
    tmp_path: Path,
) -> None:
    case, provider = cases["openai"], fake_provider_factory()
    manifest, reached = tmp_path / "job.jsonl", threading.Event()

    def script(record: RequestRecord) -> Reply | None:
        if not case.is_look(record):
            return None
        reached.set()
        return Reply.hang(60.0)

    provider.use_script(script)
    process = run_client(case, provider, manifest)
    assert reached.wait(30)
    provider.use_script([])
    client = connect(case, provider)

    with pytest.raises(BatchError, match="another process"):
        client.resume_batch_job_sync(manifest, **QUICK)

    assert client.batch_job_status_sync(manifest).state == "running"
    kill(process)
    assert len(client.resume_batch_job_sync(manifest, **QUICK)) == PROMPTS
