"""The schema of a tool as strict mode wants it, and what a model then sends read back as the tool takes it.

In strict mode every object is closed and requires all its properties; one that may be left out becomes nullable, and
null says that it is. Which keywords a provider takes beyond that its adapter knows; nothing here sends anything.

Source: https://platform.openai.com/docs/guides/structured-outputs (read 2026-11), "All fields must be required".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from deluge_sync.prompt.parts import copy_json

__all__ = ["strict_form", "target_of", "without_null_for_nothing"]

_NAMED: Final = ("properties", "$defs", "definitions")
_LISTED: Final = ("anyOf", "allOf", "prefixItems")
_DROPPED: Final = ("default", "discriminator")
_NULL: Final = {"type": "null"}
_TYPE_NAMES: Final = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}


class _OpenObjectError(Exception):
    """The schema has an object with free keys."""


def strict_form(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """`schema`, an object's, closed and with every property required. It shares nothing with the one given.

    None where an object in it has free keys, which no closed schema allows. An object that says nothing about further
    properties is closed.
    """
    try:
        strict: dict[str, Any] = _strict({"properties": {}, **schema}, schema, is_top=True)
    except (_OpenObjectError, RecursionError):
        return None
    return strict


def without_null_for_nothing(value: Any, schema: Mapping[str, Any]) -> Any:
    """The arguments without each null that stands for "left out": its property is optional and not nullable."""
    return _without(value, schema, schema)


# --- writing


def _strict(schema: Any, root: Mapping[str, Any], *, is_top: bool = False) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    written = {("anyOf" if key == "oneOf" else key): value for key, value in schema.items() if key not in _DROPPED}
    for key in written.keys() & set(_NAMED):
        written[key] = {name: _strict(child, root) for name, child in _mapping(written[key]).items()}
    for key in written.keys() & set(_LISTED):
        written[key] = [_strict(child, root) for child in written[key]]
    if "items" in written:
        written["items"] = _strict(written["items"], root)
    if "type" not in written and ("enum" in written or "const" in written):
        written["type"] = _types(written.get("enum", [written.get("const")]))
    if _is_object(schema):
        written |= _closed(schema, written.get("properties", {}), root, is_top=is_top)
    if "$ref" in written and len(written) > 1:  # strict mode wants a reference alone
        return {"anyOf": [{"$ref": written.pop("$ref")}], **written}
    return copy_json(written)


def _closed(
    schema: Mapping[str, Any], properties: Mapping[str, Any], root: Mapping[str, Any], *, is_top: bool
) -> dict[str, Any]:
    if schema.get("additionalProperties", False) is not False or "patternProperties" in schema:
        raise _OpenObjectError
    if not properties and not is_top and "additionalProperties" not in schema:
        raise _OpenObjectError
    original, required = _mapping(schema.get("properties")), schema.get("required", ())
    complete = {
        name: child if name in required else _optional(child, original[name], root)
        for name, child in properties.items()
    }
    return {"properties": complete, "required": list(complete), "additionalProperties": False}


def _optional(strict: Any, original: Any, root: Mapping[str, Any]) -> Any:
    """The property with null for "left out". The default stands in words: strict mode takes no `default`."""
    if not isinstance(strict, Mapping):
        return strict
    if "const" in original and original.get("default") == original["const"]:
        return strict  # the tag of a variant, which must be there to tell it
    told = _with_default_told(strict, original)
    if _accepts_null(original, root):
        return told
    if "anyOf" in told:
        return {**told, "anyOf": [*told["anyOf"], _NULL]}
    described = {"description": told["description"]} if "description" in told else {}
    return {"anyOf": [{key: value for key, value in told.items() if key != "description"}, _NULL], **described}


def _with_default_told(strict: Mapping[str, Any], original: Mapping[str, Any]) -> dict[str, Any]:
    if original.get("default") is None:
        return dict(strict)
    told = f"Default: {json.dumps(original['default'], ensure_ascii=False)}"
    said = strict.get("description")
    described = {**strict, "description": f"{said} ({told})" if said else told}
    return described if "$ref" not in strict else {"anyOf": [{"$ref": strict["$ref"]}], "description": told}


def _types(values: Sequence[Any]) -> str | list[str]:
    """The type of an enumeration that says none."""
    names = list(dict.fromkeys(_TYPE_NAMES[type(value)] for value in values))
    return names[0] if len(names) == 1 else names


# --- reading


def _without(value: Any, schema: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(value, dict | list):
        return value
    fitting = next((one for one in _variants(schema, root) if _may_be_meant(one, value)), None)
    if fitting is None:
        return value
    if isinstance(value, list):
        return [_without(item, fitting.get("items"), root) for item in value]
    properties, required = _mapping(fitting.get("properties")), fitting.get("required", ())
    return {
        key: _without(item, properties.get(key), root)
        for key, item in value.items()
        if not (item is None and key in properties and key not in required and not _accepts_null(properties[key], root))
    }


def _variants(schema: Any, root: Mapping[str, Any], seen: tuple[str, ...] = ()) -> Iterator[Mapping[str, Any]]:
    """The schema with references followed and unions taken apart."""
    if not isinstance(schema, Mapping):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        yield from _variants(target_of(reference, root), root, (*seen, reference))
    unions = [schema[key] for key in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(key), list | tuple)]
    for union in unions:
        for branch in union:
            yield from _variants(branch, root, seen)
    if reference is None and not unions:
        yield schema


def _may_be_meant(variant: Mapping[str, Any], value: Any) -> bool:
    """Whether a variant of a union is the one that `value` is of: its kind, its names, and its tags."""
    if isinstance(value, list):
        return "items" in variant
    properties = _mapping(variant.get("properties"))
    return (
        _is_object(variant)
        and value.keys() <= properties.keys()
        and all(_has_tag(properties[key], item) for key, item in value.items())
    )


def _has_tag(schema: Any, value: Any) -> bool:
    if not isinstance(schema, Mapping) or value is None:
        return True
    if "const" in schema:
        return bool(schema["const"] == value)
    return value in schema["enum"] if "enum" in schema else True


def _accepts_null(schema: Any, root: Mapping[str, Any]) -> bool:
    return schema is True or any(_variant_accepts_null(one) for one in _variants(schema, root))


def _variant_accepts_null(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if kind is not None and kind != "null" and not (isinstance(kind, list | tuple) and "null" in kind):
        return False
    if "const" in schema:
        return schema["const"] is None
    return "enum" not in schema or None in schema["enum"]


def _is_object(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type", "object" if "properties" in schema else None)
    return kind == "object" or (isinstance(kind, list | tuple) and "object" in kind)


def target_of(reference: str, root: Any) -> Any:
    """What `#/$defs/A` points at; None where it points out of the schema."""
    if not reference.startswith("#"):
        return None
    for step in reference[1:].split("/")[1:]:
        root = _mapping(root).get(step.replace("~1", "/").replace("~0", "~"))
    return root


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
