"""Finds what a provider publishes to compare with: the types of its Python package, or its own OpenAPI document.

The components to be compared name their counterparts themselves, in `x-official` and `x-upstream`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import ConfigDict, create_model
from pydantic.json_schema import GenerateJsonSchema

from codegen.aws import shapes_as_schemas
from codegen.document import COMPONENT, SchemaError, components
from codegen.drift import Judge

if TYPE_CHECKING:
    from pathlib import Path

    from codegen.document import Document, Node

__all__ = ["official_judges", "upstream_judges"]

BOTOCORE: Final = "botocore:"
UNSET: Final = "Unset"


def official_judges(document: Document) -> dict[str, Judge]:
    """Our component -> its `x-official` type, turned into a schema by pydantic, or from a shape of botocore's.

    Raises:
        SchemaError: the package is not installed, or has no such type.
    """
    return {
        name: _official(schema["x-official"]) for name, schema in components(document).items() if "x-official" in schema
    }


def upstream_judges(document: Document, upstream: Path) -> dict[str, Judge]:
    """Our component -> its `x-upstream` component of the OpenAPI document in the file `upstream` (JSON or YAML).

    Raises:
        SchemaError: the document has no such component.
    """
    published = yaml.load(upstream.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    wanted = {name: schema["x-upstream"] for name, schema in components(document).items() if "x-upstream" in schema}
    if missing := sorted(set(wanted.values()) - set(components(published))):
        raise SchemaError(f"{upstream.name} has no component {', '.join(missing)}")
    return {name: Judge(published, {"$ref": COMPONENT + theirs}) for name, theirs in wanted.items()}


def _official(address: str) -> Judge:
    if address.startswith(BOTOCORE):
        return _shape_of_botocore(address)
    module, _, name = address.partition(":")
    try:
        published = getattr(import_module(module), name)
    except (ImportError, AttributeError) as exc:
        raise SchemaError(f"x-official {address} cannot be imported: {exc}") from exc
    # Within a model of ours, because a TypedDict takes over the leave to have parts that pydantic cannot check.
    holder = create_model("Holder", __config__=ConfigDict(arbitrary_types_allowed=True), held=(published, ...))
    schema = holder.model_json_schema(schema_generator=_Lenient)
    return Judge(schema, schema["properties"]["held"])


def _shape_of_botocore(address: str) -> Judge:
    """The judge for `botocore:service/Shape`."""
    service, _, name = address.removeprefix(BOTOCORE).partition("/")
    document = shapes_as_schemas(service)
    if name not in document["$defs"]:
        raise SchemaError(f"x-official {address} cannot be found: {service} has no shape {name}")
    return Judge(document, {"$ref": f"#/$defs/{name}"})


class _Lenient(GenerateJsonSchema):
    """Makes "anything" of what JSON cannot say, such as an open file, and keeps quiet about it."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Node:  # noqa: ARG002
        return {}

    def model_schema(self, schema: Any) -> Node:
        """As always, but "nothing was said" of the packages that Speakeasy makes (mistralai) is no object."""
        return {"type": "null"} if schema["cls"].__name__ == UNSET else super().model_schema(schema)

    def emit_warning(self, kind: Any, detail: str) -> None:
        """A default that has no form in JSON is none of our business."""
