"""Tries again what failed for a passing reason: a download or an upload, which no job of the engine stands behind.

The rules are plain computation; `retrying` waits by the function that it is given. `fetching` and `remote` call it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from deluge_sync.errors import ApiStatusError, DelugeError, TransportError

__all__ = ["is_passing", "pause_s", "retrying"]

T = TypeVar("T")

_PASSING_KINDS: Final = frozenset({"connect", "timeout", "broken"})
_PASSING_STATUSES: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 8.0


def is_passing(error: DelugeError) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, TransportError):
        return error.kind in _PASSING_KINDS
    return isinstance(error, ApiStatusError) and error.status in _PASSING_STATUSES


def pause_s(failures: int, chance: float) -> float:
    """The pause after so many failures: doubled each time, and drawn between half of it and all by `chance` (0 to 1).

    Never near zero, unlike the engine's: no shared pause of a rate limit holds these back.
    """
    ceiling_s: float = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (failures - 1))
    return ceiling_s * (0.5 + 0.5 * chance)


def retrying(
    work: Callable[[], T],
    *,
    attempts: int,
    seconds_left: Callable[[], float],
    wait: Callable[[float], object],
    chance: Callable[[], float],
) -> T:
    """What `work` gives, tried at most `attempts` times and as long as there is time for the pause before.

    Raises:
        DelugeError: what `work` raised the last time. Anything else that it raises travels out at once.
    """
    failures = 0
    while True:
        try:
            return work()
        except DelugeError as error:
            failures += 1
            pause = pause_s(failures, chance())
            if failures == attempts or not is_passing(error) or pause >= seconds_left():
                raise
        wait(pause)
