"""Warns of trouble once for each kind. A cache that is broken is broken for every prompt, and one line says that."""

from __future__ import annotations

import logging
import threading

from deluge_sync._fork import start_afresh_in_child

__all__ = ["Complaints"]

_MOST_KINDS = 64


class Complaints:
    """Thread-safe; `_lock` guards the kinds that were told."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: set[object] = set()
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()

    def warn(self, consequence: str, trouble: BaseException | str) -> None:
        """Log `consequence: trouble`, unless trouble of its kind had this consequence before."""
        kind = (consequence, trouble if isinstance(trouble, str) else type(trouble))
        with self._lock:
            if kind in self._told or len(self._told) >= _MOST_KINDS:
                return
            self._told.add(kind)
        if isinstance(trouble, str):
            self._log.warning("%s: %s (said once)", consequence, trouble)
        else:
            shown = f"{type(trouble).__name__}: {trouble}"
            self._log.warning("%s: %s (said once)", consequence, shown, exc_info=trouble)
