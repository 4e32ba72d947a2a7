from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import pytest

from deluge_sync.errors import ApiStatusError, ConfigError, DeadlineExceededError, DelugeError, TransportError
from deluge_sync.prompt.retrying import is_passing, pause_s, retrying

Failing = Callable[..., Any]

CONNECT = TransportError("connect", "refused", may_have_been_processed=False)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_status_that_passes_is_known(status: int) -> None:
    assert is_passing(ApiStatusError(status, None))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422, 451])
def test_a_status_that_stays_is_known(status: int) -> None:
    assert not is_passing(ApiStatusError(status, None))


@pytest.mark.parametrize(
    ("kind", "passes"),
    [("connect", True), ("broken", True), ("illegal", False), ("tls", False), ("too_large", False)],
)
def test_of_the_troubles_of_a_connection_some_pass(kind: Any, passes: bool) -> None:
    assert is_passing(TransportError(kind, "x", may_have_been_processed=False)) is passes


def test_a_time_that_was_up_may_do_another_time_and_wrong_use_stays() -> None:
    assert is_passing(DeadlineExceededError("x", may_have_been_processed=True))
    assert not is_passing(ConfigError("x"))


def test_pauses_double_and_end_at_eight_seconds() -> None:
    assert [pause_s(failures, 1.0) for failures in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert [pause_s(failures, 0.0) for failures in range(1, 7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]


@pytest.fixture
def failing() -> Failing:
    """`failing(*errors)` works once it has raised all of them. Gives what came, the number of tries, the pauses."""

    def attempt(*errors: BaseException, attempts: int = 3, seconds_left: float = inf) -> tuple[Any, int, list[float]]:
        pending: Iterator[BaseException] = iter(errors)
        pauses: list[float] = []
        tries = 0

        def work() -> str:
            nonlocal tries
            tries += 1
            for error in pending:
                raise error
            return "done"

        try:
            outcome: Any = retrying(
                work, attempts=attempts, seconds_left=lambda: seconds_left, wait=pauses.append, chance=lambda: 1.0
            )
        except DelugeError as error:
            outcome = error
        return outcome, tries, pauses

    return attempt


def test_work_that_fails_for_a_passing_reason_is_tried_again(failing: Failing) -> None:
    assert failing(CONNECT, ApiStatusError(503, None)) == ("done", 3, [0.5, 1.0])


def test_work_that_keeps_failing_ends_with_its_last_error(failing: Failing) -> None:
    last = ApiStatusError(503, None)
    assert failing(CONNECT, CONNECT, last) == (last, 3, [0.5, 1.0])


def test_what_does_not_pass_is_not_tried_again(failing: Failing) -> None:
    error = ApiStatusError(404, None)
    assert failing(error) == (error, 1, [])


def test_nothing_is_tried_again_without_time_for_the_pause(failing: Failing) -> None:
    assert failing(CONNECT, seconds_left=0.5) == (CONNECT, 1, [])
    assert failing(CONNECT, seconds_left=0.6) == ("done", 2, [0.5])


def test_a_bug_travels_out_at_once(failing: Failing) -> None:
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())
