from __future__ import annotations

import asyncio
import copy
import dataclasses
import functools
import json
import pickle
import typing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, NotRequired

import pytest
from pydantic import AfterValidator, BaseModel, Field

from deluge_sync.errors import ConfigError, ToolArgumentsError
from deluge_sync.tool import Tool, ToolParams


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


# --- made of a class


class Request(BaseModel):
    """Where to look."""

    city: str
    limit: Annotated[int, Field(description="how many", ge=1)] = 5
    schema_: str = Field("s", alias="schema")


def whole(request: Request) -> Any:
    return request


def whole_unannotated(request: Any) -> Any:
    return request


def whole_with_more(request: Request, verbose: bool = False) -> Any:
    return request, verbose


def by_field(city: str, limit: int, schema_: str) -> Any:
    return city, limit, schema_


def by_any_field(**fields: Any) -> Any:
    return tuple(fields.values())


REQUEST = Request(city="Oslo", schema="t")


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (whole, REQUEST),
        (whole_unannotated, REQUEST),
        (lambda request: request, REQUEST),
        (whole_with_more, (REQUEST, False)),
        (by_field, ("Oslo", 5, "t")),
        (by_any_field, ("Oslo", 5, "t")),
        (functools.partial(whole_with_more, verbose=True), (REQUEST, True)),
    ],
)
def test_a_model_reaches_the_function_whole_or_by_field(run: Callable[..., Any], expected: Any) -> None:
    tool = Tool.from_pydantic("look", Request, run=run)
    assert tool.call(city="Oslo", schema="t") == expected


def test_the_schema_of_a_model_is_that_of_its_fields() -> None:
    tool = Tool.from_pydantic("look", Request)
    assert (tool.name, tool.description, tool.run) == ("look", "Where to look.", None)
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "limit": {"type": "integer", "default": 5, "description": "how many", "minimum": 1},
            "schema": {"type": "string", "default": "s"},
        },
        "required": ["city"],
    }
    assert Tool.from_pydantic("look", Request, description="Look.").description == "Look."


class Node(BaseModel):
    value: int
    children: list[Node] = []


def test_a_model_that_contains_itself_is_an_object_at_the_top() -> None:
    tool = Tool.from_pydantic("tree", Node, run=lambda tree: tree)
    assert tool.parameters["type"] == "object"
    assert tool.call(value=1, children=[{"value": 2}]) == Node(value=1, children=[Node(value=2)])


class Pet(typing.TypedDict):
    """A pet."""

    name: Annotated[str, Field(description="how it is called")]
    born: NotRequired[date]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda pet: pet, {"name": "Rex", "born": date(2026, 1, 2)}),
        (lambda name, born: (name, born), ("Rex", date(2026, 1, 2))),
        (lambda **fields: fields, {"name": "Rex", "born": date(2026, 1, 2)}),
    ],
)
def test_a_typed_dict_reaches_the_function_whole_or_by_key(run: Callable[..., Any], expected: Any) -> None:
    tool = Tool.from_typed_dict("pet", Pet, run=run)
    assert tool.description == "A pet."
    assert tool.parameters["required"] == ["name"]
    assert tool.parameters["properties"]["name"]["description"] == "how it is called"
    assert tool.call(name="Rex", born="2026-01-02") == expected


def test_a_single_parameter_called_like_a_field_gets_the_field() -> None:
    class Name(typing.TypedDict):
        name: str

    assert Tool.from_typed_dict("f", Name, run=lambda name: name).call(name="x") == "x"
    assert Tool.from_typed_dict("f", Name, run=lambda it: it).call(name="x") == {"name": "x"}


@pytest.mark.parametrize("make", [Tool.from_pydantic, Tool.from_typed_dict])
@pytest.mark.parametrize("wrong", [int, {"a": int}, None, Request(city="x")], ids=repr)
def test_what_is_no_such_class_is_refused(make: Callable[..., Tool], wrong: Any) -> None:
    with pytest.raises(ConfigError, match="tool 'f' is made of a"):
        make("f", wrong)


def test_further_arguments_go_to_the_constructor() -> None:
    own = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert Tool.from_pydantic("f", Request, parameters=own).parameters == own
    with pytest.raises(TypeError, match="colour"):
        Tool.from_pydantic("f", Request, colour="red")


# --- called


def test_a_tool_without_a_function_cannot_be_called() -> None:
    with pytest.raises(ConfigError) as caught:
        Tool("f").call()
    assert str(caught.value) == "tool 'f' has no function to run; give it one with run="
    with pytest.raises(ConfigError, match="no function"):
        asyncio.run(Tool.from_pydantic("f", Request).acall(city="x"))


def test_a_schema_written_by_hand_is_held_to() -> None:
    closed = {**schema(), "additionalProperties": False, "required": ["city"]}
    tool = Tool("f", None, closed, run=lambda **arguments: arguments)
    assert tool.call(city="Oslo") == {"city": "Oslo"}
    wrong_ones: list[tuple[dict[str, Any], str]] = [
        ({}, "city: is required"),
        ({"city": 5}, "city: must fit"),
        ({"city": "Oslo", "x": 1}, "x: there"),
    ]
    for wrong, told in wrong_ones:
        with pytest.raises(ToolArgumentsError, match=told):
            tool.call(**wrong)


def test_a_function_behind_a_schema_written_by_hand_gets_what_it_asks_for() -> None:
    parameters = {"type": "object", "properties": {"request": {"type": "object"}, "on": {"type": "string"}}}

    def run(request: Request, on: date = date(2026, 1, 1)) -> tuple[Request, date]:
        return request, on

    tool = Tool("f", None, parameters, run=run)
    assert tool.call(request={"city": "Oslo", "schema": "t"}, on=None) == (REQUEST, date(2026, 1, 1))
    with pytest.raises(ToolArgumentsError, match="on: input should be a valid date"):
        tool.call(request={"city": "Oslo"}, on="x")


def test_a_function_that_cannot_be_read_gets_the_arguments_as_they_came() -> None:
    def run(*_: int, **arguments: Any) -> Any:
        return arguments

    assert Tool("f", None, {"type": "object"}, run=run).call(a=[1], self=2) == {"a": [1], "self": 2}


def test_everything_wrong_is_told_in_one_line_without_addresses() -> None:
    class Point(BaseModel):
        x: int

    def function(city: str, points: list[Point], either: int | list[int], on: date) -> None: ...

    with pytest.raises(ToolArgumentsError) as caught:
        Tool.from_function(function).call(points=[{"x": 1}, {"x": "a\nb"}, {}], either="z" * 100, on="x", colour="red")
    assert caught.value.tool_name == "function"
    assert caught.value.complaints == (
        "city: is required",
        "points[1].x: input should be a valid integer, unable to parse string as an integer, not 'a\\nb'",
        "points[2].x: is required",
        f"either (as int): input should be a valid integer, unable to parse string as an integer, not '{'z' * 56}...",
        f"either (as list[int]): input should be a valid array, not '{'z' * 56}...",
        "on: input should be a valid date or datetime, input is too short, not 'x'",
        "colour: there is no such parameter",
    )
    message = str(caught.value)
    assert message == f"wrong arguments for tool 'function': {'; '.join(caught.value.complaints)}"
    assert "\n" not in message
    assert "http" not in message
    assert "pydantic" not in message


def test_a_validator_of_the_users_speaks_in_its_own_words() -> None:
    def must_be_even(value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value

    def function(a: Annotated[int, AfterValidator(must_be_even)]) -> int:
        return a

    with pytest.raises(ToolArgumentsError, match="'function': a: must be even, not 3"):
        Tool.from_function(function).call(a=3)


def test_wrong_arguments_do_not_reach_the_function() -> None:
    ran: list[int] = []
    tool = Tool.from_function(ran.append, name="f")
    assert tool.call(object=1) is None
    with pytest.raises(ToolArgumentsError):
        tool.call(other=2)
    with pytest.raises(ToolArgumentsError):
        asyncio.run(tool.acall(other=2))
    assert ran == [1]


def test_a_tool_that_was_made_is_a_value_like_one_by_hand() -> None:
    assert Tool.from_function(by_field) == Tool.from_function(by_field)
    assert len({Tool.from_function(by_field), Tool.from_function(by_field)}) == 1
    assert "binding" not in repr(Tool.from_function(by_field))


def twice(request: Request) -> int:
    return 2 * request.limit


def take(pet: Pet) -> str:
    return pet["name"]


def length(name: str) -> int:
    return len(name)


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        (Tool.from_function(length), {"name": "ab"}, 2),
        (Tool.from_function(functools.partial(length)), {"name": "ab"}, 2),
        (Tool.from_pydantic("f", Request, run=twice), {"city": "Oslo"}, 10),
        (Tool.from_typed_dict("f", Pet, run=take), {"name": "Rex"}, "Rex"),
        (Tool.from_params("f", ToolParams({"name": (str, {"maxLength": 3})}), run=length), {"name": "ab"}, 2),
        (Tool("f", None, {"type": "object"}, run=length), {"name": "ab"}, 2),
    ],
    ids=["function", "partial", "pydantic", "typed_dict", "params", "hand"],
)
@pytest.mark.parametrize("copied", [lambda tool: pickle.loads(pickle.dumps(tool)), copy.deepcopy, copy.copy])
def test_a_copy_of_a_tool_works(tool: Tool, arguments: Any, expected: Any, copied: Callable[[Tool], Tool]) -> None:
    twin = copied(tool)
    assert twin.to_dict() == tool.to_dict()
    assert twin.call(**arguments) == expected
    with pytest.raises(ToolArgumentsError):
        twin.call(wrong=1)


def test_a_tool_is_called_by_many_threads() -> None:
    tool = Tool.from_function(by_field)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda index: tool.call(city=str(index), limit=index, schema_="s"), range(200)))
    assert results == [(str(index), index, "s") for index in range(200)]
