"""The Celery example with a real worker that forks, over a broker of files and, where there is one, over Redis."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deluge_sync.testing import FakeProvider, Reply

_WAIT_S = 60

_ASK = """
import json, sys
from tasks import answer, answers
lone = [answer.delay(f"lone {number}") for number in range(6)]
batch = answers.delay([f"batch {number}" for number in range(20)])
print(json.dumps([[each.get(timeout=45) for each in lone], [each["answer"] for each in batch.get(timeout=45)]]))
"""

_ASK_ONE = """
from tasks import answer
print("sent", flush=True)
print(answer.delay("slow").get(timeout=45))
"""


@contextmanager
def _files(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A broker that keeps its messages in a directory, which no variable can tell."""
    for name in ("queue", "results", "control"):
        (tmp_path / name).mkdir()
    folders = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
    options = {"polling_interval": 0.1, **{option: str(tmp_path / name) for option, name in folders.items()}}
    (tmp_path / "tasks.py").write_text(
        f"from celery_task import answer, answers, app\napp.conf.broker_transport_options = {options!r}\n"
    )
    yield {"CELERY_BROKER_URL": "filesystem://", "CELERY_RESULT_BACKEND": f"file://{tmp_path / 'results'}"}


@contextmanager
def _redis(tmp_path: Path) -> Iterator[dict[str, str]]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on this machine (apt-get install redis-server)")
    pytest.importorskip("redis", reason="the redis package is not installed")
    (tmp_path / "tasks.py").write_text("from celery_task import answer, answers, app\n")
    path = tmp_path / "redis.sock"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        assert any("ready to accept connections" in line.lower() for line in server.stdout)
        yield {"CELERY_BROKER_URL": f"redis+socket://{path}", "CELERY_RESULT_BACKEND": f"redis+socket://{path}"}
    finally:
        server.terminate()
        server.communicate(timeout=_WAIT_S)


BROKERS = {"files": _files, "redis": _redis}


@pytest.fixture(params=BROKERS)
def environment(
    request: pytest.FixtureRequest, tmp_path: Path, examples: Path, user_environment: dict[str, str]
) -> Iterator[dict[str, str]]:
    """What worker and callers find in `os.environ`."""
    with BROKERS[request.param](tmp_path) as places:
        paths = f"{examples}{os.pathsep}{tmp_path}"
        yield {**user_environment, **places, "PYTHONPATH": paths, "CELERY_PROCESSES": "2"}


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker of two processes that is ready; told to end after the test, in which it must end by itself."""
    command = ["-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"]
    log = tmp_path / "worker.log"
    process = subprocess.Popen(
        [sys.executable, *command, "--loglevel", "INFO", "--without-mingle", "--without-gossip"],
        env=environment, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        seen = []
        for line in process.stderr:
            seen.append(line)
            if " ready." in line:
                break
        else:
            pytest.fail("".join(seen))
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            log.write_text(process.communicate(timeout=_WAIT_S)[1])
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def test_tasks_are_answered_in_forked_processes_and_the_last_one_before_the_end(
    worker: subprocess.Popen[str], environment: dict[str, str], fake_provider: FakeProvider, tmp_path: Path,
    wait_until: Callable[[Callable[[], bool]], None],
) -> None:  # fmt: skip
    asked = subprocess.run(
        [sys.executable, "-c", _ASK], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=_WAIT_S,
        check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    lone, batch = json.loads(asked.stdout)
    assert lone == [f"You said: lone {number}" for number in range(6)]
    assert batch == [f"You said: batch {number}" for number in range(20)]
    said = Counter(record.json["messages"][-1]["content"] for record in fake_provider.ledger)
    assert len(fake_provider.ledger) == len(said) == 26

    fake_provider.use_script(lambda _: Reply.text("late, but here").after(2.0))
    with subprocess.Popen(
        [sys.executable, "-c", _ASK_ONE], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as last:
        wait_until(lambda: len(fake_provider.ledger) == 27)
        worker.send_signal(signal.SIGTERM)
        out, _ = last.communicate(timeout=_WAIT_S)
    assert out.split("\n")[1] == "late, but here"
    _, complaints = worker.communicate(timeout=_WAIT_S)
    assert worker.returncode == 0, complaints
    assert "Traceback" not in complaints, complaints
