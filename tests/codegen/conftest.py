"""A small schema with one of everything, as text, so that a test can change a line of it."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from codegen.package import Layout

if TYPE_CHECKING:
    from pathlib import Path

TOY = """
    openapi: 3.1.0
    info: {title: Toy, version: "1"}
    servers: [{url: "https://toy.example/v1"}]
    x-base-url-env: [TOY_URL]
    x-key-env: [TOY_KEY, TOY_OLD_KEY]
    x-headers: {toy-version: "2"}
    security: [{key: []}]
    paths:
      /ask:
        post:
          operationId: ask
          tags: [asking]
          summary: Ask.
          requestBody:
            content: {application/json: {schema: {$ref: "#/components/schemas/Question"}}}
          responses:
            "200":
              description: Ok.
              content:
                application/json: {schema: {$ref: "#/components/schemas/Answer"}}
                text/event-stream: {schema: {$ref: "#/components/schemas/Piece"}}
      /things:
        get:
          operationId: list_things
          tags: [things]
          summary: List.
          responses:
            "200":
              description: Ok.
              content: {application/json: {schema: {$ref: "#/components/schemas/Answer"}}}
    components:
      securitySchemes:
        key: {type: apiKey, in: header, name: x-toy-key}
      schemas:
        Speed: {type: string, enum: [slow, fast]}
        Question:
          type: object
          description: What is asked.
          required: [text]
          properties:
            text: {type: string, description: The question.}
            speed: {$ref: "#/components/schemas/Speed"}
            shapes:
              type: array
              items: {$ref: "#/components/schemas/Shape"}
        Shape:
          oneOf:
            - $ref: "#/components/schemas/Circle"
            - $ref: "#/components/schemas/Square"
          discriminator: {propertyName: kind}
        Circle:
          type: object
          required: [kind, radius]
          properties:
            kind: {type: string, enum: [circle]}
            radius: {type: number}
        Square:
          type: object
          required: [kind, side]
          properties:
            kind: {type: string, enum: [square]}
            side: {type: number}
            fill: {type: string, enum: [red, blue]}
        Answer:
          type: object
          required: [state]
          properties:
            state: {type: string, enum: [done, cut], description: How it ended.}
            speed: {$ref: "#/components/schemas/Speed"}
            shapes:
              type: array
              items: {$ref: "#/components/schemas/Shape"}
        Piece:
          type: object
          properties:
            text: {type: string}
"""


@pytest.fixture
def toy_text() -> str:
    return dedent(TOY)


@pytest.fixture
def toy(toy_text: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(toy_text)
    return document


@pytest.fixture
def toy_layout(toy_text: str, tmp_path: Path) -> Layout:
    """A repository of its own with the small schema in it, and nothing generated yet."""
    layout = Layout(schemas=tmp_path / "schemas", sdk=tmp_path / "sdk")
    layout.schemas.mkdir()
    layout.sdk.mkdir()
    (layout.schemas / "toy.yaml").write_text(toy_text, "utf-8")
    return layout
