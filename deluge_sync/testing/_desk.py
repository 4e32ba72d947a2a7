"""Decides the reply to one request: script, route, key, limits, the format's own answer, faults. Opens no socket.

A scripted error or raw reply decides alone. Every other request must have a known path and a right key, fit the
concurrency, request and token limits, and be valid. A fault that is an error strikes only what would have been
answered; a fault of the connection strikes anything.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from email.utils import formatdate
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from deluge_sync.testing import _anthropic, _bedrock, _cohere, _gemini, _mistral, _openai
from deluge_sync.testing._delivery import Outgoing
from deluge_sync.testing._format import Call, Draft, Refused
from deluge_sync.testing._reply import Answer, ErrorSpec, Raw, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from deluge_sync.testing._faults import Faults
    from deluge_sync.testing._format import Route, WireFormat
    from deluge_sync.testing._ledger import RequestRecord
    from deluge_sync.testing._limits import Limits, Shortage
    from deluge_sync.testing._store import Store
    from deluge_sync.testing._wire import Incoming

__all__ = ["Charge", "Desk", "Latency", "Policy", "RetryHint", "Script", "ScriptSource", "Verdict", "presented_key"]

Charge = Literal["max", "sum", "used"]
RetryHint: TypeAlias = Literal["seconds", "ms", "date"] | float | None
Latency: TypeAlias = "float | Callable[[random.Random], float]"
ScriptSource: TypeAlias = "Iterable[Reply | None] | Callable[[RequestRecord], Reply | None]"

# By their prefixes: the last one has none, and speaks where no other does.
_FORMATS: tuple[WireFormat, ...] = (_anthropic, _gemini, _mistral, _cohere, _bedrock, _openai)
_ORDINARY = Reply()
_SEED_STRIDE = 1_000_003

_CHARGES: Mapping[Charge, Callable[[Draft], int]] = MappingProxyType(
    {
        "max": lambda draft: max(draft.max_tokens or 0, draft.prompt_tokens),
        "sum": lambda draft: draft.prompt_tokens + (draft.max_tokens or draft.completion_tokens),
        "used": lambda draft: draft.prompt_tokens + draft.completion_tokens,
    }
)


class Script:
    """Replies for coming requests: a sequence that is used up in the order of the ledger, or a function of the record.

    A function may run in many threads at once. The lock guards the sequence.
    """

    def __init__(self, source: ScriptSource) -> None:
        self._lock = threading.Lock()
        self._decide = source if callable(source) else None
        self._replies = deque(() if callable(source) else source)

    def take(self, record: RequestRecord) -> Reply | None:
        """The reply for this request; None for an ordinary answer."""
        if self._decide is not None:
            return self._decide(record)
        with self._lock:
            return self._replies.popleft() if self._replies else None


@dataclass(frozen=True, slots=True)
class Policy:
    """How the provider treats everybody; the parameters of `FakeProvider` by the same names."""

    api_keys: Collection[str] | None
    models: Sequence[str] | None
    ignore_unknown: bool
    token_charge: Charge
    rate_limit_headers: bool
    retry_after: RetryHint
    max_concurrent: int | None
    max_concurrent_status: int
    latency_s: Latency
    chunk_delay_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The reply to one request and what it counts for."""

    outgoing: Outgoing
    prompt_tokens: int = 0
    completion_tokens: int = 0
    charged_tokens: int = 0


class Desk:
    """Decides replies, in any number of threads. Keeps no state but what `limits`, `script` and `store` guard."""

    def __init__(self, policy: Policy, limits: Limits, faults: Faults, script: Script, store: Store) -> None:
        self._policy = policy
        self._store = store
        self._limits = limits
        self._faults = faults
        self.script = script

    def decide(self, incoming: Incoming, record: RequestRecord, in_flight: int) -> Verdict:
        """The reply to `incoming`, which is in the ledger as `record`, one of `in_flight` calls."""
        policy = self._policy
        rng = random.Random(policy.seed * _SEED_STRIDE + record.sequence)
        scripted = self.script.take(record)
        reply = scripted or self._faults.draw(rng) or _ORDINARY
        wire, route, variables = _routed(incoming)
        fixed = _fixed(reply, wire, incoming)
        if scripted and fixed:
            draft, charged = fixed, 0
        else:
            answer = reply.content if isinstance(reply.content, Answer) else Answer()
            call = Call(
                incoming, record.sequence, rng, variables, policy.models, policy.ignore_unknown, answer, self._store
            )
            draft, charged = self._considered(call, wire, route, fixed, record.key, in_flight)
        raw = draft.raw if isinstance(reply.content, Raw) else self._completed(draft.raw, wire, record)
        latency_s = self._latency_s(rng) if reply.latency_s is None else reply.latency_s
        outgoing = Outgoing(raw, reply.delivery, latency_s, policy.chunk_delay_s)
        return Verdict(outgoing, draft.prompt_tokens, draft.completion_tokens, charged)

    def unavailable(self, incoming: Incoming) -> Verdict:
        """503, whatever was asked."""
        wire, _, _ = _routed(incoming)
        return Verdict(Outgoing(wire.render_error(ErrorSpec(503, "the provider is down"), incoming)))

    def _considered(
        self, call: Call, wire: WireFormat, route: Route | None, fixed: Draft | None, key: str | None, in_flight: int
    ) -> tuple[Draft, int]:
        """The draft after all checks (or `fixed` in its place), and the tokens it was charged."""
        try:
            if route is None or route.needs_key:
                self._check_key(key, wire)
            self._check_concurrency(in_flight)
            draft, charged = self._admitted(call, wire, _existing(route, wire, call.incoming))
        except Refused as refused:
            return Draft(wire.render_error(refused.spec, call.incoming)), 0
        return fixed or draft, charged

    def _check_key(self, key: str | None, wire: WireFormat) -> None:
        keys = self._policy.api_keys
        if key is None or (keys is not None and key not in keys):
            raise Refused(wire.wrong_key(key))

    def _check_concurrency(self, in_flight: int) -> None:
        limit = self._policy.max_concurrent
        if limit is not None and in_flight > limit:
            raise Refused(ErrorSpec(self._policy.max_concurrent_status, f"more than {limit} requests at the same time"))

    def _admitted(self, call: Call, wire: WireFormat, route: Route) -> tuple[Draft, int]:
        """The operation's draft if the limits have room. A request that turns out to be invalid counts as one too."""
        problem: Refused | None = None
        try:
            draft = route.operation(call)
        except Refused as refused:
            draft, problem = Draft(Raw(refused.spec.status, {}, b"")), refused
        charged = _CHARGES[self._policy.token_charge](draft) if route.is_limited else 0
        shortage = self._limits.admit(tokens=charged, now=call.incoming.arrived) if route.is_limited else None
        if shortage is not None:
            raise Refused(self._hinted(wire.over_limit(shortage), shortage))
        if problem is not None:
            raise problem
        return draft, charged

    def _hinted(self, spec: ErrorSpec, shortage: Shortage) -> ErrorSpec:
        """`spec` with the retry hint this provider gives; none if no wait would help."""
        hint, wait_s = self._policy.retry_after, shortage.retry_after_s
        if hint is None or math.isinf(wait_s):
            return spec
        if hint == "ms":
            return replace(spec, headers={"retry-after-ms": str(math.ceil(wait_s * 1000))})
        if hint == "date":
            return replace(spec, retry_after=formatdate(math.ceil(time.time() + wait_s), usegmt=True))
        return replace(spec, retry_after=math.ceil(wait_s) if hint == "seconds" else hint)

    def _completed(self, raw: Raw, wire: WireFormat, record: RequestRecord) -> Raw:
        """`raw` with the headers that every reply has; its own go before them."""
        standings = self._limits.standings(record.arrived) if self._policy.rate_limit_headers else {}
        return replace(raw, headers={**wire.reply_headers(standings, record.sequence), **raw.headers})

    def _latency_s(self, rng: random.Random) -> float:
        latency = self._policy.latency_s
        return max(0.0, latency(rng)) if callable(latency) else latency


def presented_key(headers: Mapping[str, str]) -> str | None:
    """The API key of a request, wherever its format puts it."""
    return next((key for wire in _FORMATS if (key := wire.api_key(headers)) is not None), None)


def _routed(incoming: Incoming) -> tuple[WireFormat, Route | None, Mapping[str, str]]:
    """The format that speaks under this path, the operation that takes the request, and its path's variables."""
    wire = next(wire for wire in _FORMATS if incoming.path.startswith(f"{wire.PREFIX}/") or not wire.PREFIX)
    for route in wire.ROUTES:
        variables = route.match(incoming.path) if route.method == incoming.method else None
        if variables is not None:
            return wire, route, variables
    return wire, None, {}


def _existing(route: Route | None, wire: WireFormat, incoming: Incoming) -> Route:
    """`route`. Raises `Refused` with 404 or 405 if there is none."""
    if route is not None:
        return route
    is_known = any(other.match(incoming.path) is not None for other in wire.ROUTES)
    raise Refused(wire.wrong_method(incoming) if is_known else wire.unknown_path(incoming))


def _fixed(reply: Reply, wire: WireFormat, incoming: Incoming) -> Draft | None:
    """The reply that needs no request to be understood; None if the model has to speak."""
    if isinstance(reply.content, Raw):
        return Draft(reply.content)
    return Draft(wire.render_error(reply.content, incoming)) if isinstance(reply.content, ErrorSpec) else None
