"""What OpenAI's and Anthropic's backends read: each status, each kind of result line, by the providers' documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import HttpReply, HttpRequest, Transport
from deluge_sync.batch import anthropic, openai
from deluge_sync.batch.backend import BatchState, PartToSend, backend_of
from deluge_sync.batch.collecting import _Index
from deluge_sync.batch.wire import Wire
from deluge_sync.errors import ConfigError, ReplyFormatError
from deluge_sync.models import get_model
from deluge_sync.testing import FakeProvider, Reply

KEY = "sk-test-0123456789"


@pytest.fixture
def wires(fake_provider: FakeProvider) -> Iterator[dict[str, Wire]]:
    """OpenAI and Anthropic, as the embedded provider."""
    transport = Transport()
    yield {
        "openai": Wire(openai.provider.api(KEY, base_url=fake_provider.openai_url), transport, provider="openai"),
        "anthropic": Wire(
            anthropic.provider.api(KEY, base_url=f"{fake_provider.anthropic_url}/v1"), transport, provider="anthropic"
        ),
    }
    transport.close()


def said(document: Any) -> Reply:
    return Reply.raw(200, {"content-type": "application/json"}, json.dumps(document).encode())


COUNTS = {"total": 9, "completed": 5, "failed": 1}
FILES = {"output_file_id": "file-out", "error_file_id": "file-err"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"status": "validating"}, BatchState("b", "open", 5, 1)),
        ({"status": "in_progress"}, BatchState("b", "open", 5, 1)),
        ({"status": "finalizing"}, BatchState("b", "open", 5, 1)),
        ({"status": "cancelling"}, BatchState("b", "open", 5, 1)),
        ({"status": "a word of tomorrow"}, BatchState("b", "open", 5, 1)),
        ({"status": "completed", **FILES}, BatchState("b", "over", 5, 1, "completed", ("file-out", "file-err"))),
        ({"status": "completed", "error_file_id": "e"}, BatchState("b", "over", 5, 1, "completed", ("e",))),
        ({"status": "expired", **FILES}, BatchState("b", "over", 5, 1, "expired", ("file-out", "file-err"))),
        ({"status": "cancelled"}, BatchState("b", "over", 5, 1, "cancelled", ())),
    ],
)
def test_openai_says_how_far_a_batch_is(
    wires: dict[str, Wire], fake_provider: FakeProvider, told: dict[str, Any], expected: BatchState
) -> None:
    fake_provider.use_script([said({"id": "b", "request_counts": COUNTS, **told})])
    assert openai.look(wires["openai"], "b") == expected


@pytest.mark.parametrize(
    ("code", "phase", "kind"),
    [
        ("token_limit_exceeded", "held", FailureKind.RATE_LIMIT),
        ("billing_hard_limit_reached", "held", FailureKind.QUOTA),
        ("invalid_json_line", "refused", FailureKind.BAD_REQUEST),
        ("model_not_found", "refused", FailureKind.MODEL_NOT_FOUND),
        (None, "refused", FailureKind.BAD_REQUEST),
    ],
)
def test_openai_says_why_a_whole_batch_failed(
    wires: dict[str, Wire], fake_provider: FakeProvider, code: str | None, phase: str, kind: FailureKind
) -> None:
    errors = {"object": "list", "data": [{"code": code, "message": "in words", "line": 3}]}
    fake_provider.use_script([said({"id": "b", "status": "failed", "errors": errors})])

    state = openai.look(wires["openai"], "b")

    assert state.phase == phase
    assert state.problem is not None
    assert (state.problem.kind, state.problem.message) == (kind, "in words")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"processing_status": "in_progress"}, BatchState("m", "open", 5, 1)),
        ({"processing_status": "canceling"}, BatchState("m", "open", 5, 1)),
        ({"processing_status": "ended", "results_url": "x"}, BatchState("m", "over", 5, 1, "completed", ("m",))),
        (
            {"processing_status": "ended", "cancel_initiated_at": "2026-11-01T00:00:00Z"},
            BatchState("m", "over", 5, 1, "cancelled", ("m",)),
        ),
        (
            {"processing_status": "ended", "archived_at": "2026-11-01T00:00:00Z"},
            BatchState("m", "over", 5, 1, "completed", ()),
        ),
    ],
)
def test_anthropic_says_how_far_a_batch_is(
    wires: dict[str, Wire], fake_provider: FakeProvider, told: dict[str, Any], expected: BatchState
) -> None:
    counts = {"processing": 0, "succeeded": 5, "errored": 1, "canceled": 2, "expired": 1}
    fake_provider.use_script([said({"id": "m", "type": "message_batch", "request_counts": counts, **told})])
    assert anthropic.look(wires["anthropic"], "m") == expected


def test_a_line_of_openai_is_a_reply_or_why_there_is_none() -> None:
    answered = {"custom_id": "0-a", "response": {"status_code": 200, "body": {"id": "x"}}, "error": None}
    assert openai.read_item(answered).outcome == HttpReply(200, {}, b'{"id": "x"}')
    failed = {"custom_id": "0-a", "response": {"status_code": 400, "body": {"error": {"code": "c"}}}, "error": None}
    assert openai.read_item(failed).outcome == HttpReply(400, {}, b'{"error": {"code": "c"}}')
    for code, kind in (("batch_expired", FailureKind.EXPIRED), ("batch_cancelled", FailureKind.CANCELLED)):
        outcome = openai.read_item({"custom_id": "0-a", "error": {"code": code, "message": "late"}}).outcome
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.message, outcome.may_have_been_processed) == (kind, "late", False)
    unknown = openai.read_item({"custom_id": "0-a", "error": {"code": "new", "message": "odd"}}).outcome
    assert isinstance(unknown, HttpReply)
    assert unknown.status == 500


def test_a_line_of_anthropic_is_a_reply_or_why_there_is_none() -> None:
    def outcome(result: Any) -> Any:
        return anthropic.read_item({"custom_id": "0-a", "result": result}).outcome

    assert outcome({"type": "succeeded", "message": {"id": "x"}}) == HttpReply(200, {}, b'{"id": "x"}')
    for kind, status in (("invalid_request_error", 400), ("overloaded_error", 529), ("news_error", 500)):
        error = {"type": "error", "error": {"type": kind, "message": "m"}}
        assert outcome({"type": "errored", "error": error}).status == status
    assert outcome({"type": "expired"}).kind is FailureKind.EXPIRED
    assert outcome({"type": "canceled"}).kind is FailureKind.CANCELLED


@pytest.mark.parametrize("line", [{}, {"custom_id": 5}, {"custom_id": None, "result": {}}])
def test_what_is_no_result_line_is_refused(line: dict[str, Any]) -> None:
    for backend in (openai, anthropic):
        with pytest.raises(ReplyFormatError):
            backend.read_item(line)


def test_the_betas_of_all_requests_go_with_anthropics_order(
    wires: dict[str, Wire], fake_provider: FakeProvider, tmp_path: Path
) -> None:
    path = tmp_path / "part.jsonl"
    body = b'{"model": "claude-sonnet-4-5",\n "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}'
    model = get_model("claude-4.5-sonnet")
    lines = [anthropic.write_line(f"{n}-ab", HttpRequest("POST", "", {}, body), model) for n in range(2)]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    part = PartToSend("deluge-sync-x", model, path, 2, betas=("one-2025", "two-2026"))

    anthropic.create(wires["anthropic"], part)

    [record] = fake_provider.ledger
    assert record.headers["anthropic-beta"] == "one-2025,two-2026"
    assert [request["custom_id"] for request in record.json["requests"]] == ["0-ab", "1-ab"]
    assert record.json["requests"][0]["params"] == json.loads(body)


def test_an_order_is_found_among_those_since_the_mark_over_several_pages(
    wires: dict[str, Wire], fake_provider: FakeProvider
) -> None:
    """By the name where there are names."""
    pages = [
        {"data": [{"id": f"b{n}", "status": "in_progress"} for n in range(9, 6, -1)], "has_more": True},
        {
            "data": [
                {"id": "b6", "status": "failed", "metadata": {"deluge_sync": "mine"}},
                {"id": "b5", "status": "completed", "metadata": {"deluge_sync": "mine"}},
                {"id": "b4", "status": "completed", "metadata": {"deluge_sync": "mine"}},
            ],
            "has_more": True,
        },
    ]
    part = PartToSend("mine", get_model("gpt-4.1-mini"), Path("unused"), 2)
    for mark, known, expected in (("b3", (), "b5"), ("b3", ("b5",), "b4"), ("b5", (), None)):
        fake_provider.use_script([said(page) for page in pages] + [said({"data": [{"id": "b3", "status": "x"}]})])
        changed = PartToSend("mine", part.model, part.path, 2, mark=mark, known_ids=frozenset(known))
        assert openai.find(wires["openai"], changed) == expected


def test_a_wire_format_without_batches_is_named() -> None:
    with pytest.raises(ConfigError, match="no batch jobs for the wire format 'bedrock'"):
        backend_of("bedrock")


def test_the_first_of_two_results_counts_and_strangers_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    index = _Index(3)
    for offset, custom_id in enumerate(
        ["1-abc", "0-abc", "1-abc", "2-xyz", "3-abc", "-1-abc", "x-abc", "2", "", "٢-abc", "9" * 30 + "-abc"]
    ):
        index.add(custom_id, "abc", 0, offset)
    index.tell()

    assert list(index.files) == [0, 0, -1]
    assert list(index.offsets)[:2] == [1, 0]
    assert "passed over 1 result lines of a batch job that were second ones" in caplog.text
    assert "passed over 8 result lines of a batch job that have a custom_id" in caplog.text
