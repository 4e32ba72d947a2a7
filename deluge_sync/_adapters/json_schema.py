"""The JSON Schema a user asks an answer or a tool's arguments to fit, and whether strict mode can hold the model to it.

Strict mode takes a part of JSON Schema only and answers 400 to the rest, so `allows_strict` says no where it is not
sure. Nothing here validates an answer. The adapters call it when they build a request, the client to check its
arguments, the engine to estimate tokens.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic.errors import PydanticUserError

from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from deluge_sync.tool import Tool

__all__ = ["allows_strict", "schema_of", "strict_parameters"]

log = logging.getLogger(__name__)

# Where a schema holds further schemas: by name, in a list, or one.
_NAMED: Final = ("properties", "$defs", "definitions")
_LISTED: Final = ("anyOf",)
_SINGLE: Final = ("items",)

# Source: https://platform.openai.com/docs/guides/structured-outputs (read 2026-11), "Supported schemas".
_REFUSED: Final = frozenset(
    [
        "allOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "unevaluatedProperties",
        "prefixItems",
        "contains",
        "minContains",
        "maxContains",
        "unevaluatedItems",
        "uniqueItems",
        "discriminator",
        "default",
    ]
)
_KINDS: Final = frozenset(("type", "$ref", "anyOf"))  # a schema says at least one of these
_FORMATS: Final = frozenset(["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"])


def schema_of(output_schema: Any) -> tuple[str, dict[str, Any]]:
    """A name of 1 to 64 letters, digits, _ and -, and the JSON Schema, which is not to be changed.

    A schema given as a dict is taken as it is. That of a pydantic model class is closed and made to require every
    field where this is all that strict mode lacks: what fits it fits the class too.

    Raises:
        ConfigError: it is neither, or a class that has no JSON Schema.
    """
    if isinstance(output_schema, type) and hasattr(output_schema, "model_json_schema"):
        return _name(output_schema.__name__), _schema_of_class(output_schema)
    if isinstance(output_schema, Mapping):
        return _name(str(output_schema.get("title") or "")), dict(output_schema)
    raise ConfigError(f"output_schema is a pydantic model class or a JSON Schema, not {output_schema!r:.80}")


def allows_strict(schema: Any) -> bool:
    """Whether strict mode takes the schema: an object, and every object in it is closed and requires all it has."""
    return _is(schema, "object") and "anyOf" not in schema and _fits(schema)


@lru_cache(maxsize=1_024)  # thousands of prompts come with the same tools
def strict_parameters(tool: Tool) -> dict[str, Any] | None:
    """The schema that holds a model to the tool's arguments, not to be changed; None where strict mode cannot.

    What may be left out is required and nullable in it; `Tool.call` reads null as left out.
    """
    strict = tool.strict_parameters
    if strict is None or not allows_strict(strict):
        log.debug("tool %s is sent without strict, which its schema does not allow", tool.name)
        return None
    return strict


def _name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", title).strip("_")[:64] or "answer"


@lru_cache(maxsize=256)
def _schema_of_class(model_class: Any) -> dict[str, Any]:
    try:
        schema = _unfolded(model_class.model_json_schema())
    except PydanticUserError as error:
        raise ConfigError(f"output_schema {model_class.__name__} has no JSON Schema: {error.message}") from error
    closed: dict[str, Any] = _closed(schema)
    return closed if allows_strict(closed) else schema


def _unfolded(schema: dict[str, Any]) -> dict[str, Any]:
    """A class that contains itself is written as a mere reference, but providers want an object at the top."""
    if "$ref" not in schema:
        return schema
    return {**schema["$defs"][schema["$ref"].removeprefix("#/$defs/")], "$defs": schema["$defs"]}


# --- what strict mode wants


def _fits(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or _KINDS.isdisjoint(schema) or not _REFUSED.isdisjoint(schema):
        return False
    return (
        (len(schema) == 1 or "$ref" not in schema)
        and (_is_closed(schema) or not _is(schema, "object"))
        and ("items" in schema or not _is(schema, "array"))
        and str(schema.get("format", "date")) in _FORMATS
        and "(?" not in str(schema.get("pattern"))
        and all(_fits(child) for child in _children(schema))
    )


def _is(schema: Any, kind: str) -> bool:
    said = schema.get("type") if isinstance(schema, Mapping) else None
    return said == kind or (isinstance(said, list | tuple) and kind in said)


def _is_closed(schema: Mapping[str, Any]) -> bool:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    return (
        schema.get("additionalProperties") is False
        and isinstance(properties, Mapping)
        and isinstance(required, list | tuple)
        and len(required) == len(properties)
        and all(name in required for name in properties)
    )


def _children(schema: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas one level down. What stands in the place of some but has not their form is yielded as None."""
    for key in _NAMED:
        if key in schema:
            yield from schema[key].values() if isinstance(schema[key], Mapping) else (None,)
    for key in _LISTED:
        if key in schema:
            yield from schema[key] if isinstance(schema[key], list | tuple) else (None,)
    yield from (schema[key] for key in _SINGLE if key in schema)


# --- the schema of a class in that form


def _closed(schema: Any) -> Any:
    """The schema with every object closed and complete, as far as it is one that pydantic writes."""
    if not isinstance(schema, dict):
        return schema
    written = _with_children(_renamed(schema), _closed)
    if "properties" in written:
        return {"additionalProperties": False, **written, "required": list(written["properties"])}
    if "$ref" in written and len(written) > 1:  # strict mode wants a reference alone
        return {"anyOf": [{"$ref": written.pop("$ref")}], **written}
    return written


def _renamed(schema: dict[str, Any]) -> dict[str, Any]:
    """A field that is always there needs no default, and a tagged union is any of its variants."""
    kept = {key: value for key, value in schema.items() if key not in ("default", "discriminator")}
    return {("anyOf" if key == "oneOf" else key): value for key, value in kept.items()}


def _with_children(schema: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    written = dict(schema)
    for key in schema.keys() & set(_NAMED):
        written[key] = {name: change(child) for name, child in schema[key].items()}
    for key in schema.keys() & set(_LISTED):
        written[key] = [change(child) for child in schema[key]]
    for key in schema.keys() & set(_SINGLE):
        written[key] = change(schema[key])
    return written
