"""What the end-to-end tests share: a prompt file, and the command run in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from deluge_sync.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deluge_sync.testing import FakeProvider

KEY = "sk-a-key-that-must-appear-nowhere"
FAST = ("--rpm", "100000", "--tpm", "100000000", "--no-progress")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


class Cli(Protocol):
    def __call__(self, *arguments: str | Path) -> Ended: ...


class Spawn(Protocol):
    def __call__(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]: ...


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A directory of its own, a key, and nothing that would lead to a real provider."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command in this process and returns how it ended."""

    def run(*arguments: str | Path) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments], prog_name="deluge-sync")
        out, err = capfd.readouterr()
        assert KEY not in out + err
        return Ended(int(caught.value.code or 0), out, err)

    return run


@pytest.fixture
def answer(cli: Cli, fake_provider: FakeProvider, results: Path) -> Callable[..., Ended]:
    """`answer(prompts, *options)` runs `run` against the fake provider, into `results`, without waiting for limits."""
    return lambda prompts, *options: cli(
        "run", prompts, "-o", results, "--base-url", fake_provider.openai_url, *FAST, *options
    )


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Starts `python -m deluge_sync ...` in a process of its own, which is killed after the test if it still runs."""
    with ExitStack() as stack:

        def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "deluge_sync", *map(str, arguments)]
            pipe = subprocess.PIPE
            pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, **options}
            process: subprocess.Popen[bytes] = subprocess.Popen(command, **pipes)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Where results go; nothing is there yet."""
    return tmp_path / "results.jsonl"


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """Ten prompts with ids and a topic as JSON lines."""
    path = tmp_path / "prompts.jsonl"
    rows = ({"prompt": f"prompt {n}", "id": f"q{n}", "topic": "x"} for n in range(10))
    path.write_text("".join(json.dumps(row) + os.linesep for row in rows))
    return path


@pytest.fixture
def rows(results: Path) -> Callable[[], list[dict[str, Any]]]:
    """Reads the rows of `results`, ordered by index."""

    def read() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in results.read_bytes().splitlines()]
        assert KEY not in results.read_text()
        return sorted(found, key=lambda row: int(row["index"]))

    return read


@pytest.fixture
def asked(fake_provider: FakeProvider) -> Callable[[], list[str]]:
    """The last message of every request that the provider saw, sorted."""
    return lambda: sorted(record.json["messages"][-1]["content"] for record in fake_provider.ledger)
