"""What only Gemini's backend does; what all do is in `test_contract`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from pydantic import TypeAdapter

from deluge_sync import Conversation, Image, Message, Tool
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import HttpReply, HttpRequest, Transport
from deluge_sync.batch import gemini
from deluge_sync.batch.backend import PartToSend
from deluge_sync.batch.wire import CallFailedError, Wire
from deluge_sync.errors import ReplyFormatError
from deluge_sync.models import get_model
from deluge_sync.prompt import Text, ToolCall, ToolResult
from deluge_sync.testing import BatchPace, FakeProvider, Reply

MODEL = get_model("gemini-2.5-flash")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
REQUEST = b'{"contents":[{"parts":[{"text":"hello"}]}]}'


@pytest.fixture
def wire(fake_provider: FakeProvider) -> Iterator[Wire]:
    """Google, as the embedded provider."""
    transport = Transport()
    yield Wire(gemini.provider.api("k", base_url=f"{fake_provider.gemini_url}/v1beta"), transport, provider="gemini")
    transport.close()


@pytest.fixture
def part(tmp_path: Path) -> PartToSend:
    """Two requests on the disk."""
    path = tmp_path / "part.jsonl"
    lines = (gemini.write_line(f"{n}-ab", HttpRequest("POST", "", {}, REQUEST), MODEL) for n in range(2))
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return PartToSend("dls-one-0", MODEL, path, requests=2)


def asked(provider: FakeProvider, path: str) -> list[Any]:
    return [record.json for record in provider.ledger if record.path.endswith(path)]


# What the official package has for each field of a request.
JUDGES: dict[str, TypeAdapter[Any]] = {
    "contents": TypeAdapter(list[types.Content]),
    "systemInstruction": TypeAdapter(types.Content),
    "tools": TypeAdapter(list[types.Tool]),
    "toolConfig": TypeAdapter(types.ToolConfig),
    "generationConfig": TypeAdapter(types.GenerationConfig),
}


def weather(city: str) -> str:
    """How the weather is."""
    return city


def said(document: Any) -> Reply:
    """A reply that Google sends in place of the embedded provider's."""
    return Reply.raw(200, {"content-type": "application/json"}, json.dumps(document).encode())


def operation(state: str, **more: Any) -> Reply:
    """What Google says of a batch in `state`."""
    return said({"name": "batches/b", "metadata": {"state": f"BATCH_STATE_{state}"}, **more})


# --- what is in the file


@pytest.mark.parametrize("more", [{"tools": [Tool.from_function(weather)]}, {"output_schema": SCHEMA}, {}])
def test_each_line_is_what_the_official_package_knows(
    cases: Any, connect: Any, fake_provider: FakeProvider, more: dict[str, Any]
) -> None:
    client = connect(cases["gemini"], fake_provider, temperature=0.3, seed=5, stop=["END"], reasoning_effort="low")
    called = Message("assistant", [Text("I will look."), ToolCall("call_1", "weather", {"city": "Oslo"})])
    prompts = [
        "plain \u2028 text with a \U0001f600 and a \n line",
        Conversation.system("Be short.").user("What is seen here?", image=Image(PNG)),
        Conversation([Message.user("In Oslo?"), called, Message("tool", [ToolResult("call_1", "rain")])]),
    ]
    manifest = client.submit_batch_job_sync(prompts, **more).manifest
    lines = [json.loads(line) for line in Path(f"{manifest}.files/part-00000.jsonl").read_bytes().splitlines()]
    assert [line["key"].partition("-")[0] for line in lines] == ["0", "1", "2"]
    for line in lines:
        assert line.keys() == {"key", "request"}
        assert {"contents", "generationConfig"} <= line["request"].keys() <= JUDGES.keys()
        for name, value in line["request"].items():
            taken = JUDGES[name].validate_json(json.dumps(value), strict=True)
            again = JUDGES[name].dump_python(taken, mode="json", by_alias=True, exclude_none=True)
            assert standard_base64(again) == value


def standard_base64(value: Any) -> Any:
    """Images in the alphabet that we write, which the official package reads but does not write."""
    if isinstance(value, dict):
        return {
            name: inner.replace("-", "+").replace("_", "/") if name == "data" else standard_base64(inner)
            for name, inner in value.items()
        }
    return [standard_base64(inner) for inner in value] if isinstance(value, list) else value


# --- a file becomes a batch


def test_the_file_goes_up_as_it_is_and_the_batch_bears_the_parts_name(
    wire: Wire, part: PartToSend, fake_provider: FakeProvider
) -> None:
    file_id = gemini.upload(wire, part)
    batch_id = gemini.create(wire, replace(part, file_id=file_id))
    sent = [record.body for record in fake_provider.ledger if record.path.startswith("/gemini/upload/v1beta/files/")]
    assert sent == [part.path.read_bytes()]
    [created] = asked(fake_provider, ":batchGenerateContent")
    assert created == {"batch": {"displayName": "dls-one-0", "inputConfig": {"fileName": file_id}}}
    assert gemini.find(wire, part) == batch_id
    assert gemini.find(wire, replace(part, name="dls-one-1")) is None


def test_a_file_that_vanished_while_the_part_waited_is_uploaded_anew(
    wire: Wire, part: PartToSend, fake_provider: FakeProvider
) -> None:
    batch_id = gemini.create(wire, replace(part, file_id="files/gone"))
    [created] = asked(fake_provider, ":batchGenerateContent")
    assert created["batch"]["inputConfig"] != {"fileName": "files/gone"}
    [gemini.look(wire, batch_id) for _ in range(2)]
    assert gemini.look(wire, batch_id).succeeded == 2


def test_a_file_that_google_is_not_done_with_is_waited_for(
    wire: Wire, part: PartToSend, fake_provider: FakeProvider
) -> None:
    fake_provider.use_script([said({"name": "files/a", "state": "PROCESSING"})])
    with pytest.raises(CallFailedError) as caught:
        gemini.create(wire, replace(part, file_id="files/a"))
    assert caught.value.failure.traits.same_model_may_help
    assert asked(fake_provider, ":batchGenerateContent") == []


def test_a_key_that_is_wrong_is_no_reason_to_upload_again(
    wire: Wire, part: PartToSend, fake_provider: FakeProvider
) -> None:
    fake_provider.use_script([Reply.error(400, code="API_KEY_INVALID")])
    with pytest.raises(CallFailedError) as caught:
        gemini.create(wire, replace(part, file_id="files/a"))
    assert caught.value.failure.kind is FailureKind.AUTH


@pytest.mark.parametrize("quota", [None, "BatchEnqueuedTokensPerModel"])
def test_a_full_queue_is_a_rate_limit(
    wire: Wire, part: PartToSend, fake_provider: FakeProvider, quota: str | None
) -> None:
    message = "You exceeded your current quota, please check your plan and billing details."
    file_id = gemini.upload(wire, part)
    fake_provider.use_script([None, Reply.error(429, message=message, code=quota)])
    with pytest.raises(CallFailedError) as caught:
        gemini.create(wire, replace(part, file_id=file_id))
    assert caught.value.failure.kind is FailureKind.RATE_LIMIT


def test_a_batch_is_found_on_any_page(wire: Wire, part: PartToSend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemini, "_PAGE", 1)
    made = [gemini.create(wire, replace(part, name=f"dls-one-{n}")) for n in range(3)]
    assert [gemini.find(wire, replace(part, name=f"dls-one-{n}")) for n in range(3)] == made


def test_a_batch_that_is_known_or_was_never_begun_is_not_found(
    wire: Wire, part: PartToSend, fake_provider: FakeProvider
) -> None:
    states = {"batches/a": "FAILED", "batches/b": "RUNNING", "batches/c": "SUCCEEDED"}
    listed = [
        {"name": name, "metadata": {"displayName": part.name, "state": f"BATCH_STATE_{state}"}}
        for name, state in states.items()
    ]
    fake_provider.use_script([said({"operations": listed})] * 3)
    assert gemini.find(wire, part) == "batches/b"
    assert gemini.find(wire, replace(part, known_ids=frozenset({"batches/b"}))) == "batches/c"
    assert gemini.find(wire, replace(part, known_ids=frozenset({"batches/b", "batches/c"}))) is None


# --- how far it is


@pytest.mark.parametrize(
    ("told", "phase", "ending"),
    [
        (operation("PENDING"), "open", "completed"),
        (operation("RUNNING"), "open", "completed"),
        (operation("PAUSED_BY_GOOGLE"), "open", "completed"),
        (operation("SUCCEEDED", done=True, response={"responsesFile": "files/r"}), "over", "completed"),
        (operation("CANCELLED", done=True, error={"code": 1, "message": "cancelled"}), "over", "cancelled"),
        (operation("EXPIRED", done=True, error={"code": 4, "message": "late"}), "over", "expired"),
        (operation("FAILED", done=True, error={"code": 3, "message": "no JSON"}), "refused", "failed"),
        (operation("FAILED", done=True, error={"code": 8, "message": "too much"}), "held", "failed"),
        (operation("FAILED", done=True, response={"responsesFile": "files/r"}), "over", "failed"),
        (operation("FAILED"), "refused", "failed"),
    ],
)
def test_every_state_is_a_phase(wire: Wire, fake_provider: FakeProvider, told: Reply, phase: str, ending: str) -> None:
    fake_provider.use_script([told])
    state = gemini.look(wire, "batches/b")
    assert (state.phase, state.ending) == (phase, ending)
    assert (state.problem is not None) == (phase in ("refused", "held"))


def test_an_expired_batch_has_no_results(part: PartToSend) -> None:
    with FakeProvider(batches=BatchPace(polls=1, expires_after=1)) as provider:
        transport = Transport()
        late = Wire(gemini.provider.api("k", base_url=f"{provider.gemini_url}/v1beta"), transport, provider="gemini")
        state = gemini.look(late, gemini.create(late, part))
        transport.close()
    assert (state.phase, state.ending, state.results) == ("over", "expired", ())


def test_cancelling_what_is_over_is_no_error(wire: Wire, part: PartToSend, fake_provider: FakeProvider) -> None:
    batch_id = gemini.create(wire, part)
    [gemini.look(wire, batch_id) for _ in range(2)]
    gemini.cancel(wire, batch_id)
    assert asked(fake_provider, ":cancel") == []


# --- results


def test_an_answer_is_the_reply_that_the_same_request_would_get() -> None:
    item = gemini.read_item({"key": "3-ab", "response": {"candidates": [{"index": 0}]}})
    assert item.custom_id == "3-ab"
    assert isinstance(item.outcome, HttpReply)
    assert (item.outcome.status, json.loads(item.outcome.body)) == (200, {"candidates": [{"index": 0}]})


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        (3, 400, "INVALID_ARGUMENT"),
        (7, 403, "PERMISSION_DENIED"),
        (8, 429, "RESOURCE_EXHAUSTED"),
        (13, 500, "INTERNAL"),
        (14, 503, "UNAVAILABLE"),
        (99, 500, "UNKNOWN"),
        ("odd", 500, "UNKNOWN"),
        (None, 500, "UNKNOWN"),
    ],
)
def test_an_error_of_googles_rpcs_is_told_with_its_http_status(code: Any, status: int, word: str) -> None:
    item = gemini.read_item({"key": "3-ab", "error": {"code": code, "message": "m"}})
    assert isinstance(item.outcome, HttpReply)
    assert item.outcome.status == status
    assert json.loads(item.outcome.body) == {"error": {"code": status, "message": "m", "status": word}}


def test_a_request_that_was_cancelled_was_not_processed() -> None:
    item = gemini.read_item({"key": "3-ab", "error": {"code": 1, "message": "stopped"}})
    assert item.outcome == Failure(FailureKind.CANCELLED, "stopped", may_have_been_processed=False)


@pytest.mark.parametrize("line", [{}, {"response": {}}, {"key": 3, "response": {}}, {"key": "3-ab"}])
def test_what_is_no_result_is_refused(line: dict[str, Any]) -> None:
    with pytest.raises(ReplyFormatError):
        gemini.read_item(line)
