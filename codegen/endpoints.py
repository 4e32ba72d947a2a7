"""Turns the operations of a document into endpoints, one constant each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.document import (
    BYTES,
    EVENT_FORMS,
    EVENTS,
    JSON,
    JSON_LINES,
    REQUEST_FORMS,
    RESPONSE_FORMS,
    SchemaError,
    media_types,
    operations,
    parameters,
    ref_name,
    success,
)
from codegen.naming import python_name
from codegen.text import WIDTH, call, docstring, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codegen.document import Document, Node

__all__ = ["BASE", "BASE_MODULE", "endpoint_lines"]

BASE_MODULE = "deluge_sync.sdk._base"
BASE = ("BaseUrlVariable", "Endpoint", "KeyHeader", "Param", "Provider")

KINDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list"}
NO_TYPE = "None"


@dataclass(frozen=True, slots=True)
class _Side:
    """What crosses the wire in one direction: its media type, the name of its type, and how that type is written."""

    form: str = ""
    name: str = ""
    text: str = NO_TYPE
    event_name: str | None = None

    @property
    def runtime(self) -> str:
        return "NoneType" if self.text == NO_TYPE else self.text


def endpoint_lines(document: Document) -> list[str]:
    """The lines that define one constant per operation of `document`, each after an empty line."""
    return [
        line
        for path, method, operation in operations(document)
        for line in _endpoint(document, path, method, operation, _sides(document, operation))
    ]


def _sides(document: Document, operation: Node) -> tuple[_Side, _Side, _Side]:
    """The request, the reply and the events of an operation."""
    body, reply = operation.get("requestBody"), success(operation)
    return (
        _side(document, operation, body, REQUEST_FORMS),
        _side(document, operation, reply, RESPONSE_FORMS),
        _side(document, operation, reply, EVENT_FORMS),
    )


def _side(document: Document, operation: Node, holder: Node | None, forms: Sequence[str]) -> _Side:
    content = media_types(document, holder)
    found = [form for form in forms if form in content]
    if len(found) > 1:
        raise SchemaError(f"{operation['operationId']}: one of {', '.join(found)} must do")
    if not found:
        return _Side()
    [form] = found
    if form == BYTES:
        return _Side(form, text="bytes")
    if (name := ref_name(content[form].get("schema"))) is None:
        raise SchemaError(f"{operation['operationId']}: its bodies must be references to components")
    text = f"list[{name}]" if form == JSON_LINES else name
    return _Side(form, name, text, content[form].get("x-event-name"))


def _endpoint(
    document: Document, path: str, method: str, operation: Node, sides: tuple[_Side, _Side, _Side]
) -> list[str]:
    request, reply, event = sides
    name = f"{operation['operationId']}: Endpoint[{', '.join(side.text for side in sides)}]"
    arguments = [
        quote(method),
        quote(path.partition("#")[0]),
        *(side.runtime for side in sides),
        *_params(document, path, operation),
        *_unusual("request_form", request.form, JSON),
        *_unusual("response_form", reply.form, JSON),
        *_unusual("event_form", event.form, EVENTS),
        *_unusual("event_name_field", event.event_name),
        *_unusual("path_prefix", operation.get("x-path-prefix")),
    ]
    return ["", *call(name, "Endpoint", arguments), docstring(operation["summary"])]


def _unusual(name: str, value: str | None, usual: str = "") -> list[str]:
    """The argument that says `value`, if it needs to be said."""
    return [f"{name}={quote(value)}"] if value and value != usual else []


def _params(document: Document, path: str, operation: Node) -> list[str]:
    found = [_param(document, node) for node in parameters(document, path, operation)]
    line = f"params=({', '.join(found)}{',' if len(found) == 1 else ''})"
    if len(line) + len("    ,") <= WIDTH:
        return [line] if found else []
    return ["\n".join(["params=(", *(f"        {each}," for each in found), "    )"])]


def _param(document: Document, node: Node) -> str:
    name, schema = node["name"], node["schema"]
    is_fixed = node.get("required") and node["in"] != "path" and len(schema.get("enum", ())) == 1
    arguments = [quote(python_name(document, name)), quote(name), quote(node["in"]), KINDS[schema["type"]]]
    if node["in"] == "path" or (node.get("required") and not is_fixed):
        arguments.append("required=True")
    if node.get("x-allow-slash"):
        arguments.append("keeps_slashes=True")
    if is_fixed:
        arguments.append(f"fixed={quote(str(schema['enum'][0]))}")
    return f"Param({', '.join(arguments)})"
