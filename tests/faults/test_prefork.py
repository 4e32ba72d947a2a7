"""Servers that load the program once and then fork: a client that was used before the fork works in every worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

_APP = """
import os
from deluge_sync import LLMClient

client = LLMClient(base_url=os.environ["PROVIDER"], api_key="k", max_requests_per_minute=10_000_000,
                   max_tokens_per_minute=10**12)

def answers(prompts):
    return client.process_prompts_sync(prompts, show_progress=False, return_completions_only=True)

answers([f"preload {number}" for number in range(20)])  # threads, connections and locks that a worker could inherit

def app(environ, start_response):
    asked = environ["PATH_INFO"].strip("/")
    told = answers([f"{asked} {number}" for number in range(3)])
    is_right = told == [f"You said: {asked} {number}" for number in range(3)]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {is_right}".encode()]
"""


@pytest.fixture
def gunicorn(tmp_path: Path, remote_provider: Callable[..., Any]) -> Iterator[tuple[Any, int, int]]:
    """Runs the application with two workers of four threads; gives its provider, its port and its process id."""
    if find_spec("gunicorn") is None:
        pytest.skip("gunicorn is not installed")
    (tmp_path / "app.py").write_text(_APP)
    provider = remote_provider(latency_s=0.02)
    options = ["--preload", "--worker-class", "gthread", "--workers", "2", "--threads", "4", "--no-control-socket"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "--bind", f"fd://{listener.fileno()}", "app:app"],
            cwd=tmp_path,
            env={**os.environ, "PROVIDER": provider.openai_url},
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield provider, listener.getsockname()[1], process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            _, complaints = process.communicate(timeout=30)
    assert "Traceback" not in complaints
    assert process.returncode == 0, complaints


def test_the_workers_of_a_server_that_preloads_the_program_use_its_client(
    gunicorn: tuple[Any, int, int], record_property: Callable[[str, object], None]
) -> None:
    provider, port, parent = gunicorn

    def get(number: int) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", f"/visit-{number}")
        pid, is_right = connection.getresponse().read().decode().split()
        connection.close()
        return int(pid), is_right

    with ThreadPoolExecutor(8) as visitors:
        got = list(visitors.map(get, range(200)))

    pids = {pid for pid, _ in got}
    record_property("gunicorn", f"200 visits, {len(pids)} workers")
    assert {is_right for _, is_right in got} == {"True"}
    assert len(pids) == 2
    assert parent not in pids
    ledger = provider.ledger
    assert len(ledger) == 20 + 200 * 3  # nothing was sent twice, and nothing again in a worker
    ports: dict[int, set[int]] = defaultdict(set)
    for record in ledger:
        who = record.said.split()[0]
        ports[parent if who == "preload" else got[int(who.removeprefix("visit-"))][0]].add(record.client_port)
    # The parent's connections stay open, so a port of two processes would be a connection of two.
    assert len(ports) == 3
    assert sum(map(len, ports.values())) == len(set().union(*ports.values()))
