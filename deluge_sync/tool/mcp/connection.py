"""The connection to one server, which many share: opened when it is first needed, and again when it broke.

Everything here runs in the loop of `thread`, so that nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from deluge_sync.errors import MCPConnectionError, MCPTimeoutError
from deluge_sync.tool.mcp.session import Lost, Session, open_session

if TYPE_CHECKING:
    import mcp_types

    from deluge_sync.tool.mcp.config import ServerConfig

__all__ = ["Connection"]

log = logging.getLogger(__name__)

T = TypeVar("T")

# More at once would only wait at the server, and each may hold a socket.
_MOST_AT_ONCE: Final = 100
# Of what else is in the loop: an end that is told by a closed pipe is noticed after so many rounds.
_ROUNDS_TO_NOTICE: Final = 4


class Connection:
    """Of one server, whatever it is called by those who share it."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._session: Session | None = None
        self._opening: asyncio.Task[Session] | None = None
        self._tools: list[mcp_types.Tool] | None = None
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._has_ended = False
        self._checks: set[asyncio.Task[None]] = set()

    async def list_tools(self, timeout_s: float) -> list[mcp_types.Tool]:
        """The server's tools, asked for once until it says that they changed or the connection is opened again."""
        if self._tools is None or self._session is None or not self._session.is_open:
            self._tools = await self._with_session(
                lambda session: session.list_tools(timeout_s), timeout_s, may_repeat=True
            )
        return self._tools

    async def call(
        self, tool_name: str, arguments: dict[str, Any], timeout_s: float, *, may_repeat: bool
    ) -> mcp_types.CallToolResult:
        """What the tool gives. `timeout_s` counts from when the call has its turn: at most 100 are under way at once.

        may_repeat: calling twice does no harm, so that a call whose connection broke is made again.

        Raises:
            MCPToolError, MCPConnectionError: there is no result.
        """
        async with self._places:
            return await self._with_session(
                lambda session: session.call(tool_name, arguments, timeout_s), timeout_s, may_repeat=may_repeat
            )

    async def close(self) -> None:
        """End it for good."""
        self._has_ended = True
        for check in self._checks:
            check.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait((self._opening,))
        if self._session is not None:
            await self._session.close()

    async def _with_session(self, use: Callable[[Session], Awaitable[T]], timeout_s: float, *, may_repeat: bool) -> T:
        for _ in range(_ROUNDS_TO_NOTICE):
            await asyncio.sleep(0)
        for is_last in (False, True):
            session = await self._opened(timeout_s)
            try:
                return await use(session)
            except MCPTimeoutError:
                self._check_soon(session)
                raise
            except Lost as lost:
                self._let_go(session)
                if is_last or (lost.may_have_run and not may_repeat):
                    raise self._broke(lost) from None
        raise AssertionError  # the second round returns or raises

    async def _opened(self, timeout_s: float) -> Session:
        """The session; all who come while it is being opened wait for the same attempt."""
        if self._has_ended:
            raise MCPConnectionError(self._config.name, f"the connection to MCP server {self._config.shown} was closed")
        if self._session is not None and self._session.is_open:
            return self._session
        if self._session is not None:
            self._let_go(self._session)
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(timeout_s))
            self._opening.add_done_callback(self._has_opened)
        return await asyncio.shield(self._opening)

    async def _open(self, timeout_s: float) -> Session:
        self._tools = None
        self._session = await open_session(self._config, timeout_s, self._forget_tools)
        return self._session

    def _has_opened(self, opening: asyncio.Task[Session]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # looked at, or the loop complains where all who waited have left

    def _forget_tools(self) -> None:
        self._tools = None

    def _let_go(self, session: Session) -> None:
        if self._session is session:
            self._session = None
        self._in_background(session.close())

    def _check_soon(self, session: Session) -> None:
        """Whether only this call takes long, or the server hangs: then the next call gets a new connection."""
        self._in_background(self._check(session))

    async def _check(self, session: Session) -> None:
        if not await session.has_pulse():
            log.warning("MCP server %s does not answer; it is connected to anew at the next call", self._config.shown)
            if self._session is session:
                self._session = None
            await session.close()

    def _in_background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    def _broke(self, lost: Lost) -> MCPConnectionError:
        did = "it may have carried out the call" if lost.may_have_run else "nothing was carried out"
        return MCPConnectionError(
            self._config.name, f"the connection to MCP server {self._config.shown} broke during a request; {did}"
        )
