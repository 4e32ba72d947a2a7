"""Finds what a provider publishes to compare with: the types of its Python package, or its own OpenAPI document.

The components to be compared name their counterparts themselves, in `x-official` and `x-upstream`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import yaml
from pydantic import TypeAdapter

from codegen.document import COMPONENT, SchemaError, components
from codegen.drift import Judge

if TYPE_CHECKING:
    from pathlib import Path

    from codegen.document import Document

__all__ = ["official_judges", "upstream_judges"]


def official_judges(document: Document) -> dict[str, Judge]:
    """Our component -> its `x-official` type, turned into a schema by pydantic.

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
    module, _, name = address.partition(":")
    try:
        published = getattr(import_module(module), name)
    except (ImportError, AttributeError) as exc:
        raise SchemaError(f"x-official {address} cannot be imported: {exc}") from exc
    schema = TypeAdapter(published).json_schema()
    return Judge(schema, schema)
