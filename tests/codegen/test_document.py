from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from codegen.document import (
    SchemaError,
    by_tag,
    load,
    operations,
    parameters,
    reached,
    refuse,
    request_roots,
    response_roots,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Toy = dict[str, Any]


def test_a_request_reaches_what_its_body_refers_to(toy: Toy) -> None:
    assert reached(toy, request_roots(toy)) == {"Question", "Speed", "Shape", "Circle", "Square"}


def test_a_reply_reaches_events_and_shared_components_too(toy: Toy) -> None:
    assert reached(toy, response_roots(toy)) == {"Answer", "Piece", "Speed", "Shape", "Circle", "Square"}


def test_a_reply_that_is_a_named_response_is_followed(toy: Toy) -> None:
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}}
    toy["components"]["responses"] = {"Error": error}
    toy["components"]["schemas"]["Failure"] = {"type": "object", "properties": {"why": {"type": "string"}}}
    toy["paths"]["/ask"]["post"]["responses"]["default"] = {"$ref": "#/components/responses/Error"}
    refuse(toy)
    assert "Failure" in reached(toy, response_roots(toy))


def _inline_object(toy: Toy) -> None:
    toy["components"]["schemas"]["Piece"]["properties"]["where"] = {"type": "object", "properties": {"x": {}}}


def _inline_union(toy: Toy) -> None:
    union = toy["components"]["schemas"]["Shape"]
    toy["components"]["schemas"]["Piece"]["properties"]["shapes"] = {"type": "array", "items": union}


def _default(toy: Toy) -> None:
    toy["components"]["schemas"]["Question"]["properties"]["text"]["default"] = ""


def _undeclared(toy: Toy) -> None:
    del toy["components"]["schemas"]["Circle"]["properties"]["radius"]


def _untagged_union(toy: Toy) -> None:
    del toy["components"]["schemas"]["Shape"]["discriminator"]


def _unused(toy: Toy) -> None:
    toy["components"]["schemas"]["Nobody"] = {"type": "string"}


def _dangling(toy: Toy) -> None:
    del toy["components"]["schemas"]["Speed"]


def _undeclared_path_parameter(toy: Toy) -> None:
    toy["paths"]["/things/{id}"] = toy["paths"].pop("/things")


def _parameter_that_is_nowhere(toy: Toy) -> None:
    _add_parameter(toy, {"name": "id", "in": "path", "schema": {"type": "string"}})


def _cookie(toy: Toy) -> None:
    _add_parameter(toy, {"name": "crumb", "in": "cookie", "schema": {"type": "string"}})


def _tagless(toy: Toy) -> None:
    del toy["paths"]["/ask"]["post"]["tags"]


def _taken_name(toy: Toy) -> None:
    _add_parameter(toy, {"name": "extra_body", "in": "query", "schema": {"type": "string"}})


def _object_as_parameter(toy: Toy) -> None:
    _add_parameter(toy, {"name": "filter", "in": "query", "schema": {"type": "object"}})


def _add_parameter(toy: Toy, parameter: dict[str, Any]) -> None:
    toy["paths"]["/things"]["get"]["parameters"] = [parameter]


def _xml(toy: Toy) -> None:
    content = toy["paths"]["/ask"]["post"]["requestBody"]["content"]
    content["text/xml"] = content.pop("application/json")


def _xml_reply(toy: Toy) -> None:
    content = toy["paths"]["/things"]["get"]["responses"]["200"]["content"]
    content["text/xml"] = content.pop("application/json")


def _binary_in_json(toy: Toy) -> None:
    toy["components"]["schemas"]["Question"]["properties"]["text"] = {"type": "string", "format": "binary"}


def _nameless(toy: Toy) -> None:
    del toy["paths"]["/ask"]["post"]["operationId"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_inline_object, r"Piece\.where: an object or a tagged union needs a component of its own"),
        (_inline_union, r"Piece\.shapes\.items: an object or a tagged union needs a component of its own"),
        (_default, r"Question\.text: a default would be sent"),
        (_undeclared, "Circle: requires radius, which it does not declare"),
        (_untagged_union, "Shape: oneOf needs a discriminator"),
        (_unused, "no operation reaches Nobody"),
        (_dangling, "leads to 'Speed', which is no component"),
        (_undeclared_path_parameter, "GET /things/{id}: id must be both in the path and a parameter in: path"),
        (_parameter_that_is_nowhere, "GET /things: id must be both in the path and a parameter in: path"),
        (_cookie, r"GET /things: a parameter crumb in cookie cannot be a keyword of Api\.call"),
        (_taken_name, r"GET /things: a parameter extra_body in query cannot be a keyword of Api\.call"),
        (_object_as_parameter, "GET /things: parameter filter needs a schema with a type of string, integer"),
        (_xml, "POST /ask: Endpoint has no text/xml; it has application/json, multipart/form-data"),
        (_xml_reply, "GET /things: Endpoint has no text/xml; it has application/json, application/jsonl"),
        (_binary_in_json, "Question: binary content goes into a body of multipart/form-data only"),
        (_nameless, "POST /ask needs an operationId"),
        (_tagless, "POST /ask needs one tag"),
    ],
)
def test_what_would_generate_badly_is_refused(toy: Toy, spoil: Callable[[Toy], None], message: str) -> None:
    spoil(toy)
    with pytest.raises(SchemaError, match=message):
        refuse(toy)


def test_what_goes_into_a_file_counts_as_a_request(toy: Toy) -> None:
    toy["components"]["schemas"]["Row"] = {"type": "object", "properties": {"speed": {"type": "string"}}}
    toy["paths"]["/ask"]["post"]["x-request-lines"] = ["Row"]
    refuse(toy)
    assert "Row" in reached(toy, request_roots(toy))


def test_the_lines_of_a_reply_count_as_a_reply(toy: Toy) -> None:
    toy["components"]["schemas"]["Row"] = {"type": "object", "properties": {"speed": {"type": "string"}}}
    lines = {"application/jsonl": {"schema": {"$ref": "#/components/schemas/Row"}}}
    toy["paths"]["/things"]["get"]["responses"]["200"]["content"] = lines
    refuse(toy)
    assert "Row" in reached(toy, response_roots(toy))


def test_parameters_of_a_path_come_before_those_of_its_operation(toy: Toy) -> None:
    toy["components"]["parameters"] = {"Shared": {"name": "id", "in": "path", "schema": {"type": "string"}}}
    item = toy["paths"]["/things/{id}"] = toy["paths"].pop("/things")
    item["parameters"] = [{"$ref": "#/components/parameters/Shared"}]
    item["get"]["parameters"] = [{"name": "limit", "in": "query", "schema": {"type": "integer"}}]
    refuse(toy)
    assert [each["name"] for each in parameters(toy, "/things/{id}", item["get"])] == ["id", "limit"]


def test_a_file_without_paths_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("[]", "utf-8")
    with pytest.raises(SchemaError, match=r"odd\.yaml is no OpenAPI document"):
        load(tmp_path / "odd.yaml")


def test_a_tag_has_its_operations_and_what_their_path_says_of_all(toy: Toy) -> None:
    toy["paths"]["/ask"]["parameters"] = [{"name": "id", "in": "query", "schema": {"type": "string"}}]
    toy["paths"]["/ask"]["get"] = {**toy["paths"]["/things"]["get"], "operationId": "list_questions"}
    parts = by_tag(toy)
    names = {tag: [operation["operationId"] for *_, operation in operations(part)] for tag, part in parts.items()}
    assert names == {"things": ["list_questions", "list_things"], "asking": ["ask"]}
    assert parts["asking"]["paths"]["/ask"]["parameters"] == toy["paths"]["/ask"]["parameters"]
    assert parts["asking"]["components"] == toy["components"]
