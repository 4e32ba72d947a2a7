"""Makes a document that fits a JSON Schema: the arguments of a tool call, a structured answer.

Covers what tools and structured outputs use: types, properties, enums, `$ref` (recursive ones too), `anyOf`, `oneOf`,
`allOf`, bounds of numbers, strings and arrays, the usual string formats, and patterns made of literals, classes,
groups and repeats. Not `not`, `if` or `patternProperties`, and no pattern with look-around. Always gives the same
document for the same schema.
"""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["fitting_document"]

_MAX_DEPTH = 6  # from here on only what is required, so that a recursive schema ends
_END_OF_PATIENCE = 60  # no document of this schema ends
_FORMATS = MappingProxyType(
    {
        "date": "2025-01-15",
        "date-time": "2025-01-15T12:00:00Z",
        "time": "12:00:00Z",
        "duration": "PT1H",
        "email": "ada@example.com",
        "hostname": "example.com",
        "ipv4": "192.0.2.1",
        "ipv6": "2001:db8::1",
        "uri": "https://example.com/",
        "uuid": "6f1a5c0e-1b5d-4c7e-9a3f-2d8b7c6e5f40",
    }
)


def fitting_document(schema: Mapping[str, Any] | bool, *, name: str = "text") -> Any:
    """A JSON value that fits `schema`. Free strings are `name`, inside objects the name of their property."""
    return _Maker(schema if isinstance(schema, dict) else {}).make(schema, name, 0)


class _Maker:
    """Holds the root of the schema, for references."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def make(self, schema: Any, name: str, depth: int) -> Any:
        if depth > _END_OF_PATIENCE:
            return None
        schema = self._resolved(schema if isinstance(schema, dict) else {}, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        kind = _kind(schema, depth)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        return _SCALARS[kind](schema, name)

    def _resolved(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """`schema` with its reference followed, `allOf` merged in and one alternative chosen."""
        resolved = dict(schema)
        for _ in range(100):  # a chain of references longer than this is a circle
            if "$ref" in resolved:
                resolved = _merged(self._target(resolved.pop("$ref")), resolved)
            elif "allOf" in resolved:
                for part in resolved.pop("allOf"):
                    resolved = _merged(resolved, self._resolved(part, depth))
            elif "anyOf" in resolved or "oneOf" in resolved:
                options = resolved.pop("anyOf" if "anyOf" in resolved else "oneOf")
                resolved = _merged(resolved, self._chosen(options, depth))
            else:
                return resolved
        return {}

    def _chosen(self, options: Sequence[Mapping[str, Any]], depth: int) -> Mapping[str, Any]:
        """The first alternative; deep down the one that needs the least nesting."""
        return min(options, key=lambda option: self._height(option, ())) if depth >= _MAX_DEPTH else options[0]

    def _height(self, schema: Any, followed: tuple[str, ...]) -> float:
        """How many levels the smallest document of `schema` has; inf if it cannot end. `followed` are references."""
        if not isinstance(schema, dict):
            return 0
        reference = schema.get("$ref")
        if reference is not None:
            return math.inf if reference in followed else self._height(self._target(reference), (*followed, reference))
        parts = list(schema.get("allOf", ()))
        properties = schema.get("properties", {})
        parts += [properties.get(name, {}) for name in schema.get("required", ())]
        parts += [schema.get("items", {})] * bool(schema.get("minItems"))
        options = [
            self._height(option, followed) for keyword in ("anyOf", "oneOf") for option in schema.get(keyword, ())
        ]
        inside = [self._height(part, followed) for part in parts]
        return max([*(height + 1 for height in inside), min(options, default=0), _is_nested(schema)])

    def _target(self, reference: str) -> Mapping[str, Any]:
        target: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            target = target.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, dict) else {}
        return target if isinstance(target, dict) else {}

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = schema.get("required", [])
        wanted = [name for name in properties if depth < _MAX_DEPTH or name in required]
        wanted += [name for name in required if name not in properties]
        made = {name: self.make(properties.get(name, {}), name, depth + 1) for name in wanted}
        extra = schema.get("additionalProperties", {})
        for index in range(schema.get("minProperties", 0) - len(made)):
            made[f"key{index}"] = self.make(extra, "value", depth + 1)
        return made

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        prefix = [self.make(item, name, depth + 1) for item in schema.get("prefixItems", [])]
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", math.inf)
        wished = max(least, len(prefix), 0 if depth >= _MAX_DEPTH or schema.get("items") is False else 1)
        items = schema.get("items", {})
        rest = [self.make(items, name, depth + 1) for _ in range(int(min(wished, most)) - len(prefix))]
        if schema.get("uniqueItems"):
            rest = [_distinct(item, index, items) for index, item in enumerate(rest)]
        return prefix + rest


_NESTED = ("object", "array")


def _is_nested(schema: Mapping[str, Any]) -> int:
    """1 for an object or array, 0 for anything else."""
    return int(schema.get("type") in _NESTED)


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both at once: properties and required names added up, other keywords of `second` on top."""
    merged = {**first, **second}
    if "properties" in first and "properties" in second:
        merged["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        merged["required"] = [*first["required"], *second["required"]]
    return merged


def _kind(schema: Mapping[str, Any], depth: int) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        plain = [name for name in kind if name not in _NESTED]
        kind = plain[-1] if depth >= _MAX_DEPTH and plain else kind[0]
    if kind is not None:
        return str(kind)
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _distinct(item: Any, index: int, schema: Any) -> Any:
    if isinstance(schema, dict) and index < len(schema.get("enum", [])):
        return schema["enum"][index]
    if isinstance(item, str):
        return f"{item}{index or ''}"
    return item + index if isinstance(item, int | float) else item


def _string(schema: Mapping[str, Any], name: str) -> str:
    if "pattern" in schema:
        return _matching(schema["pattern"])
    text = _FORMATS.get(schema.get("format", ""), name)
    text = text.ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]


def _number(schema: Mapping[str, Any], _name: str) -> float:
    low, high = _bound(schema, "minimum", 1), _bound(schema, "maximum", -1)
    number = low if low > -math.inf else min(1.0, high)
    step = schema.get("multipleOf")
    if step:
        number = math.ceil(number / step) * step
    elif number in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")):
        number = (low + high) / 2 if high < math.inf else number + 0.5
    return number


def _integer(schema: Mapping[str, Any], _name: str) -> int:
    low, high = _bound(schema, "minimum", 1), _bound(schema, "maximum", -1)
    step = schema.get("multipleOf", 1)
    number = math.ceil((low if low > -math.inf else min(1, high)) / step) * step
    if number == schema.get("exclusiveMinimum"):
        number += step
    return int(number - step if number == schema.get("exclusiveMaximum") else number)


def _bound(schema: Mapping[str, Any], keyword: str, sign: int) -> float:
    """The lowest (sign 1) or highest (sign -1) number allowed, an exclusive one included; infinite if there is none."""
    exclusive = f"exclusive{keyword.title()}"
    bounds = [schema[key] for key in (keyword, exclusive) if isinstance(schema.get(key), int | float)]
    return sign * max((sign * bound for bound in bounds), default=-math.inf)


_SCALARS: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = MappingProxyType(
    {
        "string": _string,
        "number": _number,
        "integer": _integer,
        "boolean": lambda _schema, _name: True,
        "null": lambda _schema, _name: None,
    }
)


def _matching(pattern: str) -> str:
    """A text that `pattern` finds; the pattern itself where it is beyond us."""
    from re import _parser  # type: ignore[attr-defined]

    try:
        return _text_of(_parser.parse(pattern))
    except (re.error, KeyError, ValueError):
        return pattern


def _text_of(parsed: Any) -> str:
    return "".join(_TEXT_OF[str(operation)](argument) for operation, argument in parsed)


def _text_of_set(members: Any) -> str:
    negated = bool(members) and str(members[0][0]) == "NEGATE"
    if not negated:
        return _TEXT_OF[str(members[0][0])](members[0][1])
    # A set that excludes something: the first printable character outside it.
    outside = re.compile("[^{}]".format("".join(re.escape(_TEXT_OF[str(op)](arg)) for op, arg in members[1:])))
    return next(char for char in "a0 _-Zz9.~" if outside.fullmatch(char))


_TEXT_OF: dict[str, Callable[[Any], str]] = {
    "LITERAL": chr,
    "NOT_LITERAL": lambda code: "b" if code == ord("a") else "a",
    "ANY": lambda _: "a",
    "AT": lambda _: "",
    "RANGE": lambda bounds: chr(bounds[0]),
    "CATEGORY": lambda name: {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}.get(str(name), "-"),
    "IN": _text_of_set,
    "BRANCH": lambda branch: _text_of(branch[1][0]),
    "SUBPATTERN": lambda group: _text_of(group[-1]),
    "MAX_REPEAT": lambda repeat: _text_of(repeat[2]) * (repeat[0] or min(1, repeat[1])),
    "MIN_REPEAT": lambda repeat: _text_of(repeat[2]) * (repeat[0] or min(1, repeat[1])),
}
