"""Turns an opened document into the text of all its models, by datamodel-code-generator; `modules` deals them out.

The generator runs in a process of its own: it warns, formats and imports as it likes, and its version is pinned.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from codegen.document import SchemaError, components
from codegen.naming import has_snake_case, python_name

if TYPE_CHECKING:
    from codegen.document import Document, Node

__all__ = ["GENERATOR", "generator_version", "render_models"]

GENERATOR = "datamodel-code-generator"
# Without the future import annotations are values: pydantic would compile each text anew at every import.
OPTIONS = (
    "--base-class=deluge_sync.sdk._base.Model",
    "--custom-file-header=#",
    "--disable-future-imports",
    "--disable-timestamp",
    "--enum-field-as-literal=all",
    "--formatters=builtin",
    "--ignore-pyproject",
    "--input-file-type=openapi",
    "--strict-refs",
    "--target-python-version=3.11",
    "--use-annotated",
    "--use-double-quotes",
    "--use-exact-imports",
    "--use-one-literal-as-default",
    "--use-schema-description",
    "--use-single-line-docstring",
    "--use-type-alias",
)
SNAKE_CASE = "--snake-case-field"
UPLOAD = "deluge_sync.sdk._base.Upload"


def generator_version() -> str:
    """The installed version of the generator."""
    return version(GENERATOR)


def render_models(opened: Document) -> str:
    """The classes and aliases of an opened document and what they import, as one text.

    Raises:
        SchemaError: the generator refuses the document.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch, "schema.yaml"), Path(scratch, "models.py")
        source.write_text(yaml.dump(_prepared(opened), Dumper=_PlainDumper, sort_keys=False), "utf-8")
        naming = [SNAKE_CASE] if has_snake_case(opened) else []
        _generate("--input", str(source), "--output", str(target), *naming)
        return target.read_text("utf-8")


def _generate(*arguments: str) -> None:
    command = [sys.executable, "-m", "datamodel_code_generator", *OPTIONS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SchemaError(f"{GENERATOR} refuses the schema: {done.stderr.strip()}")


def _prepared(opened: Document) -> Document:
    """`opened` with the descriptions of fields moved into the docstring of their class, and files as `Upload`.

    The generator would write each description as an argument of a Field, which costs time at every import. The paths
    are left out: all it needs are the components.
    """
    result = {**deepcopy(opened), "paths": {}}
    for schema in components(result).values():
        fields = _fields(schema)
        for field in fields.values():
            _take_uploads(field)
        notes = {name: field.pop("description") for name, field in fields.items() if "description" in field}
        if notes:
            named = {python_name(opened, name): note for name, note in notes.items()}
            schema["description"] = _docstring(schema.get("description"), named)
    return result


def _take_uploads(field: Node) -> None:
    """Make the binary content in a field an `Upload`: it occurs in forms only."""
    for node in (field, field.get("items", {})):
        if node.get("format") == "binary":
            node["customTypePath"] = UPLOAD


def _fields(schema: Node) -> dict[str, Node]:
    fields: dict[str, Node] = schema.get("properties", {})
    return fields


def _docstring(summary: str | None, notes: dict[str, str]) -> str:
    lines = [f"    {name}: {note}" for name, note in notes.items()]
    return "\n".join([*([summary, ""] if summary else []), "Attributes:", *lines])


class _PlainDumper(yaml.SafeDumper):
    """Writes a node that stands in two places twice, instead of as an anchor."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True
