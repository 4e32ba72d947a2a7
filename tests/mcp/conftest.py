"""Real MCP servers: one written with the `mcp` package, and the reference servers of npm packages, if they are here.

`make` puts the npm packages into `.venv/judges/node` where there is npm. Without them the tests that need them are
skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import LLMClient, Tool
from deluge_sync.testing import FakeProvider

SCRIPT = Path(__file__).with_name("scripted_server.py")
PLAIN = Path(__file__).with_name("plain_server.py")
NODE_MODULES = Path(__file__).parents[2] / ".venv" / "judges" / "node" / "node_modules"
WAIT_S = 30.0


@dataclass(frozen=True)
class Listening:
    """A server behind a URL, and the process that it is."""

    url: str
    process: subprocess.Popen[bytes]
    port: int


Start = Callable[..., Listening]
Connect = Callable[..., LLMClient]


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(WAIT_S)


@contextmanager
def _running(arguments: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        arguments,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        end(process)


def _until(what: Callable[[], Any], process: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        assert process.poll() is None, "the server ended before it listened"
        time.sleep(0.02)
    raise AssertionError("the server did not begin to listen")


@contextmanager
def _listening(transport: str, port_file: Path, **env: str) -> Iterator[Listening]:
    with _running([sys.executable, str(SCRIPT), transport, "--port-file", str(port_file)], env) as process:
        port = int(_until(lambda: port_file.exists() and port_file.read_text(), process))
        path = "sse" if transport == "sse" else "mcp"
        yield Listening(f"http://127.0.0.1:{port}/{path}", process, port)


@pytest.fixture(autouse=True)
def _no_connection_is_left() -> Iterator[None]:
    yield
    Tool.close_mcp()


@pytest.fixture
def stdio() -> dict[str, Any]:
    """How the plain server is started."""
    return {"command": sys.executable, "args": ["-S", str(PLAIN)]}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the scripted server over `http`, `http-json` or `sse`."""
    with ExitStack() as stack:

        def begin(transport: str, *, port: int = 0, **env: str) -> Listening:
            port_file = tmp_path / f"port-{os.urandom(4).hex()}"
            return stack.enter_context(_listening(transport, port_file, SERVER_PORT=str(port), **env))

        yield begin


@pytest.fixture(scope="session")
def reach(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], dict[str, Any]]]:
    """How the scripted server is reached over a transport. Over each of HTTP's it is started once, for all tests."""
    found: dict[str, dict[str, Any]] = {"stdio": {"command": sys.executable, "args": [str(SCRIPT), "stdio"]}}
    with ExitStack() as stack:

        def how(transport: str) -> dict[str, Any]:
            if transport not in found:
                port_file = tmp_path_factory.mktemp("mcp") / "port"
                found[transport] = {"url": stack.enter_context(_listening(transport, port_file)).url}
            return found[transport]

        yield how


@pytest.fixture
def server_url(reach: Callable[[str], dict[str, Any]]) -> str:
    """The scripted server over streamable HTTP."""
    return str(reach("http")["url"])


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where the npm packages are."""
    if shutil.which("node") is None:
        pytest.skip("there is no Node here")
    if not (NODE_MODULES / "@modelcontextprotocol" / "server-everything").is_dir():
        pytest.skip("the npm packages of the MCP reference servers are not installed (make test does it, with npm)")
    return NODE_MODULES


@pytest.fixture
def everything(node_modules: Path) -> str:
    """The script of the reference server with one tool of everything."""
    return str(node_modules / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js")


@pytest.fixture
def filesystem(node_modules: Path) -> str:
    """The script of the reference server for files."""
    return str(node_modules / "@modelcontextprotocol" / "server-filesystem" / "dist" / "index.js")


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients of a provider, without limits unless told, and closes them."""
    with ExitStack() as stack:

        def make(provider: FakeProvider, model_names: str | list[str] = "gpt-4.1-mini", **settings: Any) -> LLMClient:
            unlimited = {"max_requests_per_minute": 10_000_000, "max_tokens_per_minute": 10**12}
            placed = {"base_url": provider.openai_url, "api_key": "sk-test-0123456789"}
            return stack.enter_context(LLMClient(model_names, **{**unlimited, **placed, **settings}))

        yield make
