"""The limiter that threads meet: `bucket`'s arithmetic behind one lock, and a queue to wait in.

Waiting is first come, first served. Nobody polls: only the first in the queue holds a timer. When it wakes it admits
everybody whose turn it is, itself included, and whoever is first then holds the timer. A thread that is admitted and
slow to wake delays nobody: its lease lies in its ticket.
"""

from __future__ import annotations

import threading
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Protocol, Self

from deluge_sync._engine.bucket import Budget
from deluge_sync._fork import start_afresh_in_child
from deluge_sync.errors import ClientClosedError, ConfigError, RequestTooLargeError
from deluge_sync.tracker import Gauge

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from deluge_sync._engine.sliding_log import Slot

__all__ = ["LeakyBucketLimiter", "Lease", "Ticket", "Told"]

_UNKNOWN_LIMIT = 1e9
_FIRST_RATE = 600.0
_FIRST_BURST = 10.0


class Told(Protocol):
    """What a reply told of one of the provider's budgets: what could still come after it, and its limit a minute."""

    @property
    def remaining(self) -> float: ...
    @property
    def per_minute(self) -> float | None: ...


class LeakyBucketLimiter:
    """Holds any number of threads to requests a minute, tokens a minute and a number of concurrent requests.

    In no 60 s are more requests or tokens admitted than the limit says. Inside that promise requests go as early as
    the provider is known to allow: a new limiter lets half a second's worth of requests go at once (at least 10) and
    a minute's worth of tokens; what the provider's replies tell opens and closes that. `burst` fixes it instead, as the
    number of requests that may go at once from idle.

    None means no limit of that kind. `clock` is any monotonic clock in seconds. `LeakyBucketLimiter.auto()` is told
    nothing and starts from the provider's headers alone.

    Thread-safe, and meant to be shared: hand the same limiter to several clients that use the same key. `_lock` guards
    everything; it is held for arithmetic only.
    """

    def __init__(
        self,
        max_requests_per_minute: float | None = None,
        max_tokens_per_minute: float | None = None,
        max_concurrent_requests: int | None = None,
        *,
        burst: float | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._clock = clock
        self._start_afresh()
        start_afresh_in_child(self)
        self._paused_until = -inf
        self._closed = False
        self._adopts_requests = self._adopts_tokens = False
        now = clock()
        self._concurrency = _positive("max_concurrent_requests", max_concurrent_requests)
        requests_limit = _positive("max_requests_per_minute", max_requests_per_minute)
        tokens_limit = _positive("max_tokens_per_minute", max_tokens_per_minute)
        burst = _positive("burst", burst)
        self._requests = None if requests_limit is None else Budget(requests_limit, now, fixed_burst=burst)
        self._tokens = None if tokens_limit is None else Budget(tokens_limit, now, idle_burst=inf)

    @classmethod
    def auto(
        cls, max_concurrent_requests: int | None = None, *, clock: Callable[[], float] = monotonic
    ) -> LeakyBucketLimiter:
        """A limiter that is told no limits: it begins with ten requests and 600 a minute.

        Limits a minute in the provider's headers are adopted, and then promised like any others. Without such headers
        the pace doubles each second until the provider refuses, and settles just below that.
        """
        limiter = cls(None, None, max_concurrent_requests, clock=clock)
        limiter._requests = Budget(_UNKNOWN_LIMIT, clock(), idle_burst=_FIRST_BURST, start=_FIRST_RATE)
        limiter._adopts_requests = limiter._adopts_tokens = True
        return limiter

    def _start_afresh(self) -> None:
        # In a forked child nobody waits and nothing of it is in flight. What the parent used of the minute stays used.
        self._lock = threading.Lock()
        self._queue: deque[Ticket] = deque()
        self._in_flight = 0

    def acquire(self, tokens: float = 0, *, timeout_s: float | None = None) -> Lease:
        """Wait until one request of `tokens` fits every budget, then take it.

        Waiters are served in the order they came. The lease must be released when the reply is there.

        Raises:
            RequestTooLargeError: `tokens` exceeds the whole per-minute budget, so no wait would help.
            TimeoutError: `timeout_s` passed first; nothing was taken.
            ClientClosedError: the limiter was closed.
        """
        return self.enter(tokens).wait(timeout_s)

    def enter(self, tokens: float = 0) -> Ticket:
        """Take a place in the queue without waiting; whose turn it is already is admitted at once.

        The ticket must be waited for, or cancelled.

        Raises:
            RequestTooLargeError: as for `acquire`.
        """
        with self._lock:
            if self._tokens is not None and tokens > self._tokens.limit:
                raise RequestTooLargeError("tokens", tokens, self._tokens.limit)
            ticket = Ticket(self, tokens)
            now = self._clock()
            if not self._queue and not self._closed and self._due(now, ticket) <= now:
                self._grant(now, ticket)
            else:
                self._queue.append(ticket)
            return ticket

    def gauge(self) -> Gauge:
        """Where it stands now, of all who share it."""
        with self._lock:
            now = self._clock()
            tokens = 0.0 if self._tokens is None else self._tokens.used(now)
            return Gauge(tokens_counted=round(tokens), paused_s=max(0.0, self._paused_until - now))

    def pause(self, seconds: float) -> None:
        """Admit nobody for `seconds`, because the provider asked for it. Pauses do not add up; the longest counts."""
        self._pause(seconds, None)

    def resize(
        self,
        *,
        max_requests_per_minute: float | None = None,
        max_tokens_per_minute: float | None = None,
        max_concurrent_requests: int | None = None,
    ) -> None:
        """Change those limits that are given. What was admitted in the last minute counts against the new ones.

        A limit that is given is kept, whatever the provider's headers say; those of `auto` replace only what was not.

        Raises:
            ConfigError: a number is not positive; nothing was changed.
        """
        requests_limit = _positive("max_requests_per_minute", max_requests_per_minute)
        tokens_limit = _positive("max_tokens_per_minute", max_tokens_per_minute)
        concurrency = _positive("max_concurrent_requests", max_concurrent_requests)
        with self._lock:
            now = self._clock()
            if requests_limit is not None:
                self._adopts_requests = False
                self._requests = _resized(self._requests, requests_limit, now)
            if tokens_limit is not None:
                self._adopts_tokens = False
                self._tokens = _resized(self._tokens, tokens_limit, now, idle_burst=inf)
            self._concurrency = self._concurrency if concurrency is None else concurrency
            self._wake_first()

    def close(self) -> None:
        """Refuse everybody who waits now and whoever comes later. Leases that are out stay valid."""
        with self._lock:
            self._closed = True
            for ticket in self._queue:
                ticket._wake()

    @property
    def in_flight(self) -> int:
        """How many leases are out."""
        return self._in_flight

    def _admit(self, ticket: Ticket, timeout_s: float | None) -> Lease:
        with self._lock:
            give_up_at = inf if timeout_s is None else self._clock() + timeout_s
            while ticket._lease is None:
                now = self._clock()
                if self._closed or ticket._cancelled:
                    raise self._leave(ticket, ClientClosedError("the limiter was closed, or the wait cancelled"))
                wake_at = self._grant_due(now) if self._queue[0] is ticket else inf
                if ticket._lease is not None:
                    break
                if now >= give_up_at:
                    raise self._leave(ticket, TimeoutError(f"not admitted within {timeout_s} s"))
                wake_at = min(wake_at, give_up_at)
                ticket._sleep(None if wake_at == inf else wake_at - now)
            return ticket._lease

    def _grant_due(self, now: float) -> float:
        """Admit everybody whose turn it is, from the first on. Returns when the next one may go.

        Not only the caller: beside busy threads each one that must wake by itself costs milliseconds.
        """
        first = self._queue[0]
        while self._queue and (due := self._due(now, self._queue[0])) <= now:
            self._grant(now, self._queue.popleft())
        if not self._queue:
            return inf
        if self._queue[0] is not first:
            self._queue[0]._wake()  # it holds the timer now
        return due

    def _due(self, now: float, ticket: Ticket) -> float:
        """When the first in the queue may go; infinity when only a release can tell."""
        if self._concurrency is not None and self._in_flight >= self._concurrency:
            return inf
        requests_due = self._requests.due(now, 1) if self._requests is not None else -inf
        tokens_due = self._tokens.due(now, ticket.tokens) if self._tokens is not None else -inf
        return max(self._paused_until, requests_due, tokens_due)

    def _grant(self, now: float, ticket: Ticket) -> None:
        slot = self._requests.take(now, 1) if self._requests is not None else None
        token_slot = self._tokens.take(now, ticket.tokens) if self._tokens is not None else None
        self._in_flight += 1
        ticket._lease = Lease(self, ticket.tokens, slot, token_slot)
        ticket._wake()

    def _leave(self, ticket: Ticket, error: Exception) -> Exception:
        self._queue.remove(ticket)
        self._wake_first()
        return error

    def _wake_first(self) -> None:
        if self._queue:
            self._queue[0]._wake()

    def _cancel(self, ticket: Ticket) -> None:
        with self._lock:
            ticket._cancelled = True
            ticket._wake()

    def _settle(self, slot: Slot | None, estimated: float, actual: float) -> None:
        with self._lock:
            if self._tokens is not None and slot is not None:
                self._tokens.settle(slot, estimated, actual)
                self._wake_first()

    def _pause(self, seconds: float, refused: Slot | None) -> None:
        with self._lock:
            now = self._clock()
            self._paused_until = max(self._paused_until, now + seconds)
            budget = self._requests or self._tokens
            if budget is not None:
                budget.learn_refusal(now, self._paused_until, None if refused is None else refused.starts_at)

    def _learn(self, lease: Lease, requests: Told | None, tokens: Told | None) -> None:
        with self._lock:
            if requests is not None and requests.per_minute is not None and self._requests is not None:
                self._requests = self._with_limit(self._requests, requests.per_minute, adopts=self._adopts_requests)
            if tokens is not None and tokens.per_minute is not None and (self._tokens or self._adopts_tokens):
                self._tokens = self._with_limit(self._tokens, tokens.per_minute, adopts=self._adopts_tokens)
            now = self._clock()
            opened = self._count_answer(now)
            opened |= self._learn_requests(now, lease, requests)
            opened |= self._learn_tokens(now, lease, tokens)
            if opened:
                self._wake_first()

    def _count_answer(self, now: float) -> bool:
        budget = self._requests or self._tokens
        return budget is not None and budget.count_answer(now)

    def _with_limit(self, budget: Budget | None, per_minute: float, *, adopts: bool) -> Budget:
        """The budget after the provider told its limit: kept below it, or adopted where the user set none."""
        if adopts and (budget is None or budget.limit != per_minute):
            return _resized(budget, per_minute, self._clock(), idle_burst=inf)
        assert budget is not None
        budget.learn_limit(per_minute)
        return budget

    def _learn_requests(self, now: float, lease: Lease, told: Told | None) -> bool:
        """Whether the next may have become due earlier."""
        if self._requests is None:
            return False
        if told is None:
            return self._requests.learn_answer(now)
        return lease._slot is not None and self._requests.learn_room(now, lease._slot, 1, told.remaining)

    def _learn_tokens(self, now: float, lease: Lease, told: Told | None) -> bool:
        if self._tokens is None or told is None or lease._token_slot is None:
            return False
        return self._tokens.learn_room(now, lease._token_slot, lease._estimated, told.remaining)

    def _release(self) -> None:
        with self._lock:
            was_full = self._in_flight == self._concurrency
            self._in_flight -= 1
            if was_full:
                self._wake_first()


class Ticket:
    """A place in the limiter's queue."""

    __slots__ = ("_cancelled", "_lease", "_limiter", "_woken", "tokens")

    def __init__(self, limiter: LeakyBucketLimiter, tokens: float) -> None:
        self.tokens = tokens
        self._limiter = limiter
        self._cancelled = False
        self._lease: Lease | None = None
        self._woken: threading.Condition | None = None  # most need not wait

    @property
    def is_admitted(self) -> bool:
        """Whether its turn has come; `wait` then returns at once."""
        return self._lease is not None

    def wait(self, timeout_s: float | None = None) -> Lease:
        """Wait for the turn and take it. Raises what `LeakyBucketLimiter.acquire` raises."""
        return self._lease or self._limiter._admit(self, timeout_s)

    def cancel(self) -> None:
        """Make the thread that waits with this ticket raise `ClientClosedError`. Without effect after its turn."""
        self._limiter._cancel(self)

    # Called with the limiter's lock held.

    def _sleep(self, timeout_s: float | None) -> None:
        self._woken = self._woken or threading.Condition(self._limiter._lock)
        self._woken.wait(timeout_s)

    def _wake(self) -> None:
        if self._woken is not None:
            self._woken.notify()


class Lease:
    """One admitted request. Release it once the reply is there, or leave its `with` block."""

    __slots__ = ("_estimated", "_limiter", "_released", "_slot", "_token_slot")

    def __init__(
        self, limiter: LeakyBucketLimiter, estimated: float, slot: Slot | None, token_slot: Slot | None
    ) -> None:
        self._limiter = limiter
        self._estimated = estimated
        self._slot = slot
        self._token_slot = token_slot
        self._released = False

    def answered(self, *, requests: Told | None = None, tokens: Told | None = None) -> None:
        """The request was answered; with what the provider told of its budgets, where it did.

        What was let go since this request, and what the provider's bucket has gained, are reckoned in.
        """
        self._limiter._learn(self, requests, tokens)

    def refused(self, pause_s: float) -> None:
        """The provider refused this request by a rate limit: admit nobody for `pause_s`, and learn from it.

        Beside what `LeakyBucketLimiter.pause` learns, it is known when the refused request was let go: refusals of what
        was let go before an earlier pause tell nothing new about the pace, however late they come.
        """
        self._limiter._pause(pause_s, self._slot or self._token_slot)

    def settle(self, actual_tokens: float) -> None:
        """Replace the estimate by what the provider counted. Call it at most once."""
        self._limiter._settle(self._token_slot, self._estimated, actual_tokens)

    def release(self) -> None:
        """Give the concurrent place back. A second call does nothing."""
        if not self._released:
            self._released = True
            self._limiter._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _positive(name: str, value: float | None) -> float | None:
    if value is not None and not 0 < value < inf:
        raise ConfigError(f"{name} must be a positive number, or None for no limit; got {value!r}")
    return value


def _resized(budget: Budget | None, per_minute: float, now: float, *, idle_burst: float | None = None) -> Budget:
    if budget is None:
        return Budget(per_minute, now, idle_burst=idle_burst)
    budget.resize(per_minute, now)
    return budget
