from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from typing import Any, NoReturn

import click
import pytest

from deluge_sync.cli.exits import BadInputError, ResultsError, Terminated

COMMANDS = ["ask", "batch", "completion", "demo", "embed", "estimate", "models", "report", "run", "serve"]


def test_version_is_that_of_the_package(cli: Any) -> None:
    ended = cli("--version")
    assert (ended.status, ended.out) == (0, f"deluge-sync, version {version('deluge-sync')}\n")


def test_help_names_every_command_and_exit_status(cli: Any) -> None:
    ended = cli("--help")
    assert ended.status == 0
    for word in (*COMMANDS, "130", "143", "141"):
        assert word in ended.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli: Any, name: str) -> None:
    ended = cli(name, "--help")
    assert ended.status == 0
    assert ended.out.startswith(f"Usage: deluge-sync {name} ")


def test_an_unknown_command_is_a_wrong_use(cli: Any) -> None:
    ended = cli("rum")
    assert ended.status == 2
    assert "rum" in ended.err


LARGE = ["pydantic", "rich", "requests", "yaml", "PIL", "deluge_sync.client", "deluge_sync.testing"]


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], [*LARGE, "deluge_sync.prompt", "deluge_sync.cli.run", "deluge_sync.cli.ask"]),
        *([[name, "--help"], LARGE] for name in COMMANDS),
        (["serve", "--help"], ["deluge_sync.cli.run", "deluge_sync.prompt"]),
        (["models", "--help"], ["deluge_sync.cli.run", "deluge_sync.prompt", "deluge_sync.models"]),
        (["report", "--help"], ["deluge_sync.cli.run", "deluge_sync.prompt"]),
    ],
    ids=lambda value: " ".join(value[:2]),
)
def test_help_loads_only_what_it_needs(arguments: list[str], absent: list[str]) -> None:
    script = (
        "import sys\nfrom deluge_sync.cli import main\n"
        f"try:\n    main({arguments!r})\nfinally:\n    print('loaded', sorted({set(absent)!r} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "loaded []"


def end_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `run` a command that raises `error`."""

    @click.command()
    def command() -> NoReturn:
        raise error

    monkeypatch.setattr("deluge_sync.cli.run.command", command)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (BadInputError("p.txt:1: \x1b[31mbad\nline"), 2, "error: p.txt:1:  [31mbad line\n"),
        (ResultsError("disk full"), 3, "error: disk full\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (Terminated(), 143, ""),
        (BrokenPipeError(), 141, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_how_a_command_ends_is_its_exit_status(
    cli: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, said: str
) -> None:
    end_with(error, monkeypatch)
    ended = cli("run")
    assert (ended.status, ended.out, ended.err) == (status, "", said)


def test_a_reader_that_went_away_leaves_no_complaint() -> None:
    """Python would write what is left in the buffer when it ends, and complain."""
    script = "from deluge_sync.cli import main\nprint('x' * 100, end='')\nmain(['models', '--json'])"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdout=pipe, stderr=pipe, env=buffered) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, b"")


def test_sigterm_ends_a_command_and_the_handler_before_it_comes_back(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def command() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    monkeypatch.setattr("deluge_sync.cli.run.command", command)
    before = signal.getsignal(signal.SIGTERM)
    assert cli("run").status == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_python_m_is_the_same_command() -> None:
    ran = subprocess.run([sys.executable, "-m", "deluge_sync", "--help"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("Usage: python -m deluge_sync [OPTIONS] COMMAND")


def test_a_closed_standard_error_stops_nothing() -> None:
    """What is said is lost, but the exit status stays right."""
    reader, writer = os.pipe()
    os.close(reader)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "deluge_sync", "run", "none", "-o", "r"]
    ran = subprocess.run(command, stderr=writer, env=buffered, check=False)
    os.close(writer)
    assert ran.returncode == 2
