"""Async tools run in an event loop: the caller's where a loop awaits the agent, one of our own otherwise.

A thousand of them wait in one thread. `crew` decides which loop it is; nothing here knows tools.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.errors import ClientClosedError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event, Task
    from contextvars import Context

    from deluge_sync.agent.alarms import Alarms

__all__ = ["LoopThread", "run_in_loop"]

_JOIN_S: Final = 1.0


class LoopThread:
    """An event loop in a daemon thread, begun when it is first asked for. `_lock` guards its beginning and its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: AbstractEventLoop | None = None
        self._end: Event | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def loop(self) -> AbstractEventLoop:
        """The loop, which runs until `close`.

        Raises:
            ClientClosedError: it was closed.
        """
        import asyncio  # 10 ms of start-up that only async tools need

        with self._lock:
            if self._is_closed:
                raise ClientClosedError("the client is closed")
            if self._loop is None:
                self._loop, self._end = asyncio.new_event_loop(), asyncio.Event()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop, self._end), name="deluge-sync-async-tools", daemon=True
                )
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Cancel what runs in it and end it."""
        with self._lock:
            self._is_closed = True
            loop, end, thread = self._loop, self._end, self._thread
            self._loop = self._end = self._thread = None
        if loop is None or end is None or thread is None:
            return
        loop.call_soon_threadsafe(end.set)
        if thread is not threading.current_thread():
            thread.join(_JOIN_S)


def _serve(loop: AbstractEventLoop, end: Event) -> None:
    import asyncio  # as above

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_wait(end))


async def _wait(end: Event) -> None:
    await end.wait()


def run_in_loop(
    loop: AbstractEventLoop,
    begin: Callable[[], Coroutine[Any, Any, Any]],
    *,
    context: Context,
    alarms: Alarms,
    timeout_s: float | None,
) -> Future[Any]:
    """Run a coroutine in a loop of another thread, or of this one.

    The future gets what it returns or raises, and TimeoutError when it overran, whatever the loop does meanwhile.
    Cancelling the future cancels the coroutine.
    """
    running = _Running(loop, begin, context)
    if timeout_s is not None:
        error = TimeoutError(f"it did not finish within {timeout_s:g} s")
        alarm = alarms.set(timeout_s, lambda: running.fail(error))
        running.outcome.add_done_callback(lambda _: alarm.cancel())
    running.start()
    return running.outcome


class _Running:
    """One coroutine. Whoever settles `outcome` first wins; the task is used in the loop's thread only."""

    def __init__(
        self, loop: AbstractEventLoop, begin: Callable[[], Coroutine[Any, Any, Any]], context: Context
    ) -> None:
        self.outcome: Future[Any] = Future()
        self._loop = loop
        self._begin = begin
        self._context = context
        self._task: Task[Any] | None = None

    def start(self) -> None:
        self.outcome.add_done_callback(lambda _: self._in_loop(self._cancel_task))
        if not self._in_loop(self._begin_task):
            self.fail(RuntimeError("the event loop that it should run in has ended"))

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self.outcome.set_exception(error)

    def _in_loop(self, act: Callable[[], None]) -> bool:
        with suppress(RuntimeError):  # a loop that is closed
            self._loop.call_soon_threadsafe(act)
            return True
        return False

    def _begin_task(self) -> None:
        if self.outcome.done():
            return
        self._task = self._loop.create_task(self._begin(), context=self._context)
        self._task.add_done_callback(self._settle)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _settle(self, task: Task[Any]) -> None:
        if task.cancelled():
            self.fail(RuntimeError("it was cancelled"))
        elif (error := task.exception()) is not None:
            self.fail(error)
        else:
            with suppress(InvalidStateError):
                self.outcome.set_result(task.result())
