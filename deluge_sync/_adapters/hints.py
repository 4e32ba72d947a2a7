"""What a reply says about waiting and about the room left: its headers, and the hints inside an error's body.

Pure: an instant is read against the reply's own `Date`, never against a clock of ours. Whether a hint is followed is
the retry policy's decision, what a room means for the pace is the limiter's. `retry_after_s` is called for failures,
`rate_rooms` for every reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from deluge_sync._adapters.error_body import read_error

__all__ = ["NO_ROOMS", "RateRooms", "Room", "rate_rooms", "retry_after_s"]

_ABSURD_S = 366 * 86_400.0
"""No provider means a wait of more than a year; such a number is an instant, another unit or a mistake."""
_MINUTE_WITH_SLACK_S = 65.0
"""A budget that takes longer to refill is not a budget per minute. The slack covers rounding to whole seconds."""
_SEARCHED_CHARS = 2_000
_MAX_HEADER_CHARS = 64
_SHORT_WINDOW = 3.0


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of one per-minute budget. `remaining` is at least 0, `limit` above 0."""

    limit: float | None
    remaining: float
    reset_s: float | None
    """Seconds from this reply until the budget is whole again; None where the reply does not say."""

    @property
    def per_minute(self) -> float | None:
        """The limit, unless what refills in `reset_s` shows that it is counted in shorter windows than minutes."""
        if self.limit is None or not self.reset_s or self.remaining >= self.limit:
            return self.limit
        refilled_per_minute = (self.limit - self.remaining) / self.reset_s * 60
        return self.limit if refilled_per_minute <= _SHORT_WINDOW * self.limit else None


@dataclass(frozen=True, slots=True)
class RateRooms:
    """What a reply tells about the per-minute budgets; None where it tells nothing."""

    requests: Room | None = None
    tokens: Room | None = None


NO_ROOMS = RateRooms()


class _Budget(NamedTuple):
    """The names of the headers that describe one budget."""

    limit: str
    remaining: str
    reset: str


def _budget(pattern: str) -> _Budget:
    return _Budget(*(pattern.format(field) for field in _Budget._fields))


_REQUESTS = _budget("x-ratelimit-{}-requests")
_TOKENS = _budget("x-ratelimit-{}-tokens")
_ANTHROPIC_REQUESTS = _budget("anthropic-ratelimit-requests-{}")
_ANTHROPIC_INPUT = _budget("anthropic-ratelimit-input-tokens-{}")
_ANTHROPIC_OUTPUT = _budget("anthropic-ratelimit-output-tokens-{}")
_ANTHROPIC_TOKENS = _budget("anthropic-ratelimit-tokens-{}")
_MISTRAL_REQUESTS = _budget("x-ratelimit-{}-req-minute")
_MISTRAL_TOKENS = _budget("x-ratelimit-{}-tokens-minute")
_MISTRAL_OLDER_TOKENS = _budget("ratelimitbysize-{}")
_DAILY_REQUESTS = _budget("x-ratelimit-{}-requests-day")
_TOKENS_MINUTE = _budget("x-ratelimit-{}-tokens-minute")
_ANY = _budget("x-ratelimit-{}")


class _Row(NamedTuple):
    """One provider's budgets. Of `requests` and `tokens`, both per minute, the first that a reply mentions counts."""

    requests: tuple[_Budget, ...] = ()
    tokens: tuple[_Budget, ...] = ()
    other: tuple[_Budget, ...] = ()
    """Budgets of another window: worth waiting for when exhausted, no room to plan with."""


_OPENAI_LIKE = _Row((_REQUESTS,), (_TOKENS,))
_ROWS: Mapping[str, _Row] = {
    "anthropic": _Row((_ANTHROPIC_REQUESTS,), (_ANTHROPIC_INPUT, _ANTHROPIC_TOKENS), (_ANTHROPIC_OUTPUT,)),
    "mistral": _Row((_MISTRAL_REQUESTS,), (_MISTRAL_TOKENS, _MISTRAL_OLDER_TOKENS)),
    "groq": _Row((), (_TOKENS,), (_REQUESTS,)),  # its requests are counted per day
    "cerebras": _Row((), (_TOKENS_MINUTE,), (_DAILY_REQUESTS,)),
    "openrouter": _Row(other=(_ANY,)),  # per minute or per day, it does not say
    "gemini": _Row(),
    "deepseek": _Row(),
    "bedrock": _Row(),
    "bedrock_converse": _Row(),
    "cohere": _Row(),
    "cohere_chat": _Row(),
}


def rate_rooms(headers: Mapping[str, str], *, provider: str) -> RateRooms:
    """The room left in the provider's per-minute budgets, as the headers of any of its replies tell it.

    `headers` has lower-case names. An unknown provider counts as OpenAI-like. Takes a few microseconds.
    """
    row = _ROWS.get(provider, _OPENAI_LIKE)
    requests, tokens = _room(headers, row.requests), _room(headers, row.tokens)
    return NO_ROOMS if requests is None and tokens is None else RateRooms(requests, tokens)


def _room(headers: Mapping[str, str], budgets: tuple[_Budget, ...]) -> Room | None:
    for limit, remaining, reset in budgets:
        left = _number(headers.get(remaining))
        if left is not None:
            reset_s = _wait_s(headers.get(reset), headers)
            is_per_minute = reset_s is None or reset_s <= _MINUTE_WITH_SLACK_S
            return Room(_number(headers.get(limit)) or None, left, reset_s) if is_per_minute else None
    return None


def retry_after_s(
    headers: Mapping[str, str], document: object, *, provider: str, now_utc: datetime | None = None
) -> float | None:
    """Seconds to wait before the next attempt, or None where the reply gives no usable hint.

    `headers` has lower-case names, `document` is the parsed body, of any shape. The first usable of: `retry-after-ms`,
    `retry-after`, the delay in the body, the delay in its message, the longest reset among the exhausted budgets.
    `now_utc` stands in for a missing `Date`; without either, an instant says nothing. The result is finite, at least
    0 and at most a year: too long a wait is the caller's to judge.
    """
    body = read_error(document)
    known = {"date": now_utc.isoformat()} if now_utc else {}
    known |= {**(body.headers or {}), **headers}
    hints = (
        _milliseconds(known.get("retry-after-ms")),
        _wait_s(known.get("retry-after"), known),
        _wait_s(body.retry_delay, known),
        _announced_s(body.message),
        max(_exhausted_resets(known, _ROWS.get(provider, _OPENAI_LIKE)), default=None),
    )
    return next((hint for hint in hints if hint is not None), None)


def _exhausted_resets(headers: Mapping[str, str], row: _Row) -> Iterator[float]:
    for budget in (*row.requests, *row.tokens, *row.other):
        # A budget that gives a reset and no remainder is the one that was hit.
        if _number(headers.get(budget.remaining, "0")) == 0:
            wait_s = _wait_s(headers.get(budget.reset), headers)
            if wait_s is not None:
                yield wait_s


# --- the ways to write a wait: 12, 0.5, 6m0s, 17ms, an epoch in s or ms, RFC 3339, HTTP date ---

_UNIT_S = {
    **dict.fromkeys(("ms", "mil"), 1e-3),
    **dict.fromkeys(("s", "sec"), 1.0),
    **dict.fromkeys(("m", "min"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hou"), 3_600.0),
    **dict.fromkeys(("d", "day"), 86_400.0),
}  # by the first three letters
# Compiled when they are first used, and kept by `re`: few scripts meet a hint, and all would pay at import.
_PIECE = (
    r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
)
_DURATION = rf"(?:{_PIECE},? ?)+"
_ANNOUNCED = rf"(?:try again|retry|wait)(?: (?:in|after|for))? ((?:{_PIECE},? ?)+)"
_HTTP_DATE = r"(?a)[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH_FROM, _EPOCH_MS_FROM = 1e9, 1e11


def _number(text: str | None) -> float | None:
    """A finite number of at least 0; Azure writes -1 for "unknown"."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _milliseconds(text: str | None) -> float | None:
    number = _number(text)
    return None if number is None else _sane(number / 1_000)


def _wait_s(text: str | None, headers: Mapping[str, str]) -> float | None:
    """Seconds from the reply's `date` header until what `text` says, in whichever way it says it."""
    if not text or len(text) > _MAX_HEADER_CHARS:
        return None
    wait_s, instant = _read(text)
    if instant is not None:
        sent = _read(headers.get("date", "")[:_MAX_HEADER_CHARS])[1]
        wait_s = None if sent is None else instant - sent
    return None if wait_s is None else _sane(wait_s)


@lru_cache(maxsize=512)  # within one second most replies say the same
def _read(text: str) -> tuple[float | None, float | None]:
    """`text` as (seconds, None), (None, epoch seconds), or (None, None) where it is neither."""
    number = _number(text)
    if number is None:
        return (_duration_s(text), None) if re.fullmatch(_DURATION, text) else (None, _instant_s(text))
    if number < _EPOCH_FROM:
        return number, None
    return None, number / (1_000 if number >= _EPOCH_MS_FROM else 1)


def _sane(wait_s: float) -> float | None:
    return wait_s if 0 <= wait_s <= _ABSURD_S else None


def _duration_s(text: str) -> float:
    return sum(float(count) * _UNIT_S[unit[:3]] for count, unit in re.findall(_PIECE, text))


def _announced_s(message: str) -> float | None:
    """The delay in a sentence such as `Please try again in 7m12s.`"""
    found = re.search(_ANNOUNCED, message[:_SEARCHED_CHARS].lower())
    return _sane(_duration_s(found[1])) if found else None


def _instant_s(text: str) -> float | None:
    """Epoch seconds of an HTTP date (RFC 9110) or an RFC 3339 instant; UTC where the zone is missing."""
    try:
        if http := re.fullmatch(_HTTP_DATE, text):
            day, month, year, hour, minute, second = http.groups()
            clock = (int(hour), int(minute), min(int(second), 59))  # second 60 is a leap second
            return datetime(int(year), _MONTHS.index(month) + 1, int(day), *clock, tzinfo=UTC).timestamp()
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
