"""Mistral's own package against the embedded provider. It reads unions leniently, so every reply is looked through."""

from __future__ import annotations

import base64
import http.client
import json
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from mistralai.client import Mistral, errors, models
from pydantic import BaseModel

from deluge_sync.testing import Answer, BatchPace, FakeProvider, Reply, ScriptedCall

M = "mistral-large-latest"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}
CALL_ID = "A1b2C3d4E"

Connect = Callable[..., Mistral]
Send = Callable[..., tuple[int, Any]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """A client of Mistral's package, which tries once."""
    with ExitStack() as stack:
        yield lambda provider, key="k": stack.enter_context(Mistral(api_key=key, server_url=provider.mistral_url))


@pytest.fixture
def client(fake_provider: FakeProvider, connect: Connect) -> Mistral:
    return connect(fake_provider)


@pytest.fixture
def send(fake_provider: FakeProvider) -> Send:
    """One chat request over a plain connection: the status and the parsed reply."""

    def sent(body: Any, path: str = "/mistral/v1/chat/completions", method: str = "POST") -> tuple[int, Any]:
        connection = http.client.HTTPConnection(fake_provider.url.removeprefix("http://"), timeout=5)
        try:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, content, {"Authorization": "Bearer k"})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    return sent


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


def no_unknowns(value: Any) -> None:
    """Nothing in a reply is of a kind or has a value that the package does not know."""
    assert not getattr(value, "is_unknown", False), value
    assert type(value).__name__ != "UnrecognizedStr", value
    children = list(value) if isinstance(value, list) else []
    if isinstance(value, BaseModel):
        assert not (value.model_extra or {}).keys() - {"num_cached_tokens", "prompt_tokens_details"}
        children = [getattr(value, name) for name in type(value).model_fields]
    for child in children:
        no_unknowns(child)


def only_message(reply: models.ChatCompletionResponse) -> models.AssistantMessage:
    no_unknowns(reply)
    [choice] = reply.choices
    assert choice.message is not None
    return choice.message


# --- chat


def test_it_answers_with_text_made_from_the_prompt(client: Mistral) -> None:
    reply = client.chat.complete(model=M, messages=user("hello"))
    assert only_message(reply).content == "You said: hello"
    assert (reply.object, reply.model, reply.choices[0].finish_reason) == ("chat.completion", M, "stop")
    # 4 for the message, 2 for its 5 characters; 4 for the 15 of the answer.
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (6, 4, 10)


def test_a_stream_says_the_same_in_chunks_and_ends_with_usage(client: Mistral) -> None:
    whole = client.chat.complete(model=M, messages=user("hello"))
    with client.chat.stream(model=M, messages=user("hello")) as stream:
        chunks = [event.data for event in stream]
    no_unknowns(chunks)
    assert len(chunks) > 3
    assert "".join(str(chunk.choices[0].delta.content) for chunk in chunks) == only_message(whole).content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [whole.usage]


def test_it_calls_the_first_tool_and_then_tells_its_result(client: Mistral) -> None:
    first = only_message(client.chat.complete(model=M, messages=user("Weather?"), tools=[WEATHER]))
    [call] = first.tool_calls or []
    assert re.fullmatch("[a-zA-Z0-9]{9}", str(call.id))
    assert (call.function.name, json.loads(str(call.function.arguments)).keys()) == ("weather", {"city"})
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    second = client.chat.complete(model=M, messages=[*user("Weather?"), first, result], tools=[WEATHER])
    assert only_message(second).content == "Found: sunny"


@pytest.mark.parametrize(
    ("choice", "calls"),
    [("auto", 1), ("any", 1), ("required", 1), ("none", 0), ({"type": "function", "function": {"name": "weather"}}, 1)],
)
def test_it_keeps_to_the_choice_of_tools(client: Mistral, choice: Any, calls: int) -> None:
    reply = client.chat.complete(model=M, messages=user("Weather?"), tools=[WEATHER], tool_choice=choice)
    assert len(only_message(reply).tool_calls or []) == calls


def test_a_streamed_tool_call_comes_whole(client: Mistral) -> None:
    with client.chat.stream(model=M, messages=user("Weather?"), tools=[WEATHER]) as stream:
        chunks = [event.data.choices[0] for event in stream]
    no_unknowns(chunks)
    [call] = [call for chunk in chunks for call in chunk.delta.tool_calls or ()]
    assert call.function.name == "weather"
    assert json.loads(str(call.function.arguments))
    assert chunks[-1].finish_reason == "tool_calls"


def test_an_answer_fits_its_schema(client: Mistral) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA, "strict": True}}
    content = only_message(client.chat.complete(model=M, messages=user("Rome?"), response_format=form)).content
    assert json.loads(str(content)).keys() == {"name", "people"}
    any_json = client.chat.complete(model=M, messages=user("Rome?"), response_format={"type": "json_object"})
    assert json.loads(str(only_message(any_json).content))


@pytest.mark.parametrize("asked", [{"prompt_mode": "reasoning"}, {"reasoning_effort": "high"}])
def test_a_thought_comes_first_where_it_is_asked_for(client: Mistral, asked: dict[str, Any]) -> None:
    content = only_message(client.chat.complete(model=M, messages=user("2 + 2?"), **asked)).content
    assert isinstance(content, list)
    assert [part.type for part in content] == ["thinking", "text"]
    with client.chat.stream(model=M, messages=user("2 + 2?"), **asked) as stream:
        deltas = [event.data.choices[0].delta.content for event in stream]
    thoughts = [part for delta in deltas if isinstance(delta, list) for part in delta]
    assert thoughts
    assert all(isinstance(part, models.ThinkChunk) for part in thoughts)


def test_stop_length_several_choices_and_logprobs(client: Mistral) -> None:
    cut = client.chat.complete(model=M, messages=user("a long story"), max_tokens=2)
    assert (only_message(cut).content, cut.choices[0].finish_reason) == ("You said", "length")
    stopped = client.chat.complete(model=M, messages=user("one END two"), stop="END")
    assert only_message(stopped).content == "You said: one "
    several = client.chat.complete(model=M, messages=user("x"), n=2, logprobs=True, top_logprobs=2)
    no_unknowns(several)
    assert [choice.message and choice.message.content for choice in several.choices] == [
        "You said: x",
        "You said: x (2)",
    ]
    told = several.choices[0].logprobs
    assert isinstance(told, models.ChatCompletionResponseChoiceLogprobs)
    assert "".join(token.token for token in told.content) == "You said: x"


def test_scripted_answers_reach_the_official_package(fake_provider: FakeProvider, client: Mistral) -> None:
    fake_provider.use_script(
        [
            Reply.text("as told", finish_reason="model_length", cached_tokens=7),
            Reply.tool_calls(ScriptedCall("a", '{"x": 1}'), ScriptedCall("b", "{broken")),
            Reply.answer(Answer(refusal="no", prompt_tokens=100, completion_tokens=50, reasoning_tokens=40)),
            Reply.empty_choices(),
        ]
    )
    told, calls, refusal, empty = [client.chat.complete(model=M, messages=user("x")) for _ in range(4)]
    assert (only_message(told).content, told.choices[0].finish_reason) == ("as told", "model_length")
    assert told.usage.model_extra == {"num_cached_tokens": 7, "prompt_tokens_details": {"cached_tokens": 7}}
    assert [call.function.arguments for call in only_message(calls).tool_calls or []] == ['{"x": 1}', "{broken"]
    content = only_message(refusal).content
    assert isinstance(content, list)
    assert isinstance(content[1], models.TextChunk)
    assert content[1].text == "no"  # the format has no place of its own for a refusal
    assert (refusal.usage.prompt_tokens, refusal.usage.completion_tokens) == (100, 50)
    assert empty.choices == []


# --- what is refused

HI = {"role": "user", "content": "Hi"}
CALLING = {"role": "assistant", "tool_calls": [{"id": CALL_ID, "function": {"name": "f", "arguments": "{}"}}]}
RESULT = {"role": "tool", "tool_call_id": CALL_ID, "content": "x"}


@pytest.mark.parametrize(
    ("fields", "place", "kind"),
    [
        ({"surprise": 1}, ["body", "surprise"], "extra_forbidden"),
        ({"max_completion_tokens": 1}, ["body", "max_completion_tokens"], "extra_forbidden"),
        ({"messages": [{**HI, "name": "Ann"}]}, ["body", "messages", 0, "user", "name"], "extra_forbidden"),
        ({"temperature": 1.6}, ["body", "temperature"], "less_than_equal"),
        ({"top_p": 0}, ["body", "top_p"], "greater_than"),
        ({"random_seed": -1}, ["body", "random_seed"], "greater_than_equal"),
        ({"stream": "yes"}, ["body", "stream"], "bool_type"),
        ({"messages": [{"role": "developer", "content": "x"}]}, ["body", "messages", 0], "union_tag_invalid"),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            ["body", "tools", 0, "function", "parameters"],
            "missing",
        ),
        ({"response_format": {"type": "json_schema"}}, ["body", "response_format"], "value_error"),
    ],
)
def test_a_flawed_field_is_named_with_422(send: Send, fields: dict[str, Any], place: list[Any], kind: str) -> None:
    status, reply = send({"model": M, "messages": [HI], **fields})
    assert status == 422
    [problem] = reply["detail"]
    assert (problem["loc"], problem["type"]) == (place, kind)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "at least one message"),
        ([HI, {"role": "assistant", "content": "Ho"}], "Expected last role User or Tool"),
        (
            [HI, {"role": "assistant", "content": "Ho"}, {"role": "system", "content": "x"}, HI],
            "Unexpected role 'system' after role 'assistant'",
        ),
        ([HI, CALLING, RESULT, HI], "Unexpected role 'user' after role 'tool'"),
        ([RESULT], "Not the same number of function calls and responses"),
        ([HI, CALLING, HI], "Not the same number of function calls and responses"),
        ([HI, CALLING, {**RESULT, "tool_call_id": "F5g6H7i8J"}], "Unexpected tool call id F5g6H7i8J"),
        ([HI, CALLING, {**RESULT, "tool_call_id": "call_1"}], "Tool call id was call_1"),
        ([HI, {"role": "assistant", "content": ""}, HI], "either content or tool_calls"),
        ([HI, {"role": "assistant", "content": "Ho", "prefix": True}], None),
    ],
)
def test_messages_must_be_in_order(send: Send, messages: list[Any], message: str | None) -> None:
    status, reply = send({"model": M, "messages": messages})
    if message is None:
        assert status == 200
    else:
        assert (status, reply["object"]) == (400, "error")
        assert message in reply["message"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temperature": 0, "top_p": 0.5}, "top_p must be 1 when using greedy sampling"),
        ({"tools": [{"type": "function", "function": {"name": "a b", "parameters": {}}}]}, "Function name was a b"),
    ],
)
def test_what_the_fields_say_together_must_fit(send: Send, fields: dict[str, Any], message: str) -> None:
    status, reply = send({"model": M, "messages": [HI], **fields})
    assert status == 400
    assert message in reply["message"]


def test_a_body_that_is_no_json_is_refused(send: Send) -> None:
    for body in (b"", b"{", b"[1]", b"\xff"):
        status, reply = send(body)
        assert (status, list(reply)) == (422, ["detail"])


def test_errors_reach_the_official_package(
    fake_provider_factory: Callable[..., FakeProvider], connect: Connect
) -> None:
    provider = fake_provider_factory(api_keys={"right"}, models=[M])
    with pytest.raises(errors.SDKError, match="Unauthorized") as caught:
        connect(provider, "wrong").chat.complete(model=M, messages=user("x"))
    assert caught.value.status_code == 401
    client = connect(provider, "right")
    with pytest.raises(errors.HTTPValidationError) as invalid:
        client.chat.complete(model=M, messages=user("x"), temperature=3)
    assert isinstance(invalid.value.data.detail, list)
    assert invalid.value.data.detail[0].loc == ["body", "temperature"]
    with pytest.raises(errors.SDKError, match="Invalid model: no-such-model") as unknown:
        client.chat.complete(model="no-such-model", messages=user("x"))
    assert json.loads(unknown.value.body)["code"] == "1500"
    provider.use_script([Reply.error(500), Reply.error(503)])
    for status in (500, 503):
        with pytest.raises(errors.SDKError) as broken:
            client.chat.complete(model=M, messages=user("x"))
        assert broken.value.status_code == status


def test_limits_are_told_in_headers_and_kept(
    fake_provider_factory: Callable[..., FakeProvider], connect: Connect
) -> None:
    client = connect(fake_provider_factory(requests_per_minute=60, tokens_per_minute=6_000, burst_s=1.0))
    seen: list[Any] = []
    client.sdk_configuration.client.event_hooks["response"].append(seen.append)  # type: ignore[union-attr]  # httpx
    client.chat.complete(model=M, messages=user("x"), max_tokens=10)
    with pytest.raises(errors.SDKError) as caught:
        client.chat.complete(model=M, messages=user("x"), max_tokens=10)
    refused = json.loads(caught.value.body)
    assert (caught.value.status_code, refused["code"], refused["type"]) == (429, "1300", "rate_limited")
    assert caught.value.headers["retry-after"] == "1"
    first = seen[0].headers
    assert (first["x-ratelimit-limit-req-minute"], first["x-ratelimit-remaining-req-minute"]) == ("60", "0")
    assert (first["x-ratelimit-limit-tokens-minute"], first["x-ratelimit-remaining-tokens-minute"]) == ("6000", "90")


def test_other_paths_and_methods_are_refused_in_its_own_words(send: Send) -> None:
    assert send(b"", "/mistral/v1/fim/completions") == (404, {"detail": "Not Found"})
    assert send(b"", method="PUT") == (405, {"detail": "Method Not Allowed"})


# --- models and embeddings


def test_models_are_listed_and_looked_up(client: Mistral) -> None:
    listed = client.models.list()
    no_unknowns(listed)
    [first, *_] = listed.data or []
    assert isinstance(first, models.BaseModelCard)
    assert client.models.retrieve(model_id=first.id) == first
    with pytest.raises(errors.SDKError, match="no-such-model"):
        client.models.retrieve(model_id="no-such-model")


def test_embeddings_are_unit_vectors_and_always_the_same(client: Mistral) -> None:
    reply = client.embeddings.create(model="mistral-embed", inputs=["a", "b", "a"])
    no_unknowns(reply)
    first, second, third = [each.embedding or [] for each in reply.data]
    assert first == third != second
    assert len(first) == 1024
    assert sum(number * number for number in first) == pytest.approx(1.0, abs=1e-5)
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (3, 3)


def test_embeddings_come_in_every_size_and_type(client: Mistral, send: Send) -> None:
    made = {
        kind: client.embeddings.create(model="codestral-embed", inputs="a", output_dimension=16, output_dtype=kind)
        for kind in ("float", "int8", "uint8", "binary", "ubinary")
    }
    numbers = {kind: reply.data[0].embedding or [] for kind, reply in made.items()}
    assert {kind: len(found) for kind, found in numbers.items()} == {
        "float": 16,
        "int8": 16,
        "uint8": 16,
        "binary": 2,
        "ubinary": 2,
    }
    assert numbers["int8"] == [round(number * 127) for number in numbers["float"]]
    assert [byte + 128 for byte in numbers["binary"]] == numbers["ubinary"]
    bits = "".join(f"{int(byte):08b}" for byte in numbers["ubinary"])
    assert bits == "".join(str(int(number > 0)) for number in numbers["float"])
    body = {"model": "codestral-embed", "input": "a", "output_dimension": 16, "encoding_format": "base64"}
    _, coded = send(body, "/mistral/v1/embeddings")
    assert list(struct.unpack("<16f", base64.b64decode(coded["data"][0]["embedding"]))) == numbers["float"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"input": []}, 422),
        ({"input": "a" * 40_000}, 400),
        ({"input": ["a"] * 513}, 400),
        ({"input": ["a" * 4 * 6_000] * 3}, 400),  # 18,000 tokens together
        ({"input": "a", "output_dimension": 8}, 400),
        ({"input": "a", "output_dimension": 0}, 422),
        ({"input": "a", "dimensions": 8}, 422),
    ],
)
def test_flawed_embedding_requests_are_refused(send: Send, fields: dict[str, Any], status: int) -> None:
    assert send({"model": "mistral-embed", **fields}, "/mistral/v1/embeddings")[0] == status


# --- files


def test_a_file_from_upload_to_deletion(client: Mistral) -> None:
    form: Any = {"file_name": "a.jsonl", "content": b'{"a": 1}\n{"a": 2}\n'}
    file = client.files.upload(file=form, purpose="batch", expiry=2, visibility="user")
    no_unknowns(file)
    assert (file.filename, file.size_bytes, file.num_lines, file.purpose, file.sample_type, file.source) == (
        "a.jsonl",
        18,
        2,
        "batch",
        "batch_request",
        "upload",
    )
    assert (file.visibility, file.expires_at) == ("user", file.created_at + 7_200)
    client.files.upload(file={"file_name": "b.pdf", "content": b"%PDF-1.7"}, purpose="ocr")
    listed = client.files.list()
    no_unknowns(listed)
    assert ([each.filename for each in listed.data], listed.total) == (["b.pdf", "a.jsonl"], 2)
    assert [each.filename for each in client.files.list(page=1, page_size=1).data] == ["a.jsonl"]
    assert [each.filename for each in client.files.list(purpose="ocr").data] == ["b.pdf"]
    assert [each.filename for each in client.files.list(search="A.JS").data] == ["a.jsonl"]
    assert client.files.list(include_total=False).total is None
    assert client.files.download(file_id=file.id).read() == b'{"a": 1}\n{"a": 2}\n'
    looked_up = client.files.retrieve(file_id=file.id)
    no_unknowns(looked_up)
    assert (looked_up.id, looked_up.deleted) == (file.id, False)
    assert client.files.delete(file_id=file.id).deleted
    with pytest.raises(errors.SDKError, match="not found") as gone:
        client.files.retrieve(file_id=file.id)
    assert gone.value.status_code == 404


def test_an_uploaded_file_can_be_a_part_of_a_message(client: Mistral) -> None:
    file = client.files.upload(file={"file_name": "b.pdf", "content": b"%PDF-1.7"}, purpose="ocr")
    part: Any = {"type": "file", "file_id": file.id}
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "Sum up."}, part]}]
    reply = client.chat.complete(model=M, messages=messages)
    assert only_message(reply).content == "You said: Sum up."
    client.files.delete(file_id=file.id)
    with pytest.raises(errors.SDKError, match="not found"):
        client.chat.complete(model=M, messages=messages)


@pytest.mark.parametrize("body", [b"", b'{"file": "x"}'])
def test_an_upload_without_a_file_is_refused(send: Send, body: bytes) -> None:
    status, reply = send(body, "/mistral/v1/files")
    assert (status, reply["detail"][0]["loc"]) == (422, ["body", "file"])


# --- batch jobs


def lines(*bodies: Any) -> bytes:
    return b"".join(
        json.dumps({"custom_id": f"c{place}", "body": body}).encode() + b"\n" for place, body in enumerate(bodies)
    )


def results(client: Mistral, file_id: Any) -> dict[str, Any]:
    found = [json.loads(line) for line in client.files.download(file_id=file_id).read().splitlines()]
    return {result["custom_id"]: result["response"] for result in found}


def test_a_batch_job_from_file_to_results(client: Mistral) -> None:
    content = lines({"messages": user("a")}, {"messages": user("b"), "temperature": 9}, {"messages": user("c")})
    file = client.files.upload(file={"file_name": "in.jsonl", "content": content}, purpose="batch")
    job = client.batch.jobs.create(
        endpoint="/v1/chat/completions", input_files=[file.id], model=M, metadata={"run": "1"}
    )
    no_unknowns(job)
    assert (job.status, job.total_requests, job.completed_requests, job.metadata) == ("QUEUED", 3, 0, {"run": "1"})
    assert client.batch.jobs.get(job_id=job.id).status == "RUNNING"
    done = client.batch.jobs.get(job_id=job.id)
    no_unknowns(done)
    assert (done.status, done.succeeded_requests, done.failed_requests) == ("SUCCESS", 2, 1)
    answered = results(client, done.output_file)
    assert {name: reply["body"]["choices"][0]["message"]["content"] for name, reply in answered.items()} == {
        "c0": "You said: a",
        "c2": "You said: c",
    }
    assert all(reply["body"]["model"] == M for reply in answered.values())
    [(name, failed)] = results(client, done.error_file).items()
    assert (name, failed["status_code"], failed["body"]["detail"][0]["loc"]) == ("c1", 422, ["body", "temperature"])


def test_a_batch_job_of_requests_that_come_along_tells_its_results_inline(
    fake_provider_factory: Callable[..., FakeProvider], connect: Connect
) -> None:
    client = connect(fake_provider_factory(batches=BatchPace(polls=1)))
    requests: Any = [{"custom_id": "x", "body": {"input": "a"}}]
    job = client.batch.jobs.create(endpoint="/v1/embeddings", requests=requests, model="mistral-embed")
    [output] = client.batch.jobs.get(job_id=job.id, inline=True).outputs or []
    assert len(output["response"]["body"]["data"][0]["embedding"]) == 1024
    assert client.batch.jobs.get(job_id=job.id).outputs is None


def test_jobs_are_listed_cancelled_and_may_run_out_of_time(
    fake_provider_factory: Callable[..., FakeProvider], connect: Connect
) -> None:
    client = connect(fake_provider_factory(batches=BatchPace(polls=2, expires_after=1)))
    requests: Any = [{"body": {"messages": user(text)}} for text in "abcd"]
    first, second = [
        client.batch.jobs.create(endpoint="/v1/chat/completions", requests=requests, model=name)
        for name in ("m1", "m2")
    ]
    assert client.batch.jobs.cancel(job_id=first.id).status == "CANCELLATION_REQUESTED"
    assert client.batch.jobs.get(job_id=first.id).status == "CANCELLED"
    with pytest.raises(errors.SDKError, match="cannot be cancelled"):
        client.batch.jobs.cancel(job_id=first.id)
    late = client.batch.jobs.get(job_id=second.id)
    assert (late.status, late.completed_requests) == ("TIMEOUT_EXCEEDED", 1)
    assert results(client, late.output_file).keys() == {"0"}
    assert late.error_file is None
    assert [job.model for job in client.batch.jobs.list().data or []] == ["m2", "m1"]
    assert [job.model for job in client.batch.jobs.list(order_by="created").data or []] == ["m1", "m2"]
    assert [job.model for job in client.batch.jobs.list(status=["CANCELLED"]).data or []] == ["m1"]
    assert [job.model for job in client.batch.jobs.list(model="m2").data or []] == ["m2"]
    assert client.batch.jobs.list(page=1, page_size=1).total == 2


def test_a_job_is_found_by_its_metadata_until_it_is_deleted(client: Mistral) -> None:
    requests: Any = [{"body": {"messages": user("a")}}]
    one, two = [
        client.batch.jobs.create(endpoint="/v1/chat/completions", requests=requests, model=M, metadata={"run": name})
        for name in ("one", "two")
    ]
    assert [job.id for job in client.batch.jobs.list(metadata={"run": "two"}).data or []] == [two.id]
    assert client.batch.jobs.delete(job_id=one.id).deleted is True
    assert [job.id for job in client.batch.jobs.list().data or []] == [two.id]
    with pytest.raises(errors.SDKError, match="not found"):
        client.batch.jobs.get(job_id=one.id)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "1 to 1000000 requests"),
        (b"{", "line 1"),
        (b'{"custom_id": "a"}', "line 1: Field required"),
        (lines({}) + lines({}), "custom_id 'c0' occurs more than once"),
    ],
)
def test_a_file_that_is_no_input_makes_the_job_fail(client: Mistral, content: bytes, problem: str) -> None:
    file = client.files.upload(file={"file_name": "in.jsonl", "content": content}, purpose="batch")
    job = client.batch.jobs.create(endpoint="/v1/chat/completions", input_files=[file.id], model=M)
    assert (job.status, job.errors) == ("QUEUED", [])
    failed = client.batch.jobs.get(job_id=job.id)
    assert failed.status == "FAILED"
    assert problem in failed.errors[0].message


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 422),
        ({"requests": [{"body": {}}], "input_files": ["00000000-0000-4000-8000-000000000009"]}, 422),
        ({"input_files": ["00000000-0000-4000-8000-000000000009"]}, 404),
        ({"input_files": ["no-uuid"]}, 422),
        ({"requests": [{"body": {}}], "timeout_hours": 200}, 422),
        ({"requests": [{"body": {}}], "endpoint": "/v1/nothing"}, 422),
    ],
)
def test_flawed_job_requests_are_refused(send: Send, fields: dict[str, Any], status: int) -> None:
    assert send({"endpoint": "/v1/chat/completions", **fields}, "/mistral/v1/batch/jobs")[0] == status
