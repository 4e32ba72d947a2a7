from __future__ import annotations

from typing import Any

import pytest

from codegen.shape import shape

NAMED: dict[str, Any] = {
    "components": {
        "schemas": {
            "Base": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            "Colour": {"type": "string", "enum": ["red"]},
            "a/b": {"type": "integer"},
        }
    }
}


@pytest.mark.parametrize(
    ("node", "kinds"),
    [
        ({"type": "string"}, {"string"}),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"type": "string", "nullable": True}, {"string", "null"}),
        (
            {"anyOf": [{"type": "integer"}, {"oneOf": [{"type": "number"}, {"type": "null"}]}]},
            {"integer", "number", "null"},
        ),
        ({"$ref": "#/components/schemas/Base"}, {"object"}),
        ({"$ref": "#/components/schemas/a~1b", "nullable": True}, {"integer", "null"}),
        ({"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"x": {}}}]}, {"object"}),
        ({"properties": {}}, {"object"}),
        ({"const": "x"}, {"string"}),
        ({"enum": ["x"]}, {"string"}),
        ({}, set()),
        ({"anyOf": [{"type": "string"}, {}]}, set()),
    ],
)
def test_kinds_of_every_way_to_write_them(node: dict[str, Any], kinds: set[str]) -> None:
    assert shape(NAMED, node).kinds == kinds


@pytest.mark.parametrize(
    ("node", "values"),
    [
        ({"type": "string", "enum": ["a", "b"]}, {"a", "b"}),
        ({"anyOf": [{"enum": ["a"]}, {"$ref": "#/components/schemas/Colour"}]}, {"a", "red"}),
        ({"const": "a"}, {"a"}),
        ({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "string"}]}, None),
        ({"type": "integer"}, None),
    ],
)
def test_values_are_known_only_where_no_other_string_is_allowed(node: dict[str, Any], values: set[str] | None) -> None:
    assert shape(NAMED, node).values == values


def test_all_parts_of_an_all_of_count() -> None:
    parts = [{"$ref": "#/components/schemas/Base"}, {"required": ["x"], "properties": {"x": {"type": "integer"}}}]
    [found] = shape(NAMED, {"allOf": parts}).objects
    assert found.properties == {"id": {"type": "string"}, "x": {"type": "integer"}}
    assert found.required == {"id", "x"}


def test_objects_keep_the_name_of_their_component_through_unions() -> None:
    node = {
        "anyOf": [{"$ref": "#/components/schemas/Base"}, {"type": "object", "additionalProperties": {"type": "null"}}]
    }
    first, second = shape(NAMED, node).objects
    assert (first.name, second.name) == ("Base", "")
    assert second.entries == {"type": "null"}
