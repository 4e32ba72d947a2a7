"""The Cohere package against the embedded provider: every operation once, as a user of the typed SDK calls it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deluge_sync.errors import ApiStatusError, ConfigError
from deluge_sync.sdk import cohere
from deluge_sync.sdk._base import Api
from deluge_sync.testing import FakeProvider


@pytest.fixture
def api() -> Iterator[Api]:
    with FakeProvider() as provider:
        yield cohere.api("any", base_url=f"{provider.cohere_url}/v2")


def test_texts_become_vectors(api: Api) -> None:
    request = cohere.EmbedRequest(
        model="embed-v4.0", input_type="search_document", texts=["a", "b"], embedding_types=["float", "int8"]
    )
    embeddings = api.call(cohere.create_embeddings, request).embeddings
    assert [len(vector) for vector in embeddings.float or ()] == [1536, 1536]
    assert [len(vector) for vector in embeddings.int8 or ()] == [1536, 1536]
    assert embeddings.base64 is None


def test_documents_are_ranked(api: Api) -> None:
    request = cohere.RerankRequest(model="rerank-v3.5", query="red fox", documents=["a dog", "the red fox"], top_n=1)
    [result] = api.call(cohere.rerank, request).results
    assert (result.index, result.relevance_score) == (1, 1.0)


def test_a_refusal_is_an_error_with_its_status(api: Api) -> None:
    with pytest.raises(ApiStatusError, match=r"400.*query must not be empty"):
        api.call(cohere.rerank, cohere.RerankRequest(model="m", query=" ", documents=["a"]))


def test_the_environment_has_key_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CO_API_KEY", "COHERE_API_KEY", "CO_API_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="CO_API_KEY or COHERE_API_KEY"):
        cohere.api()
    monkeypatch.setenv("COHERE_API_KEY", "second")
    monkeypatch.setenv("CO_API_URL", "https://cohere.test/")
    assert cohere.api().base_url == "https://cohere.test/v2"
