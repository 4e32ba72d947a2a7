from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from codegen.document import SchemaError, components, load
from codegen.drift import allowed, drift
from codegen.judges import official_judges, upstream_judges
from codegen.package import Layout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def openai_schema() -> dict[str, Any]:
    return load(Layout().schemas / "openai.yaml")


def unexplained(document: dict[str, Any]) -> list[tuple[str, str]]:
    found = drift(document, official_judges(document))
    return [(each.where, each.problem) for each in found if each.where not in allowed(document)]


def test_the_openai_schema_agrees_with_the_official_package(openai_schema: dict[str, Any]) -> None:
    assert unexplained(openai_schema) == []


def test_the_official_package_is_really_looked_into(openai_schema: dict[str, Any]) -> None:
    schemas = components(openai_schema)
    schemas["ImageUrl"]["properties"]["zoom"] = {"type": "integer"}
    schemas["Usage"]["properties"]["prompt_tokens"] = {"type": "string"}
    schemas["ServiceTier"]["enum"].append("warp")
    schemas["FunctionDefinition"]["required"] = []
    schemas["FilePart"]["properties"]["type"]["enum"] = ["folder"]
    assert unexplained(openai_schema) == [
        ("ChatCompletion.service_tier", "they have no value 'warp'"),
        ("ChatCompletionChunk.service_tier", "they have no value 'warp'"),
        ("ChatCompletionRequest.service_tier", "they have no value 'warp'"),
        ("FilePart", "they have no such variant"),
        ("FunctionDefinition.name", "they require this field"),
        ("ImageUrl.zoom", "they have no such field"),
        ("Usage.prompt_tokens", "they may send integer, expected is null or string"),
    ]


@pytest.mark.parametrize("address", ["no_such_package.types:Thing", "openai.types.chat:NoSuchType"])
def test_an_official_type_that_is_not_there_is_an_error(openai_schema: dict[str, Any], address: str) -> None:
    components(openai_schema)["ChatCompletion"]["x-official"] = address
    with pytest.raises(SchemaError, match=f"x-official {address} cannot be imported"):
        official_judges(openai_schema)


def test_an_upstream_document_is_read_from_a_file(toy: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "upstream.json"
    file.write_text(json.dumps({"components": {"schemas": {"Reply": {"type": "object", "properties": {}}}}}), "utf-8")
    components(toy)["Piece"]["x-upstream"] = "Reply"
    assert list(upstream_judges(toy, file)) == ["Piece"]
    components(toy)["Piece"]["x-upstream"] = "Gone"
    with pytest.raises(SchemaError, match=r"upstream\.json has no component Gone"):
        upstream_judges(toy, file)
