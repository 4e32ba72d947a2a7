from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deluge_sync._adapters.hints import NO_ROOMS, RateRooms, Room, rate_rooms, retry_after_s

DATE = {"date": "Mon, 02 Nov 2026 10:00:00 GMT"}


def _wait(headers: dict[str, str] | None = None, document: Any = None, provider: str = "openai") -> float | None:
    return retry_after_s(headers or {}, document, provider=provider)


# --- one hint, every way to write it ---


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("12", 12),
        ("0.5", 0.5),
        (" 12 ", 12),
        ("0", 0),
        ("17ms", 0.017),
        ("1s", 1),
        ("6m0s", 360),
        ("2m59.56s", 179.56),
        ("1h30m", 5_400),
        ("1d", 86_400),
        ("Mon, 02 Nov 2026 10:00:30 GMT", 30),
        ("Tue, 03 Nov 2026 00:00:00 GMT", 50_400),
        ("2026-11-02T10:00:30Z", 30),
        ("2026-11-02T10:00:30.250Z", 30.25),
        ("2026-11-02T11:00:30+01:00", 30),
        ("2026-11-02T10:00:30", 30),
        ("1793613630", 30),
        ("1793613630.5", 30.5),
        ("1793613630250", 30.25),
    ],
)
def test_wait_is_read_in_every_form(text: str, wait_s: float) -> None:
    assert _wait({**DATE, "retry-after": text}) == pytest.approx(wait_s, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        *("-1", "-0.001", "nan", "inf", "-inf", "1e999", "", "soon", "12 apples", "s", "5months", "1.2.3s"),
        *("Mon, 02 Nov 2026 09:59:59 GMT", "2026-11-02T09:59:59Z", "1793613599", "1793613599999"),
        *("Mon, 99 Nov 2026 10:00:30 GMT", "Mon, 02 Foo 2026 10:00:30 GMT", "2026-13-02T10:00:30Z"),
        *("40000000", "9" * 15 + "s", "9" * 400, "1s" * 100, "3026-11-02T10:00:30Z", "0001-01-01T00:00:00+23:59"),
    ],
)
def test_unusable_wait_is_no_wait(text: str) -> None:
    assert _wait({**DATE, "retry-after": text}) is None


def test_instant_is_read_against_the_replys_own_date_and_not_our_clock() -> None:
    long_ago = {"date": "Thu, 01 Jan 2015 00:00:00 GMT"}
    assert _wait({**long_ago, "retry-after": "Thu, 01 Jan 2015 00:00:07 GMT"}) == 7


def test_given_time_stands_in_for_a_missing_date_only() -> None:
    now = datetime(2026, 11, 2, 10, 0, 20, tzinfo=UTC)
    headers = {"retry-after": "Mon, 02 Nov 2026 10:00:30 GMT"}
    assert retry_after_s(headers, None, provider="openai") is None
    assert retry_after_s(headers, None, provider="openai", now_utc=now) == 10
    assert retry_after_s({**DATE, **headers}, None, provider="openai", now_utc=now) == 30


# --- which hint ---


def test_the_more_exact_hint_wins_and_an_unusable_one_gives_way() -> None:
    headers = {
        "retry-after-ms": "1500",
        "retry-after": "2",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "5s",
    }
    delay = {"error": {"message": "try again in 4s", "details": [{"retryDelay": "3s"}]}}
    words = {"error": {"message": "try again in 4s"}}
    assert _wait(headers, delay) == 1.5
    del headers["retry-after-ms"]
    assert _wait(headers, delay) == 2
    headers["retry-after"] = "-2"
    assert _wait(headers, delay) == 3
    assert _wait(headers, words) == 4
    assert _wait(headers, None) == 5
    headers["x-ratelimit-remaining-tokens"] = "1"
    assert _wait(headers, None) is None


@pytest.mark.parametrize(
    ("message", "wait_s"),
    [
        ("Please try again in 9.816s.", 9.816),
        ("Please try again in 7m12s. See the docs.", 432),
        ("Please try again in 345ms.", 0.345),
        ("please retry in 58.821668433s.", 58.821668433),
        ("Please retry after 26 seconds.", 26),
        ("Try again in 2 minutes, 5 seconds", 125),
        ("wait 250 milliseconds", 0.25),
        ("Please try again in 1 hour", 3_600),
        ("Please try again in 1d2h", 93_600),
        ("Please try again later.", None),
        ("Please try again in 5 months", None),
        ("you sent 30s of audio", None),
        ("Please try again in -5s", None),
        ("Please try again in 999999999999999d", None),
        ("x" * 5_000 + "try again in 5s", None),
    ],
)
def test_wait_is_read_from_a_sentence(message: str, wait_s: float | None) -> None:
    assert _wait(document={"error": {"message": message}}) == pytest.approx(wait_s)


@pytest.mark.parametrize("delay", ["38", "38s", "38.0s"])
def test_delay_in_the_details_is_read(delay: str) -> None:
    details = [{"@type": "Help"}, "noise", {"@type": "RetryInfo", "retryDelay": delay}]
    assert _wait(document={"error": {"details": details}}, provider="gemini") == 38


def test_only_exhausted_budgets_count_and_of_these_the_longest() -> None:
    headers = {
        **DATE,
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": "2026-11-02T10:00:59Z",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2026-11-02T10:00:10Z",
        "anthropic-ratelimit-output-tokens-remaining": "0",
        "anthropic-ratelimit-output-tokens-reset": "2026-11-02T10:00:20Z",
    }
    assert _wait(headers, provider="anthropic") == 20


def test_unknown_remainder_is_not_an_exhausted_budget() -> None:
    headers = {"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "10s"}
    assert _wait(headers, provider="azure") is None


# --- rooms ---

OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-limit-tokens": "200000",
    "x-ratelimit-remaining-tokens": "150000",
    "x-ratelimit-reset-tokens": "15s",
}
ANTHROPIC = {
    **DATE,
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "48",
    "anthropic-ratelimit-requests-reset": "2026-11-02T10:00:02Z",
    "anthropic-ratelimit-input-tokens-limit": "30000",
    "anthropic-ratelimit-input-tokens-remaining": "29000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-02T10:00:03Z",
    "anthropic-ratelimit-tokens-limit": "38000",
    "anthropic-ratelimit-tokens-remaining": "37000",
    "anthropic-ratelimit-tokens-reset": "2026-11-02T10:00:04Z",
}
OPENAI_ROOMS = RateRooms(Room(5_000, 4_999, 0.012), Room(200_000, 150_000, 15))


@pytest.mark.parametrize(
    ("provider", "headers", "rooms"),
    [
        ("openai", OPENAI, OPENAI_ROOMS),
        ("unheard-of", OPENAI, OPENAI_ROOMS),
        ("openai", {}, NO_ROOMS),
        ("groq", OPENAI, RateRooms(None, Room(200_000, 150_000, 15))),
        ("anthropic", ANTHROPIC, RateRooms(Room(50, 48, 2), Room(30_000, 29_000, 3))),
        (
            "anthropic",
            {k: v for k, v in ANTHROPIC.items() if k != "date"},
            RateRooms(Room(50, 48, None), Room(30_000, 29_000, None)),
        ),
        (
            "anthropic",
            {k: v for k, v in ANTHROPIC.items() if "input" not in k},
            RateRooms(Room(50, 48, 2), Room(38_000, 37_000, 4)),
        ),
        (
            "mistral",
            {"x-ratelimit-limit-req-minute": "60", "x-ratelimit-remaining-req-minute": "59"},
            RateRooms(Room(60, 59, None), None),
        ),
        (
            "mistral",
            {"x-ratelimit-limit-tokens-minute": "500", "x-ratelimit-remaining-tokens-minute": "0"},
            RateRooms(None, Room(500, 0, None)),
        ),
        (
            "mistral",
            {"ratelimitbysize-limit": "500", "ratelimitbysize-remaining": "90", "ratelimitbysize-reset": "9"},
            RateRooms(None, Room(500, 90, 9)),
        ),
        (
            "azure",
            {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-remaining-tokens": "70"},
            RateRooms(None, Room(None, 70, None)),
        ),
        (
            "azure",
            {"x-ratelimit-limit-tokens": "0", "x-ratelimit-remaining-tokens": "0"},
            RateRooms(None, Room(None, 0, None)),
        ),
        *((provider, OPENAI, NO_ROOMS) for provider in ("gemini", "deepseek", "bedrock", "cohere", "openrouter")),
    ],
)
def test_rooms_are_read_from_each_providers_headers(provider: str, headers: dict[str, str], rooms: RateRooms) -> None:
    assert rate_rooms(headers, provider=provider) == rooms


def test_reply_without_rooms_costs_no_new_object() -> None:
    assert rate_rooms({}, provider="openai") is NO_ROOMS
    assert rate_rooms({}, provider="gemini") is NO_ROOMS


def test_budget_that_takes_minutes_to_refill_is_not_one_per_minute() -> None:
    headers = {**OPENAI, "x-ratelimit-reset-requests": "7m12s"}
    assert rate_rooms(headers, provider="openai") == RateRooms(None, Room(200_000, 150_000, 15))


@pytest.mark.parametrize("junk", ["nan", "inf", "-1", "", "many", "1e999"])
def test_unusable_numbers_are_left_out(junk: str) -> None:
    remaining_is_junk = {**OPENAI, "x-ratelimit-remaining-requests": junk}
    assert rate_rooms(remaining_is_junk, provider="openai").requests is None
    others_are_junk = {**OPENAI, "x-ratelimit-limit-requests": junk, "x-ratelimit-reset-requests": junk}
    assert rate_rooms(others_are_junk, provider="openai").requests == Room(None, 4_999, None)


# --- anything a server can send ---

TEXTS = (
    st.text(max_size=20)
    | st.floats().map(str)
    | st.integers().map(str)
    | st.from_regex(r"\A([0-9]{1,20}(\.[0-9]{1,20})? ?(ms|s|m|h|d),? ?){1,4}\Z")
    | st.datetimes().map(datetime.isoformat)
    | st.datetimes().map("{:%a, %d %b %Y %H:%M:%S} GMT".format)
)
NAMES = st.sampled_from([*OPENAI, *ANTHROPIC, "retry-after", "retry-after-ms", "x-ratelimit-reset"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    headers=st.dictionaries(NAMES, TEXTS),
    message=TEXTS,
    now=st.none() | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
    provider=st.sampled_from(["openai", "anthropic", "mistral", "groq", "openrouter", "gemini", "x"]),
)
def test_numbers_are_finite_and_not_negative(
    headers: dict[str, str], message: str, now: datetime | None, provider: str
) -> None:
    document = {"error": {"message": f"try again in {message}", "details": [{"retryDelay": message}]}}
    rooms = rate_rooms(headers, provider=provider)
    numbers = [retry_after_s(headers, document, provider=provider, now_utc=now)]
    for room in (rooms.requests, rooms.tokens):
        numbers += [room.limit, room.remaining, room.reset_s] if room else []
    assert all(number is None or (math.isfinite(number) and number >= 0) for number in numbers)
