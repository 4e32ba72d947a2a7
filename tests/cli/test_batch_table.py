from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.batch.status import JobStatus, PartStatus
from deluge_sync.cli.batch_table import age, document, job_rows, part_rows, show

NOW = 1_800_000_000.0


def part(**fields: Any) -> PartStatus:
    return PartStatus(
        **{"id": "b1", "provider": "openai", "model": "m", "requests": 1_500, "phase": "running", **fields}
    )


def job(**fields: Any) -> JobStatus:
    usual = {"id": "j", "manifest": Path("/m.jsonl"), "created_at": NOW - 90, "name": None, "prompts": 1_500}
    return JobStatus(**{**usual, "state": "running", "parts": (part(),), **fields})


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
        (20 * 86_400, "20 d"),
    ],
)
def test_an_age_is_told_in_its_largest_whole_unit(seconds: float, told: str) -> None:
    assert age(seconds) == told


def test_a_job_that_runs_has_no_counts_until_they_are_told() -> None:
    over = job(state="over", parts=(part(phase="over"),))
    some = job(parts=(part(succeeded=1_000, failed=2), part(provider="mistral", model="n")))
    rows = job_rows([job(), over, some, job(state="unplanned", prompts=None, parts=())], now=NOW)
    assert rows[1:] == [
        ("j", "running", "1,500", "-", "-", "openai", "m", "1 min"),
        ("j", "over", "1,500", "0", "0", "openai", "m", "1 min"),
        ("j", "running", "1,500", "1,000", "2", "openai, mistral", "m, n", "1 min"),
        ("j", "unplanned", "-", "-", "-", "-", "-", "1 min"),
    ]


def test_the_problem_of_a_batch_is_one_line() -> None:
    rows = part_rows(job(parts=(part(phase="held", problem="queue\nis \x1b[31mfull"),)))
    assert rows[1][-1] == "queue is  [31mfull"
    assert len(rows[0]) == len(rows[1])


def test_a_document_is_json_with_what_the_table_has() -> None:
    told = json.loads(json.dumps(document(job(parts=(part(succeeded=3),)))))
    assert (told["manifest"], told["answered"], told["failed"]) == ("/m.jsonl", 3, 0)
    assert (told["providers"], told["models"]) == (["openai"], ["m"])
    assert told["parts"][0]["requests"] == 1_500


def test_columns_stand_below_each_other_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    show([("A", "LONG"), ("longer", "b"), ("c", "")])
    assert capsys.readouterr().out == "A       LONG\nlonger  b\nc\n"
