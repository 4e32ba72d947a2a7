from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codegen.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from codegen.package import Layout


def change(layout: Layout, old: str, new: str) -> None:
    source = layout.schemas / "toy.yaml"
    text = source.read_text("utf-8")
    assert old in text
    source.write_text(text.replace(old, new), "utf-8")


def upstream(folder: Path, toy: dict[str, Any]) -> str:
    file = folder / "upstream.json"
    file.write_text(json.dumps(toy), "utf-8")
    return str(file)


def test_a_run_makes_the_check_succeed(toy_layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], layout=toy_layout) == 1
    capsys.readouterr()
    assert main([], layout=toy_layout) == 0
    assert main(["--check"], layout=toy_layout) == 0
    assert capsys.readouterr() == ("", "")


def test_the_check_prints_the_difference_and_what_to_do(toy_layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    main([], layout=toy_layout)
    change(toy_layout, "radius", "diameter")
    assert main(["--check"], layout=toy_layout) == 1
    printed = capsys.readouterr()
    assert "+    diameter: float\n" in printed.out
    assert "run python -m codegen" in printed.err


def test_unexplained_drift_fails_and_a_reason_excuses_it(
    toy_layout: Layout, toy: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(toy_layout, "    Question:\n", "    Question:\n      x-upstream: Question\n")
    change(toy_layout, "speed: {$ref", "haste: {$ref")
    file = upstream(tmp_path, toy)
    assert main(["--against", file, "toy"], layout=toy_layout) == 1
    assert capsys.readouterr().out == (
        "toy: Question.haste: they have no such field\n"
        "toy: 1 components compared, 1 unexplained differences, 0 allowed\n"
    )
    change(toy_layout, "x-upstream: Question\n", "x-upstream: Question\n      x-drift-allow: {haste: On trial.}\n")
    assert main(["--against", file], layout=toy_layout) == 0
    assert "0 unexplained differences, 1 allowed" in capsys.readouterr().out


def test_drift_uses_the_official_types_that_the_schema_names(
    toy_layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    change(toy_layout, "    Answer:\n", '    Answer:\n      x-official: "openai.types:Model"\n')
    assert main(["--drift", "toy"], layout=toy_layout) == 1
    assert "toy: Answer.state: they have no such field\n" in capsys.readouterr().out


def test_a_bad_schema_and_an_unknown_provider_are_told_in_one_line(
    toy_layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--drift", "acme"], layout=toy_layout) == 2
    assert capsys.readouterr().err == "codegen: no schema for acme; there are toy\n"
    change(toy_layout, "operationId: ask", "operation: ask")
    assert main([], layout=toy_layout) == 2
    assert capsys.readouterr().err == "codegen: POST /ask needs an operationId and a summary\n"


def test_against_needs_one_provider(
    toy_layout: Layout, toy_text: str, toy: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (toy_layout.schemas / "other.yaml").write_text(toy_text, "utf-8")
    assert main(["--against", upstream(tmp_path, toy)], layout=toy_layout) == 2
    assert capsys.readouterr().err == "codegen: --against needs one provider, of other, toy\n"
