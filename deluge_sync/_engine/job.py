"""One prompt on its way through the engine, and the run it belongs to."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from deluge_sync._adapters.call import Extras
from deluge_sync._fork import start_afresh_in_child

if TYPE_CHECKING:
    from deluge_sync._adapters.failure import Failure
    from deluge_sync._engine.budget import Budget, Claim
    from deluge_sync._engine.limiter import LeakyBucketLimiter
    from deluge_sync._engine.pool import Route
    from deluge_sync._engine.streaming import Listener
    from deluge_sync._http import HttpRequest, Leash
    from deluge_sync.prompt import Conversation
    from deluge_sync.response import APIResponse

__all__ = ["Job", "Run"]


class Run:
    """What one call of the client has learned: which keys and models are no use for the rest of it.

    Thread-safe; `_lock` guards the table. `budget` is what the call may spend, None for no bound.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget
        self._stopped: dict[object, Failure] = {}
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()

    def note(self, route: Route, failure: Failure) -> None:
        """Stop what this failure shows to be of no use: the key, or the model."""
        traits = failure.traits
        with self._lock:
            if traits.stops_key:
                self._stopped.setdefault(route.key_id, failure)
            elif traits.stops_model:
                self._stopped.setdefault(route, failure)

    def why_stopped(self, route: Route) -> Failure | None:
        """The failure that stopped the route, or None."""
        if not self._stopped:
            return None
        with self._lock:
            return self._stopped.get(route.key_id) or self._stopped.get(route)


@dataclass(slots=True, eq=False)
class Job:
    """One prompt until its answer is delivered. After `submit` it belongs to one thread at a time, never to two.

    `attempts` are those that count towards the maximum, `refusals` the rate limits between them, `sent` all requests.
    `useless` are the routes that cannot answer this prompt. `listener`, if there is one, gets the answer in pieces as
    it arrives. `pending_id` is the provider's name for an answer that it works on in the background; `looks` were made
    for it since, through a limiter of their own. `filled` is the prompt with the contents that had to be fetched.
    `claim` is the money held, or waited for, for its next or present request; `costs_usd` what each reply cost,
    None where its price is unknown.
    `cache_key` stands for the question: jobs with the same one may share an answer. None: it shares none.
    Times are of the engine's clock. `future` gets the `APIResponse`; it never gets an exception from a provider.
    """

    id: int
    prompt: Conversation
    run: Run
    route: Route
    extras: Extras = field(default_factory=Extras)
    future: Future[APIResponse] = field(default_factory=Future)
    queued_at: float = 0.0
    deadline: float = inf
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    attempts: int = 0
    refusals: int = 0
    sent: int = 0
    first_sent_at: float | None = None
    request: HttpRequest | None = None
    filled: Conversation | None = None
    leash: Leash | None = None
    listener: Listener | None = None
    useless: set[Route] = field(default_factory=set)
    pending_id: str | None = None
    looks: int = 0
    lane_limiter: LeakyBucketLimiter | None = None
    is_cancelled: bool = False
    cache_key: str | None = None
    claim: Claim | None = None
    costs_usd: list[float | None] = field(default_factory=list)

    @property
    def cost_usd(self) -> float | None:
        """What all replies cost that were billed; None where a price is unknown, and where nothing was billed."""
        known = [cost for cost in self.costs_usd if cost is not None]
        return sum(known) if known and len(known) == len(self.costs_usd) else None

    @property
    def sendable(self) -> Conversation:
        """The prompt as it is sent."""
        return self.filled or self.prompt

    @property
    def limiter(self) -> LeakyBucketLimiter:
        """What admits the job's next request."""
        return self.lane_limiter or self.route.limiter
