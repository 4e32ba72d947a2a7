"""The names under which a model is offered the tools of MCP servers. Pure.

A server may use characters that providers refuse, and two servers the same name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from deluge_sync.tool.mcp.remote import RemoteRun
from deluge_sync.tool.tool import Tool

__all__ = ["distinct", "offered_name"]

_LONGEST: Final = 64
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_-]")


def offered_name(*words: str) -> str:
    """The words in a row, as a name that every provider takes: other characters are `_`, what is too long is cut."""
    said = "_".join(words)
    name = _STRANGE.sub("_", said) or "_"
    if len(name) <= _LONGEST:
        return name
    mark = sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: _LONGEST - 9]}_{mark}"


def distinct(tools: Iterable[Any]) -> tuple[Any, ...]:
    """The same tools; an MCP tool whose name another tool has too gets that of its server before its own."""
    found = tuple(tools)
    uses = Counter(tool.name for tool in found if isinstance(tool, Tool))
    return tuple(_prefixed(tool) if isinstance(tool, Tool) and uses[tool.name] > 1 else tool for tool in found)


def _prefixed(tool: Tool) -> Tool:
    if not isinstance(tool.run, RemoteRun):
        return tool
    return replace(tool, name=offered_name(tool.run.server_name, tool.run.tool_name))
