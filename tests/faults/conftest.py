"""What the fault tests share: clients, programs in processes of their own, and a provider in one.

A test has up to two sizes. The reduced one is part of every run; the whole one is marked `soak` and runs with
`pytest tests/faults -m soak`, or with `python benchmarks/soak.py`, which prints the figures that tests record.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.testing import FakeProvider

_PROVIDER_PROGRAM = Path(__file__).with_name("provider_process.py")


@dataclass(frozen=True, slots=True)
class Seen:
    """One record of the ledger, as it came from the provider's process. Instants are of this machine's clock."""

    arrived: float
    finished: float | None
    said: str
    key: str
    status: int | None
    complete: bool
    client_port: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def answered(self) -> bool:
        return self.complete and self.status == 200


class RemoteProvider:
    """A `FakeProvider` in a process of its own, which does not share the interpreter's lock with the client."""

    def __init__(self, **options: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_PROVIDER_PROGRAM), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.openai_url = str(self._answer())

    def down(self, how: str = "close") -> None:
        self._ask("down", how)

    def up(self) -> None:
        self._ask("up")

    @property
    def ledger(self) -> list[Seen]:
        return [Seen(*row) for row in self._ask("ledger")]

    def stop(self) -> None:
        self._process.communicate(timeout=20)

    def _ask(self, *command: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@pytest.fixture
def remote_provider() -> Iterator[Callable[..., RemoteProvider]]:
    """Starts providers in processes of their own. `script` names one in `provider_process`."""
    with ExitStack() as stack:

        def start(**options: Any) -> RemoteProvider:
            provider = RemoteProvider(**options)
            stack.callback(provider.stop)
            return provider

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[..., LLMClient]]:
    """Makes clients of a provider, without limits unless told, and closes them."""
    with ExitStack() as stack:

        def make(
            provider: FakeProvider | RemoteProvider, model_names: str | list[str] = "gpt-4.1-mini", **settings: Any
        ) -> LLMClient:
            unlimited = {"max_requests_per_minute": 10_000_000, "max_tokens_per_minute": 10**12}
            placed = {"base_url": provider.openai_url, "api_key": "sk-test-0123456789"}
            return stack.enter_context(LLMClient(model_names, **{**unlimited, **placed, **settings}))

        yield make


_LONGEST_S = 120.0


class Program:
    """A Python program in a process of its own, whose lines are read one by one."""

    def __init__(self, text: str, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", text, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.watchdog = threading.Timer(_LONGEST_S, self.process.kill)  # reading a line has no limit of its own
        self.watchdog.daemon = True
        self.watchdog.start()

    def line(self) -> str:
        """The next line it prints; an empty text when it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, *, within_s: float = 60.0) -> tuple[int, str, str]:
        """Wait for its end: status, the rest of what it printed, and its complaints."""
        out, err = self.process.communicate(timeout=within_s)
        return self.process.returncode, out, err


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    """`program(text, *arguments)` starts one, which is killed after the test if it still runs."""
    started: list[Program] = []

    def start(text: str, *arguments: str) -> Program:
        started.append(Program(text, arguments))
        return started[-1]

    yield start
    for each in started:
        each.watchdog.cancel()
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Waits for a state that another thread or process brings about; bounded."""

    def wait(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
        give_up_at = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < give_up_at, "it never came to that"
            time.sleep(0.002)

    return wait


@pytest.fixture
def own_threads() -> Callable[[], list[str]]:
    """The names of this package's threads that run now; those of the embedded provider are not among them."""
    prefixes = ("deluge-sync", "deluge_sync")
    return lambda: [thread.name for thread in threading.enumerate() if thread.name.startswith(prefixes)]


@pytest.fixture
def most_within() -> Callable[[Sequence[float], float], int]:
    """The largest number of instants that lie within any window of so many seconds."""

    def most(instants: Sequence[float], window_s: float) -> int:
        ordered = sorted(instants)
        largest = first = 0
        for last, instant in enumerate(ordered):
            while instant - ordered[first] >= window_s:
                first += 1
            largest = max(largest, last - first + 1)
        return largest

    return most
