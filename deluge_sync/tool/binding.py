"""How the arguments of a model's call become those of the function behind a tool, one way for each kind of tool.

A binding takes the arguments by name and gives positional and keyword arguments, or raises ToolArgumentsError. `tool`
calls it before it runs anything; nothing is run here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeAlias, get_type_hints

from pydantic import BaseModel, TypeAdapter

from deluge_sync.errors import ConfigError, ToolArgumentsError
from deluge_sync.tool.arguments import described, object_schema, validated
from deluge_sync.tool.fits import misfits
from deluge_sync.tool.params import ToolParams
from deluge_sync.tool.signature import Signature, read_signature
from deluge_sync.tool.typed_dict import readable

__all__ = ["Binding", "Bound", "ByClass", "by_hand", "by_params"]

Bound: TypeAlias = tuple[list[Any], dict[str, Any]]
Binding: TypeAlias = Callable[[Mapping[str, Any]], Bound]


def by_hand(name: str, schema: Mapping[str, Any], run: Callable[..., Any]) -> Binding:
    """For a schema without types: what fits it goes to `run` as its signature asks for it."""

    def bind(given: Mapping[str, Any]) -> Bound:
        found = misfits(given, schema)
        if found:
            raise ToolArgumentsError(name, found)
        return _to_function(run, given)

    return bind


def by_params(params: ToolParams, run: Callable[..., Any] | None) -> Binding | None:
    """For `ToolParams`: their types first, then those that `run` asks for."""
    return None if run is None else partial(_through_params, params, run)


def _through_params(params: ToolParams, run: Callable[..., Any], given: Mapping[str, Any]) -> Bound:
    return _to_function(run, params.arguments.read(given))


class ByClass:
    """For a pydantic model or TypedDict: `run` gets one whole if it asks for that, otherwise the fields by name.

    names: what names in the annotations of a TypedDict stand for, beyond those of its module.

    Raises:
        ConfigError: the class holds something that has no JSON Schema.
    """

    __slots__ = ("_adapter", "_made_of", "_takes_whole")

    def __init__(
        self, name: str, kind: Any, run: Callable[..., Any] | None, names: Mapping[str, Any] | None = None
    ) -> None:
        self._made_of = (name, kind, run)
        self._adapter: TypeAdapter[Any] = described(name, lambda: TypeAdapter(readable(kind, names=names)))
        self._takes_whole = run is not None and _takes_whole(run, kind)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the class, with its docstring as the description."""
        schema: dict[str, Any] = described(self._made_of[0], lambda: object_schema(self._adapter))
        return schema

    def __call__(self, given: Mapping[str, Any]) -> Bound:
        value = validated(self._adapter, given, owner=self._made_of[0])
        return ([value], {}) if self._takes_whole else ([], _fields(value))

    def __reduce__(self) -> tuple[Any, ...]:
        return ByClass, self._made_of


def _to_function(run: Callable[..., Any], values: Mapping[str, Any]) -> Bound:
    signature = _signature(run)
    return signature.bind(values) if signature is not None else ([], dict(values))


def _signature(run: Callable[..., Any]) -> Signature | None:
    try:
        return _known_signature(run)
    except TypeError:  # a callable object that has no hash
        return None


@lru_cache(maxsize=1_024)
def _known_signature(run: Callable[..., Any]) -> Signature | None:
    """None where it cannot be read, or asks for what has no JSON form: then the arguments go to it as they came."""
    try:
        return read_signature(run)
    except ConfigError:
        return None


def _fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, BaseModel):
        return dict(value)
    named = {name: getattr(value, name) for name in type(value).model_fields}
    return {**named, **(value.__pydantic_extra__ or {})}


def _takes_whole(run: Callable[..., Any], kind: Any) -> bool:
    """Whether `run` has one parameter, by place, that is not called like a field or is said to be a `kind`."""
    try:
        declared = list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError):
        return False
    by_place = [one for one in declared if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    asked = [one for one in declared if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    if not by_place or len(asked) > 1 or (asked and asked[0] is not by_place[0]):
        return False
    first = by_place[0]
    hint = _hints(run).get(first.name, first.annotation)
    return hint in (kind, kind.__name__) or (len(declared) == 1 and first.name not in get_type_hints(kind))


def _hints(run: Callable[..., Any]) -> dict[str, Any]:
    function: Any = run
    while isinstance(function, partial):
        function = function.func
    try:
        return get_type_hints(function)
    except (NameError, TypeError):
        return {}
