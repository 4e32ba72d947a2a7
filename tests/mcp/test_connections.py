"""Tools of a real server over each transport: what they give, what breaks, and what is left afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import Image, Tool
from deluge_sync.errors import ConfigError, MCPConnectionError, MCPTimeoutError, MCPToolError
from deluge_sync.prompt.parts import Text

TRANSPORTS = ["stdio", "http", "http-json", "sse"]
WAIT_S = 30.0


def by_name(tools: list[Tool]) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools}


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WAIT_S
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def mcp_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "mcp" in thread.name]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_tools_of_a_server_are_listed_and_called(transport: str, reach: Callable[..., dict[str, Any]]) -> None:
    tools = by_name(Tool.from_mcp_sync("scripted", **reach(transport)))

    assert tools["add"].description == "Add two numbers."
    assert tools["add"].parameters["required"] == ["a", "b"]
    assert tools["add"].call(a=2, b=40) == "42"
    assert json.loads(tools["find"].call(query="red")) == {"name": "red", "score": 0.5}
    assert tools["odd_name_with_spaces"].call() == "odd"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_images_errors_and_megabytes_come_through(transport: str, reach: Callable[..., dict[str, Any]]) -> None:
    tools = by_name(Tool.from_mcp_sync("scripted", **reach(transport)))

    text, image = tools["picture"].call()
    assert isinstance(text, Text)
    assert isinstance(image, Image)
    assert image.media_type == "image/png"
    assert image.data.startswith(b"\x89PNG")
    with pytest.raises(MCPToolError, match="the disk is full"):
        tools["fail"].call(reason="the disk is full")
    with pytest.raises(MCPToolError, match="valid integer"):
        tools["add"].call(a="two", b=1)
    assert len(tools["long_text"].call(megabytes=5)) == 5_000_000


def test_a_server_that_writes_noise_on_both_its_outputs_is_understood(stdio: dict[str, Any]) -> None:
    noisy = {**stdio, "args": [*stdio["args"], "--noise"]}
    tools = by_name(Tool.from_mcp_sync("scripted", **noisy))

    assert tools["chatter"].call(lines=3_000) == "said it all"
    assert tools["add"].call(a=1, b=1) == "2"


def test_the_child_sees_no_key_of_ours(stdio: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sk-test-0123456789")
    monkeypatch.setenv("DATABASE_URL", "postgres://user:pass@host")
    tools = by_name(Tool.from_mcp_sync("scripted", **stdio, env={"MY_OWN": "given"}))

    seen = json.loads(tools["environment"].call())

    assert not [name for name in seen if name.endswith("_API_KEY") or "SECRET" in name or name == "DATABASE_URL"]
    assert seen["MY_OWN"] == "given"
    assert seen["PATH"] == os.environ["PATH"]


def test_headers_go_to_the_server_with_every_request(reach: Callable[..., dict[str, Any]]) -> None:
    for transport in ("http", "sse"):
        headers = {"Authorization": "Bearer t0ken-0123"}
        tools = by_name(Tool.from_mcp_sync("scripted", **reach(transport), headers=headers))

        assert json.loads(tools["headers"].call())["authorization"] == "Bearer t0ken-0123"


# --- one connection


def test_the_same_server_is_started_once_and_another_environment_is_another_server(stdio: dict[str, Any]) -> None:
    first = by_name(Tool.from_mcp_sync("one", **stdio))
    second = by_name(Tool.from_mcp_sync("two", **stdio))
    third = by_name(Tool.from_mcp_sync("three", **stdio, env={"OTHER": "1"}))

    pids = [tools["process"].call().split()[0] for tools in (first, second, third)]

    assert pids[0] == pids[1]
    assert pids[0] != pids[2]


def test_a_thousand_calls_at_once_share_one_connection(stdio: dict[str, Any]) -> None:
    tools = by_name(Tool.from_mcp_sync("scripted", **stdio))

    async def ask_all() -> list[Any]:
        return await asyncio.gather(*(tools["add"].acall(a=number, b=1) for number in range(1_000)))

    assert asyncio.run(ask_all()) == [str(number + 1) for number in range(1_000)]
    assert tools["process"].call().split()[1] == "1000"
    assert mcp_threads() == ["deluge-sync-mcp"]


def test_tools_can_be_made_and_called_within_several_event_loops(stdio: dict[str, Any]) -> None:
    async def ask() -> Any:
        tools = by_name(await Tool.from_mcp("scripted", **stdio))
        return await tools["process"].acall()

    assert asyncio.run(ask()) == asyncio.run(ask())


# --- what breaks


def test_a_server_that_was_killed_is_started_again_by_the_next_call(stdio: dict[str, Any]) -> None:
    tools = by_name(Tool.from_mcp_sync("scripted", **stdio))
    pid = int(tools["process"].call().split()[0])

    os.kill(pid, signal.SIGKILL)
    # Gone for good: as long as one of its threads is there, so is its end of the pipe.
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists())

    assert tools["add"].call(a=1, b=2) == "3"
    assert int(tools["process"].call().split()[0]) != pid


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_a_server_that_was_started_anew_is_connected_to_anew(transport: str, start: Callable[..., Any]) -> None:
    first = start(transport)
    tools = by_name(Tool.from_mcp_sync("scripted", url=first.url))
    pid = int(tools["process"].call().split()[0])
    first.process.kill()
    first.process.wait(WAIT_S)

    with pytest.raises(MCPConnectionError, match="scripted"):
        tools["add"].call(a=1, b=2)
    start(transport, port=first.port)

    assert tools["add"].call(a=1, b=2) == "3"
    assert int(tools["process"].call().split()[0]) != pid


def test_a_call_whose_server_dies_is_not_made_again_unless_it_may_be(stdio: dict[str, Any], tmp_path: Path) -> None:
    tools = by_name(Tool.from_mcp_sync("scripted", **stdio))

    with pytest.raises(MCPConnectionError, match="may have carried out the call"):
        tools["die"].call(journal=str(tmp_path / "journal"))
    assert (tmp_path / "journal").read_text() == "died\n"
    # Its server says that a repetition does no harm.
    assert tools["die_once"].call(marker=str(tmp_path / "died")) == "survived"


def test_a_call_that_takes_too_long_is_given_up_and_the_others_go_on(stdio: dict[str, Any]) -> None:
    Tool.from_mcp_sync("scripted", **stdio)  # starts it, however long that takes
    tools = by_name(Tool.from_mcp_sync("scripted", **stdio, timeout=3))
    pid = tools["process"].call().split()[0]
    waiting: list[BaseException] = []

    def hang() -> None:
        try:
            tools["hang"].call()
        except MCPTimeoutError as error:
            waiting.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    assert tools["add"].call(a=1, b=2) == "3"
    thread.join(WAIT_S)

    assert "did not answer hang within 3 s" in str(waiting[0])
    assert tools["process"].call().split()[0] == pid


def test_a_server_that_hangs_as_a_whole_is_replaced(stdio: dict[str, Any]) -> None:
    tools = by_name(Tool.from_mcp_sync("scripted", **stdio))
    impatient = by_name(Tool.from_mcp_sync("scripted", **stdio, timeout=1))
    pid = int(tools["process"].call().split()[0])

    with pytest.raises(MCPTimeoutError):
        impatient["freeze"].call()
    assert wait_until(lambda: not is_running(pid))

    assert tools["add"].call(a=1, b=2) == "3"


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"command": "no-such-command-0815"}, "no such command"),
        ({"command": sys.executable, "args": ["-c", "import no_such_module_0815"]}, "no_such_module_0815"),
        ({"command": sys.executable, "args": ["-c", "print('done')"]}, "exit code 0"),
        ({"command": sys.executable, "args": ["-c", "input(); input()"], "timeout": 1}, "within 1 s"),
        ({"url": "http://127.0.0.1:1/mcp?key=s3cret-0123"}, "ConnectError"),
    ],
    ids=["absent", "broken", "no server", "silent", "nobody listens"],
)
def test_a_server_that_is_not_there_is_an_error_that_names_it(how: dict[str, Any], says: str) -> None:
    with pytest.raises(MCPConnectionError, match="'weather'") as caught:
        Tool.from_mcp_sync("weather", **how)

    assert says in str(caught.value)
    assert caught.value.server_name == "weather"
    assert isinstance(caught.value, ConnectionError)
    assert "s3cret" not in str(caught.value)
    assert mcp_threads() == []


def test_a_web_server_that_speaks_no_mcp_is_told_with_its_status(server_url: str) -> None:
    url = server_url.replace("/mcp", "/elsewhere")

    with pytest.raises(MCPConnectionError, match="HTTP 404"):
        Tool.from_mcp_sync("weather", url=url)


def test_values_of_env_are_not_shown_in_what_a_broken_server_says() -> None:
    script = "import os; raise SystemExit('error: bad key ' + os.environ['TOKEN'])"

    with pytest.raises(MCPConnectionError, match=r"bad key \*\*\*"):
        Tool.from_mcp_sync("x", command=sys.executable, args=["-c", script], env={"TOKEN": "s3cret-0123456789"})


def test_one_server_of_several_that_is_not_there_fails_all_and_leaves_nothing(stdio: dict[str, Any]) -> None:
    config = {"mcpServers": {"good": stdio, "bad": {"command": "no-such-command-0815"}}}

    with pytest.raises(MCPConnectionError, match="'bad'"):
        Tool.from_mcp_config_sync(config)

    assert mcp_threads() == []


# --- names


def test_tools_of_the_same_name_get_that_of_their_server_and_go_to_it(stdio: dict[str, Any]) -> None:
    servers = {label: {**stdio, "env": {"SERVER_LABEL": label}} for label in ("left", "right")}
    tools = by_name(Tool.from_mcp_config_sync({"mcpServers": servers}))

    assert "shared" not in tools
    assert tools["left_shared"].call(word="hi") == "left heard hi"
    assert tools["right_shared"].call(word="hi") == "right heard hi"


# --- the end


def test_closing_ends_process_and_thread_and_the_tools(stdio: dict[str, Any]) -> None:
    tools = by_name(Tool.from_mcp_sync("scripted", **stdio))
    pid = int(tools["process"].call().split()[0])

    Tool.close_mcp()

    assert not is_running(pid)
    assert mcp_threads() == []
    with pytest.raises(MCPConnectionError, match="was closed"):
        tools["add"].call(a=1, b=2)


def test_what_the_server_has_started_ends_with_it(stdio: dict[str, Any]) -> None:
    tools = by_name(Tool.from_mcp_sync("plain", **stdio))
    pid = int(tools["offspring"].call())
    assert is_running(pid)

    Tool.close_mcp()

    assert wait_until(lambda: not is_running(pid))


def test_closing_some_tools_leaves_the_other_servers_open(stdio: dict[str, Any]) -> None:
    one = Tool.from_mcp_sync("one", **stdio)
    other = by_name(Tool.from_mcp_sync("other", **stdio, env={"OTHER": "1"}))

    Tool.close_mcp(one)

    assert other["add"].call(a=1, b=2) == "3"
    with pytest.raises(MCPConnectionError):
        by_name(one)["add"].call(a=1, b=2)


_PROGRAM = """
import os, sys
from deluge_sync import Tool
server = Tool.from_mcp_sync("scripted", command=sys.executable, args=["-S", sys.argv[1]])
tools = {tool.name: tool for tool in server}
print(tools["process"].call().split()[0], flush=True)
"""


@pytest.mark.parametrize("ending", ["", "os.kill(os.getpid(), 9)"], ids=["end of program", "killed"])
def test_no_server_outlives_the_program(stdio: dict[str, Any], ending: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PROGRAM + ending, stdio["args"][-1]],
        capture_output=True,
        text=True,
        timeout=WAIT_S * 2,
        check=False,
    )

    pid = int(done.stdout)
    assert wait_until(lambda: not is_running(pid))
    assert done.stderr == ""


def test_a_server_that_is_deaf_to_the_end_of_its_input_and_to_sigterm_is_ended(stdio: dict[str, Any]) -> None:
    tools = by_name(Tool.from_mcp_sync("deaf", command=stdio["command"], args=[*stdio["args"], "--deaf"]))
    pid = int(tools["process"].call().split()[0])

    Tool.close_mcp()

    assert not is_running(pid)


_FORK = """
import os, sys
from deluge_sync import Tool
server = Tool.from_mcp_sync("scripted", command=sys.executable, args=["-S", sys.argv[1]])
tools = {tool.name: tool for tool in server}
parents = tools["process"].call().split()[0]
has_proc = os.path.exists("/proc/self/fd")
pipes = {os.readlink(f"/proc/{parents}/fd/{number}") for number in (0, 1, 2)} if has_proc else set()
def held():
    found = set()
    for number in range(256) if pipes else ():
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass
    return found & pipes
assert held() == pipes
for _ in range(5):
    child = os.fork()
    if child == 0:
        if held():
            os._exit(7)  # the parent's server would not see the parent hang up
        childs = tools["process"].call().split()[0]
        right = tools["add"].call(a=1, b=2) == "3" and childs != parents
        Tool.close_mcp()
        os._exit(0 if right else 1)
    own = tools["process"].call().split()[0]
    _, status = os.waitpid(child, 0)
    print(own == parents, os.waitstatus_to_exitcode(status), flush=True)
Tool.close_mcp()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_servers_of_its_own_and_does_not_disturb_the_parents(stdio: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORK, stdio["args"][-1]],
        capture_output=True,
        text=True,
        timeout=WAIT_S * 3,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["True 0"] * 5


def test_without_the_package_the_error_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['mcp'] = None\nfrom deluge_sync import Tool\nTool.from_mcp_sync('x', command='true')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=WAIT_S, check=False)

    assert "ConfigError" in done.stderr
    assert "pip install deluge-sync[mcp]" in done.stderr


def test_importing_the_package_does_not_load_that_of_mcp() -> None:
    script = (
        "import sys\n"
        "from deluge_sync import LLMClient, MCPServer, Tool\n"
        "LLMClient(); MCPServer('x', 'https://example.com/mcp')\n"
        "print([name for name in ('mcp', 'mcp_types', 'httpx2', 'anyio', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=WAIT_S, check=False)

    assert done.stdout == "[]\n"


def test_arguments_that_cannot_work_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"either command= .* or url="):
        Tool.from_mcp_sync("x")
    with pytest.raises(ConfigError, match="headers means nothing beside command"):
        Tool.from_mcp_sync("x", command="true", headers={"a": "b"})
    with pytest.raises(ConfigError, match="timeout must be a positive number"):
        Tool.from_mcp_sync("x", command="true", timeout=0)
