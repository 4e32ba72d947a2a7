from __future__ import annotations

import enum
import re
import uuid
from datetime import date, datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, Field

from deluge_sync.testing._schema import fitting_document


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    kind: Literal["leaf"]
    size: Annotated[float, Field(gt=0, le=0.5)]


class Tree(BaseModel):
    kind: Literal["tree"]
    left: Tree | Leaf
    right: Tree | None = None


class Everything(BaseModel):
    name: Annotated[str, Field(min_length=12, max_length=14)]
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{2,4}(x|y)?$")]
    count: Annotated[int, Field(ge=3, lt=5)]
    even: Annotated[int, Field(gt=10, multiple_of=4)]
    below: Annotated[int, Field(lt=-5)]
    share: Annotated[float, Field(gt=0, lt=1)]
    flag: bool
    colour: Colour
    day: date
    moment: datetime
    key: uuid.UUID
    link: AnyUrl
    pair: tuple[int, str]
    several: Annotated[list[str], Field(min_length=3)]
    distinct: Annotated[set[int], Field(min_length=3)]
    by_name: Annotated[dict[str, int], Field(min_length=2)]
    maybe: int | None
    tree: Tree
    anything: Any


@pytest.mark.parametrize("model", [Everything, Tree, Leaf])
def test_documents_fit_the_schemas_of_pydantic_models(model: type[BaseModel]) -> None:
    model.model_validate(fitting_document(model.model_json_schema()))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object", "properties": {"city": {"type": "string"}}}, {"city": "city"}),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": ["string", "null"]}, "text"),
        ({"type": "array", "items": {"type": "integer", "maximum": -3}}, [-3]),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 0}, []),
        ({"oneOf": [{"type": "boolean"}, {"type": "integer"}]}, True),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"required": ["x"]}, {"x": "x"}),
        ({"$ref": "#"}, "text"),
        ({"$ref": "#/nowhere"}, "text"),
        (True, "text"),
    ],
)
def test_documents_of_plain_schemas(schema: Any, expected: object) -> None:
    assert fitting_document(schema) == expected


def test_a_recursive_schema_ends() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
    }
    depth, document = 0, fitting_document(node)
    while document is not None:
        depth, document = depth + 1, document["next"]
    assert depth > 1


@pytest.mark.parametrize(
    "pattern", [r"^\w+@\w+\.com$", "[^a]b", "a{2,5}", "(?:x|y)z", r"[\s\d]-", r"[^\W\d]", "", "^.+?$", "[b-y]"]
)
def test_strings_match_their_pattern(pattern: str) -> None:
    assert re.search(pattern, fitting_document({"type": "string", "pattern": pattern}))
