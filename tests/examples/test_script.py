"""The plain script, run as a new user runs it: twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deluge_sync.testing import FakeProvider, Reply


@pytest.fixture
def run_script(
    examples: Path, user_environment: dict[str, str], tmp_path: Path
) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Runs the script on three questions."""
    (tmp_path / "questions.txt").write_text("one\ntwo\nthree\n")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", str(examples / "script.py"), "questions.txt", "answers.jsonl"],
            env=user_environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


def test_the_script_writes_answers_and_pays_for_each_once(
    run_script: Callable[[], subprocess.CompletedProcess[str]], fake_provider: FakeProvider, tmp_path: Path
) -> None:
    fake_provider.use_script(lambda record: Reply.error(400) if record.sequence == 2 else None)
    first = run_script()
    second = run_script()

    assert first.returncode == 1, first.stderr
    assert first.stdout.startswith("2 of 3 answered for $0.0000")
    assert second.returncode == 0, second.stderr
    assert second.stdout.startswith("3 of 3 answered")
    assert first.stderr.startswith("questions.txt: 2 of 3 answered, 1 failed (bad_request 1)")
    assert len(fake_provider.ledger) == 4  # three, and the one that had failed again
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in rows] == ["You said: one", "You said: two", "You said: three"]
