"""The official package is the judge.

It asks for base64 unless told otherwise, but its strict mode takes lists of numbers only: so most tests ask for those.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import openai
import pytest

from deluge_sync.testing import FakeProvider

Official = Callable[..., openai.OpenAI]
Create = Callable[..., openai.types.CreateEmbeddingResponse]


@pytest.fixture
def create(fake_provider: FakeProvider, official: Official) -> Create:
    client = official(fake_provider)
    usual = {"model": "text-embedding-3-small", "encoding_format": "float"}
    return lambda **request: client.embeddings.create(**{**usual, **request})


def test_each_input_gets_a_vector_of_length_1_at_its_place(create: Create) -> None:
    reply = create(input=["a", "b", "a"])
    assert [item.index for item in reply.data] == [0, 1, 2]
    first, second, third = (item.embedding for item in reply.data)
    assert first == third != second
    assert len(first) == 1536
    assert math.hypot(*first) == pytest.approx(1, abs=1e-5)


def test_both_encodings_say_the_same(fake_provider: FakeProvider, create: Create) -> None:
    with openai.OpenAI(base_url=fake_provider.openai_url, api_key="k", max_retries=0) as client:
        [coded] = client.embeddings.create(model="text-embedding-3-small", input="x").data
    assert fake_provider.ledger[0].json["encoding_format"] == "base64"
    assert coded.embedding == create(input="x").data[0].embedding


def test_dimensions_can_be_asked_for_and_are_a_shortened_vector(create: Create) -> None:
    [short], [whole] = create(input="x", dimensions=16).data, create(input="x").data
    assert len(short.embedding) == 16
    cut = whole.embedding[:16]
    assert short.embedding == pytest.approx([number / math.hypot(*cut) for number in cut], abs=1e-6)
    assert len(create(input="x", model="text-embedding-3-large").data[0].embedding) == 3072


@pytest.mark.parametrize(
    ("given", "inputs", "tokens"),
    [("eight888", 1, 2), (["eight888", "a"], 2, 3), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)],
    ids=["text", "texts", "tokens", "several-lists-of-tokens"],
)
def test_texts_and_tokens_are_counted(
    fake_provider: FakeProvider, create: Create, given: Any, inputs: int, tokens: int
) -> None:
    reply = create(input=given)
    assert len(reply.data) == inputs
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (tokens, tokens)
    assert fake_provider.ledger[0].prompt_tokens == tokens


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"input": ""}, "cannot be an empty string"),
        ({"input": ["a", ""]}, "cannot be an empty string"),
        ({"input": []}, "1 to 2048 texts, not 0"),
        ({"input": ["a"] * 2049}, "1 to 2048 texts, not 2049"),
        ({"input": "a" * 8192 * 4 + "b"}, "8192 tokens at most, yours has 8193"),
        ({"input": ["a" * 4 * 6_000] * 51}, "Requested 306000 tokens, max 300000 tokens per request"),
        ({"input": "a", "dimensions": 0}, "'dimensions' must be 1 or more"),
        ({"input": 7}, "'input'"),
        ({"input": "a", "extra_body": {"colour": "red"}}, "'colour'"),
    ],
)
def test_what_openai_refuses_is_refused(create: Create, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        create(**request_)


def test_an_unknown_model_is_not_found(fake_provider_factory: Callable[..., FakeProvider], official: Official) -> None:
    client = official(fake_provider_factory(models=["e"]))
    assert client.embeddings.create(model="e", input="x", encoding_format="float").model == "e"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.embeddings.create(model="f", input="x")
