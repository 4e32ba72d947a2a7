"""An MCP server as a call names it: `tools=[MCPServer(...)]`. A value; nothing here connects to anything.

The adapters write it for providers that connect to such servers themselves. Everywhere else `LLMClient` connects and
offers the server's tools in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from deluge_sync._secret import Secret
from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import compact_json, copy_json
from deluge_sync.tool.mcp.config import DEFAULT_TIMEOUT_S, checked_headers, checked_timeout, checked_url, shown_url

__all__ = ["MCPServer"]

# What providers take as the name of a server and put before the names of its tools.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class MCPServer:
    """A remote MCP server whose tools the model may use.

    OpenAI's Responses API and Anthropic connect to it themselves and run its tools. For all other models, for settings
    that the provider has no place for, and with `LLMClient(force_local_mcp=True)` it is this process that connects:
    the model is offered the server's tools, and an agent loop runs them.

    Args:
        name: letters, digits, `_` and `-`, at most 64; stands before the names of its tools where those of two servers
            are the same.
        url: streamable HTTP or SSE, http or https.
        token: sent to the server as `Authorization: Bearer ...`, by whoever connects.
        configuration: `allowed_tools` (a list of names; no others are offered), `enabled` (False: none at all),
            `require_approval` ("never", which is the default, or "always": OpenAI asks before each call and leaves it
            to you to answer), `server_description` and `defer_loading` (both told to OpenAI only).
        headers: sent to the server with every request. Anthropic has no place for them, so this process connects.
        timeout: seconds to connect, and for each call that this process makes.

    Token and headers are shown nowhere: not when printed, not in errors, not in the cache.

    Raises:
        ConfigError: an argument cannot work; the message names it.
    """

    name: str
    url: str
    token: Secret | None
    configuration: Mapping[str, Any] = field(hash=False)
    headers: Mapping[str, Secret] = field(hash=False)
    timeout: float

    def __init__(
        self,
        name: str,
        url: str,
        token: str | None = None,
        configuration: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        given: Any = name
        if not isinstance(given, str) or not _NAME.fullmatch(given):
            raise ConfigError(f"an MCPServer's name is 1 to 64 letters, digits, _ and -; not {name!r:.100}")
        owner = f"MCPServer {name!r}"
        put = object.__setattr__
        put(self, "name", name)
        put(self, "url", checked_url(owner, url))
        put(self, "token", _checked_token(owner, token))
        put(self, "configuration", _checked_configuration(owner, configuration))
        put(self, "headers", MappingProxyType(dict(checked_headers(owner, headers))))
        put(self, "timeout", checked_timeout(owner, timeout))

    @property
    def is_enabled(self) -> bool:
        """Whether any of its tools is offered."""
        return bool(self.configuration.get("enabled", True))

    @property
    def allowed_tools(self) -> list[str] | None:
        """The names of the tools that are offered, as the server calls them; None for all."""
        names = self.configuration.get("allowed_tools")
        return None if names is None else list(names)

    @property
    def require_approval(self) -> str:
        """Whether the provider asks before it calls a tool: "never" or "always"."""
        return str(self.configuration.get("require_approval", "never"))

    @property
    def own_headers(self) -> dict[str, Secret]:
        """The headers for whoever connects from here, the token among them."""
        bearer = {} if self.token is None else {"Authorization": Secret(f"Bearer {self.token.reveal()}")}
        return {**bearer, **self.headers}

    @property
    def secrets(self) -> list[Secret]:
        """What must be shown to nobody."""
        return list(self.own_headers.values())

    def fingerprint(self) -> list[Any]:
        """What shapes an answer, for the keys of caches. Whose account the server sees is in it as a hash only."""
        proof = sorted((name.lower(), secret.reveal()) for name, secret in self.own_headers.items())
        hashed = sha256(compact_json(proof).encode("utf-8", "surrogatepass")).hexdigest()
        return ["mcp", self.name, self.url, copy_json(self.configuration), hashed]

    def __repr__(self) -> str:
        return f"MCPServer({self.name!r}, {shown_url(self.url)!r})"


def _checked_token(owner: str, token: object) -> Secret | None:
    if token is None:
        return None
    if (
        not isinstance(token, str)
        or not token.strip()
        or not token.strip().isascii()
        or not token.strip().isprintable()
    ):
        raise ConfigError(f"{owner}: the token must be a text in one line, of ASCII characters")
    return Secret(token.strip())


_KINDS: Final[Mapping[str, type]] = {
    "allowed_tools": list,
    "enabled": bool,
    "require_approval": str,
    "server_description": str,
    "defer_loading": bool,
}


def _checked_configuration(owner: str, configuration: object) -> Mapping[str, Any]:
    if configuration is None:
        return MappingProxyType({})
    if not isinstance(configuration, Mapping):
        raise ConfigError(f"{owner}: configuration must be a dict; got a {type(configuration).__name__}")
    for key, value in configuration.items():
        if key not in _KINDS:
            raise ConfigError(f"{owner}: configuration takes {', '.join(_KINDS)}; not {key!r:.80}")
        if value is not None and not isinstance(value, _KINDS[key]):
            raise ConfigError(f"{owner}: configuration[{key!r}] must be a {_KINDS[key].__name__}; got {value!r:.80}")
    given = {key: copy_json(value) for key, value in configuration.items() if value is not None}
    if given.get("require_approval", "never") not in ("never", "always"):
        raise ConfigError(f"{owner}: configuration['require_approval'] is 'never' or 'always'")
    if not all(isinstance(name, str) for name in given.get("allowed_tools", ())):
        raise ConfigError(f"{owner}: configuration['allowed_tools'] must be a list of names")
    return MappingProxyType(given)
