"""The MCP servers among a call's tools: left to the provider, or connected to and replaced by their tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deluge_sync.models import Model
    from deluge_sync.tool import MCPServer
    from deluge_sync.tool.mcp.registry import Holder
    from deluge_sync.tool.mcp.replacing import ServersInPlace

__all__ = ["MCPCalls"]


class MCPCalls:
    """`LLMClient` inherits from it and makes what is declared here. `_mcp` holds what its calls connected to."""

    if TYPE_CHECKING:
        force_local_mcp: bool
        _models: list[Model]
        _mcp: Holder

    def _reached(self, tools: Any) -> Any:
        """The tools with those of each server in its place that a model of the pool cannot be left with. Waits.

        Raises:
            MCPConnectionError: a server cannot be reached.
        """
        servers = self._servers_to_reach(tools)
        return tools if servers is None else servers.replace(self._mcp)

    async def _areached(self, tools: Any) -> Any:
        """`_reached`, awaited."""
        servers = self._servers_to_reach(tools)
        return tools if servers is None else await servers.areplace(self._mcp)

    def _servers_to_reach(self, tools: Any) -> ServersInPlace | None:
        """None where nothing is to be done, which is also so where `tools` are none: that is told elsewhere."""
        if isinstance(tools, str | Mapping) or not isinstance(tools, Sequence):
            return None
        from deluge_sync.tool import MCPServer  # with the first tool: most prompts have none
        from deluge_sync.tool.mcp.replacing import ServersInPlace

        found = [tool for tool in tools if not isinstance(tool, MCPServer) or tool.is_enabled]
        ours = [tool for tool in found if isinstance(tool, MCPServer) and not self._is_left_to_provider(tool)]
        return ServersInPlace(found, ours) if ours or len(found) < len(tools) else None

    def _is_left_to_provider(self, server: MCPServer) -> bool:
        """All models of the pool must be able to: which of them answers is not known yet."""
        from deluge_sync._adapters.mcp_servers import connects_itself  # with the first server

        return not self.force_local_mcp and all(connects_itself(model, server) for model in self._models)
