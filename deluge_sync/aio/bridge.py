"""From an event loop to the client's threads and back: what every awaitable call is made of."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

__all__ = ["Stoppable", "in_thread", "into_loop"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Stoppable(Protocol[T_co]):
    """A blocking call that another thread may end early."""

    def run(self) -> T_co: ...
    def stop(self) -> None: ...


def into_loop(loop: AbstractEventLoop, put: Callable[[Any], None], item: Any) -> None:
    """Hand `item` to the loop's thread; a loop that has ended wants nothing any more."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(put, item)


async def in_thread(call: Stoppable[T]) -> T:
    """Run a blocking call in a daemon thread with the caller's context variables; being cancelled stops it.

    Not in the loop's own executor: its threads are few, and are joined when the interpreter ends.
    """
    import asyncio  # loaded already where a loop runs, and 10 ms of start-up where none does

    outcome: Future[T] = Future()
    context = contextvars.copy_context()
    threading.Thread(
        target=context.run, args=(_resolve, outcome, call.run), name="deluge-sync-call", daemon=True
    ).start()
    try:
        return await asyncio.wrap_future(outcome)
    except (asyncio.CancelledError, GeneratorExit):
        call.stop()
        raise


def _resolve(outcome: Future[T], run: Callable[[], T]) -> None:
    if not outcome.set_running_or_notify_cancel():
        return  # cancelled before the thread got to run
    try:
        outcome.set_result(run())
    except BaseException as error:  # noqa: BLE001  (it is raised where the call is awaited)
        outcome.set_exception(error)
