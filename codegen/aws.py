"""Turns a shape of Amazon's service models, as botocore ships them, into a JSON Schema. Used by `judges`.

Only what travels in a body is kept: a member that goes into the path, the query or a header is a parameter for us.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from codegen.document import SchemaError

if TYPE_CHECKING:
    from codegen.document import Document, Node

__all__ = ["shapes_as_schemas"]

# Blobs are base64 in JSON, timestamps numbers or texts by their format; botocore's lists and maps are handled apart.
SCALARS: Final[dict[str, Node]] = {
    "string": {"type": "string"},
    "character": {"type": "string"},
    "blob": {"type": "string"},
    "timestamp": {"type": ["string", "number"]},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "long": {"type": "integer"},
    "short": {"type": "integer"},
    "byte": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
}


def shapes_as_schemas(service: str) -> Document:
    """Every shape of the `service` (as botocore names it) as a schema in `$defs`.

    Raises:
        SchemaError: botocore is not installed, or has no such service.
    """
    try:
        loader = import_module("botocore.loaders").Loader()
        model = loader.load_service_model(service, "service-2")
    except Exception as exc:
        raise SchemaError(f"botocore's model of {service} cannot be loaded: {exc}") from exc
    return {"$defs": {name: _schema(shape) for name, shape in model["shapes"].items()}}


def _schema(shape: Node) -> Node:
    if shape.get("document"):
        return {}
    if shape["type"] == "structure":
        return _structure(shape)
    if shape["type"] == "list":
        return {"type": "array", "items": _reference(shape["member"])}
    if shape["type"] == "map":
        return {"type": "object", "additionalProperties": _reference(shape["value"])}
    scalar = dict(SCALARS[shape["type"]])
    return {**scalar, "enum": shape["enum"]} if "enum" in shape else scalar


def _structure(shape: Node) -> Node:
    inside = {name: member for name, member in shape["members"].items() if "location" not in member}
    wire = {name: str(member.get("locationName", name)) for name, member in inside.items()}
    return {
        "type": "object",
        "properties": {wire[name]: _reference(member) for name, member in inside.items()},
        "required": [wire[name] for name in shape.get("required", ()) if name in wire],
    }


def _reference(member: dict[str, Any]) -> Node:
    return {"$ref": f"#/$defs/{member['shape']}"}
