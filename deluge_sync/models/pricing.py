"""What an answer cost. A price that is unknown makes the cost unknown; it is never taken for 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deluge_sync.models.model import Model
    from deluge_sync.response import Usage

__all__ = ["cost_usd"]


@dataclass(frozen=True, slots=True)
class _Prices:
    """US dollars per million tokens, None where unknown."""

    input: float | None
    cache_read: float | None
    cache_write: float | None
    output: float | None


def cost_usd(model: Model, usage: Usage, *, service_tier: str | None = None) -> float | None:
    """What `usage` cost at this model, in US dollars; None when a price it needs is unknown.

    Every token is counted once: cached ones at their own price, or at the full input price where the model has none.
    service_tier: the one the provider says it used. "default", "auto" and None mean the standard price; a tier for
    which the model has no price makes the cost unknown.
    """
    prices = _prices(model, service_tier)
    bill = (
        (usage.input_tokens, prices.input),
        (usage.cache_read_tokens, prices.cache_read),
        (usage.cache_write_tokens, prices.cache_write),
        (usage.output_tokens, prices.output),
    )
    if prices.input is None or any(price is None for tokens, price in bill if tokens):
        return None
    return sum(tokens * price for tokens, price in bill if price is not None) / 1_000_000


def _prices(model: Model, service_tier: str | None) -> _Prices:
    if service_tier in (None, "auto", "default"):
        return _with_cache(model, model.input_cost, model.output_cost)
    return _with_cache(model, *model.tier_costs.get(str(service_tier), (None, None)))


def _with_cache(model: Model, input_cost: float | None, output_cost: float | None) -> _Prices:
    """The cached prices follow the input's: a tier at half the price has cached tokens at half theirs."""
    return _Prices(
        input=input_cost,
        cache_read=_scaled(model.cached_input_cost, model.input_cost, input_cost),
        cache_write=_scaled(model.cache_write_cost, model.input_cost, input_cost),
        output=output_cost,
    )


def _scaled(cached_cost: float | None, standard_cost: float | None, input_cost: float | None) -> float | None:
    if cached_cost is None or not standard_cost or input_cost is None:
        return input_cost
    return cached_cost if input_cost == standard_cost else cached_cost * input_cost / standard_cost
