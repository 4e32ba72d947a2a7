from __future__ import annotations

from codegen.text import call, import_lines, tuple_of


def test_imports_are_sorted_as_ruff_sorts_them() -> None:
    names = ["make", "ResponseInProgress", "ResponseInclude", "URL", "Blocks", "BlockStop"]
    wanted = "URL, Blocks, BlockStop, ResponseInclude, ResponseInProgress, make"
    assert import_lines("m", names) == [f"from m import {wanted}"]
    assert import_lines("m", []) == []


def test_what_is_too_long_for_a_line_gets_one_for_each_part() -> None:
    assert import_lines("m", ["a" * 60, "b" * 60]) == ["from m import (", f"    {'a' * 60},", f"    {'b' * 60},", ")"]
    assert call("x", "f", ["1", "2"]) == ["x = f(1, 2)"]
    assert call("x", "f", ["1" * 60, "2" * 60]) == ["x = f(", f"    {'1' * 60},", f"    {'2' * 60},", ")"]


def test_a_tuple_of_one_keeps_its_comma() -> None:
    assert [tuple_of([]), tuple_of(["a"]), tuple_of(["a", "b"])] == ["()", '("a",)', '("a", "b")']
