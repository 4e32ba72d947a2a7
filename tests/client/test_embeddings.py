"""Texts into vectors and rankings through a client: batches, limits, failures, caches and costs, against HTTP."""

from __future__ import annotations

import _thread
import asyncio
import json
import sys
import threading
import time
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cohere
import httpx
import mistralai.client
import numpy
import openai
import pytest
from google import genai
from google.genai import types as genai_types

from deluge_sync import EmbeddingError, Interrupted, LLMClient, RerankError
from deluge_sync.cache import SqliteCache
from deluge_sync.client.numbers import NumbersCall
from deluge_sync.errors import ClientClosedError, ConfigError, MissingKeyError, UnknownModelError
from deluge_sync.models import register_model
from deluge_sync.response import Usage
from deluge_sync.testing import FakeProvider, Reply, RequestRecord
from deluge_sync.testing._openai_embeddings import unit_vector

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]

EMBEDDINGS = "/v1/embeddings"
KEY = "sk-test-0123456789"
SMALL: dict[str, Any] = {"dimensions": 8, "show_progress": False}
QUIET: dict[str, Any] = {"show_progress": False}


def sent_texts(provider: FakeProvider, path: str = EMBEDDINGS) -> list[str]:
    return [text for record in provider.requests(path) for text in record.json["input"]]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def refuse(poison: str, status: int = 400) -> Callable[[RequestRecord], Reply | None]:
    """A provider that refuses each request in which `poison` is."""
    return lambda record: Reply.error(status, message="cannot embed that") if poison.encode() in record.body else None


# --- every format, held against the official packages


def ask_openai(provider: FakeProvider) -> Any:
    with openai.OpenAI(base_url=provider.openai_url, api_key=KEY) as client:
        reply = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8)
    return [each.embedding for each in reply.data]


def ask_mistral(provider: FakeProvider) -> Any:
    with mistralai.client.Mistral(api_key=KEY, server_url=provider.mistral_url) as client:
        reply = client.embeddings.create(model="codestral-embed", inputs=["a", "b"], output_dimension=8)
    return [each.embedding for each in reply.data]


def ask_cohere(provider: FakeProvider) -> Any:
    with httpx.Client() as carrier:
        client = cohere.ClientV2(KEY, base_url=provider.cohere_url, httpx_client=carrier)
        how: dict[str, Any] = {"model": "embed-v4.0", "texts": ["a", "b"], "output_dimension": 256}
        client.embed(**how, input_type="search_query", embedding_types=["base64"], truncate="NONE")
        return client.embed(**how, input_type="search_query", embedding_types=["float"]).embeddings.float_


def ask_gemini(provider: FakeProvider) -> Any:
    client = genai.Client(api_key=KEY, http_options=genai_types.HttpOptions(base_url=provider.gemini_url))
    config = genai_types.EmbedContentConfig(output_dimensionality=8, task_type="RETRIEVAL_QUERY")
    contents: list[Any] = ["a", "b"]
    reply = client.models.embed_content(model="gemini-embedding-001", contents=contents, config=config)
    client.close()
    return [each.values for each in reply.embeddings or []]


OFFICIAL: dict[str, tuple[Callable[[FakeProvider], Any], str, str, dict[str, Any]]] = {
    "openai": (ask_openai, "/v1", "text-embedding-3-small", {"dimensions": 8}),
    "mistral": (ask_mistral, "/mistral/v1", "codestral-embed", {"dimensions": 8}),
    "cohere": (ask_cohere, "/cohere/v2", "embed-v4.0", {"dimensions": 256, "input_type": "query"}),
    "gemini": (ask_gemini, "/gemini/v1", "gemini-embedding-001", {"dimensions": 8, "input_type": "query"}),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_we_send_what_the_official_package_sends_and_read_what_it_reads(
    name: str, fake_provider: FakeProvider, connect: Connect
) -> None:
    ask, place, model, wish = OFFICIAL[name]
    expected = ask(fake_provider)
    theirs = fake_provider.ledger[0]

    client = connect(fake_provider, base_url=fake_provider.url + place, api_key=KEY)
    embeddings = client.embed_sync(["a", "b"], model, **wish, **QUIET)
    ours = fake_provider.ledger[-1]

    assert (ours.method, ours.path, ours.json) == (theirs.method, theirs.path, theirs.json)
    assert embeddings.tolist() == [pytest.approx(vector, abs=1e-7) for vector in expected]
    assert embeddings.usage == Usage(2, 0)


def test_we_rank_as_cohere_s_package_does(fake_provider: FakeProvider, connect: Connect) -> None:
    query, documents = "capital of France", ["bread", "the capital of Peru", "Paris, capital of France"]
    with httpx.Client() as carrier:
        official = cohere.ClientV2(KEY, base_url=fake_provider.cohere_url, httpx_client=carrier)
        theirs = official.rerank(model="rerank-v3.5", query=query, documents=documents)

    client = connect(fake_provider, base_url=f"{fake_provider.cohere_url}/v2")
    ranking = client.rerank_sync(query, documents, **QUIET)

    assert [(each.index, each.score) for each in ranking] == [
        (each.index, each.relevance_score) for each in theirs.results
    ]
    assert [each.document for each in ranking] == [documents[2], documents[1], documents[0]]
    assert fake_provider.ledger[1].json == fake_provider.ledger[0].json
    assert (ranking.usage, ranking.cost) == (None, None)  # search units, for which no price is known


# --- batches and limits


def test_ten_thousand_texts_come_in_order_within_the_limits(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(requests_per_minute=1_200, tokens_per_minute=1_200_000, burst_s=1.0)  # 20 a second
    client = connect(provider, max_requests_per_minute=1_200, max_tokens_per_minute=1_200_000)
    texts = [f"text {number}" for number in range(10_000)]

    embeddings = client.embed_sync(texts, batch_size=250, **SMALL)

    assert [list(vector or ()) for vector in embeddings] == [list(unit_vector(text, 8)) for text in texts]
    assert {record.status for record in provider.ledger} == {200}  # no limit was hit
    assert len(provider.ledger) == 40
    assert sorted(sent_texts(provider)) == sorted(texts)


def test_a_request_holds_as_many_texts_as_the_provider_takes(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    client.embed_sync([f"{number}" for number in range(2_049)], **SMALL)

    assert sorted(len(record.json["input"]) for record in fake_provider.ledger) == [1, 2_048]


def test_a_request_holds_no_more_tokens_than_mistral_takes(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, base_url=f"{fake_provider.mistral_url}/v1")

    client.embed_sync([f"{number} " * 500 for number in range(50)], "codestral-embed", **SMALL)

    assert {record.status for record in fake_provider.ledger} == {200}
    assert len(fake_provider.ledger) > 1


def test_no_request_needs_a_whole_minute_s_tokens(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_tokens_per_minute=40_000)

    client.embed_sync([f"{number} words " * 100 for number in range(100)], **SMALL)

    assert len(fake_provider.ledger) >= 4
    assert {record.status for record in fake_provider.ledger} == {200}


def test_prompts_and_texts_share_the_limit_of_their_key(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(requests_per_minute=600, burst_s=1.0)
    client = connect(provider, max_requests_per_minute=600)
    done = threading.Thread(target=client.process_prompts_sync, args=[["x"] * 15], kwargs=QUIET)
    done.start()
    client.embed_sync([f"{number}" for number in range(15)], batch_size=1, **SMALL)
    done.join(30)

    assert {record.status for record in provider.ledger} == {200}
    assert len(provider.ledger) == 30
    [limiter] = client._limiters.values()
    assert limiter is client._running_engine()._pool.routes[0].limiter


def test_new_limits_hold_for_texts_too(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(latency_s=0.05)
    client = connect(provider)
    client.embed_sync("a", **SMALL)

    client.with_limits(max_concurrent_requests=1)
    client.embed_sync([f"{number}" for number in range(8)], batch_size=1, **SMALL)

    assert provider.peak_in_flight == 1


def test_equal_texts_are_sent_once(fake_provider: FakeProvider, connect: Connect) -> None:
    embeddings = connect(fake_provider).embed_sync(["a", "b", "a", "a"], **SMALL)

    assert sent_texts(fake_provider) == ["a", "b"]
    assert embeddings[0] == embeddings[2] == embeddings[3] == array("f", unit_vector("a", 8))
    assert embeddings.usage == Usage(2, 0)


def test_one_text_is_as_good_as_a_list_of_one_and_any_iterable_will_do(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    client = connect(fake_provider)

    assert client.embed_sync("ab", **SMALL).tolist() == client.embed_sync(iter(["ab"]), **SMALL).tolist()


def test_no_texts_cost_no_request(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    embeddings = client.embed_sync([], **SMALL)

    assert (len(embeddings), embeddings.usage, embeddings.cost) == (0, Usage(0, 0), 0.0)
    assert client.embed_sync([], as_numpy=True, **SMALL).shape == (0, 0)
    assert len(client.rerank_sync("q", [], **QUIET)) == 0
    assert fake_provider.ledger == []


# --- numpy


def test_a_matrix_of_float32_on_request(fake_provider: FakeProvider, connect: Connect) -> None:
    matrix = connect(fake_provider).embed_sync(["a", "b"], as_numpy=True, **SMALL)

    assert (matrix.dtype, matrix.shape) == (numpy.float32, (2, 8))
    numpy.testing.assert_array_equal(matrix, [unit_vector("a", 8), unit_vector("b", 8)])


def test_a_missing_numpy_is_told_before_anything_is_bought(
    fake_provider: FakeProvider, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)

    with pytest.raises(ConfigError, match="pip install numpy"):
        connect(fake_provider).embed_sync(["a"], as_numpy=True, **SMALL)
    assert fake_provider.ledger == []


# --- failures


def test_what_failed_for_a_while_is_sent_again(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script([Reply.error(500), Reply.error(429, retry_after=0.01), Reply.reset()])

    embeddings = connect(fake_provider).embed_sync(["a", "b"], **SMALL)

    assert embeddings.tolist() == [list(unit_vector("a", 8)), list(unit_vector("b", 8))]
    assert [record.status for record in fake_provider.ledger][:2] == [500, 429]
    assert len(fake_provider.ledger) == 4


def test_one_text_that_is_refused_does_not_take_the_others_with_it(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    fake_provider.use_script(refuse("poison"))
    texts = [f"{number}" for number in range(100)]
    texts[37] = "poison"

    with pytest.raises(EmbeddingError) as caught:
        connect(fake_provider).embed_sync(texts, **SMALL)

    kept = caught.value.embeddings
    assert kept.errors.keys() == {37}
    assert (kept.errors[37].kind, kept.errors[37].message) == ("bad_request", "cannot embed that")
    assert [place for place, vector in enumerate(kept) if vector is None] == [37]
    assert kept[36] == unit_vector("36", 8)
    assert "1 of 100 texts failed, the first at position 37 (bad_request: cannot embed that" in str(caught.value)


def test_on_error_keep_gives_what_there_is(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script(refuse("poison"))
    client = connect(fake_provider)

    embeddings = client.embed_sync(["a", "poison", "b", "poison"], on_error="keep", **SMALL)
    matrix = client.embed_sync(["a", "poison"], on_error="keep", as_numpy=True, **SMALL)

    assert [vector is None for vector in embeddings] == [False, True, False, True]
    assert embeddings.errors[1] == embeddings.errors[3]
    assert numpy.isnan(matrix).all(axis=1).tolist() == [False, True]


def test_a_text_that_is_too_long_fails_alone(fake_provider: FakeProvider, connect: Connect) -> None:
    texts = ["a", "word " * 20_000, "b"]

    embeddings = connect(fake_provider).embed_sync(texts, on_error="keep", **SMALL)

    assert {place: error.kind for place, error in embeddings.errors.items()} == {1: "context_length"}
    assert [len(record.json["input"]) for record in fake_provider.ledger].count(1) == 1  # it went alone at once
    assert len(fake_provider.ledger) == 2


@pytest.mark.parametrize(("text", "told"), [("", "the text is empty"), ("half \ud800", "half a character")])
def test_a_text_that_cannot_be_sent_is_not(text: str, told: str, fake_provider: FakeProvider, connect: Connect) -> None:
    embeddings = connect(fake_provider).embed_sync(["a", text, "b"], on_error="keep", **SMALL)

    assert embeddings.errors.keys() == {1}
    assert told in embeddings.errors[1].message
    assert sent_texts(fake_provider) == ["a", "b"]


def test_any_other_text_comes_back_with_its_own_vector(fake_provider: FakeProvider, connect: Connect) -> None:
    texts = [" ", "\n", "\0", "Grüße", "日本語", "👩‍👩‍👧", "e\u0301", "\u2028", '"\\', "a" * 8_000]

    embeddings = connect(fake_provider).embed_sync(texts, **SMALL)

    assert [list(vector or ()) for vector in embeddings] == [list(unit_vector(text, 8)) for text in texts]


def test_a_setting_that_is_refused_is_not_tried_text_by_text(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script(lambda _: Reply.error(400, message="this model has fixed dimensions"))

    with pytest.raises(EmbeddingError, match=r"256 of 256 texts failed.*fixed dimensions"):
        connect(fake_provider).embed_sync([f"{number}" for number in range(256)], **SMALL)
    assert len(fake_provider.ledger) == 1 + 2 * 8


def test_a_wrong_key_stops_the_call(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(api_keys=["another"])
    client = connect(provider, max_concurrent_requests=1)

    embeddings = client.embed_sync([f"{number}" for number in range(20)], batch_size=1, on_error="keep", **SMALL)

    assert {error.kind for error in embeddings.errors.values()} == {"auth"}
    assert len(embeddings.errors) == 20
    assert len(provider.ledger) <= 3


def test_a_reply_without_all_its_numbers_was_paid_and_is_not_bought_again(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    document = {"data": [], "usage": {"prompt_tokens": 50, "total_tokens": 50}}
    fake_provider.use_script([Reply.raw(200, {}, json.dumps(document).encode())])
    client = connect(fake_provider)

    embeddings = client.embed_sync(["a", "b"], on_error="keep", **SMALL)

    assert {error.kind for error in embeddings.errors.values()} == {"malformed"}
    assert (embeddings.usage, embeddings.cost) == (Usage(50, 0), pytest.approx(50 * 0.02 / 1e6))
    assert len(fake_provider.ledger) == 1


def test_ctrl_c_while_ranking_leaves_scores(fake_provider: FakeProvider, connect: Connect) -> None:
    def interrupt_at_second(record: RequestRecord) -> Reply | None:
        if record.json["documents"] == ["b"]:
            _thread.interrupt_main()
            return Reply.hang(10)
        return None

    fake_provider.use_script(interrupt_at_second)
    client = connect(fake_provider, base_url=f"{fake_provider.cohere_url}/v2", max_concurrent_requests=1)

    with pytest.raises(Interrupted) as caught:
        client.rerank_sync("a", ["a", "b", "c"], batch_size=1, **QUIET)
    assert caught.value.responses == [1.0, None, None]


def test_ctrl_c_leaves_what_was_paid_for(fake_provider: FakeProvider, connect: Connect) -> None:
    def interrupt_at_third(record: RequestRecord) -> Reply | None:
        if record.json["input"] == ["2"]:
            _thread.interrupt_main()
            return Reply.hang(10)
        return None

    fake_provider.use_script(interrupt_at_third)
    client = connect(fake_provider, max_concurrent_requests=1)

    with pytest.raises(Interrupted) as caught:
        client.embed_sync([f"{number}" for number in range(50)], batch_size=1, **SMALL)

    arrived = caught.value.responses
    assert arrived[:2] == [unit_vector("0", 8), unit_vector("1", 8)]
    assert arrived[2:] == [None] * 48


def test_closing_the_client_meanwhile_leaves_what_was_paid_for(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_concurrent_requests=1)
    closers = list[threading.Thread]()

    def close_at_second(record: RequestRecord) -> Reply | None:
        if record.json["input"] != ["1"]:
            return None
        closers.append(threading.Thread(target=client.close))
        closers[0].start()
        return Reply.hang(10)

    fake_provider.use_script(close_at_second)
    with pytest.raises(EmbeddingError) as caught:
        client.embed_sync([f"{number}" for number in range(50)], batch_size=1, **SMALL)
    closers[0].join(30)

    kept = caught.value.embeddings
    assert kept[0] == unit_vector("0", 8)
    assert {error.kind for error in kept.errors.values()} == {"cancelled"}
    assert len(kept.errors) == 49


@pytest.mark.parametrize("strikes", ["before", "after"])
def test_ctrl_c_beside_an_answer_neither_loses_it_nor_counts_it_twice(
    strikes: str, fake_provider: FakeProvider, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, struck = NumbersCall._take, list[int]()

    def take_and_be_interrupted(call: NumbersCall, position: int, response: Any) -> Any:
        if struck:
            return take(call, position, response)
        struck.append(position)
        if strikes == "after":
            take(call, position, response)
        raise KeyboardInterrupt

    monkeypatch.setattr(NumbersCall, "_take", take_and_be_interrupted)
    call = connect(fake_provider)._embedding(
        "a", "text-embedding-3-small", dimensions=8, input_type=None, as_numpy=False, on_error="raise",
        show_progress=False, batch_size=None, extra_body=None, max_cost=None,
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        call.run()

    call.stop()
    found = call.call.found()
    assert found.numbers == [unit_vector("a", 8)]
    assert found.usage == Usage(1, 0)


def test_a_call_that_was_stopped_sends_nothing_more(fake_provider: FakeProvider, connect: Connect) -> None:
    call = connect(fake_provider)._embedding(
        ["a", "b"], "text-embedding-3-small", dimensions=8, input_type=None, as_numpy=False, on_error="keep",
        show_progress=False, batch_size=None, extra_body=None, max_cost=None,
    )  # fmt: skip
    call.stop()

    assert [error.kind for error in call.run().errors.values()] == ["cancelled", "cancelled"]
    assert fake_provider.ledger == []


def test_a_closed_client_embeds_nothing(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    client.embed_sync("a", **SMALL)
    client.close()

    with pytest.raises(ClientClosedError):
        client.embed_sync("a", **SMALL)


# --- the cache


@pytest.fixture
def cache(tmp_path: Path) -> SqliteCache:
    return SqliteCache(tmp_path / "answers.sqlite")


def test_a_second_run_sends_only_the_texts_that_are_new(
    fake_provider: FakeProvider, connect: Connect, cache: SqliteCache
) -> None:
    first = connect(fake_provider, cache=cache).embed_sync(["a", "b"], **SMALL)
    again = connect(fake_provider, cache=cache).embed_sync(["b", "new", "a", "b"], **SMALL)

    assert sent_texts(fake_provider) == ["a", "b", "new"]
    assert again.tolist() == [*first.tolist()[1:], list(unit_vector("new", 8)), *first.tolist()]
    assert (first.from_cache, again.from_cache) == (0, 3)
    assert again.usage == Usage(1, 0)

    all_known = connect(fake_provider, cache=cache).embed_sync(["a", "b"], **SMALL)
    assert (all_known.usage, all_known.cost) == (Usage(0, 0), 0.0)
    cache.close()


def test_other_vectors_of_the_same_text_are_asked_for(
    fake_provider: FakeProvider, connect: Connect, cache: SqliteCache
) -> None:
    client = connect(fake_provider, cache=cache)
    for how in (
        {},
        {"dimensions": 9},
        {"model": "text-embedding-3-large"},
        {"input_type": "query"},
        {"extra_body": {"user": "u"}},
    ):
        client.embed_sync("a", **{**SMALL, **how})

    assert len(fake_provider.ledger) == 5
    client.embed_sync("a", **SMALL)
    assert len(fake_provider.ledger) == 5
    cache.close()


def test_what_was_paid_is_kept_even_where_another_text_failed(
    fake_provider: FakeProvider, connect: Connect, cache: SqliteCache
) -> None:
    fake_provider.use_script(refuse("poison"))
    with pytest.raises(EmbeddingError):
        connect(fake_provider, cache=cache).embed_sync(["a", "poison", "b"], **SMALL)
    sent = len(fake_provider.ledger)
    connect(fake_provider, cache=cache).embed_sync(["a", "b"], **SMALL)

    assert len(fake_provider.ledger) == sent
    cache.close()


# --- costs


def test_usage_and_cost_are_told_and_counted(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    texts = ["abcd" * 10, "efgh" * 30]  # four characters a token

    embeddings = client.embed_sync(texts, "text-embedding-3-large", batch_size=1, **SMALL)

    assert embeddings.usage == Usage(40, 0)
    assert embeddings.cost == pytest.approx(40 * 0.13 / 1e6)
    snapshot = client.tracker.snapshot()
    assert (snapshot.total, snapshot.answered, snapshot.input_tokens) == (2, 2, 40)
    assert snapshot.cost_usd == pytest.approx(embeddings.cost)


def test_an_unknown_price_is_no_zero(fake_provider: FakeProvider, connect: Connect) -> None:
    embeddings = connect(fake_provider).embed_sync("a", "somebody-s-model", **SMALL)

    assert (embeddings.usage, embeddings.cost) == (Usage(1, 0), None)


def test_max_cost_holds_for_texts(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_concurrent_requests=1)
    texts = [f"{number:04d}" * 1_000 for number in range(10)]  # 1,000 tokens each: 0.00002 dollars

    embeddings = client.embed_sync(texts, batch_size=1, max_cost=0.0002, on_error="keep", **SMALL)

    assert {error.kind for error in embeddings.errors.values()} == {"budget"}
    assert 0 < len(embeddings.errors) < 10
    assert embeddings.cost is not None
    assert embeddings.cost <= 0.0002


def test_the_client_s_max_cost_is_one_for_prompts_and_texts(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_cost=0.0001, max_new_tokens=10)
    client.process_prompts_sync(["x" * 400] * 3, **QUIET)

    embeddings = client.embed_sync(
        [f"{number:04d}" * 1_000 for number in range(8)], batch_size=1, on_error="keep", **SMALL
    )

    assert {error.kind for error in embeddings.errors.values()} == {"budget"}
    assert (client.tracker.snapshot().cost_usd or 1) <= 0.0001


def test_texts_that_waited_for_a_prompt_s_money_are_carried_out_as_texts(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    """One budget, two engines: whoever gives money back calls those that wait for it, each in its own engine."""
    may_answer, seen = threading.Event(), list[Any]()

    def script(record: RequestRecord) -> Reply | None:
        if record.path != EMBEDDINGS:
            may_answer.wait(20)
        return None

    def postprocess(response: Any) -> Any:
        seen.append(response.prompt.messages[0].text)
        return response

    fake_provider.use_script(script)
    # The prompt may cost 0.0016 dollars for its answer, the text 0.00004: there is no room for both.
    client = connect(fake_provider, max_cost=0.00162, max_new_tokens=1_000, postprocess=postprocess)
    with ThreadPoolExecutor(2) as threads:
        prompt = threads.submit(lambda: client.process_prompts_sync("prompt", **QUIET))
        until(lambda: bool(fake_provider.ledger))
        texts = threads.submit(lambda: client.embed_sync("text" * 1_000, **SMALL))
        until(lambda: any(engine._spending._waiting for engine, _ in client._number_engines.values()))
        may_answer.set()
        [answer], embeddings = prompt.result(30), texts.result(30)

    assert not answer.is_error
    assert embeddings[0] is not None
    assert seen == ["prompt"]


# --- what belongs to prompts stays with them


def test_texts_have_no_part_in_what_is_meant_for_prompts(fake_provider: FakeProvider, connect: Connect) -> None:
    seen: list[Any] = []

    def postprocess(response: Any) -> Any:
        seen.append(response)
        return response

    client = connect(
        fake_provider,
        postprocess=postprocess,
        extra_body={"temperature": 7},
        extra_headers={"X-Team": "a"},
        temperature=0.1,
    )
    client.embed_sync("a", extra_body={"user": "u"}, **SMALL)

    [record] = fake_provider.ledger
    assert record.json == {
        "model": "text-embedding-3-small", "input": ["a"], "dimensions": 8, "encoding_format": "base64", "user": "u"
    }  # fmt: skip
    assert record.headers["x-team"] == "a"
    assert seen == []


def test_keys_and_places_are_those_of_the_model_not_of_the_pool(fake_provider: FakeProvider) -> None:
    env = {"CO_API_KEY": "co-test", "CO_API_URL": fake_provider.cohere_url, "OLLAMA_HOST": fake_provider.url}
    with LLMClient("gpt-4.1-mini", env=env) as client:
        client.embed_sync("a", "embed-v4.0", **QUIET)
        client.rerank_sync("a", ["a"], **QUIET)
        client.embed_sync("a", "ollama:nomic-embed-text", on_error="keep", **QUIET)  # the provider wants a key
        with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
            client.embed_sync("a", **QUIET)

    assert [(record.path, record.key, record.json["model"]) for record in fake_provider.ledger] == [
        ("/cohere/v2/embed", "co-test", "embed-v4.0"),
        ("/cohere/v2/rerank", "co-test", "rerank-v3.5"),
        (EMBEDDINGS, None, "nomic-embed-text"),
    ]


# --- ranking


def test_documents_are_ranked_across_requests(
    fake_provider: FakeProvider, connect: Connect, cache: SqliteCache
) -> None:
    client = connect(fake_provider, base_url=f"{fake_provider.cohere_url}/v2", cache=cache)
    documents = [f"document {number}" for number in range(40)]
    documents[31] = "one two three"
    documents[5] = "two"

    ranking = client.rerank_sync("one two three", documents, top_n=3, batch_size=10, **QUIET)

    assert [each.index for each in ranking] == [31, 5, 0]  # of equal scores the earlier one
    assert [each.score for each in ranking] == [1.0, 0.333333, 0.0]
    assert len(fake_provider.ledger) == 4

    client.rerank_sync("one two three", [*documents, "another"], **QUIET)
    assert fake_provider.ledger[-1].json["documents"] == ["another"]
    client.rerank_sync("another query", documents[:2], **QUIET)
    assert fake_provider.ledger[-1].json["documents"] == documents[:2]
    cache.close()


def test_a_document_that_failed_is_told(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, base_url=f"{fake_provider.cohere_url}/v2")

    with pytest.raises(RerankError, match="1 of 2 documents failed, the first at position 0") as caught:
        client.rerank_sync("a", ["", "a"], **QUIET)
    assert [each.index for each in caught.value.ranking] == [1]
    kept = client.rerank_sync("a", ["", "a"], on_error="keep", **QUIET)
    assert [each.index for each in kept] == [1]
    assert kept.errors.keys() == {0}


# --- wrong use


@pytest.mark.parametrize(
    ("arguments", "how", "error", "told"),
    [
        (([1, "a"],), {}, ConfigError, "texts: each must be a text .str.; at position 0 is a int"),
        ((7,), {}, ConfigError, "texts must be an iterable of texts"),
        (({"a": 1},), {}, ConfigError, "texts must be an iterable of texts"),
        ((b"a",), {}, ConfigError, "at position 0 is a int"),
        (("a", "gpt-4.1-mini"), {}, ConfigError, "'gpt-4.1-mini' is for chat, not for embedding"),
        (("a", "rerank-v3.5"), {}, ConfigError, "is for rerank, not for embedding"),
        (("a", ""), {}, ConfigError, "model must be the name of a model"),
        (("a",), {"dimensions": 0}, ConfigError, "dimensions must be a positive whole number"),
        (("a",), {"batch_size": 0}, ConfigError, "batch_size must be a positive whole number"),
        (("a",), {"input_type": "passage"}, ConfigError, "input_type must be one of document, query"),
        (("a",), {"on_error": "ignore"}, ConfigError, "on_error must be one of raise, keep"),
        (("a",), {"extra_body": {"a": object()}}, ConfigError, "extra_body"),
        (("a",), {"max_cost": -1}, ConfigError, "max_cost must be"),
    ],
)
def test_wrong_use_is_told_before_anything_is_sent(
    arguments: Any, how: Any, error: type[Exception], told: str, fake_provider: FakeProvider, connect: Connect
) -> None:
    with pytest.raises(error, match=told):
        connect(fake_provider).embed_sync(*arguments, **how)
    assert fake_provider.ledger == []


@pytest.mark.parametrize(
    ("arguments", "how", "told"),
    [
        (("", ["a"]), {}, "query must be a text that is not empty"),
        (("q", "a"), {}, "documents must be a list of texts"),
        (("q", [None]), {}, "documents: each must be a text"),
        (("q", ["a"]), {"top_n": 0}, "top_n must be a positive whole number"),
        (("q", ["a"]), {"model": "embed-v4.0"}, "is for embedding, not for rerank"),
    ],
)
def test_wrong_use_of_rerank_is_told(
    arguments: Any, how: Any, told: str, fake_provider: FakeProvider, connect: Connect
) -> None:
    with pytest.raises(ConfigError, match=told):
        connect(fake_provider).rerank_sync(*arguments, **how)


def test_an_unknown_model_gives_the_nearest_names() -> None:
    with LLMClient() as client, pytest.raises(UnknownModelError, match="did you mean 'text-embedding-3-small'"):
        client.embed_sync("a", "text-embeding-3-small")


def test_a_format_without_vectors_is_told() -> None:
    register_model("claude-embed-test", "m", "https://provider.test", None, "anthropic", mode="embedding")
    with LLMClient() as client, pytest.raises(ConfigError, match="'anthropic' has no known endpoint for embedding"):
        client.embed_sync("a", "claude-embed-test")


# --- awaiting


def test_they_can_be_awaited(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    async def both() -> Any:
        return await asyncio.gather(client.embed(["a"], **SMALL), client.embed("b", as_numpy=True, **SMALL))

    embeddings, matrix = asyncio.run(both())
    assert embeddings.tolist() == [list(unit_vector("a", 8))]
    assert matrix.shape == (1, 8)
    ranker = connect(fake_provider, base_url=f"{fake_provider.cohere_url}/v2")
    assert [each.index for each in asyncio.run(ranker.rerank("a", ["b", "a"], **QUIET))] == [1, 0]


def test_cancelling_the_task_cuts_the_requests_off(fake_provider: FakeProvider, connect: Connect) -> None:
    came = threading.Event()

    def hang(_: RequestRecord) -> Reply:
        came.set()
        return Reply.hang(30)

    fake_provider.use_script(hang)
    client = connect(fake_provider)

    async def begin_and_cancel() -> None:
        task = asyncio.ensure_future(client.embed(["a"], **SMALL))
        await asyncio.to_thread(came.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(begin_and_cancel(), 20))
    client.close()  # waits for the call's job, which must be over
    assert client.tracker.snapshot().cancelled == 1
