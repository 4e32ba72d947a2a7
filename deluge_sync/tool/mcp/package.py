"""Whether the official `mcp` package is there. It is an extra, and loaded by the first connection."""

from __future__ import annotations

from importlib.util import find_spec

from deluge_sync.errors import ConfigError

__all__ = ["refuse_without_package"]


def refuse_without_package() -> None:
    """Look for the package without loading it.

    Raises:
        ConfigError: it is not installed, or too old.
    """
    if not (_is_there("mcp") and _is_there("mcp_types")):
        raise ConfigError("MCP servers need the official package, version 2.3 or later: pip install deluge-sync[mcp]")


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # `sys.modules` has None for it
        return False
