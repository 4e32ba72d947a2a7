from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from codegen.document import SchemaError
from codegen.models import render_models
from codegen.opening import open_document


def test_the_small_schema_becomes_these_classes(toy: dict[str, Any]) -> None:
    text = render_models(open_document(toy))
    assert (
        text
        == """\
#

from typing import Annotated, Literal

from deluge_sync.sdk._base import Model, RequestModel
from pydantic import Field
from typing_extensions import TypeAliasType

Speed = TypeAliasType("Speed", Literal["slow", "fast"])


class UnknownShape(Model):
    \"\"\"A Shape of a kind that the schema does not know. Every field is kept.\"\"\"

    kind: str | None = None


class Circle(Model):
    kind: Literal["circle"] = "circle"
    radius: float


class Square(Model):
    kind: Literal["square"] = "square"
    side: float
    fill: Literal["red", "blue"] | str | None = None


class Piece(Model):
    text: str | None = None


KnownShape = TypeAliasType(
    "KnownShape", Annotated[Circle | Square, Field(discriminator="kind")]
)


Shape = TypeAliasType("Shape", KnownShape | UnknownShape)


class Answer(Model):
    \"\"\"
    Attributes:
        state: How it ended.
    \"\"\"

    state: Literal["done", "cut"] | str
    speed: Speed | str | None = None
    shapes: list[Shape] | None = None


class Question(RequestModel):
    \"\"\"
    What is asked.

    Attributes:
        text: The question.
    \"\"\"

    text: str
    speed: Speed | None = None
    shapes: list[Shape] | None = None
"""
    )


def test_names_in_snake_case_keep_the_providers_as_aliases(toy: dict[str, Any]) -> None:
    toy["x-snake-case"] = True
    fields = toy["components"]["schemas"]["Piece"]["properties"]
    fields["mimeType"] = {"type": "string", "description": "What it is."}
    text = render_models(open_document(toy))
    assert '    mime_type: Annotated[str | None, Field(alias="mimeType")] = None\n' in text
    assert "        mime_type: What it is.\n" in text


def test_a_file_in_a_form_is_an_upload(toy: dict[str, Any]) -> None:
    fields = toy["components"]["schemas"]["Question"]["properties"]
    fields["file"] = {"type": "string", "format": "binary", "description": "The file."}
    fields["more"] = {"type": "array", "items": {"type": "string", "format": "binary"}}
    text = render_models(open_document(toy))
    assert "from deluge_sync.sdk._base import Model, RequestModel, Upload\n" in text
    assert "    file: Upload | None = None\n    more: list[Upload] | None = None\n" in text


def test_a_schema_that_the_generator_refuses_is_an_error_with_its_words(toy: dict[str, Any]) -> None:
    toy["components"]["schemas"]["Piece"]["properties"]["text"] = {"$ref": "#/components/schemas/Nowhere"}
    with pytest.raises(SchemaError, match=r"datamodel-code-generator refuses the schema: (?s:.*)Nowhere"):
        render_models(toy)


def test_generating_prints_nothing() -> None:
    script = "from codegen.package import Layout, generate; generate(Layout())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
