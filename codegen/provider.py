"""Turns what a document says of its provider (address, keys, headers) into the constant `provider`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from codegen.document import SchemaError
from codegen.text import call, quote, tuple_of

if TYPE_CHECKING:
    from codegen.document import Document, Node

__all__ = ["render_provider"]


def render_provider(document: Document, provider: str) -> list[str]:
    """The lines that define the constant `provider`."""
    return call("provider", "Provider", [f"{name}={value}" for name, value in _arguments(document, provider).items()])


def _arguments(document: Document, provider: str) -> dict[str, str]:
    [scheme, *others] = [name for choice in document["security"] for name in choice]
    header, prefix = _key_header(document, scheme)
    server = document["servers"][0]
    arguments = {
        "name": quote(provider),
        "base_url": quote(server["url"]),
        "base_url_env": tuple_of(document.get("x-base-url-env", ())),
        "key_env": tuple_of(document["x-key-env"]),
        "key_header": quote(header),
        "key_prefix": quote(prefix),
        "headers": json.dumps(document.get("x-headers", {})),
    }
    if "x-base-url-env-path" in document:
        arguments["base_url_env_path"] = quote(document["x-base-url-env-path"])
    if variables := [_variable(*item) for item in server.get("variables", {}).items()]:
        arguments["base_url_variables"] = f"({', '.join(variables)},)"
    if others:
        arguments["other_keys"] = f"({', '.join(_other_key(document, other) for other in others)},)"
    return arguments


def _variable(name: str, details: Node) -> str:
    environment = f", {tuple_of(details['x-env'])}" if "x-env" in details else ""
    return f"BaseUrlVariable({quote(name)}, {quote(details['default'])}{environment})"


def _other_key(document: Document, scheme: str) -> str:
    header, prefix = _key_header(document, scheme)
    details = document["components"]["securitySchemes"][scheme]
    return f"KeyHeader({tuple_of(details['x-key-env'])}, {quote(header)}, {quote(prefix)})"


def _key_header(document: Document, scheme: str) -> tuple[str, str]:
    """The header that carries a key of the `scheme`, and what stands before the key in it."""
    details = document["components"]["securitySchemes"][scheme]
    if details["type"] == "http" and details["scheme"] == "bearer":
        return "Authorization", "Bearer "
    if details["type"] == "apiKey" and details["in"] == "header":
        return details["name"], ""
    raise SchemaError(f"security scheme {scheme!r} is neither a bearer token nor a key in a header")
