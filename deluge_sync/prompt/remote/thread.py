"""Awaits a blocking call by a thread of its own, in any event loop of asyncio."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` gives. If the awaiting task is cancelled, `work` goes on to its end and nobody hears of it.

    The thread is a daemon, not one of an executor, which would keep the program alive until it ends.
    """
    import asyncio  # loads much that blocking programs never need; here a loop is running

    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    threading.Thread(target=_run, args=(work, future), name="deluge-sync-upload", daemon=True).start()
    return await asyncio.wrap_future(future)


def _run(work: Callable[[], T], future: Future[T]) -> None:
    try:
        value = work()
    except BaseException as error:  # noqa: BLE001  (it belongs to whoever awaits it)
        future.set_exception(error)
    else:
        future.set_result(value)
