from __future__ import annotations

from copy import deepcopy
from typing import Any

from codegen.opening import open_components, open_document

TEXT = {"type": "string"}
COLOUR = {"type": "string", "enum": ["red", "blue"]}
OPEN_COLOUR = {"anyOf": [COLOUR, TEXT]}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def opened_reply(node: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a reply that has `node` as its only field."""
    schemas = {"Reply": obj(field=node), **others}
    opened = open_components(schemas, replies=set(schemas), requests=set())
    field: dict[str, Any] = opened["Reply"]["properties"]["field"]
    return field


def test_an_enum_in_a_reply_also_takes_any_other_string() -> None:
    assert opened_reply(COLOUR) == OPEN_COLOUR


def test_a_reference_to_an_enum_is_widened_and_the_enum_itself_is_not() -> None:
    schemas = {"Reply": obj(field=ref("Colour")), "Colour": COLOUR}
    opened = open_components(schemas, replies={"Reply", "Colour"}, requests=set())
    assert opened == {"Reply": obj(field={"anyOf": [ref("Colour"), TEXT]}), "Colour": COLOUR}


def test_enums_are_widened_wherever_they_stand() -> None:
    assert opened_reply({"type": "array", "items": COLOUR}) == {"type": "array", "items": OPEN_COLOUR}
    assert opened_reply({"type": "object", "additionalProperties": COLOUR}) == {
        "type": "object",
        "additionalProperties": OPEN_COLOUR,
    }
    assert opened_reply({"anyOf": [COLOUR, {"type": "integer"}]}) == {"anyOf": [OPEN_COLOUR, {"type": "integer"}]}


def test_the_description_of_an_enum_stays_on_the_outside() -> None:
    assert opened_reply({**COLOUR, "description": "Of the sky."}) == {"description": "Of the sky.", **OPEN_COLOUR}


def test_a_field_called_enum_or_items_is_a_field() -> None:
    schema = obj(enum=COLOUR, items=TEXT)
    assert open_components({"Reply": schema}, replies={"Reply"}, requests=set()) == {
        "Reply": obj(enum=OPEN_COLOUR, items=TEXT)
    }


def test_an_object_of_a_reply_no_longer_forbids_unknown_fields() -> None:
    schema = {**obj(a=TEXT), "additionalProperties": False}
    assert open_components({"Reply": schema}, replies={"Reply"}, requests=set()) == {"Reply": obj(a=TEXT)}


def test_a_tagged_union_becomes_known_or_unknown_and_its_tags_stay_constants() -> None:
    tag = {"type": "string", "enum": ["circle"]}
    union = {"oneOf": [ref("Circle")], "discriminator": {"propertyName": "kind"}}
    schemas = {"Shape": union, "Circle": obj(kind=tag, fill=COLOUR)}
    opened = open_components(schemas, replies={"Shape", "Circle"}, requests=set())
    assert opened == {
        "KnownShape": union,
        "UnknownShape": {
            "type": "object",
            "description": "A Shape of a kind that the schema does not know. Every field is kept.",
            "properties": {"kind": TEXT},
        },
        "Shape": {"anyOf": [ref("KnownShape"), ref("UnknownShape")]},
        "Circle": obj(kind=tag, fill=OPEN_COLOUR),
    }
    assert list(opened) == ["KnownShape", "UnknownShape", "Shape", "Circle"]


def test_what_only_requests_reach_stays_as_written_on_the_strict_base() -> None:
    schemas = {"Request": obj(field=ref("Colour"), other=COLOUR), "Colour": COLOUR}
    assert open_components(schemas, replies=set(), requests={"Request", "Colour"}) == {
        "Request": {**schemas["Request"], "customBasePath": "deluge_sync.sdk._base.RequestModel"},
        "Colour": COLOUR,
    }


def test_what_both_reach_is_opened() -> None:
    schemas = {"Call": obj(field=COLOUR)}
    assert open_components(schemas, replies={"Call"}, requests={"Call"}) == {"Call": obj(field=OPEN_COLOUR)}


def test_a_whole_document_is_opened_and_the_given_one_left_alone(toy: dict[str, Any]) -> None:
    before = deepcopy(toy)
    schemas = open_document(toy)["components"]["schemas"]
    assert toy == before
    assert list(schemas) == [
        "Speed", "Question", "KnownShape", "UnknownShape", "Shape", "Circle", "Square", "Answer", "Piece",
    ]  # fmt: skip
    assert schemas["Question"]["properties"]["speed"] == ref("Speed")
    assert schemas["Answer"]["properties"]["speed"] == {"anyOf": [ref("Speed"), TEXT]}
    assert schemas["Square"]["properties"]["fill"] == OPEN_COLOUR
