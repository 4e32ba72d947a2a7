"""A `typing.TypedDict` in the form that pydantic reads. From Python 3.12 on it reads every TypedDict itself.

Before, `typing` does not keep how an inherited TypedDict was written, so pydantic refuses it; the type hints together
with `__required_keys__` still tell which keys are required. `signature`, `params` and `tool` call this.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, NotRequired, Required, get_args, get_origin, get_type_hints, is_typeddict

import typing_extensions

from deluge_sync.errors import ConfigError

__all__ = ["readable"]

_IS_NEEDED = sys.version_info < (3, 12)


def readable(annotation: Any, *, names: Mapping[str, Any] | None = None) -> Any:
    """The annotation with every `typing.TypedDict` in it, at any depth of generics, written anew.

    names: what names in the annotations of the TypedDict stand for, beyond those of its module.

    Raises:
        ConfigError: a TypedDict contains itself, or holds a name that is not known.
    """
    return _readable(annotation, names or {}, ()) if _IS_NEEDED else annotation


def _readable(annotation: Any, names: Mapping[str, Any], inside: tuple[Any, ...]) -> Any:
    if is_typeddict(annotation) and type(annotation).__module__ == "typing":
        return _rewritten(annotation, names, inside)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is None or origin is Literal:
        return annotation
    if origin is Annotated:
        return Annotated[(_readable(parts[0], names, inside), *parts[1:])]
    read = tuple(_readable(part, names, inside) for part in parts)
    return annotation if read == parts else _with_parts(annotation, origin, read)


def _with_parts(annotation: Any, origin: Any, parts: tuple[Any, ...]) -> Any:
    if origin is types.UnionType:
        return reduce(or_, parts)
    return annotation.copy_with(parts) if hasattr(annotation, "copy_with") else origin[parts]


def _rewritten(typed_dict: Any, names: Mapping[str, Any], inside: tuple[Any, ...]) -> Any:
    name, own = typed_dict.__name__, vars(sys.modules.get(typed_dict.__module__, types))
    if typed_dict in inside:
        raise ConfigError(f"{name} contains itself; take TypedDict from typing_extensions on Python before 3.12")
    try:
        hints = get_type_hints(
            typed_dict, localns={k: v for k, v in names.items() if k not in own}, include_extras=True
        )
    except NameError as error:
        raise ConfigError(f"an annotation of {name} cannot be read: {error}") from error
    fields = {
        key: _marked(_readable(hint, names, (*inside, typed_dict)), is_required=key in typed_dict.__required_keys__)
        for key, hint in hints.items()
    }
    body = {"__annotations__": fields, "__module__": typed_dict.__module__, "__doc__": typed_dict.__doc__}
    return types.new_class(name, (typing_extensions.TypedDict,), {}, lambda namespace: namespace.update(body))


def _marked(hint: Any, *, is_required: bool) -> Any:
    if get_origin(hint) in (Required, NotRequired):
        return hint
    return Required[hint] if is_required else NotRequired[hint]
