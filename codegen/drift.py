"""Compares our schema with what the provider publishes, and reports what would fail or mislead.

A comparison runs along our schema: what the provider has and we leave out is no drift. It asks in the direction that
the data travels. What we may send they must accept: fields, types, values and variants that they lack are reported,
and fields that they require and we do not. What they may send we must accept: types that we do not expect, and fields
that we require and they may leave out. A value or variant that we name and they lack is reported both ways.

The schema compared is the one as written; the opening pre-pass comes later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codegen.document import components, reached, request_roots
from codegen.shape import ObjectShape, Shape, shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codegen.document import Document, Node

__all__ = ["Finding", "Judge", "allowed", "drift"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One difference. `where` is Component.property, or Component for a variant."""

    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class Judge:
    """What one of our components is compared with: a `node` whose references lead into `document`."""

    document: Document
    node: Node


def drift(document: Document, judges: Mapping[str, Judge]) -> list[Finding]:
    """All differences between our components and their judges, given by the component's name, sorted.

    Those that the schema allows are among them: see `allowed`.
    """
    sent = reached(document, request_roots(document))
    found: set[Finding] = set()
    for name, judge in judges.items():
        comparison = _Comparison(document, judge.document, is_request=name in sent)
        found.update(comparison.nodes(name, {"$ref": f"#/components/schemas/{name}"}, judge.node))
    return sorted(found)


def allowed(document: Document) -> dict[str, str]:
    """Where a finding is deliberate -> the reason, from the schema's `x-drift-allow`."""
    return {
        name if key == "*" else f"{name}.{key}": reason
        for name, schema in components(document).items()
        for key, reason in schema.get("x-drift-allow", {}).items()
    }


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One walk along our schema beside theirs. `seen` ends the walk where a schema contains itself."""

    our_document: Document
    their_document: Document
    is_request: bool
    seen: set[tuple[str, tuple[tuple[str, ...], ...]]] = field(default_factory=set)

    def nodes(self, where: str, our_node: Node, their_node: Node) -> Iterator[Finding]:
        ours, theirs = shape(self.our_document, our_node), shape(self.their_document, their_node)
        if not theirs.kinds or not ours.kinds:
            return
        yield from self._kinds(where, ours, theirs)
        yield from self._values(where, ours, theirs)
        if ours.items and theirs.items:
            yield from self.nodes(where, {"anyOf": list(ours.items)}, {"anyOf": list(theirs.items)})
        if theirs.objects:
            for each in ours.objects:
                yield from self._variant(where, each, theirs.objects, is_only=len(ours.objects) == 1)

    def _kinds(self, where: str, ours: Shape, theirs: Shape) -> Iterator[Finding]:
        sender, receiver = (ours, theirs) if self.is_request else (theirs, ours)
        accepted = receiver.kinds | ({"integer"} if "number" in receiver.kinds else set())
        if surplus := sorted(sender.kinds - accepted):
            who = "we may send" if self.is_request else "they may send"
            yield Finding(where, f"{who} {' or '.join(surplus)}, expected is {' or '.join(sorted(receiver.kinds))}")

    def _values(self, where: str, ours: Shape, theirs: Shape) -> Iterator[Finding]:
        if theirs.values is None:
            return
        if ours.values is None:
            if self.is_request and "string" in ours.kinds:
                yield Finding(where, f"we may send any string, they accept {_listed(theirs.values)}")
        elif surplus := ours.values - theirs.values:
            yield Finding(where, f"they have no value {_listed(surplus)}")

    def _variant(
        self, where: str, ours: ObjectShape, theirs: tuple[ObjectShape, ...], *, is_only: bool
    ) -> Iterator[Finding]:
        partners = theirs if is_only and len(theirs) == 1 else self._partners(ours, theirs)
        if not partners:
            yield Finding(ours.name or where, "they have no such variant")
        elif not ours.properties:
            yield from self.nodes(where, ours.entries, {"anyOf": [partner.entries for partner in partners]})
        elif all(partner.properties for partner in partners):
            yield from self._fields(ours, partners)

    def _partners(self, ours: ObjectShape, theirs: tuple[ObjectShape, ...]) -> tuple[ObjectShape, ...]:
        """Those of their variants that have our tag; all of them if ours has none."""
        tags = {name: values for name, values in ours.constants(self.our_document).items() if name in ours.required}
        return tuple(each for each in theirs if not each.properties or self._agrees(tags, each))

    def _agrees(self, tags: Mapping[str, frozenset[object]], theirs: ObjectShape) -> bool:
        constants = theirs.constants(self.their_document)
        return all(values & constants[name] for name, values in tags.items() if name in constants)

    def _fields(self, ours: ObjectShape, partners: tuple[ObjectShape, ...]) -> Iterator[Finding]:
        pair = (ours.name, tuple((partner.name, *partner.properties) for partner in partners))
        if pair in self.seen:
            return
        self.seen.add(pair)
        required = frozenset.intersection(*(partner.required for partner in partners))
        yield from self._requirements(ours, required)
        for name, node in ours.properties.items():
            where = f"{ours.name}.{name}"
            found = [partner.properties[name] for partner in partners if name in partner.properties]
            if not found:
                yield Finding(where, "they have no such field")
            else:
                yield from self.nodes(where, self._as_generated(ours, name, node), {"anyOf": found})

    def _requirements(self, ours: ObjectShape, required: frozenset[str]) -> Iterator[Finding]:
        if self.is_request:
            for name in required - (ours.required & ours.properties.keys()):
                yield Finding(f"{ours.name}.{name}", "they require this field")
        else:
            for name in ours.required - required:
                yield Finding(f"{ours.name}.{name}", "we require this field, they may leave it out")

    def _as_generated(self, ours: ObjectShape, name: str, node: Node) -> Node:
        """An optional field of a reply may be null: the generator makes it `| None`. In a request None is left out."""
        if self.is_request or name in ours.required:
            return node
        return {"anyOf": [node, {"type": "null"}]}


def _listed(values: frozenset[object]) -> str:
    return ", ".join(sorted(map(repr, values)))
