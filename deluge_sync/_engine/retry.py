"""What to do after an attempt that gave no answer: pure decisions, with time and chance as arguments.

    decide(failure, history, policy) -> GiveUp | SendAgain

It looks at one prompt alone. What holds all retries of a key together is in `brake`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deluge_sync._adapters.failure import LONGEST_HINT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync._adapters.failure import Failure

__all__ = ["Decision", "GiveUp", "History", "RetryPolicy", "SendAgain", "decide"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_attempts` counts the first one. Times are seconds.

    The wait grows from `base_s` (`busy_base_s` after an overload or a rate limit without a hint) by doubling up to
    `longest_s`, and is drawn evenly from zero to that (full jitter). A rate-limit reply costs no attempt; a prompt
    is held by them for at most `refusal_patience_s`.
    """

    max_attempts: int = 5
    base_s: float = 0.5
    busy_base_s: float = 1.0
    longest_s: float = 30.0
    hint_spread: float = 0.1
    refusal_patience_s: float = 600.0


@dataclass(frozen=True, slots=True)
class History:
    """What happened to the prompt so far. `attempts` were made and count; `refusals` were rate limits and do not."""

    attempts: int
    refusals: int
    elapsed_s: float
    seconds_left: float
    has_other_model: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The failure is the answer. `reason` is added to its message where the failure alone does not explain it."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Try again in `delay_s`. `cost` is what the brake's purse pays for it."""

    delay_s: float
    cost: int = 0
    to_other_model: bool = False


Decision = GiveUp | SendAgain

_RETRY_COST = 14
_BUSY_COST = 5


def decide(failure: Failure, history: History, policy: RetryPolicy, random: Callable[[], float]) -> Decision:
    """What comes after `failure`. `random` gives numbers from 0 to 1.

    A rate limit is waited out, whatever the number of attempts. Everything else counts as an attempt; what the same
    model cannot mend goes to another one at once, if there is one.
    """
    traits = failure.traits
    if traits.pauses_key and traits.same_model_may_help:
        return _wait_out(failure, history, policy, random)
    if history.attempts >= policy.max_attempts:
        return GiveUp(f"gave up after {history.attempts} attempts" if history.attempts > 1 else None)
    if not traits.same_model_may_help:
        switches = traits.other_model_may_help and history.has_other_model
        return SendAgain(0.0, to_other_model=True) if switches else GiveUp()
    if failure.retry_after_s is not None and failure.retry_after_s > LONGEST_HINT_S:
        return GiveUp(f"the provider asks to wait {failure.retry_after_s:.0f} s")
    base_s = policy.busy_base_s if traits.slows_down else policy.base_s
    delay_s = _wait_s(failure, policy, base_s, history.attempts, random)
    if delay_s > history.seconds_left:
        return GiveUp("no time is left for another attempt")
    cost = _BUSY_COST if traits.slows_down else _RETRY_COST
    return SendAgain(delay_s, cost, to_other_model=history.has_other_model)


def _wait_out(failure: Failure, history: History, policy: RetryPolicy, random: Callable[[], float]) -> Decision:
    delay_s = _wait_s(failure, policy, policy.busy_base_s, history.refusals, random)
    if delay_s > history.seconds_left:
        return GiveUp("no time is left for another attempt")
    if history.elapsed_s + delay_s > policy.refusal_patience_s:
        return GiveUp(f"still rate limited after {history.elapsed_s:.0f} s")
    return SendAgain(delay_s)


def _wait_s(
    failure: Failure, policy: RetryPolicy, base_s: float, times_before: int, random: Callable[[], float]
) -> float:
    """The server's hint or our own backoff, whichever is longer; hints are spread out, so that no herd comes back."""
    ceiling_s = min(policy.longest_s, base_s * 2.0 ** max(0, times_before - 1))
    backoff_s = ceiling_s * random()
    if failure.retry_after_s is None:
        return backoff_s
    return max(failure.retry_after_s, backoff_s) * (1 + policy.hint_spread * random())
