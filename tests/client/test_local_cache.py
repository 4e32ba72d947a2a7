"""Clients with a local cache, and prompts in flight that are the same question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from deluge_sync import APIResponse, Conversation, LLMClient, Message, SamplingParams
from deluge_sync._engine.job import Job, Run
from deluge_sync.cache import SqliteCache
from deluge_sync.errors import ClientClosedError
from deluge_sync.testing import FakeProvider, Reply

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]


class DictCache:
    """A cache as simple as can be."""

    def __init__(self) -> None:
        self.stored: dict[str, APIResponse] = {}

    def get(self, prompt: Conversation) -> APIResponse | None:
        return self.stored.get(prompt.fingerprint)

    def put(self, prompt: Conversation, response: APIResponse) -> None:
        self.stored[prompt.fingerprint] = response


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SqliteCache]:
    cache = SqliteCache(tmp_path / "answers.sqlite")
    yield cache
    cache.close()


def ask(client: LLMClient, *prompts: Any, **extras: Any) -> list[APIResponse]:
    return client.process_prompts_sync(list(prompts), show_progress=False, **extras)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def followers(client: LLMClient) -> int:
    flights = client._running_engine()._flights._flights.values()
    return sum(len(flight.followers) for flight in flights)


# --- the cache


def test_a_hit_has_the_current_id_and_prompt_and_costs_nothing(
    fake_provider: FakeProvider, connect: Connect, sqlite: SqliteCache
) -> None:
    [paid] = ask(connect(fake_provider, cache=sqlite), "x")
    client = connect(fake_provider, cache=sqlite)
    _, hit = ask(client, "y", "x")

    assert len(fake_provider.ledger) == 2
    assert paid.cost
    assert (hit.id, hit.cost, hit.local_cache_hit, hit.attempts, hit.latency_s) == (1, 0.0, True, 0, None)
    assert (hit.completion, hit.usage, hit.model_internal) == (paid.completion, paid.usage, paid.model_internal)
    assert hit.prompt == Conversation().user("x")
    assert client.tracker.snapshot().local_cache_hits == 1


def test_the_callers_conversation_keeps_its_own_fingerprint(fake_provider: FakeProvider, connect: Connect) -> None:
    prompt, cache = Conversation().user("x"), DictCache()
    before = prompt.fingerprint
    [response] = ask(connect(fake_provider, cache=cache), prompt)
    assert response.prompt is prompt
    assert prompt.fingerprint == before
    assert list(cache.stored) != [before]


class OnlyTheText(DictCache):
    def get(self, prompt: Conversation) -> APIResponse | None:
        return self.stored.get(prompt.messages[-1].text)

    def put(self, prompt: Conversation, response: APIResponse) -> None:
        self.stored[prompt.messages[-1].text] = response


def test_a_cache_that_looks_at_the_messages_alone_still_works(fake_provider: FakeProvider, connect: Connect) -> None:
    cache = OnlyTheText()
    ask(connect(fake_provider, cache=cache, temperature=0), "x")
    [hit] = ask(connect(fake_provider, cache=cache, temperature=1), "x")
    assert (hit.local_cache_hit, hit.completion) == (True, "You said: x")


class Said(BaseModel):
    said: str


def test_another_question_is_never_answered_from_the_cache(
    fake_provider: FakeProvider, connect: Connect, sqlite: SqliteCache
) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    settings: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"temperature": 0.1}, {}),
        ({"model_names": "gpt-4.1-nano"}, {}),
        ({"model_names": ["gpt-4.1-mini", "gpt-4.1-nano"]}, {}),
        ({"use_responses_api": True}, {}),
        ({"sampling_params": [SamplingParams(seed=1)]}, {}),
        ({}, {"tools": [tool]}),
        ({}, {"output_schema": Said}),
    ]
    for turn in range(2):
        for client, call in settings:
            [response] = ask(connect(fake_provider, cache=sqlite, **client), "x", **call)
            assert response.local_cache_hit == (turn == 1)
    assert len(fake_provider.ledger) == len(settings)


@pytest.mark.parametrize("store_truncated", [False, True])
def test_an_answer_cut_by_the_token_limit_is_stored_only_if_asked(
    store_truncated: bool, fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(script=[Reply.text("half an ans", finish_reason="length")])
    client = connect(provider, cache=DictCache(), store_truncated=store_truncated)
    assert ask(client, "x")[0].finish_reason == "length"
    assert ask(client, "x")[0].local_cache_hit is store_truncated


def test_an_error_is_never_stored(fake_provider_factory: Factory, connect: Connect) -> None:
    cache = DictCache()
    provider = fake_provider_factory(script=[Reply.error(400)])
    client = connect(provider, cache=cache, store_truncated=True)
    assert ask(client, "x")[0].is_error
    assert not cache.stored
    assert ask(client, "x")[0].completion == "You said: x"


def test_what_postprocess_does_is_not_in_the_cache(fake_provider: FakeProvider, connect: Connect) -> None:
    def shout(response: APIResponse) -> APIResponse:
        assert response.content is not None
        response.content.parts[:] = Message.ai(response.text + "!").parts
        return response

    client = connect(fake_provider, cache=DictCache(), postprocess=shout)
    texts = [ask(client, *["x"] * 3) for _ in range(2)]
    assert [response.text for responses in texts for response in responses] == ["You said: x!"] * 6


class BrokenCache:
    def get(self, prompt: Conversation) -> APIResponse | None:
        raise OSError(f"no {prompt}")

    def put(self, prompt: Conversation, response: APIResponse) -> None:
        raise OSError(f"no {prompt} {response}")


class WrongCache(DictCache):
    def get(self, prompt: Conversation) -> Any:
        return {"not": f"an answer to {prompt}"}


@pytest.mark.parametrize(("cache", "warnings"), [(BrokenCache(), 2), (WrongCache(), 1)], ids=["broken", "wrong"])
def test_a_cache_that_fails_costs_one_warning_of_a_kind_and_no_answer(
    cache: Any, warnings: int, fake_provider: FakeProvider, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    responses = ask(connect(fake_provider, cache=cache), *(str(number) for number in range(50)))
    assert [response.completion for response in responses] == [f"You said: {number}" for number in range(50)]
    assert [record.levelname for record in caplog.records if "deluge_sync" in record.name] == ["WARNING"] * warnings


def test_a_prompt_that_cannot_be_read_is_told_as_ever(
    fake_provider: FakeProvider, connect: Connect, tmp_path: Path
) -> None:
    missing = Conversation().user("x", image=str(tmp_path / "missing.png"))
    [response] = ask(connect(fake_provider, cache=DictCache()), missing)
    assert response.error_kind == "bad_request"
    assert "missing.png" in str(response.error_message)


def test_ten_thousand_hits_send_nothing(
    connect: Connect, sqlite: SqliteCache, record_property: Callable[[str, object], None]
) -> None:
    """The time is told and not judged: it is the machine's as much as ours."""
    prompts = [f"question {number}" for number in range(10_000)]
    with FakeProvider(script=lambda _: Reply.text("Four."), keep_bodies=False) as provider:
        client = connect(provider, cache=sqlite)
        [answer] = ask(client, "seed")
        keys = client._running_engine()._keys
        for prompt in prompts:
            conversation = Conversation().user(prompt)
            sqlite.put(conversation.keyed(keys.key(conversation, client._plain_call)), answer)
        began_s = time.process_time()
        responses = ask(client, *prompts)
        needed_s = time.process_time() - began_s
        assert sum(response.local_cache_hit for response in responses) == 10_000
        assert len(provider.ledger) == 1
    record_property("hits", f"10,000 in {needed_s:.2f} s")


# --- the same question in flight


@pytest.mark.parametrize("settings", [{"cache": DictCache()}, {"dedupe": True}], ids=["cache", "dedupe"])
def test_200_identical_prompts_make_one_request(
    settings: dict[str, Any], fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(latency_s=0.2)
    client = connect(provider, **settings)
    responses = ask(client, *["x"] * 200)

    assert len(provider.ledger) == 1
    assert [response.id for response in responses] == list(range(200))
    assert {response.completion for response in responses} == {"You said: x"}
    assert sum(response.local_cache_hit for response in responses) == 199
    assert sum(response.cost or 0 for response in responses) == max(response.cost or 0 for response in responses) > 0
    assert len({id(response.content) for response in responses}) == 200
    counted = client.tracker.snapshot()
    assert (counted.answered, counted.local_cache_hits, counted.requests_sent, counted.queued) == (200, 199, 1, 0)


def test_without_being_asked_every_prompt_is_sent(fake_provider: FakeProvider, connect: Connect) -> None:
    ask(connect(fake_provider), *["x"] * 20)
    assert len(fake_provider.ledger) == 20


def test_each_gets_the_answer_in_its_own_schema(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.text('{"said": "x"}').after(0.1))
    responses = ask(connect(provider, dedupe=True), *["x"] * 5, output_schema=Said)
    assert len(provider.ledger) == 1
    assert [response.parsed for response in responses] == [Said(said="x")] * 5
    assert len({id(response.parsed) for response in responses}) == 5


def test_an_error_is_the_answer_to_all_of_them(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=[Reply.error(400, message="never").after(0.2)])
    client = connect(provider, dedupe=True)
    responses = ask(client, *["x"] * 20)
    assert len(provider.ledger) == 1
    assert {(response.error_kind, response.is_error) for response in responses} == {("bad_request", True)}
    assert client.tracker.snapshot().failed == 20


def test_another_takes_over_where_the_first_caller_leaves(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=[Reply.hang(30)])
    client = connect(provider, dedupe=True)
    leaving = client.process_prompts_iter(["x"], show_progress=False)
    first = threading.Thread(target=lambda: list(leaving))
    first.start()
    until(lambda: len(provider.ledger) == 1)
    got: list[APIResponse] = []
    second = threading.Thread(target=lambda: got.extend(ask(client, "x", "x")))
    second.start()
    until(lambda: followers(client) == 2)
    engine = client._running_engine()
    engine.cancel([flight.leader for flight in engine._flights._flights.values()])
    first.join(10)
    second.join(10)
    assert [response.completion for response in got] == ["You said: x"] * 2
    assert len(provider.ledger) == 2
    assert not engine._flights._flights


def jobs_of(client: LLMClient, *texts: str) -> list[Job]:
    """Jobs that are not started yet."""
    engine = client._running_engine()
    return [
        engine.prepare(number, Conversation().user(text), run=Run(), extras=client._plain_call)
        for number, text in enumerate(texts)
    ]


def test_another_takes_over_where_the_first_ran_out_of_time(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=[Reply.hang(30)])
    client = connect(provider, dedupe=True)
    engine = client._running_engine()
    first, second = jobs_of(client, "x", "x")
    first.deadline = first.queued_at + 1
    engine.start(first)
    until(lambda: len(provider.ledger) == 1)
    engine.start(second)
    until(lambda: followers(client) == 1)

    assert first.future.result(10).error_kind == "timeout"
    answer = second.future.result(10)
    assert (answer.completion, answer.local_cache_hit, answer.attempts) == ("You said: x", False, 1)
    assert len(provider.ledger) == 2


def test_another_takes_over_where_the_first_waited_too_long_for_a_provider_that_was_down(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    is_down = threading.Event()
    is_down.set()
    provider = fake_provider_factory(script=lambda _: Reply.error(503) if is_down.is_set() else None)
    client = connect(provider, dedupe=True, outage_patience=60)
    engine = client._running_engine()
    first, second, *others = jobs_of(client, "x", "x", *(f"other {number}" for number in range(20)))
    for job in (first, *others):
        engine.start(job)
    until(lambda: any(lane.brake.is_down for lane in engine._dispatcher._lanes.values()))
    [lane] = engine._dispatcher._lanes.values()
    lane.brake.down_since = first.queued_at = second.queued_at - 59  # the first has a second left, the other a minute
    engine.start(second)
    until(lambda: followers(client) == 1)

    assert first.future.result(30).error_kind == "outage"
    assert not second.future.done()
    is_down.clear()
    answer = second.future.result(30)
    assert (answer.completion, answer.local_cache_hit) == ("You said: x", False)


def test_a_follower_that_leaves_disturbs_nobody(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=[None], latency_s=0.5)
    client = connect(provider, dedupe=True)
    got: list[APIResponse] = []
    first = threading.Thread(target=lambda: got.extend(ask(client, "x")))
    first.start()
    until(lambda: len(provider.ledger) == 1)
    stream = client.stream_chat_sync("x")
    second = threading.Thread(target=lambda: next(stream))
    second.start()
    until(lambda: followers(client) == 1)
    engine = client._running_engine()
    [flight] = engine._flights._flights.values()
    [follower] = flight.followers
    engine.cancel([follower])
    assert follower.future.result(0).error_kind == "cancelled"
    first.join(10)
    second.join(10)
    assert [response.completion for response in got] == ["You said: x"]
    assert len(provider.ledger) == 1


def test_a_whole_call_that_is_cancelled_sends_nothing_more(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.hang(30))
    client = connect(provider, dedupe=True)
    answers = client.process_prompts_iter(["x"] * 100, show_progress=False)
    reader = threading.Thread(target=lambda: list(answers))
    reader.start()
    until(lambda: followers(client) == 99 and len(provider.ledger) == 1)
    engine = client._running_engine()
    [flight] = engine._flights._flights.values()
    engine.cancel([flight.leader, *flight.followers])
    reader.join(10)
    assert not reader.is_alive()
    assert len(provider.ledger) == 1
    assert client.tracker.snapshot().cancelled == 100


def test_closing_ends_those_that_follow_too(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.hang(30))
    client = connect(provider, dedupe=True)
    ended: list[object] = []

    def work() -> None:
        try:
            ended.extend(response.error_kind for response in ask(client, *["x"] * 1_500))
        except ClientClosedError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: followers(client) == 1_499)
    client.close()
    thread.join(10)
    assert ended == ["cancelled"] * 1_500


def test_a_stream_gets_what_is_under_way_at_once(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(latency_s=0.3)
    client = connect(provider, dedupe=True)
    first = threading.Thread(target=lambda: ask(client, "x"))
    first.start()
    until(lambda: len(provider.ledger) == 1)
    *deltas, response = client.stream_chat_sync("x")
    first.join(10)
    assert deltas == ["You said: x"]
    assert isinstance(response, APIResponse)
    assert response.local_cache_hit
    assert len(provider.ledger) == 1


def test_a_follower_whose_postprocess_breaks_keeps_none_from_its_answer(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    def explode(response: APIResponse) -> APIResponse:
        if response.id % 2:
            raise SystemExit(3)
        return response

    provider = fake_provider_factory(latency_s=0.2)
    responses = ask(connect(provider, dedupe=True, postprocess=explode), *["x"] * 9)
    assert [response.completion for response in responses] == ["You said: x"] * 9
