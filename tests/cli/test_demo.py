from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from deluge_sync.cli.demo import questions

if TYPE_CHECKING:
    from pathlib import Path


def test_the_questions_are_all_different_and_read_well() -> None:
    asked = [question for question, _ in questions()]
    assert len(set(asked)) == len(asked) == 300
    assert all(re.fullmatch(r"[A-Z][^{}]+[.?]", question) for question in asked)
    assert asked[0] == "Explain the tides to a ten-year-old in three sentences."


def test_it_answers_within_the_limit_and_tells_everything(cli: Any, results: Path, rows: Any) -> None:
    ended = cli("demo", "--output", results, "--prompts", "60", "--rpm", "6000", "--no-progress")
    assert ended.status == 0, ended.err
    assert [row["id"] for row in rows()] == [f"q{number:03}" for number in range(1, 61)]
    assert all(row["completion"] and row["cost"] and row["topic"] for row in rows())
    assert "answered  60\n" in ended.err
    assert "failed    0\n" in ended.err
    assert re.search(r"cost      \$0\.00\d\d\n", ended.err)
    assert re.search(r"requests  \d\d sent, [\d,]+ a minute; \d\d in the busiest minute of 6,000 allowed\n", ended.err)
    assert ended.err.endswith(f"results are in {results}\n")


def test_some_requests_of_the_demo_are_retried(cli: Any, results: Path) -> None:
    ended = cli("demo", "--output", results, "--prompts", "200", "--rpm", "60000", "--no-progress")
    found = re.search(r"retried   (\d+) requests", ended.err)
    assert found is not None
    assert 1 <= int(found[1]) <= 20


def test_it_writes_its_own_results_anew_and_moves_any_other_aside(cli: Any, results: Path, rows: Any) -> None:
    arguments = ("demo", "--output", results, "--rpm", "6000", "--no-progress", "--prompts")
    results.write_text('{"my": "work"}\n')
    assert cli(*arguments, "3").status == 0
    assert results.with_name("results.jsonl.1").read_text() == '{"my": "work"}\n'
    assert cli(*arguments, "5").status == 0
    assert len(rows()) == 5
    assert sorted(path.name for path in results.parent.iterdir()) == ["results.jsonl", "results.jsonl.1"]
    other = json.dumps({"index": 0, "error": None, "run": "a" * 12 + "-" + "b" * 12}) + "\n"
    results.write_text(other)
    assert cli(*arguments, "3").status == 0
    assert results.with_name("results.jsonl.2").read_text() == other


def test_machines_get_the_figures_and_nothing_else(cli: Any, results: Path) -> None:
    ended = cli("demo", "--output", results, "--rpm", "6000", "--prompts", "3", "--json", "--quiet")
    assert (ended.status, ended.err) == (0, "")
    document = json.loads(ended.out)
    assert (document["answered"], document["requests_per_minute_limit"]) == (3, 6_000)
