"""What the official conformance suite runs as the client under test: list the tools at the URL, and call each."""

from __future__ import annotations

import sys

from deluge_sync import Tool

_VALUES = {"a": 2, "b": 3}


def main() -> None:
    for tool in Tool.from_mcp_sync("conformance", url=sys.argv[-1], timeout=30):
        asked = tool.parameters["properties"]
        tool.call(**{name: value for name, value in _VALUES.items() if name in asked})
    Tool.close_mcp()


if __name__ == "__main__":
    main()
