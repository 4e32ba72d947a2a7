from __future__ import annotations

import json
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any, assert_type

import pytest

from deluge_sync._secret import Secret
from deluge_sync.errors import ApiStatusError, ConfigError, ReplyFormatError
from deluge_sync.sdk import openai
from deluge_sync.sdk._base import BaseUrlVariable, Endpoint, KeyHeader, Provider, Upload

if TYPE_CHECKING:
    from tests.sdk.conftest import Loopback

KEY = "sk-sentinel-4f1c"
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4.1-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
}


def question() -> openai.ChatCompletionRequest:
    return openai.ChatCompletionRequest(model="gpt-4.1-mini", messages=[openai.UserMessage(content="2 + 2?")])


def everything_in(error: BaseException) -> str:
    """All that a log could show of an error: text, repr, attributes, locals of our frames, and of its whole chain."""
    frames = traceback.TracebackException(
        type(error), error, error.__traceback__ and error.__traceback__.tb_next, capture_locals=True
    )
    shown = [*frames.format(), repr(error), repr(vars(error))]
    chain = [inner for inner in (error.__cause__, error.__context__) if inner is not None]
    return "\n".join([*shown, *(everything_in(inner) for inner in chain)])


@pytest.fixture(autouse=True)
def _no_openai_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_a_call_sends_the_request_and_returns_a_typed_reply(loopback: Loopback) -> None:
    loopback.body = json.dumps(ANSWER).encode()
    reply = openai.api(api_key=KEY, base_url=loopback.url).call(openai.create_chat_completion, question())
    assert_type(reply, openai.ChatCompletion)
    assert reply.choices[0].message.content == "4"
    [(method, path, headers, body)] = loopback.requests
    assert (method, path) == ("POST", "/v1/chat/completions")
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "2 + 2?"}]}


def test_an_endpoint_without_a_request_is_called_without_one(loopback: Loopback) -> None:
    loopback.body = b'{"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "me"}]}'
    reply = openai.api(api_key=KEY, base_url=loopback.url).call(openai.list_models)
    assert_type(reply, openai.ModelList)
    assert [model.id for model in reply.data] == ["m"]
    [(method, path, _, body)] = loopback.requests
    assert (method, path, body) == ("GET", "/v1/models", b"")


def test_extra_body_adds_fields_that_the_model_does_not_know() -> None:
    api = openai.api(api_key=KEY)
    request = api.prepare(openai.create_chat_completion, question(), extra_body={"top_k": 40, "name": "ü"})
    assert request.body is not None
    assert json.loads(request.body) == {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "top_k": 40,
        "name": "ü",
    }


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b'{"error": {"code": "insufficient_quota"}}', {"error": {"code": "insufficient_quota"}}),
        (b"<html>Bad gateway</html>", "<html>Bad gateway</html>"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_an_error_status_raises_with_the_body(loopback: Loopback, body: bytes, seen: Any) -> None:
    loopback.status, loopback.body = 429, body
    with pytest.raises(ApiStatusError) as caught:
        openai.api(api_key=KEY, base_url=loopback.url).call(openai.create_chat_completion, question())
    assert (caught.value.status, caught.value.body) == (429, seen)


@pytest.mark.parametrize(("status", "error"), [(204, ReplyFormatError), (301, ApiStatusError), (500, ApiStatusError)])
def test_a_status_without_an_answer_is_an_error(loopback: Loopback, status: int, error: type[Exception]) -> None:
    loopback.status, loopback.body = status, b""
    with pytest.raises(error):
        openai.api(api_key=KEY, base_url=loopback.url).call(openai.list_models)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"choices": [', "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"[]", "should be an object"),
        (b'{"error": {}}', "choices: Field required"),
        (b'{"choices": [{"message": "4"}]}', r"choices\.0\.message"),
        (b"[" * 100_000, "Invalid JSON"),
    ],
    ids=["cut", "empty", "no-object", "no-choices", "wrong-type", "deep"],
)
def test_a_reply_of_another_form_raises_and_says_where(loopback: Loopback, body: bytes, problem: str) -> None:
    loopback.body = body
    with pytest.raises(ReplyFormatError, match=problem) as caught:
        openai.api(api_key=KEY, base_url=loopback.url).call(openai.create_chat_completion, question())
    assert "no ChatCompletion" in str(caught.value)
    assert caught.value.__context__ is None


def test_a_reply_with_many_mistakes_names_the_first_three() -> None:
    body = json.dumps({"choices": [{}, {}, {}, {}, {}]}).encode()
    with pytest.raises(ReplyFormatError, match=r"choices\.2\.message: Field required; and 2 more"):
        openai.create_chat_completion.parse(body)


def test_the_key_and_the_url_come_from_the_environment_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://proxy.example/v1/")
    api = openai.api()
    assert api.base_url == "http://proxy.example/v1"
    assert api.headers["Authorization"] == Secret(f"Bearer {KEY}")
    assert openai.api(base_url="http://mine.example").base_url == "http://mine.example"


def test_the_first_variable_that_is_not_empty_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider("other", "http://other.example", ("OTHER_URL",), ("OTHER_KEY", "OTHER_OLD_KEY"), "x-api-key")
    monkeypatch.setenv("OTHER_URL", "")
    monkeypatch.setenv("OTHER_KEY", "")
    monkeypatch.setenv("OTHER_OLD_KEY", KEY)
    api = provider.api()
    assert (api.base_url, api.headers["x-api-key"]) == ("http://other.example", Secret(KEY))


def test_without_any_setting_the_provider_itself_is_called() -> None:
    assert openai.api(api_key=Secret(KEY)).base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_key_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(ConfigError, match="no API key for openai: pass api_key= or set OPENAI_API_KEY"):
        openai.api()


@pytest.mark.parametrize("bad", [f"{KEY}\n", f"{KEY} x", f"{KEY} x\r\nX-Evil: 1", f" {KEY}", f"{KEY}ü"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(bad: str) -> None:
    for given in (bad, Secret(bad)):
        with pytest.raises(ConfigError, match="the API key for openai has a space, line break or other") as caught:
            openai.api(api_key=given)
        assert KEY not in everything_in(caught.value)


@pytest.mark.parametrize(("status", "body"), [(401, b'{"error": {"message": "bad key"}}'), (200, b"{"), (200, b"{}")])
def test_no_error_of_a_call_shows_the_key(loopback: Loopback, status: int, body: bytes) -> None:
    loopback.status, loopback.body = status, body
    api = openai.api(api_key=Secret(KEY), base_url=loopback.url)
    with pytest.raises((ApiStatusError, ReplyFormatError)) as caught:
        api.call(openai.create_chat_completion, question())
    assert KEY not in everything_in(caught.value)
    assert KEY not in f"{api!r} {api.prepare(openai.create_chat_completion, question())!r}"


def test_headers_of_the_caller_replace_ours_whatever_their_case() -> None:
    api = openai.api(api_key=KEY, headers={"content-type": "text/plain", "X-Project": "p"})
    assert api.headers == {
        "Authorization": Secret(f"Bearer {KEY}"),
        "content-type": "text/plain",
        "X-Project": "p",
    }


def test_a_provider_may_have_a_key_header_of_its_own_and_fixed_headers() -> None:
    provider = Provider(
        name="other",
        base_url="https://api.other.example",
        base_url_env=(),
        key_env=("OTHER_KEY",),
        key_header="x-api-key",
        headers={"other-version": "2023-06-01"},
    )
    assert provider.api(KEY).headers == {
        "Content-Type": "application/json",
        "other-version": "2023-06-01",
        "x-api-key": Secret(KEY),
    }


def test_importing_a_package_reads_no_environment_and_builds_no_validator() -> None:
    script = (
        "import os; os.environ.clear()\n"
        "from deluge_sync.sdk import openai\n"
        "print(openai.ChatCompletion.__pydantic_complete__, openai.ChatCompletionRequest.__pydantic_complete__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


CLOUD = Provider(
    name="cloud",
    base_url="https://runtime.{region}.cloud.example/v1",
    base_url_env=("CLOUD_URL",),
    key_env=("CLOUD_KEY",),
    key_header="x-api-key",
    base_url_env_path="/v1",
    base_url_variables=(BaseUrlVariable("region", "us-east-1", ("CLOUD_REGION", "CLOUD_DEFAULT_REGION")),),
    other_keys=(KeyHeader(("CLOUD_TOKEN",), "Authorization", "Bearer "),),
)
REGIONAL = "https://runtime.{}.cloud.example/v1"


@pytest.mark.parametrize(
    ("environment", "given", "base_url"),
    [
        ({}, {}, REGIONAL.format("us-east-1")),
        ({"CLOUD_DEFAULT_REGION": "eu-2"}, {}, REGIONAL.format("eu-2")),
        ({"CLOUD_REGION": "eu-1", "CLOUD_DEFAULT_REGION": "eu-2"}, {}, REGIONAL.format("eu-1")),
        ({"CLOUD_REGION": "eu-1"}, {"region": "ap-3"}, REGIONAL.format("ap-3")),
        ({"CLOUD_URL": "http://proxy.example"}, {}, "http://proxy.example/v1"),
        ({"CLOUD_URL": "http://proxy.example/v1/"}, {}, "http://proxy.example/v1"),
        ({"CLOUD_URL": "http://proxy.example"}, {"base_url": "http://mine.example/"}, "http://mine.example"),
    ],
)
def test_the_base_url_follows_region_environment_and_argument(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], given: dict[str, Any], base_url: str
) -> None:
    for name in ("CLOUD_URL", "CLOUD_REGION", "CLOUD_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert CLOUD.api(KEY, **given).base_url == base_url


@pytest.mark.parametrize("region", ["evil.example/", "a.b", "x@y", "", " "])
def test_a_region_that_would_lead_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    monkeypatch.delenv("CLOUD_REGION", raising=False)
    monkeypatch.delenv("CLOUD_DEFAULT_REGION", raising=False)
    if not region:
        assert CLOUD.find_base_url(region=region) == REGIONAL.format("us-east-1")
        return
    with pytest.raises(ConfigError, match="cannot be a part of a host name"):
        CLOUD.api(KEY, region=region)


def test_an_unknown_variable_of_the_base_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="the base URL of cloud has no variable zone"):
        CLOUD.api(KEY, zone="a")


def test_another_kind_of_key_is_used_where_the_first_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUD_KEY", raising=False)
    monkeypatch.setenv("CLOUD_TOKEN", "token")
    assert CLOUD.api().headers["Authorization"] == Secret("Bearer token")
    assert "x-api-key" not in CLOUD.api().headers
    monkeypatch.setenv("CLOUD_KEY", KEY)
    assert "Authorization" not in CLOUD.api().headers
    monkeypatch.delenv("CLOUD_KEY")
    monkeypatch.delenv("CLOUD_TOKEN")
    with pytest.raises(ConfigError, match="set CLOUD_KEY or CLOUD_TOKEN"):
        CLOUD.api()


def test_parameters_are_keywords_and_end_up_in_the_url(loopback: Loopback) -> None:
    loopback.body = b'{"data": []}'
    openai.api(KEY, base_url=loopback.url).call(openai.list_files, limit=2, purpose="batch", after=None)
    loopback.body = b'{"id": "file-1", "deleted": true}'
    gone = openai.api(KEY, base_url=loopback.url).call(openai.delete_file, file_id="file/1 ?")
    assert_type(gone, openai.FileDeleted)
    assert [(method, path) for method, path, _, _ in loopback.requests] == [
        ("GET", "/v1/files?limit=2&purpose=batch"),
        ("DELETE", "/v1/files/file%2F1%20%3F"),
    ]


def test_a_file_is_uploaded_as_a_form(loopback: Loopback) -> None:
    loopback.body = b'{"id": "file-1"}'
    upload = openai.FileUpload(
        file=Upload(filename="größe.jsonl", content=b"{}\r\n\xff", media_type="application/jsonl"),
        purpose="batch",
        expires_after=openai.FileExpiry(seconds=3600),
    )
    openai.api(KEY, base_url=loopback.url).call(openai.create_file, upload)
    [(_, _, headers, body)] = loopback.requests
    border = headers["content-type"].removeprefix("multipart/form-data; boundary=")
    parts = [
        'Content-Disposition: form-data; name="file"; filename="größe.jsonl"\r\nContent-Type: application/jsonl'
        "\r\n\r\n{}\r\n\xff",
        'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch',
        'Content-Disposition: form-data; name="expires_after[anchor]"\r\n\r\ncreated_at',
        'Content-Disposition: form-data; name="expires_after[seconds]"\r\n\r\n3600',
    ]
    wanted = b"".join(
        f"--{border}\r\n".encode() + part.replace("\xff", "\udcff").encode(errors="surrogateescape") + b"\r\n"
        for part in parts
    )
    assert body == wanted + f"--{border}--\r\n".encode()


def test_content_comes_back_as_bytes_and_lines_typed(loopback: Loopback) -> None:
    api = openai.api(KEY, base_url=loopback.url)
    loopback.body = b'{"custom_id": "a", "response": {"status_code": 200}}\r\n\n{"custom_id": "b", "new": 1}\n'
    content = api.call(openai.read_file, file_id="f")
    assert_type(content, bytes)
    assert content == loopback.body
    results = api.call(openai.read_batch_results, file_id="f")
    assert_type(results, list[openai.BatchResult])
    assert [result.custom_id for result in results] == ["a", "b"]
    loopback.body = b'{"custom_id": "a"}\n{"custom'
    with pytest.raises(ReplyFormatError, match="no BatchResult"):
        api.call(openai.read_batch_results, file_id="f")


START: Endpoint[bytes, None, None] = Endpoint(
    "POST", "/files", bytes, type(None), type(None), request_form="application/octet-stream", path_prefix="/upload"
)


def test_the_headers_of_a_reply_can_be_read(loopback: Loopback) -> None:
    loopback.status, loopback.body, loopback.headers = 204, b"", {"X-Goog-Upload-URL": "http://there.example"}
    done = CLOUD.api(KEY, base_url=loopback.url).exchange(START, b"\xff\x00", extra_headers={"X-Command": "start"})
    assert (done.reply, done.status, done.headers["x-goog-upload-url"]) == (None, 204, "http://there.example")
    [(_, path, headers, body)] = loopback.requests
    assert (path, body) == ("/upload/v1/files", b"\xff\x00")
    assert (headers["content-type"], headers["x-command"]) == ("application/octet-stream", "start")


@pytest.mark.parametrize(
    ("url", "has_key"),
    [
        ("https://a.example:1/elsewhere?id=1", True),
        ("https://b.example:1/v1", False),
        ("https://a.example:2/v1", False),
        ("http://a.example:1/v1", False),
        ("https://a.example:1@b.example/v1", False),
    ],
)
def test_the_key_goes_to_its_own_host_only(url: str, has_key: bool) -> None:
    request = CLOUD.api(KEY, base_url="https://a.example:1/v1").prepare(START, b"", url=url)
    assert request.url == url
    assert ("x-api-key" in request.headers) is has_key


def test_extra_headers_replace_ours_for_one_request() -> None:
    api = openai.api(KEY, headers={"X-Project": "p"})
    request = api.prepare(openai.list_models, extra_headers={"x-project": "q"})
    assert {name.lower(): value for name, value in request.headers.items()}["x-project"] == "q"
    assert api.headers["X-Project"] == "p"


def test_a_missing_request_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigError, match="POST /embeddings needs a request: EmbeddingRequest"):
        openai.api(KEY).exchange(openai.create_embeddings)


def test_a_form_takes_no_extra_body() -> None:
    upload = openai.FileUpload(file=Upload(filename="a", content=b""), purpose="batch")
    with pytest.raises(ConfigError, match="extra_body cannot be added"):
        openai.api(KEY).prepare(openai.create_file, upload, extra_body={"a": 1})
