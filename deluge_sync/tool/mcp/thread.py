"""The event loop in which all MCP connections live, in a daemon thread of its own.

`registry` begins it with the first connection and ends it with the last. In a forked child there is no such thread:
`abandon` puts the descriptors out of use, so that the child cannot disturb what the parent says to its servers.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeVar

__all__ = ["LoopThread"]

T = TypeVar("T")

_JOIN_S: Final = 2.0


class LoopThread:
    """Runs coroutines for any thread, from its making until `stop`."""

    def __init__(self) -> None:
        # Our own selector, because it knows all descriptors of the loop. Windows has another kind, and no fork.
        self._selector = None if sys.platform == "win32" else selectors.DefaultSelector()
        self._loop = asyncio.new_event_loop() if self._selector is None else asyncio.SelectorEventLoop(self._selector)
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="deluge-sync-mcp", daemon=True)
        self._thread.start()

    def submit(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Run what `begin` gives. Cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(_begun(begin), self._loop)

    def stop(self) -> None:
        """Cancel what runs and end the thread."""
        with suppress(RuntimeError):  # a loop that is closed
            self._loop.call_soon_threadsafe(self._end.set)
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    def abandon(self) -> None:
        """In a forked child: let go of pipes, sockets and of what the loop waits with.

        The numbers stay taken, by /dev/null: the objects that hold them may close them at any time.
        """
        if self._selector is None:
            return
        waiter = self._selector.fileno() if isinstance(self._selector, selectors.EpollSelector) else None
        taken = [key.fd for key in list(self._selector.get_map().values())] + ([] if waiter is None else [waiter])
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for descriptor in taken:
            with suppress(OSError):
                os.dup2(nothing, descriptor, inheritable=False)
        os.close(nothing)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._wait())

    async def _wait(self) -> None:
        await self._end.wait()


async def _begun(begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return await begin()
