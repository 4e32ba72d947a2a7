"""boto3, with a key and with a signature, is the judge; and our own client through HTTP."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import APIResponse, LLMClient, register_model
from deluge_sync._adapters import aws_signing, bedrock
from deluge_sync.prompt import Conversation
from deluge_sync.sdk import bedrock as sdk
from deluge_sync.testing import Answer, FakeProvider, Reply, ScriptedCall
from deluge_sync.testing._aws_events import exception_message
from deluge_sync.tool import Tool

boto3: Any = pytest.importorskip("boto3")
botocore_config: Any = pytest.importorskip("botocore.config")
botocore_exceptions: Any = pytest.importorskip("botocore.exceptions")

Factory = Callable[..., FakeProvider]
Official = Callable[..., Any]
MODEL = "eu.amazon.nova-2-lite-v1:0"
ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123"
PATH = "/bedrock/model/eu.amazon.nova-2-lite-v1%3A0/converse"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
WEATHER: Any = {
    "toolSpec": {
        "name": "get_weather",
        "inputSchema": {
            "json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
}
SCHEMA: Any = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
    "required": ["name", "born"],
    "additionalProperties": False,
}
FORM: Any = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA)}}}}


@pytest.fixture(autouse=True)
def without_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials but those of the test, and nothing asked of the network."""
    for name in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


@pytest.fixture(params=["key", "signature"])
def proof(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_provider(proof: str, loopback_pem: Path, fake_provider_factory: Factory) -> Factory:
    """A provider that the official client can reach with this proof: it sends a key over TLS only."""

    def make(**options: Any) -> FakeProvider:
        return fake_provider_factory(**({"certfile": loopback_pem} if proof == "key" else {}), **options)

    return make


@pytest.fixture
def provider(make_provider: Factory) -> FakeProvider:
    return make_provider()


@pytest.fixture
def aws(proof: str, loopback_pem: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Official]:
    """The official client of a provider, with either proof; one try a call."""
    with ExitStack() as stack:

        def connect(provider: FakeProvider, secret: str | None = None, token: str | None = None) -> Any:
            keys: dict[str, Any] = {}
            if proof == "key":
                monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", secret or "bedrock-test-key")
            else:
                keys = {
                    "aws_access_key_id": "AKIDTEST",
                    "aws_secret_access_key": secret or provider.aws_secret_key,
                    "aws_session_token": token,
                }
            client = boto3.client(
                "bedrock-runtime",
                endpoint_url=provider.bedrock_url,
                region_name="eu-west-1",
                verify=str(loopback_pem),
                config=botocore_config.Config(retries={"total_max_attempts": 1}),
                **keys,
            )
            return stack.enter_context(closing(client))

        yield connect


def ask(client: Any, text: str = "hello", **more: Any) -> Any:
    request = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": text}]}], **more}
    return client.converse(**request)


def stream(client: Any, text: str = "hello", **more: Any) -> list[tuple[str, Any]]:
    request = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": text}]}], **more}
    return [pair for event in client.converse_stream(**request)["stream"] for pair in event.items()]


def content(reply: Any) -> Any:
    return reply["output"]["message"]["content"]


def test_an_answer_is_made_from_the_last_user_message(provider: FakeProvider, aws: Official) -> None:
    messages = [
        {"role": "user", "content": [{"text": "first"}]},
        {"role": "assistant", "content": [{"text": "ok"}]},
        {"role": "user", "content": [{"text": "second"}]},
    ]
    reply = ask(aws(provider), system=[{"text": "Be brief."}], messages=messages)
    assert content(reply) == [{"text": "You said: second"}]
    assert (reply["stopReason"], reply["serviceTier"]) == ("end_turn", {"type": "default"})
    # 9, 5, 2 and 6 characters are 3, 2, 1 and 2 tokens; 4 more for each message and the system's. 16 characters out.
    assert reply["usage"] == {
        "inputTokens": 24,
        "outputTokens": 4,
        "totalTokens": 28,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    }
    record = provider.requests(PATH)[0]
    assert (record.prompt_tokens, record.completion_tokens, record.answered) == (24, 4, True)
    assert record.key in ("bedrock-test-key", "AKIDTEST")


@pytest.mark.parametrize("model", [MODEL, ARN])
def test_every_form_of_a_model_id_is_understood(make_provider: Factory, aws: Official, model: str) -> None:
    client = aws(make_provider(models=[model]))
    assert content(ask(client, modelId=model)) == [{"text": "You said: hello"}]
    with pytest.raises(client.exceptions.ValidationException, match="model identifier is invalid"):
        ask(client, modelId="another")


def test_an_answer_ends_at_max_tokens_or_a_stop_sequence(provider: FakeProvider, aws: Official) -> None:
    cut = ask(aws(provider), inferenceConfig={"maxTokens": 2})
    assert (content(cut), cut["stopReason"]) == ([{"text": "You said"}], "max_tokens")
    stopped = ask(aws(provider), inferenceConfig={"stopSequences": ["llo"]})
    assert (content(stopped), stopped["stopReason"]) == ([{"text": "You said: he"}], "stop_sequence")
    unstopped = ask(aws(provider), inferenceConfig={"stopSequences": ["zzz"]})
    assert (content(unstopped), unstopped["stopReason"]) == ([{"text": "You said: hello"}], "end_turn")


def test_a_tool_is_called_and_its_result_answered(provider: FakeProvider, aws: Official) -> None:
    client = aws(provider)
    first = ask(client, toolConfig={"tools": [WEATHER]})
    assert first["stopReason"] == "tool_use"
    [call] = [block["toolUse"] for block in content(first)]
    assert (call["name"], call["input"]) == ("get_weather", {"city": "city"})
    result = {"toolUseId": call["toolUseId"], "content": [{"json": {"degrees": -3}}], "status": "success"}
    messages = [
        {"role": "user", "content": [{"text": "hello"}]},
        first["output"]["message"],
        {"role": "user", "content": [{"toolResult": result}]},
    ]
    second = ask(client, messages=messages, toolConfig={"tools": [WEATHER]})
    assert content(second) == [{"text": 'Found: {"degrees": -3}'}]


@pytest.mark.parametrize(("choice", "called"), [({"auto": {}}, 1), ({"any": {}}, 1), ({"tool": {"name": "other"}}, 1)])
def test_the_choice_of_tools_is_kept(provider: FakeProvider, aws: Official, choice: Any, called: int) -> None:
    other = {"toolSpec": {**WEATHER["toolSpec"], "name": "other"}}
    reply = ask(aws(provider), toolConfig={"tools": [WEATHER, other], "toolChoice": choice})
    names = [block["toolUse"]["name"] for block in content(reply)]
    assert names == ["other" if "tool" in choice else "get_weather"] * called


def test_a_schema_is_kept_to(provider: FakeProvider, aws: Official) -> None:
    [block] = content(ask(aws(provider), outputConfig=FORM))
    assert json.loads(block["text"]) == {"name": "name", "born": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"thinking": {"type": "enabled", "budget_tokens": 1_024}},
        {"thinking": {"type": "adaptive"}},
        {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
        {"reasoning_effort": "low"},
    ],
)
def test_reasoning_comes_where_it_is_asked_for_and_may_go_back(
    provider: FakeProvider, aws: Official, fields: Any
) -> None:
    client = aws(provider)
    reply = ask(client, additionalModelRequestFields=fields)
    thought, text = content(reply)
    assert thought["reasoningContent"]["reasoningText"]["signature"]
    assert text == {"text": "You said: hello"}
    messages = [
        {"role": "user", "content": [{"text": "hello"}]},
        reply["output"]["message"],
        {"role": "user", "content": [{"text": "again"}]},
    ]
    assert content(ask(client, messages=messages)) == [{"text": "You said: again"}]


def test_a_script_decides_what_is_said_and_counted(make_provider: Factory, aws: Official) -> None:
    answer = Answer(text="as told", prompt_tokens=100, completion_tokens=7, cached_tokens=60)
    script = [
        Reply.answer(answer),
        Reply.answer(Answer(refusal="I cannot.")),
        Reply.tool_calls(ScriptedCall("f", "{}")),
        Reply.text("x", finish_reason="guardrail_intervened"),
    ]
    client = aws(make_provider(script=script))
    told = ask(client)
    assert content(told) == [{"text": "as told"}]
    assert told["usage"] == {
        "inputTokens": 40,
        "outputTokens": 7,
        "totalTokens": 107,
        "cacheReadInputTokens": 60,
        "cacheWriteInputTokens": 0,
    }
    refused = ask(client)
    assert (content(refused), refused["stopReason"]) == ([{"text": "I cannot."}], "content_filtered")
    assert content(ask(client))[0]["toolUse"]["name"] == "f"
    assert ask(client)["stopReason"] == "guardrail_intervened"


# --- streams


def test_a_stream_says_the_same_as_a_whole_reply(provider: FakeProvider, aws: Official) -> None:
    client = aws(provider)
    whole, events = ask(client, "stream this"), stream(client, "stream this")
    texts = [event["delta"]["text"] for name, event in events if name == "contentBlockDelta"]
    assert len(texts) > 1
    assert "".join(texts) == content(whole)[0]["text"]
    assert [name for name, _ in events if name != "contentBlockDelta"] == [
        "messageStart",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    ends = dict(events)
    assert ends["messageStop"] == {"stopReason": "end_turn"}
    assert ends["metadata"]["usage"] == whole["usage"]


def test_tools_and_reasoning_are_streamed(provider: FakeProvider, aws: Official) -> None:
    fields = {"thinking": {"type": "adaptive"}}
    events = stream(aws(provider), toolConfig={"tools": [WEATHER]}, additionalModelRequestFields=fields)
    deltas = [event["delta"] for name, event in events if name == "contentBlockDelta"]
    thoughts = [delta["reasoningContent"] for delta in deltas if "reasoningContent" in delta]
    assert "".join(thought.get("text", "") for thought in thoughts) == "Let me think about that."
    assert thoughts[-1]["signature"]
    arguments = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
    assert json.loads(arguments) == {"city": "city"}
    assert dict(events)["contentBlockStart"]["start"]["toolUse"]["name"] == "get_weather"
    assert dict(events)["messageStop"] == {"stopReason": "tool_use"}


def test_an_exception_in_a_stream_is_one_for_boto3(make_provider: Factory, aws: Official) -> None:
    body = exception_message("throttlingException", {"message": "slow down"})
    script = [Reply.raw(200, {"content-type": "application/vnd.amazon.eventstream"}, body)]
    with pytest.raises(botocore_exceptions.EventStreamError, match=r"throttlingException.*slow down"):
        stream(aws(make_provider(script=script)))


# --- errors


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_an_ordered_error_is_the_exception_of_its_status(
    make_provider: Factory, aws: Official, status: int, name: str
) -> None:
    client = aws(make_provider(script=[Reply.error(status, message="as ordered")]))
    with pytest.raises(getattr(client.exceptions, name), match="as ordered") as caught:
        ask(client)
    told = caught.value.response["ResponseMetadata"]
    assert (told["HTTPStatusCode"], caught.value.response["Error"]["Code"]) == (status, name)


def test_a_limit_is_told_as_throttling(make_provider: Factory, aws: Official) -> None:
    client = aws(make_provider(requests_per_minute=1))
    ask(client)
    with pytest.raises(client.exceptions.ThrottlingException, match="Too many requests"):
        ask(client)


def test_every_reply_has_the_id_of_its_request(provider: FakeProvider, aws: Official) -> None:
    reply = ask(aws(provider))
    assert reply["ResponseMetadata"]["RequestId"].endswith(f"{provider.ledger[0].sequence:012d}")


def test_a_wrong_proof_is_refused(make_provider: Factory, aws: Official) -> None:
    client = aws(make_provider(api_keys=["bedrock-test-key", "AKIDTEST"]), secret="wrong")
    with pytest.raises(client.exceptions.ClientError) as caught:
        ask(client)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert caught.value.response["Error"]["Code"] in ("AccessDeniedException", "InvalidSignatureException")


def test_a_session_token_is_part_of_what_is_signed(provider: FakeProvider, aws: Official) -> None:
    ask(aws(provider, token="session-token"))
    headers = provider.ledger[0].headers
    signed = headers["authorization"].startswith("AWS4-HMAC-SHA256")
    assert ("x-amz-security-token" in headers["authorization"]) == signed


def post(provider: FakeProvider, body: Any, path: str = PATH, **headers: str) -> tuple[int, str, Any]:
    """Status, x-amzn-errortype and document of a reply to a request made by hand."""
    connection = http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=5)
    with closing(connection):
        sent = {"Authorization": "Bearer bedrock-test-key", **headers}
        connection.request("POST", path, json.dumps(body), sent)
        reply = connection.getresponse()
        return reply.status, reply.headers.get("x-amzn-errortype", ""), json.loads(reply.read())


SAID = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


def signed_headers(when: str = "20200101T000000Z", headers: str = "host;x-amz-date", service: str = "bedrock") -> Any:
    credential = f"AKIDTEST/{when[:8]}/eu-west-1/{service}/aws4_request"
    value = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={headers}, Signature={'0' * 64}"
    return {"Authorization": value, "X-Amz-Date": when}


def test_what_is_wrong_with_a_signature_is_told(fake_provider: FakeProvider) -> None:
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    wrong: dict[str, dict[str, str]] = {
        "Signature expired: 20200101T000000Z is now earlier than ": signed_headers(),
        "Signature not yet current": signed_headers(when="29990101T000000Z"),
        "'host' must be a 'SignedHeader'": signed_headers(when=now, headers="x-amz-date"),
        "Credential should be scoped to correct service": signed_headers(when=now, service="s3"),
        "Date in Credential scope does not match": {**signed_headers(), "X-Amz-Date": now},
        "Date must be in ISO-8601": {**signed_headers(), "X-Amz-Date": "today"},
        "The request signature we calculated does not match": signed_headers(when=now),
    }
    for words, headers in wrong.items():
        status, kind, told = post(fake_provider, SAID, **headers)
        assert (status, kind, told["message"][: len(words)]) == (403, "InvalidSignatureException", words)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"Authorization": ""}, "MissingAuthenticationTokenException"),
        ({"Authorization": "Bearer wrong"}, "AccessDeniedException"),
    ],
)
def test_a_missing_or_wrong_key_is_403(fake_provider_factory: Factory, headers: Any, error: str) -> None:
    status, kind, _ = post(fake_provider_factory(api_keys=["right"]), SAID, **headers)
    assert (status, kind) == (403, error)


def test_unknown_paths_are_refused_in_the_formats_own_way(fake_provider: FakeProvider) -> None:
    status, kind, document = post(fake_provider, SAID, path="/bedrock/model/m/sing")
    assert (status, kind, list(document)) == (404, "UnknownOperationException", ["message"])


def said(*content: Any, role: str = "user") -> Any:
    return {"role": role, "content": list(content)}


CALL = {"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}}
HELLO = {"text": "hello"}
BYTES = {"bytes": base64.b64encode(b"%PDF-1.4").decode()}
TOOLS = {"tools": [WEATHER]}


def document(name: str = "a", **more: Any) -> Any:
    return {"document": {"format": "pdf", "name": name, "source": BYTES, **more}}


def tool(**changes: Any) -> Any:
    return {"toolConfig": {"tools": [{"toolSpec": {**WEATHER["toolSpec"], **changes}}]}}


BAD: dict[str, tuple[Any, str]] = {
    "no messages": ({"messages": []}, "at least one message"),
    "an unknown field": ({"mesages": []}, "mesages"),
    "the model first": ({"messages": [said(HELLO, role="assistant")]}, "must start with a user message"),
    "the user twice": ({"messages": [said(HELLO), said(HELLO)]}, "must alternate"),
    "an unknown role": ({"messages": [said(HELLO), said(HELLO, role="tool")]}, "messages[1].role"),
    "an empty message": ({"messages": [said()]}, "is empty"),
    "two things in one": ({"messages": [said({**HELLO, "cachePoint": {"type": "default"}})]}, "exactly one"),
    "a blank text": ({"messages": [said({"text": " "})]}, "is blank"),
    "a blank system text": ({"system": [{"text": ""}]}, "is blank"),
    "an image of the model": (
        {"messages": [said(HELLO), said({"image": {"format": "png", "source": BYTES}}, role="assistant")]},
        "image is not allowed",
    ),
    "a call of the user": ({"messages": [said(HELLO, CALL)], "toolConfig": TOOLS}, "toolUse is not allowed"),
    "an unknown format": ({"messages": [said({"image": {"format": "bmp", "source": BYTES}})]}, "image.format"),
    "no base64": ({"messages": [said({"image": {"format": "png", "source": {"bytes": "!"}}})]}, "must be base64"),
    "two sources": (
        {"messages": [said({"image": {"format": "png", "source": {**BYTES, "s3Location": {"uri": "s3://b/a"}}}})]},
        "exactly one",
    ),
    "a name with a dot": ({"messages": [said(HELLO, document("a.pdf"))]}, "can only contain alphanumeric"),
    "a name with two blanks": ({"messages": [said(HELLO, document("a  b"))]}, "can only contain alphanumeric"),
    "one name twice": ({"messages": [said(HELLO, document(), document())]}, "must be unique"),
    "six documents": ({"messages": [said(HELLO, *[document(str(n)) for n in range(6)])]}, "at most 5"),
    "21 images": (
        {"messages": [said(HELLO, *[{"image": {"format": "png", "source": BYTES}}] * 21)]},
        "at most 20",
    ),
    "a document alone": ({"messages": [said(document())]}, "text block is required"),
    "an id of other characters": (
        {"messages": [said(HELLO), said({"toolUse": {**CALL["toolUse"], "toolUseId": "a b"}}, role="assistant")]},
        "toolUseId",
    ),
    "a name of other characters": (
        {"messages": [said(HELLO), said({"toolUse": {**CALL["toolUse"], "name": "a.b"}}, role="assistant")]},
        "toolUse.name",
    ),
    "arguments that are no object": (
        {"messages": [said(HELLO), said({"toolUse": {**CALL["toolUse"], "input": "{}"}}, role="assistant")]},
        "Provide a json object",
    ),
    "calls without tools": (
        {"messages": [said(HELLO), said(CALL, role="assistant"), said(RESULT)]},
        "toolConfig field must be defined",
    ),
    "a call that is not answered": (
        {"messages": [said(HELLO), said(CALL, role="assistant"), said(HELLO)], "toolConfig": TOOLS},
        "Expected toolResult blocks at messages.2.content for the following Ids: a",
    ),
    "a result of no call": ({"messages": [said(RESULT)], "toolConfig": TOOLS}, "exceeds the number of toolUse"),
    "no tools": ({"toolConfig": {"tools": []}}, "at least one tool"),
    "a tool that is two": (
        {"toolConfig": {"tools": [{**WEATHER, "cachePoint": {"type": "default"}}]}},
        "exactly one",
    ),
    "a tool's name": (tool(name="a.b"), "toolSpec.name"),
    "an empty description": (tool(description=""), "length greater"),
    "a schema of no object": (tool(inputSchema={"json": {"type": "string"}}), "one of the following: object"),
    "a strict tool that is open": (tool(strict=True), "additionalProperties"),
    "an unknown choice": ({"toolConfig": {**TOOLS, "toolChoice": {"tool": {"name": "g"}}}}, "is no tool"),
    "a schema that is no JSON": (
        {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}},
        "JSON object as a text",
    ),
    "a schema that is open": (
        {
            "outputConfig": {
                "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type": "object"}'}}}
            }
        },
        "additionalProperties",
    ),
    "too hot": ({"inferenceConfig": {"temperature": 1.5}}, "between 0 and 1"),
    "no tokens": ({"inferenceConfig": {"maxTokens": 0}}, "between 1 and"),
    "a text as number": ({"inferenceConfig": {"maxTokens": "1"}}, "maxTokens"),
    "five cache points": ({"system": [HELLO, *[{"cachePoint": {"type": "default"}}] * 5]}, "maximum of 4"),
    "an hour after five minutes": (
        {"system": [HELLO, {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}]},
        "must not come after",
    ),
    "heat while thinking": (
        {
            "inferenceConfig": {"temperature": 0.5},
            "additionalModelRequestFields": {"thinking": {"type": "adaptive"}},
        },
        "only be set to 1",
    ),
    "a small budget": (
        {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 10}}},
        "1024",
    ),
    "a budget without rest": (
        {
            "inferenceConfig": {"maxTokens": 2_000},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
        },
        "must be greater",
    ),
    "a bound for Nova at its best": (
        {
            "inferenceConfig": {"maxTokens": 2_000},
            "additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        },
        "must be unset",
    ),
    "an unknown tier": ({"serviceTier": {"type": "first class"}}, "serviceTier"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_bedrock_refuses_is_refused(fake_provider: FakeProvider, name: str) -> None:
    fields, words = BAD[name]
    status, kind, told = post(fake_provider, {**SAID, **fields})
    assert (status, kind) == (400, "ValidationException")
    assert words in told["message"]


def test_a_server_that_is_easy_on_its_users_takes_unknown_fields(fake_provider_factory: Factory) -> None:
    assert post(fake_provider_factory(ignore_unknown=True), {**SAID, "brand_new": 1})[0] == 200


# --- our own packages


def test_the_typed_sdk_is_answered(fake_provider: FakeProvider) -> None:
    message = sdk.Message(role="user", content=[sdk.ContentBlock(text="hello")])
    api = sdk.api(base_url=fake_provider.bedrock_url, api_key="bedrock-test-key")
    reply = api.call(sdk.converse, sdk.ConverseRequest(messages=[message]), model_id=ARN)
    assert reply.output is not None
    assert reply.output.message is not None
    assert reply.output.message.content == [sdk.ContentBlock(text="You said: hello")]
    assert fake_provider.ledger[0].path.endswith("application-inference-profile%2Fabc123/converse")


@pytest.fixture
def client(proof: str, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[LLMClient]:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr(bedrock, "signer", aws_signing.Signer("bedrock"))
    if proof == "key":
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-test-key")
    else:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", fake_provider.aws_secret_key)
        monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token")
    register_model(
        id="bedrock-embedded",
        name="eu.anthropic.claude-test-v1:0",
        provider="bedrock",
        maker="anthropic",
        api_base=fake_provider.bedrock_url,
        api_key_env_var="AWS_BEARER_TOKEN_BEDROCK",
        key_is_optional=True,
        api_spec="bedrock",
        supports_json=True,
        supports_schema=True,
        supports_images=True,
        supports_files=True,
        reasoning_model=True,
        reasoning_control="effort",
    )
    with LLMClient("bedrock-embedded", max_new_tokens=1_000) as made:
        yield made


def test_our_client_is_answered(client: LLMClient, fake_provider: FakeProvider) -> None:
    prompt = (
        Conversation.system("Be brief.")
        .user("What is it?", image=PNG, file=b"%PDF-1.4")
        .ai("A picture.")
        .user("And again?")
    )
    [response] = client.process_prompts_sync([prompt])
    assert (response.error_message, response.completion) == (None, "You said: And again?")
    assert response.finish_reason == "stop"
    assert response.usage is not None
    headers = fake_provider.ledger[0].headers
    assert "authorization" in headers


def test_our_client_uses_tools_and_schemas(client: LLMClient) -> None:
    weather = Tool("get_weather", "The weather.", WEATHER["toolSpec"]["inputSchema"]["json"])
    prompt = Conversation.user("Weather?")
    [first] = client.process_prompts_sync([prompt], tools=[weather])
    assert first.error_message is None
    [call] = first.tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "city"})
    again = prompt.with_response(first).with_tool_result(call.id, [*Conversation.user("cold", image=PNG)[0].parts])
    [second] = client.process_prompts_sync([again], tools=[weather])
    assert (second.error_message, second.completion) == (None, "Found: cold")
    [third] = client.process_prompts_sync(["Who?"], output_schema=SCHEMA)
    assert (third.error_message, third.parsed) == (None, {"name": "name", "born": 1})


def test_our_client_reads_streams(client: LLMClient) -> None:
    *deltas, response = client.stream_chat_sync("stream this")
    assert isinstance(response, APIResponse)
    assert len(deltas) > 1
    assert "".join(delta for delta in deltas if isinstance(delta, str)) == "You said: stream this"
    assert (response.error_message, response.completion) == (None, "You said: stream this")
    assert response.usage is not None
