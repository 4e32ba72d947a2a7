"""How the real limit is found where the one we were told is too high."""

from __future__ import annotations

import pytest

from deluge_sync._engine.pace import Pace

LATENCY_S = 0.2


class Provider:
    """A bucket that holds a second's worth, and what a client at a given pace meets there."""

    def __init__(self, per_minute: float) -> None:
        self.per_s = per_minute / 60
        self.level = self.per_s

    def run(self, pace: Pace, seconds: float, *, retry_after_s: float = 1.0) -> tuple[int, int]:
        """Send for so long; returns (answered, refused). Replies come after the latency, in order."""
        now = sent_at = resumes_at = 0.0
        replies: list[tuple[float, bool]] = []
        answered = refused = 0
        while now < seconds:
            self.level = min(self.per_s, self.level + self.per_s * (now - sent_at))
            sent_at = now
            is_answered = self.level >= 1
            self.level -= is_answered
            replies.append((now + LATENCY_S, is_answered))
            while replies and replies[0][0] <= now:
                _, is_ok = replies.pop(0)
                answered += is_ok
                refused += not is_ok
                if is_ok:
                    pace.answered(now)
                else:
                    pace.refused(now, now + retry_after_s, pace.rate)
                    resumes_at = max(resumes_at, now + retry_after_s)
            now = max(now + 60 / pace.rate, resumes_at)
        return answered, refused


def test_a_limit_that_was_told_right_is_used_whole() -> None:
    pace = Pace(3_000, 0.0)
    answered, refused = Provider(3_100).run(pace, 60)

    assert (pace.rate, refused) == (3_000, 0)
    assert answered > 2_950


@pytest.mark.parametrize("told", [4_000, 6_000, 60_000])
def test_a_limit_that_was_told_too_high_is_found(told: float) -> None:
    pace, provider = Pace(told, 0.0), Provider(3_000)
    provider.run(pace, 60)
    pace_then = pace.rate
    answered, refused = provider.run(Settled(pace), 300)

    assert pace_then < 3_600
    assert answered >= 0.85 * 3_000 * 5
    assert refused <= 0.01 * (answered + refused)


class Settled(Pace):
    """A pace that begins where another is, with a clock that begins anew."""

    def __init__(self, found: Pace) -> None:
        super().__init__(found.limit, 0.0)
        self._rate, self._peak, self._scale = found.rate, found._peak, found._scale


def test_refusals_of_one_moment_count_once() -> None:
    pace = Pace(6_000, 0.0)
    for _ in range(20):
        pace.refused(10.0, 11.0, 6_000)

    assert pace.rate == 4_500


def test_a_refusal_of_a_burst_leaves_the_pace() -> None:
    pace = Pace(3_000, 0.0)
    pace.refused(1.0, 2.0, 9_000)
    assert pace.rate == 3_000

    pace.refused(4.0, 5.0, 9_000)  # again at once: then it is the pace after all
    assert pace.rate == 3_000 * 0.75


def test_near_the_last_refusal_the_step_is_small() -> None:
    pace = Pace(6_000, 0.0)
    pace.refused(10.0, 11.0, 6_000)
    pace.refused(20.0, 21.0, 4_500)
    assert pace.rate == 4_500 * 0.75  # a quarter below the first one is far

    pace.refused(30.0, 31.0, pace.rate)
    pace.refused(40.0, 41.0, pace.rate)
    before = pace.rate
    pace._peak = before
    pace.refused(50.0, 51.0, before)
    assert pace.rate == pytest.approx(before * 0.9)


def test_answers_raise_the_pace_up_to_the_limit_and_no_further() -> None:
    pace = Pace(600, 0.0)
    pace.refused(1.0, 2.0, 600)
    for second in range(3, 300):
        pace.answered(float(second))

    assert pace.rate == 600
    assert not pace.answered(301.0)


def test_a_pace_that_was_told_nothing_doubles_each_second_until_it_is_refused() -> None:
    pace = Pace(10**9, 0.0, start=600)
    for tenth in range(31):
        pace.answered(tenth / 10)
    assert pace.rate == pytest.approx(600 * 2**3)

    pace.refused(3.0, 4.0, 4_800)
    pace.answered(5.0)
    assert pace.rate < 4_800


def test_refusals_of_what_went_before_the_pause_are_the_same_one() -> None:
    pace = Pace(6_000, 0.0)
    pace.refused(10.0, 11.0, 6_000, let_go_at=8.0)
    for late in (11.5, 12.0, 17.0):
        pace.refused(late, late + 1, 6_000, let_go_at=9.9)
    assert pace.rate == 4_500

    pace.refused(20.0, 21.0, 4_500, let_go_at=18.5)
    assert pace.rate == 4_500 * 0.75


def test_well_below_the_last_refusal_the_pace_rises_fast_and_near_it_slowly() -> None:
    pace = Pace(6_000, 0.0)
    pace.refused(10.0, 11.0, 6_000)  # 4,500 now
    pace.answered(12.0)
    assert pace.rate == pytest.approx(4_500 + 0.02 * 6_000)

    pace._rate = 5_400.0
    pace.answered(13.0)
    assert pace.rate == pytest.approx(5_400 + 0.005 * 6_000)


def test_a_limit_that_was_found_again_and_again_is_tried_less_often_until_a_minute_has_passed_without_a_refusal() -> (
    None
):
    pace = Pace(6_000, 0.0)
    for ten_seconds in range(1, 6):
        pace.refused(10.0 * ten_seconds, 10.0 * ten_seconds + 1, 3_000)
        pace._rate = 3_000.0
    pace.answered(52.0)
    assert pace.rate - 3_000 == pytest.approx(0.005 / 4 * pace._scale)

    pace._rate = 3_000.0
    pace._changed_at = 111.0
    pace.answered(112.0)
    assert pace.rate - 3_000 == pytest.approx(0.005 * pace._scale)


def test_what_the_provider_tells_caps_the_pace() -> None:
    pace = Pace(6_000, 0.0)
    pace.told = 3_000
    assert pace.rate == 3_000
    pace.told = 9_000
    assert pace.rate == 6_000


def test_refusals_that_have_nothing_to_do_with_the_rate_do_not_stop_everything() -> None:
    pace, now, answered = Pace(6_000, 0.0), 0.0, 0
    for number in range(20_000):
        now += 60 / pace.rate
        if number % 20 == 0:
            pace.refused(now, now, pace.rate)
        else:
            pace.answered(now)
            answered += 1

    assert pace.rate > 3_000
    assert answered / now * 60 > 3_000


def test_a_pace_never_falls_to_nothing() -> None:
    pace = Pace(600, 0.0)
    for minute in range(200):
        pace.refused(60.0 * minute, 60.0 * minute + 1, pace.rate)

    assert pace.rate > 0
