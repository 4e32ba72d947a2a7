"""Servers behind a URL: streamable HTTP, which the package speaks, and SSE, which was there before it.

SSE is our own, because the package's refuses events of more than a megabyte. Redirects to elsewhere are followed by
neither: what is sent may be a key. Source: https://modelcontextprotocol.io/specification/2024-11-05/basic/transports.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCRequest

from deluge_sync.tool.mcp.lines import LONGEST_BYTES, find_message

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from deluge_sync.tool.mcp.config import ServerConfig
    from deluge_sync.tool.mcp.notes import Notes

__all__ = ["http_streams", "sse_streams"]

log = logging.getLogger(__name__)

# A stream on which the server may say something at any time, or never. Calls have a limit of their own.
_LONGEST_PAUSE_S: Final = 3_600.0
_CONNECT_S: Final = 30.0
_SSE: Final = {"Accept": "text/event-stream", "Cache-Control": "no-store"}


@asynccontextmanager
async def http_streams(config: ServerConfig, notes: Notes) -> AsyncIterator[Any]:
    """The streams of messages from and to a server that speaks streamable HTTP."""
    async with (
        _client(config, notes) as client,
        streamable_http_client(str(config.url), http_client=client, max_sse_event_size=LONGEST_BYTES) as streams,
    ):
        yield streams


@asynccontextmanager
async def sse_streams(config: ServerConfig, notes: Notes) -> AsyncIterator[Any]:
    """The streams of messages from and to a server that speaks SSE: it answers on a stream, and is asked by POST."""
    async with _client(config, notes) as client, client.stream("GET", str(config.url), headers=_SSE) as response:
        response.raise_for_status()
        events = aiter(httpx2.EventSource(response, max_event_size=LONGEST_BYTES))
        endpoint = await _endpoint(str(config.url), events)
        send_in, receive_in = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        send_out, receive_out = anyio.create_memory_object_stream[SessionMessage](0)
        async with send_in, receive_in, send_out, receive_out, anyio.create_task_group() as tasks:
            tasks.start_soon(_hand_in, events, send_in, notes)
            tasks.start_soon(_post_all, client, endpoint, receive_out, send_in)
            try:
                yield receive_in, send_out
            finally:
                tasks.cancel_scope.cancel()


def _client(config: ServerConfig, notes: Notes) -> httpx2.AsyncClient:
    async def note(response: httpx2.Response) -> None:
        if response.status_code >= 400:
            notes.status = response.status_code

    return httpx2.AsyncClient(
        headers={name: value.reveal() for name, value in config.headers},
        timeout=httpx2.Timeout(_CONNECT_S, read=_LONGEST_PAUSE_S, pool=None),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        event_hooks={"response": [note]},
    )


async def _endpoint(url: str, events: AsyncIterator[httpx2.ServerSentEvent]) -> str:
    """Where to send messages: the first thing that the server says."""
    async for event in events:
        if event.event == "endpoint":
            endpoint = urljoin(url, event.data)
            if urlsplit(endpoint)[:2] != urlsplit(url)[:2]:
                raise ValueError("it wants its messages to be sent to another host")
            return endpoint
    raise ValueError("it did not say where to send messages")


async def _hand_in(
    events: AsyncIterator[httpx2.ServerSentEvent],
    send_in: MemoryObjectSendStream[SessionMessage | Exception],
    notes: Notes,
) -> None:
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        async with send_in:
            try:
                async for event in events:
                    message = find_message(event.data.encode()) if event.event == "message" else None
                    if message is not None:
                        await send_in.send(SessionMessage(message))
            except (httpx2.HTTPError, httpx2.SSEError) as error:
                log.debug("the stream of an MCP server ended: %s", type(error).__name__)
            finally:
                notes.has_lost_output = True


async def _post_all(
    client: httpx2.AsyncClient,
    endpoint: str,
    receive_out: MemoryObjectReceiveStream[SessionMessage],
    send_in: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:
    """One after another: a message that was sent first shall be there first."""
    async for outgoing in receive_out:
        body = outgoing.message.model_dump(by_alias=True, mode="json", exclude_unset=True)
        problem = await _problem_of_post(client, endpoint, body)
        if problem is not None and isinstance(outgoing.message, JSONRPCRequest):
            said = JSONRPCError(
                jsonrpc="2.0", id=outgoing.message.id, error=ErrorData(code=INTERNAL_ERROR, message=problem)
            )
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await send_in.send(SessionMessage(said))


async def _problem_of_post(client: httpx2.AsyncClient, endpoint: str, body: dict[str, Any]) -> str | None:
    response = await client.post(endpoint, json=body)
    return None if response.is_success else f"the server answered with HTTP {response.status_code}"
