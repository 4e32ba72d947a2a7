"""All MCP connections of this process, and who holds them.

A `Holder` is whoever had connections opened: the user's tools, or one client. What several hold is closed when the last
lets go; with the last connection the thread ends too. A forked child starts with none, and opens its own when it needs
them.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from deluge_sync._fork import start_afresh_in_child
from deluge_sync.errors import ClientClosedError, MCPConnectionError
from deluge_sync.tool.mcp.package import refuse_without_package

if TYPE_CHECKING:
    import mcp_types

    from deluge_sync.tool.mcp.config import ServerConfig
    from deluge_sync.tool.mcp.connection import Connection
    from deluge_sync.tool.mcp.thread import LoopThread

__all__ = ["Holder", "Lease"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_CLOSE_S: Final = 12.0


class Lease:
    """One holder's right to use the connection to one server. For any thread; `is_over` once it was given back."""

    __slots__ = ("__weakref__", "config", "is_over")

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.is_over = False

    def list_tools(self, timeout_s: float) -> Future[list[mcp_types.Tool]]:
        """The server's tools; the future raises `MCPConnectionError` where it cannot be reached."""
        return _connections.use(self, lambda connection: connection.list_tools(timeout_s))

    def call(
        self, tool_name: str, arguments: dict[str, Any], timeout_s: float, *, may_repeat: bool
    ) -> Future[mcp_types.CallToolResult]:
        """What a tool gives. Cancelling the future takes the call back."""
        return _connections.use(
            self, lambda connection: connection.call(tool_name, arguments, timeout_s, may_repeat=may_repeat)
        )


class Holder:
    """Has at most one lease a server. Thread-safe: `_lock` guards the leases."""

    def __init__(self) -> None:
        self._is_closed = False
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        # The leases are kept in a child: they are for servers, and find connections of the child's own.
        self._lock = threading.Lock()
        self._leases: dict[tuple[Any, ...], Lease] = getattr(self, "_leases", {})

    def lease(self, config: ServerConfig) -> tuple[Lease, bool]:
        """The lease of this server, and whether it is a new one.

        Raises:
            ClientClosedError: the holder was closed.
        """
        made = Lease(config)
        with self._lock:
            if self._is_closed:
                raise ClientClosedError("the client is closed")
            lease = self._leases.setdefault(config.place, made)
        return lease, lease is made

    def give_back(self, leases: Iterable[Lease] | None = None) -> None:
        """Let go of these, or of all. Waits until the connections that nobody else holds are closed."""
        with self._lock:
            chosen = list(self._leases.values()) if leases is None else list(leases)
            for lease in chosen:
                self._leases.pop(lease.config.place, None)
        _connections.release(chosen)

    def reopen(self) -> None:
        """Take leases again, after `close`."""
        with self._lock:
            self._is_closed = False

    def close(self) -> None:
        """Let go of all and take no more."""
        with self._lock:
            self._is_closed = True
        self.give_back()


@dataclass(slots=True)
class _Entry:
    """One server, and who holds it. Its connection is made in the loop: loading `mcp` would hold up the caller's."""

    config: ServerConfig
    leases: set[Lease] = field(default_factory=set)
    _connection: Connection | None = None

    async def use(self, begin: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        from deluge_sync.tool.mcp.connection import Connection  # loads `mcp`, which takes half a second

        if self._connection is None:
            self._connection = Connection(self.config)
        return await begin(self._connection)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


class _Connections:
    """`_lock` guards everything; connections are made, used and closed in the loop only."""

    def __init__(self) -> None:
        self._left_behind: list[Any] = []
        self._thread: LoopThread | None = None
        self._entries: dict[tuple[Any, ...], _Entry] = {}
        self._closings = 0
        self._lock = threading.Lock()
        self._is_at_exit = False
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        if self._thread is not None:
            self._thread.abandon()
            # Kept for good: what these objects do when they are let go of is meant for the parent's process.
            self._left_behind.append((self._thread, self._entries))
        self._thread = None
        self._entries = {}
        self._closings = 0
        self._lock = threading.Lock()

    def use(self, lease: Lease, begin: Callable[[Connection], Coroutine[Any, Any, T]]) -> Future[T]:
        """Run `begin` with the lease's connection.

        Raises:
            ConfigError: the `mcp` package is missing.
            MCPConnectionError: the lease is over.
        """
        refuse_without_package()
        with self._lock:
            if lease.is_over:
                server = lease.config
                raise MCPConnectionError(server.name, f"the connection to MCP server {server.shown} was closed")
            entry = self._entries.setdefault(lease.config.place, _Entry(lease.config))
            entry.leases.add(lease)
            return self._running_thread().submit(lambda: entry.use(begin))

    def _running_thread(self) -> LoopThread:
        from deluge_sync.tool.mcp.thread import LoopThread  # loads asyncio, which programs without servers need not

        if self._thread is None:
            self._thread = LoopThread()
            self._close_at_exit()
        return self._thread

    def _close_at_exit(self) -> None:
        if not self._is_at_exit:
            self._is_at_exit = True
            atexit.register(self.release_all)

    def release_all(self) -> None:
        """Close everything: the interpreter ends."""
        self.release([lease for entry in list(self._entries.values()) for lease in entry.leases])

    def release(self, leases: Iterable[Lease]) -> None:
        """End these leases, the connections that have none left, and the thread that has no connection left."""
        with self._lock:
            ended = [entry for lease in leases for entry in self._ended_with(lease)]
            thread = self._thread
            self._closings += 1
        if thread is not None:
            _finish([thread.submit(entry.close) for entry in ended])
        with self._lock:
            self._closings -= 1
            is_last = not self._entries and not self._closings
            if is_last:
                thread, self._thread = self._thread, None
        if is_last and thread is not None:
            thread.stop()

    def _ended_with(self, lease: Lease) -> list[_Entry]:
        lease.is_over = True
        entry = self._entries.get(lease.config.place)
        if entry is None:
            return []
        entry.leases.discard(lease)
        return [] if entry.leases else [self._entries.pop(lease.config.place)]


def _finish(closings: Iterable[Future[None]]) -> None:
    for closing in closings:
        with suppress(TimeoutError):
            error = closing.exception(timeout=_CLOSE_S)
            if error is not None:
                log.warning("an MCP connection did not close well: %s", type(error).__name__, exc_info=error)


_connections: Final = _Connections()
