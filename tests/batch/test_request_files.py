"""Request files: what is in them by the official packages' types, how they are split, who may read them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from anthropic.types.messages.batch_create_params import Request as AnthropicRequest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from deluge_sync import Conversation, Image, LLMClient, Message, SamplingParams, Tool
from deluge_sync.batch import anthropic, openai
from deluge_sync.batch.backend import Limits
from deluge_sync.errors import BatchError
from deluge_sync.prompt import Text, ToolCall, ToolResult
from deluge_sync.testing import FakeProvider, Reply

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU"
    b"\x00\x00\x00\nIDATx\x9cc\xf8\x0f\x00\x01\x01\x01\x00\x1b\xb6\xeeV\x00\x00\x00\x00IEND\xaeB`\x82"
)
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string"}},
    "required": ["colour"],
    "additionalProperties": False,
}
CHAT: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming)
RESPONSES: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsNonStreaming)
MESSAGES: TypeAdapter[Any] = TypeAdapter(AnthropicRequest)


def weather(city: str) -> str:
    """How the weather is."""
    return city


def conversations() -> Iterator[Conversation]:
    """Something of everything that a prompt can be."""
    yield Conversation.user("plain \u2028 text with a \U0001f600 and a \n line")
    yield Conversation.system("Be short.").user("What is seen here?", image=Image(PNG))
    yield Conversation(
        [
            Message.user("How is the weather in Oslo?"),
            Message("assistant", [Text("I will look."), ToolCall("call_1", "weather", {"city": "Oslo"})]),
            Message("tool", [ToolResult("call_1", "rain")]),
            Message.user("And in Bergen?"),
        ]
    )


def walked(value: Any) -> Any:
    """The value with every lazily checked iterable gone through, so that each element is checked too."""
    if isinstance(value, dict):
        return {name: walked(inner) for name, inner in value.items()}
    if isinstance(value, str | bytes | int | float | None):
        return value
    return [walked(inner) for inner in value]


@pytest.fixture
def planned(cases: Any, connect: Callable[..., LLMClient], fake_provider: FakeProvider) -> Callable[..., Path]:
    """Submits a job at a provider that takes no key for the time being, and gives its manifest."""

    def plan(name: str, prompts: Iterable[Any], *, client: Mapping[str, Any], **said: Any) -> Path:
        fake_provider.use_script(lambda _record: Reply.error(401))
        with pytest.raises(BatchError) as caught:
            connect(cases[name], fake_provider, **client).submit_batch_job_sync(prompts, **said)
        fake_provider.use_script([])
        assert caught.value.manifest is not None
        return caught.value.manifest

    return plan


def request_files(manifest: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(f"{manifest}.files").glob("part-*.jsonl"))]


@pytest.fixture
def written(planned: Callable[..., Path]) -> Callable[..., list[dict[str, Any]]]:
    """The lines of a job's only request file."""

    def write(name: str, **said: Any) -> list[dict[str, Any]]:
        params = SamplingParams(temperature=0.2, max_new_tokens=99, stop=("END",) if name != "responses" else None)
        [content] = request_files(planned(name, conversations(), client={"sampling_params": [params]}, **said))
        return [json.loads(line) for line in content.splitlines()]

    return write


SAID = [{"tools": [Tool.from_function(weather)]}, {"output_schema": SCHEMA}]


@pytest.mark.parametrize("said", SAID, ids=["tools", "schema"])
@pytest.mark.parametrize(
    ("name", "url", "official"),
    [("openai", "/v1/chat/completions", CHAT), ("responses", "/v1/responses", RESPONSES)],
)
def test_each_line_of_a_file_for_openai_is_what_its_package_would_send(
    written: Any, name: str, url: str, official: TypeAdapter[Any], said: dict[str, Any]
) -> None:
    lines = written(name, **said)

    assert [line["custom_id"].partition("-")[0] for line in lines] == ["0", "1", "2"]
    for line in lines:
        assert line.keys() == {"custom_id", "method", "url", "body"}
        assert (line["method"], line["url"]) == ("POST", url)
        # What a type does not know is dropped, so that anything unknown to it would make these differ.
        assert walked(official.validate_python(line["body"])) == line["body"]


@pytest.mark.parametrize("said", SAID, ids=["tools", "schema"])
def test_each_line_of_a_file_for_anthropic_is_what_its_package_would_send(written: Any, said: dict[str, Any]) -> None:
    lines = written("anthropic", **said)

    assert len(lines) == 3
    for line in lines:
        # The newest package has no field for it, although models up to Claude Opus 4.6 take it.
        assert line["params"].pop("temperature") == 0.2
        assert walked(MESSAGES.validate_python(line)) == line


@pytest.mark.parametrize(("name", "backend"), [("openai", openai), ("anthropic", anthropic)])
def test_a_file_stays_below_the_providers_size(
    cases: Any,
    connect: Any,
    planned: Callable[..., Path],
    fake_provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    backend: ModuleType,
) -> None:
    monkeypatch.setattr(backend, "limits", Limits(requests=1_000, bytes=2_000))
    prompts = [f"{number} " + "x" * 300 for number in range(11)] + ["y" * 3_000]

    manifest = planned(name, prompts, client={})

    sizes = [len(content) for content in request_files(manifest)]
    assert len(sizes) >= 3
    assert 1_400 < max(sizes) <= 2_000
    assert sum(content.count(b"\n") for content in request_files(manifest)) == 11
    responses = connect(cases[name], fake_provider).resume_batch_job_sync(
        manifest, poll_interval=0.02, show_progress=False
    )
    assert [response.error_kind for response in responses] == [None] * 11 + ["request_too_large"]
    assert cases[name].bought(fake_provider) == len(sizes)


def test_only_the_owner_can_read_a_job_and_no_key_is_in_it(
    cases: Any, connect: Any, fake_provider: FakeProvider, state_home: Path
) -> None:
    secret = {"x-proxy-key": "proxy-secret-0123456789"}
    client = connect(cases["openai"], fake_provider, extra_headers=secret)
    ids = client.submit_batch_job_sync(["hello"])
    client.wait_for_batch_job_sync(ids, poll_interval=0.02, show_progress=False)

    assert ids.manifest.is_relative_to(state_home / "deluge_sync" / "batches")
    for path in [state_home, *state_home.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
        if path.is_file():
            content = path.read_bytes()
            assert b"proxy-secret" not in content
            assert b"sk-test" not in content
    assert all(record.headers["x-proxy-key"] == secret["x-proxy-key"] for record in fake_provider.ledger)
