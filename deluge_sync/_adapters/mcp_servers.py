"""MCP servers in the words of the two providers that connect to them themselves. Pure.

`connects_itself` says which servers a model's provider can be left with; for all others the client connects.
Sources: https://developers.openai.com/api/docs/guides/tools-connectors-mcp and
https://platform.claude.com/docs/en/agents-and-tools/mcp-connector (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from deluge_sync._secret import Secret
    from deluge_sync.models import Model
    from deluge_sync.tool import MCPServer

__all__ = [
    "ANTHROPIC_BETA",
    "anthropic_server",
    "anthropic_toolset",
    "connects_itself",
    "openai_tool",
    "secrets_of",
    "servers_among",
    "without_secrets",
]

ANTHROPIC_BETA: Final = "mcp-client-2025-11-20"
_SECRET_FIELDS: Final = ("authorization", "headers")


def connects_itself(model: Model, server: MCPServer) -> bool:
    """Whether the model's provider connects to this server, and has a place for all that is said of it."""
    fits = _FITS.get(model.api_spec)
    return fits is not None and fits(model, server)


def servers_among(tools: Iterable[object]) -> list[MCPServer]:
    """Those of the tools that are servers."""
    given = list(tools)
    if not given:
        return []
    from deluge_sync.tool import MCPServer  # with the first tool: most prompts have none

    return [tool for tool in given if isinstance(tool, MCPServer)]


def secrets_of(tools: Iterable[object]) -> list[Secret]:
    """What the provider is told in a request and must not be shown where it quotes the request."""
    return [secret for server in servers_among(tools) for secret in server.secrets]


def openai_tool(server: MCPServer) -> dict[str, Any]:
    """The entry for `tools` of the Responses API. Token and headers go along; the reply does not repeat them."""
    told: dict[str, Any] = {
        "authorization": None if server.token is None else server.token.reveal(),
        "headers": {name: secret.reveal() for name, secret in server.headers.items()} or None,
        "allowed_tools": server.allowed_tools,
        # Without it OpenAI asks before each call, and nobody would answer.
        "require_approval": server.require_approval,
        "server_description": server.configuration.get("server_description"),
        "defer_loading": server.configuration.get("defer_loading"),
    }
    said = {name: value for name, value in told.items() if value is not None}
    return {"type": "mcp", "server_label": server.name, "server_url": server.url, **said}


def anthropic_server(server: MCPServer) -> dict[str, Any]:
    """The entry for `mcp_servers` of a message request."""
    token = {} if server.token is None else {"authorization_token": server.token.reveal()}
    return {"type": "url", "url": server.url, "name": server.name, **token}


def anthropic_toolset(server: MCPServer) -> dict[str, Any]:
    """The entry for `tools` that belongs to it."""
    toolset: dict[str, Any] = {"type": "mcp_toolset", "mcp_server_name": server.name}
    if server.allowed_tools is None:
        return toolset
    configs = {name: {"enabled": True} for name in server.allowed_tools}
    return {**toolset, "default_config": {"enabled": False}, "configs": configs}


def without_secrets(reply: Mapping[str, Any]) -> dict[str, Any]:
    """The reply, which repeats the request's tools, without what opens their servers: imitators may repeat that too."""
    tools = reply.get("tools")
    if not isinstance(tools, list):
        return dict(reply)
    return {**reply, "tools": [_hushed(tool) if isinstance(tool, Mapping) else tool for tool in tools]}


def _hushed(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    if tool.get("type") != "mcp":
        return tool
    return {name: "***" if name in _SECRET_FIELDS and value else value for name, value in tool.items()}


def _fits_openai(_: Model, __: MCPServer) -> bool:
    return True


def _fits_anthropic(model: Model, server: MCPServer) -> bool:
    """Other vendors that serve this format do not connect; Anthropic itself does over https, with a token at most."""
    is_plain = not server.headers and server.require_approval == "never"
    return model.provider == "anthropic" and server.url.startswith("https://") and is_plain


_FITS: Final[Mapping[str, Callable[[Model, MCPServer], bool]]] = {
    "openai-responses": _fits_openai,
    "anthropic": _fits_anthropic,
}
