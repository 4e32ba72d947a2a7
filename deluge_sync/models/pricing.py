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
    cache_write_1h: float | None
    output: float | None
    reasoning: float | None


def cost_usd(model: Model, usage: Usage, *, service_tier: str | None = None) -> float | None:
    """What `usage` cost at this model, in US dollars; None when a price it needs is unknown.

    Every token is counted once: cached ones at their own price, or at the full input price where the model has none,
    reasoning at its own or the output's. A vendor that asks more for writing to its cache asks yet more for keeping it
    an hour, so that price is not guessed from the other. service_tier: the one the provider says it used. "default",
    "auto" and None mean the standard price; a tier for which the model has no price makes the cost unknown.
    """
    prices = _prices(model, service_tier)
    bill = _bill(usage, prices)
    if prices.input is None or any(price is None for tokens, price in bill if tokens):
        return None
    return sum(tokens * price for tokens, price in bill if price is not None) / 1_000_000


def _bill(usage: Usage, prices: _Prices) -> tuple[tuple[int, float | None], ...]:
    """Every token in one place. A part is never more than its whole, whatever a provider counts."""
    kept_1h = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    reasoning = min(usage.reasoning_tokens, usage.output_tokens)
    return (
        (usage.input_tokens, prices.input),
        (usage.cache_read_tokens, prices.cache_read),
        (usage.cache_write_tokens - kept_1h, prices.cache_write),
        (kept_1h, prices.cache_write_1h),
        (usage.output_tokens - reasoning, prices.output),
        (reasoning, prices.reasoning),
    )


def _prices(model: Model, service_tier: str | None) -> _Prices:
    if service_tier in (None, "auto", "default"):
        return _complete(model, model.input_cost, model.output_cost)
    return _complete(model, *model.tier_costs.get(str(service_tier), (None, None)))


def _complete(model: Model, input_cost: float | None, output_cost: float | None) -> _Prices:
    """The special prices follow the plain ones: a tier at half the price has cached tokens at half theirs."""
    writes_are_plain = model.cache_write_cost is None
    kept_1h = _scaled(model.cache_write_1h_cost, model.input_cost, input_cost)
    return _Prices(
        input=input_cost,
        cache_read=_scaled(model.cached_input_cost, model.input_cost, input_cost),
        cache_write=_scaled(model.cache_write_cost, model.input_cost, input_cost),
        cache_write_1h=kept_1h if writes_are_plain or model.cache_write_1h_cost is not None else None,
        output=output_cost,
        reasoning=_scaled(model.reasoning_cost, model.output_cost, output_cost),
    )


def _scaled(special: float | None, standard: float | None, plain: float | None) -> float | None:
    """The special price in proportion to the plain one; the plain one where there is no special price."""
    if special is None or not standard or plain is None:
        return plain
    return special if plain == standard else special * plain / standard
