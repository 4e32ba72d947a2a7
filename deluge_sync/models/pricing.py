"""What an answer cost. A price that is unknown makes the cost unknown; it is never taken for 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deluge_sync.models.model import Model
    from deluge_sync.response import Usage

__all__ = ["cost_usd", "highest_cost_usd"]


_MOST_KNOWN = 256
# By identity, because a model has too many fields to be hashed for each answer.
_known: dict[tuple[int, str | None], tuple[Model, _Prices]] = {}


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
    prices, cost = _prices(model, service_tier), 0.0
    if prices.input is None:
        return None
    for tokens, price in _bill(usage, prices):
        if tokens and price is None:
            return None
        cost += tokens * (price or 0.0)
    return cost / 1_000_000


def highest_cost_usd(
    model: Model, input_tokens: int, output_tokens: int, *, service_tier: str | None = None, is_cached: bool = False
) -> float | None:
    """The most that so many tokens can cost, in US dollars; None when a price is unknown.

    Tokens of either sort are counted at the dearest price that may be asked for them: reasoning or answer, and with
    `is_cached` writing to the provider's cache. A provider may serve a request at the standard tier instead of the
    `service_tier` that was asked for, so the dearer of both counts.
    """
    costs: list[float] = []
    for prices in (_prices(model, None), _prices(model, service_tier)):
        if prices.input is None or (prices.output is None and output_tokens):
            return None
        writes = (prices.cache_write, prices.cache_write_1h) if is_cached else ()
        input_price = max(price for price in (prices.input, *writes) if price is not None)
        output_price = max(prices.output or 0.0, prices.reasoning or 0.0)
        costs.append(input_tokens * input_price + output_tokens * output_price)
    return max(costs) / 1_000_000


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
    key = (id(model), service_tier)
    known = _known.get(key)
    if known is None or known[0] is not model:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[key] = (model, _find_prices(model, service_tier))
    return known[1]


def _find_prices(model: Model, service_tier: str | None) -> _Prices:
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
