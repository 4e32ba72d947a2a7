"""How an MCP server is reached, as a checked value, and the configuration files that say so.

Two configs with the same `place` are the same server: they share a connection. Reads a file if it is asked to; starts
and connects nothing.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from deluge_sync._secret import Secret
from deluge_sync.errors import ConfigError

__all__ = [
    "DEFAULT_TIMEOUT_S",
    "ServerConfig",
    "Transport",
    "checked_headers",
    "checked_timeout",
    "checked_url",
    "read_config",
    "server_config",
    "shown_url",
]

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S: Final = 60.0
Transport = Literal["stdio", "http", "sse"]
Pairs = tuple[tuple[str, Secret], ...]

# RFC 9110, 5.1 and 5.5.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
# What configuration files call the transports.
_TRANSPORTS: Final[Mapping[str, Transport]] = {
    "stdio": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamableHttp": "http",
    "sse": "sse",
}
_KNOWN_KEYS: Final = frozenset({"command", "args", "env", "cwd", "url", "headers", "type", "transport", "disabled"})


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server: a command to run, or a URL. What may be a key (values of `env`, `headers`, `args`) is not shown."""

    name: str
    command: str | None = None
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Pairs = ()
    cwd: str | None = None
    url: str | None = None
    headers: Pairs = ()
    transport: Transport | None = None
    """None for a URL of which nobody said how it is spoken to."""

    @property
    def place(self) -> tuple[Any, ...]:
        """Equal for the same server, whatever it is called."""
        return self.command, self.args, self.env, self.cwd, self.url, self.headers, self.transport

    @property
    def shown(self) -> str:
        """The server for a message: its name, and where it is, without what may be a key."""
        return f"{self.name!r} ({shown_url(self.url) if self.url is not None else self.command})"

    def hide_in(self, text: str) -> str:
        """`text` with `***` for what may be a key."""
        for _, secret in (*self.env, *self.headers):
            text = secret.hide_in(text)
        return text


def server_config(
    name: str,
    *,
    command: str | None = None,
    args: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
    transport: Transport | None = None,
) -> ServerConfig:
    """The checked value.

    Raises:
        ConfigError: an argument cannot work, or it is not either a command or a URL.
    """
    given: Any = name
    if not isinstance(given, str) or not name.strip():
        raise ConfigError(f"an MCP server needs a name; got {name!r:.80}")
    owner = f"MCP server {name!r}"
    if (command is None) == (url is None):
        raise ConfigError(f"{owner}: give either command= (a server to run here) or url= (one that runs elsewhere)")
    if command is not None:
        _refuse_beside(owner, "command", headers=headers)
        return ServerConfig(
            name,
            command=_checked_text(owner, "command", command),
            args=_checked_args(owner, args),
            env=_checked_env(owner, env),
            cwd=_checked_cwd(owner, cwd),
            transport="stdio",
        )
    _refuse_beside(owner, "url", args=args, env=env, cwd=cwd)
    if transport == "stdio":
        raise ConfigError(f"{owner}: a server with a url is not spoken to over stdio")
    return ServerConfig(name, url=checked_url(owner, url), headers=checked_headers(owner, headers), transport=transport)


def read_config(config: Any) -> list[ServerConfig]:
    """The servers of a configuration in Claude Desktop's form, in their order, without those that are `disabled`.

    config: `{"mcpServers": {name: {...}}}`, the inner dict, either of them as JSON text, or the path of such a file.

    Raises:
        ConfigError: it is nothing of that kind, or an entry cannot work; the message names it.
    """
    found = _loaded(config)
    servers = found.get("mcpServers", found)
    if not isinstance(servers, Mapping):
        raise ConfigError(f"the MCP configuration's mcpServers must be a dict; got a {type(servers).__name__}")
    return [_entry(name, entry) for name, entry in servers.items() if not _is_disabled(entry)]


def checked_url(owner: str, url: object) -> str:
    """The URL, if it is one of http or https with a host."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        is_good = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_good = False
    if not is_good or not isinstance(url, str) or not url.isprintable() or " " in url:
        raise ConfigError(f"{owner}: url must be an http or https URL")
    return url


def checked_headers(owner: str, headers: object) -> Pairs:
    """The headers as pairs, in an order of their own. No value is told: it may be a key."""
    pairs = _checked_pairs(owner, "headers", headers)
    for name, value in pairs:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value.reveal()):
            raise ConfigError(f"{owner}: the header {name!r:.80} cannot be sent")
    return pairs


def checked_timeout(owner: str, timeout: object) -> float:
    """The time limit in seconds."""
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
        raise ConfigError(f"{owner}: timeout must be a positive number of seconds; got {timeout!r:.80}")
    return float(timeout)


def shown_url(url: str) -> str:
    """The URL without what may hold a key: user and password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


# --- arguments


def _refuse_beside(owner: str, chosen: str, **others: object) -> None:
    for name, value in others.items():
        if value is not None:
            raise ConfigError(f"{owner}: {name} means nothing beside {chosen}")


def _checked_text(owner: str, what: str, value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"{owner}: {what} must be a text; got {type(value).__name__}")
    return value


def _checked_cwd(owner: str, cwd: object) -> str | None:
    return None if cwd is None else _checked_text(owner, "cwd", str(cwd) if isinstance(cwd, Path) else cwd)


def _checked_args(owner: str, args: object) -> tuple[str, ...]:
    if args is None:
        return ()
    if isinstance(args, str) or not isinstance(args, Sequence):
        raise ConfigError(f"{owner}: args must be a list of texts; got a {type(args).__name__}")
    for position, arg in enumerate(args):
        if not isinstance(arg, str) or "\0" in arg:
            raise ConfigError(f"{owner}: args[{position}] must be a text")
    return tuple(args)


def _checked_env(owner: str, env: object) -> Pairs:
    pairs = _checked_pairs(owner, "env", env)
    for name, value in pairs:
        if not name or "=" in name or "\0" in name + value.reveal():
            raise ConfigError(f"{owner}: {name!r:.80} cannot be an environment variable")
    return pairs


def _checked_pairs(owner: str, what: str, given: object) -> Pairs:
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise ConfigError(f"{owner}: {what} must be a dict of texts; got a {type(given).__name__}")
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ConfigError(f"{owner}: {what} must be a dict of texts; {name!r:.80} has a {type(value).__name__}")
    return tuple(sorted(((name, Secret(value)) for name, value in given.items()), key=lambda pair: pair[0]))


# --- files


def _loaded(config: Any) -> Mapping[str, Any]:
    if isinstance(config, Mapping):
        return config
    if not isinstance(config, str | Path):
        raise ConfigError(f"an MCP configuration is a dict, JSON text or a path; not a {type(config).__name__}")
    text = config if isinstance(config, str) and config.lstrip().startswith("{") else _read(Path(config))
    problem = "it is no JSON object"
    try:
        value = json.loads(text)
    except ValueError as error:
        value, problem = None, str(error)
    if not isinstance(value, dict):
        raise ConfigError(f"the MCP configuration cannot be read: {problem}")
    return value


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"the MCP configuration {str(path)!r:.200} cannot be read: {error}") from None


def _is_disabled(entry: object) -> bool:
    return isinstance(entry, Mapping) and entry.get("disabled") is True


def _entry(name: Any, entry: Any) -> ServerConfig:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"MCP server {name!r:.80}: its entry must be a dict; got a {type(entry).__name__}")
    unknown = sorted(str(key) for key in entry if key not in _KNOWN_KEYS)
    if unknown:
        log.debug("MCP server %r: not used: %s", name, ", ".join(unknown))
    keys = ("command", "args", "env", "cwd", "url", "headers")
    return server_config(
        name,
        **{key: entry.get(key) for key in keys},
        transport=_transport(name, entry.get("type", entry.get("transport"))),
    )


def _transport(name: Any, told: object) -> Transport | None:
    if told is None:
        return None
    if not isinstance(told, str) or told not in _TRANSPORTS:
        raise ConfigError(f"MCP server {name!r:.80}: type is one of {', '.join(_TRANSPORTS)}; not {told!r:.80}")
    return _TRANSPORTS[told]
