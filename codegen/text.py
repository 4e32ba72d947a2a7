"""Pieces of Python text, laid out as ruff would format them at 120 columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["WIDTH", "call", "docstring", "import_lines", "quote", "tuple_of"]

WIDTH = 120


def import_lines(module: str, names: Iterable[str]) -> list[str]:
    """The import of `names` from `module`, sorted as ruff does; nothing if there are none."""
    ordered = sorted(names, key=_import_rank)
    if not ordered:
        return []
    line = f"from {module} import {', '.join(ordered)}"
    return [line] if len(line) <= WIDTH else [f"from {module} import (", *(f"    {name}," for name in ordered), ")"]


def _import_rank(name: str) -> tuple[bool, bool, str]:
    """Constants stand before classes, classes before functions; capitals do not count further."""
    return not name.isupper(), not name[0].isupper(), name.lower()


def call(target: str, function: str, arguments: Sequence[str]) -> list[str]:
    """`target = function(arguments)`, with an argument a line if it is too long for one."""
    line = f"{target} = {function}({', '.join(arguments)})"
    return [line] if len(line) <= WIDTH else [f"{target} = {function}(", *(f"    {each}," for each in arguments), ")"]


def tuple_of(texts: Sequence[str]) -> str:
    """A tuple of strings."""
    inside = ", ".join(quote(text) for text in texts)
    return f"({inside},)" if len(texts) == 1 else f"({inside})"


def quote(text: str) -> str:
    """A string."""
    return json.dumps(text)


def docstring(text: str) -> str:
    """A docstring of one line."""
    return f'"""{text}"""'
