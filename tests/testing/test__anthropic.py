"""The official package of the later version, strict about replies, is the judge; that of the earlier one in a process
of its own; and our own client through HTTP.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anthropic
import pytest

from deluge_sync import APIResponse, LLMClient, register_model
from deluge_sync.prompt import Conversation
from deluge_sync.testing import Answer, BatchPace, FakeProvider, Reply, ScriptedCall, _anthropic
from deluge_sync.testing._limits import Standing
from deluge_sync.tool import Tool

Official = Callable[..., anthropic.Anthropic]
Factory = Callable[..., FakeProvider]
PATH = "/anthropic/v1/messages"
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
SCHEMA: Any = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
    "required": ["name", "born"],
    "additionalProperties": False,
}
THINK: Any = {"type": "enabled", "budget_tokens": 1_024}


@pytest.fixture
def claude() -> Iterator[Official]:
    """The official client of a provider: strict about replies, one try a call."""
    with ExitStack() as stack:

        def connect(provider: FakeProvider, api_key: str = "sk-test-0123456789") -> anthropic.Anthropic:
            client = anthropic.Anthropic(
                base_url=provider.anthropic_url, api_key=api_key, max_retries=0, _strict_response_validation=True
            )
            return stack.enter_context(client)

        yield connect


def ask(client: anthropic.Anthropic, text: str = "hello", **more: Any) -> Any:
    request: dict[str, Any] = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}
    return client.messages.create(**request)


# --- the later version


def test_an_answer_is_made_from_the_last_user_message(fake_provider: FakeProvider, claude: Official) -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": [{"type": "text", "text": "second"}]},
    ]
    reply = ask(claude(fake_provider), system="Be brief.", messages=messages)
    assert (reply.model, reply.stop_reason, reply.content[0].text) == ("m", "end_turn", "You said: second")
    # 9, 5, 2 and 6 characters are 3, 2, 1 and 2 tokens; 4 more for each message and the system's. 16 characters out.
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.service_tier) == (24, 4, "standard")
    record = fake_provider.requests(PATH)[0]
    assert (record.prompt_tokens, record.completion_tokens, record.answered) == (24, 4, True)
    assert (record.headers["anthropic-version"], record.key) == ("2026-10-21", "sk-test-0123456789")


def test_an_answer_ends_at_max_tokens_or_a_stop_sequence(fake_provider: FakeProvider, claude: Official) -> None:
    cut = ask(claude(fake_provider), max_tokens=2)
    assert (cut.content[0].text, cut.stop_reason, cut.stop_sequence) == ("You said", "max_tokens", None)
    stopped = ask(claude(fake_provider), stop_sequences=["zzz", "llo"])
    assert (stopped.content[0].text, stopped.stop_reason, stopped.stop_sequence) == (
        "You said: he",
        "stop_sequence",
        "llo",
    )


def test_a_tool_is_called_and_its_result_answered(fake_provider: FakeProvider, claude: Official) -> None:
    client = claude(fake_provider)
    first = ask(client, tools=[WEATHER])
    assert first.stop_reason == "tool_use"
    [call] = first.content
    assert (call.name, call.input) == ("get_weather", {"city": "city"})
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "cold"}]},
    ]
    assert ask(client, messages=messages, tools=[WEATHER]).content[0].text == "Found: cold"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "auto"}, ["get_weather"]),
        ({"type": "any"}, ["get_weather"]),
        ({"type": "tool", "name": "other"}, ["other"]),
        ({"type": "none"}, []),
    ],
)
def test_tool_choice_decides(fake_provider: FakeProvider, claude: Official, choice: Any, called: list[str]) -> None:
    other = {**WEATHER, "name": "other"}
    reply = ask(claude(fake_provider), tools=[WEATHER, other], tool_choice=choice)
    assert [block.name for block in reply.content if block.type == "tool_use"] == called


def test_a_structured_answer_fits_its_schema(fake_provider: FakeProvider, claude: Official) -> None:
    reply = ask(claude(fake_provider), output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
    answer = json.loads(reply.content[0].text)
    assert {name: type(value) for name, value in answer.items()} == {"name": str, "born": int}


@pytest.mark.parametrize("more", [{}, {"tools": [WEATHER]}, {"thinking": THINK, "max_tokens": 2_000}])
def test_a_stream_adds_up_to_the_same_answer(fake_provider: FakeProvider, claude: Official, more: Any) -> None:
    client = claude(fake_provider)
    whole = ask(client, **more)
    request: Any = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}], **more}
    with client.messages.stream(**request) as stream:
        events = [event.type for event in stream]
        streamed = stream.get_final_message()
    said = [block.model_dump(exclude={"id", "parsed_output"}) for block in streamed.content]
    assert said == [block.model_dump(exclude={"id"}) for block in whole.content]
    assert (streamed.stop_reason, streamed.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)
    assert (events[0], events[-1]) == ("message_start", "message_stop")


def test_thinking_comes_with_its_signature_and_is_counted(fake_provider: FakeProvider, claude: Official) -> None:
    reply = ask(claude(fake_provider), thinking=THINK, max_tokens=2_000)
    assert [block.type for block in reply.content] == ["thinking", "text"]
    assert reply.content[0].signature
    # 24 characters of thought and 15 of answer.
    assert (reply.usage.output_tokens, reply.usage.output_tokens_details.thinking_tokens) == (10, 6)


def test_tokens_are_counted_as_the_answer_would_count_them(fake_provider: FakeProvider, claude: Official) -> None:
    client = claude(fake_provider)
    request: Any = {"model": "m", "messages": [{"role": "user", "content": "hello there"}], "tools": [WEATHER]}
    counted = client.messages.count_tokens(**request)
    assert counted.input_tokens == client.messages.create(**request, max_tokens=9).usage.input_tokens
    assert fake_provider.requests(f"{PATH}/count_tokens")[0].completion_tokens == 0


def test_models_are_listed_page_by_page_and_looked_up(fake_provider_factory: Factory, claude: Official) -> None:
    client = claude(fake_provider_factory(models=["a", "b", "c"]))
    assert [model.id for model in client.models.list(limit=2)] == ["a", "b", "c"]
    assert client.models.retrieve("b").id == "b"
    with pytest.raises(anthropic.NotFoundError, match="model: d"):
        client.models.retrieve("d")
    with pytest.raises(anthropic.NotFoundError, match="model: d"):
        ask(client, model="d")


def test_files_are_kept_named_in_messages_and_deleted(fake_provider: FakeProvider, claude: Official) -> None:
    client = claude(fake_provider)
    kept = [client.files.upload(file=(f"{n}.pdf", b"%PDF-1.4", "application/pdf")) for n in range(3)]
    assert (kept[0].filename, kept[0].mime_type, kept[0].size_bytes) == ("0.pdf", "application/pdf", 8)
    assert [file.id for file in client.files.list(limit=2)] == [file.id for file in reversed(kept)]
    assert client.files.retrieve_metadata(kept[1].id) == kept[1]
    named = [{"type": "document", "source": {"type": "file", "file_id": kept[1].id}}, {"type": "text", "text": "Read."}]
    assert ask(client, messages=[{"role": "user", "content": named}]).content[0].text == "You said: Read."
    with pytest.raises(anthropic.BadRequestError, match="not downloadable"):
        client.files.download(kept[1].id)
    assert client.files.delete(kept[1].id).id == kept[1].id
    with pytest.raises(anthropic.NotFoundError, match="File not found"):
        ask(client, messages=[{"role": "user", "content": named}])
    with pytest.raises(anthropic.NotFoundError):
        client.files.delete(kept[1].id)


def line(name: str, **more: Any) -> Any:
    params = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": f"text {name}"}], **more}
    return {"custom_id": name, "params": params}


def test_a_batch_gets_on_from_look_to_look_and_its_results_are_lines(
    fake_provider: FakeProvider, claude: Official
) -> None:
    batches = claude(fake_provider).messages.batches
    batch = batches.create(requests=[line("a"), line("b"), line("c", messages=[]), line("d", stream=True)])
    assert (batch.processing_status, batch.results_url, batch.request_counts.processing) == ("in_progress", None, 4)
    with pytest.raises(anthropic.AnthropicError, match="results"):
        batches.results(batch.id)
    ended = batches.retrieve(batch.id)
    assert (ended.processing_status, ended.request_counts.succeeded, ended.request_counts.errored) == ("ended", 2, 2)
    results = {result.custom_id: result.result for result in batches.results(batch.id)}
    assert {name: result.type for name, result in results.items()} == {
        "a": "succeeded",
        "b": "succeeded",
        "c": "errored",
        "d": "errored",
    }
    answer: Any = results["b"]
    assert (answer.message.content[0].text, answer.message.usage.service_tier) == ("You said: text b", "batch")
    failed: Any = results["c"]
    assert failed.error.error.type == "invalid_request_error"
    assert [listed.id for listed in batches.list()] == [batch.id]


def test_a_batch_can_be_cancelled_and_can_expire(fake_provider_factory: Factory, claude: Official) -> None:
    batches = claude(fake_provider_factory(batches=BatchPace(polls=4, expires_after=1))).messages.batches
    batch = batches.create(requests=[line("a"), line("b")])
    assert batches.cancel(batch.id).processing_status == "canceling"
    assert batches.retrieve(batch.id).request_counts.canceled == 2
    late = batches.create(requests=[line("a"), line("b")])
    states = [batches.retrieve(late.id) for _ in range(4)]
    assert (states[-1].processing_status, states[-1].request_counts.expired) == ("ended", 1)
    assert sorted(result.result.type for result in batches.results(late.id)) == ["expired", "succeeded"]


@pytest.mark.parametrize(
    ("requests", "problem"),
    [
        ([], "1 to 100,000"),
        ([line("a"), line("a")], "comes twice"),
        ([line("a b")], "must be 1 to 64 letters"),
        ([{"custom_id": "a"}], "custom_id, params"),
    ],
)
def test_a_batch_that_cannot_be_told_apart_is_refused(
    fake_provider: FakeProvider, claude: Official, requests: Any, problem: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=problem):
        claude(fake_provider).messages.batches.create(requests=requests)


def test_a_wrong_key_is_an_authentication_error(fake_provider_factory: Factory, claude: Official) -> None:
    provider = fake_provider_factory(api_keys={"sk-right"})
    assert ask(claude(provider, api_key="sk-right")).stop_reason == "end_turn"
    with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key") as caught:
        ask(claude(provider, api_key="sk-wrong-0123456789"))
    assert "sk-wrong" not in str(caught.value)


def test_other_paths_and_methods_are_refused_in_this_formats_shape(
    fake_provider: FakeProvider, claude: Official
) -> None:
    client = claude(fake_provider)
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.get("/v1/brand_new", cast_to=object)
    assert caught.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]  # a dict
    with pytest.raises(anthropic.APIStatusError, match="does not take GET"):
        client.get("/v1/messages", cast_to=object)


def test_a_request_over_the_limit_is_a_rate_limit_error(fake_provider_factory: Factory, claude: Official) -> None:
    client = claude(fake_provider_factory(requests_per_minute=60, burst_s=1.0))
    headers = client.messages.with_raw_response.create(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]
    ).headers
    assert (headers["anthropic-ratelimit-requests-limit"], headers["anthropic-ratelimit-requests-remaining"]) == (
        "60",
        "0",
    )
    assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    with pytest.raises(anthropic.RateLimitError) as caught:
        ask(client)
    assert caught.value.response.headers["retry-after"] == "1"


def test_headers_tell_only_of_limits_that_there_are() -> None:
    headers = _anthropic.reply_headers({"tokens": Standing(100, -5, 2.0)}, sequence=7)
    assert (headers["request-id"], headers["anthropic-ratelimit-tokens-remaining"]) == ("req_00000007", "0")
    assert not any(name.startswith("anthropic-ratelimit-requests") for name in headers)


def test_scripted_answers_reach_the_official_package(fake_provider: FakeProvider, claude: Official) -> None:
    fake_provider.use_script(
        [
            Reply.text("as told", cached_tokens=2),
            Reply.tool_calls(ScriptedCall("a", '{"x": 1}'), ScriptedCall("b")),
            Reply.answer(Answer(refusal="no", prompt_tokens=100, completion_tokens=50, reasoning_tokens=40)),
            Reply.empty_choices(),
            None,
        ]
    )
    told, calls, refusal, empty, ordinary = (ask(claude(fake_provider)) for _ in range(5))
    assert (told.content[0].text, told.usage.input_tokens, told.usage.cache_read_input_tokens) == ("as told", 4, 2)
    assert [(call.name, call.input) for call in calls.content] == [("a", {"x": 1}), ("b", {})]
    assert (refusal.stop_reason, refusal.stop_details.explanation, refusal.content) == ("refusal", "no", [])
    assert (refusal.usage.input_tokens, refusal.usage.output_tokens) == (100, 50)
    assert refusal.usage.output_tokens_details.thinking_tokens == 40
    assert (empty.content, empty.stop_reason) == ([], None)
    assert ordinary.content[0].text == "You said: hello"


@pytest.mark.parametrize(("status", "kind"), [(402, "billing_error"), (500, "api_error"), (529, "overloaded_error")])
def test_scripted_errors_have_the_type_of_their_status(
    fake_provider: FakeProvider, claude: Official, status: int, kind: str
) -> None:
    fake_provider.use_script([Reply.error(status)])
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(claude(fake_provider))
    assert (caught.value.status_code, caught.value.type) == (status, kind)


# --- the earlier version, in a process of its own

EARLIER = Path(sys.prefix) / "judges" / "anthropic-0.76"
SESSION = """
import json, sys
import anthropic
assert anthropic.__version__.startswith("0.76."), anthropic.__version__
client = anthropic.Anthropic(base_url=sys.argv[1], api_key="sk-test-0123456789", max_retries=0,
                             _strict_response_validation=True)
user = [{"role": "user", "content": "hello"}]
said = client.messages.create(model="m", max_tokens=50, temperature=0.5, messages=user)
tool = {"name": "f", "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}
with client.messages.stream(model="m", max_tokens=2000, messages=user, tools=[tool],
                            thinking={"type": "enabled", "budget_tokens": 1024}) as stream:
    streamed = stream.get_final_message()
shape = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
formed = client.beta.messages.create(model="m", max_tokens=50, messages=user, betas=["structured-outputs-2025-11-13"],
                                     output_format={"type": "json_schema", "schema": shape})
files = client.beta.files
kept = files.upload(file=("a.pdf", b"%PDF-1.4", "application/pdf"))
listed = [file.id for file in files.list()]
read = client.beta.messages.create(
    model="m", max_tokens=50, betas=["files-api-2025-04-14"],
    messages=[{"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": kept.id}},
                                           {"type": "text", "text": "Read."}]}])
gone = files.delete(kept.id).type
params = {"model": "m", "max_tokens": 50, "messages": user}
batch = client.messages.batches.create(requests=[{"custom_id": n, "params": params} for n in "abc"])
while batch.processing_status != "ended":
    batch = client.messages.batches.retrieve(batch.id)
try:
    client.messages.create(model="m", max_tokens=50, messages=[])
except anthropic.BadRequestError as error:
    refused = error.body["error"]
print(json.dumps({
    "text": said.content[0].text,
    "streamed": [block.type for block in streamed.content],
    "formed": json.loads(formed.content[0].text),
    "counted": client.messages.count_tokens(model="m", messages=user).input_tokens,
    "models": [model.id for model in client.models.list()],
    "file": [kept.filename, listed == [kept.id], read.content[0].text, gone],
    "batch": sorted(f"{line.custom_id} {line.result.message.content[0].text}"
                    for line in client.messages.batches.results(batch.id)),
    "refused": refused["type"],
}))
"""


def test_the_official_package_of_the_earlier_version_works_too(fake_provider: FakeProvider) -> None:
    if not EARLIER.is_dir():
        pytest.skip(f"anthropic 0.76 is not installed in {EARLIER}")
    done = subprocess.run(
        [sys.executable, "-s", "-c", SESSION, fake_provider.anthropic_url],
        env={**os.environ, "PYTHONPATH": str(EARLIER), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "text": "You said: hello",
        "streamed": ["thinking", "tool_use"],
        "formed": {"a": "a"},
        "counted": 6,
        "models": ["claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5"],
        "file": ["a.pdf", True, "You said: Read.", "file_deleted"],
        "batch": ["a You said: hello", "b You said: hello", "c You said: hello"],
        "refused": "invalid_request_error",
    }
    record = fake_provider.requests(PATH)[0]
    assert record.headers["x-api-key"] == record.key == "sk-test-0123456789"
    assert record.headers["anthropic-version"] == "2023-06-01"


# --- our own client

TOOL = Tool("get_weather", None, WEATHER["input_schema"])


@pytest.fixture
def client(fake_provider: FakeProvider) -> Iterator[LLMClient]:
    register_model(
        "claude-by-embedded",
        "m",
        f"{fake_provider.anthropic_url}/v1",
        None,
        "anthropic",
        supports_schema=True,
        supports_images=True,
        reasoning_model=True,
        reasoning_control="budget",
        accepts_sampling=True,
    )
    with LLMClient("claude-by-embedded", api_key="sk-test-0123456789", max_new_tokens=3_000) as made:
        yield made


def one(client: LLMClient, prompt: Any, **more: Any) -> APIResponse:
    [response] = client.process_prompts_sync([prompt], show_progress=False, **more)
    assert isinstance(response, APIResponse)
    assert response.error_message is None
    return response


def test_our_client_gets_text_and_usage(client: LLMClient, fake_provider: FakeProvider) -> None:
    response = one(client, Conversation.system("Be brief.").user("hello"), cache="system_and_tools")
    assert (response.completion, response.finish_reason) == ("You said: hello", "stop")
    assert response.usage is not None
    # 9 and 5 characters are 3 and 2 tokens, and 4 more for each.
    assert (response.usage.input_tokens, response.usage.output_tokens) == (13, 4)
    body = json.loads(fake_provider.requests(PATH)[0].body)
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_our_client_calls_a_tool_and_gets_what_it_found(client: LLMClient) -> None:
    conversation = Conversation.user("Weather?")
    first = one(client, conversation, tools=[TOOL])
    assert first.content is not None
    [call] = first.content.tool_calls
    conversation.with_response(first).with_tool_result(call.id, {"degrees": -3})
    assert one(client, conversation, tools=[TOOL]).completion == 'Found: {"degrees":-3}'


def test_our_client_gets_a_document_that_fits(client: LLMClient) -> None:
    assert set(json.loads(one(client, "Who?", output_schema=SCHEMA).completion or "")) == {"name", "born"}


def test_our_client_streams(client: LLMClient) -> None:
    *deltas, response = client.stream_chat_sync("hello")
    assert "".join(map(str, deltas)) == "You said: hello"
    assert len(deltas) > 1
    assert isinstance(response, APIResponse)
    assert (response.completion, response.is_error) == ("You said: hello", False)


def test_our_client_is_told_of_a_refusal(client: LLMClient, fake_provider: FakeProvider) -> None:
    fake_provider.use_script([Reply.answer(Answer(refusal="I cannot help with that."))])
    [response] = client.process_prompts_sync(["x"], show_progress=False)
    assert (response.is_error, response.error_kind) == (True, "content_filter")
    assert "I cannot help with that." in (response.error_message or "")
