"""Turns a document into the text of `endpoints.py` and `__init__.py`: the parts the generator of models does not know.

The text is laid out as ruff would format it at 120 columns.
"""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

from codegen.document import EVENTS, JSON, SchemaError, operations, ref_name, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codegen.document import Document, Node

__all__ = ["render_endpoints", "render_package"]

WIDTH = 120


def render_endpoints(document: Document, provider: str, header: str) -> str:
    """The text of `endpoints.py`: the provider's data and one constant per operation."""
    found = [(path, method, operation, _types(document, operation)) for path, method, operation in operations(document)]
    models = {name for *_, types in found for name in types if name != "None"}
    return "\n".join(
        [
            header,
            "",
            "from __future__ import annotations",
            "",
            "from types import NoneType",
            "",
            "from deluge_sync.sdk._base import Endpoint, Provider",
            *_import(f"deluge_sync.sdk.{provider}.models", models),
            "",
            *_call("provider", "Provider", _provider_arguments(document, provider)),
            "api = provider.api",
            *(line for item in found for line in _endpoint(*item)),
            "",
        ]
    )


def render_package(document: Document, provider: str, header: str, models: str) -> str:
    """The text of `__init__.py`: every name of `models.py` (given as text) and `endpoints.py`, imported and listed."""
    classes = _public_names(models)
    constants = {"api", "provider", *(operation["operationId"] for *_, operation in operations(document))}
    return "\n".join(
        [
            header,
            f'"""{document["info"]["title"]}: the operations we call, typed. `api(...)` makes the caller."""',
            "",
            "from __future__ import annotations",
            "",
            *_import(f"deluge_sync.sdk.{provider}.endpoints", constants),
            *_import(f"deluge_sync.sdk.{provider}.models", classes),
            "",
            "__all__ = [",
            *(f'    "{name}",' for name in [*sorted(classes), *sorted(constants)]),
            "]",
            "",
        ]
    )


def _types(document: Document, operation: Node) -> tuple[str, str, str]:
    """Names of the request, reply and event types of an operation, "None" where it has none."""
    reply = operation["responses"].get("200")
    schemas = (
        schema_of(document, operation.get("requestBody"), JSON),
        schema_of(document, reply, JSON),
        schema_of(document, reply, EVENTS),
    )
    request, response, event = (_type_name(operation, schema) for schema in schemas)
    return request, response, event


def _type_name(operation: Node, schema: Node | None) -> str:
    if schema is None:
        return "None"
    if (name := ref_name(schema)) is None:
        raise SchemaError(f"{operation['operationId']}: its bodies must be references to components")
    return name


def _endpoint(path: str, method: str, operation: Node, types: tuple[str, str, str]) -> list[str]:
    name = f"{operation['operationId']}: Endpoint[{', '.join(types)}]"
    runtime = ["NoneType" if each == "None" else each for each in types]
    return ["", *_call(name, "Endpoint", [_quote(method), _quote(path), *runtime]), _quote3(operation["summary"])]


def _provider_arguments(document: Document, provider: str) -> list[str]:
    header, prefix = _key_header(document)
    arguments = {
        "name": _quote(provider),
        "base_url": _quote(document["servers"][0]["url"]),
        "base_url_env": _tuple(document.get("x-base-url-env", ())),
        "key_env": _tuple(document["x-key-env"]),
        "key_header": _quote(header),
        "key_prefix": _quote(prefix),
        "headers": json.dumps(document.get("x-headers", {})),
    }
    return [f"{name}={value}" for name, value in arguments.items()]


def _key_header(document: Document) -> tuple[str, str]:
    """The header that carries the key, and what stands before the key in it."""
    [scheme] = document["security"][0]
    details = document["components"]["securitySchemes"][scheme]
    if details["type"] == "http" and details["scheme"] == "bearer":
        return "Authorization", "Bearer "
    if details["type"] == "apiKey" and details["in"] == "header":
        return details["name"], ""
    raise SchemaError(f"security scheme {scheme!r} is neither a bearer token nor a key in a header")


def _public_names(module: str) -> set[str]:
    """The classes and aliases that the text of a module defines."""
    body = ast.parse(module).body
    classes = {node.name for node in body if isinstance(node, ast.ClassDef)}
    aliases = {
        target.id
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return classes | aliases


def _import(module: str, names: Iterable[str]) -> list[str]:
    ordered = sorted(names)
    line = f"from {module} import {', '.join(ordered)}"
    return [line] if len(line) <= WIDTH else [f"from {module} import (", *(f"    {name}," for name in ordered), ")"]


def _call(target: str, function: str, arguments: list[str]) -> list[str]:
    line = f"{target} = {function}({', '.join(arguments)})"
    return [line] if len(line) <= WIDTH else [f"{target} = {function}(", *(f"    {each}," for each in arguments), ")"]


def _tuple(texts: Sequence[str]) -> str:
    inside = ", ".join(_quote(text) for text in texts)
    return f"({inside},)" if len(texts) == 1 else f"({inside})"


def _quote(text: str) -> str:
    return json.dumps(text)


def _quote3(text: str) -> str:
    return f'"""{text}"""'
