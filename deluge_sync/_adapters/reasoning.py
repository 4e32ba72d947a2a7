"""How much a model shall reason, said in the two ways there are: as an effort, and as a budget in tokens.

A user sets either; which one a model takes is `Model.reasoning_control`. Used by the adapters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from deluge_sync.config import ReasoningEffort, SamplingParams

__all__ = ["budget_of", "effort_of"]

# The tokens we take an effort to mean where the provider asks for a number, the largest last.
_BUDGETS: Final[dict[ReasoningEffort, int]] = {"none": 0, "minimal": 512, "low": 1_024, "medium": 4_096, "high": 16_384}


def effort_of(params: SamplingParams) -> ReasoningEffort | None:
    """The effort the user asked for; for a budget the smallest effort that is meant to use as much."""
    if params.reasoning_effort is not None or params.thinking_budget is None:
        return params.reasoning_effort
    budget = params.thinking_budget
    return next((effort for effort, tokens in _BUDGETS.items() if budget <= tokens), "high")


def budget_of(params: SamplingParams) -> int | None:
    """The budget the user asked for, in tokens; 0 is no reasoning, None leaves it to the model."""
    if params.thinking_budget is not None or params.reasoning_effort is None:
        return params.thinking_budget
    return _BUDGETS[params.reasoning_effort]
