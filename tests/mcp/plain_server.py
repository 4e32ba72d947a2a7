"""An MCP server over stdio in the standard library alone: it starts in no time, and does what servers in the field do.

Run as a program by the tests. Speaks the protocol of 2025-06-18, one request after another unless it says otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_lock = threading.Lock()
_calls = 0


def add(a: int, b: int) -> str:
    global _calls
    _calls += 1
    return str(a + b)


def shared(word: str) -> str:
    return f"{os.environ.get('SERVER_LABEL', 'unnamed')} heard {word}"


def process() -> str:
    return f"{os.getpid()} {_calls}"


def environment() -> str:
    return json.dumps(dict(os.environ))


def hang() -> str:
    time.sleep(600)
    return "done"


def freeze() -> str:
    with _lock:  # nobody can say anything meanwhile, pings are not answered either
        time.sleep(600)
    return "done"


def offspring() -> str:
    sleeping = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    return str(subprocess.Popen(sleeping, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid)


def die(journal: str) -> str:
    with Path(journal).open("a") as file:
        file.write("died\n")
    os._exit(3)


def die_once(marker: str) -> str:
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(3)
    return "survived"


def long_text(megabytes: float) -> str:
    return "x" * int(megabytes * 1_000_000)


def chatter(lines: int) -> str:
    for number in range(lines):
        os.write(1, f"[info] line {number} of the log\n".encode())
        os.write(2, b"warning: \xff\xfe\n")
    os.write(1, b'\xff\xfe {"half": \n{"jsonrpc": "no"}\nprogress 10% ')
    return "said it all"


_KINDS = {"a": "integer", "b": "integer", "lines": "integer", "megabytes": "number"}
_TOOLS: dict[str, tuple[Callable[..., str], list[str]]] = {
    "add": (add, ["a", "b"]),
    "shared": (shared, ["word"]),
    "process": (process, []),
    "environment": (environment, []),
    "hang": (hang, []),
    "offspring": (offspring, []),
    "freeze": (freeze, []),
    "die": (die, ["journal"]),
    "die_once": (die_once, ["marker"]),
    "long_text": (long_text, ["megabytes"]),
    "chatter": (chatter, ["lines"]),
}
_HINTS = {"die_once": {"annotations": {"idempotentHint": True}}}


def _described(name: str) -> dict[str, Any]:
    properties = {each: {"type": _KINDS.get(each, "string")} for each in _TOOLS[name][1]}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "inputSchema": schema, **_HINTS.get(name, {})}


def _answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        info = {"name": "plain", "version": "1"}
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [_described(name) for name in _TOOLS]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": _TOOLS[params["name"]][0](**params.get("arguments") or {})}]}
    if method == "ping":
        return {}
    raise LookupError(method)


def _handle(request: dict[str, Any]) -> None:
    try:
        body: dict[str, Any] = {"result": _answer(request["method"], request.get("params") or {})}
    except LookupError as error:
        body = {"error": {"code": -32601, "message": f"there is no {error}"}}
    with _lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], **body}) + "\n")
        sys.stdout.flush()


def main() -> None:
    if "--noise" in sys.argv:
        sys.stdout.write("Welcome to the noisy server!\n")
        sys.stdout.flush()
        sys.stderr.write("loading...\n")
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            threading.Thread(target=_handle, args=(request,), daemon=True).start()
    if "--deaf" in sys.argv:
        time.sleep(600)


if __name__ == "__main__":
    if "--deaf" in sys.argv:
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    main()
