"""The opening pre-pass: what a reply reaches is widened, so that a provider's news never breaks parsing.

Pure functions from document to document; `models` hands the result to the generator. What they do to a component:

- reached by a reply: every enum in it, and every reference to an enum, becomes `known values | str`; a tagged union X
  becomes `X = KnownX | UnknownX`, where UnknownX is any object (two named components: written inline, the generator
  would drop the discriminator); unknown fields are kept by the base class `Model`.
- reached by requests only: stays as written, and gets the base class `RequestModel`, which refuses unknown fields.
- reached by both: opened. What a provider sent must be able to go back to it unchanged, such as a tool call with a
  vendor's signature in it. An enum component is never changed itself, only the references to it, so that requests that
  share it stay strict.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from codegen.document import COMPONENT, components, reached, ref_name, request_roots, response_roots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codegen.document import Document, Node

__all__ = ["REQUEST_BASE", "open_document"]

REQUEST_BASE = "deluge_sync.sdk._base.RequestModel"
TEXT: Node = {"type": "string"}


def open_document(document: Document) -> Document:
    """A copy of `document` whose components are opened as this module's docstring says."""
    opened = deepcopy(document)
    opened["components"]["schemas"] = open_components(
        components(document),
        replies=reached(document, response_roots(document)),
        requests=reached(document, request_roots(document)),
    )
    return opened


def open_components(schemas: Mapping[str, Node], *, replies: set[str], requests: set[str]) -> dict[str, Node]:
    """All components of the opened document. The order is the old one, KnownX and UnknownX stand before their X."""
    enums = {name for name, schema in schemas.items() if "enum" in schema}
    tags = _tags(schemas)
    result: dict[str, Node] = {}
    for name, schema in schemas.items():
        if name in replies and name not in enums:
            result |= _open_component(name, schema, enums, tags.get(name, set()))
        elif name in requests and "properties" in schema:
            result[name] = {**schema, "customBasePath": REQUEST_BASE}
        else:
            result[name] = deepcopy(schema)
    return result


def _tags(schemas: Mapping[str, Node]) -> dict[str, set[str]]:
    """Member of a tagged union -> the properties that are tags in it; they stay constants, to tell members apart."""
    tags: dict[str, set[str]] = {}
    for schema in schemas.values():
        if "discriminator" in schema:
            for member in schema["oneOf"]:
                tags.setdefault(str(ref_name(member)), set()).add(schema["discriminator"]["propertyName"])
    return tags


def _open_component(name: str, schema: Node, enums: set[str], tags: set[str]) -> dict[str, Node]:
    if "discriminator" in schema:
        return _open_union(name, schema)
    return {name: _open_node(schema, enums, tags)}


def _open_union(name: str, schema: Node) -> dict[str, Node]:
    tag = schema["discriminator"]["propertyName"]
    unknown = {
        "type": "object",
        "description": f"A {name} of a kind that the schema does not know. Every field is kept.",
        "properties": {tag: dict(TEXT)},
    }
    either = {"anyOf": [{"$ref": f"{COMPONENT}Known{name}"}, {"$ref": f"{COMPONENT}Unknown{name}"}]}
    return {f"Known{name}": deepcopy(schema), f"Unknown{name}": unknown, name: either}


def _open_node(node: Node, enums: set[str], tags: set[str] | frozenset[str] = frozenset()) -> Node:
    """`node` with every enum in it widened, except the properties named in `tags`."""
    if "enum" in node or ref_name(node) in enums:
        return _widen(node)
    opened: Node = {key: _open_keyword(key, value, enums) for key, value in node.items()}
    if "properties" in node:
        opened["properties"] = {
            key: deepcopy(value) if key in tags else _open_node(value, enums)
            for key, value in node["properties"].items()
        }
        opened.pop("additionalProperties", None)
    return opened


def _open_keyword(key: str, value: Any, enums: set[str]) -> Any:
    if key in ("anyOf", "oneOf", "allOf"):
        return [_open_node(child, enums) for child in value]
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return _open_node(value, enums)
    return deepcopy(value)


def _widen(node: Node) -> Node:
    described = {"description": node["description"]} if "description" in node else {}
    closed = {key: deepcopy(value) for key, value in node.items() if key != "description"}
    return {**described, "anyOf": [closed, dict(TEXT)]}
