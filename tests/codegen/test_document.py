from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from codegen.document import SchemaError, load, reached, refuse, request_roots, response_roots

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


def _path_parameter(toy: Toy) -> None:
    toy["paths"]["/things/{id}"] = toy["paths"].pop("/things")


def _form(toy: Toy) -> None:
    content = toy["paths"]["/ask"]["post"]["requestBody"]["content"]
    content["multipart/form-data"] = content.pop("application/json")


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
        (_path_parameter, "GET /things/{id}: Endpoint has no path parameters yet"),
        (_form, "POST /ask: Endpoint sends no multipart/form-data yet"),
        (_nameless, "POST /ask needs an operationId"),
    ],
)
def test_what_would_generate_badly_is_refused(toy: Toy, spoil: Callable[[Toy], None], message: str) -> None:
    spoil(toy)
    with pytest.raises(SchemaError, match=message):
        refuse(toy)


def test_a_file_without_paths_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("[]", "utf-8")
    with pytest.raises(SchemaError, match=r"odd\.yaml is no OpenAPI document"):
        load(tmp_path / "odd.yaml")
