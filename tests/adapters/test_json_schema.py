from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from deluge_sync._adapters.json_schema import allows_strict, schema_of
from deluge_sync.errors import ConfigError

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: float
    y: float


class Shape(BaseModel):
    """A figure."""

    name: Annotated[str, Field(description="what it is called", max_length=20)]
    colour: Colour
    corners: list[Point]
    centre: Point | None
    made_on: date
    kind: Literal["plane", "solid"]


class WithDefaults(BaseModel):
    size: int = 5
    note: str | None = None
    tags: list[str] = []


class Node(BaseModel):
    value: int
    children: list[Node]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Described(BaseModel):
    start: Annotated[Point, Field(description="where it begins")]


class Keywords(BaseModel):
    """Fields that are called like words of JSON Schema."""

    type: str
    properties: int
    default: str
    required: bool


class Box(BaseModel, Generic[T]):
    content: T


class Nothing(BaseModel):
    pass


def without_defaults(schema: Any) -> Any:
    if isinstance(schema, list):
        return [without_defaults(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_defaults(value) for key, value in schema.items() if key != "default"}


@pytest.mark.parametrize("model_class", [Point, Shape, WithDefaults, Nothing, Box[int]])
def test_the_schema_of_a_class_is_the_strict_one_of_the_official_package(model_class: type[BaseModel]) -> None:
    _, schema = schema_of(model_class)
    assert allows_strict(schema)
    assert schema == without_defaults(to_strict_json_schema(model_class))


def test_a_class_that_contains_itself_is_an_object_at_the_top() -> None:
    _, schema = schema_of(Node)
    assert allows_strict(schema)
    assert schema["type"] == "object"
    assert schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["additionalProperties"] is False


def test_a_tagged_union_is_any_of_its_variants() -> None:
    _, schema = schema_of(Owner)
    assert allows_strict(schema)
    assert schema["properties"]["pet"] == {
        "anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
        "title": "Pet",
    }


def test_a_reference_keeps_its_description_beside_it() -> None:
    _, schema = schema_of(Described)
    assert allows_strict(schema)
    assert schema["properties"]["start"] == {"anyOf": [{"$ref": "#/$defs/Point"}], "description": "where it begins"}


def test_fields_named_like_keywords_survive() -> None:
    _, schema = schema_of(Keywords)
    assert allows_strict(schema)
    assert list(schema["properties"]) == schema["required"] == ["type", "properties", "default", "required"]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 1


class Mapped(BaseModel):
    counts: dict[str, int]


class Anything(BaseModel):
    value: Any


class Pair(BaseModel):
    pair: tuple[int, str]


class Unique(BaseModel):
    words: set[str]


class Linked(BaseModel):
    url: HttpUrl


@pytest.mark.parametrize("model_class", [Open, Mapped, Anything, Pair, Unique, Linked])
def test_a_class_that_strict_mode_cannot_hold_is_given_as_it_is(model_class: type[BaseModel]) -> None:
    _, schema = schema_of(model_class)
    assert schema == model_class.model_json_schema()
    assert not allows_strict(schema)


def test_a_dict_is_taken_as_it_is() -> None:
    given_schema = {"title": "Answer of ours", "type": "object", "properties": {"a": {"type": "integer", "default": 1}}}
    assert schema_of(given_schema) == ("Answer_of_ours", given_schema)


@pytest.mark.parametrize(
    ("title", "name"),
    [("Sum", "Sum"), ("My sum: 2!", "My_sum_2"), ("", "answer"), ("日本", "answer"), ("x" * 80, "x" * 64), (7, "7")],
)
def test_the_name_is_one_that_providers_take(title: Any, name: str) -> None:
    assert schema_of({"title": title, "type": "object"})[0] == name


def test_the_name_of_a_generic_class_is_one_too() -> None:
    assert schema_of(Box[int])[0] == "Box_int"


@pytest.mark.parametrize("wrong", [int, Point(x=1, y=2), "object", [Point], None])
def test_what_is_no_schema_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="output_schema is a pydantic model class or a JSON Schema, not"):
        schema_of(wrong)


class Odd:
    pass


class HoldsOdd(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    odd: Odd


def test_a_class_without_a_schema_is_refused() -> None:
    with pytest.raises(ConfigError, match="output_schema HoldsOdd has no JSON Schema: "):
        schema_of(HoldsOdd)


CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def holding(part: Any) -> dict[str, Any]:
    return {**CLOSED, "properties": {"a": part}}


@pytest.mark.parametrize(
    "schema",
    [
        CLOSED,
        holding(CLOSED),
        holding({"type": ["object", "null"], "properties": {}, "additionalProperties": False}),
        holding({"type": "array", "items": CLOSED}),
        holding({"anyOf": [CLOSED, {"type": "null"}]}),
        holding({"type": "string", "enum": ["object", "array"], "description": "a kind"}),
        {**holding({"$ref": "#/$defs/A"}), "$defs": {"A": CLOSED}},
        {"type": "object", "properties": {}, "additionalProperties": False},
    ],
)
def test_a_closed_and_complete_schema_may_be_strict(schema: Any) -> None:
    assert allows_strict(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}},
        {**CLOSED, "required": []},
        {**CLOSED, "required": ["a", "b"]},
        {**CLOSED, "required": "a"},
        {**CLOSED, "required": [["a"]]},
        {**CLOSED, "additionalProperties": {"type": "string"}},
        {**CLOSED, "properties": ["a"]},
        {**CLOSED, "properties": 1},
        holding({"type": "string", "format": ["date"]}),
        {**CLOSED, "anyOf": [CLOSED]},
        {**CLOSED, "allOf": [CLOSED]},
        {"type": "array", "items": CLOSED},
        {"type": ["array", "null"], "items": CLOSED},
        holding({"type": "object"}),
        holding({"type": ["object", "null"]}),
        holding({"type": "array"}),
        holding({"type": "array", "items": {"type": "object"}}),
        holding({"anyOf": [{"type": "object"}, {"type": "null"}]}),
        holding({"anyOf": {"type": "null"}}),
        holding({"oneOf": [{"type": "null"}]}),
        holding({"type": "string", "default": "x"}),
        holding({"type": "string", "format": "uri"}),
        holding({"type": "string", "pattern": "^(?!a)"}),
        holding({"$ref": "#/$defs/A", "description": "a"}),
        holding({}),
        holding(True),
        {**CLOSED, "$defs": {"A": {"type": "object"}}},
        {},
        None,
        [CLOSED],
    ],
)
def test_what_strict_mode_refuses_is_not_asked_for(schema: Any) -> None:
    assert not allows_strict(schema)


words = st.sampled_from(
    [
        "type",
        "properties",
        "required",
        "items",
        "anyOf",
        "additionalProperties",
        "$defs",
        "$ref",
        "format",
        "pattern",
        "a",
    ]
)
odd_schemas: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "array", "string", "a", "uri"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(schema=odd_schemas)
def test_a_senseless_schema_is_judged_without_an_exception(schema: Any) -> None:
    assert allows_strict(schema) in (True, False)
