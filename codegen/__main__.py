"""Generates the typed SDK packages, or checks them.

    python -m codegen                           write deluge_sync/sdk/<provider>/
    python -m codegen --check                   fail, with a diff, if a fresh run would change anything
    python -m codegen --drift [PROVIDER ...]    compare the schemas with the types of the providers' own packages
    python -m codegen --against FILE PROVIDER   compare one schema with the provider's OpenAPI document

Exit status: 0 all well, 1 something differs, 2 a schema or an argument is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.document import SchemaError, load
from codegen.drift import allowed, drift
from codegen.judges import official_judges, upstream_judges
from codegen.package import Layout, difference, generate, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from codegen.document import Document
    from codegen.drift import Judge

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, *, layout: Layout | None = None) -> int:
    """Run one command and return its exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        return _run(chosen, layout or Layout())
    except SchemaError as exc:
        print(f"codegen: {exc}", file=sys.stderr)
        return 2


def _run(chosen: argparse.Namespace, layout: Layout) -> int:
    if chosen.against:
        return _against(layout, chosen.providers, chosen.against)
    if chosen.drift:
        return _drift(layout, chosen.providers)
    files = generate(layout)
    if chosen.check:
        return _check(difference(files, layout))
    write(files)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "codegen", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="fail if a fresh run would change anything")
    mode.add_argument("--drift", action="store_true", help="compare with the providers' own packages")
    mode.add_argument("--against", type=Path, metavar="FILE", help="compare with an OpenAPI document")
    parser.add_argument(
        "providers", nargs="*", metavar="PROVIDER", help="for --drift and --against; all if none is named"
    )
    return parser


def _check(diff: str) -> int:
    sys.stdout.write(diff)
    if diff:
        print("codegen: the generated packages are not what the schemas give; run python -m codegen", file=sys.stderr)
    return 1 if diff else 0


def _drift(layout: Layout, providers: Sequence[str]) -> int:
    documents = _documents(layout, providers)
    return max(_report(name, document, official_judges(document)) for name, document in documents.items())


def _against(layout: Layout, providers: Sequence[str], upstream: Path) -> int:
    documents = _documents(layout, providers)
    if len(documents) != 1:
        raise SchemaError(f"--against needs one provider, of {', '.join(documents)}")
    [(name, document)] = documents.items()
    return _report(name, document, upstream_judges(document, upstream))


def _documents(layout: Layout, providers: Sequence[str]) -> dict[str, Document]:
    known = {source.stem: source for source in layout.sources()}
    if unknown := sorted(set(providers) - set(known)):
        raise SchemaError(f"no schema for {', '.join(unknown)}; there are {', '.join(known)}")
    return {name: load(source) for name, source in known.items() if not providers or name in providers}


def _report(provider: str, document: Document, judges: Mapping[str, Judge]) -> int:
    """Print what is not allowed, and a line of summary; 1 if there was any."""
    findings, reasons = drift(document, judges), allowed(document)
    unexplained = [finding for finding in findings if finding.where not in reasons]
    for finding in unexplained:
        print(f"{provider}: {finding.where}: {finding.problem}")
    counts = f"{len(unexplained)} unexplained differences, {len(findings) - len(unexplained)} allowed"
    print(f"{provider}: {len(judges)} components compared, {counts}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
