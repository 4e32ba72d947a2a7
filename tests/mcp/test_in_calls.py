"""`MCPServer` among the tools of a call: left to the provider, or connected to from here."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation, Image, LLMClient, MCPServer, Message, Tool, execute_tool_calls
from deluge_sync.cache import SqliteCache
from deluge_sync.errors import ClientClosedError, ConfigError, MCPConnectionError
from deluge_sync.prompt import ProviderPart
from deluge_sync.testing import FakeProvider, Reply, ScriptedCall

Connect = Callable[..., LLMClient]

TOKEN, KEY = "t0ken-0123456789", "k3y-0123456789"
REMOTE = MCPServer("docs", "https://mcp.example.com/mcp", token=TOKEN, configuration={"allowed_tools": ["search"]})

FORMATS: dict[str, Callable[[FakeProvider], dict[str, Any]]] = {
    "openai": lambda provider: {"model_names": "gpt-4.1-mini", "base_url": provider.openai_url},
    "responses": lambda provider: {
        "model_names": "gpt-4.1-mini",
        "base_url": provider.openai_url,
        "use_responses_api": True,
    },
    "anthropic": lambda provider: {"model_names": "claude-haiku-4-5", "base_url": f"{provider.anthropic_url}/v1"},
    "gemini": lambda provider: {"model_names": "gemini-2.5-flash", "base_url": f"{provider.gemini_url}/v1beta"},
    "mistral": lambda provider: {"model_names": "mistral-large-latest", "base_url": f"{provider.mistral_url}/v1"},
    "bedrock": lambda provider: {"model_names": "amazon.nova-lite-v1:0", "base_url": provider.bedrock_url},
}
CONNECTING = ["responses", "anthropic"]


def sent(provider: FakeProvider) -> list[dict[str, Any]]:
    return [json.loads(record.body) for record in provider.ledger]


def mcp_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "mcp" in thread.name]


def call(name: str, **arguments: Any) -> ScriptedCall:
    return ScriptedCall(name, json.dumps(arguments))


def results(conversation: Conversation) -> list[tuple[str, bool]]:
    return [(result.text, result.is_error) for message in conversation for result in message.tool_results]


# --- left to the provider


def test_openai_is_told_of_the_server_in_its_own_form(fake_provider: FakeProvider, connect: Connect) -> None:
    configuration = {"allowed_tools": ["search"], "require_approval": "always", "server_description": "Our docs."}
    server = MCPServer("docs", REMOTE.url, TOKEN, configuration, {"X-Key": KEY})
    client = connect(fake_provider, **FORMATS["responses"](fake_provider))

    [response] = client.process_prompts_sync(["Hi"], tools=[server], show_progress=False)

    assert not response.is_error
    assert sent(fake_provider)[0]["tools"] == [
        {
            "type": "mcp",
            "server_label": "docs",
            "server_url": "https://mcp.example.com/mcp",
            "authorization": TOKEN,
            "headers": {"X-Key": KEY},
            "allowed_tools": ["search"],
            "require_approval": "always",
            "server_description": "Our docs.",
        }
    ]
    assert mcp_threads() == []


def test_anthropic_is_told_of_the_server_in_its_own_form(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, **FORMATS["anthropic"](fake_provider), extra_headers={"anthropic-beta": "x-beta"})
    other = MCPServer("open", "https://open.example.com/sse")

    [response] = client.process_prompts_sync(["Hi"], tools=[REMOTE, other], show_progress=False)

    assert not response.is_error
    [request] = sent(fake_provider)
    assert request["mcp_servers"] == [
        {"type": "url", "url": REMOTE.url, "name": "docs", "authorization_token": TOKEN},
        {"type": "url", "url": other.url, "name": "open"},
    ]
    assert request["tools"] == [
        {
            "type": "mcp_toolset",
            "mcp_server_name": "docs",
            "default_config": {"enabled": False},
            "configs": {"search": {"enabled": True}},
        },
        {"type": "mcp_toolset", "mcp_server_name": "open"},
    ]
    assert fake_provider.ledger[0].headers["anthropic-beta"] == "x-beta,mcp-client-2025-11-20"


@pytest.mark.parametrize("name", CONNECTING)
def test_every_kind_of_call_leaves_it_to_the_provider(name: str, fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, **FORMATS[name](fake_provider))
    tools = [REMOTE]

    client.process_prompts_sync(["a"], tools=tools, show_progress=False)
    list(client.process_prompts_iter(["b"], tools=tools, show_progress=False))
    *_, last = client.stream_chat_sync("c", tools)
    client.run_agent_loop_sync("d", tools=tools)
    asyncio.run(client.process_prompts_async(["e"], tools=tools, show_progress=False))
    asyncio.run(client.run_agent_loop("f", tools=tools))
    client.start_sync("g", tools=tools)

    assert isinstance(last, APIResponse)
    assert not last.is_error
    requests = sent(fake_provider)
    assert len(requests) == 7
    assert all(request["tools"] == requests[0]["tools"] for request in requests)
    assert mcp_threads() == []


def test_a_disabled_server_is_left_out(fake_provider: FakeProvider, connect: Connect) -> None:
    off = MCPServer("off", REMOTE.url, configuration={"enabled": False})
    for name in ("openai", *CONNECTING):
        connect(fake_provider, **FORMATS[name](fake_provider)).process_prompts_sync(
            ["Hi"], tools=[off], show_progress=False
        )

    assert not [request for request in sent(fake_provider) if request.get("tools") or request.get("mcp_servers")]


# --- what the provider did goes back

OPENAI_ITEMS: list[dict[str, Any]] = [
    {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "docs", "tools": []},
    {
        "type": "mcp_call",
        "id": "mcp_1",
        "server_label": "docs",
        "name": "search",
        "arguments": "{}",
        "output": "found",
        "error": None,
    },
    {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "docs", "name": "search", "arguments": "{}"},
]
ANTHROPIC_BLOCKS: list[dict[str, Any]] = [
    {"type": "mcp_tool_listing", "mcp_server_name": "docs", "tools": []},
    {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "search", "server_name": "docs", "input": {"q": "a"}},
    {
        "type": "mcp_tool_result",
        "tool_use_id": "mcptoolu_1",
        "is_error": False,
        "content": [{"type": "text", "text": "found"}],
    },
    {"type": "text", "text": "It says a."},
]


def test_what_openai_did_with_the_server_is_kept_and_goes_back(fake_provider: FakeProvider, connect: Connect) -> None:
    document = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": OPENAI_ITEMS}
    fake_provider.use_script([Reply.raw(200, {"content-type": "application/json"}, json.dumps(document).encode())])
    client = connect(fake_provider, **FORMATS["responses"](fake_provider))

    conversation, response = client.run_agent_loop_sync("Hi", tools=[REMOTE])
    assert response.finish_reason == "stop"
    approval = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    conversation.add(Message("tool", [ProviderPart("openai-responses", approval, "tool_calls")]))
    client.process_prompts_sync([conversation], tools=[REMOTE], show_progress=False)

    assert sent(fake_provider)[1]["input"][1:] == [*OPENAI_ITEMS, approval]


def test_what_anthropic_did_with_the_server_is_kept_and_goes_back(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    document = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "stop_reason": "end_turn",
        "content": ANTHROPIC_BLOCKS,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    fake_provider.use_script([Reply.raw(200, {"content-type": "application/json"}, json.dumps(document).encode())])
    client = connect(fake_provider, **FORMATS["anthropic"](fake_provider))

    conversation, response = client.run_agent_loop_sync("Hi", tools=[REMOTE])
    assert response.completion == "It says a."
    conversation.add(Message.user("More"))
    [second] = client.process_prompts_sync([conversation], tools=[REMOTE], show_progress=False)

    assert not second.is_error, second.error_message
    assert sent(fake_provider)[1]["messages"][1]["content"] == ANTHROPIC_BLOCKS


# --- connected to from here


@pytest.mark.parametrize("name", FORMATS)
def test_an_agent_runs_the_tools_of_the_server_on_every_format(
    name: str, fake_provider: FakeProvider, connect: Connect, server_url: str
) -> None:
    fake_provider.use_script(
        [Reply.tool_calls(call("add", a=2, b=3), call("fail", reason="it is full")), Reply.text("done")]
    )
    client = connect(fake_provider, **FORMATS[name](fake_provider), force_local_mcp=True)

    conversation, response = client.run_agent_loop_sync("Go", tools=[MCPServer("scripted", server_url)])

    assert response.completion == "done"
    assert results(conversation) == [("5", False), ("Error executing tool fail: it is full", True)]


def test_the_model_sees_the_images_that_a_tool_gives(
    fake_provider: FakeProvider, connect: Connect, server_url: str
) -> None:
    fake_provider.use_script([Reply.tool_calls(call("picture")), Reply.text("red")])
    client = connect(fake_provider, **FORMATS["anthropic"](fake_provider))

    conversation, _ = client.run_agent_loop_sync("Go", tools=[MCPServer("scripted", server_url)])

    [result] = conversation[2].tool_results
    assert any(isinstance(part, Image) for part in result.parts)
    [block] = sent(fake_provider)[1]["messages"][2]["content"]
    assert [inner["type"] for inner in block["content"]] == ["text", "image"]


def test_only_allowed_tools_are_offered(fake_provider: FakeProvider, connect: Connect, server_url: str) -> None:
    server = MCPServer("scripted", server_url, configuration={"allowed_tools": ["add"]})

    connect(fake_provider).process_prompts_sync(["Hi"], tools=[server], show_progress=False)

    assert [tool["function"]["name"] for tool in sent(fake_provider)[0]["tools"]] == ["add"]


def test_token_and_headers_go_along(fake_provider: FakeProvider, connect: Connect, server_url: str) -> None:
    server = MCPServer("scripted", server_url, token=TOKEN, headers={"X-Key": KEY})
    fake_provider.use_script([Reply.tool_calls(call("headers"))])

    conversation, _ = connect(fake_provider).run_agent_loop_sync("Go", tools=[server])

    seen = json.loads(results(conversation)[0][0])
    assert (seen["authorization"], seen["x-key"]) == (f"Bearer {TOKEN}", KEY)


@pytest.mark.parametrize(
    "server",
    [{"headers": {"X-Key": KEY}}, {"configuration": {"require_approval": "always"}}, {}],
    ids=["headers", "approval", "http"],
)
def test_what_anthropic_has_no_place_for_is_connected_to_from_here(
    server: dict[str, Any], fake_provider: FakeProvider, connect: Connect, server_url: str
) -> None:
    client = connect(fake_provider, **FORMATS["anthropic"](fake_provider))

    client.process_prompts_sync(["Hi"], tools=[MCPServer("scripted", server_url, **server)], show_progress=False)

    [request] = sent(fake_provider)
    assert "mcp_servers" not in request
    assert "add" in [tool["name"] for tool in request["tools"]]


def test_a_pool_with_a_model_that_cannot_connect_offers_the_tools_to_all(
    fake_provider: FakeProvider, connect: Connect, server_url: str
) -> None:
    env = {"ANTHROPIC_BASE_URL": fake_provider.anthropic_url, "OPENAI_BASE_URL": fake_provider.openai_url}
    keys = {"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}
    client = connect(
        fake_provider, ["claude-haiku-4-5", "gpt-4.1-mini"], base_url=None, api_key=None, env={**env, **keys}
    )

    responses = client.process_prompts_sync(["Hi"] * 20, tools=[MCPServer("scripted", server_url)], show_progress=False)

    assert not [response.error_message for response in responses if response.is_error]
    assert {response.model_internal for response in responses} == {"claude-haiku-4-5", "gpt-4.1-mini"}
    assert not [request for request in sent(fake_provider) if "mcp_servers" in request]


def test_a_thousand_agents_share_one_connection(
    fake_provider: FakeProvider, connect: Connect, stdio: dict[str, Any]
) -> None:
    fake_provider.use_script(
        lambda record: Reply.text("done") if b'"tool"' in record.body else Reply.tool_calls(call("add", a=1, b=2))
    )
    tools = Tool.from_mcp_sync("scripted", **stdio)
    client = connect(fake_provider, max_concurrent_requests=100)

    outcomes = client.process_agent_loops_sync(
        [f"{number}" for number in range(1_000)], tools=tools, show_progress=False
    )

    assert all(results(conversation) == [("3", False)] for conversation, _ in outcomes)
    [process] = [tool for tool in tools if tool.name == "process"]
    assert process.call().split()[1] == "1000"


def test_a_server_that_hangs_is_a_result_that_the_model_reads(
    fake_provider: FakeProvider, connect: Connect, stdio: dict[str, Any]
) -> None:
    fake_provider.use_script([Reply.tool_calls(call("hang"), call("add", a=1, b=1)), Reply.text("done")])
    Tool.from_mcp_sync("scripted", **stdio)  # starts it, however long that takes
    tools = Tool.from_mcp_sync("scripted", **stdio, timeout=2)

    conversation, response = connect(fake_provider).run_agent_loop_sync("Go", tools=tools)

    assert response.completion == "done"
    (hung, is_error), right = results(conversation)
    assert is_error
    assert hung.startswith("MCPTimeoutError: MCP server 'scripted'")
    assert right == ("2", False)


def test_a_server_that_is_not_there_fails_the_call_before_anything_is_sent(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    nobody = MCPServer("weather", "http://127.0.0.1:1/mcp", token=TOKEN)
    client = connect(fake_provider)

    with pytest.raises(MCPConnectionError, match="'weather'") as caught:
        client.process_prompts_sync(["Hi"], tools=[nobody], show_progress=False)
    with pytest.raises(MCPConnectionError, match="'weather'"):
        asyncio.run(client.run_agent_loop("Hi", tools=[nobody]))

    assert TOKEN not in str(caught.value)
    assert fake_provider.ledger == []


def test_a_loop_written_by_hand_runs_the_tools_of_the_server(
    fake_provider: FakeProvider, connect: Connect, server_url: str
) -> None:
    server = MCPServer("scripted", server_url)
    fake_provider.use_script([Reply.tool_calls(call("add", a=20, b=3))])
    [response] = connect(fake_provider).process_prompts_sync(["Hi"], tools=[server], show_progress=False)

    [result] = execute_tool_calls(response, [server])

    assert (result.text, result.is_error) == ("23", False)


def test_two_servers_with_the_same_tools_in_one_call(
    fake_provider: FakeProvider, connect: Connect, reach: Callable[[str], dict[str, Any]]
) -> None:
    servers = [MCPServer("left", reach("http")["url"]), MCPServer("right", reach("sse")["url"])]
    pids = [next(tool for tool in _tools(server) if tool.name == "process").call().split()[0] for server in servers]
    fake_provider.use_script([Reply.tool_calls(call("left_process"), call("right_process"))])

    conversation, _ = connect(fake_provider).run_agent_loop_sync("Go", tools=servers)

    assert [text.split()[0] for text, _ in results(conversation)] == pids
    assert pids[0] != pids[1]


def _tools(server: MCPServer) -> list[Tool]:
    return Tool.from_mcp_sync(server.name, url=server.url)


def test_closing_the_client_closes_what_was_opened_for_it_and_nothing_else(
    fake_provider: FakeProvider, connect: Connect, server_url: str
) -> None:
    own = {tool.name: tool for tool in Tool.from_mcp_sync("mine", url=server_url, headers={"X-Mine": "1"})}
    client = connect(fake_provider)
    client.process_prompts_sync(["Hi"], tools=[MCPServer("scripted", server_url)], show_progress=False)

    client.close()

    assert own["add"].call(a=1, b=2) == "3"
    with pytest.raises(ClientClosedError):
        client.process_prompts_sync(["Hi"], tools=[MCPServer("scripted", server_url)], show_progress=False)
    Tool.close_mcp()
    assert mcp_threads() == []


# --- secrets and caches


def test_token_and_headers_are_shown_nowhere(
    fake_provider: FakeProvider, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = MCPServer("docs", f"{REMOTE.url}?key={KEY}", TOKEN, None, {"X-Key": KEY})
    caplog.set_level(logging.DEBUG)
    quoting = {"error": {"message": f"cannot reach it with {TOKEN} and {KEY}", "type": "x", "code": "y"}}
    fake_provider.use_script(
        [Reply.raw(400, {"content-type": "application/json"}, json.dumps(quoting).encode()), Reply.text("fine")]
    )
    path = tmp_path / "cache.sqlite"
    with closing(SqliteCache(path)) as cache:
        client = connect(fake_provider, **FORMATS["responses"](fake_provider), cache=cache)
        [bad] = client.process_prompts_sync(["Hi"], tools=[server], show_progress=False)
        [good] = client.process_prompts_sync(["Hi"], tools=[server], show_progress=False)

    assert bad.is_error
    assert "***" in str(bad.error_message)
    assert not good.is_error
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    shown = [repr(server), str(server), repr(bad), repr(good), repr(vars(client)), caplog.text, repr(server.headers)]
    assert not [text for text in shown if TOKEN in text or KEY in text]
    assert TOKEN.encode() not in stored
    assert KEY.encode() not in stored


def test_an_imitator_that_repeats_the_token_does_not_bring_it_into_the_response(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    document = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "m",
        "output": [
            {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
        ],
        "tools": [{"type": "mcp", "server_label": "docs", "authorization": TOKEN, "headers": {"X-Key": KEY}}],
        "something_new": 1,
    }
    fake_provider.use_script([Reply.raw(200, {"content-type": "application/json"}, json.dumps(document).encode())])

    [response] = connect(fake_provider, **FORMATS["responses"](fake_provider)).process_prompts_sync(
        ["Hi"], tools=[REMOTE], show_progress=False
    )

    assert response.raw_response is not None
    assert TOKEN not in repr(response)
    assert KEY not in repr(response)


def test_the_server_is_part_of_the_question_that_a_cache_answers(
    fake_provider: FakeProvider, connect: Connect, tmp_path: Path
) -> None:
    others = [
        MCPServer("docs", "https://mcp.example.com/other", TOKEN),
        MCPServer("docs", "https://mcp.example.com/mcp", "another-0123456789"),
        MCPServer("docs", "https://mcp.example.com/mcp", TOKEN, {"allowed_tools": ["search"]}),
        MCPServer("docs", "https://mcp.example.com/mcp", TOKEN, None, {"X-Account": "2"}),
    ]
    with closing(SqliteCache(tmp_path / "cache.sqlite")) as cache:
        client = connect(fake_provider, **FORMATS["responses"](fake_provider), cache=cache)

        def ask(server: MCPServer) -> APIResponse:
            [response] = client.process_prompts_sync(["Hi"], tools=[server], show_progress=False)
            return response

        first = ask(MCPServer("docs", "https://mcp.example.com/mcp", TOKEN))
        same = ask(MCPServer("docs", "https://mcp.example.com/mcp", TOKEN))
        different = [ask(server) for server in others]

    assert not first.local_cache_hit
    assert same.local_cache_hit
    assert not [response for response in different if response.local_cache_hit]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a b", "https://x.test"), "name is 1 to 64"),
        (("a", "x.test"), "http or https URL"),
        (("a", "https://x.test", "two\nlines"), "token must be"),
        (("a", "https://x.test", None, {"tools": []}), "configuration takes"),
        (("a", "https://x.test", None, {"allowed_tools": "x"}), "must be a list"),
        (("a", "https://x.test", None, {"require_approval": "sometimes"}), "'never' or 'always'"),
        (("a", "https://x.test", None, None, {"a": 1}), "headers must be a dict of texts"),
    ],
)
def test_a_server_that_cannot_work_is_refused(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        MCPServer(*arguments)
