"""A provider that enforces its own limit, against the limiter as a client drives it, all in virtual time.

Everything that makes the real thing hard is here: requests overtake each other on the way, new connections take their
time, replies come late and in any order, and what is in flight when the first refusal comes is refused with it. The
provider's bucket, the wait before another attempt and the limiter are the real ones. `tests/faults` has the same over
real sockets; here a minute takes a tenth of a second, so many seeds can be tried.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import pytest

from deluge_sync import LeakyBucketLimiter
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._adapters.hints import Room
from deluge_sync._engine.limiter import Lease, Ticket
from deluge_sync._engine.retry import History, RetryPolicy, SendAgain, decide
from deluge_sync.testing._limits import Limits, Standing

REAL_PER_MINUTE = 3_000
RETRY_AFTER_S = 1.0
CONCURRENCY = 225
SEEDS = range(10)


@dataclass(frozen=True, slots=True)
class Network:
    """How long things take. The jitter is exponential, so that a few requests take many times as long."""

    latency_s: float = 0.2
    jitter_s: float = 0.02
    new_connection_s: float = 0.3
    """At most so much longer for each connection that did not exist before."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One line of the provider's ledger."""

    at: float
    is_answered: bool


class World:
    """A client with prompts to send, and a provider. `run` lets time pass until all are answered."""

    def __init__(self, *, has_headers: bool, seed: int, network: Network, burst_s: float) -> None:
        self.now = 0.0
        self.ledger: list[Arrival] = []
        self._has_headers = has_headers
        self._network = network
        self._chance = random.Random(seed)
        self._limits = Limits(requests_per_minute=REAL_PER_MINUTE, tokens_per_minute=None, burst_s=burst_s)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._connections = 0
        self._refusals: dict[int, int] = {}

    def clock(self) -> float:
        return self.now

    def run(self, limiter: LeakyBucketLimiter, prompts: int) -> None:
        self._limiter = limiter
        self._ready = deque(range(prompts))
        self._left = prompts
        while self._left:
            self._send_what_may_go()
            self.now = max(self.now, min(self._limiter_wakes_at(), self._events[0][0] if self._events else inf))
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()

    def _limiter_wakes_at(self) -> float:
        return self._limiter._due(self.now, Ticket(self._limiter, 0)) if self._ready else inf

    def _at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), event))

    def _send_what_may_go(self) -> None:
        while self._ready:
            try:
                lease = self._limiter.acquire(timeout_s=0)
            except TimeoutError:
                return
            self._send(self._ready.popleft(), lease)

    def _send(self, prompt: int, lease: Lease) -> None:
        on_the_way_s = self._jitter_s()
        if self._limiter.in_flight > self._connections:
            self._connections += 1
            on_the_way_s += self._chance.uniform(0, self._network.new_connection_s)
        self._at(self.now + on_the_way_s, lambda: self._arrive(prompt, lease))

    def _arrive(self, prompt: int, lease: Lease) -> None:
        is_answered = self._limits.admit(tokens=0, now=self.now) is None
        standing = self._limits.standings(self.now)["requests"]
        self.ledger.append(Arrival(self.now, is_answered))
        reply = (lambda: self._answered(lease, standing)) if is_answered else (lambda: self._refused(prompt, lease))
        self._at(self.now + self._network.latency_s + self._jitter_s(), reply)

    def _answered(self, lease: Lease, standing: Standing) -> None:
        self._left -= 1
        lease.release()
        room = Room(standing.limit, standing.remaining, standing.reset_s) if self._has_headers else None
        lease.answered(requests=room)

    def _refused(self, prompt: int, lease: Lease) -> None:
        lease.release()
        lease.refused(RETRY_AFTER_S)
        self._refusals[prompt] = self._refusals.get(prompt, 0) + 1
        failure = Failure(FailureKind.RATE_LIMIT, "too many requests", retry_after_s=RETRY_AFTER_S)
        history = History(0, self._refusals[prompt], 0.0, inf, has_other_model=False)
        again = decide(failure, history, RetryPolicy(), self._chance.random)
        assert isinstance(again, SendAgain)
        self._at(self.now + again.delay_s, lambda: self._ready.appendleft(prompt))

    def _jitter_s(self) -> float:
        return self._chance.expovariate(1 / self._network.jitter_s)


def world_after(
    prompts: int,
    *,
    told: float | None,
    has_headers: bool,
    seed: int = 0,
    network: Network | None = None,
    burst_s: float = 1.0,
    concurrency: int = CONCURRENCY,
) -> World:
    """The world in which a client, told so many requests a minute or nothing, has had all its prompts answered."""
    world = World(has_headers=has_headers, seed=seed, network=network or Network(), burst_s=burst_s)
    if told is None:
        world.run(LeakyBucketLimiter.auto(concurrency, clock=world.clock), prompts)
    else:
        world.run(LeakyBucketLimiter(told, None, concurrency, clock=world.clock), prompts)
    return world


headers_or_not = pytest.mark.parametrize("has_headers", [True, False], ids=["with headers", "without headers"])


@headers_or_not
@pytest.mark.parametrize(
    ("told", "most_requests", "within_s"),
    [(3_000, 1_020, 21.0), (6_000, 1_100, 25.0), (None, 1_100, 25.0)],
    ids=["told right", "told twice as much", "told nothing"],
)
def test_1000_prompts_are_answered_with_few_refusals_and_hardly_any_delay(
    told: float | None, most_requests: int, within_s: float, has_headers: bool
) -> None:
    worlds = [world_after(1_000, told=told, has_headers=has_headers, seed=seed) for seed in SEEDS]

    assert max(len(world.ledger) for world in worlds) <= most_requests
    assert max(world.now for world in worlds) <= within_s


@pytest.mark.parametrize("told", [3_000, 6_000])
def test_connections_that_come_up_in_any_order_within_a_second_cause_no_second_burst(told: float) -> None:
    network = Network(jitter_s=0.05, new_connection_s=0.8)
    worlds = [world_after(1_000, told=told, has_headers=True, seed=seed, network=network) for seed in SEEDS]

    # Half a second's worth at first and what is let go before the first reply: what of it is too much is refused, once.
    # Those that come back do not find themselves refused together again.
    assert max(len(world.ledger) for world in worlds) <= 1_060


@headers_or_not
@pytest.mark.parametrize("latency_s", [0.2, 2.0])
@pytest.mark.parametrize("burst_s", [1.0, 60.0], ids=["counts in seconds", "counts in minutes"])
def test_a_limit_that_was_told_twice_too_high_is_kept_and_used_in_the_long_run(
    burst_s: float, latency_s: float, has_headers: bool
) -> None:
    network = Network(latency_s=latency_s)
    world = world_after(18_000, told=6_000, has_headers=has_headers, network=network, burst_s=burst_s)

    settled = [arrival for arrival in world.ledger if 90 <= arrival.at < 300]
    answered = sum(arrival.is_answered for arrival in settled)
    assert len(settled) - answered <= 0.01 * len(settled)
    assert answered >= 0.85 * REAL_PER_MINUTE * 210 / 60


@pytest.mark.parametrize("latency_s", [2.0, 10.0])
def test_slow_answers_of_a_provider_with_a_small_bucket_do_not_look_like_a_lack_of_room(latency_s: float) -> None:
    """While a request is answered, the bucket gains many times what it holds: that room is used."""
    network = Network(latency_s=latency_s)

    world = world_after(3_000, told=3_000, has_headers=True, network=network, concurrency=2_000)

    ideal_s = (3_000 - 50) / 50 + latency_s
    assert world.now <= 1.15 * ideal_s
    assert len(world.ledger) <= 3_030
