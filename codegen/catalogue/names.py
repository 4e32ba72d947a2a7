"""Gives every model an id that is its alone, and the other names it is found by.

A maker's names stand alone. A host of others' models has a name to itself only if no one else has it; otherwise the id
is `vendor:name`, and the bare name belongs to nobody, so that no prompt goes to a vendor by accident.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from codegen.document import SchemaError

if TYPE_CHECKING:
    from codegen.catalogue.vendors import AliasRule, Vendor

__all__ = ["aliases_of", "ids_of"]


def ids_of(names: Mapping[str, Sequence[str]], vendors: Sequence[Vendor]) -> dict[str, dict[str, str]]:
    """By file: the id of each of its names.

    Raises:
        SchemaError: two makers, or one vendor twice, have the same name.
    """
    uses = Counter(name for vendor in vendors for name in names[vendor.file])
    ids = {
        vendor.file: {
            name: name if vendor.owns_names or uses[name] == 1 else f"{vendor.provider}:{name}"
            for name in names[vendor.file]
        }
        for vendor in vendors
    }
    taken = Counter(model_id for vendor in vendors for model_id in ids[vendor.file].values())
    twice = [model_id for model_id, count in taken.items() if count > 1]
    if twice:
        raise SchemaError(f"{twice[0]!r} would be the id of two models")
    return ids


def aliases_of(ids: Mapping[str, str], rules: Iterable[AliasRule], taken: set[str]) -> dict[str, str]:
    """The other names of one vendor's models. `taken` are names that are in use, and grows by what is given here.

    An earlier rule goes before a later one; a name that one rule would give to two models is given to neither.
    """
    aliases: dict[str, str] = {}
    for rule in rules:
        made = [(alias, model_id) for name, model_id in ids.items() for alias in _made(rule, name)]
        counts = Counter(alias for alias, _ in made)
        new = {alias: model_id for alias, model_id in made if counts[alias] == 1 and alias not in taken}
        aliases |= new
        taken |= new.keys()
    return aliases


def _made(rule: AliasRule, name: str) -> set[str]:
    found = rule.match.fullmatch(name)
    return {found.expand(template) for template in rule.templates} if found else set()
