"""A Python function as a tool: its name, description and parameters, and a model's arguments in the way it takes them.

The schema is pydantic's (`arguments`); what is read here is the signature. The function is not run.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter as Declared
from typing import Any, get_type_hints

from deluge_sync.errors import ConfigError
from deluge_sync.tool.arguments import REQUIRED, Arguments, Parameter
from deluge_sync.tool.docs import read_docstring
from deluge_sync.tool.typed_dict import readable

__all__ = ["Signature", "read_signature"]


@dataclass(frozen=True, slots=True)
class Signature:
    """What `read_signature` finds. `positional` are the names that the function takes by place only."""

    name: str
    description: str | None
    arguments: Arguments
    positional: Mapping[str, Any]
    function: Callable[..., Any]

    def __reduce__(self) -> tuple[Any, ...]:  # the class in `arguments` is found under no name
        return functools.partial(read_signature, name=self.name), (self.function,)

    def bind(self, given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments for the function.

        Raises:
            ToolArgumentsError: they do not fit.
        """
        values = self.arguments.read(given)
        by_place = [values.pop(name, default) for name, default in self.positional.items()]
        return by_place, values


def read_signature(
    function: Callable[..., Any], *, name: str | None = None, names: Mapping[str, Any] | None = None
) -> Signature:
    """The function as a tool.

    Arguments that `functools.partial` fixed are no parameters: the model neither sees nor changes them. names: what
    names in annotations written as text stand for, beyond those of the function's module.

    Raises:
        ConfigError: it takes `*args`, which a JSON object has no place for, or something that has no JSON Schema.
    """
    source = _source(function)
    title = name or _name_of(function)
    description, told = read_docstring(source if not _is_silent(source) else _documented(function))
    declared = _declared(function, title)
    hints = {key: readable(hint, names=names) for key, hint in _hints(source, title, names or {}).items()}
    others = [hints.get(one.name, _plain(one)) for one in declared if one.kind is Declared.VAR_KEYWORD]
    named = [one for one in declared if one.kind is not Declared.VAR_KEYWORD]
    parameters = [
        Parameter(one.name, hints.get(one.name, _plain(one)), _default(one), told.get(one.name)) for one in named
    ]
    arguments = Arguments(title, parameters, others=others[0] if others else REQUIRED)
    positional = {one.name: one.default for one in named if one.kind is Declared.POSITIONAL_ONLY}
    return Signature(title, description, arguments, positional, function)


def _declared(function: Callable[..., Any], title: str) -> list[Declared]:
    try:
        declared = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the parameters of tool {title!r} cannot be read from {function!r:.80}: {error}") from error
    for one in declared:
        if one.kind is Declared.VAR_POSITIONAL:
            raise ConfigError(
                f"tool {title!r} takes *{one.name}, but a model calls with named arguments; "
                f"make it one list: {one.name}: list[...]"
            )
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    return [one for one in declared if one.name not in fixed]


def _source(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that was written with `def`: inside partials, decorators, callable objects and classes."""
    named = _documented(function)
    written: Callable[..., Any] = named
    if inspect.isclass(named):
        written = named.__init__ if named is _unwound(function) else named.__call__
    unwrapped: Callable[..., Any] = inspect.unwrap(written)
    return unwrapped


def _documented(function: Callable[..., Any]) -> Any:
    """The function or class inside partials; the class of a callable object."""
    unwound = _unwound(function)
    return unwound if inspect.isclass(unwound) or inspect.isroutine(unwound) else type(unwound)


def _unwound(function: Callable[..., Any]) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _is_silent(source: Callable[..., Any]) -> bool:
    """Whether it is no place to look for a docstring: a class tells about itself, not in `__init__`."""
    return source.__doc__ is None or source.__name__ == "__init__"


def _name_of(function: Callable[..., Any]) -> str:
    named = _documented(function)
    return str(getattr(named, "__name__", named))


def _hints(source: Callable[..., Any], title: str, names: Mapping[str, Any]) -> dict[str, Any]:
    own = getattr(source, "__globals__", {})
    foreign = {key: value for key, value in names.items() if key not in own}  # the function's own names come first
    try:
        return get_type_hints(source, localns=foreign or None, include_extras=True)
    except NameError as error:
        raise ConfigError(f"an annotation of tool {title!r} cannot be read: {error}") from error
    except TypeError:
        return {}  # a built-in function has none


def _plain(declared: Declared) -> Any:
    return Any if declared.annotation is Declared.empty or isinstance(declared.annotation, str) else declared.annotation


def _default(declared: Declared) -> Any:
    return REQUIRED if declared.default is Declared.empty else declared.default
