"""MCP servers in batches: left to the providers that connect themselves, with the header that asks for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deluge_sync import MCPServer
from deluge_sync.testing import FakeProvider

SERVER = MCPServer("docs", "https://mcp.example.com/mcp", token="sesame-of-the-docs")


@pytest.mark.parametrize("case", ["anthropic"], indirect=True)
def test_anthropic_is_told_of_the_server_and_asked_for_its_beta(
    case: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    client = connect(case, fake_provider)

    ids = client.submit_batch_job_sync(["hello"], tools=[SERVER])

    [created] = filter(case.is_creation, fake_provider.ledger)
    [request] = json.loads(created.body)["requests"]
    assert request["params"]["mcp_servers"][0]["authorization_token"] == "sesame-of-the-docs"
    assert "mcp-client-" in created.headers["anthropic-beta"]
    assert "sesame" not in ids.manifest.read_text()
