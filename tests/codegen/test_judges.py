from __future__ import annotations

import json
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict

from codegen.document import SchemaError, components, load
from codegen.drift import allowed, drift
from codegen.judges import official_judges, upstream_judges
from codegen.package import Layout
from codegen.shape import shape

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
    schemas["FinishReason"]["enum"].append("warp")
    schemas["ImageUrl"]["properties"]["detail"]["enum"].append("warp")
    schemas["FunctionDefinition"]["required"] = []
    schemas["FilePart"]["properties"]["type"]["enum"] = ["folder"]
    assert unexplained(openai_schema) == [
        ("Choice.finish_reason", "they have no value 'warp'"),
        ("ChunkChoice.finish_reason", "they have no value 'warp'"),
        ("FilePart", "they have no such variant"),
        ("FunctionDefinition.name", "they require this field"),
        ("ImageUrl.detail", "they have no value 'warp'"),
        ("ImageUrl.zoom", "they have no such field"),
        ("Usage.prompt_tokens", "they may send integer, expected is null or string"),
    ]


@pytest.mark.parametrize("address", ["no_such_package.types:Thing", "openai.types.chat:NoSuchType"])
def test_an_official_type_that_is_not_there_is_an_error(openai_schema: dict[str, Any], address: str) -> None:
    components(openai_schema)["ChatCompletion"]["x-official"] = address
    with pytest.raises(SchemaError, match=f"x-official {address} cannot be imported"):
        official_judges(openai_schema)


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("openai.types:FileCreateParams", {"file", "purpose"}),  # a TypedDict with open files in it
        ("mistralai.client.models:ChatCompletionRequest", {"model", "messages", "safe_prompt"}),
        ("google.genai.types:GenerateContentResponse", {"candidates", "usageMetadata"}),  # by alias
        ("cohere:V2RerankResponse", {"results", "meta"}),
        ("botocore:bedrock-runtime/ConverseStreamOutput", {"messageStart", "contentBlockDelta"}),
    ],
)
def test_every_official_package_can_judge(toy: dict[str, Any], address: str, names: set[str]) -> None:
    components(toy)["Piece"]["x-official"] = address
    judge = official_judges(toy)["Piece"]
    [found] = shape(judge.document, judge.node).objects
    assert names <= set(found.properties)


def test_what_has_no_form_in_json_is_anything(toy: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        lock: threading.Event
        text: str = object()  # type: ignore[assignment]  # a marker, as some packages have for what is left out

    package = ModuleType("official_package")
    package.Odd = Odd  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, "official_package", package)
    components(toy)["Piece"]["x-official"] = "official_package:Odd"
    judge = official_judges(toy)["Piece"]
    [found] = shape(judge.document, judge.node).objects
    assert shape(judge.document, found.properties["lock"]).kinds == frozenset()
    assert shape(judge.document, found.properties["text"]).kinds == {"string"}


def test_the_mark_for_nothing_said_is_null(toy: dict[str, Any]) -> None:
    components(toy)["Piece"]["x-official"] = "mistralai.client.models:ListFilesResponse"
    judge = official_judges(toy)["Piece"]
    [found] = shape(judge.document, judge.node).objects
    assert shape(judge.document, found.properties["total"]).kinds == {"integer", "null"}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("botocore:bedrock-runtime/NoSuchShape", "bedrock-runtime has no shape NoSuchShape"),
        ("botocore:no-such-service/Shape", "botocore's model of no-such-service cannot be loaded"),
    ],
)
def test_a_shape_that_is_not_there_is_an_error(toy: dict[str, Any], address: str, message: str) -> None:
    components(toy)["Piece"]["x-official"] = address
    with pytest.raises(SchemaError, match=message):
        official_judges(toy)


def test_an_upstream_document_is_read_from_a_file(toy: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "upstream.json"
    file.write_text(json.dumps({"components": {"schemas": {"Reply": {"type": "object", "properties": {}}}}}), "utf-8")
    components(toy)["Piece"]["x-upstream"] = "Reply"
    assert list(upstream_judges(toy, file)) == ["Piece"]
    components(toy)["Piece"]["x-upstream"] = "Gone"
    with pytest.raises(SchemaError, match=r"upstream\.json has no component Gone"):
        upstream_judges(toy, file)
