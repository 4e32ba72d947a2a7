"""What Anthropic asks of a JSON Schema for structured outputs and strict tools: closed objects, no bounds, no circles.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["schema_problem"]

_NAMED = ("properties", "$defs", "definitions")
_BRANCHES = ("anyOf", "allOf")
_UNSUPPORTED = (
    "oneOf",
    "not",
    "if",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "patternProperties",
    "propertyNames",
)


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """What keeps `schema` from being taken, with the place in it; None if it is fine."""
    return next(_problems(schema, "()"), None) or next(_circles(schema), None)


def _problems(schema: Any, where: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for keyword in _UNSUPPORTED:
        if keyword in schema:
            yield f"in {where}, property '{keyword}' is not supported"
    if schema.get("minItems", 0) not in (0, 1):
        yield f"in {where}, 'minItems' values other than 0 or 1 are not supported"
    kind = schema.get("type", ())
    if "object" in ([kind] if isinstance(kind, str) else kind) and schema.get("additionalProperties") is not False:
        yield f"in {where}, for 'object' type, 'additionalProperties' must be explicitly set to false"
    for place, part in _parts(schema):
        yield from _problems(part, f"{where}.{place}")


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in _NAMED:
        for name, part in schema.get(keyword, {}).items():
            yield f"{keyword}.{name}", part
    for keyword in _BRANCHES:
        for index, part in enumerate(schema.get(keyword, [])):
            yield f"{keyword}[{index}]", part
    if "items" in schema:
        yield "items", schema["items"]


def _circles(schema: Mapping[str, Any]) -> Iterator[str]:
    definitions = {f"#/$defs/{name}": part for name, part in schema.get("$defs", {}).items()}
    for start in definitions:
        reached, coming = set(), _references(definitions[start])
        while coming:
            name = coming.pop()
            if name not in reached:
                reached.add(name)
                coming |= _references(definitions.get(name))
        if start in reached:
            yield f"circular reference detected in schema definitions: {start}"


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(_references(child) for child in node.values()))
    return set().union(*(_references(child) for child in node)) if isinstance(node, list) else set()
