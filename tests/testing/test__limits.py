from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deluge_sync.errors import ConfigError
from deluge_sync.testing._limits import Limits


def test_the_whole_minute_may_come_at_once() -> None:
    limits = Limits(requests_per_minute=60, tokens_per_minute=None)
    assert [limits.admit(tokens=0, now=0.0) for _ in range(60)] == [None] * 60
    shortage = limits.admit(tokens=0, now=0.0)
    assert shortage is not None
    assert (shortage.dimension, shortage.limit) == ("requests", 60)
    assert shortage.retry_after_s == pytest.approx(1.0)


def test_a_burst_of_one_second_is_a_sixtieth_of_the_limit() -> None:
    limits = Limits(requests_per_minute=3000, tokens_per_minute=None, burst_s=1.0)
    admitted = [limits.admit(tokens=0, now=0.0) is None for _ in range(100)]
    assert admitted == [True] * 50 + [False] * 50
    assert limits.admit(tokens=0, now=0.02) is None


def test_a_refused_request_takes_from_neither_bucket() -> None:
    limits = Limits(requests_per_minute=60, tokens_per_minute=600)
    assert limits.admit(tokens=600, now=0.0) is None
    assert limits.admit(tokens=1, now=0.0) is not None
    assert limits.standings(0.0)["requests"].remaining == 59


def test_a_request_over_the_whole_budget_never_fits() -> None:
    shortage = Limits(requests_per_minute=None, tokens_per_minute=600).admit(tokens=601, now=0.0)
    assert shortage is not None
    assert math.isinf(shortage.retry_after_s)


def test_standings_tell_what_is_left_and_when_it_is_full() -> None:
    limits = Limits(requests_per_minute=60, tokens_per_minute=6000)
    limits.admit(tokens=1500, now=0.0)
    standings = limits.standings(5.0)
    assert (standings["tokens"].limit, standings["tokens"].remaining) == (6000, 5000)
    assert standings["tokens"].reset_s == pytest.approx(10.0)
    assert standings["requests"].remaining == 60


def test_a_clock_that_goes_back_neither_refills_nor_empties() -> None:
    limits = Limits(requests_per_minute=60, tokens_per_minute=None, burst_s=1.0)
    limits.standings(5.0)
    assert limits.standings(4.0)["requests"].remaining == 1
    assert limits.admit(tokens=0, now=10.0) is None
    assert limits.admit(tokens=0, now=2.0) is not None
    assert limits.admit(tokens=0, now=10.5) is not None
    assert limits.admit(tokens=0, now=11.0) is None


def test_limits_that_admit_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="requests_per_minute=30"):
        Limits(requests_per_minute=30, tokens_per_minute=None, burst_s=1.0)
    with pytest.raises(ConfigError, match="burst_s"):
        Limits(requests_per_minute=30, tokens_per_minute=None, burst_s=0)


@given(
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=200),
    per_minute=st.integers(60, 6000),
    burst_s=st.sampled_from([1.0, 10.0, 60.0]),
)
def test_no_window_admits_more_than_burst_and_refill(gaps: list[float], per_minute: int, burst_s: float) -> None:
    limits = Limits(requests_per_minute=per_minute, tokens_per_minute=None, burst_s=burst_s)
    now, admitted = 0.0, []
    for gap in gaps:
        now += gap
        if limits.admit(tokens=0, now=now) is None:
            admitted.append(now)
    for first, start in enumerate(admitted):
        for count, end in enumerate(admitted[first:], start=1):
            assert count <= per_minute * (burst_s + end - start) / 60 + 1e-6


@given(waits=st.lists(st.floats(0, 2), max_size=50))
def test_who_waits_as_told_is_admitted(waits: list[float]) -> None:
    limits = Limits(requests_per_minute=120, tokens_per_minute=6000, burst_s=1.0)
    now = 0.0
    for wait_s in waits:
        now += wait_s
        shortage = limits.admit(tokens=60, now=now)
        if shortage is not None:
            now += shortage.retry_after_s
            assert limits.admit(tokens=60, now=now) is None
