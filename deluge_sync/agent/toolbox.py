"""The tools of one agent loop by their names, and the arguments of a call as the model meant them. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

from deluge_sync.errors import ConfigError, ToolArgumentsError
from deluge_sync.prompt.parts import ToolCall
from deluge_sync.tool import AnyTool, MCPServer, Tool
from deluge_sync.tool.mcp.naming import distinct

__all__ = ["AgentTool", "RemoteTool", "Toolbox", "readable_call"]


@runtime_checkable
class RemoteTool(Protocol):
    """A tool that is run elsewhere, such as one of an MCP server: anything with these, and perhaps a `description`."""

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    async def acall(self, **arguments: Any) -> Any: ...


AgentTool: TypeAlias = Tool | RemoteTool | MCPServer | Mapping[str, Any]


class Toolbox:
    """What a model is offered, and what can be run of it. Unchangeable.

    A dict is a provider's own tool: it is passed through, and the provider runs it; so is an MCP server.

    Raises:
        ConfigError: something is no tool, has no function to run, or two tools have one name.
    """

    def __init__(self, tools: Iterable[AgentTool] | None = None) -> None:
        if isinstance(tools, str | Mapping) or not isinstance(tools or (), Iterable):
            raise ConfigError(f"tools must be a list of tools; got {tools!r:.80}")
        self.offered = distinct(_offered(tool) for tool in tools or ())
        self._by_name: dict[str, Tool] = {}
        for tool in self.offered:
            if isinstance(tool, Tool):
                self._add(tool)

    def find(self, name: str) -> Tool | None:
        """The tool of this name, or None."""
        return self._by_name.get(name)

    @property
    def names(self) -> list[str]:
        """Of the tools that can be run."""
        return list(self._by_name)

    def _add(self, tool: Tool) -> None:
        if tool.run is None:
            raise ConfigError(f"tool {tool.name!r} has no function to run; give it one with run=")
        if tool.name in self._by_name:
            raise ConfigError(f"two tools are called {tool.name!r}")
        self._by_name[tool.name] = tool


def _offered(tool: Any) -> AnyTool:
    if isinstance(tool, Tool | MCPServer | Mapping):
        return tool
    if isinstance(tool, RemoteTool):
        return Tool(tool.name, getattr(tool, "description", None), tool.parameters, run=tool.acall)
    raise ConfigError(f"tools: each must be a Tool or a dict in the provider's form; got {tool!r:.80}")


def readable_call(call: ToolCall, *, was_cut_off: bool) -> ToolCall:
    """The call with arguments that can be read: JSON that is nearly right is repaired.

    was_cut_off: the answer ended at its token limit. Half of an argument is then no argument: the path of a file to
        delete would be repaired to that of its folder.

    Raises:
        ToolArgumentsError: they are no JSON object.
    """
    if not call.is_malformed:
        return call
    if was_cut_off:
        raise ToolArgumentsError(call.name, ["the answer was cut off at its token limit before the arguments ended"])
    repaired = _repaired(call.arguments_text)
    if repaired is None:
        raise ToolArgumentsError(call.name, [f"they are no JSON object: {call.arguments_text[:200]}"])
    return replace(call, arguments=repaired, raw_arguments=None)


def _repaired(text: str) -> dict[str, Any] | None:
    from json_repair import repair_json  # only for what a model got wrong

    try:
        value = repair_json(text, return_objects=True)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value else None
