"""What can go wrong with one attempt, and what follows from it: plain data, no behaviour.

`classify` makes a `Failure` from a reply or a transport error, the engine's retry policy reads its `traits`. How long
to wait, how often to try and which model comes next is decided there, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from types import MappingProxyType

__all__ = ["LONGEST_HINT_S", "TRAITS", "Failure", "FailureKind", "Traits"]

LONGEST_HINT_S = 120.0
"""A server that asks for a longer wait than this is not waited for."""


@unique
class FailureKind(StrEnum):
    """Why an attempt gave no answer. The values are what a user sees as `APIResponse.error_kind`."""

    RATE_LIMIT = "rate_limit"
    RATE_LIMIT_LONG = "rate_limit_long"
    QUOTA_DAILY = "quota_daily"
    QUOTA = "quota"
    AUTH = "auth"
    PERMISSION = "permission"
    MODEL_NOT_FOUND = "model_not_found"
    CONTEXT_LENGTH = "context_length"
    REQUEST_TOO_LARGE = "request_too_large"
    CONTENT_FILTER = "content_filter"
    OVERLOADED = "overloaded"
    SERVER = "server"
    TRUNCATED = "truncated"
    """A successful reply that ends too early: an empty body or half a document."""
    MALFORMED = "malformed"
    """A complete and successful reply without a usable answer, which was probably paid for: asking again would
    most likely buy the same."""
    CONNECT = "connect"
    TIMEOUT = "timeout"
    TLS = "tls"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """The time of its batch was up before the provider came to it; it was not billed."""
    OUTAGE = "outage"
    """The provider was down for longer than the prompt waits for it."""
    BUDGET = "budget"
    """`max_cost` has no room for the request; it was never sent."""
    OVER_LIMIT = "over_limit"
    """The request alone exceeds the client's tokens of a minute; it was never sent."""
    INTERNAL = "internal"
    """Something unforeseen in this package or in an object the user gave it; the log has the traceback."""
    BAD_REQUEST = "bad_request"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a kind of failure means for the attempts that follow."""

    same_model_may_help: bool = False
    """The same request to the same model may succeed later."""
    other_model_may_help: bool = False
    other_provider_only: bool = False
    """Another model helps only where it is reached with another key."""
    stops_key: bool = False
    """Nothing sent with this key can succeed in this run."""
    stops_model: bool = False
    """Nothing sent to this model can succeed in this run."""
    pauses_key: bool = False
    """A rate limit: whatever shares the limit waits too, and the attempt does not count."""
    slows_down: bool = False
    """The provider is short of capacity: send less for a while."""
    hints_at_outage: bool = False
    """Many of these in a row mean that the provider is down."""


_LATER = Traits(same_model_may_help=True, other_model_may_help=True)
_NO_ANSWER = replace(_LATER, hints_at_outage=True)
_ELSEWHERE = Traits(other_model_may_help=True)
_OTHER_KEY = Traits(other_model_may_help=True, other_provider_only=True, stops_key=True)
_NOT_THIS_MODEL = replace(_ELSEWHERE, stops_model=True)
_NEVER = Traits()

TRAITS: Mapping[FailureKind, Traits] = MappingProxyType(
    {
        FailureKind.RATE_LIMIT: replace(_LATER, pauses_key=True),
        FailureKind.RATE_LIMIT_LONG: replace(_ELSEWHERE, pauses_key=True),
        FailureKind.QUOTA_DAILY: _NOT_THIS_MODEL,  # counted for each model, and it lasts longer than any run of prompts
        FailureKind.QUOTA: _OTHER_KEY,
        FailureKind.AUTH: _OTHER_KEY,
        FailureKind.PERMISSION: _NOT_THIS_MODEL,
        FailureKind.MODEL_NOT_FOUND: _NOT_THIS_MODEL,
        FailureKind.CONTEXT_LENGTH: _ELSEWHERE,
        FailureKind.REQUEST_TOO_LARGE: _ELSEWHERE,
        FailureKind.CONTENT_FILTER: _ELSEWHERE,
        FailureKind.OVERLOADED: replace(_NO_ANSWER, slows_down=True),
        FailureKind.SERVER: _NO_ANSWER,
        FailureKind.TRUNCATED: _NO_ANSWER,
        FailureKind.MALFORMED: _ELSEWHERE,
        FailureKind.CONNECT: _NO_ANSWER,
        FailureKind.TIMEOUT: _NO_ANSWER,
        FailureKind.TLS: Traits(other_model_may_help=True, other_provider_only=True),
        FailureKind.CANCELLED: _NEVER,
        FailureKind.EXPIRED: _LATER,
        FailureKind.OUTAGE: _ELSEWHERE,
        FailureKind.BUDGET: _NEVER,
        FailureKind.OVER_LIMIT: _NEVER,
        FailureKind.INTERNAL: _NEVER,
        FailureKind.BAD_REQUEST: _NEVER,
    }
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that gave no answer."""

    kind: FailureKind
    message: str
    """One line of at most 500 characters, without anything that looks like a key."""
    status: int | None = None
    """HTTP status of the reply, None where none came."""
    retry_after_s: float | None = None
    """How long the server asks to wait, from the arrival of its reply: finite and at least 0. Longer than
    `LONGEST_HINT_S` means that waiting is not worth it."""
    may_have_been_processed: bool = True
    """False only where it is certain that the provider neither ran nor billed the request."""
    code: str | None = None
    """The provider's own code for the error, for logs and messages."""
    should_retry: bool | None = None
    """What the server itself says (`x-should-retry`); it overrules the kind."""

    @property
    def traits(self) -> Traits:
        """`TRAITS` of the kind, corrected by what the server itself said. Use this rather than the table."""
        plain = TRAITS[self.kind]
        match self.should_retry:
            case True if not plain.same_model_may_help:
                return replace(plain, same_model_may_help=True, stops_key=False, stops_model=False)
            case False if plain.same_model_may_help:
                return replace(plain, same_model_may_help=False)
            case _:
                return plain
