"""Makes the catalogue of models from a table of numbers and `schemas/vendors.yaml`.

    python -m codegen.catalogue MODELS.csv            write deluge_sync/models/catalogue/*.json
    python -m codegen.catalogue MODELS.csv --check    fail, with a diff, if a fresh run would change anything

Exit status: 0 all well, 1 something differs, 2 the table, the vendors or an argument is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.catalogue import files, table, vendors
from codegen.document import SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, *, folder: Path = files.FOLDER, source: Path = vendors.SOURCE) -> int:
    """Run the command and return its exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        made = files.generate(table.load(chosen.table), vendors.load(source))
    except (SchemaError, OSError) as error:
        sys.stderr.write(f"codegen.catalogue: {error}\n")
        return 2
    if not chosen.check:
        files.write(made, folder)
        return 0
    diff = files.difference(made, folder)
    sys.stdout.write(diff)
    return 1 if diff else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "codegen.catalogue", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path, metavar="MODELS.csv", help="one row a model: prices, limits, abilities")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a run would change anything")
    return parser


if __name__ == "__main__":
    sys.exit(main())
