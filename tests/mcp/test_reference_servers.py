"""The reference servers of the npm packages, over every transport they have."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import Image, Tool
from deluge_sync.errors import MCPToolError

WAIT_S = 60.0
KINDS = {"stdio": "stdio", "streamableHttp": "mcp", "sse": "sse"}
Reach = Callable[[str], dict[str, Any]]


def node() -> str:
    return shutil.which("node") or "node"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def running(node_modules: Path) -> Iterator[Callable[[str], int]]:
    """Starts the server of everything over one of its HTTP transports, once, and gives its port."""
    script = str(node_modules / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js")
    ports: dict[str, int] = {}
    with ExitStack() as stack:

        def begin(kind: str) -> int:
            if kind not in ports:
                port = free_port()  # the server takes no socket of ours
                process = subprocess.Popen(
                    [node(), script, kind],
                    env={**os.environ, "PORT": str(port)},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                stack.callback(process.wait, WAIT_S)
                stack.callback(process.kill)
                deadline = time.monotonic() + WAIT_S
                while not is_listening(port):
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                ports[kind] = port
            return ports[kind]

        yield begin


@pytest.fixture
def reach(everything: str, running: Callable[[str], int]) -> Reach:
    def how(kind: str) -> dict[str, Any]:
        if kind == "stdio":
            return {"command": node(), "args": [everything, "stdio"]}
        return {"url": f"http://127.0.0.1:{running(kind)}/{KINDS[kind]}"}

    return how


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_of_everything(kind: str, reach: Reach) -> None:
    tools = {tool.name: tool for tool in Tool.from_mcp_sync("everything", **reach(kind))}

    assert tools["echo"].call(message="hello") == "Echo: hello"
    assert "5" in tools["get-sum"].call(a=2, b=3)
    _, image, _ = tools["get-tiny-image"].call()
    assert isinstance(image, Image)
    assert image.size == (20, 20)
    weather = json.loads(tools["get-structured-content"].call(location="Chicago"))
    assert weather.keys() == {"temperature", "conditions", "humidity"}
    assert "resource" in tools["get-resource-links"].call(count=2).lower()
    assert "declined" in tools["trigger-elicitation-request"].call().lower()


def test_the_server_of_everything_sees_no_key(reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789")
    tools = {tool.name: tool for tool in Tool.from_mcp_sync("everything", **reach("stdio"))}

    seen = json.loads(tools["get-env"].call())

    assert "PATH" in seen
    assert not [name for name in seen if name.endswith("_API_KEY")]


def test_the_server_for_files(filesystem: str, tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_text("line of text\n" * 400_000)
    config = {"mcpServers": {"files": {"command": node(), "args": [filesystem, str(tmp_path)]}}}
    tools = {tool.name: tool for tool in Tool.from_mcp_config_sync(json.dumps(config))}

    tools["write_file"].call(path=str(tmp_path / "new.txt"), content="written by a model")

    assert (tmp_path / "new.txt").read_text() == "written by a model"
    assert "[FILE] new.txt" in tools["list_directory"].call(path=str(tmp_path))
    assert len(tools["read_text_file"].call(path=str(tmp_path / "large.txt"))) == 13 * 400_000
    with pytest.raises(MCPToolError, match="outside allowed directories"):
        tools["read_text_file"].call(path="/etc/passwd")
