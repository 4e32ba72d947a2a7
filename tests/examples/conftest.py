"""What the tests of the examples share: the environment of a new user, and servers that run an example."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deluge_sync.testing import FakeProvider

_WAIT_S = 60


@pytest.fixture
def examples() -> Path:
    return Path(__file__).parents[2] / "examples"


@pytest.fixture
def user_environment(fake_provider: FakeProvider) -> dict[str, str]:
    """The environment of somebody who has a key, and whose provider is the embedded one."""
    place = {"OPENAI_BASE_URL": fake_provider.openai_url, "OPENAI_API_KEY": "sk-test-0123456789"}
    return {**os.environ, **place, "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class Site:
    """A running server."""

    port: int
    process: subprocess.Popen[str]

    def get(self, path: str, **query: str) -> tuple[int, Any]:
        """The status and the JSON that a visit gives."""
        with closing(self.connect(path, **query)) as connection:
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())

    def connect(self, path: str, **query: str) -> HTTPConnection:
        """A connection over which the request has been sent, and nothing was read yet."""
        words = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_WAIT_S)
        connection.request("GET", f"{path}?{words}")
        return connection


@contextmanager
def _gunicorn(app: str, options: list[str], *, cwd: Path, environment: dict[str, str]) -> Iterator[Site]:
    always = ["--worker-class", "gthread", "--no-control-socket"]
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *always, *options, "--bind", f"fd://{listener.fileno()}", app],
            cwd=cwd,
            env={**environment, "WEB_CONCURRENCY": "2"},
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
    try:  # the socket is the server's alone now, so that visitors learn of its end
        yield Site(port, process)
    finally:
        complaints = _ended(process)
    assert "Traceback" not in complaints, complaints
    assert process.returncode == 0, complaints


def _ended(process: subprocess.Popen[str]) -> str:
    """What a server has written to standard error, once it has ended on a SIGTERM."""
    if process.poll() is None:  # a second SIGTERM would end it at once
        process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=_WAIT_S)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


@pytest.fixture
def gunicorn(examples: Path, user_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """`gunicorn(app, *options, cwd=examples)` runs an application in two processes; ended after the test."""
    with ExitStack() as stack:

        def start(app: str, *options: str, cwd: Path = examples) -> Site:
            environment = {
                **user_environment,
                "PYTHONPATH": str(examples),
                "DJANGO_SETTINGS_MODULE": "django_app.settings",
                "DJANGO_DATABASE": str(tmp_path / "db.sqlite3"),
            }
            if "django" in app:
                migrate = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
                subprocess.run(migrate, env=environment, check=True, timeout=_WAIT_S)
            return stack.enter_context(_gunicorn(app, list(options), cwd=cwd, environment=environment))

        yield start


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Waits for a state that another thread or process brings about; bounded."""

    def wait(condition: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + _WAIT_S
        while not condition():
            assert time.monotonic() < give_up_at, "it never came to that"
            time.sleep(0.01)

    return wait


@pytest.fixture
def read_event() -> Callable[[HTTPResponse], tuple[str, Any]]:
    """The kind and the data of the next server-sent event."""

    def read(reply: HTTPResponse) -> tuple[str, Any]:
        kind, line = "message", reply.readline().decode().strip()
        if line.startswith("event: "):
            kind, line = line.removeprefix("event: "), reply.readline().decode().strip()
        assert line.startswith("data: ")
        assert reply.readline() == b"\n"
        return kind, json.loads(line.removeprefix("data: "))

    return read
