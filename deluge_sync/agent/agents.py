"""The agent loops of one client: those that run, and those whose outcome somebody will ask for by id."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

from deluge_sync.agent.crew import Workshop
from deluge_sync.errors import ClientClosedError, UnknownTaskError

if TYPE_CHECKING:
    from deluge_sync.agent.loop import AgentLoop

__all__ = ["Agents"]


class Agents:
    """Thread-safe; `_lock` guards the tables. A loop that has ended is kept only until it is asked for."""

    def __init__(self) -> None:
        self.workshop = Workshop()
        self._lock = threading.Lock()
        self._numbers = count()
        self._running: set[AgentLoop] = set()
        self._kept: dict[int, AgentLoop] = {}
        self._is_closed = False

    def next_id(self) -> int:
        """A number for a loop that is waited for by it; from 0."""
        return next(self._numbers)

    def keep(self, loop: AgentLoop) -> None:
        """Find the loop by its id until it is handed out."""
        with self._lock:
            self._kept[loop.id] = loop

    def find(self, loop_id: int) -> AgentLoop:
        """The loop of this id.

        Raises:
            UnknownTaskError: there is none, or it was handed out.
        """
        with self._lock:
            if (loop := self._kept.get(loop_id)) is None:
                raise UnknownTaskError(loop_id)
            return loop

    def hand_out(self, loop: AgentLoop) -> None:
        """Forget a kept loop: its outcome is with the caller."""
        with self._lock:
            self._kept.pop(loop.id, None)

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

    def _forget(self, loop: AgentLoop) -> None:
        with self._lock:
            self._running.discard(loop)
