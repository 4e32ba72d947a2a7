"""One tool as a value. The adapters write it in their provider's form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import compact_json, copy_json

__all__ = ["Tool"]

# What every provider accepts; OpenAI and Anthropic refuse other characters and more than 64 of them.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may ask for.

    `parameters` is a JSON Schema of type object. The tool keeps a copy of its own: a dict that is changed later
    changes no request. `run`, if there is one, is the function itself; this package never calls it unless asked to
    execute tool calls.

    Raises:
        ConfigError: the name, the description or the schema is not of that form; the message names the tool.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}}, hash=False)
    run: Callable[..., Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise ConfigError(f"a tool's name is 1 to 64 letters, digits, _ and -; not {self.name!r:.100}")
        if not isinstance(self.description, str | None):
            raise ConfigError(f"the description of tool {self.name!r} must be a text, not {self.description!r:.80}")
        if not _is_object_schema(self.parameters):
            raise ConfigError(f"the parameters of tool {self.name!r} must be a JSON Schema of type object")
        if self.run is not None and not callable(self.run):
            raise ConfigError(f"run of tool {self.name!r} must be a function, not {self.run!r:.80}")
        written = compact_json(self.parameters, what=f"the parameters of tool {self.name!r}")
        object.__setattr__(self, "parameters", json.loads(written))

    def to_dict(self) -> dict[str, Any]:
        """Name, description and parameters, as JSON-ready values that share nothing with the tool."""
        return {"name": self.name, "description": self.description, "parameters": copy_json(self.parameters)}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_object_schema(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") == "object"
