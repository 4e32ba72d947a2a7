"""Values against schemas, with the `jsonschema` package as the judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deluge_sync.tool.fits import misfits

NODE = {
    "type": "object",
    "properties": {"next": {"$ref": "#"}, "value": {"$ref": "#/$defs/value"}},
    "required": ["value"],
    "$defs": {"value": {"type": "integer"}},
}
SCHEMAS: list[Any] = [
    True,
    False,
    {},
    {"type": "integer"},
    {"type": "number"},
    {"type": ["string", "null"]},
    {"type": "boolean"},
    {"enum": [1, "a", None, [1], {"a": 1}]},
    {"const": True},
    {"minimum": 1, "maximum": 3},
    {"exclusiveMinimum": 1, "exclusiveMaximum": 3},
    {"minLength": 1, "maxLength": 1},
    {"pattern": "^a"},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
    {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}},
    {"properties": {"a": {"type": "integer"}}, "required": ["b"]},
    {"properties": {"a": {}}, "additionalProperties": False},
    {"properties": {"a": {}}, "additionalProperties": {"type": "integer"}},
    {"minProperties": 1, "maxProperties": 1},
    {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
    {"allOf": [{"type": "integer"}, {"minimum": 2}]},
    NODE,
]
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 4) | st.sampled_from([1.0, 1.5, "", "a", "ab", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "next", "value"]), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_it_says_what_the_judge_says(schema: Any, fits_schema: Callable[[Any, Any], bool]) -> None:
    @settings(max_examples=60, deadline=None)
    @given(values)
    def same(value: Any) -> None:
        assert (misfits(value, schema) == []) == fits_schema(schema, value)

    same()


@pytest.mark.parametrize(
    ("value", "schema", "told"),
    [
        ("x", {"type": "integer"}, ["must fit type 'integer', not 'x'"]),
        ([1, "x"], {"items": {"type": "integer"}}, ["[1]: must fit type 'integer', not 'x'"]),
        ({}, {"required": ["a", "b"]}, ["a: is required", "b: is required"]),
        ({"c": 1}, {"additionalProperties": False}, ["c: there is no such parameter"]),
        ({"a": [5]}, {"properties": {"a": {"items": {"enum": [1]}}}}, ["a[0]: must fit enum [1], not 5"]),
    ],
)
def test_a_complaint_says_where_and_what(value: Any, schema: Any, told: list[str]) -> None:
    assert misfits(value, schema) == told


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/nowhere"},
        {"pattern": "(?<"},
        {"pattern": 5},
        {"type": "odd"},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_judged_is_passed_over(schema: Any) -> None:
    assert misfits("x", schema) == []
