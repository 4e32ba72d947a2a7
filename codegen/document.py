"""A provider's schema as plain data: reading it, following its references, refusing what would generate badly.

Knows OpenAPI and our extension keys, nothing of Python code. Every other module of `codegen` starts from here.

Extension keys
    x-base-url-env   environment variables that may replace the server's URL, first found wins
    x-key-env        environment variables that may hold the API key, first found wins
    x-headers        fixed headers of every request, such as a version
    x-official       on a component: `module:Type` of the provider's own Python package that it mirrors (see drift)
    x-upstream       on a component: the name of the component that it mirrors in the provider's own document
    x-drift-allow    on a component: property, or * for the component as a variant -> why it differs from theirs
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "Document",
    "Node",
    "SchemaError",
    "components",
    "load",
    "operations",
    "reached",
    "ref_name",
    "refuse",
    "request_roots",
    "response_roots",
    "schema_of",
]

Node = dict[str, Any]
Document = dict[str, Any]

COMPONENT = "#/components/schemas/"
METHODS = ("get", "post", "put", "patch", "delete")
JSON, EVENTS = "application/json", "text/event-stream"


class SchemaError(Exception):
    """A schema that cannot be read, or that would generate classes with bad names or wrong types."""


def load(path: Path) -> Document:
    """The document in `path`, checked by `refuse`."""
    document = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(document, dict) or "paths" not in document:
        raise SchemaError(f"{path.name} is no OpenAPI document: it has no paths")
    refuse(document)
    return document


def components(document: Document) -> dict[str, Node]:
    """The named schemas."""
    schemas: dict[str, Node] = document.get("components", {}).get("schemas", {})
    return schemas


def operations(document: Document) -> Iterator[tuple[str, str, Node]]:
    """(path, METHOD, operation) in the order of the document."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method.upper(), item[method]


def ref_name(node: object) -> str | None:
    """The component that `node` refers to, or None if it is no reference to one."""
    target = node.get("$ref") if isinstance(node, dict) else None
    return target.removeprefix(COMPONENT) if isinstance(target, str) and target.startswith(COMPONENT) else None


def schema_of(document: Document, holder: Node | None, media_type: str) -> Node | None:
    """The schema of a request body or response for `media_type`; `holder` itself may be a reference."""
    node = holder or {}
    if "$ref" in node:
        node = _follow(document, node["$ref"])
    schema: Node | None = node.get("content", {}).get(media_type, {}).get("schema")
    return schema


def request_roots(document: Document) -> list[Node]:
    """The schemas of all request bodies."""
    bodies = (schema_of(document, operation.get("requestBody"), JSON) for _, _, operation in operations(document))
    return [schema for schema in bodies if schema is not None]


def response_roots(document: Document) -> list[Node]:
    """The schemas of all replies, errors and stream events."""
    return [
        schema
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
        for media_type in (JSON, EVENTS)
        if (schema := schema_of(document, response, media_type)) is not None
    ]


def reached(document: Document, roots: Iterable[Node]) -> set[str]:
    """Names of the components that the `roots` refer to, directly or through other components."""
    schemas = components(document)
    seen: set[str] = set()
    waiting = [name for root in roots for name in _names_in(root)]
    while waiting:
        name = waiting.pop()
        if name not in schemas:
            raise SchemaError(f"a reference leads to {name!r}, which is no component")
        if name not in seen:
            seen.add(name)
            waiting.extend(_names_in(schemas[name]))
    return seen


def refuse(document: Document) -> None:
    """Raise `SchemaError` at the first thing that we do not generate well, naming where it stands."""
    for path, method, operation in operations(document):
        _refuse_operation(f"{method} {path}", path, operation)
    schemas = components(document)
    everything = reached(document, [*request_roots(document), *response_roots(document)])
    if unused := sorted(set(schemas) - everything):
        raise SchemaError(f"no operation reaches {', '.join(unused)}")
    for name, schema in schemas.items():
        _refuse_schema(name, schema, is_component=True)


def _refuse_operation(where: str, path: str, operation: Node) -> None:
    if "operationId" not in operation or "summary" not in operation:
        raise SchemaError(f"{where} needs an operationId and a summary")
    if "{" in path:
        raise SchemaError(f"{where}: Endpoint has no path parameters yet; add them there first")
    for media_type in operation.get("requestBody", {}).get("content", {}):
        if media_type != JSON:
            raise SchemaError(f"{where}: Endpoint sends no {media_type} yet; add it there first")


def _refuse_schema(where: str, node: Node, *, is_component: bool = False) -> None:
    if "default" in node:
        raise SchemaError(f"{where}: a default would be sent without being asked for; leave it to the provider")
    if not is_component and ("properties" in node or "discriminator" in node):
        raise SchemaError(f"{where}: an object or a tagged union needs a component of its own, to have a good name")
    if "oneOf" in node and "discriminator" not in node:
        raise SchemaError(f"{where}: oneOf needs a discriminator; use anyOf for what is told apart by its JSON type")
    if undeclared := sorted(set(node.get("required", ())) - set(node.get("properties", ()))):
        raise SchemaError(f"{where}: requires {', '.join(undeclared)}, which it does not declare")
    for place, child in _children(node):
        _refuse_schema(f"{where}.{place}", child)


def _children(node: Node) -> Iterator[tuple[str, Node]]:
    """The schemas inside a schema, each with its place."""
    yield from node.get("properties", {}).items()
    for keyword in ("anyOf", "oneOf", "allOf"):
        for index, child in enumerate(node.get(keyword, ())):
            yield f"{keyword}[{index}]", child
    for keyword in ("items", "additionalProperties"):
        if isinstance(node.get(keyword), dict):
            yield keyword, node[keyword]


def _names_in(node: object) -> Iterator[str]:
    if (name := ref_name(node)) is not None:
        yield name
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _names_in(child)


def _follow(document: Document, pointer: str) -> Node:
    node: Any = document
    for step in pointer.removeprefix("#/").split("/"):
        node = node[step]
    resolved: Node = node
    return resolved
