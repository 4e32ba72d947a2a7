from __future__ import annotations

from typing import Any

import pytest

from codegen.document import SchemaError
from codegen.endpoints import render_endpoints, render_package


def test_endpoints_of_the_small_schema(toy: dict[str, Any]) -> None:
    assert (
        render_endpoints(toy, "toy", "# header")
        == '''\
# header

from __future__ import annotations

from types import NoneType

from deluge_sync.sdk._base import Endpoint, Provider
from deluge_sync.sdk.toy.models import Answer, Piece, Question

provider = Provider(
    name="toy",
    base_url="https://toy.example/v1",
    base_url_env=("TOY_URL",),
    key_env=("TOY_KEY", "TOY_OLD_KEY"),
    key_header="x-toy-key",
    key_prefix="",
    headers={"toy-version": "2"},
)
api = provider.api

ask: Endpoint[Question, Answer, Piece] = Endpoint("POST", "/ask", Question, Answer, Piece)
"""Ask."""

list_things: Endpoint[None, Answer, None] = Endpoint("GET", "/things", NoneType, Answer, NoneType)
"""List."""
'''
    )


def test_the_package_lists_every_public_name(toy: dict[str, Any]) -> None:
    models = "class B: ...\nA = TypeAliasType('A', B)\n"
    assert (
        render_package(toy, "toy", "# header", models)
        == '''\
# header
"""Toy: the operations we call, typed. `api(...)` makes the caller."""

from __future__ import annotations

from deluge_sync.sdk.toy.endpoints import api, ask, list_things, provider
from deluge_sync.sdk.toy.models import A, B

__all__ = [
    "A",
    "B",
    "api",
    "ask",
    "list_things",
    "provider",
]
'''
    )


def test_a_bearer_key_goes_into_the_authorization_header(toy: dict[str, Any]) -> None:
    toy["components"]["securitySchemes"]["key"] = {"type": "http", "scheme": "bearer"}
    text = render_endpoints(toy, "toy", "# header")
    assert '    key_header="Authorization",\n    key_prefix="Bearer ",\n' in text


def test_a_key_in_the_query_is_refused(toy: dict[str, Any]) -> None:
    toy["components"]["securitySchemes"]["key"]["in"] = "query"
    with pytest.raises(SchemaError, match="'key' is neither a bearer token nor a key in a header"):
        render_endpoints(toy, "toy", "# header")


def test_a_body_without_a_name_is_refused(toy: dict[str, Any]) -> None:
    toy["paths"]["/ask"]["post"]["requestBody"]["content"]["application/json"]["schema"] = {"type": "object"}
    with pytest.raises(SchemaError, match="ask: its bodies must be references to components"):
        render_endpoints(toy, "toy", "# header")


REPLY = {
    "200": {"description": "Ok.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}}
}


def lines_of(toy: dict[str, Any], path: str, item: dict[str, Any]) -> str:
    """The text of the only operation, at `path`."""
    toy["paths"] = {path: item}
    return render_endpoints(toy, "toy", "# header").partition("api = provider.api\n\n")[2]


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


def test_a_package_with_uploads_has_their_class_too(toy: dict[str, Any]) -> None:
    text = render_package(toy, "toy", "# header", "class Form(Model):\n    file: Upload\n")
    assert "from deluge_sync.sdk._base import Upload\n" in text
    assert '    "Form",\n    "Upload",\n    "api",\n' in text
