"""From servers to tools: connect, ask what there is, make a `Tool` of each. `Tool.from_mcp` and the client call it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.tool.mcp.config import ServerConfig, checked_timeout, read_config, server_config
from deluge_sync.tool.mcp.naming import distinct, offered_name
from deluge_sync.tool.mcp.registry import Holder, Lease
from deluge_sync.tool.mcp.remote import RemoteRun
from deluge_sync.tool.tool import Tool

if TYPE_CHECKING:
    import mcp_types

    from deluge_sync.tool.mcp.server import MCPServer

__all__ = ["OWN", "Wanted", "aconnect", "connect", "joined", "of_server", "release", "wanted", "wanted_of"]

_SIGNAL_CHECK_S: Final = 0.25

OWN: Final = Holder()
"""Holds the connections of `Tool.from_mcp` and `Tool.from_mcp_config`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A server whose tools are wanted; `allowed_tools` None for all of them."""

    config: ServerConfig
    timeout_s: float
    allowed_tools: Collection[str] | None = None


def of_server(server: MCPServer) -> Wanted:
    """The server as this process reaches it."""
    headers = {name: secret.reveal() for name, secret in server.own_headers.items()}
    config = server_config(server.name, url=server.url, headers=headers)
    return Wanted(config, server.timeout, server.allowed_tools)


def wanted(name: str, timeout: float, **how: Any) -> Wanted:
    """The server, checked."""
    return Wanted(server_config(name, **how), checked_timeout(f"MCP server {name!r}", timeout))


def wanted_of(config: Any, timeout: float) -> list[Wanted]:
    """The servers of a configuration, checked."""
    seconds = checked_timeout("the MCP configuration", timeout)
    return [Wanted(server, seconds) for server in read_config(config)]


def joined(tools: Iterable[Iterable[Tool]]) -> list[Tool]:
    """Those of all servers in one list, in which no two have the same name."""
    return list(distinct(tool for group in tools for tool in group))


def connect(holder: Holder, servers: Sequence[Wanted]) -> list[list[Tool]]:
    """The tools of each server, in the servers' order. They are connected to at the same time.

    Raises:
        ConfigError: the `mcp` package is missing.
        MCPConnectionError: a server cannot be reached; what was opened for this call is closed again.
    """
    attempt = _Attempt(holder, servers)
    try:
        while wait(attempt.futures, timeout=_SIGNAL_CHECK_S).not_done:  # in slices, for Ctrl-C
            pass
        return attempt.tools()
    except BaseException:
        attempt.take_back()
        raise


async def aconnect(holder: Holder, servers: Sequence[Wanted]) -> list[list[Tool]]:
    """`connect`, awaited in whichever event loop; cancelling closes again what was opened."""
    import asyncio  # loaded already where this runs

    attempt = _Attempt(holder, servers)
    try:
        await asyncio.gather(*map(asyncio.wrap_future, attempt.futures), return_exceptions=True)
        return attempt.tools()
    except BaseException:
        await asyncio.to_thread(attempt.take_back)
        raise


def release(tools: Iterable[Any] | None) -> None:
    """Close the connections behind these tools, or all of `OWN`."""
    if tools is None:
        OWN.give_back()
    else:
        runs = [tool.run for tool in tools if isinstance(tool, Tool)]
        OWN.give_back({run.lease for run in runs if isinstance(run, RemoteRun)})


class _Attempt:
    """Asking all servers of one call for their tools."""

    def __init__(self, holder: Holder, servers: Sequence[Wanted]) -> None:
        self._holder = holder
        self._servers = servers
        leased = [holder.lease(each.config) for each in servers]
        self._leases = [lease for lease, _ in leased]
        self._new = [lease for lease, is_new in leased if is_new]
        pairs = zip(self._leases, servers, strict=True)
        self.futures = [lease.list_tools(each.timeout_s) for lease, each in pairs]

    def tools(self) -> list[list[Tool]]:
        answers = zip(self._leases, self._servers, self.futures, strict=True)
        return [_made(lease, server, future.result()) for lease, server, future in answers]

    def take_back(self) -> None:
        """Cancel, and let go of those servers that nobody held before."""
        for future in self.futures:
            future.cancel()
        self._holder.give_back(self._new)


def _made(lease: Lease, server: Wanted, listed: Iterable[mcp_types.Tool]) -> list[Tool]:
    allowed = [tool for tool in listed if server.allowed_tools is None or tool.name in server.allowed_tools]
    names = _names([tool.name for tool in allowed])
    return [_tool(lease, server, tool, name) for tool, name in zip(allowed, names, strict=True)]


def _names(told: Sequence[str]) -> list[str]:
    """As providers take them; of those that look alike then, the later ones have a number."""
    names: list[str] = []
    for name in told:
        offered, number = offered_name(name), 2
        while offered in names:
            offered, number = offered_name(name, str(number)), number + 1
        names.append(offered)
    return names


def _tool(lease: Lease, server: Wanted, listed: mcp_types.Tool, name: str) -> Tool:
    hints = listed.annotations
    may_repeat = hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)
    run = RemoteRun(lease, server.config.name, listed.name, server.timeout_s, may_repeat=may_repeat)
    return Tool(name, listed.description, _parameters(listed.input_schema), run=run, binding=_by_name)


def _parameters(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as a tool's parameters; some servers leave out what says nothing."""
    return {**schema, "type": "object", "properties": schema.get("properties") or {}}


def _by_name(given: Any) -> tuple[list[Any], dict[str, Any]]:
    """The server checks the arguments: it knows more of its schema than we do."""
    return [], dict(given)
