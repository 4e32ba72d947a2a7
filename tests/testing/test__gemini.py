"""Google's own package against the embedded provider, and our client through HTTP."""

from __future__ import annotations

import base64
import http.client
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from deluge_sync.testing import Answer, BatchPace, FakeProvider, Reply, ScriptedCall

MODEL = "gemini-3-flash"
WEATHER = types.FunctionDeclaration(
    name="weather",
    parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

Connect = Callable[..., genai.Client]
Send = Callable[..., tuple[int, Any]]


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def connect() -> Iterator[Connect]:
    """A client of Google's package, which tries once."""
    with ExitStack() as stack:

        def connected(provider: FakeProvider, key: str = "AIza-test", version: str | None = None) -> genai.Client:
            options = types.HttpOptions(base_url=provider.gemini_url, api_version=version)
            client = genai.Client(api_key=key, http_options=options)
            stack.callback(client.close)
            return client

        yield connected


@pytest.fixture
def send() -> Send:
    """One request over a plain connection: the status and the parsed reply."""

    def sent(provider: FakeProvider, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=5)
        try:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, content, {"x-goog-api-key": "k", **headers})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        finally:
            connection.close()

    return sent


def text_of(response: types.GenerateContentResponse) -> str:
    return "".join(part.text or "" for part in parts_of(response) if not part.thought)


def parts_of(response: types.GenerateContentResponse) -> list[types.Part]:
    [candidate] = response.candidates or []
    return (candidate.content.parts or []) if candidate.content else []


# --- content


@pytest.mark.parametrize("version", [None, "v1beta"])
def test_text(provider: FakeProvider, connect: Connect, version: str | None) -> None:
    response = connect(provider, version=version).models.generate_content(model=MODEL, contents="hello")
    assert response.text == "You said: hello"
    assert response.model_version == MODEL
    assert response.usage_metadata is not None
    assert (response.usage_metadata.prompt_token_count, response.usage_metadata.candidates_token_count) == (6, 4)


def test_a_stream_is_the_same_in_pieces(provider: FakeProvider, connect: Connect) -> None:
    client = connect(provider)
    pieces = list(client.models.generate_content_stream(model=MODEL, contents="hello out there"))
    assert len(pieces) > 2
    assert "".join(map(text_of, pieces)) == "You said: hello out there"
    whole = client.models.generate_content(model=MODEL, contents="hello out there")
    assert pieces[-1].usage_metadata == whole.usage_metadata
    assert [piece.candidates[0].finish_reason for piece in pieces if piece.candidates] == [
        *[None] * (len(pieces) - 1),
        types.FinishReason.STOP,
    ]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_with_fitting_arguments_and_its_result_spoken_of(
    provider: FakeProvider, connect: Connect, streamed: bool
) -> None:
    client = connect(provider)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[WEATHER])])

    def ask(contents: list[types.Content]) -> list[types.Part]:
        if not streamed:
            return parts_of(client.models.generate_content(model=MODEL, contents=contents, config=config))
        stream = client.models.generate_content_stream(model=MODEL, contents=contents, config=config)
        return [part for piece in stream for part in parts_of(piece)]

    question = types.Content(role="user", parts=[types.Part(text="Weather in Oslo?")])
    [part] = ask([question])
    assert part.function_call is not None
    assert (part.function_call.name, part.function_call.args) == ("weather", {"city": "city"})
    answer = types.Part.from_function_response(name="weather", response={"output": "sunny"})
    assert answer.function_response is not None
    answer.function_response.id = part.function_call.id
    said = ask([question, types.Content(role="model", parts=[part]), types.Content(role="user", parts=[answer])])
    assert "".join(part.text or "" for part in said) == "Found: sunny"


@pytest.mark.parametrize("schema", ["response_schema", "response_json_schema"])
def test_a_document_fits_the_schema(provider: FakeProvider, connect: Connect, schema: str) -> None:
    wanted = {schema: City if schema == "response_schema" else City.model_json_schema()}
    config = types.GenerateContentConfig(response_mime_type="application/json", **wanted)
    response = connect(provider).models.generate_content(model=MODEL, contents="Oslo", config=config)
    assert City.model_validate_json(text_of(response)).name == "name"


def test_a_choice_of_an_enum_is_its_bare_value(provider: FakeProvider, connect: Connect) -> None:
    schema = {"type": "STRING", "enum": ["sunny", "rainy"]}
    config = types.GenerateContentConfig(response_mime_type="text/x.enum", response_schema=schema)
    assert connect(provider).models.generate_content(model=MODEL, contents="x", config=config).text == "sunny"


def test_whole_numbers_may_come_as_the_package_writes_them(provider: FakeProvider, connect: Connect) -> None:
    config = types.GenerateContentConfig(top_k=3, candidate_count=2, seed=3, stop_sequences=["said"])
    response = connect(provider).models.generate_content(model=MODEL, contents="x", config=config)
    texts = [candidate.content.parts[0].text for candidate in response.candidates or []]  # type: ignore[union-attr,index]
    assert texts == ["You ", "You "]


def test_thoughts_come_if_they_are_asked_for_and_are_paid_for(provider: FakeProvider, connect: Connect) -> None:
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    response = connect(provider).models.generate_content(model=MODEL, contents="hello", config=config)
    thought, spoken = parts_of(response)
    assert (thought.text, thought.thought) == ("I was told: hello", True)
    assert spoken.thought_signature
    assert response.usage_metadata is not None
    assert response.usage_metadata.thoughts_token_count == 5  # 17 characters
    assert response.usage_metadata.total_token_count == 6 + 4 + 5


def test_logprobs(provider: FakeProvider, connect: Connect) -> None:
    config = types.GenerateContentConfig(response_logprobs=True, logprobs=2)
    response = connect(provider).models.generate_content(model=MODEL, contents="hello", config=config)
    result = response.candidates[0].logprobs_result if response.candidates else None
    assert result is not None
    assert [token.token for token in result.chosen_candidates or []] == ["You ", "said", ": he", "llo"]
    assert [len(top.candidates or []) for top in result.top_candidates or []] == [2] * 4


def test_a_script_decides_usage_end_and_block(provider: FakeProvider, connect: Connect) -> None:
    usage = Answer(text="Four.", prompt_tokens=2000, cached_tokens=1536, reasoning_tokens=40, completion_tokens=42)
    replies = [Reply.answer(usage), Reply.text("Fo", finish_reason="length"), Reply.answer(Answer(refusal="No."))]
    provider.use_script([*replies, Reply.empty_choices()])
    client = connect(provider)
    told, cut, refused, hollow = (client.models.generate_content(model=MODEL, contents="x") for _ in range(4))
    counts = told.usage_metadata
    assert counts is not None
    assert counts.cached_content_token_count == 1536
    assert (counts.prompt_token_count, counts.candidates_token_count, counts.thoughts_token_count) == (2000, 2, 40)
    ends = [(reply.candidates or [types.Candidate()])[0] for reply in (cut, refused)]
    assert [end.finish_reason for end in ends] == ["MAX_TOKENS", "SAFETY"]
    assert hollow.candidates is None


def test_broken_arguments_end_the_answer(provider: FakeProvider, send: Send) -> None:
    provider.use_script([Reply.tool_calls(ScriptedCall("weather", '{"city": '))])
    body = {"contents": [{"parts": [{"text": "x"}]}]}
    status, reply = send(provider, "POST", f"/gemini/v1beta/models/{MODEL}:generateContent", body)
    [candidate] = reply["candidates"]
    assert status == 200
    assert candidate["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert candidate["finishMessage"] == 'Malformed function call: weather({"city": )'
    assert "parts" not in candidate["content"]


def test_a_stream_without_sse_is_a_json_list(provider: FakeProvider, send: Send) -> None:
    body = {"contents": [{"parts": [{"text": "hello"}]}]}
    _, reply = send(provider, "POST", f"/gemini/v1/models/{MODEL}:streamGenerateContent", body)
    assert [piece["candidates"][0]["content"]["parts"][0]["text"] for piece in reply] == ["You ", "said", ": he", "llo"]


def test_counting_agrees_with_the_usage(provider: FakeProvider, connect: Connect) -> None:
    client = connect(provider)
    contents: list[Any] = ["What is it?", types.Part.from_bytes(data=PNG, mime_type="image/png")]
    counted = client.models.count_tokens(model=MODEL, contents=contents)
    response = client.models.generate_content(model=MODEL, contents=contents)
    assert response.usage_metadata is not None
    assert counted.total_tokens == response.usage_metadata.prompt_token_count == 4 + 3 + 258


def test_counting_a_whole_request(provider: FakeProvider, send: Send) -> None:
    inner: dict[str, Any] = {"model": f"models/{MODEL}", "contents": [{"parts": [{"text": "hello"}]}]}
    inner["systemInstruction"] = {"parts": [{"text": "Be brief."}]}
    path = f"/gemini/v1beta/models/{MODEL}:countTokens"
    status, reply = send(provider, "POST", path, {"generateContentRequest": inner})
    assert (status, reply["totalTokens"]) == (200, 4 + 2 + 4 + 3)
    assert send(provider, "POST", path, {})[0] == 400


def test_embeddings(provider: FakeProvider, connect: Connect) -> None:
    config = types.EmbedContentConfig(output_dimensionality=8)
    response = connect(provider).models.embed_content(
        model="gemini-embedding-001", contents=list[Any](["a", "b"]), config=config
    )
    vectors = [embedding.values or [] for embedding in response.embeddings or []]
    assert [len(vector) for vector in vectors] == [8, 8]
    assert vectors[0] != vectors[1]
    assert sum(value * value for value in vectors[0]) == pytest.approx(1)


def test_a_batch_of_embeddings_has_a_hundred_texts_at_most(provider: FakeProvider, connect: Connect) -> None:
    embed = connect(provider).models.embed_content

    assert len(embed(model="gemini-embedding-001", contents=list[Any]("a" * 100)).embeddings or []) == 100
    with pytest.raises(errors.ClientError, match="at most 100 requests can be in one batch"):
        embed(model="gemini-embedding-001", contents=list[Any]("a" * 101))


def test_one_embedding(provider: FakeProvider, send: Send) -> None:
    body = {"content": {"parts": [{"text": "a"}]}, "taskType": "CLUSTERING"}
    status, reply = send(provider, "POST", "/gemini/v1beta/models/gemini-embedding-001:embedContent", body)
    assert status == 200
    assert len(reply["embedding"]["values"]) == 3072
    assert send(provider, "POST", "/gemini/v1beta/models/m:embedContent", {"content": {"parts": []}})[0] == 400


def test_models_come_in_pages(connect: Connect) -> None:
    with FakeProvider(models=["a", "b", "c"]) as provider:
        client = connect(provider)
        assert [model.name for model in client.models.list(config={"page_size": 2})] == [
            "models/a",
            "models/b",
            "models/c",
        ]
        assert client.models.get(model="b").name == "models/b"
        with pytest.raises(errors.ClientError) as missing:
            client.models.get(model="z")
        assert missing.value.code == 404


# --- files and batches


def test_a_file_is_uploaded_used_and_deleted(provider: FakeProvider, connect: Connect) -> None:
    client = connect(provider)
    config = types.UploadFileConfig(mime_type="image/png", display_name="dot")
    file = client.files.upload(file=io.BytesIO(PNG), config=config)
    assert (file.display_name, file.mime_type, file.size_bytes, file.state) == ("dot", "image/png", len(PNG), "ACTIVE")
    assert file.name is not None
    assert client.files.get(name=file.name) == file
    assert [each.name for each in client.files.list()] == [file.name]
    assert (
        client.models.generate_content(model=MODEL, contents=list[Any](["What is it?", file])).text
        == "You said: What is it?"
    )
    client.files.delete(name=file.name)
    with pytest.raises(errors.ClientError, match="may not exist"):
        client.files.get(name=file.name)
    with pytest.raises(errors.ClientError, match="may not exist"):
        client.models.generate_content(model=MODEL, contents=list[Any](["What is it?", file]))


def test_an_upload_in_two_pieces(provider: FakeProvider, send: Send) -> None:
    begin = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": "4",
    }
    connection = http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=5)
    body = json.dumps({"file": {"name": "files/my-file", "mimeType": "text/plain"}})
    connection.request("POST", "/gemini/upload/v1beta/files", body, {"x-goog-api-key": "k", **begin})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    path = reply.headers["x-goog-upload-url"].removeprefix(provider.url)
    upload, offset = "X-Goog-Upload-Command", "X-Goog-Upload-Offset"
    assert send(provider, "POST", path, b"ab", **{upload: "upload", offset: "0"}) == (200, None)
    assert send(provider, "POST", path, b"cd", **{upload: "upload, finalize", offset: "3"})[0] == 400
    status, document = send(provider, "POST", path, b"cd", **{upload: "upload, finalize", offset: "2"})
    assert (status, document["file"]["name"], document["file"]["sizeBytes"]) == (200, "files/my-file", "4")
    assert send(provider, "POST", path, b"", **{upload: "upload, finalize"})[0] == 404


def test_a_batch_in_the_body(provider: FakeProvider, connect: Connect) -> None:
    client = connect(provider)
    requests = [types.InlinedRequest(contents=f"q{n}", metadata={"n": str(n)}) for n in range(3)]
    job = client.batches.create(model=MODEL, src=requests, config={"display_name": "three"})
    assert (job.state, job.display_name, job.model) == ("JOB_STATE_PENDING", "three", f"models/{MODEL}")
    assert job.name is not None
    states = [(job := client.batches.get(name=str(job.name))).state for _ in range(2)]
    assert states == ["JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED"]
    responses = (job.dest and job.dest.inlined_responses) or []
    assert [text_of(each.response) for each in responses if each.response] == [f"You said: q{n}" for n in range(3)]
    assert [each.metadata for each in responses] == [{"n": str(n)} for n in range(3)]


def test_a_batch_in_a_file(provider: FakeProvider, connect: Connect) -> None:
    client = connect(provider)
    good = {"contents": [{"parts": [{"text": "hello"}]}]}
    lines = [{"key": "a", "request": good}, {"key": "b", "request": {"contents": []}}]
    content = io.BytesIO("\n".join(map(json.dumps, lines)).encode())
    file = client.files.upload(file=content, config={"mime_type": "application/jsonl"})
    job = client.batches.create(model=MODEL, src=str(file.name), config={"display_name": "two"})
    for _ in range(2):
        job = client.batches.get(name=str(job.name))
    assert job.dest is not None
    data = client.files.download(file=str(job.dest.file_name))
    assert data is not None
    results = {result["key"]: result for result in map(json.loads, data.splitlines())}
    assert results["a"]["response"]["candidates"][0]["content"]["parts"] == [{"text": "You said: hello"}]
    assert results["b"]["error"]["code"] == 3
    assert results.keys() == {"a", "b"}


def test_results_in_a_file_come_in_another_order_than_the_requests(provider: FakeProvider, connect: Connect) -> None:
    client = connect(provider)
    lines = [{"key": f"{n}", "request": {"contents": [{"parts": [{"text": "q"}]}]}} for n in range(20)]
    content = io.BytesIO("\n".join(map(json.dumps, lines)).encode())
    file = client.files.upload(file=content, config={"mime_type": "application/jsonl"})
    job = client.batches.create(model=MODEL, src=str(file.name), config={"display_name": "twenty"})
    job = [client.batches.get(name=str(job.name)) for _ in range(2)][-1]
    data = client.files.download(file=str(job.dest and job.dest.file_name)) or b""
    keys = [json.loads(line)["key"] for line in data.splitlines()]
    assert sorted(keys, key=int) == [f"{n}" for n in range(20)]
    assert keys != sorted(keys, key=int)


def test_batches_are_listed_page_by_page_and_deleted(provider: FakeProvider, connect: Connect) -> None:
    client = connect(provider)
    requests = [types.InlinedRequest(contents="q")]
    jobs = [client.batches.create(model=MODEL, src=requests, config={"display_name": f"job {n}"}) for n in range(3)]
    listed = list(client.batches.list(config={"page_size": 2}))
    assert [(job.name, job.display_name) for job in listed] == [(job.name, job.display_name) for job in jobs[::-1]]
    client.batches.delete(name=str(jobs[1].name))
    assert [job.name for job in client.batches.list()] == [jobs[2].name, jobs[0].name]
    with pytest.raises(errors.ClientError) as missing:
        client.batches.get(name=str(jobs[1].name))
    assert missing.value.code == 404


def test_an_expired_batch_has_no_results(fake_provider_factory: Callable[..., FakeProvider], connect: Connect) -> None:
    client = connect(fake_provider_factory(batches=BatchPace(polls=1, expires_after=1)))
    requests = [types.InlinedRequest(contents=f"q{n}") for n in range(3)]
    job = client.batches.create(model=MODEL, src=requests, config={"display_name": "late"})
    late = client.batches.get(name=str(job.name))
    assert (late.state, late.dest) == ("JOB_STATE_EXPIRED", None)


def test_a_batch_is_cancelled(provider: FakeProvider, connect: Connect, send: Send) -> None:
    client = connect(provider)
    requests = [types.InlinedRequest(contents="q")]
    job = client.batches.create(model=MODEL, src=requests, config={"display_name": "one"})
    client.batches.cancel(name=str(job.name))
    assert client.batches.get(name=str(job.name)).state == "JOB_STATE_CANCELLED"
    _, operation = send(provider, "GET", f"/gemini/v1beta/{job.name}")
    assert operation["done"] is True
    assert operation["metadata"]["batchStats"] == {"requestCount": "1", "pendingRequestCount": "1"}


# --- errors


def test_errors_have_googles_shape(provider: FakeProvider, connect: Connect, send: Send) -> None:
    provider.use_script([Reply.error(429, retry_after=38, code="GenerateRequestsPerDayPerProjectPerModel")])
    with pytest.raises(errors.ClientError) as caught:
        connect(provider).models.generate_content(model=MODEL, contents="x")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    details = caught.value.details["error"]["details"]
    assert details[0]["violations"] == [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]
    assert details[1]["retryDelay"] == "38s"
    for method, path in (
        ("GET", "/gemini/v1beta/nothing"),
        ("GET", f"/gemini/v1beta/models/{MODEL}:generateContent/x"),
    ):
        status, reply = send(provider, method, path)
        assert (status, reply["error"]["status"]) == (404, "NOT_FOUND")


def test_a_limit_is_told_in_the_body(connect: Connect) -> None:
    with FakeProvider(requests_per_minute=60, burst_s=1.0) as provider:
        client = connect(provider)
        client.models.generate_content(model=MODEL, contents="x")
        with pytest.raises(errors.ClientError) as caught:
            client.models.generate_content(model=MODEL, contents="x")
    failure, hint = caught.value.details["error"]["details"]
    assert failure["violations"][0]["quotaId"] == "GenerateRequestsPerMinutePerProjectPerModel"
    assert hint["retryDelay"] == "1s"


@pytest.mark.parametrize(("key", "status", "reason"), [("", 403, None), ("wrong", 400, "API_KEY_INVALID")])
def test_a_wrong_key(send: Send, key: str, status: int, reason: str | None) -> None:
    with FakeProvider(api_keys=["right"]) as provider:
        headers = {"x-goog-api-key": key}
        got, reply = send(provider, "POST", f"/gemini/v1/models/{MODEL}:generateContent", {}, **headers)
    assert got == status
    assert [detail.get("reason") for detail in reply["error"].get("details", [])] == ([reason] if reason else [])


USER = {"role": "user", "parts": [{"text": "hi"}]}
CALL = {"functionCall": {"name": "f", "args": {}}}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no contents": ({}, "contents"),
    "empty contents": ({"contents": []}, "contents is not specified"),
    "no parts": ({"contents": [{"role": "user", "parts": []}]}, "parts must not be empty"),
    "empty text": ({"contents": [{"parts": [{"text": ""}]}]}, "must have one initialized field"),
    "two kinds": ({"contents": [{"parts": [{"text": "a", "fileData": {"fileUri": "https://a.b/c"}}]}]}, "already set"),
    "role": ({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}, "valid role"),
    "unknown name": ({"contents": [USER], "temperature": 1}, 'Unknown name "temperature"'),
    "unknown name in a part": ({"contents": [{"parts": [{"text": "a", "x": 1}]}]}, "at 'contents[0].parts[0]'"),
    "wrong type": ({"contents": [USER], "generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
    "out of range": ({"contents": [USER], "generationConfig": {"temperature": 3}}, "range"),
    "no base64": ({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "?"}}]}]}, "Base64"),
    "a local uri": ({"contents": [{"parts": [{"fileData": {"fileUri": "file:///etc/hostname"}}]}]}, "Unsupported"),
    "unanswered call": ({"contents": [USER, {"role": "model", "parts": [CALL]}, USER]}, "function response parts"),
    "result without call": (
        {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}]},
        "function response parts",
    ),
    "call out of turn": (
        {"contents": [USER, {"role": "model", "parts": [{"text": "a"}]}, {"role": "model", "parts": [CALL]}]},
        "immediately after a user turn",
    ),
    "schema without json": (
        {"contents": [USER], "generationConfig": {"responseJsonSchema": {"type": "object"}}},
        "response_mime_type",
    ),
    "logprobs alone": ({"contents": [USER], "generationConfig": {"logprobs": 2}}, "response_logprobs"),
    "two depths": (
        {
            "contents": [USER],
            "generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}},
        },
        "only one of thinking",
    ),
    "six stops": ({"contents": [USER], "generationConfig": {"stopSequences": list("abcdef")}}, "at most 5"),
    "function name": ({"contents": [USER], "tools": [{"functionDeclarations": [{"name": "1 f"}]}]}, "function name"),
    "mode without functions": (
        {"contents": [USER], "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        "needs function declarations",
    ),
}


@pytest.mark.parametrize(("body", "said"), BAD.values(), ids=BAD)
def test_a_bad_request_is_refused(provider: FakeProvider, send: Send, body: dict[str, Any], said: str) -> None:
    status, reply = send(provider, "POST", f"/gemini/v1beta/models/{MODEL}:generateContent", body)
    assert (status, reply["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert said in reply["error"]["message"]


def test_names_in_snake_case_are_taken_too(provider: FakeProvider, send: Send) -> None:
    data = base64.b64encode(PNG).decode()
    body = {
        "contents": [{"parts": [{"text": "hi"}, {"inline_data": {"mime_type": "image/png", "data": data}}]}],
        "generation_config": {"max_output_tokens": 1},
    }
    status, reply = send(provider, "POST", f"/gemini/v1beta/models/{MODEL}:generateContent", body)
    assert (status, reply["candidates"][0]["content"]["parts"]) == (200, [{"text": "You "}])
