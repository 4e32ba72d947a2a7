"""What a JSON value may look like according to a schema, with references, unions and nullability worked out.

Reads every dialect that `drift` meets: our documents, OpenAPI 3.0 and 3.1 (also a 3.1 that writes `nullable: true`),
and the JSON Schema that pydantic makes. Pure; knows nothing of what is compared with what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codegen.document import Document, Node

__all__ = ["ObjectShape", "Shape", "shape"]


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """One kind of object. `name` is that of its component, or empty; without properties it is a map of `entries`."""

    name: str
    properties: dict[str, Node]
    required: frozenset[str]
    entries: Node

    def constants(self, document: Document) -> dict[str, frozenset[Any]]:
        """The properties that are limited to certain values, such as the tag of a union."""
        shapes = {name: shape(document, node) for name, node in self.properties.items()}
        return {name: found.values for name, found in shapes.items() if found.values is not None}


@dataclass(frozen=True, slots=True)
class Shape:
    """All that one place in a document allows.

    `kinds` are JSON Schema's type names; empty means anything at all. `values` are the strings allowed, None for any.
    """

    kinds: frozenset[str]
    values: frozenset[Any] | None
    items: tuple[Node, ...]
    objects: tuple[ObjectShape, ...]


def shape(document: Document, node: Node) -> Shape:
    """The shape of `node`, whose references lead into `document`."""
    atoms = list(_atoms(document, node))
    kinds = [_kind(atom) for _, atom in atoms]
    strings = [atom for (_, atom), kind in zip(atoms, kinds, strict=True) if kind == "string"]
    closed = strings and all("enum" in atom for atom in strings)
    return Shape(
        kinds=frozenset() if "any" in kinds else frozenset(kinds),
        values=frozenset(value for atom in strings for value in atom["enum"]) if closed else None,
        items=tuple(atom.get("items", {}) for (_, atom), kind in zip(atoms, kinds, strict=True) if kind == "array"),
        objects=tuple(_object(name, atom) for (name, atom), kind in zip(atoms, kinds, strict=True) if kind == "object"),
    )


def _object(name: str, atom: Node) -> ObjectShape:
    entries = atom.get("additionalProperties")
    return ObjectShape(
        name=name,
        properties=atom.get("properties", {}),
        required=frozenset(atom.get("required", ())),
        entries=entries if isinstance(entries, dict) else {},
    )


def _kind(atom: Node) -> str:
    if "type" in atom:
        return str(atom["type"])
    if "properties" in atom:
        return "object"
    return "string" if "enum" in atom else "any"


def _atoms(document: Document, node: Node, name: str = "") -> Iterator[tuple[str, Node]]:
    """The alternatives of `node`, each without `$ref`, unions and type lists, with the name of its component."""
    if node.get("nullable"):
        yield "", {"type": "null"}
    if "$ref" in node:
        yield from _atoms(document, _follow(document, node["$ref"]), node["$ref"].rpartition("/")[2])
    elif union := node.get("anyOf") or node.get("oneOf"):
        for child in union:
            yield from _atoms(document, child, name)
    elif "allOf" in node:
        yield name, _merged(document, [*node["allOf"], {key: node[key] for key in node if key != "allOf"}])
    elif isinstance(node.get("type"), list):
        for kind in node["type"]:
            yield from _atoms(document, {**node, "type": kind, "nullable": False}, name)
    elif "const" in node:
        yield name, {"type": "string", "enum": [node["const"]]} if isinstance(node["const"], str) else node
    else:
        yield name, node


def _merged(document: Document, parts: list[Node]) -> Node:
    """The parts of an `allOf` as one: all properties, all that any part requires, other keywords from the last part."""
    atoms = [atom for part in parts for _, atom in _atoms(document, part)]
    merged: Node = {key: value for atom in atoms for key, value in atom.items()}
    merged["properties"] = {key: value for atom in atoms for key, value in atom.get("properties", {}).items()}
    merged["required"] = [key for atom in atoms for key in atom.get("required", ())]
    return merged


def _follow(document: Document, pointer: str) -> Node:
    node: Any = document
    for step in pointer.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    found: Node = node
    return found
