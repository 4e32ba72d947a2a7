"""One tool as a value, made of a function, a class or a dict, and called with what a model wrote.

The adapters write it in their provider's form. Nothing here decides when a tool runs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import BaseModel
from typing_extensions import is_typeddict

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import compact_json, copy_json
from deluge_sync.tool.binding import Binding, ByClass, by_hand, by_params
from deluge_sync.tool.params import ToolParams
from deluge_sync.tool.running import is_async, run_awaiting, run_blocking
from deluge_sync.tool.signature import read_signature
from deluge_sync.tool.strict import strict_form, without_null_for_nothing

__all__ = ["Tool"]

# What every provider accepts; OpenAI and Anthropic refuse other characters and more than 64 of them.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may ask for.

    `parameters` is a JSON Schema of type object. The tool keeps a copy of its own: a dict that is changed later
    changes no request. `run`, if there is one, is the function itself; this package never calls it unless asked to
    execute tool calls. `from_function`, `from_pydantic`, `from_typed_dict` and `from_params` write the schema and fill
    in `binding`, which turns arguments into what `run` takes. Tools may be shared between threads.

    Raises:
        ConfigError: the name, the description or the schema is not of that form; the message names the tool.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}}, hash=False)
    run: Callable[..., Any] | None = field(default=None, hash=False)
    binding: Binding | None = field(default=None, kw_only=True, repr=False, compare=False)

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

    @classmethod
    def from_function(
        cls, func: Callable[..., Any], *, name: str | None = None, description: str | None = None
    ) -> Tool:
        """A tool that runs `func`, blocking or async, described by its annotations and its docstring.

        A parameter's description is what stands in its annotation (`Annotated[str, "..."]`, `Field(description=...)`)
        or in the docstring (Google, NumPy or Sphinx style). What `functools.partial` has filled in is kept from the
        model. The name is the function's unless given.

        Raises:
            ConfigError: it takes `*args`, or something that has no JSON Schema.
        """
        signature = read_signature(func, name=name, names=sys._getframe(1).f_locals)
        told = signature.description if description is None else description
        return cls(signature.name, told, signature.arguments.schema(), run=func, binding=signature.bind)

    @classmethod
    def from_pydantic(
        cls,
        name: str,
        model: type[BaseModel],
        *,
        description: str | None = None,
        run: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> Tool:
        """A tool whose arguments are the fields of a pydantic model, described by its docstring unless told.

        `run` gets an instance if it has one parameter that is annotated with the model or not called like a field,
        otherwise the fields by name, defaults included. `kwargs` go to the constructor.

        Raises:
            ConfigError: it is no model class, or has a field without a JSON Schema.
        """
        given: Any = model
        if not (isinstance(given, type) and issubclass(given, BaseModel)):
            raise ConfigError(f"tool {name!r} is made of a pydantic model class, not of {model!r:.80}")
        return cls._from_class(ByClass(name, model, run), name, description, run, kwargs)

    @classmethod
    def from_typed_dict(
        cls,
        name: str,
        typed_dict: Any,
        *,
        description: str | None = None,
        run: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> Tool:
        """A tool whose arguments are the keys of a TypedDict; otherwise as `from_pydantic`.

        Raises:
            ConfigError: it is no TypedDict, or has a key without a JSON Schema.
        """
        if not is_typeddict(typed_dict):
            raise ConfigError(f"tool {name!r} is made of a TypedDict, not of {typed_dict!r:.80}")
        binding = ByClass(name, typed_dict, run, sys._getframe(1).f_locals)
        return cls._from_class(binding, name, description, run, kwargs)

    @classmethod
    def from_params(
        cls,
        name: str,
        params: ToolParams,
        *,
        description: str | None = None,
        run: Callable[..., Any] | None = None,
    ) -> Tool:
        """A tool whose parameters are written down as `ToolParams`; `run` gets them by name.

        Raises:
            ConfigError: `params` is something else.
        """
        if not isinstance(params, ToolParams):
            raise ConfigError(f"tool {name!r} is made of ToolParams, not of {params!r:.80}")
        return cls(name, description, params.schema, run=run, binding=by_params(params, run))

    @staticmethod
    async def from_mcp(
        name: str,
        *,
        command: str | None = None,
        args: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> list[Tool]:
        """The tools of an MCP server: one that `command` starts here, or one behind a `url`. For any event loop.

        The server stays connected, and is shared by everybody who names the same command, arguments and environment,
        or URL and headers. A connection that broke is opened again by the next call. `close_mcp` ends it, as does the
        end of the program. `call` gives text, or a list of parts where the server sends images.

        Args:
            name: stands before a tool's name where another tool of the same list has that name too.
            env: what the server gets to see of the environment, beside `PATH`, `HOME` and the like; never our API keys.
            timeout: seconds for starting it and hearing of its tools, and for each call.

        Raises:
            ConfigError: an argument cannot work, or the `mcp` package is missing (`pip install deluge-sync[mcp]`).
            MCPConnectionError: the server cannot be started or reached; it is named.
        """
        from deluge_sync.tool.mcp import tools  # an extra, and slow to load

        server = tools.wanted(name, timeout, command=command, args=args, env=env, url=url, headers=headers)
        return tools.joined(await tools.aconnect(tools.OWN, [server]))

    @staticmethod
    def from_mcp_sync(
        name: str,
        *,
        command: str | None = None,
        args: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> list[Tool]:
        """`from_mcp`, waited for."""
        from deluge_sync.tool.mcp import tools  # as above

        server = tools.wanted(name, timeout, command=command, args=args, env=env, url=url, headers=headers)
        return tools.joined(tools.connect(tools.OWN, [server]))

    @staticmethod
    async def from_mcp_config(config: Any, *, timeout: float = 60) -> list[Tool]:
        """The tools of all servers of a configuration in Claude Desktop's form, in its order.

        Args:
            config: `{"mcpServers": {name: {"command": ..., "args": [...], "env": {...}}}}`, with `url` and `headers`
                for servers elsewhere (and `type`: "http" or "sse"); the inner dict; either as JSON text; or the path of
                a file.

        Entries that are `disabled` are left out. Otherwise as `from_mcp`; one server that cannot be reached fails all.
        """
        from deluge_sync.tool.mcp import tools  # as above

        return tools.joined(await tools.aconnect(tools.OWN, tools.wanted_of(config, timeout)))

    @staticmethod
    def from_mcp_config_sync(config: Any, *, timeout: float = 60) -> list[Tool]:
        """`from_mcp_config`, waited for."""
        from deluge_sync.tool.mcp import tools  # as above

        return tools.joined(tools.connect(tools.OWN, tools.wanted_of(config, timeout)))

    @staticmethod
    def close_mcp(tools: Iterable[Tool] | None = None) -> None:
        """Close the connections behind these tools, or all that `from_mcp` and `from_mcp_config` opened.

        Waits for it. Servers that were started here have ended then. The tools cannot be called any more.
        """
        from deluge_sync.tool.mcp.tools import release  # as above

        release(tools)

    @classmethod
    def _from_class(
        cls,
        binding: ByClass,
        name: str,
        description: str | None,
        run: Callable[..., Any] | None,
        more: Mapping[str, Any],
    ) -> Tool:
        schema = binding.schema()
        told = schema.pop("description", None)
        made: dict[str, Any] = {"parameters": schema, "binding": binding, **more}
        return cls(name, told if description is None else description, run=run, **made)

    @property
    def strict_parameters(self) -> dict[str, Any] | None:
        """`parameters` for strict mode: closed objects, and null in the place of what may be left out.

        None where an object has free keys. A provider may still refuse a keyword in it. A new copy each time.
        """
        return strict_form(self.parameters)

    def call(self, /, **arguments: Any) -> Any:
        """Run the function with a model's arguments and give what it gives; an async one is waited for.

        The arguments are JSON values, or already what the function asks for. A null in the place of an optional
        parameter that takes no null means that it is left out. Inside a running event loop an async function runs in a
        thread with a loop of its own. What the function raises is raised here.

        Raises:
            ConfigError: the tool has no `run`.
            ToolArgumentsError: the arguments do not fit; the function has not run.
        """
        return run_blocking(self._ready(arguments)[1])

    async def acall(self, /, **arguments: Any) -> Any:
        """`call` for async code: an async function runs in this loop, a blocking one in a thread.

        Cancelling leaves a thread to come to its end.
        """
        run, ready = self._ready(arguments)
        return await run_awaiting(ready, is_async=is_async(run))

    def _ready(self, arguments: Mapping[str, Any]) -> tuple[Callable[..., Any], Callable[[], Any]]:
        if self.run is None:
            raise ConfigError(f"tool {self.name!r} has no function to run; give it one with run=")
        bind = self.binding or by_hand(self.name, self.parameters, self.run)
        by_place, by_name = bind(without_null_for_nothing(arguments, self.parameters))
        return self.run, partial(self.run, *by_place, **by_name)

    def to_dict(self) -> dict[str, Any]:
        """Name, description and parameters, as JSON-ready values that share nothing with the tool."""
        return {"name": self.name, "description": self.description, "parameters": copy_json(self.parameters)}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_object_schema(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") == "object"
