"""The arguments of a tool as a pydantic model: their JSON Schema, and a model's call turned into Python values.

The fields carry names of our own and the parameters' names as aliases, so that a parameter may be called `schema`,
`json`, `_private` or `model_config`. `signature` and `params` describe the parameters, `wording` says what is wrong
with a call. No function is run here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from deluge_sync.errors import ConfigError, ToolArgumentsError
from deluge_sync.tool.wording import complaints

__all__ = ["REQUIRED", "Arguments", "Parameter", "described", "object_schema", "validated"]

REQUIRED: Final[Any] = object()  # the default of a parameter that has none


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `default` may be a pydantic `Field(...)`; `description` gives way to one in the annotation."""

    name: str
    annotation: Any = Any
    default: Any = REQUIRED
    description: str | None = None
    extra: Mapping[str, Any] | None = None


class Arguments:
    """The parameters of one tool.

    `others` is what further arguments must be, by whatever name they come; without it they are refused.

    Raises:
        ConfigError: one of the types has no JSON Schema.
    """

    def __init__(self, owner: str, parameters: Sequence[Parameter], *, others: Any = REQUIRED) -> None:
        self.owner = owner
        self.parameters = tuple(parameters)
        self.model = described(owner, lambda: _model(owner, self.parameters, others))
        self._adapter: TypeAdapter[Any] = TypeAdapter(self.model)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema: an object that is closed, unless others are taken. It shares nothing."""
        schema: dict[str, Any] = described(self.owner, lambda: object_schema(self._adapter))
        return schema

    def read(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as their parameters ask for them. What was left out is left to the function.

        Raises:
            ToolArgumentsError: something is missing, unknown or of the wrong form.
        """
        return self.values(validated(self._adapter, arguments, owner=self.owner))

    def values(self, instance: BaseModel) -> dict[str, Any]:
        """What stands in an instance of `model`, by the names of the parameters."""
        read = {
            parameter.name: getattr(instance, field)
            for field, parameter in zip(type(instance).model_fields, self.parameters, strict=True)
            if field in instance.model_fields_set or _is_known_by_model(parameter)
        }
        return {**read, **(instance.__pydantic_extra__ or {})}


def validated(adapter: TypeAdapter[Any], arguments: Mapping[str, Any], *, owner: str) -> Any:
    """The arguments as a value of the adapter's type.

    Raises:
        ToolArgumentsError: they do not fit; every complaint is in it.
    """
    document = _document(arguments)
    try:
        return adapter.validate_python(dict(arguments)) if document is None else adapter.validate_json(document)
    except ValidationError as error:
        found = complaints(error, arguments)
    if document is not None:  # pydantic before 2.12 reads no float from a JSON integer of 19 digits
        with suppress(ValidationError):
            return adapter.validate_python(dict(arguments))
    raise ToolArgumentsError(owner, found)


def object_schema(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    """The adapter's JSON Schema, without titles of pydantic's making. What contains itself is unfolded at the top."""
    schema = adapter.json_schema(schema_generator=_Untitled)
    if "$ref" in schema:
        schema = {**schema["$defs"][schema["$ref"].removeprefix("#/$defs/")], "$defs": schema["$defs"]}
    return {key: value for key, value in schema.items() if key != "title"}


def described(owner: str, make: Callable[[], Any]) -> Any:
    """What `make` makes of types; that one of them cannot be described is told with the tool's name."""
    try:
        return make()
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        problem = error.message.splitlines()[0]
    raise ConfigError(
        f"the arguments of tool {owner!r} have no JSON Schema: {problem} (functools.partial keeps an argument from the "
        "model)"
    )


class _Untitled(GenerateJsonSchema):
    """A title made of the field's name tells the model nothing and costs tokens; nor is a default of much use there
    that JSON has no form for."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  (theirs is such a set)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  (their signature)
        return False


def _document(arguments: Mapping[str, Any]) -> str | None:
    """The arguments as JSON, in which form pydantic lets a strict type be written as JSON can; None if they are more
    than JSON."""
    try:
        return json.dumps(dict(arguments))
    except (TypeError, ValueError, RecursionError):
        return None


# --- the model


def _model(owner: str, parameters: Sequence[Parameter], others: Any) -> type[BaseModel]:
    fields: dict[str, Any] = {
        f"argument_{index}": (_annotation(parameter), _field(parameter)) for index, parameter in enumerate(parameters)
    }
    if others is REQUIRED:
        return create_model(owner, __config__=ConfigDict(extra="forbid"), **fields)
    return create_model(owner, __base__=_open_base(others), **fields)


def _open_base(others: Any) -> type[BaseModel]:
    body = {
        "__module__": __name__,
        "__annotations__": {"__pydantic_extra__": dict[str, others]},
        "model_config": ConfigDict(extra="allow"),
    }
    base: type[BaseModel] = type("OpenArguments", (BaseModel,), body)
    return base


def _annotation(parameter: Parameter) -> Any:
    """The annotation with everything that describes it; what the user said last holds."""
    annotation = parameter.annotation
    base, *notes = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    own = [Field(description=parameter.description)] if parameter.description else []
    given = [parameter.default] if isinstance(parameter.default, FieldInfo) else []
    every = [*own, *map(_as_field, notes), *given]
    return Annotated[(base, *every)] if every else base


def _as_field(note: Any) -> Any:
    """A text beside a type describes the parameter, and so does a `Doc`."""
    text = note if isinstance(note, str) else getattr(note, "documentation", None)
    return Field(description=text) if isinstance(text, str) else note


def _field(parameter: Parameter) -> Any:
    more: Any = {"alias": parameter.name}
    if parameter.extra:
        more["json_schema_extra"] = dict(parameter.extra)
    if _is_known_by_model(parameter):
        return Field(**more)
    if _is_endless(parameter.default):  # JSON has no form for it
        return Field(default_factory=lambda: parameter.default, **more)
    return Field(parameter.default, **more)


def _is_known_by_model(parameter: Parameter) -> bool:
    return parameter.default is REQUIRED or isinstance(parameter.default, FieldInfo)


def _is_endless(default: Any) -> bool:
    return isinstance(default, float) and not math.isfinite(default)
