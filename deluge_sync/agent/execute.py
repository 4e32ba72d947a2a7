"""The tool calls of one answer, carried out when the caller asks for it: for loops that are written by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.agent.crew import Crew, Rules, Workshop
from deluge_sync.agent.toolbox import AgentTool, Toolbox
from deluge_sync.agent.turn import Turn
from deluge_sync.tool import MCPServer
from deluge_sync.tool.mcp.replacing import ServersInPlace
from deluge_sync.tool.mcp.tools import OWN

if TYPE_CHECKING:
    from deluge_sync.prompt.parts import ToolCall, ToolResult
    from deluge_sync.response import APIResponse

__all__ = ["execute_tool_calls"]

_SIGNAL_CHECK_S: Final = 0.25


def execute_tool_calls(
    response: APIResponse,
    tools: Iterable[AgentTool],
    *,
    tool_timeout: float | None = 60,
    max_result_chars: int = 100_000,
    approve: Callable[[ToolCall], Any] | None = None,
) -> list[ToolResult]:
    """Carry out the tool calls of an answer, all at the same time, and wait. One result per call, in their order.

    Nothing else is done with them: append each with `conversation.with_tool_result(result.tool_call_id,
    result.result, is_error=result.is_error)`. Arguments, results and errors are handled as in `run_agent_loop`.

    Args:
        tools: those that were offered. An `MCPServer` among them is connected to, and stays so until
            `Tool.close_mcp()`.

    Raises:
        ConfigError: `tools` cannot be run.
        MCPConnectionError: a server cannot be reached.
    """
    results: list[ToolResult] = []
    workshop, has_ended = Workshop(), threading.Event()

    def done(found: list[ToolResult]) -> None:
        results.extend(found)
        has_ended.set()

    toolbox = Toolbox(_reached(tools) if response.tool_calls else tools)
    crew = Crew(workshop, toolbox, Rules(tool_timeout, max_result_chars, approve))
    turn = Turn(response.tool_calls, crew, done, was_cut_off=response.finish_reason == "length")
    if not response.tool_calls:
        return []
    try:
        turn.begin()
        while not has_ended.wait(_SIGNAL_CHECK_S):  # in slices, for Ctrl-C
            pass
    finally:
        turn.abandon()
        workshop.close()
    return results


def _reached(tools: Iterable[AgentTool]) -> Iterable[AgentTool]:
    """The tools with those of each server in its place."""
    if isinstance(tools, str | Mapping) or not isinstance(tools, Iterable):
        return tools  # which the toolbox refuses
    found = [tool for tool in tools if not isinstance(tool, MCPServer) or tool.is_enabled]
    servers = [tool for tool in found if isinstance(tool, MCPServer)]
    return ServersInPlace(found, servers).replace(OWN) if servers else found
