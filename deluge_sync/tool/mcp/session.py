"""One open connection to one server, by the official `mcp` package. Runs in the loop of `thread`; `connection` uses it.

The package's cancel scopes must be left by the task that entered them: `_own` is that task, it lives as long as the
connection does, and everybody else only sends requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx2
import mcp_types as types
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from deluge_sync.errors import DelugeError, MCPConnectionError, MCPTimeoutError, MCPToolError
from deluge_sync.tool.mcp.elicitation import defaults_of
from deluge_sync.tool.mcp.http import http_streams, sse_streams
from deluge_sync.tool.mcp.notes import Notes
from deluge_sync.tool.mcp.stdio import stdio_streams

if TYPE_CHECKING:
    from deluge_sync.tool.mcp.config import ServerConfig, Transport

__all__ = ["Lost", "Session", "open_session"]

T = TypeVar("T")

_STREAMS: Final[Mapping[Transport, Callable[[ServerConfig, Notes], Any]]] = {
    "stdio": stdio_streams,
    "http": http_streams,
    "sse": sse_streams,
}
# What the package says where the server does, or says nothing.
_NO_SUCH_SESSION: Final = (types.INVALID_REQUEST, "Session terminated")
_NO_REPLY: Final = "Server returned an error response"
# A server that speaks the other transport of the two answers so to this one.
_WRONG_TRANSPORT: Final = frozenset({400, 404, 405, 406, 415})
_CLOSE_S: Final = 8.0
_PULSE_S: Final = 5.0
_TOLD_S: Final = 0.5
_MOST_PAGES: Final = 1_000


class Lost(Exception):  # noqa: N818  (never seen by a user)
    """The connection ended before the answer came. `may_have_run`: the server may have carried out the request."""

    def __init__(self, *, may_have_run: bool) -> None:
        self.may_have_run = may_have_run
        super().__init__("the connection was lost")


async def open_session(config: ServerConfig, timeout_s: float, on_new_tools: Callable[[], None]) -> Session:
    """Connect. Where nobody said which of the two a URL speaks, streamable HTTP is tried, and then SSE.

    Raises:
        MCPConnectionError: the server cannot be started or reached, or is none; it names the server.
    """
    transports = _transports(config)
    for transport in transports:
        session = Session(config, transport, on_new_tools)
        try:
            await session.begin(timeout_s)
        except MCPConnectionError as error:
            if transport == transports[-1] or not session.may_speak_otherwise:
                raise
            first = error
            continue
        return session
    raise first


def _transports(config: ServerConfig) -> tuple[Transport, ...]:
    if config.transport is not None:
        return (config.transport,)
    path = str(config.url).partition("?")[0].rstrip("/")
    return ("sse", "http") if path.endswith("/sse") else ("http", "sse")


class Session:
    """Made and used in one loop. `begin` once, then `call` and the like any number of times at once, then `close`."""

    def __init__(self, config: ServerConfig, transport: Transport, on_new_tools: Callable[[], None]) -> None:
        self._config = config
        self._transport = transport
        self._on_new_tools = on_new_tools
        self._notes = Notes()
        self._client: Client | None = None
        self._failure: BaseException | None = None
        self._has_no_session = False
        self._is_ready = asyncio.Event()
        self._shall_end = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent, as far as anybody knows."""
        is_owned = self._owner is not None and not self._owner.done()
        return is_owned and not self._shall_end.is_set() and not self._notes.has_lost_output

    @property
    def may_speak_otherwise(self) -> bool:
        """Whether the server answered, but not as one that speaks this transport does."""
        failure = self._failure
        return self._notes.status in _WRONG_TRANSPORT or isinstance(failure, httpx2.SSEError | ValueError)

    async def begin(self, timeout_s: float) -> None:
        """Connect and say hello.

        Raises:
            MCPConnectionError: it did not work; nothing is left of it.
        """
        self._owner = asyncio.create_task(self._own())
        ready = asyncio.create_task(self._is_ready.wait())
        try:
            await asyncio.wait((ready, self._owner), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._give_up()
            raise
        finally:
            ready.cancel()
        if not self._is_ready.is_set():
            has_timed_out = not self._owner.done()
            await self._give_up()
            raise self._connect_error(timeout_s if has_timed_out else None)

    async def close(self) -> None:
        """End the connection and the server, if it is a child process. Bounded."""
        self._shall_end.set()
        if self._owner is not None:
            await asyncio.wait((self._owner,), timeout=_CLOSE_S)
            await self._give_up()

    async def list_tools(self, timeout_s: float) -> list[types.Tool]:
        """All tools, of all pages.

        Raises:
            MCPConnectionError: it cannot say; Lost: the connection ended.
        """
        found: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self._ask(partial(_list_page, cursor), "its tools", timeout_s)
            found += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        return found

    async def call(self, tool_name: str, arguments: dict[str, Any], timeout_s: float) -> types.CallToolResult:
        """What the tool gives; `isError` is told in the result.

        Raises:
            MCPToolError: the server refuses the call.
            MCPConnectionError: it has no answer, or none in time; Lost: the connection ended.
        """
        return await self._ask(lambda client: client.call_tool(tool_name, arguments), tool_name, timeout_s)

    async def has_pulse(self) -> bool:
        """Whether the server answers anything at all."""
        try:
            await self._ask(lambda client: client.session.send_ping(), "a ping", _PULSE_S)
        except (MCPTimeoutError, Lost):
            return False
        except DelugeError:
            return True  # a refusal is an answer
        return True

    # --- the connection

    async def _own(self) -> None:
        streams = _STREAMS[self._transport](self._config, self._notes)
        try:
            async with Client(
                streams,
                cache=None,
                client_info=types.Implementation(name="deluge-sync", version="1"),
                elicitation_callback=_answer_with_defaults,
                message_handler=self._hear,
            ) as client:
                self._client = client
                self._is_ready.set()
                await self._shall_end.wait()
        except BaseException as error:  # noqa: BLE001  (told by whoever waits; a task that dies says it to nobody)
            self._failure = _innermost(error)

    async def _hear(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._on_new_tools()

    async def _give_up(self) -> None:
        assert self._owner is not None
        self._owner.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait((self._owner,), timeout=_CLOSE_S)

    def _connect_error(self, timeout_s: float | None) -> MCPConnectionError:
        shown = f"MCP server {self._config.shown}"
        if timeout_s is not None:
            return MCPTimeoutError(
                self._config.name, f"{shown} did not answer within {timeout_s:g} s of being connected to"
            )
        return MCPConnectionError(self._config.name, f"{shown} cannot be reached: {self._reason()}")

    def _reason(self) -> str:
        """Why the connection is not there, without what may be a key."""
        notes = self._notes
        if notes.exit_code is not None:
            words = f": {notes.last_words}" if notes.last_words else ""
            return self._config.hide_in(f"it ended with exit code {notes.exit_code}{words}")
        if notes.status is not None:
            return f"it answered with HTTP {notes.status}"
        failure = self._failure
        if isinstance(failure, httpx2.HTTPError):
            return f"{type(failure).__name__}"  # its text may hold the whole URL
        return self._config.hide_in(str(failure) or type(failure).__name__)[:500] if failure else "it hung up"

    # --- requests

    async def _ask(self, send: Callable[[Client], Coroutine[Any, Any, T]], what: str, timeout_s: float) -> T:
        """Send a request; end its waiting when the answer is there, the connection is not, or the time is up."""
        if self._client is None or self._owner is None or not self.is_open:
            raise Lost(may_have_run=False)
        asked = asyncio.create_task(send(self._client))
        asked.add_done_callback(_look_at)
        try:
            await asyncio.wait((asked, self._owner), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return self._answer(asked, what)
            if self._owner.done():
                raise self._lost()
            raise MCPTimeoutError(
                self._config.name, f"MCP server {self._config.shown} did not answer {what} within {timeout_s:g} s"
            )
        except Lost:
            # It is the task that ends which knows why.
            await asyncio.wait((self._owner,), timeout=_TOLD_S)
            raise self._lost() from None
        finally:
            asked.cancel()

    def _answer(self, asked: asyncio.Task[T], what: str) -> T:
        try:
            return asked.result()
        except MCPError as error:
            problem = self._translated(error, what)
        except (OSError, httpx2.HTTPError, asyncio.CancelledError):
            problem = self._lost()
        except Exception as error:  # noqa: BLE001  (the package has no ancestor for what it makes of a strange answer)
            problem = self._lost() if not self.is_open else self._strange(error, what)
        raise problem

    def _translated(self, error: MCPError, what: str) -> Exception:
        if (error.code, error.message) == _NO_SUCH_SESSION:
            self._has_no_session = True
        if error.code == types.CONNECTION_CLOSED or self._has_no_session:
            return self._lost()
        if error.message == _NO_REPLY:
            return MCPConnectionError(
                self._config.name, f"MCP server {self._config.shown} answered with HTTP {self._notes.status}"
            )
        return MCPToolError(self._config.name, what, self._config.hide_in(error.message))

    def _lost(self) -> Lost:
        never_arrived = isinstance(self._failure, httpx2.ConnectError | httpx2.ConnectTimeout)
        return Lost(may_have_run=not (never_arrived or self._has_no_session))

    def _strange(self, error: Exception, what: str) -> MCPToolError:
        text = str(error) if isinstance(error, RuntimeError) else f"the server's answer cannot be read: {error}"
        return MCPToolError(self._config.name, what, self._config.hide_in(text)[:2_000])


async def _list_page(cursor: str | None, client: Client) -> types.ListToolsResult:
    return await client.list_tools(cursor=cursor)


async def _answer_with_defaults(
    context: object,  # noqa: ARG001  (the package names it)
    params: types.ElicitRequestParams,
) -> types.ElicitResult:
    proposed = defaults_of(params.requested_schema) if isinstance(params, types.ElicitRequestFormParams) else None
    if proposed is None:
        return types.ElicitResult(action="decline")
    return types.ElicitResult(action="accept", content=proposed)


def _look_at(asked: asyncio.Task[Any]) -> None:
    """Whoever asked may have left; a failure that nobody looks at would be reported by the loop."""
    if not asked.cancelled():
        asked.exception()


def _innermost(error: BaseException) -> BaseException:
    """The first of what went wrong, out of the groups that task groups make."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
