"""Which module a model lies in, and what stands in each."""

from __future__ import annotations

from typing import Any

import pytest

from codegen.document import SchemaError
from codegen.models import render_models
from codegen.modules import homes, render_modules, render_provider_module
from codegen.opening import open_document

REF = "#/components/schemas/"


def modules_of(toy: dict[str, Any]) -> dict[str, str]:
    opened = open_document(toy)
    return render_modules(opened, "toy", "# header", render_models(opened))


def body(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF + name}}}


def test_a_model_of_one_api_lies_with_it_and_a_common_one_is_shared(toy: dict[str, Any]) -> None:
    found = homes(open_document(toy))
    assert {name for name, module in found.items() if module == "_asking"} == {"Question", "Piece"}
    assert {name for name, module in found.items() if module == "_shared"} == {
        "Answer", "Speed", "Shape", "KnownShape", "UnknownShape", "Circle", "Square",
    }  # fmt: skip
    assert "_things" not in found.values()


def test_an_api_that_takes_the_body_of_another_builds_on_it(toy: dict[str, Any]) -> None:
    row = {"type": "object", "properties": {"question": {"$ref": REF + "Question"}}}
    toy["components"]["schemas"]["Row"] = row
    toy["paths"]["/things"]["get"]["responses"]["200"]["content"] = body("Row")
    found = homes(open_document(toy))
    assert {name: found[name] for name in ("Question", "Circle", "Row")} == {
        "Question": "_asking",
        "Circle": "_asking",
        "Row": "_things",
    }
    assert "from deluge_sync.sdk.toy._asking import Question\n" in modules_of(toy)["_things"]


def test_a_module_has_its_models_its_endpoints_and_no_import_too_many(toy: dict[str, Any]) -> None:
    assert (
        modules_of(toy)["_asking"]
        == '''\
# header

from deluge_sync.sdk._base import Endpoint, Model, RequestModel
from deluge_sync.sdk.toy._shared import Answer, Shape, Speed


class Piece(Model):
    text: str | None = None


class Question(RequestModel):
    """
    What is asked.

    Attributes:
        text: The question.
    """

    text: str
    speed: Speed | None = None
    shapes: list[Shape] | None = None


ask: Endpoint[Question, Answer, Piece] = Endpoint("POST", "/ask", Question, Answer, Piece)
"""Ask."""
'''
    )


def test_a_module_may_have_endpoints_alone(toy: dict[str, Any]) -> None:
    assert (
        modules_of(toy)["_things"]
        == '''\
# header

from types import NoneType

from deluge_sync.sdk._base import Endpoint
from deluge_sync.sdk.toy._shared import Answer

list_things: Endpoint[None, Answer, None] = Endpoint("GET", "/things", NoneType, Answer, NoneType)
"""List."""
'''
    )


def test_a_field_that_is_called_like_a_model_imports_nothing(toy: dict[str, Any]) -> None:
    toy["components"]["schemas"]["Piece"]["properties"]["Speed"] = {"type": "string"}
    assert "from deluge_sync.sdk.toy._shared import Answer, Shape, Speed\n" in modules_of(toy)["_asking"]
    del toy["components"]["schemas"]["Question"]["properties"]["speed"]
    assert "from deluge_sync.sdk.toy._shared import Answer, Shape\n" in modules_of(toy)["_asking"]


def test_the_provider_has_a_module_of_its_own(toy: dict[str, Any]) -> None:
    assert (
        render_provider_module(toy, "toy", "# header")
        == """\
# header

from deluge_sync.sdk._base import Provider

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
"""
    )


def test_a_bearer_key_goes_into_the_authorization_header(toy: dict[str, Any]) -> None:
    toy["components"]["securitySchemes"]["key"] = {"type": "http", "scheme": "bearer"}
    text = render_provider_module(toy, "toy", "# header")
    assert '    key_header="Authorization",\n    key_prefix="Bearer ",\n' in text


def test_a_key_in_the_query_is_refused(toy: dict[str, Any]) -> None:
    toy["components"]["securitySchemes"]["key"]["in"] = "query"
    with pytest.raises(SchemaError, match="'key' is neither a bearer token nor a key in a header"):
        render_provider_module(toy, "toy", "# header")


def test_a_statement_that_belongs_to_no_class_is_refused(toy: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match=r"belongs to no class: Piece\.model_rebuild"):
        render_modules(open_document(toy), "toy", "# header", "class Piece: ...\nPiece.model_rebuild()\n")
