"""Messages out of lines, values out of results, names, and answers to what a server asks: all of it pure."""

from __future__ import annotations

import base64
import re
from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deluge_sync import File, Image, Tool
from deluge_sync.errors import MCPToolError
from deluge_sync.prompt.parts import Text
from deluge_sync.tool.mcp.config import server_config
from deluge_sync.tool.mcp.elicitation import defaults_of
from deluge_sync.tool.mcp.lines import LineCutter, find_message
from deluge_sync.tool.mcp.naming import distinct, offered_name
from deluge_sync.tool.mcp.registry import Lease
from deluge_sync.tool.mcp.remote import RemoteRun
from deluge_sync.tool.mcp.results import read_result

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
NOTICE = b'{"jsonrpc":"2.0","method":"notifications/message"}'


# --- lines


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=8), st.integers(1, 7))
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], size: int) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    cutter = LineCutter()

    found = [line for start in range(0, len(whole), size) for line in cutter.feed(whole[start : start + size])]

    assert found == lines


def test_a_line_without_end_is_refused() -> None:
    cutter = LineCutter(longest_bytes=100)
    list(cutter.feed(b"x" * 60))

    with pytest.raises(ValueError, match="more than 100 bytes"):
        list(cutter.feed(b"x" * 60))


@pytest.mark.parametrize(
    "line", [NOTICE, NOTICE + b"\r", b"  " + NOTICE, b"progress 10% " + NOTICE, b'\xff {"a" ' + NOTICE]
)
def test_a_message_is_found_behind_noise(line: bytes) -> None:
    message = find_message(line)

    assert isinstance(message, types.JSONRPCNotification)
    assert message.method == "notifications/message"


@pytest.mark.parametrize("line", [b"", b"hello", b"{}", b'{"jsonrpc": "1.0"}', b'{"level": "info"}', b"[1]", b"\xff"])
def test_noise_is_no_message(line: bytes) -> None:
    assert find_message(line) is None


# --- results


def result(*content: Any, **more: Any) -> types.CallToolResult:
    return types.CallToolResult.model_validate({"content": list(content), **more})


def resource(**of: Any) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": "file:///a", **of}}


@pytest.mark.parametrize(
    ("given_result", "value"),
    [
        (result({"type": "text", "text": "a"}), "a"),
        (result({"type": "text", "text": "a"}, {"type": "text", "text": "b"}), "a\nb"),
        (result(), ""),
        (result(structuredContent={"a": 1}), '{"a":1}'),
        (result({"type": "text", "text": "said"}, structuredContent={"a": 1}), "said"),
        (result(resource(text="inside")), "inside"),
        (
            result({"type": "resource_link", "name": "a", "description": "what it is", "uri": "file:///a"}),
            "a\nwhat it is\nfile:///a",
        ),
        (
            result({"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}),
            "[audio: audio/wav, 3 bytes, not shown]",
        ),
        (result({"type": "image", "data": "A", "mimeType": "image/png"}), "[image: image/png, cannot be read]"),
        (
            result({"type": "image", "data": "AAAA", "mimeType": "image/svg+xml"}),
            "[image: image/svg+xml, 3 bytes, not shown]",
        ),
        (
            result(resource(blob="AAAA", mimeType="application/zip")),
            "[resource file:///a: application/zip, 3 bytes, not shown]",
        ),
    ],
)
def test_a_result_of_texts_is_text(given_result: types.CallToolResult, value: str) -> None:
    assert read_result("s", "t", given_result) == value


def test_images_and_pdf_files_become_parts() -> None:
    pdf = base64.b64encode(b"%PDF-1.7").decode()

    value = read_result(
        "s",
        "t",
        result(
            {"type": "text", "text": "look"},
            {"type": "image", "data": PNG, "mimeType": "image/png"},
            resource(blob=PNG, mimeType="image/png"),
            resource(blob=pdf, mimeType="application/pdf"),
        ),
    )

    assert [type(part) for part in value] == [Text, Image, Image, File]


def test_an_error_is_raised_with_its_text_and_its_parts() -> None:
    failed = result(
        {"type": "text", "text": "no such file"}, {"type": "image", "data": PNG, "mimeType": "image/png"}, isError=True
    )

    with pytest.raises(MCPToolError, match="no such file") as caught:
        read_result("files", "read", failed)

    assert (caught.value.server_name, caught.value.tool_name) == ("files", "read")
    assert [type(part) for part in caught.value.parts] == [Text, Image]
    with pytest.raises(MCPToolError, match="did not say why"):
        read_result("files", "read", result(isError=True))


# --- names


def remote(server: str, name: str) -> Tool:
    lease = Lease(server_config(server, command="true"))
    return Tool(offered_name(name), run=RemoteRun(lease, server, name, 1, may_repeat=False))


@given(st.lists(st.text(max_size=80), min_size=1, max_size=3))
def test_an_offered_name_is_one_that_providers_take(words: list[str]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", offered_name(*words))


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert offered_name("x" * 70 + "a") != offered_name("x" * 70 + "b")


def test_only_names_that_clash_are_prefixed_and_only_those_of_servers() -> None:
    own = Tool("search")
    dict_tool = {"type": "web_search"}

    found = distinct([own, remote("web", "search"), remote("docs", "search"), remote("docs", "read"), dict_tool])

    assert [tool["type"] if isinstance(tool, dict) else tool.name for tool in found] == [
        "search",
        "web_search",
        "docs_search",
        "read",
        "web_search",
    ]


# --- what a server asks


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"properties": {"a": {"default": 1}, "b": {"default": False}}}, {"a": 1, "b": False}),
        ({"properties": {"a": {"default": 1}, "b": {}}}, {"a": 1}),
        ({"properties": {"a": {"default": 1}, "b": {}}, "required": ["b"]}, None),
        ({"properties": {}}, None),
        ({}, None),
    ],
)
def test_a_form_is_answered_with_what_it_proposes_or_not_at_all(schema: dict[str, Any], answer: Any) -> None:
    assert defaults_of(schema) == answer
