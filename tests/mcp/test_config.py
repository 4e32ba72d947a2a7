"""How servers are described: arguments, configuration files, and what of it is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deluge_sync._secret import Secret
from deluge_sync.errors import ConfigError
from deluge_sync.tool.mcp.config import ServerConfig, read_config, server_config, shown_url
from deluge_sync.tool.mcp.stdio import environment

DESKTOP = {
    "mcpServers": {
        "files": {"command": "npx", "args": ["-y", "server-filesystem", "/tmp"], "env": {"TOKEN": "s3cret-0123"}},
        "remote": {"type": "streamable-http", "url": "https://example.com/mcp", "headers": {"X-Key": "s3cret-0123"}},
        "old": {"type": "sse", "url": "https://example.com/sse"},
        "off": {"command": "true", "disabled": True},
    }
}


@pytest.mark.parametrize("form", ["dict", "inner", "text", "path", "path text"])
def test_a_configuration_is_read_in_every_form(form: str, tmp_path: Path) -> None:
    path = tmp_path / "claude_desktop_config.json"
    path.write_text(json.dumps(DESKTOP), encoding="utf-8-sig")  # as Windows' editors write it
    given: dict[str, Any] = {
        "dict": DESKTOP,
        "inner": DESKTOP["mcpServers"],
        "text": json.dumps(DESKTOP),
        "path": path,
        "path text": str(path),
    }

    files, remote, old = read_config(given[form])

    assert (files.name, files.command, files.args) == ("files", "npx", ("-y", "server-filesystem", "/tmp"))
    assert files.env == (("TOKEN", Secret("s3cret-0123")),)
    assert (remote.url, remote.transport) == ("https://example.com/mcp", "http")
    assert old.transport == "sse"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{", "cannot be read"),
        ("/no/such/file.json", "cannot be read"),
        (7, "a dict, JSON text or a path"),
        ({"mcpServers": []}, "mcpServers must be a dict"),
        ({"a": 7}, "'a'.*must be a dict"),
        ({"a": {}}, "either command= .* or url="),
        ({"a": {"command": "x", "url": "https://y"}}, "either command= .* or url="),
        ({"a": {"command": "x", "args": "one two"}}, "args must be a list"),
        ({"a": {"command": "x", "args": [1]}}, r"args\[0\] must be a text"),
        ({"a": {"command": "x", "env": {"A": 1}}}, "env must be a dict of texts; 'A' has a int"),
        ({"a": {"command": "x", "env": {"A=B": "1"}}}, "cannot be an environment variable"),
        ({"a": {"url": "ftp://example.com"}}, "http or https URL"),
        ({"a": {"url": "https://example.com", "headers": {"a b": "c"}}}, "cannot be sent"),
        ({"a": {"url": "https://example.com", "headers": {"a": "b\r\nc: d"}}}, "cannot be sent"),
        ({"a": {"url": "https://example.com", "type": "carrier pigeon"}}, "type is one of"),
        ({"a": {"url": "https://example.com", "type": "stdio"}}, "not spoken to over stdio"),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(config: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_config(config)


def test_the_same_place_is_the_same_server_whatever_it_is_called() -> None:
    one = server_config("one", command="npx", args=["-y", "x"], env={"A": "1", "B": "2"})
    two = server_config("two", command="npx", args=["-y", "x"], env={"B": "2", "A": "1"})

    assert one.place == two.place
    assert one.place != server_config("one", command="npx", args=["-y", "x"], env={"A": "1"}).place
    assert one.place != server_config("one", command="npx", args=["-y", "z"], env={"A": "1", "B": "2"}).place


def test_nothing_that_may_be_a_key_is_shown() -> None:
    config = server_config("x", command="npx", args=["--token", "s3cret-0123"], env={"TOKEN": "s3cret-4567"})
    remote = server_config("y", url="https://me:s3cret@example.com:8/mcp?key=s3cret", headers={"A": "s3cret-0123"})

    for shown in (repr(config), config.shown, repr(remote), remote.shown):
        assert "s3cret-" not in shown
    assert remote.shown == "'y' (https://example.com:8/mcp)"
    assert shown_url("https://example.com/a/b?c=d#e") == "https://example.com/a/b"


def test_a_child_gets_the_little_that_programs_need_and_what_the_user_gives() -> None:
    ours = {"PATH": "/bin", "HOME": "/me", "LANG": "C.UTF-8", "OPENAI_API_KEY": "k", "SHELL": "() { evil; }", "X": "1"}
    config = ServerConfig("x", command="y", env=(("X", Secret("2")), ("HOME", Secret("/other"))))

    assert environment(config, ours) == {"PATH": "/bin", "LANG": "C.UTF-8", "HOME": "/other", "X": "2"}
