from __future__ import annotations

import dataclasses
import json
from types import MappingProxyType
from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.tool import Tool


def schema() -> dict[str, Any]:
    return {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", None]}}}


def test_a_tool_takes_nothing_unless_told() -> None:
    assert Tool("now").to_dict() == {
        "name": "now",
        "description": None,
        "parameters": {"type": "object", "properties": {}},
    }


def test_the_dict_form_is_json_and_shares_nothing_with_the_tool() -> None:
    tool = Tool("weather", "The weather in a city.", schema())
    written = tool.to_dict()
    assert json.loads(json.dumps(written)) == {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": schema(),
    }
    written["parameters"]["properties"]["city"]["type"] = "integer"
    assert tool.parameters == schema()


def test_a_later_change_of_the_schema_does_not_reach_the_tool() -> None:
    own = schema()
    tool = Tool("weather", None, own)
    own["properties"]["city"]["type"] = "integer"
    own["properties"]["country"] = {"type": "string"}
    assert tool.parameters == schema()


def test_any_mapping_is_a_schema() -> None:
    own = MappingProxyType({"type": "object", "properties": MappingProxyType({"a": {"enum": (1, 2)}})})
    assert Tool("f", None, own).parameters == {"type": "object", "properties": {"a": {"enum": [1, 2]}}}


def test_a_tool_is_a_value() -> None:
    tool = Tool("weather", "d", schema(), run=print)
    assert tool == Tool("weather", "d", schema(), run=print)
    assert tool != Tool("weather", "d", {"type": "object"}, run=print)
    assert len({tool, Tool("weather", "d", schema(), run=print)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        tool.name = "other"  # type: ignore[misc]  # that is what must fail


ENDLESS: dict[str, Any] = {"type": "object"}
ENDLESS["properties"] = {"again": ENDLESS}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": ""}, "a tool's name is 1 to 64 letters, digits, _ and -; not ''"),
        ({"name": "a b"}, "a tool's name is 1 to 64 letters, digits, _ and -; not 'a b'"),
        ({"name": "a\n"}, r"a tool's name is 1 to 64 letters, digits, _ and -; not 'a\n'"),
        ({"name": "é"}, "a tool's name is 1 to 64 letters, digits, _ and -; not 'é'"),
        ({"name": None}, "a tool's name is 1 to 64 letters, digits, _ and -; not None"),
        ({"description": 5}, "the description of tool 'f' must be a text, not 5"),
        ({"parameters": {"type": "string"}}, "the parameters of tool 'f' must be a JSON Schema of type object"),
        ({"parameters": {}}, "the parameters of tool 'f' must be a JSON Schema of type object"),
        ({"parameters": None}, "the parameters of tool 'f' must be a JSON Schema of type object"),
        ({"parameters": int}, "the parameters of tool 'f' must be a JSON Schema of type object"),
        ({"run": "f"}, "run of tool 'f' must be a function, not 'f'"),
        (
            {"parameters": {"type": "object", "properties": {"a": int}}},
            "the parameters of tool 'f' cannot be written as JSON: type is no JSON value",
        ),
        ({"parameters": ENDLESS}, "the parameters of tool 'f' cannot be written as JSON: Circular reference detected"),
    ],
)
def test_what_no_provider_takes_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Tool(**{"name": "f", **values})
    assert str(caught.value) == message


def test_a_name_of_64_characters_is_the_longest() -> None:
    assert Tool("a" * 64).name == "a" * 64
    with pytest.raises(ConfigError, match="1 to 64 letters"):
        Tool("a" * 65)
