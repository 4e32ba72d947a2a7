from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.cli.exits import BadInputError, Voice
from deluge_sync.cli.schema import Schema, read_schema
from deluge_sync.cli.schema_check import check_schema

TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "next": {"$ref": "#"}},
    "required": ["name"],
    "additionalProperties": False,
}
SOUND: list[dict[str, Any]] = [
    TREE,
    {},
    {"$id": "https://example.com/s", "title": "S", "anyOf": [{"type": ["string", "null"]}, True]},
    {"$defs": {"a": {"enum": [1]}}, "items": {"$ref": "#/$defs/a"}, "minItems": 0, "multipleOf": 0.5},
]
WRONG = [
    ({"type": "text"}, "schema: 'type' cannot be 'text'"),
    ({"properties": {"a": {"minimum": "1"}}}, "schema.properties.a: 'minimum' cannot be '1'"),
    ({"properties": {"a": 3}}, "schema.properties.a: a schema is an object, true or false, not 3"),
    ({"properties": ["a"]}, "schema: 'properties' cannot be ['a']"),
    ({"pattern": "("}, "schema: 'pattern' cannot be '('"),
    ({"minLength": -1}, "schema: 'minLength' cannot be -1"),
    ({"items": {"$ref": "#/$defs/none"}}, "schema.items: '$ref': '#/$defs/none' is not in this document"),
    ({"$ref": "other.json"}, "schema: '$ref': 'other.json' is not in this document"),
    ({"not": {"anyOf": []}}, "schema.not: 'anyOf' cannot be []"),
]


@pytest.mark.parametrize("schema", SOUND, ids=range(len(SOUND)))
def test_what_is_a_schema_for_its_draft_is_one_for_us(schema: dict[str, Any]) -> None:
    judge = pytest.importorskip("jsonschema")
    judge.Draft202012Validator.check_schema(schema)
    check_schema(schema)


@pytest.mark.parametrize(("schema", "reason"), WRONG, ids=[reason for _, reason in WRONG])
def test_what_is_none_is_refused_with_its_place(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the whole message is compared)
        check_schema(schema)
    assert str(caught.value) == reason


def test_a_schema_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"items": deep}
    with pytest.raises(ValueError, match="nested too deeply"):
        check_schema(deep)


def test_an_answer_is_held_against_it() -> None:
    schema = Schema(TREE)
    assert schema.problem_with({"name": "a", "next": {"name": "b"}}) is None
    assert schema.problem_with({"name": "a", "next": {}}) == "next.name: is required"
    assert schema.problem_with(None) == "the answer is no JSON document"
    assert Schema({"type": "null"}).problem_with(None) is None


def test_keywords_that_are_not_checked_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"type": "object", "properties": {"a": {"multipleOf": 2, "not": {"type": "null"}}}}))
    assert read_schema(str(path), Voice()).unchecked == {"multipleOf", "not"}
    assert capfd.readouterr().err == f"{path}: answers are not held against multipleOf, not\n"
    read_schema(str(path), Voice(is_quiet=True))
    assert capfd.readouterr().err == ""
    with pytest.raises(BadInputError, match="No such file"):
        read_schema(str(tmp_path / "none.json"), Voice())
