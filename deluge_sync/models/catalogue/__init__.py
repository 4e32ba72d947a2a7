"""The models that come with the package, as data: one JSON file per vendor, made by `codegen.catalogue`.

    {"vendor": {fields that all its models share}, "models": {id: {fields of its own}}, "aliases": {name: id}}

`_prefixes.json` has the vendors whose models need no row: {prefix: {fields}}. A field left out has the default of
`Model`; a model's `name` is its id. Reading costs a few milliseconds, because a row becomes a `Model`, checks and all,
only when somebody asks for it. Only `Registry` reads this, once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from deluge_sync.models.model import Model

__all__ = ["Catalogue", "Row", "load", "model_of"]

_PREFIXES: Final = "_prefixes.json"


class Row(NamedTuple):
    """One model before anybody asked for it. A tuple, because a thousand are made at once."""

    model_id: str
    vendor: Mapping[str, Any]
    own: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the vendor calls it."""
        return str(self.own.get("name", self.model_id))

    def model(self) -> Model:
        """The row as a model."""
        return model_of(self.model_id, {**self.vendor, **self.own})


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Rows by id, ids by alias, and what the models of a vendor share by the vendor's prefix."""

    rows: Mapping[str, Row]
    aliases: Mapping[str, str]
    prefixes: Mapping[str, Mapping[str, Any]]


def load() -> Catalogue:
    """Every model of every vendor: about a thousand in a few milliseconds."""
    folder = Path(__file__).parent  # importlib.resources would cost ten times the reading
    prefixes = _read(folder / _PREFIXES)
    rows: dict[str, Row] = {}
    aliases: dict[str, str] = {}
    for file in sorted(folder.glob("[!_]*.json")):
        document = _read(file)
        vendor = document["vendor"]
        rows |= {model_id: Row(model_id, vendor, own) for model_id, own in document["models"].items()}
        aliases |= document["aliases"]
        if file.stem == vendor["provider"]:
            prefixes[file.stem] = vendor
    return Catalogue(rows, aliases, prefixes)


def model_of(model_id: str, fields: Mapping[str, Any]) -> Model:
    """A model of fields as JSON has them.

    Raises:
        ConfigError: a value cannot work.
    """
    return Model(**{"id": model_id, "name": model_id, **{name: _value(name, value) for name, value in fields.items()}})


def _value(name: str, value: Any) -> Any:
    if name == "tier_costs":
        return {tier: tuple(pair) for tier, pair in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document
