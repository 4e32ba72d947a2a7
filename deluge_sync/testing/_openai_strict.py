"""What OpenAI asks of a JSON Schema in strict mode: closed objects whose properties are all required.

Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas (read 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["strict_problem"]

_BRANCHES = ("anyOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions")
_UNSUPPORTED = ("allOf", "oneOf", "not", "if", "dependentRequired", "patternProperties")


def strict_problem(schema: Mapping[str, Any]) -> str | None:
    """What keeps `schema` from strict mode, with the place in it; None if it is fine."""
    if schema.get("type") != "object":
        return f"the schema must have type 'object', not {schema.get('type')!r}"
    return next(_problems(schema, "()"), None)


def _problems(schema: Any, where: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for keyword in _UNSUPPORTED:
        if keyword in schema:
            yield f"in {where}, {keyword!r} is not permitted"
    kind = schema.get("type", ())
    if "object" in ([kind] if isinstance(kind, str) else kind) or "properties" in schema:
        yield from _object_problems(schema, where)
    for place, part in _parts(schema):
        yield from _problems(part, f"{where}.{place}")


def _object_problems(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield f"in {where}, 'additionalProperties' must be given and be false"
    missing = sorted(set(schema.get("properties", {})) - set(schema.get("required", [])))
    if missing:
        yield f"in {where}, 'required' must list every property; {missing[0]!r} is missing"


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in _NAMED:
        for name, part in schema.get(keyword, {}).items():
            yield f"{keyword}.{name}", part
    for keyword in _BRANCHES:
        for index, part in enumerate(schema.get(keyword, [])):
            yield f"{keyword}[{index}]", part
    if "items" in schema:
        yield "items", schema["items"]
