from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from deluge_sync.cli.batch_rows import RunRecord, keep_rows, read_prompts, read_run, rows_file
from deluge_sync.cli.exits import BadInputError, ResultsError
from deluge_sync.cli.journal import RunKey
from deluge_sync.cli.prompts import Prompt

RUN = RunRecord(RunKey("a" * 64, "b" * 64), 9, {"type": "object"}, {"prompts": "p.csv", "format": "csv"})
PROMPTS = [Prompt(3, 4, "x", "question", {"topic": "t"}), Prompt(7, 8, 7, "another \u2028", {})]


def test_what_rows_need_is_read_back_and_the_question_is_not_kept(tmp_path: Path) -> None:
    manifest = tmp_path / "new" / "job.jsonl"
    assert keep_rows(manifest, RUN, PROMPTS) == 2
    assert read_run(manifest, job_id="j", prompts=2) == RUN
    found = list(read_prompts(manifest))
    assert [(prompt.index, prompt.id, prompt.carried) for prompt in found] == [(3, "x", {"topic": "t"}), (7, 7, {})]
    assert b"question" not in rows_file(manifest).read_bytes()
    assert [path.name for path in manifest.parent.iterdir()] == ["job.jsonl.rows"]


def test_a_job_from_elsewhere_has_its_prompts_by_position_and_a_run_of_its_own(tmp_path: Path) -> None:
    manifest = tmp_path / "job.jsonl"
    assert [(prompt.index, prompt.id) for prompt in islice(read_prompts(manifest), 2)] == [(0, 0), (1, 1)]
    one, same, other = (read_run(manifest, job_id=job_id, prompts=5) for job_id in ("a", "a", "b"))
    assert one.records == 5
    assert one == same
    assert one.key != other.key


def test_nothing_is_left_where_a_prompt_cannot_be_read(tmp_path: Path) -> None:
    manifest = tmp_path / "job.jsonl"
    (tmp_path / "job.jsonl.rows").write_text("old")

    def broken() -> object:
        yield PROMPTS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(ResultsError, match="No space left on device; nothing was sent"):
        keep_rows(manifest, RUN, broken())  # type: ignore[arg-type]  # an iterator that fails on the way
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("job.jsonl.rows", "old")]


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"key": 1})])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "job.jsonl.rows").write_text(content)
    with pytest.raises(BadInputError, match=r"job\.jsonl\.rows cannot be read"):
        read_run(tmp_path / "job.jsonl", job_id="j", prompts=1)
