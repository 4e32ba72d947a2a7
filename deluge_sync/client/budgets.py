"""`max_cost`: what a call may spend, checked and made into a budget. How it is kept is the engine's business."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deluge_sync._engine.budget import Budget
from deluge_sync._engine.job import Run
from deluge_sync.client import settings
from deluge_sync.errors import ConfigError
from deluge_sync.models.pricing import highest_cost_usd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deluge_sync.models import Model

__all__ = ["budget_of_client", "run_within"]


def budget_of_client(max_cost: float | None, models: Iterable[Model]) -> Budget | None:
    """The budget of all calls of a client together; None without a bound.

    Raises:
        ConfigError: `max_cost` is no amount of money, or a model has no known price.
    """
    if max_cost is None:
        return None
    _check(max_cost, models, None)
    return Budget(max_cost, name="the client's max_cost")


def run_within(
    budget: Budget | None, max_cost: float | None, models: Iterable[Model], *, service_tier: str | None
) -> Run:
    """What one call of the client is: with a budget of its own within the client's, where it has either.

    Raises:
        ConfigError: as in `budget_of_client`; also, a model has no known price at this service tier.
    """
    if max_cost is not None:
        _check(max_cost, models, service_tier)
        return Run(Budget(max_cost, within=budget))
    if budget is not None:
        _check(budget.max_usd, models, service_tier)
    return Run(budget)


def _check(max_cost: float, models: Iterable[Model], service_tier: str | None) -> None:
    if max_cost != 0:  # with nothing to spend, what is in a cache is still answered
        settings.check_numbers(max_cost=max_cost)
    for model in models:
        answers = 1 if model.mode == "chat" else 0
        if highest_cost_usd(model, 1, answers, service_tier=service_tier) is None:
            at_tier = f" at service_tier={service_tier!r}" if service_tier is not None else ""
            raise ConfigError(
                f"max_cost cannot be kept: no price is known for model {model.id!r}{at_tier} "
                "(register_model(..., input_cost=, output_cost=) tells it)"
            )
