"""The forms in which providers are told of MCP servers: judged by their packages, checked by the embedded provider."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from anthropic.types.beta.beta_mcp_toolset_param import BetaMCPToolsetParam
from anthropic.types.beta.beta_request_mcp_server_url_definition_param import BetaRequestMCPServerURLDefinitionParam
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.tool_param import Mcp
from pydantic import TypeAdapter
from typing_extensions import get_type_hints

from deluge_sync import MCPServer
from deluge_sync._adapters.mcp_servers import anthropic_server, anthropic_toolset, openai_tool
from deluge_sync.testing import FakeProvider

names = st.text("abcXYZ019_-", min_size=1, max_size=10)
secrets = st.text("abcdef0123456789", min_size=1, max_size=20)
configurations = st.fixed_dictionaries(
    {},
    optional={
        "allowed_tools": st.lists(names, max_size=3),
        "require_approval": st.sampled_from(["never", "always"]),
        "server_description": st.text(max_size=10),
        "defer_loading": st.booleans(),
    },
)
servers = st.builds(
    MCPServer,
    names,
    st.just("https://mcp.example.com/mcp"),
    st.none() | secrets,
    st.none() | configurations,
    st.none() | st.dictionaries(names, secrets, max_size=2),
)


def judge(kind: Any, form: dict[str, Any]) -> None:
    TypeAdapter(kind).validate_python(form)
    assert form.keys() <= get_type_hints(kind).keys()


@given(servers)
def test_the_forms_are_those_of_the_official_packages(server: MCPServer) -> None:
    judge(Mcp, openai_tool(server))
    judge(BetaRequestMCPServerURLDefinitionParam, anthropic_server(server))
    judge(BetaMCPToolsetParam, anthropic_toolset(server))


# --- what the embedded provider refuses


def post(url: str, body: dict[str, Any], **headers: str) -> tuple[int, str]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        connection.request("POST", place.path, json.dumps(body), {"content-type": "application/json", **headers})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def ask_openai(provider: FakeProvider, *tools: dict[str, Any]) -> tuple[int, str]:
    body = {"model": "gpt-4.1-mini", "input": "Hi", "tools": list(tools)}
    return post(f"{provider.openai_url}/responses", body, authorization="Bearer sk-test-0123456789")


def ask_anthropic(
    provider: FakeProvider, servers: Any, tools: Any, beta: str = "mcp-client-2025-11-20"
) -> tuple[int, str]:
    body = {
        "model": "claude-haiku-4-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hi"}],
        "mcp_servers": servers,
        "tools": tools,
    }
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01", "anthropic-beta": beta}
    return post(f"{provider.anthropic_url}/v1/messages", body, **headers)


OPENAI = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example.com/mcp"}
SERVER = {"type": "url", "name": "docs", "url": "https://mcp.example.com/mcp"}
TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "docs"}


def test_sound_forms_are_taken(fake_provider: FakeProvider) -> None:
    status, body = ask_openai(fake_provider, {**OPENAI, "authorization": "t0ken", "require_approval": "never"})
    assert status == 200
    assert "t0ken" not in body  # as with the real one
    assert ask_openai(fake_provider, {"type": "mcp", "server_label": "m", "connector_id": "connector_gmail"})[0] == 200
    assert ask_anthropic(fake_provider, [SERVER], [TOOLSET])[0] == 200


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        ([{"type": "mcp", "server_url": "https://x.test"}], "server_label"),
        ([{"type": "mcp", "server_label": "docs"}], "server_url"),
        ([{**OPENAI, "connector_id": "connector_gmail"}], "server_url"),
        ([{**OPENAI, "server_label": "a b"}], "server_label"),
        ([{**OPENAI, "server_url": "mcp.example.com"}], "server_url"),
        ([{**OPENAI, "require_approval": "sometimes"}], "require_approval"),
        ([{**OPENAI, "allowed_tools": "search"}], "allowed_tools"),
        ([{**OPENAI, "token": "x"}], "token"),
        ([OPENAI, OPENAI], "Duplicate"),
    ],
)
def test_openai_refuses(fake_provider: FakeProvider, tools: list[dict[str, Any]], says: str) -> None:
    status, body = ask_openai(fake_provider, *tools)

    assert status == 400
    assert says in body


@pytest.mark.parametrize(
    ("servers", "tools", "beta", "says"),
    [
        ([SERVER], [TOOLSET], "other", "mcp_servers"),
        ([SERVER], [], "mcp-client-2025-11-20", "exactly one MCP toolset"),
        ([SERVER], [TOOLSET, TOOLSET], "mcp-client-2025-11-20", "exactly one MCP toolset"),
        ([], [TOOLSET], "mcp-client-2025-11-20", "not among"),
        ([{**SERVER, "url": "http://x.test"}], [TOOLSET], "mcp-client-2025-11-20", "https://"),
        ([SERVER, SERVER], [TOOLSET], "mcp-client-2025-11-20", "unique"),
        ([{**SERVER, "headers": {}}], [TOOLSET], "mcp-client-2025-11-20", "headers"),
        ([{**SERVER, "tool_configuration": {}}], [TOOLSET], "mcp-client-2025-11-20", "tool_configuration"),
        ([SERVER], [{**TOOLSET, "configs": {"a": {"on": True}}}], "mcp-client-2025-11-20", "on"),
    ],
)
def test_anthropic_refuses(fake_provider: FakeProvider, servers: Any, tools: Any, beta: str, says: str) -> None:
    status, body = ask_anthropic(fake_provider, servers, tools, beta)

    assert status == 400
    assert says in body
