"""Cohere's own package against the embedded provider. It reads leniently, so replies are checked field by field."""

from __future__ import annotations

import base64
import http.client
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import cohere
import httpx
import pytest
from cohere.core import ApiError

from deluge_sync.testing import FakeProvider, Reply

PIXEL = "data:image/png;base64,iVBORw0KGgo="


Connect = Callable[..., cohere.ClientV2]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """The official client, which tries once. It closes no connections itself."""
    with ExitStack() as stack:

        def connected(provider: FakeProvider, key: str = "k") -> cohere.ClientV2:
            carrier = stack.enter_context(httpx.Client())
            return cohere.ClientV2(key, base_url=provider.cohere_url, max_retries=0, httpx_client=carrier)

        yield connected


@pytest.fixture
def client(fake_provider: FakeProvider, connect: Connect) -> cohere.ClientV2:
    return connect(fake_provider)


def sent(provider: FakeProvider, path: str, body: Any, method: str = "POST") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(provider.url.removeprefix("http://"), timeout=5)
    try:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, f"/cohere/v2/{path}", content, {"Authorization": "Bearer k"})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def test_texts_become_vectors_of_every_type(client: cohere.ClientV2) -> None:
    kinds = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
    reply = client.embed(
        model="embed-v4.0", texts=["a", "b"], input_type="search_document", embedding_types=kinds, output_dimension=256
    )
    found = reply.embeddings
    assert found.float_ is not None
    assert found.base64 is not None
    assert reply.response_type == "embeddings_by_type"
    assert [len(vector) for vector in found.float_] == [256, 256]
    assert sum(number * number for number in found.float_[0]) == pytest.approx(1.0, abs=1e-5)
    assert found.int8 == [[round(number * 127) for number in vector] for vector in found.float_]
    assert found.uint8 == [[round(number * 127) + 128 for number in vector] for vector in found.float_]
    assert found.ubinary == [[byte + 128 for byte in vector] for vector in found.binary or ()]
    assert [len(vector) for vector in found.ubinary or ()] == [32, 32]
    assert list(struct.unpack("<256f", base64.b64decode(found.base64[1]))) == found.float_[1]
    assert reply.texts == ["a", "b"]
    assert reply.meta is not None
    assert reply.meta.billed_units is not None
    assert reply.meta.billed_units.input_tokens == 2


def test_images_and_mixtures_become_vectors(client: cohere.ClientV2) -> None:
    picture = client.embed(model="embed-v4.0", images=[PIXEL], input_type="image")
    assert [len(vector) for vector in picture.embeddings.float_ or ()] == [1536]
    assert picture.meta is not None
    assert picture.meta.billed_units is not None
    assert picture.meta.billed_units.images == 1
    inputs: Any = [{"content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": PIXEL}}]}]
    mixed = client.embed(model="embed-v4.0", inputs=inputs, input_type="search_document")
    assert len(mixed.embeddings.float_ or ()) == 1


def test_documents_are_ranked_by_the_words_they_share(client: cohere.ClientV2) -> None:
    documents = ["a dog", "the Red fox", "a fox"]
    reply = client.rerank(model="rerank-v3.5", query="red fox", documents=documents)
    assert [(result.index, result.relevance_score) for result in reply.results] == [(1, 1.0), (2, 0.5), (0, 0.0)]
    assert reply.meta is not None
    assert reply.meta.billed_units is not None
    assert reply.meta.billed_units.search_units == 1
    best = client.rerank(model="rerank-v3.5", query="red fox", documents=documents, top_n=1)
    assert [result.index for result in best.results] == [1]


TEXTS = {"model": "m", "input_type": "search_query", "texts": ["a"]}
RANKING: dict[str, Any] = {"model": "m", "query": "a", "documents": ["a"]}
KNOWN = {**RANKING, "model": "rerank-v3.5"}


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("embed", {**TEXTS, "texts": None}, "exactly one of texts, images, inputs"),
        ("embed", {**TEXTS, "images": [PIXEL]}, "exactly one of texts, images, inputs"),
        ("embed", {**TEXTS, "texts": ["a"] * 97}, "1 to 96 items"),
        ("embed", {**TEXTS, "texts": [""]}, "empty strings"),
        ("embed", {**TEXTS, "input_type": "image"}, "input_type 'image' and images"),
        ("embed", {**TEXTS, "output_dimension": 100}, "output_dimension must be one of"),
        ("embed", {**TEXTS, "embedding_types": ["double"]}, "embedding_types.0"),
        ("embed", {**TEXTS, "surprise": 1}, "surprise: Extra inputs"),
        ("embed", {"model": "m", "texts": ["a"]}, "input_type: Field required"),
        ("rerank", {**RANKING, "query": " "}, "query must not be empty"),
        ("rerank", {**RANKING, "documents": []}, "1 to 10000 items"),
        ("rerank", {**RANKING, "top_n": 0}, "top_n must be 1 or more"),
        ("rerank", b"{", "invalid json syntax"),
    ],
)
def test_flawed_requests_are_refused(fake_provider: FakeProvider, path: str, body: Any, problem: str) -> None:
    status, reply = sent(fake_provider, path, body)
    assert (status, reply.keys()) == (400, {"id", "message"})
    assert problem in reply["message"]


def test_errors_reach_the_official_package(
    fake_provider_factory: Callable[..., FakeProvider], connect: Connect
) -> None:
    provider = fake_provider_factory(api_keys={"right"}, models=["rerank-v3.5"], requests_per_minute=60, burst_s=2.0)
    with pytest.raises(cohere.UnauthorizedError, match="invalid api token"):
        connect(provider, "wrong").rerank(**KNOWN)
    client = connect(provider, "right")
    with pytest.raises(cohere.NotFoundError, match="model 'm' not found"):
        client.rerank(**RANKING)
    client.rerank(**KNOWN)
    with pytest.raises(cohere.TooManyRequestsError) as limited:
        client.rerank(**KNOWN)
    assert (limited.value.headers or {})["retry-after"] == "1"
    assert not any("ratelimit" in name for name in limited.value.headers or {})
    provider.use_script([Reply.error(503)])
    with pytest.raises(ApiError) as broken:
        client.rerank(**KNOWN)
    assert (broken.value.status_code, broken.value.body["message"]) == (503, "the service is unavailable")


def test_other_paths_and_methods_are_refused_in_its_own_words(fake_provider: FakeProvider) -> None:
    assert sent(fake_provider, "chat", {})[0] == 404
    status, reply = sent(fake_provider, "rerank", {}, method="PUT")
    assert (status, reply["message"]) == (405, "/cohere/v2/rerank does not take PUT")
