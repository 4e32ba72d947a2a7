"""A JSON Schema as Anthropic takes it for structured outputs and strict tools; `anthropic` calls it.

The API knows a part of JSON Schema and answers 400 to the rest: every object is closed, numbers and lengths have no
bounds, and nothing contains itself. `translated` gives a schema of that part which every document in question fits as
far as the API can hold the model to it; the bounds it cannot are told to the model in descriptions.

Sources: the official package `anthropic` 2.12, `transform_schema`, for what is kept;
https://platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import copy_json

if TYPE_CHECKING:
    from deluge_sync.tool import Tool

__all__ = ["allows_strict", "strict_schema", "translated"]

log = logging.getLogger(__name__)

_NAMED: Final = ("$defs", "definitions", "properties")
_LISTED: Final = ("anyOf", "allOf")
_KEPT: Final = frozenset(("type", "enum", "const", "default", "description", "title", "required", "$ref", "format"))
_FORMATS: Final = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)
# Of no use to the model, and left out without a word.
_SILENT: Final = frozenset(("$schema", "$id", "$comment", "discriminator", "additionalProperties"))


def translated(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in the part that the API takes; nothing of it is shared with the one given.

    Raises:
        ConfigError: an object in it has free keys, or it contains itself, which the API has no form for.
    """
    try:
        _refuse_circles(schema)
        written: dict[str, Any] = _translated(schema, "")
    except RecursionError:
        raise _no_form("it is nested too deeply") from None
    return written


def allows_strict(schema: Mapping[str, Any]) -> bool:
    """Whether the schema is in that part already, so that a tool's arguments can be held to it as it is."""
    try:
        return translated(schema) == schema
    except ConfigError:
        return False


def strict_schema(tool: Tool) -> Mapping[str, Any] | None:
    """The schema that Claude can be held to for a tool: its own, or its strict form; None where there is none."""
    for schema in (tool.parameters, tool.strict_parameters):
        if schema is not None and allows_strict(schema):
            return schema
    log.debug("tool %s is sent without strict, which its schema does not allow", tool.name)
    return None


def _translated(schema: Any, where: str) -> Any:
    if not isinstance(schema, Mapping):
        raise ConfigError(
            f"output_schema cannot be written for Anthropic: {where or 'it'} is no schema: {schema!r:.80}"
        )
    written = {key: copy_json(schema[key]) for key in schema if _is_kept(key, schema[key])}
    for key in (key for key in schema if key in _NAMED):
        written[key] = {name: _translated(child, f"{where}.{name}") for name, child in schema[key].items()}
    for key in (key for key in schema if key in (*_LISTED, "oneOf")):  # of one and of any says the same to the model
        name = "anyOf" if key == "oneOf" else key
        written[name] = [_translated(child, f"{where}.{key}[{index}]") for index, child in enumerate(schema[key])]
    if "items" in schema:
        written["items"] = _translated(schema["items"], f"{where}[]")
    if _is_object(schema):
        written |= _closed(schema, where)
    return written | _told(schema, written)


def _is_kept(key: str, value: Any) -> bool:
    if key == "format":
        return value in _FORMATS
    return key in _KEPT or (key == "minItems" and value in (0, 1))


def _is_object(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type", "object" if "properties" in schema else None)
    return kind == "object" or (isinstance(kind, list | tuple) and "object" in kind)


def _closed(schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    """An object of named properties fits without others too; one of free keys alone would have to be empty."""
    if not schema.get("properties") and schema.get("additionalProperties") is not False:
        raise _no_form(
            f"{where.lstrip('.') or 'it'} is an object with free keys; name its properties, or make it a list of key "
            "and value"
        )
    return {"additionalProperties": False}


def _no_form(problem: str) -> ConfigError:
    return ConfigError(f"output_schema cannot be written for Anthropic: {problem}")


def _told(schema: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, str]:
    """The description with the keywords that the API cannot hold the model to, or nothing."""
    known = {*written, *_SILENT, "oneOf"}
    rest = ", ".join(f"{key}: {value}" for key, value in schema.items() if key not in known)
    if not rest:
        return {}
    said = schema.get("description")
    return {"description": f"{said} ({rest})" if said else f"({rest})"}


def _refuse_circles(schema: Mapping[str, Any]) -> None:
    """A definition that comes back to itself is refused by the API; the message would name no place."""
    definitions = {
        f"#/{holder}/{name}": child
        for holder in ("$defs", "definitions")
        for name, child in _mapping(schema.get(holder)).items()
    }
    for name in definitions:
        if name in _reached(definitions, name):
            raise _no_form(f"{name.rpartition('/')[2]} contains itself, which the API does not take")
    if "#" in _references(schema):
        raise _no_form("it contains itself, which the API does not take")


def _reached(definitions: Mapping[str, Any], start: str) -> set[str]:
    found: set[str] = set()
    coming = _references(definitions[start])
    while coming:
        name = coming.pop()
        if name not in found:
            found.add(name)
            coming |= _references(definitions.get(name))
    return found


def _references(node: Any) -> set[str]:
    if isinstance(node, Mapping):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(_references(child) for child in node.values()))
    return set().union(*(_references(child) for child in node)) if isinstance(node, list | tuple) else set()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
