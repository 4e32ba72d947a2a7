"""Whether a JSON value fits a JSON Schema, for tools whose schema was written by hand. Says what does not, and where.

It knows the keywords that tools are described with and passes over the others, so that it is never stricter than the
schema. Types of Python are pydantic's matter (`arguments`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from deluge_sync.tool.strict import target_of

__all__ = ["misfits"]

_Found = Iterator[str]
_DEEPEST: Final = 100


def misfits(value: Any, schema: Any, *, place: str = "") -> list[str]:
    """One line for each thing in `value` that `schema` does not allow; empty if it fits as far as can be told."""
    return list(_misfits(value, schema, _Position(place, schema, 0)))


class _Position:
    """Where in the value we are, and the whole schema for references."""

    __slots__ = ("depth", "place", "root")

    def __init__(self, place: str, root: Any, depth: int) -> None:
        self.place, self.root, self.depth = place, root, depth

    def at(self, step: str = "") -> _Position:
        return _Position((self.place + step).removeprefix("."), self.root, self.depth + 1)

    def says(self, problem: str) -> str:
        return f"{self.place}: {problem}" if self.place else problem


def _misfits(value: Any, schema: Any, position: _Position) -> _Found:
    if schema is False:
        yield position.says("nothing may stand here")
    if not isinstance(schema, Mapping) or position.depth > _DEEPEST:
        return
    for keyword, told in schema.items():
        if keyword in _SIMPLE and not _SIMPLE[keyword](value, told):
            yield position.says(f"must fit {keyword} {told!r:.100}, not {value!r:.60}")
        elif keyword in _NESTED:
            yield from _NESTED[keyword](value, schema, position)


# --- one value against one keyword; a keyword says nothing about values of other types

_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list | tuple),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: _is_number(value),
    "integer": lambda value: _is_number(value) and value == value // 1,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_type(value: Any, told: Any) -> bool:
    kinds = told if isinstance(told, list | tuple) else [told]
    return any(_TYPES.get(str(kind), lambda _: True)(value) for kind in kinds)


def _is_same(one: Any, other: Any) -> bool:
    """Equal as JSON is: true is not 1, at any depth."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _about(kind: str, holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, told: not _TYPES[kind](value) or holds(value, told)


def _matches(value: str, pattern: Any) -> bool:
    try:
        return re.search(pattern, value) is not None
    except (re.error, TypeError):  # a pattern of another dialect
        return True


_SIMPLE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "type": _has_type,
    "enum": lambda value, told: any(_is_same(value, one) for one in told),
    "const": _is_same,
    "minimum": _about("number", lambda value, told: value >= told),
    "maximum": _about("number", lambda value, told: value <= told),
    "exclusiveMinimum": _about("number", lambda value, told: value > told),
    "exclusiveMaximum": _about("number", lambda value, told: value < told),
    "minLength": _about("string", lambda value, told: len(value) >= told),
    "maxLength": _about("string", lambda value, told: len(value) <= told),
    "pattern": _about("string", _matches),
    "minItems": _about("array", lambda value, told: len(value) >= told),
    "maxItems": _about("array", lambda value, told: len(value) <= told),
    "minProperties": _about("object", lambda value, told: len(value) >= told),
    "maxProperties": _about("object", lambda value, told: len(value) <= told),
}


# --- what holds further schemas


def _properties(value: Any, schema: Mapping[str, Any], position: _Position) -> _Found:
    if isinstance(value, Mapping):
        for name, child in schema["properties"].items():
            if name in value:
                yield from _misfits(value[name], child, position.at(f".{name}"))


def _required(value: Any, schema: Mapping[str, Any], position: _Position) -> _Found:
    if isinstance(value, Mapping):
        yield from (position.at(f".{name}").says("is required") for name in schema["required"] if name not in value)


def _others(value: Any, schema: Mapping[str, Any], position: _Position) -> _Found:
    if not isinstance(value, Mapping) or "patternProperties" in schema:
        return
    allowed = schema["additionalProperties"]
    for name in value.keys() - schema.get("properties", {}).keys():
        if allowed is False:
            yield position.at(f".{name}").says("there is no such parameter")
        else:
            yield from _misfits(value[name], allowed, position.at(f".{name}"))


def _items(value: Any, schema: Mapping[str, Any], position: _Position) -> _Found:
    if isinstance(value, list | tuple):
        for index in range(len(schema.get("prefixItems", ())), len(value)):
            yield from _misfits(value[index], schema["items"], position.at(f"[{index}]"))


def _first_items(value: Any, schema: Mapping[str, Any], position: _Position) -> _Found:
    if isinstance(value, list | tuple):
        for index, (item, child) in enumerate(zip(value, schema["prefixItems"], strict=False)):
            yield from _misfits(item, child, position.at(f"[{index}]"))


def _any_of(value: Any, schema: Mapping[str, Any], position: _Position, *, keyword: str) -> _Found:
    found = [list(_misfits(value, branch, position.at())) for branch in schema[keyword]]
    if all(found):
        yield from min(found, key=len, default=())


def _all_of(value: Any, schema: Mapping[str, Any], position: _Position) -> _Found:
    for branch in schema["allOf"]:
        yield from _misfits(value, branch, position.at())


def _reference(value: Any, schema: Mapping[str, Any], position: _Position) -> _Found:
    yield from _misfits(value, target_of(str(schema["$ref"]), position.root), position.at())


_NESTED: Final[dict[str, Callable[[Any, Mapping[str, Any], _Position], _Found]]] = {
    "properties": _properties,
    "required": _required,
    "additionalProperties": _others,
    "items": _items,
    "prefixItems": _first_items,
    "anyOf": partial(_any_of, keyword="anyOf"),
    "oneOf": partial(_any_of, keyword="oneOf"),
    "allOf": _all_of,
    "$ref": _reference,
}
