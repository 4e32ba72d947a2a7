"""What every adapter does when it writes a request: the body through the typed SDK, headers, what a model refuses."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from deluge_sync._adapters.json_schema import schema_of
from deluge_sync._secret import Secret
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from deluge_sync._adapters.call import Call
    from deluge_sync.sdk._base import Endpoint
    from deluge_sync.tool import MCPServer, Tool

__all__ = [
    "bearer_key",
    "taken",
    "wanted_schema",
    "warn_once",
    "write_body",
    "write_headers",
    "write_once",
    "write_tools",
]

T = TypeVar("T")

log = logging.getLogger(__name__)

# Leaving these out says the same, so that nobody needs to be told.
_SAYS_NOTHING: Final = {("temperature", 1.0), ("top_p", 1.0), ("reasoning_effort", "none")}
_warned: Final[dict[tuple[str, ...], object]] = {}


def write_body(
    call: Call,
    endpoint: Endpoint[Any, Any, Any],
    fields_of: Callable[[Call], Mapping[str, Any]],
    *,
    users_words: Collection[str],
) -> bytes:
    """The fields of `call` as the JSON of the endpoint's request; those that are None are left out.

    users_words: the fields that hold what a user may have written in the provider's own form (messages, tools). They
    are sent as they are where the typed request does not know them, and the provider says whether it takes them.

    Raises:
        ConfigError: a field of ours does not fit the typed request, or something in it has no form in JSON.
    """
    try:
        body = _typed_or_plain(endpoint, fields_of(call), users_words)
        return to_json({**from_json(body), **call.extras.body}) if call.extras.body else body
    except (PydanticSerializationError, RecursionError) as error:
        problem = str(error)
    raise ConfigError(f"the request cannot be written as JSON: {problem}")


def _typed_or_plain(
    endpoint: Endpoint[Any, Any, Any], fields: Mapping[str, Any], users_words: Collection[str]
) -> bytes:
    try:
        body: bytes | None = endpoint.dump(endpoint.request.model_validate(fields))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    else:
        return body or b"{}"
    for problem in problems:
        if problem["loc"][0] not in users_words:
            raise ConfigError(f"the request cannot be written: {'.'.join(map(str, problem['loc']))}: {problem['msg']}")
    log.debug("%s that the typed request does not know are sent as they are", " or ".join(users_words))
    return to_json({name: value for name, value in fields.items() if value is not None})


def write_once(call: Call, write: Callable[[Call], T]) -> T:
    """What `write` makes of all that `call` says beside its prompt; nobody may change it.

    Thousands of calls differ in their prompts only, so it is kept with what they share. By identity, because hashing a
    model or its settings takes longer than writing them. Safe without a lock: at worst several threads write the same.
    """
    kept, key = call.extras.written, (write, id(call.model), id(call.params), id(call.api_key), call.is_streamed)
    if key not in kept:
        kept[key] = write(call), call.model, call.params, call.api_key  # kept alive, and their identities with them
    written: T = kept[key][0]
    return written


def write_headers(call: Call, own: Mapping[str, str | Secret]) -> dict[str, str | Secret]:
    """`own`, and the user's in their place, whatever the case. Theirs may be keys too, so no value can be shown."""
    given = call.extras.headers
    replaced = {name.lower() for name in given}
    kept = {"Content-Type": "application/json", **own}
    kept = {name: value for name, value in kept.items() if name.lower() not in replaced}
    return {**kept, **{name: Secret(value) for name, value in given.items()}}


def bearer_key(call: Call) -> dict[str, str | Secret]:
    """The key as a bearer token, or bare in the header that the model's row names; nothing without a key."""
    if call.api_key is None:
        return {}
    if call.model.key_header is not None:
        return {call.model.key_header: call.api_key}
    return {"Authorization": Secret(f"Bearer {call.api_key.reveal()}")}


def write_tools(
    call: Call,
    write: Callable[[Tool], Mapping[str, Any]],
    write_server: Callable[[MCPServer], Mapping[str, Any]] | None = None,
) -> list[Mapping[str, Any]] | None:
    """The tools of `call`, ours as `write` writes them; a dict is passed on as it is. None without any.

    write_server: how MCP servers are written where the provider connects to them.

    Raises:
        ConfigError: something among them is none of these.
    """
    return [_written_tool(tool, write, write_server) for tool in call.extras.tools] or None


def _written_tool(
    tool: object,
    write: Callable[[Tool], Mapping[str, Any]],
    write_server: Callable[[MCPServer], Mapping[str, Any]] | None,
) -> Mapping[str, Any]:
    from deluge_sync.tool import MCPServer, Tool  # with the first tool: most prompts have none

    if isinstance(tool, Mapping):
        return dict(tool)
    if isinstance(tool, MCPServer) and write_server is not None:
        return write_server(tool)
    if not isinstance(tool, Tool):
        raise ConfigError(f"a tool is a Tool or a dict in the provider's form, not {tool!r:.80}")
    return write(tool)


def wanted_schema(call: Call) -> tuple[str, dict[str, Any]] | None:
    """The name and JSON Schema that the answer shall fit, or None if any will do.

    Raises:
        ConfigError: the model cannot do that. Left out, the answers would be free text, and every one paid for.
    """
    if call.extras.output_schema is None:
        return None
    if not call.model.supports_schema:
        raise ConfigError(
            f"model {call.model.id!r} cannot hold its answers to an output_schema; choose another, or ask for the form "
            "in the prompt with json_mode=True (register_model(..., supports_schema=True) if it can)"
        )
    return schema_of(call.extras.output_schema)


def taken(call: Call, wanted: Mapping[str, tuple[Any, bool]]) -> dict[str, Any]:
    """The settings that the model takes, out of `{name: (value, is taken)}`.

    The rest is left out, with one warning a model where that changes anything. Names are those the user knows.
    """
    refused = [(name, value) for name, (value, is_taken) in wanted.items() if value is not None and not is_taken]
    warn_once(call.model.id, [name for name, value in refused if (name, value) not in _SAYS_NOTHING])
    return {name: value for name, (value, is_taken) in wanted.items() if is_taken and value is not None}


def warn_once(model_id: str, settings: Iterable[str]) -> None:
    """Tell that `settings` are not sent. Of many threads that come at once only one does: `setdefault` is atomic."""
    names, mine = tuple(settings), object()
    if names and _warned.setdefault((model_id, *names), mine) is mine:
        log.warning("not sent to %s, which does not take it: %s", model_id, ", ".join(names))
