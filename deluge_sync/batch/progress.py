"""How far a job is, as the display wants it. Counts come from what providers say of their batches while they work."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from deluge_sync.tracker import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deluge_sync.batch.backend import BatchState
    from deluge_sync.batch.manifest import Part

__all__ = ["Progress"]


class Progress:
    """Counts of the parts that are waited for. `_lock` guards them: a display reads them in a thread of its own.

    total: prompts that are wanted. Those of them that are in no part are finished from the beginning.
    """

    def __init__(self, parts: Sequence[Part], total: int, *, clock: Callable[[], float] = monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._began = clock()
        self._total = total
        self._sizes = {part.number: part.requests for part in parts}
        self._counts = {part.number: (part.succeeded, part.failed) for part in parts}
        self._looks = self._failed_looks = 0

    def looked(self, part: Part, state: BatchState | None) -> None:
        """What the provider said of a part; None where it could not be asked."""
        with self._lock:
            self._looks += 1
            if state is None:
                self._failed_looks += 1
            else:
                self._counts[part.number] = (state.succeeded, state.failed)

    def snapshot(self) -> Snapshot:
        """How it stands now. What is in no part yet, or in one that does not tell, counts as queued."""
        with self._lock:
            answered = sum(succeeded for succeeded, _ in self._counts.values())
            failed = sum(failed for _, failed in self._counts.values())
            unsent = max(0, self._total - sum(self._sizes.values()))
            elapsed_s = self._clock() - self._began
            finished = answered + failed + unsent
            return Snapshot(
                total=self._total,
                answered=answered + unsent,
                failed=failed,
                requests_sent=self._looks,
                retried=self._failed_looks,
                cost_usd=None,  # told with the results
                queued=max(0, self._total - finished),
                elapsed_s=elapsed_s,
                finished_per_s=(answered + failed) / elapsed_s if elapsed_s > 0 else 0.0,
            )
