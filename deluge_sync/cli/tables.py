"""Rows and columns on standard output: a table in a terminal, plain aligned columns in a pipe.

Text from outside (names of models, for one) is shown as plain text in both.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from deluge_sync.cli.exits import one_line

__all__ = ["Column", "show_columns"]


@dataclass(frozen=True, slots=True)
class Column:
    """A heading. Figures stand to the right; what may fold is broken into lines where the terminal is narrow."""

    name: str
    is_figure: bool = True
    style: str = ""
    may_fold: bool = False


def show_columns(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, legend: str | None = None) -> None:
    """Write the rows under their headings; `legend` below them, in a terminal only."""
    clean = [[one_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _show_table(columns, clean, legend)
    else:
        _write_plain(columns, clean)


def _write_plain(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    lines = [[column.name for column in columns], *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.rjust(width) if column.is_figure else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _show_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], legend: str | None) -> None:
    from rich.console import Console  # rich is large; a pipe does without it
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.name.capitalize(),
            justify="right" if column.is_figure else "left",
            no_wrap=not column.may_fold,
            overflow="fold" if column.may_fold else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(cell, style=column.style) for column, cell in zip(columns, row, strict=True)))
    console = Console(highlight=False)
    console.print(table)
    if legend:
        console.print(Text(legend, style="dim"))
