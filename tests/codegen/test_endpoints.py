from __future__ import annotations

from typing import Any

import pytest

from codegen.document import SchemaError
from codegen.endpoints import endpoint_lines


def test_endpoints_of_the_small_schema(toy: dict[str, Any]) -> None:
    assert (
        "\n".join(endpoint_lines(toy))
        == '''
ask: Endpoint[Question, Answer, Piece] = Endpoint("POST", "/ask", Question, Answer, Piece)
"""Ask."""

list_things: Endpoint[None, Answer, None] = Endpoint("GET", "/things", NoneType, Answer, NoneType)
"""List."""'''
    )


def test_a_body_without_a_name_is_refused(toy: dict[str, Any]) -> None:
    toy["paths"]["/ask"]["post"]["requestBody"]["content"]["application/json"]["schema"] = {"type": "object"}
    with pytest.raises(SchemaError, match="ask: its bodies must be references to components"):
        endpoint_lines(toy)


REPLY = {
    "200": {"description": "Ok.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}}
}


def lines_of(toy: dict[str, Any], path: str, item: dict[str, Any]) -> str:
    """The text of the only operation, at `path`."""
    toy["paths"] = {path: item}
    return "\n".join(endpoint_lines(toy)[1:]) + "\n"


def operation(**details: Any) -> dict[str, Any]:
    return {"operationId": "do_it", "summary": "Do it.", "responses": REPLY, **details}


def test_parameters_become_part_of_the_endpoint(toy: dict[str, Any]) -> None:
    toy["x-snake-case"] = True
    item = {
        "parameters": [{"name": "thingId", "in": "path", "x-allow-slash": True, "schema": {"type": "string"}}],
        "get": operation(
            parameters=[
                {"name": "pageSize", "in": "query", "schema": {"type": "integer"}},
                {"name": "share", "in": "query", "required": True, "schema": {"type": "number"}},
                {"name": "deep", "in": "query", "schema": {"type": "boolean"}},
                {"name": "alt", "in": "query", "required": True, "schema": {"type": "string", "enum": ["sse"]}},
                {"name": "toy-beta", "in": "header", "schema": {"type": "array"}},
            ]
        ),
    }
    assert (
        lines_of(toy, "/things/{thingId}", item)
        == '''\
do_it: Endpoint[None, Answer, None] = Endpoint(
    "GET",
    "/things/{thingId}",
    NoneType,
    Answer,
    NoneType,
    params=(
        Param("thing_id", "thingId", "path", str, required=True, keeps_slashes=True),
        Param("page_size", "pageSize", "query", int),
        Param("share", "share", "query", float, required=True),
        Param("deep", "deep", "query", bool),
        Param("alt", "alt", "query", str, fixed="sse"),
        Param("toy_beta", "toy-beta", "header", list),
    ),
)
"""Do it."""
'''
    )


@pytest.mark.parametrize(
    ("details", "types", "said"),
    [
        (
            {
                "requestBody": {
                    "content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Question"}}}
                }
            },
            "Question, Answer, None",
            '    request_form="multipart/form-data",\n',
        ),
        (
            {"requestBody": {"content": {"application/octet-stream": {}}}, "x-path-prefix": "/upload"},
            "bytes, Answer, None",
            '    request_form="application/octet-stream",\n    path_prefix="/upload",\n',
        ),
        (
            {"responses": {"200": {"content": {"application/octet-stream": {}}}}},
            "None, bytes, None",
            '    response_form="application/octet-stream",\n',
        ),
        (
            {
                "responses": {
                    "200": {"content": {"application/jsonl": {"schema": {"$ref": "#/components/schemas/Piece"}}}}
                }
            },
            "None, list[Piece], None",
            '    response_form="application/jsonl",\n',
        ),
        ({"responses": {"204": {"description": "Gone."}, "default": REPLY["200"]}}, "None, None, None", ""),
        (
            {
                "responses": {
                    "200": {
                        "content": {
                            "application/vnd.amazon.eventstream": {"schema": {"$ref": "#/components/schemas/Piece"}}
                        }
                    }
                }
            },
            "None, None, Piece",
            '    event_form="application/vnd.amazon.eventstream",\n',
        ),
        (
            {
                "responses": {
                    "200": {
                        "content": {
                            "text/event-stream": {
                                "schema": {"$ref": "#/components/schemas/Piece"},
                                "x-event-name": "type",
                            }
                        }
                    }
                }
            },
            "None, None, Piece",
            '    event_name_field="type",\n',
        ),
    ],
    ids=["form", "bytes", "content", "lines", "nothing", "aws-events", "named-events"],
)
def test_bodies_of_every_form(toy: dict[str, Any], details: dict[str, Any], types: str, said: str) -> None:
    text = lines_of(toy, "/things#other", {"post": operation(**details)})
    flat = text.replace("(\n", "(").replace(",\n)", ")").replace(",\n", ", ").replace("    ", "")
    assert text.startswith(f"do_it: Endpoint[{types}] = Endpoint(")
    assert 'Endpoint("POST", "/things", ' in flat
    assert flat.partition(")")[0].endswith(said.replace("    ", "").replace(",\n", ", ").removesuffix(", "))


def test_two_forms_of_one_body_are_refused(toy: dict[str, Any]) -> None:
    both: dict[str, Any] = {"application/json": {"schema": {}}, "application/octet-stream": {}}
    with pytest.raises(SchemaError, match="do_it: one of application/json, application/octet-stream must do"):
        lines_of(toy, "/things", {"get": operation(responses={"200": {"content": both}})})
