"""The key of a prompt for local caches and prompts in flight: equal where the same is asked of the same models.

It covers the messages with the content of their images and files, the models of the pool with their sampling params,
their API and where it is, the tools, the output schema, fields of `extra_body`, and headers that choose a version of
the API. Who asks and how fast (keys, other headers, service tier, the provider's prompt cache, limits) is not in it.
What is at a URL or a provider counts by its address. Pure, but for the local files it reads.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.json_schema import schema_of
from deluge_sync.prompt.parts import compact_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.pool import Route
    from deluge_sync.prompt import Conversation
    from deluge_sync.tool import AnyTool

__all__ = ["CacheKeys"]

# To be raised when a key means something else than before, so that no older answer is found by it.
_VERSION: Final = 1
_SHAPING_HEADERS: Final = ("-beta", "-version")


class CacheKeys:
    """Writes the keys of one pool. For any number of threads.

    What all prompts of a call have in common is written once: `_latest` is that of the latest call, replaced whole.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        # In an order of its own: which model is named first shapes no answer.
        self._pool = sorted(compact_json(_written_route(route)) for route in routes)
        self._latest: tuple[Extras, str] | None = None

    def key(self, prompt: Conversation, extras: Extras) -> str:
        """SHA-256 in hex.

        Raises:
            ConfigError: an image or a file cannot be read, or something has no form in JSON.
            TypeError, ValueError: a part of a message has no form in JSON.
        """
        prefer = prompt.model_used if extras.prefer_model == "last" else extras.prefer_model
        said = f"{self._common(extras)} {prompt.fingerprint} {prefer or ''}"  # the first two are always as long
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()

    def _common(self, extras: Extras) -> str:
        latest = self._latest
        if latest is None or latest[0] is not extras:
            said = compact_json([_VERSION, self._pool, *_written_extras(extras)], what="the call")
            latest = self._latest = (extras, hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest())
        return latest[1]


def _written_route(route: Route) -> list[Any]:
    model = route.model
    params = route.params.model_dump(mode="json", exclude_none=True)
    return [model.id, model.name, model.provider, model.api_spec, route.base_url, sorted(params.items())]


def _written_extras(extras: Extras) -> list[Any]:
    # Unlike elsewhere the order of names counts: models write the properties of a schema in the schema's order.
    tools = [_written_tool(tool) for tool in extras.tools]
    schema = None if extras.output_schema is None else schema_of(extras.output_schema)
    return [tools, schema, extras.body, _shaping(extras.headers)]


def _written_tool(tool: AnyTool) -> Any:
    from deluge_sync.tool import MCPServer, Tool  # with the first tool: most prompts have none

    if isinstance(tool, MCPServer):
        return tool.fingerprint()
    return tool.to_dict() if isinstance(tool, Tool) else tool


def _shaping(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    lower = ((name.lower(), value) for name, value in headers.items())
    return sorted((name, value) for name, value in lower if name.endswith(_SHAPING_HEADERS))
