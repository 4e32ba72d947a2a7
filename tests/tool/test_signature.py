"""Functions of every kind: the schema and the call take and refuse the same, and the function gets what it asks for."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Optional, Required, TypeAlias, Union
from uuid import UUID

import pytest
import typing_extensions
from annotated_types import Ge, MinLen
from pydantic import BaseModel, ConfigDict, Field

from deluge_sync.errors import ConfigError, ToolArgumentsError
from deluge_sync.tool import Tool


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Point(BaseModel):
    x: float
    y: float = 0.0


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    on: date
    colour: Colour


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


@dataclass
class Span:
    start: int
    end: int = 10
    tags: list[str] = field(default_factory=list)


class Place(typing.TypedDict):
    city: str
    zip: NotRequired[int]


class Partial(typing.TypedDict, total=False):
    name: Required[str]
    age: int


class Wider(Partial):
    home: Place


class Newer(typing_extensions.TypedDict):
    city: str


class Pair(NamedTuple):
    left: int
    right: str = "r"


UserId = NewType("UserId", int)
Json: TypeAlias = dict[str, int | str]


def takes_nothing() -> Any: ...
def text(a: str) -> Any: ...
def integer(a: int) -> Any: ...
def number(a: float) -> Any: ...
def boolean(a: bool) -> Any: ...
def nothing(a: None) -> Any: ...
def untyped(a) -> Any: ...  # type: ignore[no-untyped-def]  # that is what is tried
def anything(a: Any) -> Any: ...
def with_default(a: int = 5) -> Any: ...
def untyped_default(a=5) -> Any: ...  # type: ignore[no-untyped-def]  # that is what is tried
def maybe(a: Optional[int]) -> Any: ...  # noqa: UP045  (the old form is what is tried)
def maybe_left_out(a: int | None = None) -> Any: ...
def wrongly_none(a: int = None) -> Any: ...  # type: ignore[assignment]  # noqa: RUF013  (people write it)
def either(a: Union[int, list[str]]) -> Any: ...  # noqa: UP007  (the old form is what is tried)
def literal(a: Literal["a", "b", 3]) -> Any: ...
def single_literal(a: Literal["a"]) -> Any: ...
def literal_or_none(a: Literal["a", None]) -> Any: ...
def enum(a: Colour) -> Any: ...
def enum_default(a: Colour = Colour.BLUE) -> Any: ...
def int_enum(a: Level) -> Any: ...
def strings(a: list[str]) -> Any: ...
def any_list(a: list) -> Any: ...  # type: ignore[type-arg]  # people write it
def sequence(a: Sequence[int]) -> Any: ...
def matrix(a: list[list[float]]) -> Any: ...
def counts(a: dict[str, int]) -> Any: ...
def any_dict(a: dict) -> Any: ...  # type: ignore[type-arg]  # people write it
def mapping(a: Mapping[str, list[int]]) -> Any: ...
def pair(a: tuple[int, str]) -> Any: ...
def row(a: tuple[int, ...]) -> Any: ...
def named_tuple(a: Pair) -> Any: ...
def unique(a: set[str]) -> Any: ...
def frozen(a: frozenset[int]) -> Any: ...
def moment(a: datetime) -> Any: ...
def day(a: date) -> Any: ...
def hour(a: time) -> Any: ...
def period(a: timedelta) -> Any: ...
def identifier(a: UUID) -> Any: ...
def file(a: Path) -> Any: ...
def money(a: Decimal) -> Any: ...
def raw(a: bytes) -> Any: ...
def model(a: Point) -> Any: ...
def maybe_model(a: Point | None = None) -> Any: ...
def models(a: list[Point]) -> Any: ...
def models_by_name(a: dict[str, Point]) -> Any: ...
def strict_model(a: Strict) -> Any: ...
def itself(a: Node) -> Any: ...
def tagged(a: Annotated[Cat | Dog, Field(discriminator="kind")]) -> Any: ...
def untagged(a: Cat | Dog) -> Any: ...
def a_dataclass(a: Span) -> Any: ...
def typed_dict(a: Place) -> Any: ...
def inherited_typed_dict(a: Wider) -> Any: ...
def typed_dicts(a: list[Place] | None) -> Any: ...
def newer_typed_dict(a: Newer) -> Any: ...
def new_type(a: UserId) -> Any: ...
def an_alias(a: Json) -> Any: ...
def bounded(a: Annotated[int, Field(ge=1, le=3)]) -> Any: ...
def patterned(a: Annotated[str, Field(pattern="^a+$")]) -> Any: ...
def annotated_types(a: Annotated[int, Ge(2)], b: Annotated[list[int], MinLen(1)]) -> Any: ...
def field_default(a: int = Field(5, ge=1)) -> Any: ...
def keyword_only(*, a: int, b: str = "x") -> Any: ...
def several(a: int, b: list[Colour], c: bool = False) -> Any: ...
def open_ended(a: int, **others: int) -> Any: ...
def open_to_all(**others) -> Any: ...  # type: ignore[no-untyped-def]  # people write it
def odd_names(
    title: str, description: str, model_config: int, schema: int, json: int, _private: int, self: int
) -> Any: ...  # fmt: skip


def by_place(a: int, b: str = "x", /, c: bool = True) -> Any: ...


_UTC_NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
_UUID = "12345678-1234-5678-1234-567812345678"
_A_PARTIAL = {"name": "n", "home": {"city": "Oslo"}}

# The function; arguments that fit with what must arrive; arguments that do not fit.
Case: TypeAlias = tuple[Callable[..., Any], list[tuple[dict[str, Any], dict[str, Any]]], list[dict[str, Any]]]


def one(function: Callable[..., Any], fitting: Sequence[tuple[Any, Any]], wrong: Sequence[Any]) -> Case:
    """A case of a function whose only parameter is `a`, which is required."""
    return function, [({"a": sent}, {"a": got}) for sent, got in fitting], [{"a": sent} for sent in wrong] + [{}]


def same(*values: Any) -> list[tuple[Any, Any]]:
    return [(value, value) for value in values]


CASES: list[Case] = [
    (takes_nothing, [({}, {})], [{"a": 1}]),
    one(text, same("", "x", "ü\n"), [1, None, ["x"]]),
    one(integer, same(0, -5, 10**20), ["x", 1.5, None, []]),
    one(number, [(1, 1.0), (1.5, 1.5), (10**18, 1e18)], ["x", None]),
    one(boolean, same(True, False), ["perhaps", 5, None]),
    one(nothing, same(None), [0, "", False]),
    one(untyped, same(1, "x", None, [1], {"b": 1}), []),
    one(anything, same(1, "x", None, [1], {"b": 1}), []),
    (with_default, [({}, {}), ({"a": 6}, {"a": 6})], [{"a": "x"}, {"b": 1}]),
    (untyped_default, [({}, {}), ({"a": "x"}, {"a": "x"})], [{"b": 1}]),
    one(maybe, same(1, None), ["x"]),
    (maybe_left_out, [({}, {}), ({"a": None}, {"a": None}), ({"a": 1}, {"a": 1})], [{"a": "x"}]),
    (wrongly_none, [({}, {}), ({"a": 1}, {"a": 1})], [{"a": "x"}]),
    one(either, same(1, ["x"]), ["x", [1], None]),
    one(literal, same("a", "b", 3), ["c", 4, None]),
    one(single_literal, same("a"), ["b"]),
    one(literal_or_none, same("a", None), ["b", 0]),
    one(enum, [("red", Colour.RED)], ["green", "RED", None]),
    (enum_default, [({}, {}), ({"a": "red"}, {"a": Colour.RED})], [{"a": "x"}]),
    one(int_enum, [(2, Level.HIGH)], [3, "LOW"]),
    one(strings, same([], ["a"]), ["a", [1], None]),
    one(any_list, same([], ["a", 1, None]), ["a", {}]),
    one(sequence, same([1, 2]), [["x"], 1]),
    one(matrix, [([[1, 2.5]], [[1.0, 2.5]])], [[1], [["x"]]]),
    one(counts, same({}, {"x": 1}), [{"x": "y"}, []]),
    one(any_dict, same({}, {"x": [1]}), [[], "x"]),
    one(mapping, same({"x": [1]}), [{"x": 1}]),
    one(pair, [([1, "x"], (1, "x"))], [[1], ["x", "x"], [1, "x", 2], "x"]),
    one(row, [([], ()), ([1, 2], (1, 2))], [["x"], 1]),
    one(named_tuple, [([1, "x"], Pair(1, "x"))], [["x", "x"], [1, "x", 3]]),
    one(unique, [(["a", "b"], {"a", "b"})], [[1], "a"]),
    one(frozen, [([1], frozenset({1}))], [["x"]]),
    one(moment, [("2026-01-02T12:00:00Z", _UTC_NOON)], [None]),
    one(day, [("2026-01-02", date(2026, 1, 2))], ["2026-13-02", "x"]),
    one(hour, [("12:30:00Z", time(12, 30, tzinfo=UTC))], [None]),
    one(period, [("P1DT2H", timedelta(days=1, hours=2))], [[]]),
    one(identifier, [(_UUID, UUID(_UUID))], ["x"]),
    one(file, [("/a/b", Path("/a/b"))], [1]),
    one(money, [("1.20", Decimal("1.20")), (2, Decimal(2))], [None]),
    one(raw, [("ab", b"ab")], [1]),
    one(model, [({"x": 1}, Point(x=1)), ({"x": 1, "y": 2}, Point(x=1, y=2))], [{}, {"x": "z"}, 1, None]),
    (maybe_model, [({}, {}), ({"a": None}, {"a": None}), ({"a": {"x": 1}}, {"a": Point(x=1)})], [{"a": {}}]),
    one(models, [([{"x": 1}], [Point(x=1)])], [[{}], {"x": 1}]),
    one(models_by_name, [({"p": {"x": 1}}, {"p": Point(x=1)})], [{"p": {}}, {"x": 1}]),
    one(
        strict_model,
        [({"on": "2026-01-02", "colour": "red"}, Strict(on=date(2026, 1, 2), colour=Colour.RED))],
        [{"on": "x", "colour": "red"}, {"on": "2026-01-02", "colour": "green"}],
    ),
    one(
        itself,
        [({"value": 1, "children": [{"value": 2}]}, Node(value=1, children=[Node(value=2)]))],
        [{"value": 1, "children": [{}]}],
    ),
    one(tagged, [({"kind": "cat", "lives": 9}, Cat(kind="cat", lives=9))], [{"kind": "cat", "tricks": []}, {}]),
    one(untagged, [({"kind": "dog", "tricks": ["sit"]}, Dog(kind="dog", tricks=["sit"]))], [{"kind": "dog"}]),
    one(
        a_dataclass,
        [({"start": 1}, Span(1)), ({"start": 1, "end": 2, "tags": ["t"]}, Span(1, 2, ["t"]))],
        [{}, {"start": "x"}],
    ),
    one(typed_dict, same({"city": "Oslo"}, {"city": "Oslo", "zip": 1}), [{}, {"city": 1}, {"city": "O", "zip": "x"}]),
    one(inherited_typed_dict, same(_A_PARTIAL, {**_A_PARTIAL, "age": 1}), [{"name": "n"}, {"home": {"city": "O"}}]),
    one(typed_dicts, same(None, [], [{"city": "Oslo"}]), [[{}], {"city": "Oslo"}]),
    one(newer_typed_dict, same({"city": "Oslo"}), [{}]),
    one(new_type, same(5), ["x"]),
    one(an_alias, same({"x": 1, "y": "z"}), [{"x": []}]),
    one(bounded, same(1, 3), [0, 4]),
    one(patterned, same("aa"), ["b"]),
    (annotated_types, [({"a": 2, "b": [1]}, {"a": 2, "b": [1]})], [{"a": 1, "b": [1]}, {"a": 2, "b": []}]),
    (field_default, [({}, {"a": 5}), ({"a": 1}, {"a": 1})], [{"a": 0}]),
    (keyword_only, [({"a": 1}, {"a": 1}), ({"a": 1, "b": "y"}, {"a": 1, "b": "y"})], [{"b": "y"}, {"a": 1, "c": 1}]),
    (several, [({"a": 1, "b": ["red"]}, {"a": 1, "b": [Colour.RED]})], [{"a": 1}, {"a": 1, "b": ["x"]}]),
    (
        open_ended,
        [({"a": 1, "z": 2, "argument_0": 3}, {"a": 1, "z": 2, "argument_0": 3})],
        [{"z": 1}, {"a": 1, "z": "x"}],
    ),
    (open_to_all, [({}, {}), ({"a": [1]}, {"a": [1]})], []),
    (
        odd_names,
        [
            (
                {"title": "t", "description": "d", "model_config": 1, "schema": 2, "json": 3, "_private": 4, "self": 5},
                {"title": "t", "description": "d", "model_config": 1, "schema": 2, "json": 3, "_private": 4, "self": 5},
            )
        ],
        [{"title": "t"}],
    ),
]  # fmt: skip


def recorder(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[dict[str, Any]]]:
    """A function with the signature of another that keeps what it is called with."""
    arrived: list[dict[str, Any]] = []

    @functools.wraps(function)
    def record(**arguments: Any) -> None:
        arrived.append(arguments)

    return record, arrived


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
def test_the_schema_and_the_call_take_and_refuse_the_same(case: Case, fits_schema: Callable[[Any, Any], bool]) -> None:
    function, fitting, wrong = case
    record, arrived = recorder(function)
    tool = Tool.from_function(record)

    for sent, expected in fitting:
        assert fits_schema(tool.parameters, sent), sent
        tool.call(**sent)
        assert arrived.pop() == expected
    for sent in wrong:
        assert not fits_schema(tool.parameters, sent), sent
        with pytest.raises(ToolArgumentsError):
            tool.call(**sent)
    assert arrived == []


@pytest.mark.parametrize(("function", "value"), [(moment, "tomorrow"), (money, "x"), (hour, "x"), (period, "x")])
def test_the_call_refuses_what_the_schema_has_no_words_for(function: Callable[..., Any], value: str) -> None:
    with pytest.raises(ToolArgumentsError):
        Tool.from_function(function).call(a=value)


def test_types_arrive_and_not_only_equal_values() -> None:
    record, arrived = recorder(several)
    Tool.from_function(record).call(a=1.0, b=["red"], c="true")
    assert type(arrived[0]["a"]) is int
    assert arrived[0] == {"a": 1, "b": [Colour.RED], "c": True}


def test_what_is_python_already_is_taken_as_it_is() -> None:
    record, arrived = recorder(model)
    point = Point(x=1)
    Tool.from_function(record).call(a=point)
    assert arrived[0]["a"] is point


def test_positional_only_parameters_are_in_the_schema_and_arrive_by_place() -> None:
    def function(a: int, b: str = "x", /, c: bool = True) -> tuple[int, str, bool]:
        return a, b, c

    tool = Tool.from_function(function)
    assert list(tool.parameters["properties"]) == ["a", "b", "c"]
    assert tool.parameters["required"] == ["a"]
    assert tool.call(a="1") == (1, "x", True)
    assert tool.call(a=1, c=False) == (1, "x", False)
    assert tool.call(c=False, b="y", a=1) == (1, "y", False)


def test_any_number_of_positional_arguments_is_refused_with_a_reason() -> None:
    def total(*numbers: int) -> int:
        return sum(numbers)

    with pytest.raises(ConfigError) as caught:
        Tool.from_function(total)
    assert str(caught.value) == (
        "tool 'total' takes *numbers, but a model calls with named arguments; make it one list: numbers: list[...]"
    )


class Account:
    """An account at the bank."""

    def __init__(self, balance: int) -> None:
        self.balance = balance

    def pay(self, amount: int) -> int:
        """Pay in.

        Args:
            amount: how much.
        """
        self.balance += amount
        return self.balance

    @classmethod
    def empty(cls, owner: Colour) -> tuple[type, Colour]:
        return cls, owner

    @staticmethod
    def fee(amount: int) -> int:
        return amount // 100

    def __call__(self, factor: int) -> int:
        return self.balance * factor


def test_methods_of_every_kind_leave_out_what_they_are_bound_to() -> None:
    account = Account(10)
    pay = Tool.from_function(account.pay)
    assert (pay.name, pay.description) == ("pay", "Pay in.")
    assert pay.parameters["properties"] == {"amount": {"type": "integer", "description": "how much."}}
    assert pay.call(amount=5) == 15
    assert Tool.from_function(Account.empty).call(owner="red") == (Account, Colour.RED)
    assert Tool.from_function(Account.fee).call(amount=500) == 5


def test_a_callable_object_and_a_class_are_tools_too() -> None:
    callable_tool = Tool.from_function(Account(10))
    assert callable_tool.name == "Account"
    assert list(callable_tool.parameters["properties"]) == ["factor"]
    assert callable_tool.call(factor=3) == 30
    made = Tool.from_function(Account)
    assert (made.name, made.description) == ("Account", "An account at the bank.")
    assert made.call(balance="7").balance == 7


class Connection:
    pass


def test_what_a_partial_fills_in_is_hidden_from_the_model() -> None:
    def query(sql: str, connection: Connection, limit: int = 10) -> tuple[str, Connection, int]:
        """Ask the database."""
        return sql, connection, limit

    own = Connection()
    tool = Tool.from_function(functools.partial(query, connection=own))
    assert (tool.name, tool.description) == ("query", "Ask the database.")
    assert list(tool.parameters["properties"]) == ["sql", "limit"]
    assert tool.call(sql="select 1") == ("select 1", own, 10)
    with pytest.raises(ToolArgumentsError, match="connection: there is no such parameter"):
        tool.call(sql="select 1", connection="theirs")
    first = Tool.from_function(functools.partial(query, "select 2", connection=own))
    assert first.call(limit=3) == ("select 2", own, 3)


def test_a_type_without_a_schema_is_refused_with_the_way_out() -> None:
    def query(connection: Connection) -> None: ...

    with pytest.raises(ConfigError) as caught:
        Tool.from_function(query)
    message = str(caught.value)
    assert message.startswith("the arguments of tool 'query' have no JSON Schema: ")
    assert "Connection" in message
    assert "functools.partial" in message
    assert "\n" not in message
    assert "http" not in message


def test_an_annotation_that_names_nothing_is_refused() -> None:
    def lost(a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  (that is what is tried)

    with pytest.raises(ConfigError, match="an annotation of tool 'lost' cannot be read: name 'Nowhere'"):
        Tool.from_function(lost)


def test_annotations_may_name_local_classes() -> None:
    class Local(BaseModel):
        a: int

    class LocalDict(typing.TypedDict):
        local: Local

    def function(one: Local, two: LocalDict) -> int:
        return one.a + two["local"].a

    assert Tool.from_function(function).call(one={"a": 1}, two={"local": {"a": 2}}) == 3


def test_a_name_means_what_it_means_where_the_function_stands() -> None:
    Point = int  # noqa: F841, N806  (another of that name where the tool is made)
    assert Tool.from_function(model).parameters["properties"]["a"] == {"$ref": "#/$defs/Point"}


def test_a_lambda_needs_a_name() -> None:
    with pytest.raises(ConfigError, match="not '<lambda>'"):
        Tool.from_function(lambda a: a)
    assert Tool.from_function(lambda a: a, name="echo", description="Says it again.").call(a=[1]) == [1]


def test_built_in_functions_have_signatures_too() -> None:
    assert Tool.from_function(len).parameters["required"] == ["obj"]
    assert Tool.from_function(len).call(obj=[1, 2]) == 2


def test_descriptions_come_from_annotations_before_the_docstring() -> None:
    def function(
        a: Annotated[str, "from the text"],
        b: Annotated[int, Field(description="from the field")],
        c: Annotated[Point, typing_extensions.Doc("from the doc")],
        d: int = Field(1, description="from the default"),
        e: int = 1,
    ) -> None:
        """Do it.

        Args:
            a: overridden
            b: overridden
            c: overridden
            d: overridden
            e: from the docstring
        """

    properties = Tool.from_function(function).parameters["properties"]
    assert [properties[name]["description"] for name in "abcde"] == [
        "from the text",
        "from the field",
        "from the doc",
        "from the default",
        "from the docstring",
    ]


def test_titles_are_left_out_unless_somebody_gave_them() -> None:
    def function(title: Annotated[int, Field(title="The title")], other: int, schema: list[int]) -> None: ...

    assert Tool.from_function(function).parameters == {
        "type": "object",
        "properties": {
            "title": {"type": "integer", "title": "The title"},
            "other": {"type": "integer"},
            "schema": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["title", "other", "schema"],
        "additionalProperties": False,
    }


def test_defaults_are_told_as_json_where_it_has_a_form_for_them() -> None:
    def function(
        a: int = 5,
        b: Colour = Colour.BLUE,
        c: Span = Span(1),  # noqa: B008  (that is what is tried)
        d: Any = Connection(),  # noqa: B008
        e: float = float("inf"),
        f: list[int] = [],  # noqa: B006
    ) -> tuple[Any, ...]:
        return a, b, c, d, e, f

    tool = Tool.from_function(function)
    told = {name: one.get("default", "nothing") for name, one in tool.parameters["properties"].items()}
    assert told == {
        "a": 5,
        "b": "blue",
        "c": {"start": 1, "end": 10, "tags": []},
        "d": "nothing",
        "e": "nothing",
        "f": [],
    }
    assert tool.call()[:3] == (5, Colour.BLUE, Span(1))
    assert tool.call()[4] == float("inf")


def test_an_alias_in_an_annotation_does_not_rename_the_parameter() -> None:
    def function(a: Annotated[int, Field(alias="b")]) -> int:
        return a

    tool = Tool.from_function(function)
    assert list(tool.parameters["properties"]) == ["a"]
    assert tool.call(a=1) == 1
