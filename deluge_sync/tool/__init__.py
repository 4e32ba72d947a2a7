"""What a model may call: a name, a description and a JSON Schema for the arguments. Sends and runs nothing."""

from __future__ import annotations

from deluge_sync.tool.tool import Tool

__all__ = ["Tool"]
