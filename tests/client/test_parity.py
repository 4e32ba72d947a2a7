"""Every awaitable call has a blocking twin that takes the same, and the other way round.

The methods are found, not listed: one that is added later is compared too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync import LLMClient

PUBLIC = {
    name: method
    for name, method in inspect.getmembers(LLMClient, callable)
    if not name.startswith("_") and inspect.isroutine(method)
}


def is_awaitable(method: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)


AWAITABLE = sorted(name for name, method in PUBLIC.items() if is_awaitable(method))
BLOCKING = sorted(name for name in PUBLIC if name.endswith("_sync"))


def twin_of(name: str) -> Callable[..., Any]:
    """The blocking call to an awaitable one. What is asynchronous only in that it awaits has no other name."""
    stem = name.removesuffix("_async")
    return PUBLIC.get(f"{stem}_sync") or PUBLIC[stem]


def taken(method: Callable[..., Any]) -> list[inspect.Parameter]:
    """Names, order, kinds, defaults and annotations. An awaitable call may take its prompts asynchronously too."""
    parameters = inspect.signature(method).parameters.values()
    return [each.replace(annotation=blocking_annotation(each)) for each in parameters]


def blocking_annotation(parameter: inspect.Parameter) -> str:
    return str(parameter.annotation).replace("AsyncIterable[Prompt] | ", "")


def test_there_are_calls_to_compare() -> None:
    assert "process_prompts_async" in AWAITABLE
    assert "process_prompts_sync" in BLOCKING


@pytest.mark.parametrize("name", AWAITABLE)
def test_an_awaitable_call_and_its_blocking_twin_take_the_same(name: str) -> None:
    twin = twin_of(name)

    assert not is_awaitable(twin)
    assert taken(PUBLIC[name]) == taken(twin)
    assert taken(PUBLIC[name])[0].name == "self"


@pytest.mark.parametrize("name", BLOCKING)
def test_a_blocking_call_has_an_awaitable_twin(name: str) -> None:
    stem = name.removesuffix("_sync")

    assert stem in AWAITABLE or f"{stem}_async" in AWAITABLE


@pytest.mark.parametrize("name", AWAITABLE)
def test_both_promise_the_same(name: str) -> None:
    """Only a coroutine's annotation is that of the value awaited; an async iterator's is a type of its own."""
    method, twin = PUBLIC[name], twin_of(name)
    promised, given = (inspect.signature(each).return_annotation for each in (method, twin))

    assert promised.replace("AsyncIterator", "Iterator").replace("AsyncGenerator", "Generator") == given
