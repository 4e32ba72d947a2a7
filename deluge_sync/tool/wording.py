"""What is wrong with the arguments of a call, in words that a model can act on. Reads pydantic's errors only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["complaints"]

_LONGEST_INPUT: Final = 60
# What pydantic says from the view of someone who writes Python.
_OWN_WORDS: Final = {"missing": "is required", "extra_forbidden": "there is no such parameter"}


def complaints(error: ValidationError, arguments: Any) -> list[str]:
    """One line for each thing that is wrong: where, what, and what stands there. No addresses, no class names."""
    return [
        _complaint(found, arguments)
        for found in error.errors(include_url=False, include_context=False)  # the context may hold an exception
    ]


def _complaint(found: Mapping[str, Any], arguments: Any) -> str:
    kind, place = found["type"], _place(found["loc"], arguments, ends_in_nothing=found["type"] == "missing")
    if kind in _OWN_WORDS:
        return f"{place}: {_OWN_WORDS[kind]}"
    told = " ".join(found["msg"].split()).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    got = "" if found["input"] is arguments else f", not {_short(found['input'])}"
    return f"{place}: {told[:1].lower()}{told[1:]}{got}" if place else f"{told[:1].lower()}{told[1:]}"


def _place(steps: tuple[int | str, ...], value: Any, *, ends_in_nothing: bool) -> str:
    """`points[0].x`. A step that is no key of the value names the variant of a union that was tried."""
    written, variants = "", []
    for index, step in enumerate(steps):
        is_last = index == len(steps) - 1
        if not _leads_on(step, value) and not (is_last and ends_in_nothing):
            variants.append(str(step))
            continue
        written += f"[{step}]" if isinstance(step, int) else f".{step}"
        value = _at(step, value)
    tried = f" (as {', '.join(variants)})" if variants else ""
    return written.removeprefix(".") + tried


def _leads_on(step: int | str, value: Any) -> bool:
    if isinstance(step, int) and isinstance(value, list | tuple):
        return step < len(value)
    return isinstance(value, Mapping) and step in value


def _at(step: int | str, value: Any) -> Any:
    return value[step] if _leads_on(step, value) else None


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST_INPUT else f"{text[: _LONGEST_INPUT - 3]}..."
