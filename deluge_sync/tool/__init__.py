"""What a model may call: a name, a description, a JSON Schema for the arguments, and the function behind it.

`tool` has the value. A schema comes from `signature` (a function; `docs` reads its docstring), `params` (a dict) or a
class; all of them make it through `arguments`, which is pydantic's, and `typed_dict` helps there before Python 3.12.
`strict` writes the schema for strict mode. A call goes through `binding` (which validates: `arguments`, or `fits` for a
schema written by hand; `wording` tells what is wrong) and then through `running`. Sends nothing.
"""

from __future__ import annotations

from deluge_sync.tool.params import ToolParams
from deluge_sync.tool.tool import Tool

__all__ = ["Tool", "ToolParams"]
