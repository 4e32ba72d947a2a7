"""What Anthropic answers 400 to gets a 400 of its shape here; what it takes is taken."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync.testing import FakeProvider
from deluge_sync.testing._anthropic_schema import schema_problem

EARLIER, LATER = "2023-06-01", "2026-10-21"
Post = Callable[..., tuple[int, Any]]


@pytest.fixture
def post(fake_provider: FakeProvider) -> Post:
    """Sends one request of this format and gives status and document."""

    def send(body: Any, path: str = "/v1/messages", **headers: str) -> tuple[int, Any]:
        host = fake_provider.anthropic_url.removeprefix("http://").removesuffix("/anthropic")
        connection = http.client.HTTPConnection(host, timeout=5)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"x-api-key": "k", "anthropic-version": EARLIER, **named}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request("POST", f"/anthropic{path}", raw, {name: value for name, value in sent.items() if value})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    return send


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 4_000, "messages": [user("hello")], **changes}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def model(*content: Any) -> dict[str, Any]:
    return {**user(*content), "role": "assistant"}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def call(call_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "f", "input": {}}


def result(call_id: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, **more}


def mark(ttl: str = "5m") -> dict[str, Any]:
    return {"cache_control": {"type": "ephemeral", "ttl": ttl}}


SHAPE: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
TOOL: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
THINK = {"type": "enabled", "budget_tokens": 1_024}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}

TAKEN: dict[str, dict[str, Any]] = {
    "temperature": body(temperature=0.5),
    "parallel results": body(messages=[user("x"), model(call("a"), call("b")), user(result("b"), result("a"))]),
    "results in two messages": body(
        messages=[user("x"), model(call("a"), call("b")), user(result("a")), user(result("b"), text("Go on."))]
    ),
    "a tool of the provider": body(tools=[SEARCH, TOOL]),
    "blocks of its tools": body(
        messages=[
            user("x"),
            model({"type": "server_tool_use", "id": "s", "name": "web_fetch", "input": {}}, text("So")),
            model({"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {"type": "brand_new"}}, text("So")),
        ]
    ),
    "thinking before a result": body(
        thinking=THINK, tools=[TOOL], messages=[user("x"), model(THOUGHT, call("a")), user(result("a"))]
    ),
    "four marks": body(
        tools=[TOOL | mark("1h")], system=[text("s", **mark("1h"))], messages=[user(text("x", **mark()))], **mark()
    ),
    "a schema": body(output_config={"format": {"type": "json_schema", "schema": SHAPE}}),
    "the beta's schema": body(output_format={"type": "json_schema", "schema": SHAPE}),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "not valid JSON"),
    "no object": ([], "not valid JSON"),
    "no model": ({"max_tokens": 1, "messages": [user("x")]}, "'model': Field required"),
    "no bound": ({"model": "m", "messages": [user("x")]}, "'max_tokens': Field required"),
    "unknown field": (body(seed=1), "'seed': Extra inputs"),
    "unknown block": (body(messages=[user({"type": "odd"})]), "messages"),
    "hot": (body(temperature=1.5), "temperature: must be between 0 and 1"),
    "temperature and top_p": (body(temperature=0.5, top_p=0.9), "cannot both be specified"),
    "no messages": (body(messages=[]), "at least one message"),
    "no content": (body(messages=[user("x"), {"role": "user", "content": []}]), "must have non-empty content"),
    "blank": (body(messages=[user(" ")]), "non-whitespace"),
    "blank system": (body(system=[text("")]), "system.0: text content blocks"),
    "blank in a result": (
        body(messages=[user("x"), model(call("a")), user(result("a", content=[text(" ")]))]),
        "content.0.content.0: text content blocks",
    ),
    "blanks at the end": (body(messages=[user("x"), model("Once ")]), "trailing whitespace"),
    "call without result": (body(messages=[user("x"), model(call("a")), user("y")]), "without `tool_result` blocks"),
    "call at the end": (body(messages=[user("x"), model(call("a"))]), "without `tool_result` blocks"),
    "words before a result": (
        body(messages=[user("x"), model(call("a")), user(text("y"), result("a"))]),
        "without `tool_result` blocks",
    ),
    "result without call": (body(messages=[user(result("a"))]), "unexpected `tool_use_id`"),
    "id": (body(messages=[user("x"), model(call("a.b")), user(result("a.b"))]), "should match pattern"),
    "id twice": (body(messages=[user("x"), model(call("a"), call("a")), user(result("a"), result("a"))]), "unique"),
    "tools twice": (body(tools=[TOOL, TOOL]), "names must be unique"),
    "tool name": (body(tools=[{**TOOL, "name": "a b"}]), "should match pattern"),
    "tool schema": (body(tools=[{"name": "f", "input_schema": {}}]), "input_schema.type"),
    "open strict tool": (body(tools=[{**TOOL, "strict": True}]), "additionalProperties"),
    "too many strict tools": (
        body(tools=[{"name": f"t{n}", "input_schema": SHAPE, "strict": True} for n in range(21)]),
        "at most 20",
    ),
    "choice without tools": (body(tool_choice={"type": "auto"}), "while providing `tools`"),
    "choice of an unknown tool": (body(tools=[TOOL], tool_choice={"type": "tool", "name": "g"}), "not found"),
    "forced while thinking": (body(tools=[TOOL], tool_choice={"type": "any"}, thinking=THINK), "forces tool use"),
    "small budget": (body(thinking={"type": "enabled", "budget_tokens": 1_023}), "greater than or equal to 1024"),
    "large budget": (body(thinking={"type": "enabled", "budget_tokens": 4_000}), "must be greater than"),
    "warm thinking": (body(thinking=THINK, temperature=0.5), "only be set to 1"),
    "no thought before a call": (
        body(thinking=THINK, tools=[TOOL], messages=[user("x"), model(call("a")), user(result("a"))]),
        "Expected `thinking`",
    ),
    "five marks": (body(system=[text("s", **mark()) for _ in range(5)]), "A maximum of 4 blocks"),
    "an hour behind five minutes": (body(system=[text("s", **mark()), text("t", **mark("1h"))]), "must not come after"),
    "open schema": (
        body(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
        "'additionalProperties' must be explicitly set to false",
    ),
    "file without beta": (
        body(messages=[user({"type": "document", "source": {"type": "file", "file_id": "f"}})]),
        "needs the beta header",
    ),
}  # fmt: skip


@pytest.mark.parametrize("request_body", TAKEN.values(), ids=TAKEN)
def test_what_the_provider_takes_is_taken(post: Post, request_body: dict[str, Any]) -> None:
    assert post(request_body)[0] == 200


@pytest.mark.parametrize(("request_body", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_the_provider_refuses_is_refused(post: Post, request_body: Any, problem: str) -> None:
    status, document = post(request_body)
    assert (status, document["type"], document["error"]["type"]) == (400, "error", "invalid_request_error")
    assert problem in document["error"]["message"]


def test_a_version_must_be_named_and_known(post: Post) -> None:
    assert post(body(), anthropic_version="")[1]["error"]["message"] == "anthropic-version: header is required"
    assert "not a valid version" in post(body(), anthropic_version="1999-01-01")[1]["error"]["message"]


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_the_later_version_has_no_sampling(post: Post, name: str) -> None:
    assert post(body(**{name: 1}), anthropic_version=EARLIER)[0] == 200
    status, document = post(body(**{name: 1}), anthropic_version=LATER)
    assert (status, document["error"]["message"]) == (400, f"{name}: Extra inputs are not permitted")


def test_a_file_that_is_not_there_is_not_found(post: Post) -> None:
    named = body(messages=[user({"type": "document", "source": {"type": "file", "file_id": "f"}})])
    assert post(named, anthropic_beta="files-api-2025-04-14")[0] == 404
    assert post(named, anthropic_version=LATER)[0] == 404


def test_counting_is_as_strict(post: Post) -> None:
    counted = {"model": "m", "messages": [user("hello")]}
    assert post(counted, "/v1/messages/count_tokens") == (200, {"input_tokens": 6})
    assert post(body(), "/v1/messages/count_tokens")[0] == 400


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (SHAPE, None),
        ({"type": "object"}, "in (), for 'object' type"),
        ({"type": "integer", "minimum": 1}, "'minimum' is not supported"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, "'minItems' values"),
        ({"anyOf": [{"type": "array", "items": {"oneOf": []}}]}, "in ().anyOf[0].items, property 'oneOf'"),
        ({"$defs": {"A": {"items": {"$ref": "#/$defs/A"}}}}, "circular reference"),
    ],
)
def test_a_schema_is_told_what_keeps_it_out(schema: dict[str, Any], problem: str | None) -> None:
    found = schema_problem(schema)
    assert found == problem if problem is None else problem in (found or "")
