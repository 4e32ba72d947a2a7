"""Reads the table of numbers: a row's cells as fields of `Model`. An empty cell is not told, and gives no field."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from codegen.document import SchemaError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COLUMNS", "Row", "fields_of", "load", "whole_if_it_is"]

Row = Mapping[str, str]

_TIERS: Final = ("batch", "flex", "priority")
_PRICES: Final = {
    "input_cost": "input_usd_per_mtok",
    "cached_input_cost": "cached_input_usd_per_mtok",
    "cache_write_cost": "cache_write_usd_per_mtok",
    "cache_write_1h_cost": "cache_write_1h_usd_per_mtok",
    "output_cost": "output_usd_per_mtok",
}
_FLAGS: Final = {
    "supports_json": "json_schema",
    "supports_schema": "json_schema",
    "supports_images": "vision",
    "supports_files": "pdf",
    "reasoning_model": "reasoning",
}
_TIER_COLUMNS: Final = tuple(f"{tier}_{way}_usd_per_mtok" for tier in _TIERS for way in ("input", "output"))
COLUMNS: Final = frozenset(
    {"provider", "model", "mode", "context", "max_output", "tools", "endpoints", "deprecation_date"}
    | {*_PRICES.values(), *_FLAGS.values(), *_TIER_COLUMNS}
)


def load(source: Path) -> list[Row]:
    """The rows, in their order.

    Raises:
        SchemaError: a column is missing, or there is nothing in it.
    """
    with source.open(encoding="utf-8", newline="") as file:
        rows: list[Row] = list(csv.DictReader(file))
    missing = sorted(COLUMNS - set(rows[0] if rows else ()))
    if missing:
        raise SchemaError(f"{source}: no column {missing[0]!r}")
    return rows


def fields_of(row: Row, *, is_free: bool) -> dict[str, Any]:
    """What the cells say. `is_free`: a price of 0 is meant as one; else it stands for what the table does not know."""
    return {name: value for name, read in _READERS.items() if (value := read(row, is_free)) is not None}


def whole_if_it_is(price: float) -> float:
    """2.0 as 2, which reads better in the files."""
    return int(price) if price == int(price) else price


def _price(column: str) -> Callable[[Row, bool], float | None]:
    return lambda row, is_free: _number(row[column], is_free)


def _output_price(row: Row, is_free: bool) -> float | None:
    """Embeddings and rankings have no output."""
    return _number(row["output_usd_per_mtok"], is_free) if _mode(row, is_free) is None else None


def _number(cell: str, is_free: bool) -> float | None:
    price = float(cell) if cell else None
    if price is None or (price == 0 and not is_free):
        return None
    return whole_if_it_is(price)


def _tier_costs(row: Row, is_free: bool) -> dict[str, list[float | None]] | None:
    pairs = {
        tier: [_number(row[f"{tier}_{way}_usd_per_mtok"], is_free) for way in ("input", "output")] for tier in _TIERS
    }
    return {tier: pair for tier, pair in pairs.items() if pair != [None, None]} or None


def _flag(column: str) -> Callable[[Row, bool], bool | None]:
    return lambda row, _: True if row[column] == "1" else None


def _count(column: str) -> Callable[[Row, bool], int | None]:
    return lambda row, _: int(row[column]) if row[column] else None


def _api_spec(row: Row, _: bool) -> str | None:
    """Only what the Responses API alone answers; a vendor's usual format is told with the vendor."""
    endpoints = set(row["endpoints"].split()) - {"/v1/batch"}
    return "openai-responses" if row["mode"] == "responses" or endpoints == {"/v1/responses"} else None


def _mode(row: Row, _: bool) -> str | None:
    return row["mode"] if row["mode"] in ("embedding", "rerank") else None


_READERS: Final[dict[str, Callable[[Row, bool], Any]]] = {
    "api_spec": _api_spec,
    "mode": _mode,
    **{name: _price(column) for name, column in _PRICES.items()},
    "output_cost": _output_price,
    "tier_costs": _tier_costs,
    **{name: _flag(column) for name, column in _FLAGS.items()},
    "supports_responses": lambda row, _: True if "/v1/responses" in row["endpoints"].split() else None,
    "supports_tools": lambda row, _: False if row["tools"] == "0" else None,
    "context_tokens": _count("context"),
    "max_output_tokens": _count("max_output"),
    "deprecation_date": lambda row, _: row["deprecation_date"] or None,
}
