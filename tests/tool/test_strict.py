"""The strict form, judged by the rules of the providers, and null read back as "left out"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from openai.lib._pydantic import _ensure_strict_json_schema
from pydantic import BaseModel, Field

from deluge_sync._adapters import anthropic_schema
from deluge_sync._adapters.json_schema import allows_strict, strict_parameters
from deluge_sync.testing._openai_strict import strict_problem
from deluge_sync.tool import Tool
from deluge_sync.tool.strict import strict_form, without_null_for_nothing


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: float
    y: float = 0.0
    label: str | None = "p"


class Node(BaseModel):
    value: int = 7
    children: list[Node] = []


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: int = 0


@dataclass
class Span:
    start: int
    end: int = 10


def nothing() -> Any: ...
def plain(a: int, b: str, c: bool, d: float) -> Any: ...
def defaults(a: int = 5, b: str = "x", c: list[int] | None = None, d: Colour = Colour.RED) -> Any: ...
def bounded(a: Annotated[int, Field(ge=0, le=9, description="how many")] = 3) -> Any: ...
def literals(a: Literal["x", "y"], b: Literal["x", None] = None, c: Literal[1] = 1) -> Any: ...
def formats(a: date, b: UUID | None = None) -> Any: ...
def models(a: Point, b: list[Point], c: Point = Point(x=1), d: Point | None = None) -> Any: ...  # noqa: B008
def described_model(a: Annotated[Point, "where it begins"] = Point(x=1)) -> Any: ...  # noqa: B008
def itself(a: Node, b: Node | None = None) -> Any: ...
def tagged(a: Annotated[Cat | Dog, Field(discriminator="kind")], b: Cat | Dog | None = None) -> Any: ...
def dataclasses(a: Span, b: list[Span] = []) -> Any: ...  # noqa: B006
def odd_names(title: str, description: str = "d", default: int = 1, properties: int = 2, required: int = 3) -> Any: ...


STRICT: list[Callable[..., Any]] = [
    nothing, plain, defaults, bounded, literals, formats, models, described_model, itself, tagged, dataclasses,
    odd_names,
]  # fmt: skip


def pair(a: tuple[int, str]) -> Any: ...
def unique(a: set[str]) -> Any: ...
def counts(a: dict[str, int]) -> Any: ...
def anything(a: Any) -> Any: ...
def open_ended(a: int, **others: int) -> Any: ...
def free(a: dict[str, Any], b: int = 1) -> Any: ...


LAX = [pair, unique, counts, anything, open_ended, free]

Values: TypeAlias = Callable[[Any], st.SearchStrategy[Any]]
every_value = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def named(function: Callable[..., Any]) -> str:
    return function.__name__


@pytest.mark.parametrize("function", STRICT, ids=named)
def test_the_strict_form_is_what_openai_takes(function: Callable[..., Any]) -> None:
    strict = Tool.from_function(function).strict_parameters
    assert strict is not None
    assert allows_strict(strict)
    assert strict_problem(strict) is None
    assert strict_parameters(Tool.from_function(function)) == strict
    copy: Any = Tool.from_function(function).strict_parameters
    assert _ensure_strict_json_schema(copy, path=(), root=copy) == strict  # the official package changes nothing


@pytest.mark.parametrize("function", [f for f in STRICT if f not in (bounded, itself)], ids=named)
def test_the_strict_form_is_what_anthropic_takes(function: Callable[..., Any]) -> None:
    strict = Tool.from_function(function).strict_parameters
    assert strict is not None
    assert anthropic_schema.allows_strict(strict)


@pytest.mark.parametrize("function", LAX, ids=named)
def test_what_cannot_be_strict_is_told_and_not_said_to_be(
    function: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    strict = Tool.from_function(function).strict_parameters
    assert strict is None or not allows_strict(strict)
    caplog.clear()
    with caplog.at_level("DEBUG", logger="deluge_sync"):
        assert strict_parameters(Tool.from_function(function, description="one of its own")) is None
    told = f"tool {function.__name__} is sent without strict, which its schema does not allow"
    assert caplog.messages == [told]


@pytest.mark.parametrize("function", [*STRICT, *LAX], ids=named)
def test_whatever_fits_the_schema_is_accepted(
    function: Callable[..., Any], values_of: Values, fits_schema: Callable[[Any, Any], bool]
) -> None:
    tool = Tool.from_function(function)

    @every_value
    @given(values_of(tool.parameters))
    def accepted(arguments: Any) -> None:
        assume(fits_schema(tool.parameters, arguments))  # a document may fit both branches of a oneOf
        tool.call(**arguments)

    accepted()


@pytest.mark.parametrize("function", STRICT, ids=named)
def test_whatever_fits_the_strict_schema_is_accepted(
    function: Callable[..., Any], values_of: Values, fits_schema: Callable[[Any, Any], bool]
) -> None:
    tool = Tool.from_function(function)
    strict = tool.strict_parameters
    assert strict is not None

    @every_value
    @given(values_of(strict))
    def accepted(arguments: Any) -> None:
        assert fits_schema(strict, arguments)
        assert fits_schema(tool.parameters, without_null_for_nothing(arguments, tool.parameters))
        tool.call(**arguments)

    accepted()


def test_optional_properties_become_required_and_nullable_and_tell_their_default() -> None:
    def function(
        a: int,
        b: Annotated[int, Field(description="how many")] = 5,
        c: str | None = "x",
        d: Colour = Colour.RED,
        e: int | None = None,
    ) -> None: ...

    assert Tool.from_function(function).strict_parameters == {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "how many (Default: 5)"},
            "c": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": 'Default: "x"'},
            "d": {"anyOf": [{"$ref": "#/$defs/Colour"}, {"type": "null"}], "description": 'Default: "red"'},
            "e": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
        "required": ["a", "b", "c", "d", "e"],
        "additionalProperties": False,
        "$defs": {"Colour": {"type": "string", "enum": ["red", "blue"], "title": "Colour"}},
    }


def test_null_comes_back_as_the_default_unless_the_parameter_takes_null() -> None:
    def function(
        a: int = 5, b: str | None = "x", c: Colour = Colour.RED, d: Any = 1, e: Literal["x", None] = "x"
    ) -> tuple[Any, ...]:
        return a, b, c, d, e

    assert Tool.from_function(function).call(a=None, b=None, c=None, d=None, e=None) == (
        5,
        None,
        Colour.RED,
        None,
        None,
    )


def test_null_comes_back_as_the_default_at_any_depth() -> None:
    def function(a: Point, b: list[Point], c: Cat | Dog, d: Node, e: Point | None = None) -> tuple[Any, ...]:
        return a, b, c, d, e

    point = {"x": 1, "y": None, "label": None}
    arguments = {
        "a": point,
        "b": [point],
        "c": {"kind": "dog", "tricks": None},
        "d": {"value": None, "children": [{"value": 1, "children": None}]},
        "e": point,
    }
    expected = Point(x=1, y=0, label=None)
    assert Tool.from_function(function).call(**arguments) == (
        expected,
        [expected],
        Dog(tricks=0),
        Node(value=7, children=[Node(value=1)]),
        expected,
    )


class Left(BaseModel):
    kind: Literal["left"]
    value: int = 1


class Right(BaseModel):
    kind: Literal["right"]
    value: int | None = 2


def test_the_tag_tells_of_which_variant_a_null_is() -> None:
    def function(a: Left | Right) -> Left | Right:
        return a

    tool = Tool.from_function(function)
    assert tool.call(a={"kind": "left", "value": None}) == Left(kind="left", value=1)
    assert tool.call(a={"kind": "right", "value": None}) == Right(kind="right", value=None)


def test_null_for_what_is_required_is_still_wrong() -> None:
    with pytest.raises(ValueError, match="a: input should be a valid integer, not None"):
        Tool.from_function(plain).call(a=None, b="", c=True, d=1)


def test_the_arguments_that_were_given_are_not_changed() -> None:
    arguments = {"a": {"x": 1, "y": None}, "b": []}
    without_null_for_nothing(arguments, Tool.from_function(models).parameters)
    assert arguments == {"a": {"x": 1, "y": None}, "b": []}


CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
TEXT_OR_NUMBER = [{"type": "string"}, {"type": "integer"}]


def holding(part: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": part}, **more}


def strictly_holding(part: Any, **more: Any) -> dict[str, Any]:
    return {**CLOSED, "properties": {"a": part}, "required": ["a"], **more}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object"}, CLOSED),
        ({"type": "object", "properties": {}}, CLOSED),
        ({"type": "object", "additionalProperties": True}, None),
        ({"type": "object", "additionalProperties": {"type": "string"}}, None),
        ({"type": "object", "patternProperties": {"^a": {}}}, None),
        (holding({"type": "object"}), None),
        (holding({"type": "object", "properties": {}}), None),
        (holding(CLOSED, required=["a"]), strictly_holding(CLOSED)),
        (holding({"oneOf": TEXT_OR_NUMBER}, required=["a"]), strictly_holding({"anyOf": TEXT_OR_NUMBER})),
        (holding({"type": ["string", "null"]}), strictly_holding({"type": ["string", "null"]})),
        (
            holding({"enum": ["x", 1, None]}),
            strictly_holding({"enum": ["x", 1, None], "type": ["string", "integer", "null"]}),
        ),
        (holding({"const": "x", "default": "x"}), strictly_holding({"const": "x", "type": "string"})),
        (
            holding({"const": "x"}),
            strictly_holding({"anyOf": [{"const": "x", "type": "string"}, {"type": "null"}]}),
        ),
        (
            holding({"$ref": "#/$defs/A", "description": "d"}, **{"$defs": {"A": {"type": "string"}}}),
            strictly_holding(
                {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "description": "d"},
                **{"$defs": {"A": {"type": "string"}}},
            ),
        ),
    ],
)
def test_schemas_written_by_hand(schema: dict[str, Any], strict: dict[str, Any] | None) -> None:
    assert strict_form(schema) == strict


ENDLESS: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"$ref": "#/properties/a"}, "b": {"$ref": "elsewhere"}},
}


def test_references_that_lead_nowhere_end() -> None:
    assert strict_form(ENDLESS) is not None
    assert without_null_for_nothing({"a": {"c": None}, "b": [None]}, ENDLESS) == {"a": {"c": None}, "b": [None]}
