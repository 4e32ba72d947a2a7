"""What a model may call: a name, a description, a JSON Schema for the arguments, and the function behind it.

`tool` has the value. A schema comes from `signature` (a function; `docs` reads its docstring), `params` (a dict) or a
class; all of them make it through `arguments`, which is pydantic's, and `typed_dict` helps there before Python 3.12.
`strict` writes the schema for strict mode. A call goes through `binding` (which validates: `arguments`, or `fits` for a
schema written by hand; `wording` tells what is wrong) and then through `running`. Sends nothing: that is left to `mcp`,
for tools that run elsewhere. Names come when they are used: most prompts have no tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from deluge_sync._lazy import lazy_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from deluge_sync.tool.mcp.server import MCPServer
    from deluge_sync.tool.params import ToolParams
    from deluge_sync.tool.tool import Tool

__all__ = ["AnyTool", "MCPServer", "Tool", "ToolParams"]

if not TYPE_CHECKING:  # a type checker would take any name for one of the package
    __getattr__, __dir__ = lazy_names(__name__, {"MCPServer": ".mcp.server", "Tool": ".tool", "ToolParams": ".params"})

AnyTool: TypeAlias = "Tool | MCPServer | Mapping[str, Any]"
"""What may stand in `tools=`: a tool of ours, the tools of a server, or a provider's own as a dict in its form."""
