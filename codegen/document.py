"""A provider's schema as plain data: reading it, following its references, refusing what would generate badly.

Knows OpenAPI and our extension keys, nothing of Python code. Every other module of `codegen` starts from here.

Extension keys
    x-base-url-env   environment variables that may replace the server's URL, first found wins
    x-key-env        environment variables that may hold the API key, first found wins; on a security scheme after the
                     first, those of that scheme
    x-base-url-env-path   what those variables leave out at the end of the URL, such as /v1
    x-env            on a server variable: environment variables that may hold it, such as AWS_REGION
    x-headers        fixed headers of every request, such as a version
    x-snake-case     true: fields and parameters get Python names, mimeType becomes mime_type
    x-path-prefix    on an operation: goes before the last part of the base URL's path, such as Gemini's /upload
    x-allow-slash    on a path parameter: its value may be a path itself, such as files/abc
    x-event-name     beside the schema of an event: the field that the event's name belongs in when its data lacks it
    x-request-lines  on an operation: components that we write into a file for it, line by line, so that it takes none
    x-official       on a component: `module:Type` of the provider's own Python package that it mirrors (see drift), or
                     `botocore:service/Shape`
    x-upstream       on a component: the name of the component that it mirrors in the provider's own document
    x-drift-allow    on a component: property, or * for the component as a variant -> why it differs from theirs

A path may end in `#word`, which is not sent: two operations at one path need two keys. Each operation has one tag, the
API it belongs to: `modules` makes a module of each, so that a program loads only what it calls.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "Document",
    "Node",
    "SchemaError",
    "by_tag",
    "components",
    "load",
    "media_types",
    "operations",
    "parameters",
    "reached",
    "ref_name",
    "refuse",
    "request_roots",
    "response_roots",
    "schema_of",
    "success",
]

Node = dict[str, Any]
Document = dict[str, Any]

COMPONENT = "#/components/schemas/"
METHODS = ("get", "post", "put", "patch", "delete")
JSON, FORM, BYTES = "application/json", "multipart/form-data", "application/octet-stream"
JSON_LINES, EVENTS, AWS_EVENTS = "application/jsonl", "text/event-stream", "application/vnd.amazon.eventstream"
REQUEST_FORMS = (JSON, FORM, BYTES)
RESPONSE_FORMS = (JSON, JSON_LINES, BYTES)
EVENT_FORMS = (EVENTS, AWS_EVENTS)
PLACES = ("path", "query", "header")
SCALARS = ("string", "integer", "number", "boolean", "array")
# Keywords of `Api.call`, which a parameter cannot have as its name.
TAKEN = ("endpoint", "request", "extra_body", "extra_headers", "url", "self")


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


def by_tag(document: Document) -> dict[str, Document]:
    """Tag -> the document with only the operations that have it, in the order of the document."""
    tags = {tag: None for *_, operation in operations(document) for tag in operation["tags"]}
    return {tag: {**document, "paths": _tagged(document["paths"], tag)} for tag in tags}


def _tagged(paths: Node, tag: str) -> Node:
    kept = {
        path: {key: value for key, value in item.items() if key not in METHODS or tag in value["tags"]}
        for path, item in paths.items()
    }
    return {path: item for path, item in kept.items() if set(METHODS) & set(item)}


def ref_name(node: object) -> str | None:
    """The component that `node` refers to, or None if it is no reference to one."""
    target = node.get("$ref") if isinstance(node, dict) else None
    return target.removeprefix(COMPONENT) if isinstance(target, str) and target.startswith(COMPONENT) else None


def schema_of(document: Document, holder: Node | None, media_type: str) -> Node | None:
    """The schema of a request body or response for `media_type`; `holder` itself may be a reference."""
    schema: Node | None = media_types(document, holder).get(media_type, {}).get("schema")
    return schema


def media_types(document: Document, holder: Node | None) -> dict[str, Node]:
    """Media type -> what a request body or response says of it; `holder` itself may be a reference."""
    content: dict[str, Node] = _resolved(document, holder or {}).get("content", {})
    return content


def success(operation: Node) -> Node | None:
    """The response of an operation that succeeded: the first of its 2xx."""
    return next((response for status, response in operation["responses"].items() if status[0] == "2"), None)


def parameters(document: Document, path: str, operation: Node) -> list[Node]:
    """The parameters of an operation, those of its whole path first; references are followed."""
    shared = document["paths"][path].get("parameters", [])
    return [_resolved(document, node) for node in [*shared, *operation.get("parameters", [])]]


def request_roots(document: Document) -> list[Node]:
    """The schemas of all request bodies, and of what is written into files."""
    found = [operation for _, _, operation in operations(document)]
    bodies = (media_types(document, operation.get("requestBody")) for operation in found)
    schemas = [content["schema"] for body in bodies for content in body.values() if "schema" in content]
    lines = [name for operation in found for name in operation.get("x-request-lines", ())]
    return [*schemas, *({"$ref": COMPONENT + name} for name in lines)]


def response_roots(document: Document) -> list[Node]:
    """The schemas of all replies, errors and stream events."""
    return [
        content["schema"]
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
        for content in media_types(document, response).values()
        if "schema" in content
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
        _refuse_operation(document, path, method, operation)
    schemas = components(document)
    everything = reached(document, [*request_roots(document), *response_roots(document)])
    if unused := sorted(set(schemas) - everything):
        raise SchemaError(f"no operation reaches {', '.join(unused)}")
    forms = {ref_name(schema) for schema in _form_roots(document)}
    for name, schema in schemas.items():
        _refuse_schema(name, schema, is_component=True)
        if name not in forms and any(_is_binary(node) for node in schema.get("properties", {}).values()):
            raise SchemaError(f"{name}: binary content goes into a body of {FORM} only; elsewhere it is base64")


def _refuse_operation(document: Document, path: str, method: str, operation: Node) -> None:
    where = f"{method} {path}"
    if "operationId" not in operation or "summary" not in operation:
        raise SchemaError(f"{where} needs an operationId and a summary")
    if len(operation.get("tags", ())) != 1:
        raise SchemaError(f"{where} needs one tag: the API it belongs to, which is its module")
    _refuse_media_types(where, media_types(document, operation.get("requestBody")), REQUEST_FORMS)
    _refuse_media_types(where, media_types(document, success(operation)), (*RESPONSE_FORMS, *EVENT_FORMS))
    found = parameters(document, path, operation)
    for parameter in found:
        _refuse_parameter(where, parameter)
    declared = {parameter["name"] for parameter in found if parameter["in"] == "path"}
    if differing := sorted(declared ^ set(re.findall(r"{(\w+)}", path))):
        raise SchemaError(f"{where}: {', '.join(differing)} must be both in the path and a parameter in: path")


def _refuse_media_types(where: str, found: Iterable[str], known: tuple[str, ...]) -> None:
    if unknown := sorted(set(found) - set(known)):
        raise SchemaError(f"{where}: Endpoint has no {', '.join(unknown)}; it has {', '.join(known)}")


def _refuse_parameter(where: str, parameter: Node) -> None:
    name = parameter["name"]
    if parameter["in"] not in PLACES or name in TAKEN:
        raise SchemaError(f"{where}: a parameter {name} in {parameter['in']} cannot be a keyword of Api.call")
    if parameter["schema"].get("type") not in SCALARS:
        raise SchemaError(f"{where}: parameter {name} needs a schema with a type of {', '.join(SCALARS)}")


def _form_roots(document: Document) -> Iterator[Node]:
    for _, _, operation in operations(document):
        if schema := schema_of(document, operation.get("requestBody"), FORM):
            yield schema


def _is_binary(node: Node) -> bool:
    return "binary" in (node.get("format"), node.get("items", {}).get("format"))


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


def _resolved(document: Document, node: Node) -> Node:
    return _follow(document, node["$ref"]) if "$ref" in node else node


def _follow(document: Document, pointer: str) -> Node:
    node: Any = document
    for step in pointer.removeprefix("#/").split("/"):
        node = node[step]
    resolved: Node = node
    return resolved
