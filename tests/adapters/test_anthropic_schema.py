"""JSON Schemas in the part that Anthropic takes: what is closed, what is told in words, what has no form."""

from __future__ import annotations

import copy
import enum
from typing import Any, Literal

import pytest
from anthropic import transform_schema
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from deluge_sync._adapters.anthropic_schema import allows_strict, translated
from deluge_sync._adapters.json_schema import schema_of
from deluge_sync.errors import ConfigError
from deluge_sync.testing._anthropic_schema import schema_problem

STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "object", "properties": {"a": STRING}},
            {"type": "object", "properties": {"a": STRING}, "additionalProperties": False},
        ),
        (
            {"type": "object", "properties": {"a": STRING}, "additionalProperties": True, "$schema": "x"},
            {"type": "object", "properties": {"a": STRING}, "additionalProperties": False},
        ),
        (
            {"type": "object", "additionalProperties": False},
            {"type": "object", "additionalProperties": False},
        ),
        (
            {"type": "integer", "minimum": 1, "maximum": 9},
            {"type": "integer", "description": "(minimum: 1, maximum: 9)"},
        ),
        (
            {"type": "string", "maxLength": 5, "description": "A name."},
            {"type": "string", "description": "A name. (maxLength: 5)"},
        ),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "binary"}, {"type": "string", "description": "(format: binary)"}),
        (
            {"type": "array", "items": {"type": "number", "multipleOf": 2}, "minItems": 1},
            {"type": "array", "items": {"type": "number", "description": "(multipleOf: 2)"}, "minItems": 1},
        ),
        (
            {"type": "array", "items": STRING, "minItems": 3},
            {"type": "array", "items": STRING, "description": "(minItems: 3)"},
        ),
        ({"oneOf": [STRING, {"type": "null"}]}, {"anyOf": [STRING, {"type": "null"}]}),
        (
            {"$defs": {"A": {"type": "object", "properties": {}, "additionalProperties": False}}, "$ref": "#/$defs/A"},
            {"$defs": {"A": {"type": "object", "properties": {}, "additionalProperties": False}}, "$ref": "#/$defs/A"},
        ),
    ],
)
def test_a_schema_is_written_in_the_part_that_the_api_takes(schema: Any, expected: Any) -> None:
    given_schema = copy.deepcopy(schema)
    assert translated(schema) == expected
    assert schema == given_schema


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "object"}, "it is an object with free keys"),
        (
            {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": STRING}}},
            "a is an object with free keys",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/Node"}},
                "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
            },
            "Node contains itself",
        ),
        (
            {
                "type": "object",
                "properties": {},
                "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/B"}]}, "B": {"items": {"$ref": "#/$defs/A"}}},
            },
            "contains itself",
        ),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "it contains itself"),
        ({"type": "object", "properties": {"a": True}}, ".a is no schema: True"),
    ],
)
def test_what_the_api_has_no_form_for_is_refused_before_it_costs(schema: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=rf"cannot be written for Anthropic: .*{problem}"):
        translated(schema)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: str = Field(max_length=20)
    size: float = Field(ge=0, description="In metres.")
    colour: Colour = Colour.RED


class Order(BaseModel):
    parts: list[Part] = Field(min_length=2)
    kind: Literal["a", "b"]
    note: str | None = None
    choice: Part | int


def test_a_class_gives_a_schema_that_the_embedded_provider_and_the_official_package_agree_with() -> None:
    ours = translated(schema_of(Order)[1])
    assert schema_problem(ours) is None
    theirs = transform_schema(Order)
    assert ours["properties"].keys() == theirs["properties"].keys()
    assert ours["$defs"]["Part"]["additionalProperties"] is theirs["$defs"]["Part"]["additionalProperties"] is False
    assert ours["$defs"]["Part"]["properties"]["size"]["description"] == "In metres. (minimum: 0)"


@pytest.mark.parametrize(
    ("schema", "is_strict"),
    [
        ({"type": "object", "properties": {"a": STRING}, "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": STRING}, "required": [], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": STRING}}, False),
        ({"type": "object", "properties": {"a": {"minimum": 1}}, "additionalProperties": False}, False),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "additionalProperties": False}, False),
    ],
)
def test_a_tool_is_strict_only_where_its_schema_needs_no_change(schema: Any, is_strict: bool) -> None:
    assert allows_strict(schema) is is_strict


leaves = st.sampled_from(
    [STRING, {"type": "integer", "minimum": 0}, {"enum": ["a", 1]}, {"const": 3}, {"type": "null"}]
)
schemas: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items, "maxItems": 3}, inner),
        st.builds(lambda options: {"oneOf": options}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda fields: {"type": "object", "properties": fields, "required": list(fields)},
            st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, min_size=1, max_size=3),
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(schema=schemas)
def test_what_was_translated_is_taken_and_needs_no_further_change(schema: Any) -> None:
    written = translated(schema)
    assert schema_problem(written) is None
    assert translated(written) == written
