"""The models that come with the package, as data: one JSON file per vendor.

    {"vendor": {fields that all its models share}, "models": {id: {fields of its own}}}

A field left out has the default of `Model`; a model's `name` is its id. Only `Registry` reads this, once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deluge_sync.models.model import Model

__all__ = ["load"]


def load() -> dict[str, Model]:
    """Every model of every vendor by id: some hundred in about 2 ms."""
    folder = Path(__file__).parent  # importlib.resources would cost ten times the reading
    return {model.id: model for file in sorted(folder.glob("*.json")) for model in _vendor(file)}


def _vendor(file: Path) -> list[Model]:
    document = json.loads(file.read_text(encoding="utf-8"))
    return [_model(model_id, document["vendor"] | row) for model_id, row in document["models"].items()]


def _model(model_id: str, fields: dict[str, Any]) -> Model:
    tiers = {tier: tuple(pair) for tier, pair in fields.get("tier_costs", {}).items()}
    return Model(**{"id": model_id, "name": model_id, **fields, "tier_costs": tiers})
