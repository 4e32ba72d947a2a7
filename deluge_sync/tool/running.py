"""Running a function that may be blocking or async, from code that may be either. `tool` calls it; it checks nothing.

Async functions run in the caller's loop when they are awaited, and in a loop of their own otherwise. A thread is
started only where it must be: for a blocking function that is awaited, and for an async one that is called inside a
running loop. Both see the caller's context variables. A thread cannot be stopped: cancelling leaves it to its end.
"""

from __future__ import annotations

import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias

__all__ = ["is_async", "run_awaiting", "run_blocking"]

# A future refuses a StopIteration, so that what was raised travels as a value.
_Outcome: TypeAlias = tuple[Any, BaseException | None]


def run_blocking(run: Callable[[], Any]) -> Any:
    """What `run` gives, waited for if it is awaitable. Inside a running loop that loop stands still meanwhile."""
    value = run()
    if not inspect.isawaitable(value):
        return value
    if not _has_running_loop():
        return _in_own_loop(value)
    return _result(_in_thread(partial(_in_own_loop, value)).result())


async def run_awaiting(run: Callable[[], Any], *, is_async: bool) -> Any:
    """What `run` gives. Without `is_async` it runs in a thread of its own, so that the loop goes on."""
    import asyncio  # loaded already where this runs

    value = run() if is_async else _result(await asyncio.wrap_future(_in_thread(run)))
    return await value if inspect.isawaitable(value) else value


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives something to await; partials and callable objects are looked into."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _has_running_loop() -> bool:
    import asyncio  # 10 ms that blocking tools need not spend

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_own_loop(value: Awaitable[Any]) -> Any:
    import asyncio  # as above

    return asyncio.run(_awaited(value))


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def _in_thread(run: Callable[[], Any]) -> Future[_Outcome]:
    outcome: Future[_Outcome] = Future()
    target = partial(contextvars.copy_context().run, _resolve, outcome, run)
    threading.Thread(target=target, name="deluge-sync-tool", daemon=True).start()
    return outcome


def _resolve(outcome: Future[_Outcome], run: Callable[[], Any]) -> None:
    if not outcome.set_running_or_notify_cancel():
        return  # cancelled before the thread got to run
    try:
        result: _Outcome = run(), None
    except BaseException as error:  # noqa: BLE001  (it is raised where the call is waited for)
        result = None, error
    outcome.set_result(result)


def _result(outcome: _Outcome) -> Any:
    value, error = outcome
    if error is not None:
        raise error
    return value
