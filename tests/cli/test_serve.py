from __future__ import annotations

import json
import re
import signal
import socket
import urllib.request
from typing import Any

import pytest


def ask(url: str) -> Any:
    body = json.dumps({"model": "any", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer any"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", body, headers), timeout=10) as reply:
        return reply.headers, json.load(reply)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_serves_and_ends_well_when_told(spawn: Any, sent: signal.Signals) -> None:
    process = spawn("serve", "--port", "0", "--rpm", "60", "--tpm", "6000", "--latency", "0.01")
    first, *more = [process.stdout.readline().decode() for _ in range(3)]
    found = re.fullmatch(r"serving (http://127\.0\.0\.1:\d+/v1) until Ctrl-C\n", first)
    assert found is not None, first
    headers, reply = ask(found[1])
    assert reply["choices"][0]["message"]["content"] == "You said: Hi"
    assert headers["x-ratelimit-limit-requests"] == "60"
    assert headers["x-ratelimit-limit-tokens"] == "6000"
    process.send_signal(sent)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"--base-url {found[1]}\n" in more[0]
    assert (out, err) == (b"", b"")


def test_json_tells_a_script_where_it_serves(spawn: Any) -> None:
    process = spawn("serve", "--port", "0", "--json")
    told = json.loads(process.stdout.readline())
    assert list(told) == ["url", "openai_url"]
    assert ask(told["openai_url"])[1]["choices"][0]["message"]["content"] == "You said: Hi"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_a_taken_port_is_one_clear_line(cli: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = cli("serve", "--port", str(port))
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n"
