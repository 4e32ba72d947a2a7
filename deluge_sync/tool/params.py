"""The parameters of a tool written down as a dict: Python types, JSON Schemas and nested dicts, as they come to hand.

It turns them into `arguments`; `Tool.from_params` takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import compact_json, copy_json
from deluge_sync.tool.arguments import REQUIRED, Arguments, Parameter
from deluge_sync.tool.fits import misfits
from deluge_sync.tool.typed_dict import readable

__all__ = ["ToolParams"]

# A dict with one of these, in the form JSON Schema gives it, is a schema; any other holds nested parameters.
_SCHEMA_WORDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "type": (str, list),
    "$ref": str,
    "enum": (list, tuple),
    "anyOf": (list, tuple),
    "oneOf": (list, tuple),
    "allOf": (list, tuple),
}
_OWN_WORDS: Final = ("default", "optional", "description")
_LEFT_OUT: Final[Any] = object()  # the default of a parameter that the function does without; JSON has no form for it


class ToolParams:
    """Parameters by name. Every one is required unless it has a `default` or `"optional": True`.

        ToolParams({"city": str, "limit": (int, {"default": 5}), "where": {"lat": float, "lon": float}})

    A value is a Python type, a type with JSON Schema keywords (`(int, {"minimum": 1, "description": "..."})`), a JSON
    Schema, a list of one of these, or a dict of parameters in its turn. Safe to share between threads.

    Raises:
        ConfigError: a value is none of these, or a type without a JSON Schema; the message names the parameter.
    """

    __slots__ = ("_given", "arguments")

    def __init__(self, schema_dict: Mapping[str, Any]) -> None:
        self.arguments: Arguments = _arguments(schema_dict, "parameters")
        self._given = _copied(schema_dict)

    def __reduce__(self) -> tuple[Any, ...]:  # the class in `arguments` is found under no name
        return ToolParams, (self._given,)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema, of type object and closed. A copy each time."""
        return self.arguments.schema()

    def __repr__(self) -> str:
        return f"ToolParams({compact_json(self.schema)})"


def _arguments(given: object, place: str) -> Arguments:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConfigError(f"{place} must be a dict of parameters by name, not {given!r:.80}")
    parameters = [_parameter(name, spec, f"{place}.{name}") for name, spec in given.items()]
    return Arguments(place.rpartition(".")[2], parameters)


def _parameter(name: str, spec: Any, place: str) -> Parameter:
    kind: Any
    kind, more = spec if isinstance(spec, tuple) and len(spec) == 2 else (spec, {})
    if not isinstance(more, Mapping):
        raise ConfigError(f"{place}: beside a type stands a dict of JSON Schema keywords, not {more!r:.80}")
    if _is_schema(kind):
        kind, more = Any, {**kind, **more}
    extra = {key: value for key, value in more.items() if key not in _OWN_WORDS}
    compact_json(extra, what=place)
    annotation = _annotation(kind, place)
    checked = Annotated[annotation, BeforeValidator(_checker(extra))] if extra else annotation
    shown = Annotated[checked, WithJsonSchema(copy_json(extra))] if kind is Any and extra else checked
    return Parameter(name, shown, _default(more), more.get("description"), None if kind is Any else extra)


def _default(more: Mapping[str, Any]) -> Any:
    if "default" in more:
        return Field(more["default"], validate_default=more["default"] is not None)
    return _LEFT_OUT if more.get("optional") else REQUIRED


def _annotation(kind: Any, place: str) -> Any:
    if isinstance(kind, ToolParams):
        return _nested(kind.arguments)
    if _is_schema(kind):
        return Annotated[Any, WithJsonSchema(copy_json(kind)), BeforeValidator(_checker(kind))]
    if isinstance(kind, Mapping):
        return _nested(_arguments(kind, place))
    if isinstance(kind, list):
        if len(kind) != 1:
            raise ConfigError(f"{place}: a list holds what its items are, once: [str]; not {kind!r:.80}")
        return list[_annotation(kind[0], f"{place}[]")]  # type: ignore[misc]  # a type made at run time
    if isinstance(kind, str | bytes | int | float | tuple):
        raise ConfigError(f"{place} must be a type, a (type, dict) pair, a JSON Schema or a dict, not {kind!r:.80}")
    return readable(kind)


def _nested(arguments: Arguments) -> Any:
    return Annotated[arguments.model, AfterValidator(arguments.values)]


def _copied(spec: Any) -> Any:
    """A copy that later changes do not reach. A pair stays a tuple, which is how it is told from a list."""
    if isinstance(spec, Mapping):
        return {key: _copied(value) for key, value in spec.items()}
    return type(spec)(map(_copied, spec)) if type(spec) in (list, tuple) else spec


def _is_schema(kind: object) -> bool:
    return isinstance(kind, Mapping) and (
        not kind or any(isinstance(kind.get(word), form) for word, form in _SCHEMA_WORDS.items()) or "const" in kind
    )


def _checker(schema: Mapping[str, Any]) -> Any:
    own = copy_json(schema)

    def check(value: Any) -> Any:
        found = misfits(value, own)
        if found:
            raise ValueError("; ".join(found))
        return value

    return check
