"""What a client has done so far: counters that every worker feeds, read as one consistent `Snapshot`.

It only counts. It decides nothing, waits for nothing, shows nothing and knows neither the engine nor the display.
The engine reports each event of a prompt's life; the display and `LLMClient.tracker` read snapshots.

    expect(n) .. queued() .. started() .. attempt_ended() ..... answered() | failed(kind) | cancelled()
                    │            └── sent again ──┘                  │
                    └────────── without a request (local cache) ────┘

A prompt that is open is either *queued* (never sent, or between two attempts) or *in flight*. `billed()` is apart,
because an attempt that failed may cost money too.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Gauge", "Limits", "Snapshot", "Tracker"]

_MINUTE_S = 60
_MAX_ERROR_KINDS = 64
_OTHER_ERRORS = "other"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the client promised not to exceed; None where it has no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Gauge:
    """Where those stand who hold the limits: the tokens that count now, and the seconds until a pause ends."""

    tokens_counted: int = 0
    paused_s: float = 0.0


def _count() -> int:
    """A field of `Snapshot` that only ever grows, so that two snapshots can be subtracted."""
    count: int = field(default=0, metadata={"grows": True})
    return count


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All figures at one instant. Counts are since the tracker was made or reset.

    Attributes:
        total: prompts expected; None while their number is unknown.
        answered: prompts finished with an answer, those from the local cache included.
        failed: prompts finished without one; `errors` has them by kind.
        cancelled: prompts that were given up because the caller stopped waiting for them; they count as neither.
        retried: attempts sent beyond the first of each prompt.
        requests_sent: attempts sent, the first ones included.
        rate_limited: attempts that the provider refused with "too many requests".
        maybe_billed: failed attempts that the provider may have processed and charged.
        local_cache_hits: answers that needed no request.
        cost_usd: what the priced replies cost. None if there were replies and no price of any was known.
        unpriced: replies whose price is unknown; `cost_usd` leaves them out.
        in_flight: requests on the wire now.
        queued: open prompts that are not on the wire: waiting for a first or a further attempt.
        elapsed_s: seconds in which at least one prompt was open; it stands still while the client is idle.
        requests_last_minute, tokens_last_minute: sent (requests) and billed (tokens of every sort) in the newest 60
            slots of one second, the running one included: never more than 60 s.
        tokens_counted: what counts against the limit on tokens now: the prompts of the last minute with the longest
            answers that they may get, or what these really took where the provider gives the rest back. Clients that
            share a limiter share it.
        busiest_minute: the most requests that such a window has held.
        finished_per_s: prompts finished a second, over the last minute of the present stretch of activity.
        paused_s: seconds until a shared pause (Retry-After) ends; 0 without one.
    """

    total: int | None = None
    answered: int = _count()
    failed: int = _count()
    cancelled: int = _count()
    retried: int = _count()
    requests_sent: int = _count()
    rate_limited: int = _count()
    maybe_billed: int = _count()
    local_cache_hits: int = _count()
    input_tokens: int = _count()
    output_tokens: int = _count()
    cache_read_tokens: int = _count()
    cache_write_tokens: int = _count()
    cost_usd: float | None = 0.0
    unpriced: int = _count()
    in_flight: int = 0
    queued: int = 0
    elapsed_s: float = 0.0
    requests_last_minute: int = 0
    tokens_last_minute: int = 0
    tokens_counted: int = 0
    busiest_minute: int = 0
    finished_per_s: float = 0.0
    paused_s: float = 0.0
    errors: Mapping[str, int] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    @property
    def finished(self) -> int:
        """Prompts that are done, answered or not."""
        return self.answered + self.failed + self.cancelled

    @property
    def total_tokens(self) -> int:
        """Tokens of every sort, read and written."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def left_s(self) -> float | None:
        """Seconds until everything expected is finished at the recent rate; None while that cannot be told."""
        if self.total is None:
            return None
        remaining = max(0, self.total - self.finished)
        if not remaining:
            return 0.0
        return remaining / self.finished_per_s if self.finished_per_s else None

    def since(self, earlier: Snapshot) -> Snapshot:
        """The same figures counted from `earlier` on: what one call of a long-lived client did.

        Rates, windows and what is open now stay as they are. No count falls below 0, as it would after a `reset()`.
        """
        grown = {name: max(0, getattr(self, name) - getattr(earlier, name)) for name in _GROWING}
        return replace(
            self,
            **grown,
            total=None if self.total is None else max(0, self.total - (earlier.total or 0)),
            cost_usd=self._cost_since(earlier, grown["unpriced"]),
            elapsed_s=max(0.0, self.elapsed_s - earlier.elapsed_s),
            errors=dict(Counter(self.errors) - Counter(earlier.errors)),
        )

    def _cost_since(self, earlier: Snapshot, unpriced: int) -> float | None:
        if self.cost_usd is None:
            return None if unpriced else 0.0
        return max(0.0, self.cost_usd - (earlier.cost_usd or 0.0))


_GROWING = tuple(spec.name for spec in fields(Snapshot) if spec.metadata.get("grows"))


class _Minute:
    """Sums over the newest 60 slots of one second. Sixty integers, whatever happens; guarded by its owner's lock."""

    __slots__ = ("_second", "_slots", "peak", "sum")

    def __init__(self) -> None:
        self._slots = [0] * _MINUTE_S
        self._second = 0
        self.sum = 0
        self.peak = 0

    def advance(self, second: int) -> None:
        """Forget what has left the window by `second`."""
        for passed in range(self._second + 1, min(second, self._second + _MINUTE_S) + 1):
            slot = passed % _MINUTE_S
            self.sum -= self._slots[slot]
            self._slots[slot] = 0
        self._second = max(second, self._second)

    def add(self, second: int, amount: int = 1) -> None:
        if second > self._second:
            self.advance(second)
        self._slots[self._second % _MINUTE_S] += amount
        self.sum += amount
        self.peak = max(self.peak, self.sum)


class Tracker:
    """Counters for any number of threads; every event costs well under a microsecond and its memory never grows.

    One lock guards all attributes, for arithmetic only. `clock` gives seconds and never goes back.
    """

    def __init__(self, limits: Limits | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or Limits()
        self._clock = clock
        self._lock = threading.Lock()
        self._queued = 0
        self._in_flight = 0
        self._paused_until = 0.0
        self._gauge: Callable[[], Gauge] = Gauge
        self._begin()

    def _begin(self) -> None:
        """Set every count to nothing. The caller holds the lock, or is the constructor."""
        self._origin = self._clock()
        self._total: int | None = None
        self._is_total_unknown = False
        self._answered = self._failed = self._cancelled = self._retried = self._sent = 0
        self._rate_limited = self._maybe_billed = self._local_cache_hits = 0
        self._input = self._output = self._cache_read = self._cache_write = 0
        self._cost_usd = 0.0
        self._priced = self._unpriced = 0
        self._errors: dict[str, int] = {}
        self._requests = _Minute()
        self._tokens = _Minute()
        self._finishes = _Minute()
        self._past_s = 0.0
        self._active_since: float | None = None

    def set_limits(self, limits: Limits) -> None:
        """The client's promise has changed."""
        with self._lock:
            self._limits = limits

    def watch(self, gauge: Callable[[], Gauge]) -> None:
        """Ask `gauge` at each snapshot where the limits stand."""
        with self._lock:
            self._gauge = gauge

    def expect(self, count: int | None) -> None:
        """`count` more prompts will come; None: nobody knows how many, so the total stays unknown until `reset()`."""
        with self._lock:
            if count is None:
                self._is_total_unknown = True
            else:
                self._total = (self._total or 0) + count

    def queued(self, count: int = 1) -> None:
        """`count` prompts were accepted and wait."""
        with self._lock:
            self._wake()
            self._queued += count

    def started(self, *, attempt: int = 1) -> None:
        """A queued prompt was sent, for the `attempt`-th time (counted from 1)."""
        with self._lock:
            self._wake()
            self._queued -= 1
            self._in_flight += 1
            self._sent += 1
            self._retried += attempt > 1
            self._requests.add(self._second())

    def attempt_ended(self, *, is_rate_limited: bool = False, is_maybe_billed: bool = False) -> None:
        """A request left the wire, however it ended. Its prompt counts as queued until sent again or finished."""
        with self._lock:
            self._in_flight -= 1
            self._queued += 1
            self._rate_limited += is_rate_limited
            self._maybe_billed += is_maybe_billed

    def billed(
        self,
        *,
        cost_usd: float | None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
    ) -> None:
        """A reply, good or bad, reported its usage. `cost_usd` is None where its price is unknown.

        `input_tokens` excludes cache reads and writes, as everywhere in this package.
        """
        with self._lock:
            self._input += input_tokens
            self._output += output_tokens
            self._cache_read += cache_read_tokens
            self._cache_write += cache_write_tokens
            self._tokens.add(self._second(), input_tokens + output_tokens + cache_read_tokens + cache_write_tokens)
            self._unpriced += cost_usd is None
            self._priced += cost_usd is not None
            self._cost_usd += cost_usd or 0.0

    def answered(self, *, is_local_cache_hit: bool = False) -> None:
        """A queued prompt is finished with an answer."""
        with self._lock:
            self._answered += 1
            self._local_cache_hits += is_local_cache_hit
            self._finish()

    def failed(self, kind: str) -> None:
        """A queued prompt is finished without an answer. `kind` is a short word out of a small set."""
        with self._lock:
            known = kind in self._errors or len(self._errors) < _MAX_ERROR_KINDS
            name = kind if known else _OTHER_ERRORS
            self._errors[name] = self._errors.get(name, 0) + 1
            self._failed += 1
            self._finish()

    def cancelled(self) -> None:
        """A queued prompt is finished because its caller stopped waiting."""
        with self._lock:
            self._cancelled += 1
            self._finish()

    def paused(self, seconds: float) -> None:
        """Nothing will be sent for `seconds` from now (Retry-After). A shorter pause never ends a longer one."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def reset(self) -> None:
        """Count anew. What is open stays open, and is the new total if the old one was known."""
        with self._lock:
            open_prompts = self._queued + self._in_flight
            was_known = self._total is not None and not self._is_total_unknown
            self._begin()
            if open_prompts:
                self._total = open_prompts if was_known else None
                self._wake()

    def snapshot(self) -> Snapshot:
        """All figures of one instant, consistent with each other."""
        gauge = self._gauge()  # it takes a lock of its own
        with self._lock:
            now = self._clock()
            for window in (self._requests, self._tokens, self._finishes):
                window.advance(int(now - self._origin))
            return Snapshot(
                total=None if self._is_total_unknown else self._total,
                answered=self._answered,
                failed=self._failed,
                cancelled=self._cancelled,
                retried=self._retried,
                requests_sent=self._sent,
                rate_limited=self._rate_limited,
                maybe_billed=self._maybe_billed,
                local_cache_hits=self._local_cache_hits,
                input_tokens=self._input,
                output_tokens=self._output,
                cache_read_tokens=self._cache_read,
                cache_write_tokens=self._cache_write,
                cost_usd=self._cost_usd if self._priced or not self._unpriced else None,
                unpriced=self._unpriced,
                in_flight=self._in_flight,
                queued=self._queued,
                elapsed_s=self._past_s + self._active_s(now),
                requests_last_minute=self._requests.sum,
                tokens_last_minute=self._tokens.sum,
                tokens_counted=gauge.tokens_counted,
                busiest_minute=self._requests.peak,
                finished_per_s=self._finished_per_s(now),
                paused_s=max(0.0, self._paused_until - now, gauge.paused_s),
                errors=dict(self._errors),
                limits=self._limits,
            )

    # The rest is called with the lock held.

    def _second(self) -> int:
        return int(self._clock() - self._origin)

    def _wake(self) -> None:
        """A stretch of activity begins with the first open prompt; the recent rate starts anew with it."""
        if self._active_since is None:
            self._active_since = self._clock()
            self._finishes = _Minute()

    def _finish(self) -> None:
        self._queued -= 1
        self._finishes.add(self._second())
        if not self._queued and not self._in_flight:
            self._past_s += self._active_s(self._clock())
            self._active_since = None

    def _active_s(self, now: float) -> float:
        return 0.0 if self._active_since is None else now - self._active_since

    def _finished_per_s(self, now: float) -> float:
        """0.0 while nothing is open, and before the first second has passed unless something is finished."""
        window_s = min(self._active_s(now), float(_MINUTE_S))
        return self._finishes.sum / window_s if window_s else 0.0
