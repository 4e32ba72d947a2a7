from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from deluge_sync import Tool, ToolParams
from deluge_sync.errors import ConfigError, ToolArgumentsError


class Colour(Enum):
    RED = "red"


class Point(BaseModel):
    x: int


def given(**arguments: Any) -> dict[str, Any]:
    return arguments


def test_types_pairs_and_nested_dicts_are_parameters() -> None:
    params = ToolParams(
        {
            "city": str,
            "limit": (int, {"default": 5, "description": "how many", "minimum": 1}),
            "where": {"lat": float, "lon": (float, {"optional": True})},
            "tags": [str],
        }
    )
    assert params.schema == {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "limit": {"type": "integer", "default": 5, "description": "how many", "minimum": 1},
            "where": {"$ref": "#/$defs/where"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["city", "where", "tags"],
        "additionalProperties": False,
        "$defs": {
            "where": {
                "type": "object",
                "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
                "required": ["lat"],
                "additionalProperties": False,
                "title": "where",
            }
        },
    }


SPECS: list[tuple[Any, list[tuple[Any, Any]], list[Any]]] = [
    (str, [("x", "x")], [1, None]),
    (Colour, [("red", Colour.RED)], ["green"]),
    (Point, [({"x": 1}, Point(x=1))], [{}]),
    (date, [("2026-01-02", date(2026, 1, 2))], ["x"]),
    (int | None, [(None, None), (1, 1)], ["x"]),
    (Literal["a", "b"], [("a", "a")], ["c"]),
    (dict[str, int], [({"a": 1}, {"a": 1})], [{"a": "x"}]),
    ([int], [([1], [1])], [["x"], 1]),
    ([{"a": int}], [([{"a": 1}], [{"a": 1}])], [[{}], [{"a": 1, "b": 2}]]),
    ({"a": {"b": [str]}}, [({"a": {"b": ["x"]}}, {"a": {"b": ["x"]}})], [{"a": {}}, {"a": {"b": "x"}}]),
    ({"type": str}, [({"type": "x"}, {"type": "x"})], [{}, "x"]),
    (ToolParams({"a": int}), [({"a": 1}, {"a": 1})], [{}]),
    ({"type": "string", "enum": ["a"]}, [("a", "a")], ["b", 1]),
    ({"type": "array", "items": {"type": "integer"}}, [([1], [1])], [["x"]]),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, [("a", "a"), (None, None)], [1]),
    ((str, {"enum": ["a", "b"]}), [("a", "a")], ["c"]),
    ((int, {"minimum": 1, "maximum": 3}), [(1, 1)], [0, 4]),
    ((str, {"maxLength": 2}), [("ab", "ab")], ["abc"]),
    ({}, [(1, 1), (None, None)], []),
    (Any, [(1, 1)], []),
]


@pytest.mark.parametrize(("spec", "fitting", "wrong"), SPECS, ids=lambda value: str(value)[:30])
def test_the_schema_and_the_call_take_and_refuse_the_same(
    spec: Any, fitting: list[tuple[Any, Any]], wrong: list[Any], fits_schema: Callable[[Any, Any], bool]
) -> None:
    tool = Tool.from_params("f", ToolParams({"a": spec}), run=given)
    for sent, expected in fitting:
        assert fits_schema(tool.parameters, {"a": sent})
        assert tool.call(a=sent) == {"a": expected}
    for sent in wrong:
        assert spec is date or not fits_schema(tool.parameters, {"a": sent})
        with pytest.raises(ToolArgumentsError):
            tool.call(a=sent)
    with pytest.raises(ToolArgumentsError, match="a: is required"):
        tool.call()
    with pytest.raises(ToolArgumentsError, match="b: there is no such parameter"):
        tool.call(a=fitting[0][0], b=1)


def test_defaults_are_passed_and_what_is_optional_is_left_out() -> None:
    params = ToolParams(
        {
            "a": (int, {"default": 5}),
            "b": (Colour, {"default": "red"}),
            "c": (str, {"optional": True}),
            "d": {"type": "string", "default": "x"},
            "e": {"type": "string", "optional": True},
            "f": (int, {"default": None}),
        }
    )
    tool = Tool.from_params("f", params, run=given)
    assert tool.parameters.get("required", []) == []
    assert tool.call() == {"a": 5, "b": Colour.RED, "d": "x", "f": None}
    assert tool.call(a=None, c=None, d=None) == {"a": 5, "b": Colour.RED, "d": "x", "f": None}


def test_the_function_gets_what_it_asks_for() -> None:
    def function(where: Point, colour: Colour, /) -> tuple[Point, Colour]:
        return where, colour

    tool = Tool.from_params("f", ToolParams({"where": {"x": int}, "colour": str}), run=function)
    assert tool.call(where={"x": 1}, colour="red") == (Point(x=1), Colour.RED)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"a": "int"}, "parameters.a must be a type, a (type, dict) pair, a JSON Schema or a dict, not 'int'"),
        ({"a": {"b": 5}}, "parameters.a.b must be a type, a (type, dict) pair, a JSON Schema or a dict, not 5"),
        ({"a": (int, "x")}, "parameters.a: beside a type stands a dict of JSON Schema keywords, not 'x'"),
        ({"a": [int, str]}, "parameters.a: a list holds what its items are, once: [str]; not "),
        ({5: int}, "parameters must be a dict of parameters by name, not {5: "),
        ("x", "parameters must be a dict of parameters by name, not 'x'"),
        ({"a": (int, {"enum": {1}})}, "parameters.a cannot be written as JSON: "),
    ],
)
def test_what_describes_no_parameter_is_refused(spec: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ToolParams(spec)
    assert str(caught.value).startswith(message)


def test_from_params_takes_nothing_else() -> None:
    with pytest.raises(ConfigError, match="tool 'f' is made of ToolParams, not of "):
        Tool.from_params("f", {"a": 1})  # type: ignore[arg-type]  # that is what must fail


def test_the_dict_that_was_given_is_not_kept() -> None:
    own: dict[str, Any] = {"a": {"type": "array", "items": {"type": "string"}}}
    params = ToolParams(own)
    own["a"]["items"]["type"] = "integer"
    own["b"] = int
    assert params.schema["properties"] == {"a": {"type": "array", "items": {"type": "string"}}}
    params.schema["properties"].clear()
    assert params.schema["properties"]
    assert Tool.from_params("f", params, run=given).call(a=["x"]) == {"a": ["x"]}


def test_the_repr_shows_the_schema() -> None:
    assert repr(ToolParams({"a": int})) == (
        'ToolParams({"additionalProperties":false,"properties":{"a":{"type":"integer"}},"required":["a"],'
        '"type":"object"})'
    )
