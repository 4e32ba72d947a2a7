"""What a field or a parameter is called in Python: as the provider calls it, or in snake case if the schema says so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.document import Document

__all__ = ["has_snake_case", "python_name"]


def has_snake_case(document: Document) -> bool:
    """Whether the document asks for Python names."""
    return bool(document.get("x-snake-case"))


def python_name(document: Document, wire: str) -> str:
    """The name of the field or parameter `wire`: mimeType gives mime_type, anthropic-beta gives anthropic_beta.

    The brackets with which some providers mark a list in a query are left off.
    """
    name = wire.removesuffix("[]").replace("-", "_")
    if not has_snake_case(document):
        return name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
