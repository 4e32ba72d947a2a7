"""What a server is answered that asks the user something while its tool runs. Nobody is here to ask, so: its defaults.

Source: https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation, defaults after SEP-1034.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["defaults_of"]


def defaults_of(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values that the form proposes; None where it asks for more, or only for consent. Pure."""
    fields = schema.get("properties")
    if not isinstance(fields, Mapping):
        return None
    proposed = {name: field["default"] for name, field in fields.items() if "default" in field}
    return proposed if proposed and set(schema.get("required") or ()) <= proposed.keys() else None
