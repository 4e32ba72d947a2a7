"""What only Mistral's backend does; what all do is in `test_contract`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mistralai.client import models as official

from deluge_sync import Conversation, Message, Tool
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import HttpReply, HttpRequest, Transport
from deluge_sync.batch import mistral
from deluge_sync.batch.backend import PartToSend
from deluge_sync.batch.wire import Wire
from deluge_sync.errors import ReplyFormatError
from deluge_sync.models import get_model
from deluge_sync.prompt import Text, ToolCall, ToolResult
from deluge_sync.testing import FakeProvider, Reply

MODEL = get_model("mistral-small-latest")
SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
REQUEST = b'{"model":"mistral-small-latest","messages":[{"role":"user","content":"hello"}]}'
JOB = "00000000-0000-4000-8000-000000000009"


@pytest.fixture
def wire(fake_provider: FakeProvider) -> Iterator[Wire]:
    """Mistral, as the embedded provider."""
    transport = Transport()
    yield Wire(mistral.provider.api("k", base_url=f"{fake_provider.mistral_url}/v1"), transport, provider="mistral")
    transport.close()


@pytest.fixture
def part(tmp_path: Path) -> PartToSend:
    """Two requests on the disk."""
    path = tmp_path / "part.jsonl"
    lines = (mistral.write_line(f"{n}-ab", HttpRequest("POST", "", {}, REQUEST), MODEL) for n in range(2))
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return PartToSend("dls-one-0", MODEL, path, requests=2)


def made(wire: Wire, part: PartToSend) -> str:
    """The id of a new job over the part."""
    return mistral.create(wire, replace(part, file_id=mistral.upload(wire, part)))


def job(status: str, **more: Any) -> dict[str, Any]:
    """What Mistral says of a job."""
    return {"id": JOB, "object": "batch", "endpoint": "/v1/chat/completions", "status": status, **more}


def said(document: Any) -> Reply:
    """A reply that Mistral sends in place of the embedded provider's."""
    return Reply.raw(200, {"content-type": "application/json"}, json.dumps(document).encode())


# --- what is in the file


def weather(city: str) -> str:
    """How the weather is."""
    return city


@pytest.mark.parametrize("more", [{"tools": [Tool.from_function(weather)]}, {"output_schema": SCHEMA}, {}])
def test_each_line_is_what_the_official_package_would_send(
    cases: Any, connect: Any, fake_provider: FakeProvider, more: dict[str, Any]
) -> None:
    client = connect(cases["mistral"], fake_provider, temperature=0.3, seed=5, stop=["END"])
    called = Message("assistant", [Text("I will look."), ToolCall("call12345", "weather", {"city": "Oslo"})])
    prompts = [
        "plain \u2028 text with a \U0001f600 and a \n line",
        Conversation.system("Be short.").user("What is seen here?"),
        Conversation([Message.user("In Oslo?"), called, Message("tool", [ToolResult("call12345", "rain")])]),
    ]
    manifest = client.submit_batch_job_sync(prompts, **more).manifest
    lines = Path(f"{manifest}.files/part-00000.jsonl").read_bytes().splitlines()
    assert len(lines) == 3
    for position, line in enumerate(lines):
        taken = official.BatchRequest.model_validate_json(line, strict=True)
        assert taken.model_dump(mode="json", by_alias=True, exclude_unset=True) == json.loads(line)
        assert str(taken.custom_id).startswith(f"{position}-")
        body = official.ChatCompletionRequest.model_validate_json(json.dumps(taken.body), strict=True)
        assert body.model_dump(mode="json", by_alias=True, exclude_unset=True) == taken.body


# --- a file becomes a job


def test_the_file_goes_up_as_it_is_and_the_job_bears_the_parts_name(
    wire: Wire, part: PartToSend, fake_provider: FakeProvider
) -> None:
    file_id = mistral.upload(wire, part)
    assert part.path.read_bytes() in fake_provider.ledger[0].body
    job_id = mistral.create(wire, replace(part, file_id=file_id))
    assert fake_provider.ledger[-1].json == {
        "endpoint": "/v1/chat/completions",
        "input_files": [file_id],
        "model": MODEL.name,
        "metadata": {"deluge_sync": "dls-one-0"},
    }
    assert mistral.find(wire, part) == job_id
    assert mistral.find(wire, replace(part, name="dls-one-1")) is None


def test_a_job_is_found_on_any_page_but_not_beyond_the_mark(
    wire: Wire, part: PartToSend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mistral, "_PAGE", 1)
    assert mistral.mark(wire, part) is None
    parts = [replace(part, name=f"dls-one-{n}") for n in range(3)]
    jobs = [made(wire, each) for each in parts]
    assert [mistral.find(wire, each) for each in parts] == jobs
    assert mistral.mark(wire, part) == jobs[2]
    assert [mistral.find(wire, replace(each, mark=jobs[0])) for each in parts] == [None, *jobs[1:]]


def test_a_job_that_is_known_or_was_never_begun_is_not_found(
    wire: Wire, part: PartToSend, fake_provider: FakeProvider
) -> None:
    states = {"a": "FAILED", "b": "RUNNING", "c": "SUCCESS"}
    named = {"deluge_sync": part.name}
    listed = [{**job(status), "id": job_id, "metadata": named} for job_id, status in states.items()]
    fake_provider.use_script([said({"data": listed})] * 3)
    assert mistral.find(wire, part) == "b"
    assert mistral.find(wire, replace(part, known_ids=frozenset("b"))) == "c"
    assert mistral.find(wire, replace(part, known_ids=frozenset("bc"))) is None


# --- how far it is


@pytest.mark.parametrize(
    ("told", "phase", "ending"),
    [
        (job("QUEUED"), "open", "completed"),
        (job("RUNNING"), "open", "completed"),
        (job("CANCELLATION_REQUESTED"), "open", "completed"),
        (job("SOMETHING_NEW"), "open", "completed"),
        (job("SUCCESS", output_file="o", error_file=None), "over", "completed"),
        (job("TIMEOUT_EXCEEDED", output_file="o"), "over", "expired"),
        (job("CANCELLED"), "over", "cancelled"),
        (job("FAILED", errors=[{"message": "line 1 is no JSON"}]), "refused", "failed"),
        (job("FAILED", error_file="e"), "over", "failed"),
        (job("FAILED"), "refused", "failed"),
    ],
)
def test_every_status_is_a_phase(
    wire: Wire, fake_provider: FakeProvider, told: dict[str, Any], phase: str, ending: str
) -> None:
    fake_provider.use_script([said(told)])
    state = mistral.look(wire, JOB)
    assert (state.phase, state.ending) == (phase, ending)
    assert (state.problem is not None) == (phase in ("refused", "held"))
    assert state.results == tuple(told[name] for name in ("output_file", "error_file") if told.get(name))


def test_a_file_that_is_no_input_is_told_with_what_mistral_found(wire: Wire, part: PartToSend) -> None:
    part.path.write_bytes(b'{"custom_id": "0-ab"}\n')
    state = mistral.look(wire, made(wire, part))
    assert state.problem is not None
    assert (state.phase, state.problem.kind) == ("refused", FailureKind.BAD_REQUEST)
    assert "line 1: Field required" in state.problem.message


def test_cancelling_what_is_over_is_no_error(wire: Wire, part: PartToSend, fake_provider: FakeProvider) -> None:
    job_id = made(wire, part)
    [mistral.look(wire, job_id) for _ in range(2)]
    mistral.cancel(wire, job_id)
    assert not [record for record in fake_provider.ledger if record.path.endswith("/cancel")]


# --- results


@pytest.mark.parametrize(("status", "body"), [(200, {"choices": []}), (422, {"detail": []}), (500, "gone wrong")])
def test_a_response_is_the_reply_that_the_same_request_would_get(status: int, body: Any) -> None:
    item = mistral.read_item({"custom_id": "3-ab", "response": {"status_code": status, "body": body}, "error": None})
    assert item.custom_id == "3-ab"
    assert isinstance(item.outcome, HttpReply)
    assert (item.outcome.status, json.loads(item.outcome.body)) == (status, body)


@pytest.mark.parametrize("error", ["gone wrong", {"message": "gone wrong"}])
def test_an_error_without_a_response_is_a_failure_of_the_server(error: Any) -> None:
    item = mistral.read_item({"custom_id": "3-ab", "response": None, "error": error})
    assert isinstance(item.outcome, Failure)
    assert item.outcome.kind is FailureKind.SERVER
    assert "gone wrong" in item.outcome.message


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"response": {"status_code": 200, "body": {}}},
        {"custom_id": 3, "response": {"status_code": 200, "body": {}}},
        {"custom_id": "3-ab", "response": None, "error": None},
        {"custom_id": "3-ab", "response": {"body": {}}},
    ],
)
def test_what_is_no_result_is_refused(line: dict[str, Any]) -> None:
    with pytest.raises(ReplyFormatError):
        mistral.read_item(line)
