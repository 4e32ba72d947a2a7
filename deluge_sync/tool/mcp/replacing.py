"""A list of tools in which servers stand, with the servers' own tools in their places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deluge_sync.tool.mcp.tools import aconnect, connect, of_server

if TYPE_CHECKING:
    from deluge_sync.tool.mcp.registry import Holder
    from deluge_sync.tool.mcp.server import MCPServer
    from deluge_sync.tool.tool import Tool

__all__ = ["ServersInPlace"]


@dataclass(frozen=True, slots=True)
class ServersInPlace:
    """The tools of a call, and the servers among them that are connected to from here, in the same order."""

    tools: Sequence[Any]
    ours: Sequence[MCPServer]

    def replace(self, holder: Holder) -> list[Any]:
        """The tools with those of our servers. Connects and waits.

        Raises:
            ConfigError: the `mcp` package is missing.
            MCPConnectionError: a server cannot be reached.
        """
        return self._replaced(connect(holder, [of_server(server) for server in self.ours]))

    async def areplace(self, holder: Holder) -> list[Any]:
        """`replace`, awaited."""
        return self._replaced(await aconnect(holder, [of_server(server) for server in self.ours]))

    def _replaced(self, reached: Iterable[Sequence[Tool]]) -> list[Any]:
        offers = iter(reached)
        is_ours = {id(server) for server in self.ours}
        groups = [next(offers) if id(tool) in is_ours else [tool] for tool in self.tools]
        return [tool for group in groups for tool in group]
