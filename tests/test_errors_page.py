"""`docs/errors.md` has every error that a user can meet and nothing else, and the page on retries says what is done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

import pytest

from deluge_sync import errors
from deluge_sync._adapters.failure import TRAITS, FailureKind

ROOT: Final = Path(__file__).parent.parent
ERRORS: Final = (ROOT / "docs" / "errors.md").read_text("utf-8")
RETRIES: Final = (ROOT / "docs" / "limits-and-retries.md").read_text("utf-8")
SOURCES: Final = [path.read_text("utf-8") for path in sorted((ROOT / "deluge_sync").rglob("*.py"))]

EXCEPTIONS: Final = {name: getattr(errors, name) for name in errors.__all__ if name != "TransportKind"}


def rows(page: str, name: str) -> list[list[str]]:
    """The cells of the table between `<!-- name -->` and its end, without its two head lines."""
    [table] = re.findall(rf"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", page, re.DOTALL)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def named(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_each_kind_of_failure_has_one_row_and_nothing_else_has() -> None:
    kinds = [kind for first, *_ in rows(ERRORS, "kinds") for kind in named(first)]

    assert sorted(kinds) == sorted(FailureKind)


def test_each_public_exception_has_one_row_and_nothing_else_has() -> None:
    assert sorted(name for first, *_ in rows(ERRORS, "exceptions") for name in named(first)) == sorted(EXCEPTIONS)


def test_what_an_exception_is_said_to_be_is_what_it_descends_from() -> None:
    said = {named(first)[0]: named(second) for first, second, *_ in rows(ERRORS, "exceptions")}
    own = {errors.DelugeError, Exception}

    bases = {name: [base.__name__ for base in kind.__bases__ if base not in own] for name, kind in EXCEPTIONS.items()}
    assert said == bases


def test_all_but_the_last_two_exceptions_are_deluge_errors() -> None:
    order = [EXCEPTIONS[named(first)[0]] for first, *_ in rows(ERRORS, "exceptions")]

    assert [issubclass(kind, errors.DelugeError) for kind in order] == [True] * (len(order) - 2) + [False] * 2


def test_every_kind_of_transport_error_is_told() -> None:
    [row] = [row for row in rows(ERRORS, "exceptions") if row[0] == "`TransportError`"]

    assert set(get_args(errors.TransportKind)) <= set(named(row[2]))


@pytest.mark.parametrize("name", ["kinds", "exceptions", "warnings"])
def test_every_row_says_what_happened_and_what_to_do(name: str) -> None:
    table = rows(ERRORS, name)

    assert {len(row) for row in table} == {len(table[0])}
    assert [row[0] for row in table if not row[-2] or not (row[-1] or row[0] == "`cancelled`")] == []


def test_the_warnings_of_the_page_are_in_the_code() -> None:
    words = [text for first, *_ in rows(ERRORS, "warnings") for text in named(first)]

    assert words
    assert [text for text in words if not any(text in source for source in SOURCES)] == []


def test_the_table_of_retries_has_each_kind_once_and_puts_together_what_is_treated_alike() -> None:
    groups = [[FailureKind(kind) for kind in named(first)] for first, _ in rows(RETRIES, "what happens")]

    assert sorted(kind for group in groups for kind in group) == sorted(FailureKind)
    assert [group for group in groups if len({TRAITS[kind] for kind in group}) > 1] == []


def test_what_the_table_of_retries_says_agrees_with_the_traits() -> None:
    said = {FailureKind(kind): cell for first, cell in rows(RETRIES, "what happens") for kind in named(first)}
    asleep = FailureKind.EXPIRED  # of a batch: nothing sends it again by itself

    again = {kind for kind, cell in said.items() if cell.startswith(("sends it again", "waits as long"))}
    assert again == {kind for kind in FailureKind if TRAITS[kind].same_model_may_help} - {asleep}
    lasting = {kind for kind, cell in said.items() if "in this call" in cell}
    assert lasting == {kind for kind in FailureKind if TRAITS[kind].stops_key or TRAITS[kind].stops_model}
