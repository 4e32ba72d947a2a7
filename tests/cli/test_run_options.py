"""What `run` can do beside answering: schemas, images, caches, budgets, pools of models, settings files."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deluge_sync.testing import FakeProvider, Reply

if TYPE_CHECKING:
    from deluge_sync.testing import RequestRecord

DOT = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0"
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


# --- quiet, json


def test_quiet_leaves_rows_and_errors(answer: Any, ten: Path, rows: Any, fake_provider: FakeProvider) -> None:
    ended = answer(ten, "--quiet")
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    assert len(rows()) == 10
    fake_provider.use_script([Reply.error(400)] * 10)
    assert answer(ten, "--quiet", "--restart").err == ""
    assert answer("none.txt", "--quiet").err == "error: none.txt: No such file or directory\n"


def test_json_is_the_summary_for_machines(answer: Any, ten: Path, fake_provider: FakeProvider) -> None:
    fake_provider.use_script(
        lambda record: Reply.error(400) if record.json["messages"][-1]["content"] == "prompt 3" else None
    )
    ended = answer(ten, "--json", "--quiet")
    document = json.loads(ended.out)
    assert (ended.status, ended.err) == (1, "")
    assert (document["answered"], document["failed"], document["errors"]) == (9, 1, {"bad_request": 1})
    assert (document["requests"], document["retried"], document["held_back"]) == (10, 0, 0)
    assert document["cost"] > 0
    again = json.loads(answer(ten, "--json").out)
    assert (again["answered"], again["failed"], again["earlier"], again["requests"]) == (9, 1, 10, 0)


def test_rows_on_standard_output_are_not_mixed_with_a_summary(cli: Any, fake_provider: FakeProvider, ten: Path) -> None:
    ended = cli("run", ten, "-o", "-", "--json", "--quiet", "--base-url", fake_provider.openai_url)
    assert sorted(json.loads(line)["index"] for line in ended.out.splitlines()) == list(range(10))
    assert ended.err == ""


# --- what a report needs


def test_rows_tell_when_and_the_first_answer_tells_the_session(
    answer: Any, ten: Path, rows: Any, fake_provider: FakeProvider
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    fake_provider.use_script(
        lambda record: Reply.error(400) if record.json["messages"][-1]["content"] == "prompt 0" else None
    )
    answer(ten, "--limit", "4", "--rpm", "5000", "--tpm", "7000000", "--concurrency", "1")
    answer(ten, "--rpm", "6000")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["finished_at"]) for row in rows())
    assert all(before <= datetime.fromisoformat(row["finished_at"]) <= datetime.now(UTC) for row in rows())
    sessions = [row["session"] for row in rows() if "session" in row]
    assert rows()[0]["error"], "failed rows are dropped by --retry-errors, and a session must not go with them"
    assert "session" not in rows()[0]
    assert [session["requests_per_minute"] for session in sessions] == [5_000, 6_000]
    assert sessions[0] == {
        "began_at": sessions[0]["began_at"],
        "prompts": str(ten),
        "format": "jsonl",
        "requests_per_minute": 5_000,
        "tokens_per_minute": 7_000_000,
        "concurrency": 1,
    }


def test_carried_fields_keep_clear_of_the_new_names(answer: Any, tmp_path: Path, rows: Any) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "a", "finished_at": 1, "session": 2, "parsed": 3, "is_cached": 4}\n')
    assert answer("p.jsonl").status == 0
    [row] = rows()
    assert [row[f"input_{name}"] for name in ("finished_at", "session", "parsed", "is_cached")] == [1, 2, 3, 4]


# --- schema


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    return path


def test_rows_have_the_parsed_document_and_misfits_are_errors(
    answer: Any, ten: Path, rows: Any, schema: Path, fake_provider: FakeProvider
) -> None:
    said = {0: '{"n": 1}', 1: '{"n": "one"}', 2: "one", 3: '{"n": 2, "m": 3}', 4: '```json\n{"n": 4}\n```'}

    def say(record: RequestRecord) -> Reply:
        return Reply.text(said[int(record.json["messages"][-1]["content"].split()[1])])

    fake_provider.use_script(say)
    ended = answer(ten, "--limit", "5", "--schema", schema)
    assert ended.status == 1
    assert "answered  2\nfailed    3\n" in ended.err
    assert [row["parsed"] for row in rows()] == [{"n": 1}, None, None, None, {"n": 4}]
    assert [row["error"] and row["error"]["message"] for row in rows()] == [
        None,
        "n: must fit type 'integer', not 'one'",
        "the answer is no JSON document",
        "m: there is no such parameter",
        None,
    ]
    assert {row["error"]["kind"] for row in rows() if row["error"]} == {"schema"}
    assert [row["completion"] for row in rows()] == list(said.values())
    assert all(row["cost"] > 0 for row in rows())
    assert fake_provider.ledger[0].json["response_format"]["json_schema"]["schema"] == SCHEMA
    fake_provider.use_script(lambda _: Reply.text('{"n": 9}'))
    assert answer(ten, "--limit", "5", "--schema", schema, "--retry-errors").status == 0
    assert sorted(row["parsed"]["n"] for row in rows()) == [1, 4, 9, 9, 9]


def test_a_run_with_another_schema_is_another_run(answer: Any, ten: Path, schema: Path) -> None:
    answer(ten, "--limit", "1", "--schema", schema)
    assert answer(ten).status == 2
    schema.write_text(json.dumps({**SCHEMA, "title": "other"}))
    assert "different settings" in answer(ten, "--schema", schema).err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON: "),
        ("[]", "a JSON Schema is an object here"),
        ('{"type": "text"}', "schema: 'type' cannot be 'text'"),
    ],
)
def test_a_schema_that_is_none_is_refused_before_anything_is_sent(
    answer: Any, ten: Path, schema: Path, results: Path, text: str, reason: str, asked: Any
) -> None:
    schema.write_text(text)
    ended = answer(ten, "--schema", schema)
    assert (ended.status, ended.err.count("\n"), asked(), results.exists()) == (2, 1, [], False)
    assert ended.err.startswith(f"error: {schema}: {reason}")


# --- images


def content(provider: FakeProvider) -> list[Any]:
    sent = [record.json["messages"][-1]["content"] for record in provider.ledger]
    return sorted(sent, key=str)


def test_a_column_names_images(answer: Any, tmp_path: Path, rows: Any, fake_provider: FakeProvider) -> None:
    (tmp_path / "p.csv").write_text("prompt,pic\nwhat,https://example.com/a.png\nwho,\n")
    assert answer("p.csv", "--images", "pic").status == 0
    assert content(fake_provider) == [
        [
            {"type": "text", "text": "what"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ],
        "who",
    ]
    assert [row["pic"] for row in rows()] == ["https://example.com/a.png", ""]


def test_local_images_need_leave(answer: Any, tmp_path: Path, fake_provider: FakeProvider, results: Path) -> None:
    (tmp_path / "dot.png").write_bytes(DOT)
    row = {"messages": [{"role": "user", "content": "what"}], "pics": ["dot.png", "https://example.com/a.png"]}
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    refused = answer("p.jsonl", "--images", "pics")
    assert (refused.status, results.exists()) == (2, False)
    assert refused.err == (
        "error: p.jsonl:1: 'pics': 'dot.png' is no http(s) or data URL; "
        "a local image is sent only with --allow-local-files\n"
    )
    assert answer("p.jsonl", "--images", "pics", "--allow-local-files").status == 0
    [[_, dot, remote]] = content(fake_provider)
    assert dot["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(DOT).decode()}"
    assert remote["image_url"]["url"] == "https://example.com/a.png"


def test_a_column_that_no_prompt_has_is_a_slip(answer: Any, ten: Path, asked: Any) -> None:
    ended = answer(ten, "--images", "picture")
    assert (ended.status, ended.err) == (2, f"error: {ten}: no prompt has an image in 'picture' (--images)\n")
    assert asked() == []


# --- cache, budget, models, settings file


def test_a_cache_answers_what_it_has(answer: Any, ten: Path, rows: Any, asked: Any, results: Path) -> None:
    answer(ten, "--limit", "4", "--cache", "c.sqlite")
    results.unlink()
    assert answer(ten, "--cache", "c.sqlite").status == 0
    assert asked() == [f"prompt {n}" for n in range(10)]
    assert [row.get("is_cached") for row in rows()] == [True] * 4 + [None] * 6
    assert [row["cost"] for row in rows()[:4]] == [0.0] * 4


def test_max_cost_holds_prompts_back_and_a_larger_one_goes_on(
    answer: Any, ten: Path, rows: Any, fake_provider: FakeProvider
) -> None:
    one = "0.00087"  # a little more than the 512 tokens of one answer may cost: $1.60 a million
    ended = answer(ten, "--max-cost", one, "--concurrency", "1")
    written = len(rows())
    assert ended.status == 1
    assert 1 <= written < 10
    assert not any(row["error"] for row in rows())
    assert sum(row["cost"] for row in rows()) <= float(one)
    assert f"answered  {written}\nfailed    0\n" in ended.err
    assert ended.err.endswith(f"stopped before --max-cost was passed: {10 - written} are left for a larger one\n")
    assert answer(ten, "--max-cost", "1").status == 0
    assert len(rows()) == 10
    assert len(fake_provider.ledger) == 10


def test_what_the_rows_have_cost_counts(answer: Any, ten: Path, results: Path, rows: Any, asked: Any) -> None:
    answer(ten, "--limit", "2")
    dear = [{**row, "cost": 3.5} for row in rows()]
    results.write_text("".join(json.dumps(row) + "\n" for row in dear))
    ended = answer(ten, "--max-cost", "7")
    assert (ended.status, len(asked())) == (1, 2)
    assert "8 are left for a larger one" in ended.err
    document = json.loads(answer(ten, "--max-cost", "7", "--json").out)
    assert (document["held_back"] > 0, document["errors"]) == (True, {})
    assert answer(ten, "--max-cost", "8").status == 0


def test_failed_rows_that_are_sent_again_stay_paid(answer: Any, ten: Path, results: Path, rows: Any) -> None:
    answer(ten, "--limit", "2")
    failed = [{**row, "cost": 3.5, "error": {"kind": "schema", "message": "x"}} for row in rows()]
    results.write_text("".join(json.dumps(row) + "\n" for row in failed))
    assert "10 are left for a larger one" in answer(ten, "--max-cost", "7", "--retry-errors").err


def test_several_models_share_the_prompts_by_weight(answer: Any, ten: Path, rows: Any) -> None:
    assert answer(ten, "-m", "my-a=0", "-m", "my-b=2").status == 0
    assert {row["model"] for row in rows()} == {"my-b"}
    ended = answer(ten, "-m", "my-a=1", "-m", "my-b=2")
    assert ended.status == 2
    assert "different settings" in ended.err


def test_a_settings_file_is_used_and_options_go_before_it(
    answer: Any, ten: Path, tmp_path: Path, fake_provider: FakeProvider
) -> None:
    (tmp_path / "c.yaml").write_text("model_names: [my-a, my-b]\nmax_new_tokens: 33\ntop_p: 0.5\ntemperature: 0.1\n")
    assert answer(ten, "--config", "c.yaml", "--temperature", "0.9").status == 0
    sent = [record.json for record in fake_provider.ledger]
    assert Counter(one["model"] for one in sent).keys() <= {"my-a", "my-b"}
    assert {(one["top_p"], one["temperature"]) for one in sent} == {(0.5, 0.9)}
    assert all(33 in (one.get("max_tokens"), one.get("max_completion_tokens")) for one in sent)
    (tmp_path / "c.yaml").write_text("model_names: [my-a, my-b]\nmax_new_tokens: 33\ntop_p: 0.6\ntemperature: 0.1\n")
    assert "different settings" in answer(ten, "--config", "c.yaml", "--temperature", "0.9").err
