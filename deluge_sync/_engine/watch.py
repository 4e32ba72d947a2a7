"""Waits for the replies of many requests at once, so that none of them needs a thread for it. On Linux only.

Descriptors are watched for one event each, which is told however early it came.
"""

from __future__ import annotations

import os
import select
import weakref
from contextlib import ExitStack

__all__ = ["IS_AVAILABLE", "Watch"]

IS_AVAILABLE: bool = hasattr(select, "epoll") and hasattr(os, "eventfd")


class Watch:
    """Descriptors that are waited for. Any thread may `add` and `ring`; one at a time may `wait`."""

    def __init__(self) -> None:
        with ExitStack() as undo:
            self._epoll = undo.enter_context(select.epoll())
            self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            undo.callback(os.close, self._bell)
            # Also when it is forgotten, as in a forked child.
            self._give_back = weakref.finalize(self, undo.pop_all().close)
            self._give_back.atexit = False  # a worker may still wait then
        self._epoll.register(self._bell, select.EPOLLIN)

    def add(self, descriptor: int) -> None:
        """Watch it until something has come, or its connection has ended."""
        once = select.EPOLLIN | select.EPOLLONESHOT
        try:
            self._epoll.modify(descriptor, once)
        except FileNotFoundError:  # its first time
            self._epoll.register(descriptor, once)

    def wait(self, timeout_s: float | None) -> list[int]:
        """Those where something has come; none when the time is up or the bell was rung."""
        ready = [descriptor for descriptor, _ in self._epoll.poll(timeout_s)]
        if self._bell in ready:
            ready.remove(self._bell)
            os.eventfd_read(self._bell)
        return ready

    def ring(self) -> None:
        """Wake whoever waits, or the next one who does."""
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Give the descriptors back. Only once nobody waits."""
        self._give_back()
