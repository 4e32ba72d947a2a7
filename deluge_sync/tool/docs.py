"""What a docstring says about a function and its parameters, in Google, NumPy or Sphinx style. `signature` calls it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["read_docstring"]


def read_docstring(documented: Callable[..., Any]) -> tuple[str | None, dict[str, str]]:
    """The description, without the sections, and those of the parameters; None and {} where there is nothing."""
    text = inspect.getdoc(documented)
    if not text:
        return None, {}
    import docstring_parser  # 15 ms, and only who makes tools of functions needs it

    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text.strip() or None, {}
    told = {param.arg_name.lstrip("*"): _one_line(param.description) for param in parsed.params}
    paragraphs = (parsed.short_description, parsed.long_description)
    return "\n\n".join(part.strip() for part in paragraphs if part) or None, {k: v for k, v in told.items() if v}


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
