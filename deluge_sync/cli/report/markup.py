"""HTML and SVG made of values: whatever is not `Html` already is escaped, so no text can become markup. Pure."""

from __future__ import annotations

import html
import unicodedata
from typing import Final

__all__ = ["Html", "Piece", "joined", "tag", "visible"]

_VOID: Final = frozenset({"meta", "line", "rect", "path"})
_KEPT: Final = frozenset("\n\t")


class Html(str):
    """Markup that stands as it is."""

    __slots__ = ()


Piece = Html | str | None


def tag(name: str, /, *children: Piece, **attributes: str | float | None) -> Html:
    """An element. Attributes that are None are left out; `class_` is written class, `aria_label` aria-label."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(visible(_written(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Html(f"<{name}{given}>" if name == "meta" else f"<{name}{given}/>")
    return Html(f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*pieces: Piece) -> Html:
    """All pieces in a row; None is nothing."""
    return Html("".join(_safe(piece) for piece in pieces if piece is not None))


def visible(text: str) -> str:
    """The text without what no page can hold: control characters, but for line ends and tabs, and half surrogates."""
    if text.isprintable():
        return text
    return "".join(char if char in _KEPT or unicodedata.category(char) not in ("Cc", "Cs") else "�" for char in text)


def _safe(piece: Html | str) -> str:
    return piece if isinstance(piece, Html) else html.escape(visible(piece), quote=False)


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
