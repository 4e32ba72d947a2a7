"""The agent loops of one client: those that run, and those whose outcome somebody will ask for by id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deluge_sync._engine.kept import Kept
from deluge_sync.agent.crew import Workshop
from deluge_sync.agent.loop import AgentLoop
from deluge_sync.errors import ClientClosedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Agents"]


class Agents(Kept[AgentLoop]):
    """Thread-safe; `_lock` guards the tables. A loop that has ended is kept only until it is asked for."""

    def __init__(self, numbers: Iterator[int] | None = None, *, is_closed: bool = False) -> None:
        super().__init__(numbers)
        self.workshop = Workshop()
        self._running: set[AgentLoop] = set()
        self._is_closed = is_closed

    def start(self, loop: AgentLoop) -> None:
        """Begin the loop; `close` will end it if nothing else does.

        Raises:
            ClientClosedError: the client was closed.
        """
        with self._lock:
            if self._is_closed:
                raise ClientClosedError("the client is closed")
            self._running.add(loop)
        loop.future.add_done_callback(lambda _: self._forget(loop))
        try:
            loop.start()
        except ClientClosedError:
            self._forget(loop)
            raise

    def close(self) -> None:
        """End all loops, and the threads of their tools. What was answered is in the loops' futures."""
        with self._lock:
            self._is_closed = True
            running = list(self._running)
        for loop in running:
            loop.stop()
        self.workshop.close()

    def reopen(self) -> None:
        """Take loops again after `close`. Those that have ended can still be asked for."""
        with self._lock:
            if self._is_closed:
                self._is_closed, self.workshop = False, Workshop()

    def _forget(self, loop: AgentLoop) -> None:
        with self._lock:
            self._running.discard(loop)
