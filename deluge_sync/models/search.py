"""Finds models by what they can do and what they cost. Looks at the registry only; what it does not know is not found.

Callers: users, through `deluge_sync.models`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from deluge_sync.errors import ConfigError
from deluge_sync.models import lookup
from deluge_sync.models.model import Model

__all__ = ["find_models"]

_SAME: Final = ("provider", "maker", "api_spec", "mode", "reasoning_control", "max_tokens_field")
_FLAGS: Final = frozenset([name for name, field in Model.__dataclass_fields__.items() if field.type == "bool"])
_AT_MOST: Final = {
    "max_input_price": "input_cost",
    "max_output_price": "output_cost",
    "max_cached_input_price": "cached_input_cost",
    "max_cache_write_price": "cache_write_cost",
}
_AT_LEAST: Final = {"min_context_tokens": "context_tokens", "min_output_tokens": "max_output_tokens"}


def find_models(*, mode: str | None = "chat", **filters: Any) -> list[Model]:
    """The models that fit every filter, the cheapest first (input plus output), those of unknown price last.

    Args:
        provider, maker, api_spec, mode, reasoning_control, max_tokens_field: a value, or several of them in a list.
            mode is "chat" unless told; None takes embedding and ranking models too.
        supports_json, supports_schema, supports_images, supports_files, supports_logprobs, supports_responses: True or
            False. So are supports_tools, reasoning_model, accepts_sampling, refunds_unused and key_is_optional.
        max_input_price, max_output_price, max_cached_input_price, max_cache_write_price: US dollars per million tokens,
            inclusive. A model whose price is unknown does not fit.
        min_context_tokens, min_output_tokens: inclusive; unknown does not fit.
        served_on: an ISO date; models that their vendor means to have shut down by then do not fit.

    A filter that is None is as good as left out.

    Raises:
        ConfigError: there is no such filter, or a value can fit nothing.
    """
    tests = [_test(name, value) for name, value in {"mode": mode, **filters}.items() if value is not None]
    found = [model for model in lookup.registry.values() if all(fits(model) for fits in tests)]
    return sorted(found, key=_by_price)


def _by_price(model: Model) -> tuple[float, str]:
    known = model.input_cost is not None and (model.output_cost is not None or model.mode != "chat")
    return ((model.input_cost or 0) + (model.output_cost or 0) if known else math.inf, model.id)


def _test(name: str, value: Any) -> Callable[[Model], bool]:
    maker = next((make for names, make in _MAKERS.items() if name in names), None)
    if maker is None:
        known = sorted(name for names in _MAKERS for name in names)
        raise ConfigError(f"find_models knows no filter {name!r}; known are {', '.join(known)}")
    return maker(name, value)


def _same(name: str, value: Any) -> Callable[[Model], bool]:
    values = [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple | set) else []
    if not values or not all(isinstance(entry, str) for entry in values):
        raise ConfigError(f"find_models: {name} must be a text or a list of texts; got {value!r:.80}")
    return lambda model: getattr(model, name) in values


def _flag(name: str, value: Any) -> Callable[[Model], bool]:
    if not isinstance(value, bool):
        raise ConfigError(f"find_models: {name} must be True or False; got {value!r:.80}")
    return lambda model: getattr(model, name) is value


def _at_most(name: str, value: Any) -> Callable[[Model], bool]:
    field, bound = _AT_MOST[name], _number(name, value)
    return lambda model: (price := getattr(model, field)) is not None and price <= bound


def _at_least(name: str, value: Any) -> Callable[[Model], bool]:
    field, bound = _AT_LEAST[name], _number(name, value)
    return lambda model: (count := getattr(model, field)) is not None and count >= bound


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigError(f"find_models: {name} must be a number of 0 or more; got {value!r:.80}")
    return value


def _served_on(name: str, value: Any) -> Callable[[Model], bool]:
    try:
        day = date.fromisoformat(str(value)).isoformat()
    except ValueError:
        day = ""
    if not day:
        raise ConfigError(f"find_models: {name} must be a date like 2026-11-30; got {value!r:.80}")
    return lambda model: model.deprecation_date is None or model.deprecation_date > day


_MAKERS: Final[Mapping[frozenset[str], Callable[[str, Any], Callable[[Model], bool]]]] = {
    frozenset(_SAME): _same,
    _FLAGS: _flag,
    frozenset(_AT_MOST): _at_most,
    frozenset(_AT_LEAST): _at_least,
    frozenset({"served_on"}): _served_on,
}
