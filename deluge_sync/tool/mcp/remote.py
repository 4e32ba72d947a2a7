"""The function behind a tool of an MCP server: a call goes to that server, under the name that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deluge_sync.tool.mcp.results import read_result

if TYPE_CHECKING:
    from deluge_sync.prompt.parts import Part
    from deluge_sync.tool.mcp.registry import Lease

__all__ = ["RemoteRun"]


class RemoteRun:
    """Async, for any event loop, and any number of calls at once. Gives text, or parts where there is more."""

    __slots__ = ("_may_repeat", "_timeout_s", "lease", "server_name", "tool_name")

    def __init__(self, lease: Lease, server_name: str, tool_name: str, timeout_s: float, *, may_repeat: bool) -> None:
        self.lease = lease
        self.server_name = server_name
        self.tool_name = tool_name
        self._timeout_s = timeout_s
        self._may_repeat = may_repeat

    async def __call__(self, /, **arguments: Any) -> str | list[Part]:
        """Call the tool.

        Raises:
            MCPToolError: it failed, in the server's words.
            MCPConnectionError: the server is not there, or did not answer in time.
        """
        import asyncio  # loaded already where this runs

        call = self.lease.call(self.tool_name, arguments, self._timeout_s, may_repeat=self._may_repeat)
        return read_result(self.server_name, self.tool_name, await asyncio.wrap_future(call))

    def __repr__(self) -> str:
        return f"<{self.tool_name} of MCP server {self.server_name!r}>"
