"""Reads `schemas/vendors.yaml` and refuses what it cannot mean: a field that no model has, a pattern that is none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from codegen.catalogue.table import COLUMNS, Row
from codegen.document import SchemaError
from deluge_sync.models import Model

__all__ = ["SOURCE", "AliasRule", "Condition", "Rule", "Vendor", "Vendors", "load"]

SOURCE: Final = Path(__file__).parents[2] / "schemas" / "vendors.yaml"
_FIELDS: Final = frozenset(field.name for field in fields(Model))


@dataclass(frozen=True, slots=True)
class Condition:
    """What the cells of a row must look like, each as a whole."""

    patterns: Mapping[str, re.Pattern[str]]

    def fits(self, row: Row) -> re.Match[str] | None:
        """The match of the model's name (any, where the condition says nothing of it), or None."""
        if not all(pattern.fullmatch(row[column]) for column, pattern in self.patterns.items()):
            return None
        return self.patterns.get("model", _ANYTHING).fullmatch(row["model"])


_ANYTHING: Final = re.compile(r".*")


@dataclass(frozen=True, slots=True)
class Rule:
    """Sets fields of the rows that fit; None takes one away."""

    when: Condition
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AliasRule:
    """Makes other names from a name."""

    match: re.Pattern[str]
    templates: Sequence[str]


@dataclass(frozen=True, slots=True)
class Vendor:
    """One file of the catalogue."""

    file: str
    csv: str
    owns_names: bool
    fields: Mapping[str, Any]
    take: Sequence[Condition]
    leave_out: Sequence[Condition]
    rules: Sequence[Rule]
    aliases: Sequence[AliasRule]
    free: Sequence[re.Pattern[str]]
    batch_share: float | None = None

    @property
    def provider(self) -> str:
        return str(self.fields["provider"])

    def takes(self, row: Row) -> bool:
        is_taken = not self.take or any(condition.fits(row) for condition in self.take)
        return row["provider"] == self.csv and is_taken and not any(condition.fits(row) for condition in self.leave_out)

    def is_free(self, name: str) -> bool:
        """Whether a price of 0 is meant."""
        return any(pattern.fullmatch(name) for pattern in self.free)


@dataclass(frozen=True, slots=True)
class Vendors:
    """The whole file."""

    vendors: Sequence[Vendor]
    prefixes: Mapping[str, Mapping[str, Any]]
    dropped_before: date


def load(source: Path = SOURCE) -> Vendors:
    """The file's content.

    Raises:
        SchemaError: it cannot be read; the message says where.
    """
    try:
        document = yaml.safe_load(source.read_text(encoding="utf-8"))
        prefixes = {name: _known_fields(set_, f"prefix {name}") for name, set_ in document["prefixes"].items()}
        vendors = [_vendor(file, entry) for file, entry in document["vendors"].items()]
        return Vendors(vendors, prefixes, document["dropped_before"])
    except (yaml.YAMLError, KeyError, TypeError, re.error) as error:
        raise SchemaError(f"{source.name}: {type(error).__name__}: {error}") from error


def _vendor(file: str, entry: Mapping[str, Any]) -> Vendor:
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise SchemaError(f"vendor {file}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    return Vendor(
        file=file,
        csv=entry["csv"],
        owns_names=entry["owns_names"],
        fields=_known_fields(entry["fields"], f"vendor {file}"),
        take=[_condition(cells, file) for cells in entry.get("take", ())],
        leave_out=[_condition(cells, file) for cells in entry.get("leave_out", ())],
        rules=[_rule(rule, file) for rule in entry["rules"]],
        aliases=[AliasRule(re.compile(alias["match"]), alias["to"]) for alias in entry["aliases"]],
        free=[re.compile(pattern) for pattern in entry.get("free", ())],
        batch_share=entry.get("batch_share"),
    )


_KEYS: Final = frozenset(
    {"csv", "owns_names", "fields", "take", "leave_out", "rules", "aliases", "free", "batch_share"}
)


def _rule(rule: Mapping[str, Any], file: str) -> Rule:
    return Rule(_condition(rule["when"], file), _known_fields(rule["set"], f"vendor {file}"))


def _condition(cells: Mapping[str, str], file: str) -> Condition:
    unknown = sorted(set(cells) - COLUMNS)
    if unknown:
        raise SchemaError(f"vendor {file}: the table has no column {unknown[0]!r}")
    return Condition({column: re.compile(pattern) for column, pattern in cells.items()})


def _known_fields(given: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    unknown = sorted(set(given) - _FIELDS)
    if unknown:
        raise SchemaError(f"{where}: a model has no field {unknown[0]!r}")
    return given
