from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from codegen.drift import Finding, Judge, allowed, drift

if TYPE_CHECKING:
    from collections.abc import Callable

Toy = dict[str, Any]

TEXT = {"type": "string"}
NUMBER = {"type": "number"}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def compare(ours: Toy, theirs: Toy) -> list[tuple[str, str]]:
    judges = {name: Judge(theirs, ref(name)) for name in ("Question", "Answer")}
    return [(found.where, found.problem) for found in drift(ours, judges)]


def schemas(toy: Toy) -> dict[str, Any]:
    found: dict[str, Any] = toy["components"]["schemas"]
    return found


def fields(toy: Toy, name: str) -> dict[str, Any]:
    found: dict[str, Any] = schemas(toy)[name]["properties"]
    return found


def test_a_schema_does_not_drift_from_itself(toy: Toy) -> None:
    theirs = deepcopy(toy)
    schemas(theirs)["Answer"]["properties"]["state"]["enum"] = ["cut", "done"]
    assert compare(toy, theirs) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda ours: fields(ours, "Question").update(tone=TEXT), ("Question.tone", "they have no such field")),
        (lambda ours: fields(ours, "Answer").update(tone=TEXT), ("Answer.tone", "they have no such field")),
        (lambda ours: fields(ours, "Circle").update(tone=TEXT), ("Circle.tone", "they have no such field")),
        (
            lambda ours: fields(ours, "Answer")["state"]["enum"].append("lost"),
            ("Answer.state", "they have no value 'lost'"),
        ),
        (
            lambda ours: fields(ours, "Square")["fill"]["enum"].append("odd"),
            ("Square.fill", "they have no value 'odd'"),
        ),
        (lambda ours: fields(ours, "Circle")["kind"].update(enum=["ring"]), ("Circle", "they have no such variant")),
        (
            lambda ours: fields(ours, "Question").update(speed=TEXT),
            ("Question.speed", "we may send any string, they accept 'fast', 'slow'"),
        ),
        (
            lambda ours: fields(ours, "Question").update(text=NUMBER),
            ("Question.text", "we may send number, expected is string"),
        ),
        (
            lambda ours: fields(ours, "Answer").update(state=NUMBER),
            ("Answer.state", "they may send string, expected is number"),
        ),
        (lambda ours: schemas(ours)["Question"].update(required=[]), ("Question.text", "they require this field")),
        (lambda ours: fields(ours, "Question").pop("text"), ("Question.text", "they require this field")),
        (
            lambda ours: schemas(ours)["Answer"].update(required=["state", "speed"]),
            ("Answer.speed", "we require this field, they may leave it out"),
        ),
    ],
)
def test_what_we_declare_and_they_do_not_is_reported(
    toy: Toy, change: Callable[[Toy], object], finding: tuple[str, str]
) -> None:
    theirs = deepcopy(toy)
    change(toy)
    assert finding in compare(toy, theirs)


@pytest.mark.parametrize(
    "change",
    [
        lambda theirs: fields(theirs, "Question").update(tone=TEXT),
        lambda theirs: fields(theirs, "Answer").update(tone=TEXT),
        lambda theirs: fields(theirs, "Answer")["state"]["enum"].append("lost"),
        lambda theirs: fields(theirs, "Question").update(
            speed={"anyOf": [{"$ref": "#/components/schemas/Speed"}, TEXT]}
        ),
        lambda theirs: fields(theirs, "Question")["text"].update(nullable=True),
        lambda theirs: fields(theirs, "Answer").update(speed={"nullable": True, **ref("Speed")}),
        lambda theirs: fields(theirs, "Circle").update(radius={"type": ["number", "integer"]}),
        lambda theirs: schemas(theirs)["Question"].update(required=[]),
        lambda theirs: schemas(theirs)["Answer"].update(required=["state", "speed", "shapes"]),
        lambda theirs: fields(theirs, "Answer").update(shapes={}),
    ],
)
def test_what_they_have_beyond_ours_does_no_harm(toy: Toy, change: Callable[[Toy], object]) -> None:
    theirs = deepcopy(toy)
    change(theirs)
    assert compare(toy, theirs) == []


def test_a_null_that_they_may_send_for_a_required_field_is_reported(toy: Toy) -> None:
    theirs = deepcopy(toy)
    fields(theirs, "Answer")["state"]["nullable"] = True
    assert compare(toy, theirs) == [("Answer.state", "they may send null, expected is string")]


def test_an_integer_fits_a_number_but_not_the_other_way_round(toy: Toy) -> None:
    theirs = deepcopy(toy)
    fields(toy, "Question")["size"] = {"type": "integer"}
    fields(theirs, "Question")["size"] = NUMBER
    fields(toy, "Answer")["size"] = {"type": "integer"}
    fields(theirs, "Answer")["size"] = NUMBER
    assert compare(toy, theirs) == [("Answer.size", "they may send number, expected is integer or null")]


def test_maps_are_compared_by_their_entries(toy: Toy) -> None:
    theirs = deepcopy(toy)
    fields(toy, "Question")["bias"] = {"type": "object", "additionalProperties": TEXT}
    fields(theirs, "Question")["bias"] = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert compare(toy, theirs) == [("Question.bias", "we may send string, expected is integer")]


def test_their_request_may_be_split_into_several_objects(toy: Toy) -> None:
    theirs = deepcopy(toy)
    whole = schemas(theirs)["Question"]
    schemas(theirs)["Other"] = {**whole, "required": [], "properties": {**whole["properties"], "tone": TEXT}}
    schemas(theirs)["Question"] = {"anyOf": [whole, ref("Other")]}
    fields(toy, "Question")["tone"] = TEXT
    assert compare(toy, theirs) == []


def test_a_schema_that_contains_itself_is_walked_once(toy: Toy) -> None:
    fields(toy, "Circle")["inner"] = ref("Shape")
    theirs = deepcopy(toy)
    fields(toy, "Circle")["tone"] = TEXT
    assert compare(toy, theirs) == [("Circle.tone", "they have no such field")]


def test_a_difference_can_be_allowed_with_a_reason(toy: Toy) -> None:
    schemas(toy)["Circle"]["x-drift-allow"] = {"tone": "Sent by some.", "*": "New."}
    assert allowed(toy) == {"Circle.tone": "Sent by some.", "Circle": "New."}


def test_findings_are_sorted_and_told_once(toy: Toy) -> None:
    theirs = deepcopy(toy)
    fields(toy, "Square")["tone"] = fields(toy, "Circle")["tone"] = TEXT
    judges = {name: Judge(theirs, ref(name)) for name in ("Question", "Answer")}
    problem = "they have no such field"
    assert drift(toy, judges) == [Finding("Circle.tone", problem), Finding("Square.tone", problem)]
