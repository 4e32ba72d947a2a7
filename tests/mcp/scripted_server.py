"""An MCP server with the `mcp` package whose tools do what servers do in the field. Run as a program by the tests.

    scripted_server.py stdio|http|http-json|sse [--port-file PATH]

Over HTTP it takes a port of the system's and writes it into the file once it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

# One red pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)

server = MCPServer("scripted", log_level="ERROR")
state: dict[str, Any] = {"calls": 0}


class Found(BaseModel):
    name: str
    score: float


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    state["calls"] += 1
    return str(a + b)


@server.tool()
def shared(word: str) -> str:
    """Both servers have one of this name; each says which it is."""
    return f"{os.environ.get('SERVER_LABEL', 'unnamed')} heard {word}"


@server.tool()
def long_text(megabytes: float) -> str:
    """A reply of this size."""
    return "x" * int(megabytes * 1_000_000)


@server.tool()
def picture():  # type: ignore[no-untyped-def]  # an annotation would make it structured
    """A text and an image."""
    return ["a red pixel", Image(data=PNG, format="png")]


@server.tool()
def find(query: str) -> Found:
    """Structured content."""
    return Found(name=query, score=0.5)


@server.tool()
def fail(reason: str) -> str:
    """Always fails."""
    raise ToolError(reason)


@server.tool()
async def hang() -> str:
    """Takes longer than anybody waits."""
    await asyncio.sleep(600)
    return "done"


@server.tool()
def process() -> str:
    """Which process this is, and how many calls of `add` it had."""
    return f"{os.getpid()} {state['calls']}"


@server.tool()
def headers(ctx: Context[Any]) -> dict[str, str]:
    """The headers of the request."""
    request = ctx.request_context.request
    return {} if request is None else {name.lower(): value for name, value in request.headers.items()}


@server.tool(name="odd.name/with spaces")
def odd_name() -> str:
    """Has a name that no provider takes."""
    return "odd"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("transport")
    parser.add_argument("--port-file")
    options = parser.parse_args()
    if options.transport == "stdio":
        asyncio.run(server.run_stdio_async())
        return
    app = (
        server.sse_app()
        if options.transport == "sse"
        else server.streamable_http_app(json_response=options.transport == "http-json")
    )
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(os.environ.get("SERVER_PORT", "0"))))
    listener.listen(128)
    partial = Path(f"{options.port_file}.new")
    partial.write_text(str(listener.getsockname()[1]))
    partial.rename(options.port_file)
    import uvicorn

    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
    asyncio.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main()
