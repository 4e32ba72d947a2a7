"""Decides what a stream can show, so that a pipe gets no control characters and a terminal no two owners.

Imports neither rich nor tqdm: where one of them was never imported, nobody can be using it.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Kind", "Surface", "choose_surface"]

Kind = Literal["rich", "tqdm", "manual"]
Surface = Literal["panel", "bar", "cell", "lines", "log"]

_WORDS: Mapping[Kind, Surface] = {"rich": "panel", "tqdm": "bar", "manual": "log"}
_DUMB = frozenset({"dumb", "unknown"})
_NO = frozenset({"", "0", "false"})


def choose_surface(
    kind: Kind, stream: TextIO | None, *, has_board: bool, env: Mapping[str, str] = os.environ
) -> Surface:
    """The best way to show progress of the wanted `kind` on `stream`.

    `has_board` says that a panel of ours is on this stream already; a second display then goes onto the same board.
    """
    if kind == "manual" or stream is None:
        return "log"
    if stream is sys.stderr and _is_notebook():
        return "bar" if _has_widgets() else "cell"
    if not _is_terminal(stream, env) or _is_owned_by_rich(stream):
        return "lines"
    if has_board:
        return "panel"
    # A tqdm bar leaves the cursor on its line: a panel would start there, a further bar knows how to go below.
    return "bar" if _has_tqdm_bar() else _WORDS[kind]


def _is_terminal(stream: TextIO, env: Mapping[str, str]) -> bool:
    """A terminal that a person looks at. FORCE_COLOR and its like are not asked: they tell nothing of cursors."""
    return stream.isatty() and env.get("TERM", "").lower() not in _DUMB and env.get("CI", "").lower() in _NO


def _is_notebook() -> bool:
    """Whether a Jupyter kernel runs this code (IPython in a terminal is a terminal)."""
    get_ipython = _imported("IPython", "get_ipython")
    shell = get_ipython and get_ipython()
    return bool(shell) and "IPKernelApp" in shell.config


def _has_widgets() -> bool:
    """Whether tqdm can show its notebook bar. Looked for, not imported: that takes a while."""
    return _imported("ipywidgets", "IntProgress") is not None or (
        "ipywidgets" not in sys.modules and find_spec("ipywidgets") is not None
    )


def _is_owned_by_rich(stream: TextIO) -> bool:
    """Whether a live display of the user's own has put rich's proxy over the stream."""
    proxy = _imported("rich.file_proxy", "FileProxy")
    return proxy is not None and isinstance(stream, proxy)


def _has_tqdm_bar() -> bool:
    tqdm = _imported("tqdm.std", "tqdm")
    # Not under tqdm's lock, which a bar whose stream raised keeps for ever.
    try:
        return any(not bar.disable for bar in list(getattr(tqdm, "_instances", ())))
    except RuntimeError:  # the set changed meanwhile: another thread is at its bars
        return True


def _imported(module: str, name: str) -> Any:
    """`module.name`, or None: not imported, or another thread is importing it at this moment."""
    return getattr(sys.modules.get(module), name, None)
