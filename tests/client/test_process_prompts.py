"""process_prompts_sync, _async and _iter, judged by what the embedded provider saw."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation, Interrupted, LLMClient, Message
from deluge_sync.errors import ClientClosedError, ConfigError
from deluge_sync.prompt import Prompt
from deluge_sync.testing import FakeProvider, Reply, RequestRecord

Clock = Callable[[], float]
Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]


def said(record: RequestRecord) -> str:
    return str(record.json["messages"][-1]["content"])


def slow_for(text: str, seconds: float) -> Callable[[RequestRecord], Reply | None]:
    return lambda record: Reply.text("late").after(seconds) if text in said(record) else None


def test_results_keep_the_prompts_order_when_later_ones_finish_first(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(latency_s=lambda rng: rng.random() * 0.05)

    responses = connect(provider).process_prompts_sync([f"number {n}" for n in range(300)], show_progress=False)

    assert [response.completion for response in responses] == [f"You said: number {n}" for n in range(300)]
    assert [response.id for response in responses] == list(range(300))


def test_a_response_says_what_the_provider_said(fake_provider: FakeProvider, connect: Connect) -> None:
    [response] = connect(fake_provider).process_prompts_sync("hello", show_progress=False)

    [record] = fake_provider.ledger
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (
        record.prompt_tokens,
        record.completion_tokens,
    )
    # gpt-4.1-mini: 0.40 USD a million tokens in, 1.60 out
    expected = (record.prompt_tokens * 0.40 + record.completion_tokens * 1.60) / 1_000_000
    assert response.cost == pytest.approx(expected)
    assert (response.status_code, response.is_error, response.attempts) == (200, False, 1)
    assert response.finish_reason == "stop"


@pytest.mark.parametrize(
    "prompts",
    [
        "one",
        ["one"],
        ("one",),
        iter(["one"]),
        Message.user("one"),
        Conversation.user("one"),
        [Conversation.user("one")],
        [{"role": "user", "content": "one"}],
        [[{"role": "user", "content": "one"}]],
    ],
    ids=lambda prompts: type(prompts).__name__,
)
def test_every_way_to_write_one_prompt(prompts: Any, fake_provider: FakeProvider, connect: Connect) -> None:
    assert connect(fake_provider).process_prompts_sync(prompts, show_progress=False, return_completions_only=True) == [
        "You said: one"
    ]


def test_no_prompts_give_no_responses(fake_provider: FakeProvider, connect: Connect) -> None:
    assert connect(fake_provider).process_prompts_sync([], show_progress=False) == []


def test_a_prompt_that_cannot_be_read_fails_alone(fake_provider: FakeProvider, connect: Connect) -> None:
    prompts: list[Any] = ["good", [{"role": "robot", "content": "x"}], "also good"]

    good, bad, also_good = connect(fake_provider).process_prompts_sync(prompts, show_progress=False)

    assert (good.completion, also_good.completion) == ("You said: good", "You said: also good")
    assert bad.is_error
    assert bad.error_kind == "bad_request"
    assert "unknown role 'robot'" in str(bad.error_message)
    assert len(fake_provider.ledger) == 2


def test_a_permanent_error_is_sent_once(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.error(400, message="no"))

    [response] = connect(provider).process_prompts_sync(["x"], show_progress=False)

    assert (response.error_kind, response.status_code, response.attempts) == ("bad_request", 400, 1)
    assert len(provider.ledger) == 1


@pytest.mark.parametrize("last", [Reply.text("at last"), Reply.error(400)], ids=["answered", "failed"])
def test_replies_that_were_paid_for_and_tried_again_are_in_the_cost(
    last: Reply, fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(script=[Reply.empty_choices(), Reply.empty_choices(), last])
    client = connect(provider)

    [response] = client.process_prompts_sync(["x"], show_progress=False)

    assert response.attempts == 3
    assert response.cost
    assert response.cost == client.tracker.snapshot().cost_usd  # which counts each reply


def test_a_passing_error_is_tried_again(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=[Reply.error(500), Reply.truncated(), Reply.half_json(), None])

    [response] = connect(provider).process_prompts_sync(["x"], show_progress=False)

    assert response.completion == "You said: x"
    assert response.attempts == len(provider.ledger) == 4


def test_the_number_of_attempts_is_kept(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.error(500))

    [response] = connect(provider, max_attempts=3).process_prompts_sync(["x"], show_progress=False)

    assert response.error_kind == "server"
    assert "gave up after 3 attempts" in str(response.error_message)
    assert len(provider.ledger) == 3


def test_a_rate_limit_reply_costs_no_attempt(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=[Reply.error(429, retry_after=0)] * 2)

    [response] = connect(provider, max_attempts=1).process_prompts_sync(["x"], show_progress=False)

    assert response.completion == "You said: x"
    assert len(provider.ledger) == 3


def test_a_bad_key_stops_the_run(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(api_keys=["another"])
    client = connect(provider, max_concurrent_requests=10)

    responses = client.process_prompts_sync([f"{n}" for n in range(500)], show_progress=False)

    assert {response.error_kind for response in responses} == {"auth"}
    assert len(provider.ledger) <= 20
    assert all("sk-test" not in str(response.error_message) for response in responses)


def test_the_next_run_tries_a_stopped_key_again(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=[Reply.error(401)])
    client = connect(provider)

    [first] = client.process_prompts_sync(["x"], show_progress=False)
    [second] = client.process_prompts_sync(["x"], show_progress=False)

    assert (first.error_kind, second.completion) == ("auth", "You said: x")


def test_an_attempt_ends_in_its_total_time(fake_provider_factory: Factory, connect: Connect, own_time: Clock) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.drip(20.0))
    client = connect(provider, request_timeout=1, max_attempts=1)
    started = own_time()

    responses = client.process_prompts_sync(["x"] * 20, show_progress=False)

    assert own_time() - started < 3
    assert {response.error_kind for response in responses} == {"timeout"}


def test_a_prompt_ends_in_its_own_time_whatever_is_left_of_its_attempts(
    fake_provider_factory: Factory, connect: Connect, own_time: Clock
) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.hang(60))
    client = connect(provider, max_seconds_per_prompt=0.5, max_attempts=50)
    started = own_time()

    [response] = client.process_prompts_sync(["x"], show_progress=False)

    assert own_time() - started < 3
    assert response.is_error


def test_the_request_limit_holds_over_several_calls(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_requests_per_minute=20, max_seconds_per_prompt=1)

    first = client.process_prompts_sync(["x"] * 15, show_progress=False)
    second = client.process_prompts_sync(["y"] * 15, show_progress=False)

    answered = [response for response in first + second if not response.is_error]
    unsent = [response for response in first + second if response.is_error]
    assert {response.error_message for response in unsent} == {"its time was up before it could be sent"}
    assert len(answered) == len(fake_provider.ledger) <= 20
    assert {(response.error_kind, response.attempts) for response in unsent} == {("timeout", 0)}


def test_a_prompt_over_the_token_limit_fails_at_once(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_tokens_per_minute=1_000)

    small, large = client.process_prompts_sync(["x", "word " * 5_000], show_progress=False)

    assert small.completion is not None
    assert large.error_kind == "over_limit"
    assert "limit of 1,000 a minute" in str(large.error_message)


def test_tokens_that_were_reserved_and_not_used_are_given_back_where_the_provider_does(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    limits = {"max_tokens_per_minute": 1_200, "max_seconds_per_prompt": 1, "max_concurrent_requests": 1}
    refunding = connect(fake_provider, "an-endpoint-of-ours", **limits)
    keeping = connect(fake_provider, "gpt-4.1-mini", **limits)  # OpenAI counts the reservation

    answered = refunding.process_prompts_sync(["x"] * 10, show_progress=False)
    held_back = keeping.process_prompts_sync(["x"] * 10, show_progress=False)

    assert sum(not response.is_error for response in answered) == 10
    assert sum(not response.is_error for response in held_back) == 2  # of 512 tokens and a few each


def test_a_refusal_is_told_and_not_an_empty_success(fake_provider_factory: Factory, connect: Connect) -> None:
    body = (
        b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
        b'"message":{"role":"assistant","content":null,"refusal":"I must not"}}],'
        b'"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'
    )
    provider = fake_provider_factory(script=[Reply.raw(200, {"content-type": "application/json"}, body)])

    [response] = connect(provider).process_prompts_sync(["x"], show_progress=False)

    assert response.is_error
    assert response.error_kind == "content_filter"
    assert "I must not" in str(response.error_message)
    assert response.usage is not None
    assert response.cost


def test_it_works_inside_a_running_event_loop(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    async def main() -> list[APIResponse]:
        return client.process_prompts_sync(["inside"], show_progress=False)

    assert asyncio.run(main())[0].completion == "You said: inside"


def test_the_awaitable_twin_gives_the_same(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    prompts = [f"{n}" for n in range(50)]

    async def main() -> Any:
        return await client.process_prompts_async(prompts, show_progress=False, return_completions_only=True)

    assert asyncio.run(main()) == client.process_prompts_sync(
        prompts, show_progress=False, return_completions_only=True
    )


def test_the_loop_is_free_while_the_awaitable_twin_waits(fake_provider_factory: Factory, connect: Connect) -> None:
    client = connect(fake_provider_factory(latency_s=0.3))

    async def main() -> int:
        task = asyncio.create_task(client.process_prompts_async(["x"], show_progress=False))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(main()) >= 10


def test_cancelling_the_awaiting_task_cancels_the_prompts(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.hang(60))
    client = connect(provider, max_concurrent_requests=4)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.process_prompts_async(["x"] * 100, show_progress=False)

    asyncio.run(main())
    wait_until(lambda: client.tracker.snapshot().queued == 0 and client.tracker.snapshot().in_flight == 0)

    assert len(provider.ledger) <= 4


def test_many_threads_share_one_client_and_each_gets_its_own_answers(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    client = connect(fake_provider)
    answers: dict[int, list[str | None]] = {}

    def ask(number: int) -> None:
        prompts = [f"{number}-{n}" for n in range(25)]
        answers[number] = client.process_prompts_sync(prompts, show_progress=False, return_completions_only=True)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert answers == {number: [f"You said: {number}-{n}" for n in range(25)] for number in range(16)}


def test_prompts_are_read_lazily_and_a_window_at_a_time(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_concurrent_requests=5)
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield f"{read}"

    answers = client.process_prompts_iter(endless(), show_progress=False)
    got = [next(answers) for _ in range(100)]
    answers.close()

    assert len(got) == 100
    assert read <= 100 + 10 + 1
    wait_until(lambda: client.tracker.snapshot().queued == 0)


def test_a_finished_answer_is_handed_out_before_the_next_prompt_is_read(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    client = connect(fake_provider)
    handed_out: list[int] = []

    def source() -> Iterator[str]:
        yield "first"
        wait_until(lambda: bool(fake_provider.answered()))
        wait_until(lambda: client.tracker.snapshot().answered == 1)
        yield "second"
        assert handed_out == [0]
        yield "third"

    for position, _ in client.process_prompts_iter(source(), show_progress=False):
        handed_out.append(position)

    assert sorted(handed_out) == [0, 1, 2]


def test_postprocess_runs_once_a_prompt_and_costs_no_answer(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=[Reply.error(500)])
    seen: list[int] = []

    def explode(response: APIResponse) -> APIResponse:
        seen.append(response.id)
        raise RuntimeError("mine")

    [response] = connect(provider, postprocess=explode).process_prompts_sync(["x"], show_progress=False)

    assert seen == [0]
    assert response.completion == "You said: x"
    assert "postprocess failed: RuntimeError: mine" in str(response.error_message)


class DictCache:
    def __init__(self) -> None:
        self.stored: dict[str, APIResponse] = {}

    def get(self, prompt: Conversation) -> APIResponse | None:
        return self.stored.get(prompt.fingerprint)

    def put(self, prompt: Conversation, response: APIResponse) -> None:
        self.stored[prompt.fingerprint] = response


def test_a_cached_answer_costs_nothing_and_sends_nothing(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, cache=DictCache())
    [paid] = client.process_prompts_sync(["x"], show_progress=False)
    other, hit = client.process_prompts_sync(["y", "x"], show_progress=False)

    assert len(fake_provider.ledger) == 2
    assert (paid.local_cache_hit, other.local_cache_hit, hit.local_cache_hit) == (False, False, True)
    assert (hit.id, hit.cost, hit.completion) == (1, 0.0, "You said: x")


class BrokenCache:
    def get(self, prompt: Conversation) -> APIResponse | None:
        raise OSError(f"no {prompt}")

    def put(self, prompt: Conversation, response: APIResponse) -> None:
        raise OSError(f"no {prompt} {response}")


def test_a_broken_cache_costs_a_warning_and_no_answer(
    fake_provider: FakeProvider, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    [response] = connect(fake_provider, cache=BrokenCache()).process_prompts_sync(["x"], show_progress=False)

    assert response.completion == "You said: x"
    assert [record.levelname for record in caplog.records if record.name.startswith("deluge_sync")] == ["WARNING"] * 2


def test_several_models_share_the_work_by_weight(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, ["gpt-4.1-mini", "gpt-4.1-nano", "gpt-4.1"], model_weights=[1, 3, 0])

    client.process_prompts_sync(["x"] * 400, show_progress=False)

    models = [record.json["model"] for record in fake_provider.ledger]
    assert models.count("gpt-4.1") == 0
    assert 50 < models.count("gpt-4.1-mini") < 150  # 100 expected; the bounds are six standard deviations away


def test_a_model_that_does_not_exist_is_given_up_for_the_others(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(models=["gpt-4.1-nano"])
    client = connect(provider, ["gpt-4.1-mini", "gpt-4.1-nano"], max_concurrent_requests=2)

    responses = client.process_prompts_sync(["x"] * 50, show_progress=False)

    assert all(response.completion for response in responses)
    assert len(provider.ledger) <= 50 + 4


def test_ctrl_c_keeps_what_had_arrived(fake_provider_factory: Factory, connect: Connect, own_time: Clock) -> None:
    provider = fake_provider_factory(script=slow_for("slow", 60.0))
    client = connect(provider, max_concurrent_requests=3)
    prompts = ["fast 0", "fast 1", "slow 2", "slow 3", "slow 4", "never sent 5"]

    def interrupt() -> None:
        wait_until(lambda: client.tracker.snapshot().answered == 2 and len(provider.ledger) == 5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    started = own_time()
    with pytest.raises(Interrupted) as caught:
        client.process_prompts_sync(prompts, show_progress=False)

    assert own_time() - started < 10
    completions = [response.completion if response else None for response in caught.value.responses]
    assert completions == ["You said: fast 0", "You said: fast 1", None, None, None, None]
    assert isinstance(caught.value, KeyboardInterrupt)
    assert len(provider.ledger) == 5


def test_a_client_can_be_used_after_ctrl_c(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=slow_for("slow", 60.0))
    client = connect(provider)

    def interrupt() -> None:
        wait_until(lambda: client.tracker.snapshot().in_flight == 1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(Interrupted):
        client.process_prompts_sync(["slow"], show_progress=False)

    assert client.process_prompts_sync(["quick"], show_progress=False)[0].completion == "You said: quick"


def test_closing_leaves_no_thread_and_refuses_further_use(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    client.process_prompts_sync(["x"] * 50, show_progress=False)
    client.close()
    client.close()

    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("deluge-sync")]
    with pytest.raises(ClientClosedError):
        client.process_prompts_sync(["x"], show_progress=False)


def test_wrong_use_raises_at_once_and_sends_nothing(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)

    with pytest.raises(ConfigError, match="prompts must be an iterable"):
        client.process_prompts_sync(5, show_progress=False)  # type: ignore[call-overload]  # that is the point
    with pytest.raises(ConfigError, match="cache must be one of"):
        client.process_prompts_sync(["x"], show_progress=False, cache="everything")
    with pytest.raises(ConfigError, match="service_tier must be one of"):
        client.process_prompts_iter(["x"], show_progress=False, service_tier="gold")
    with pytest.raises(ConfigError, match="output_schema"):
        client.process_prompts_sync(["x"], show_progress=False, output_schema=5)

    assert fake_provider.ledger == []


def test_the_counters_agree_with_the_ledger(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(faults={"error_500": 0.1, "half_json": 0.05}, seed=3)
    client = connect(provider)

    responses = client.process_prompts_sync([f"{n}" for n in range(300)], show_progress=False)

    snapshot = client.tracker.snapshot()
    answered = [record for record in provider.ledger if record.answered and record.completion_tokens]
    assert snapshot.requests_sent == len(provider.ledger)
    assert snapshot.answered + snapshot.failed == 300
    assert snapshot.retried == len(provider.ledger) - 300
    assert snapshot.answered == sum(not response.is_error for response in responses)
    assert snapshot.cost_usd == pytest.approx(sum(response.cost or 0.0 for response in responses))
    assert len(answered) >= snapshot.answered


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a state that another thread brings about; bounded."""
    give_up_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.001)


def test_one_unreadable_image_among_three_prompts_fails_alone(fake_provider: FakeProvider, connect: Connect) -> None:
    prompts: list[Prompt] = ["one", Conversation.user("two", image="/nowhere/picture.png"), "three"]
    responses = connect(fake_provider).process_prompts_sync(prompts, show_progress=False)
    assert [response.is_error for response in responses] == [False, True, False]
    assert "/nowhere/picture.png" in str(responses[1].error_message)
    assert len(fake_provider.ledger) == 2
