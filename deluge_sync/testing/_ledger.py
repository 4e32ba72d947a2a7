"""What the provider saw: one record a request, and the questions that tests ask of them.

The ledger decides nothing. The server writes it; tests read it through `FakeProvider`.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Ledger", "RequestRecord", "busiest"]

_arrival = attrgetter("arrived")


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request whose last body byte arrived. Instants are `time.monotonic()` of this process.

    `sequence` counts from 0 in the order in which requests were complete. While a request is being answered its
    record has `finished` None. `status` is None if no status line went out. `complete` says that every byte of the
    reply was handed to the operating system. The token counts are 0 unless the model answered; a reply that got lost
    on the way is counted, because a real provider would bill it. `charged_tokens` is what the token limit took.
    """

    sequence: int
    arrived: float
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    key: str | None = field(repr=False)
    body: bytes = field(repr=False)
    client_port: int
    status: int | None = None
    finished: float | None = None
    complete: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    charged_tokens: int = 0

    @property
    def json(self) -> Any:
        """The body as parsed JSON, parsed at every call. Raises ValueError if it is none (or was not kept)."""
        return json.loads(self.body)

    @property
    def answered(self) -> bool:
        """Whether a whole reply with status 200 went out."""
        return self.complete and self.status == 200


class Ledger:
    """Records in order of their sequence numbers. One lock guards all of it; any thread may call anything."""

    def __init__(self, *, keep_bodies: bool) -> None:
        self._keep_bodies = keep_bodies
        self._lock = threading.Lock()
        self._records: list[RequestRecord] = []
        self._in_flight = 0
        self._peak_in_flight = 0

    def open(self, make: Callable[[int], RequestRecord]) -> tuple[RequestRecord, int]:
        """Enter the request that `make` describes, given its number. Returns the record and the calls in flight."""
        with self._lock:
            record = make(len(self._records))
            self._records.append(record if self._keep_bodies else dataclasses.replace(record, body=b""))
            self._in_flight += 1
            self._peak_in_flight = max(self._peak_in_flight, self._in_flight)
            return record, self._in_flight

    def close(self, record: RequestRecord, **outcome: Any) -> None:
        """Complete the record with what became of the request. A second call corrects the first."""
        if not self._keep_bodies:
            outcome["body"] = b""
        closed = dataclasses.replace(record, finished=time.monotonic(), **outcome)
        with self._lock:
            if self._records[record.sequence].finished is None:
                self._in_flight -= 1
            self._records[record.sequence] = closed

    def snapshot(self) -> list[RequestRecord]:
        """The records so far, as a list of its own."""
        with self._lock:
            return list(self._records)

    @property
    def peak_in_flight(self) -> int:
        """The largest number of requests that were being answered at the same time."""
        with self._lock:
            return self._peak_in_flight


def busiest(
    records: Iterable[RequestRecord], *, window_s: float, weight: Callable[[RequestRecord], int] = lambda _: 1
) -> int:
    """The largest total weight that arrived within any `window_s` seconds, over every window there is.

    A window is half-open: two requests exactly `window_s` apart are not in the same one.
    """
    ordered = sorted(records, key=_arrival)
    heaviest = total = first = 0
    for last in ordered:
        total += weight(last)
        while last.arrived - ordered[first].arrived >= window_s:
            total -= weight(ordered[first])
            first += 1
        heaviest = max(heaviest, total)
    return heaviest
