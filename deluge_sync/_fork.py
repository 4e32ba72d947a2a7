"""Lets objects that own threads, locks or connections start afresh in a forked child.

After a fork the child has one thread, and every lock is in the state in which some other thread of the parent left
it. Each owner registers here and makes its state anew in the child, before any of the child's code runs.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["start_afresh_in_child"]


class _Owner(Protocol):
    def _start_afresh(self) -> None: ...


# By identity: an owner need not be hashable.
_owners: weakref.WeakValueDictionary[int, _Owner] = weakref.WeakValueDictionary()


def start_afresh_in_child(owner: _Owner) -> None:
    """Call `owner._start_afresh()` in every child that is forked while `owner` lives. It is not kept alive by this."""
    _owners[id(owner)] = owner


def _run() -> None:
    for owner in list(_owners.values()):
        owner._start_afresh()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_run)
