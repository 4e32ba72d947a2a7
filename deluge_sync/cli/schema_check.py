"""Whether a JSON document is a JSON Schema that answers can be held against. Pure; `schema` calls it.

Source: https://json-schema.org/draft/2020-12/json-schema-core and -validation (read 2026-11). `tool.fits` holds values
against schemas; it passes over the keywords in `UNCHECKED`, as it does over words that are none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from deluge_sync.tool.strict import target_of

__all__ = ["UNCHECKED", "check_schema", "keywords_of"]

UNCHECKED: Final = frozenset(
    [
        *("patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties"),
        *("contains", "minContains", "maxContains", "uniqueItems", "unevaluatedItems", "multipleOf", "format"),
        *("not", "if", "then", "else", "$dynamicRef"),
    ]
)
_TYPES: Final = frozenset(["null", "boolean", "object", "array", "string", "number", "integer"])


def check_schema(schema: Mapping[str, Any]) -> None:
    """Look at every keyword.

    Raises:
        ValueError: it is no schema; the message names the place and the keyword.
    """
    try:
        problem = next(_problems(schema, schema, "schema"), None)
    except RecursionError:
        problem = "it is nested too deeply"
    if problem is not None:
        raise ValueError(problem)


def keywords_of(schema: Any) -> set[str]:
    """Every keyword that is in it, at any depth."""
    if not isinstance(schema, Mapping):
        return set()
    return set(schema).union(*(keywords_of(child) for _, child in _children(schema, "")))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_types(value: Any) -> bool:
    kinds = [value] if isinstance(value, str) else value
    return isinstance(kinds, list) and bool(kinds) and all(isinstance(kind, str) and kind in _TYPES for kind in kinds)


def _is_regex(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


_NAMED: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE: Final = ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else")
_COUNTS: Final = ("minProperties", "maxProperties", "minItems", "maxItems", "minLength", "maxLength")
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_VALUES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "type": _is_types,
    "enum": lambda value: isinstance(value, list),
    "required": _is_names,
    "dependentRequired": lambda value: isinstance(value, dict) and all(map(_is_names, value.values())),
    "pattern": _is_regex,
    "uniqueItems": lambda value: isinstance(value, bool),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "$ref": lambda value: isinstance(value, str),
    **dict.fromkeys(_NAMED, lambda value: isinstance(value, dict)),
    **dict.fromkeys(_LISTED, lambda value: isinstance(value, list) and bool(value)),
    **dict.fromkeys((*_COUNTS, "minContains", "maxContains"), _is_count),
    **dict.fromkeys(_BOUNDS, _is_number),
}


def _problems(schema: Any, root: Mapping[str, Any], place: str) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"{place}: a schema is an object, true or false, not {schema!r:.60}"
        return
    for keyword, value in schema.items():
        if keyword in _VALUES and not _VALUES[keyword](value):
            yield f"{place}: {keyword!r} cannot be {value!r:.60}"
    if "$ref" in schema and target_of(schema["$ref"], root) is None:
        yield f"{place}: '$ref': {schema['$ref']!r:.80} is not in this document"
    for where, child in _children(schema, place):
        yield from _problems(child, root, where)


def _children(schema: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    for keyword in _NAMED:
        yield from ((f"{place}.{keyword}.{name}", child) for name, child in schema.get(keyword, {}).items())
    for keyword in _LISTED:
        yield from ((f"{place}.{keyword}[{number}]", child) for number, child in enumerate(schema.get(keyword, [])))
    yield from ((f"{place}.{keyword}", schema[keyword]) for keyword in _SINGLE if keyword in schema)
