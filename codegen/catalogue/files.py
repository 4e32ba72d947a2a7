"""Puts table and vendors together to the catalogue's files, as text; writes them, or says how they differ.

Every row is built once as a `Model` on the way, so that a catalogue which is written can be read.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codegen.catalogue.names import aliases_of, ids_of
from codegen.catalogue.table import Row, fields_of, whole_if_it_is
from codegen.document import SchemaError
from deluge_sync.errors import ConfigError
from deluge_sync.models import Model
from deluge_sync.models.catalogue import model_of

if TYPE_CHECKING:
    from codegen.catalogue.vendors import Vendor, Vendors

__all__ = ["FOLDER", "difference", "generate", "write"]

FOLDER: Final = Path(__file__).parents[2] / "deluge_sync" / "models" / "catalogue"
PREFIXES: Final = "_prefixes.json"
_ORDER: Final = tuple(field.name for field in fields(Model))


def generate(table: Sequence[Row], vendors: Vendors) -> dict[str, str]:
    """Every file of the catalogue by its name.

    Raises:
        SchemaError: a model would be none; the message names it.
    """
    rows = {vendor.file: _rows(vendor, table, vendors) for vendor in vendors.vendors}
    ids = ids_of({file: list(found) for file, found in rows.items()}, vendors.vendors)
    taken = {model_id for of_vendor in ids.values() for model_id in of_vendor.values()}
    files = {
        f"{vendor.file}.json": _file(vendor, rows[vendor.file], ids[vendor.file], taken) for vendor in vendors.vendors
    }
    return files | {PREFIXES: _dump_rows(vendors.prefixes, indent="") + "\n"}


def write(files: Mapping[str, str], folder: Path = FOLDER) -> None:
    """Put the files in the place of those that are there."""
    for stale in _present(folder) - files.keys():
        (folder / stale).unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def difference(files: Mapping[str, str], folder: Path = FOLDER) -> str:
    """How the files there differ from these, as a diff; empty if not at all."""
    return "".join(
        line
        for name in sorted(_present(folder) | files.keys())
        for line in difflib.unified_diff(
            (folder / name).read_text(encoding="utf-8").splitlines(keepends=True) if (folder / name).exists() else [],
            files.get(name, "").splitlines(keepends=True),
            f"a/{name}",
            f"b/{name}",
        )
    )


def _present(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.json")}


def _rows(vendor: Vendor, table: Iterable[Row], vendors: Vendors) -> dict[str, dict[str, Any]]:
    """The fields of the vendor's models by name, without those that all of them share."""
    oldest = vendors.dropped_before.isoformat()
    kept = [row for row in table if vendor.takes(row) and (row["deprecation_date"] or oldest) >= oldest]
    if not kept:
        raise SchemaError(f"vendor {vendor.file}: the table has no model of it")
    return {row["model"]: _fields(vendor, row) for row in sorted(kept, key=lambda row: row["model"])}


def _fields(vendor: Vendor, row: Row) -> dict[str, Any]:
    found = _with_batch_price(fields_of(row, is_free=vendor.is_free(row["model"])), vendor.batch_share)
    for rule in vendor.rules:
        match = rule.when.fits(row)
        if match is not None:
            found |= {
                name: match.expand(value) if isinstance(value, str) else value for name, value in rule.fields.items()
            }
    return {name: value for name, value in found.items() if value is not None and value != vendor.fields.get(name)}


def _with_batch_price(found: dict[str, Any], share: float | None) -> dict[str, Any]:
    """The fields with a price for batches at this share of the plain one, where the table has none."""
    tiers = found.get("tier_costs") or {}
    if share is None or "batch" in tiers or "input_cost" not in found:
        return found
    prices = [found.get(name) for name in ("input_cost", "output_cost")]
    batch = [None if price is None else whole_if_it_is(round(price * share, 9)) for price in prices]
    return {**found, "tier_costs": {"batch": batch, **tiers}}


def _file(vendor: Vendor, rows: Mapping[str, dict[str, Any]], ids: Mapping[str, str], taken: set[str]) -> str:
    models = {ids[name]: ({} if ids[name] == name else {"name": name}) | found for name, found in rows.items()}
    for model_id, found in models.items():
        try:
            model_of(model_id, {**vendor.fields, **found})
        except (ConfigError, TypeError) as error:
            raise SchemaError(f"vendor {vendor.file}: {error}") from error
    aliases = aliases_of(ids, vendor.aliases, taken)
    head = json.dumps(dict(vendor.fields), indent=2).replace("\n", "\n  ")
    tail = json.dumps(dict(sorted(aliases.items())), indent=2).replace("\n", "\n  ")
    body = _dump_rows(models, indent="  ")
    return f'{{\n  "vendor": {head},\n  "models": {body},\n  "aliases": {tail}\n}}\n'


def _dump_rows(rows: Mapping[str, Mapping[str, Any]], *, indent: str) -> str:
    """An object with a line a row, so that a changed price is a changed line."""
    lines = [f"{indent}  {json.dumps(name)}: {json.dumps(_in_order(found))}" for name, found in rows.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def _in_order(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in _ORDER if name in found}
