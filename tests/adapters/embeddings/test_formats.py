"""Every format of vectors and scores: what is written, what is read, and what goes wrong, in one table.

Expected requests and replies are those of the providers' API documents, not of a run of this code.
"""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from deluge_sync._adapters.call import Call, Extras, ModelReply
from deluge_sync._adapters.embeddings import cohere, gemini, mistral, openai, perplexity, rerank
from deluge_sync._adapters.embeddings.inputs import InputType, Wish, as_prompt
from deluge_sync._adapters.embeddings.reading import NUMBERS
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import HttpReply
from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.errors import ConfigError
from deluge_sync.models import Model
from deluge_sync.prompt import Conversation
from deluge_sync.response import Usage

URL = "https://provider.test/v1"
TEXTS = ["Grüße", "two"]
VECTORS = [[0.5, -0.25, 1.0], [0.0, 2.0, -1.5]]  # each is exact in 32 bits


def floats(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def signed_bytes(vector: list[int]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}b", *vector)).decode()


@dataclass(frozen=True)
class Format:
    """`reply` is a whole one to TEXTS; `entries` is where its list of numbers is, `numbers` what must be read."""

    adapter: ModuleType
    provider: str
    url: str
    body: dict[str, Any]
    wished: dict[str, Any]
    reply: dict[str, Any]
    entries: tuple[str, ...]
    usage: Usage | None
    query: str | None = None
    numbers: list[list[float]] = field(default_factory=lambda: VECTORS)

    def call(self, texts: list[str] | None = None, **more: Any) -> Call:
        prompt = as_prompt(TEXTS if texts is None else texts, query=self.query)
        model = Model("m", "m", self.provider, URL)
        return Call(prompt, model, SamplingParams(), URL, Secret("sk-test-key"), Extras(**more))

    def read(self, document: Any, *, status: int = 200, texts: list[str] | None = None) -> ModelReply | Failure:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        outcome = self.adapter.parse_reply(self.call(texts), HttpReply(status, {}, body))
        assert isinstance(outcome, ModelReply | Failure)
        return outcome

    def with_entries(self, change: Any) -> dict[str, Any]:
        """The reply with another list of numbers."""
        reply = json.loads(json.dumps(self.reply))
        holder = reply
        for step in self.entries[:-1]:
            holder = holder[step]
        holder[self.entries[-1]] = change(holder[self.entries[-1]])
        return dict(reply)


def said(request: Any) -> Any:
    """The body of a request, parsed."""
    assert isinstance(request.body, bytes)
    return json.loads(request.body)


def listed(vectors: list[Any]) -> list[dict[str, Any]]:
    return [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]


FORMATS = {
    "openai": Format(
        openai,
        "openai",
        f"{URL}/embeddings",
        {"model": "m", "input": TEXTS, "encoding_format": "base64"},
        {"dimensions": 3},
        {
            "object": "list",
            "data": listed([floats(vector) for vector in VECTORS]),
            "model": "m",
            "usage": {"prompt_tokens": 4, "total_tokens": 4},
        },
        ("data",),
        Usage(4, 0),
    ),
    "openai-as-numbers": Format(  # what a server answers that knows no base64
        openai,
        "ollama",
        f"{URL}/embeddings",
        {"model": "m", "input": TEXTS, "encoding_format": "base64"},
        {"dimensions": 3},
        {"data": [{"embedding": vector} for vector in VECTORS]},
        ("data",),
        None,
    ),
    "mistral": Format(
        mistral,
        "mistral",
        f"{URL}/embeddings",
        {"model": "m", "input": TEXTS},
        {"output_dimension": 3},
        {
            "id": "e",
            "object": "list",
            "data": listed(VECTORS),
            "model": "m",
            "usage": {"prompt_tokens": 4, "completion_tokens": 0, "total_tokens": 4},
        },
        ("data",),
        Usage(4, 0),
    ),
    "gemini": Format(
        gemini,
        "gemini",
        f"{URL}/models/m:batchEmbedContents",
        {"requests": [{"model": "models/m", "content": {"role": "user", "parts": [{"text": text}]}} for text in TEXTS]},
        {"outputDimensionality": 3},
        {"embeddings": [{"values": vector} for vector in VECTORS], "usageMetadata": {"promptTokenCount": 4}},
        ("embeddings",),
        Usage(4, 0),
    ),
    "cohere": Format(
        cohere,
        "cohere",
        f"{URL}/embed",
        {
            "model": "m",
            "texts": TEXTS,
            "input_type": "search_document",
            "embedding_types": ["base64"],
            "truncate": "NONE",
        },
        {"output_dimension": 3},
        {
            "id": "e",
            "embeddings": {"base64": [floats(vector) for vector in VECTORS]},
            "texts": TEXTS,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 4}},
            "response_type": "embeddings_by_type",
        },
        ("embeddings", "base64"),
        Usage(4, 0),
    ),
    "perplexity": Format(
        perplexity,
        "perplexity",
        f"{URL}/embeddings",
        {"model": "m", "input": TEXTS},
        {"dimensions": 3},
        {
            "object": "list",
            "data": listed([signed_bytes([-128, 0, 127]), signed_bytes([1, 2, 3])]),
            "usage": {"prompt_tokens": 4, "total_tokens": 4, "cost": {"total_cost": 0.1}},
        },
        ("data",),
        Usage(4, 0),
        numbers=[[-128.0, 0.0, 127.0], [1.0, 2.0, 3.0]],
    ),
    "rerank": Format(
        rerank,
        "cohere",
        f"{URL}/rerank",
        {"model": "m", "query": "which?", "documents": TEXTS},
        {},
        {
            "id": "r",
            "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
            "meta": {"billed_units": {"search_units": 1}},
        },
        ("results",),
        None,
        query="which?",
        numbers=[[0.1], [0.9]],
    ),
    "rerank-elsewhere": Format(  # Together and vLLM tell tokens
        rerank,
        "together",
        f"{URL}/rerank",
        {"model": "m", "query": "which?", "documents": TEXTS},
        {},
        {
            "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
            "usage": {"total_tokens": 12},
        },
        ("results",),
        Usage(12, 0),
        query="which?",
        numbers=[[0.1], [0.9]],
    ),
}


@pytest.fixture(params=list(FORMATS))
def format_(request: pytest.FixtureRequest) -> Format:
    return FORMATS[request.param]


def numbers_in(outcome: ModelReply | Failure) -> list[Any]:
    assert isinstance(outcome, ModelReply)
    assert outcome.failure is None
    return [None if each is None else each.tolist() for each in (outcome.raw or {})[NUMBERS]]


# --- writing


def test_the_request_says_the_texts_and_nothing_that_was_not_asked_for(format_: Format) -> None:
    request = format_.adapter.build_request(format_.call())

    assert (request.method, request.url) == ("POST", format_.url)
    assert said(request) == format_.body


def test_the_key_travels_as_a_secret(format_: Format) -> None:
    headers = format_.adapter.build_request(format_.call()).headers

    assert "sk-test-key" not in repr(headers)
    assert "sk-test-key" in {
        value.reveal().removeprefix("Bearer ") for value in headers.values() if type(value) is Secret
    }


def test_the_wished_length_goes_in_the_provider_s_word(format_: Format) -> None:
    body = said(format_.adapter.build_request(format_.call(wish=Wish(dimensions=3))))
    for part in body.get("requests", [body]):  # Gemini says it with each text
        assert format_.wished.items() <= part.items()


def test_the_user_s_own_fields_and_headers_win(format_: Format) -> None:
    call = format_.call(body={"model": "other"}, headers={"X-Team": "a"})
    request = format_.adapter.build_request(call)

    assert said(request)["model"] == "other"
    assert "X-Team" in request.headers


@pytest.mark.parametrize(
    ("name", "input_type", "words"),
    [
        ("cohere", "document", {"input_type": "search_document"}),
        ("cohere", "query", {"input_type": "search_query"}),
        ("cohere", "classification", {"input_type": "classification"}),
        ("cohere", "clustering", {"input_type": "clustering"}),
        ("gemini", "document", {"taskType": "RETRIEVAL_DOCUMENT"}),
        ("gemini", "query", {"taskType": "RETRIEVAL_QUERY"}),
        ("gemini", "similarity", {"taskType": "SEMANTIC_SIMILARITY"}),
        ("gemini", "classification", {"taskType": "CLASSIFICATION"}),
        ("gemini", "clustering", {"taskType": "CLUSTERING"}),
    ],
)
def test_the_purpose_goes_in_the_provider_s_word(name: str, input_type: InputType, words: dict[str, str]) -> None:
    case = FORMATS[name]
    body = said(case.adapter.build_request(case.call(wish=Wish(input_type=input_type))))

    for part in body.get("requests", [body]):
        assert words.items() <= part.items()


def test_a_purpose_that_the_provider_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no input_type 'similarity'; it has document, query"):
        cohere.build_request(FORMATS["cohere"].call(wish=Wish(input_type="similarity")))


def test_a_provider_that_tells_no_purposes_apart_is_not_told_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Model("tells-none-apart", "m", "openai", URL)
    call = Call(as_prompt(["a"]), model, SamplingParams(), URL, None, Extras(wish=Wish(input_type="query")))

    bodies = [said(openai.build_request(call)) for _ in range(2)]

    assert all("input_type" not in body for body in bodies)
    assert [record.message for record in caplog.records] == [
        "not sent to tells-none-apart, which does not take it: input_type"
    ]


def test_perplexity_s_path_has_a_version_whatever_the_base_url() -> None:
    call = FORMATS["perplexity"].call()
    bare = Call(call.prompt, call.model, call.params, "https://api.perplexity.ai", None, Extras())

    assert perplexity.build_request(bare).url == "https://api.perplexity.ai/v1/embeddings"


# --- reading


def test_the_numbers_are_read_in_the_texts_order_with_what_they_cost(format_: Format) -> None:
    outcome = format_.read(format_.reply)

    assert numbers_in(outcome) == format_.numbers
    assert isinstance(outcome, ModelReply)
    assert outcome.usage == format_.usage


def test_places_that_are_told_count_more_than_the_order() -> None:
    turned = FORMATS["openai"].with_entries(lambda entries: entries[::-1])

    assert numbers_in(FORMATS["openai"].read(turned)) == VECTORS


def test_cohere_s_floats_are_read_too() -> None:
    reply = {**FORMATS["cohere"].reply, "embeddings": {"float": VECTORS}}

    assert numbers_in(FORMATS["cohere"].read(reply)) == VECTORS


def test_a_reply_that_lacks_a_text_is_a_failure_that_was_paid(format_: Format) -> None:
    outcome = format_.read(format_.with_entries(lambda entries: entries[:1]))

    assert isinstance(outcome, ModelReply)
    assert outcome.usage == format_.usage
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.MALFORMED
    assert outcome.failure.message == "the reply has numbers for 1 of 2 texts, or for others"


def test_a_reply_with_more_than_was_asked_is_one_too(format_: Format) -> None:
    outcome = format_.read(format_.reply, texts=["only one"])

    assert isinstance(outcome, ModelReply)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.MALFORMED


@pytest.mark.parametrize("broken", ["no base64!", floats([float("nan"), 1, 2]), floats([float("inf")]), "", []])
def test_numbers_that_are_none_are_the_trouble_of_their_text_alone(broken: Any) -> None:
    reply = FORMATS["openai"].with_entries(lambda entries: [{**entries[0], "embedding": broken}, entries[1]])

    assert numbers_in(FORMATS["openai"].read(reply)) == [None, VECTORS[1]]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b'{"data": 7}', b'{"results": [{}]}'])
def test_a_success_that_is_none_is_a_failure(format_: Format, body: bytes) -> None:
    assert isinstance(format_.read(body), Failure)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, FailureKind.AUTH), (429, FailureKind.RATE_LIMIT), (500, FailureKind.SERVER)]
)
def test_an_error_status_is_told_as_everywhere(format_: Format, status: int, kind: FailureKind) -> None:
    outcome = format_.read({"message": "no", "error": {"message": "no"}}, status=status)

    assert isinstance(outcome, Failure)
    assert outcome.kind is kind


def test_a_call_without_a_wish_or_a_query_is_read_as_one() -> None:
    """What the engine makes of a conversation that has only the texts."""
    call = Call(Conversation.user("a"), Model("m", "m", "openai", URL), SamplingParams(), URL, None, Extras())

    assert said(openai.build_request(call))["input"] == ["a"]
