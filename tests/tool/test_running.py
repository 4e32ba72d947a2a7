from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deluge_sync.tool import Tool

where: contextvars.ContextVar[str] = contextvars.ContextVar("where", default="nowhere")


def blocking(a: int) -> tuple[int, str, str]:
    return a, where.get(), threading.current_thread().name


async def awaiting(a: int) -> tuple[int, str, str]:
    await asyncio.sleep(0)
    return a, where.get(), threading.current_thread().name


class Callables:
    async def __call__(self, a: int) -> tuple[int, str, str]:
        return await awaiting(a)


def returns_awaitable(a: int) -> Awaitable[tuple[int, str, str]]:
    return awaiting(a)


async def partly(_: int, a: int) -> tuple[int, str, str]:
    return await awaiting(a)


EVERY: list[Callable[..., Any]] = [blocking, awaiting, returns_awaitable, functools.partial(partly, 0), Callables()]
tried_on_every = pytest.mark.parametrize("function", EVERY, ids=["sync", "async", "awaitable", "partial", "object"])


@pytest.fixture(autouse=True)
def _somewhere() -> Any:
    token = where.set("here")
    yield
    where.reset(token)


@tried_on_every
def test_every_callable_is_called_from_plain_code(function: Callable[..., Any]) -> None:
    assert Tool.from_function(function, name="f").call(a="1") == (1, "here", "MainThread")


@tried_on_every
def test_every_callable_is_called_inside_a_running_loop(function: Callable[..., Any]) -> None:
    async def inside() -> Any:
        where.set("inside")
        return Tool.from_function(function, name="f").call(a="1")

    thread = "MainThread" if function is blocking else "deluge-sync-tool"
    assert asyncio.run(inside()) == (1, "inside", thread)


@tried_on_every
def test_every_callable_is_awaited(function: Callable[..., Any]) -> None:
    async def inside() -> Any:
        where.set("inside")
        return await Tool.from_function(function, name="f").acall(a="1")

    thread = "deluge-sync-tool" if function is blocking else "MainThread"
    assert asyncio.run(inside()) == (1, "inside", thread)


def test_a_blocking_function_that_is_awaited_does_not_stop_the_loop() -> None:
    loop_went_on = threading.Event()

    def waits() -> bool:
        return loop_went_on.wait(timeout=10)

    async def inside() -> Any:
        running = asyncio.ensure_future(Tool.from_function(waits).acall())
        await asyncio.sleep(0)
        loop_went_on.set()
        return await running

    assert asyncio.run(inside()) is True


def test_an_async_function_that_is_awaited_stays_in_its_loop() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def inside() -> bool:
        return await Tool.from_function(loop).acall() is asyncio.get_running_loop()

    assert asyncio.run(inside())


class OwnError(Exception):
    pass


@pytest.mark.parametrize("error", [OwnError("no"), StopIteration("no"), SystemExit(3)], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("way", ["plain", "inside", "awaited"])
def test_what_the_function_raises_is_raised(error: BaseException, is_async: bool, way: str) -> None:
    def blocking() -> None:
        raise error

    async def awaiting() -> None:
        raise error

    tool = Tool.from_function(awaiting if is_async else blocking)

    async def inside() -> None:
        if way == "inside":
            tool.call()
        await tool.acall()

    # a coroutine cannot raise StopIteration; Python makes a RuntimeError of it
    expected = (type(error), RuntimeError) if isinstance(error, StopIteration) else type(error)
    with pytest.raises(expected):
        tool.call() if way == "plain" else asyncio.run(inside())


def test_cancelling_leaves_the_thread_to_its_end() -> None:
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def waits() -> None:
        started.set()
        go_on.wait(timeout=10)
        ended.set()

    async def inside() -> None:
        running = asyncio.ensure_future(Tool.from_function(waits).acall())
        await asyncio.to_thread(started.wait, 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(inside())
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(timeout=10)


def test_no_loop_is_made_for_a_blocking_function() -> None:
    def loops() -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    assert Tool.from_function(loops).call() is False
