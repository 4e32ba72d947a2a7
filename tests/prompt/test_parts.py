from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import Text, ToolCall, ToolResult, compact_json, copy_json


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        ('{"city":"Köln","days":2}', {"city": "Köln", "days": 2}),
        ("{}", {}),
        ('{"a":{"b":[1,null]}}', {"a": {"b": [1, None]}}),
    ],
)
def test_compact_arguments_are_kept_once(raw: str, arguments: dict[str, Any]) -> None:
    call = ToolCall.from_text("c", "f", raw)
    assert (call.arguments, call.raw_arguments, call.arguments_text) == (arguments, None, raw)


@pytest.mark.parametrize("raw", ['{"a": 1}', '{ "a" : 1 }\n', '{"a":1e0}', '{"a":1,"a":2}', '{"a":"\\u00e9"}'])
def test_arguments_go_back_character_by_character(raw: str) -> None:
    call = ToolCall.from_text("c", "f", raw)
    assert call.arguments_text == raw
    assert not call.is_malformed
    assert set(call.arguments) == {"a"}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param('{"a": 1', id="cut"),
        pytest.param("not json", id="words"),
        pytest.param("[1, 2]", id="list"),
        pytest.param('"text"', id="string"),
        pytest.param("null", id="null"),
        pytest.param('{"a": NaN}', id="nan"),
        pytest.param('{"a": -Infinity}', id="infinity"),
        pytest.param('{"a":' * 3000, id="deep"),
        pytest.param('{"a":' + "9" * 5000 + "}", id="digits"),
    ],
)
def test_malformed_arguments_are_not_lost(raw: str) -> None:
    call = ToolCall.from_text("c", "f", raw)
    assert call.arguments == {}
    assert call.raw_arguments == raw
    assert call.arguments_text == raw
    assert call.is_malformed


@pytest.mark.parametrize("raw", ["", "  ", "\n"])
def test_empty_arguments_mean_none(raw: str) -> None:
    call = ToolCall.from_text("c", "f", raw)
    assert call == ToolCall("c", "f", {})
    assert call.arguments_text == "{}"


def test_arguments_that_are_no_dict_are_refused() -> None:
    with pytest.raises(ConfigError, match="tool call 'f' are no dict"):
        ToolCall("c", "f", ["a"])  # type: ignore[arg-type]


def test_arguments_without_a_json_form_are_named() -> None:
    with pytest.raises(ConfigError, match="arguments of tool call 'f' cannot be written as JSON"):
        _ = ToolCall("c", "f", {"when": object()}).arguments_text


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("18 °C", "18 °C"),
        ({"temp": 18}, '{"temp":18}'),
        ([1, 2], "[1,2]"),
        ([], "[]"),
        (None, "null"),
        (True, "true"),
        ([Text("a"), Text("b")], (Text("a"), Text("b"))),
    ],
)
def test_any_value_can_be_a_tool_result(value: Any, result: Any) -> None:
    assert ToolResult.of("c", value).result == result


def test_a_result_of_parts_reads_as_text() -> None:
    assert ToolResult("c", [Text("a"), Text("b")]).text == "ab"
    assert ToolResult("c", "plain").text == "plain"


def test_parts_can_stand_in_sets() -> None:
    call = ToolCall("c", "f", {"a": [1]})
    assert {call, ToolCall("c", "f", {"a": [1]}), Text("x", {"d": {}}), ToolResult("c", [Text("x")])} >= {call}


def test_a_copy_shares_nothing() -> None:
    given = {"a": [{"b": 1}], "c": MappingProxyType({"d": (1, 2)})}
    copied = copy_json(given)
    assert copied == {"a": [{"b": 1}], "c": {"d": [1, 2]}}
    copied["a"][0]["b"] = 2
    assert given["a"] == [{"b": 1}]


def test_compact_json_writes_other_scripts_as_they_are() -> None:
    assert compact_json({"ü": ["中", MappingProxyType({"x": 1})]}) == '{"ü":["中",{"x":1}]}'
