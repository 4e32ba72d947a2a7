"""Agent loops of a client against the embedded provider, judged by its ledger: what was asked, how often, at once."""

from __future__ import annotations

import asyncio
import contextvars
import json
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation, LLMClient, Tool
from deluge_sync.errors import ClientClosedError, ConfigError, Interrupted, UnknownTaskError
from deluge_sync.prompt import ToolCall
from deluge_sync.response import Usage
from deluge_sync.testing import FakeProvider, Reply, RequestRecord, ScriptedCall

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]


def weather(city: str) -> dict[str, Any]:
    """Tell the weather."""
    return {"city": city, "degrees": 18}


WEATHER = Tool.from_function(weather)


def calls(*names: str, arguments: str = '{"city": "Rome"}') -> Reply:
    return Reply.tool_calls(*[ScriptedCall(name, arguments) for name in names])


def results(conversation: Conversation) -> list[tuple[str, bool]]:
    return [(result.text, result.is_error) for message in conversation for result in message.tool_results]


def wait_until(is_so: Callable[[], bool], *, seconds: float = 10) -> None:
    give_up_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.001)


# --- every wire format

FORMATS: dict[str, Callable[[FakeProvider], dict[str, Any]]] = {
    "openai": lambda provider: {"model_names": "gpt-4.1-mini", "base_url": provider.openai_url},
    "responses": lambda provider: {
        "model_names": "gpt-4.1-mini",
        "base_url": provider.openai_url,
        "use_responses_api": True,
    },
    "anthropic": lambda provider: {"model_names": "claude-haiku-4-5", "base_url": f"{provider.anthropic_url}/v1"},
    "gemini": lambda provider: {"model_names": "gemini-2.5-flash", "base_url": f"{provider.gemini_url}/v1beta"},
    "mistral": lambda provider: {"model_names": "mistral-large-latest", "base_url": f"{provider.mistral_url}/v1"},
    "bedrock": lambda provider: {"model_names": "amazon.nova-lite-v1:0", "base_url": provider.bedrock_url},
}


@pytest.fixture(params=FORMATS)
def place(request: pytest.FixtureRequest, fake_provider: FakeProvider) -> dict[str, Any]:
    return FORMATS[request.param](fake_provider)


def test_the_result_of_a_call_reaches_the_model(
    fake_provider: FakeProvider, connect: Connect, place: dict[str, Any]
) -> None:
    conversation, response = connect(fake_provider, **place).run_agent_loop_sync("Weather?", tools=[WEATHER])

    # The provider calls the first tool with arguments that fit, and then says what it was given.
    assert [message.role for message in conversation] == ["user", "assistant", "tool", "assistant"]
    [call] = conversation[1].tool_calls
    assert results(conversation) == [(json.dumps(weather(**call.arguments), separators=(",", ":")), False)]
    assert response.completion is not None
    assert response.completion.startswith("Found: ")
    assert "18" in response.completion
    assert not response.is_error
    assert len(fake_provider.ledger) == 2


def test_parallel_calls_are_answered_in_the_models_order(
    fake_provider: FakeProvider, connect: Connect, place: dict[str, Any]
) -> None:
    """Three calls: one is fast, one fails, one does not exist. The slow first one waits for the second to run."""
    second_runs = threading.Event()

    def slow(city: str) -> str:
        assert second_runs.wait(10)
        return f"slow {city}"

    def fails(city: str) -> str:
        second_runs.set()
        raise LookupError(f"no {city}")

    fake_provider.use_script([calls("slow", "fails", "missing"), Reply.text("done")])
    tools = [Tool.from_function(slow), Tool.from_function(fails)]
    conversation, response = connect(fake_provider, **place).run_agent_loop_sync("Go", tools=tools)

    assert response.completion == "done"
    assert results(conversation) == [
        ("slow Rome", False),
        ("LookupError: no Rome", True),
        ("there is no tool 'missing' here; the tools are: slow, fails", True),
    ]
    assert len(fake_provider.ledger) == 2


def test_an_endless_loop_ends_at_max_rounds_with_every_call_answered(
    fake_provider: FakeProvider, connect: Connect, place: dict[str, Any]
) -> None:
    fake_provider.use_script(lambda _: calls("weather", "weather"))
    client = connect(fake_provider, **place)
    conversation, response = client.run_agent_loop_sync("Go", tools=[WEATHER], max_rounds=3)

    assert response.finish_reason == "max_rounds"
    assert not response.is_error
    assert len(fake_provider.ledger) == len(response.rounds) == 3
    assert len(results(conversation)) == 6
    asked = [call.id for message in conversation for call in message.tool_calls]
    answered = [result.tool_call_id for message in conversation for result in message.tool_results]
    assert answered == asked

    fake_provider.use_script([])
    _, after = client.run_agent_loop_sync(conversation, tools=[WEATHER])
    assert not after.is_error  # it can go on from there


# --- usage, cost, rounds


def test_usage_and_cost_are_those_of_the_whole_loop(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    _, response = client.run_agent_loop_sync("Weather?", tools=[WEATHER])

    assert [each.finish_reason for each in response.rounds] == ["tool_calls", "stop"]
    usages = [each.usage for each in response.rounds if each.usage is not None]
    records = fake_provider.ledger
    assert [usage.input_tokens for usage in usages] == [record.prompt_tokens for record in records]
    assert response.usage == sum(usages, Usage(0, 0))
    snapshot = client.tracker.snapshot()
    assert response.cost == pytest.approx(snapshot.cost_usd)
    assert response.attempts == 2
    assert (snapshot.total, snapshot.answered) == (2, 2)
    assert APIResponse.from_dict(json.loads(json.dumps(response.to_dict()))) == response


def test_the_conversation_given_is_not_changed(fake_provider: FakeProvider, connect: Connect) -> None:
    given = Conversation.user("Weather?")
    conversation, response = connect(fake_provider).run_agent_loop_sync(given, tools=[WEATHER])

    assert given == Conversation.user("Weather?")
    assert response.prompt == given
    conversation.messages[0].with_text("more")
    assert response.prompt == given


def test_the_model_stays_the_same_over_the_rounds(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script(lambda record: None if b"enough" in record.body else calls("weather"))
    client = connect(fake_provider, ["gpt-4.1-mini", "gpt-4.1-nano", "gpt-4o-mini"])
    outcomes = client.process_agent_loops_sync(
        [f"number {n}" for n in range(20)], tools=[WEATHER], max_rounds=4, show_progress=False
    )

    asked = [{each.model_internal for each in response.rounds} for _, response in outcomes]
    assert [len(models) for models in asked] == [1] * 20
    assert len(set().union(*asked)) == 3
    assert len(fake_provider.ledger) == 80


# --- what goes wrong


def test_arguments_that_are_nearly_json_are_repaired(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script([calls("weather", arguments="{'city': 'Rome',}"), Reply.text("done")])
    conversation, _ = connect(fake_provider).run_agent_loop_sync("Go", tools=[WEATHER])

    assert results(conversation) == [('{"city":"Rome","degrees":18}', False)]
    assert conversation[1].tool_calls[0].raw_arguments == "{'city': 'Rome',}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("no json", "wrong arguments for tool 'weather': they are no JSON object: no json"),
        ("{}", "wrong arguments for tool 'weather': city: is required"),
        ('{"city": 3}', "wrong arguments for tool 'weather': city: input should be a valid string, not 3"),
    ],
)
def test_wrong_arguments_are_told_to_the_model_and_nothing_runs(
    fake_provider: FakeProvider, connect: Connect, arguments: str, told: str
) -> None:
    fake_provider.use_script([calls("weather", arguments=arguments), Reply.text("I see")])
    conversation, response = connect(fake_provider).run_agent_loop_sync("Go", tools=[WEATHER])

    assert results(conversation) == [(told, True)]
    assert response.completion == "I see"


def test_an_error_in_a_later_round_gives_the_conversation_so_far(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script([calls("weather"), Reply.error(400, message="no more")])
    client = connect(fake_provider)
    conversation, response = client.run_agent_loop_sync("Go", tools=[WEATHER])

    assert (response.is_error, response.error_kind) == (True, "bad_request")
    assert [message.role for message in conversation] == ["user", "assistant", "tool"]
    assert response.usage == response.rounds[0].usage
    assert response.cost == response.rounds[0].cost
    assert [each.is_error for each in response.rounds] == [False, True]

    _, again = client.run_agent_loop_sync(conversation, tools=[WEATHER])
    assert again.completion == 'Found: {"city":"Rome","degrees":18}'


def test_a_retry_within_a_round_is_the_engines(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script([Reply.error(500), calls("weather"), Reply.error(500), Reply.text("done")])
    _, response = connect(fake_provider).run_agent_loop_sync("Go", tools=[WEATHER])

    assert response.completion == "done"
    assert [each.attempts for each in response.rounds] == [2, 2]
    assert response.attempts == 4


def test_a_tool_that_hangs_is_left_behind_after_its_time(fake_provider: FakeProvider, connect: Connect) -> None:
    release = threading.Event()

    def hangs(city: str) -> str:
        release.wait(30)
        return city

    async def sleeps(city: str) -> str:
        await asyncio.sleep(30)
        return city

    fake_provider.use_script([calls("hangs", "sleeps"), Reply.text("done")])
    tools = [Tool.from_function(hangs), Tool.from_function(sleeps)]
    try:
        conversation, response = connect(fake_provider).run_agent_loop_sync("Go", tools=tools, tool_timeout=0.2)
    finally:
        release.set()

    assert response.completion == "done"
    assert results(conversation) == [("TimeoutError: it did not finish within 0.2 s", True)] * 2


# --- hooks


def test_on_round_sees_each_round_and_what_it_raises_ends_the_loop(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    seen: list[tuple[int, str | None]] = []

    def note(conversation: Conversation, response: APIResponse) -> None:
        seen.append((len(conversation), response.finish_reason))

    client = connect(fake_provider)
    client.run_agent_loop_sync("Go", tools=[WEATHER], on_round=note)
    assert seen == [(3, "tool_calls"), (4, "stop")]

    def stop(*_: object) -> None:
        raise ValueError("enough")

    conversation, response = client.run_agent_loop_sync("Go", tools=[WEATHER], on_round=stop)
    assert (response.is_error, response.error_kind) == (True, "internal")
    assert response.error_message == "on_round failed: ValueError: enough"
    assert [message.role for message in conversation] == ["user", "assistant", "tool"]
    assert len(fake_provider.ledger) == 3


@pytest.mark.parametrize("verdict", [False, None, "no", "yes", 1])
def test_nothing_but_true_allows_a_call(fake_provider: FakeProvider, connect: Connect, verdict: object) -> None:
    ran: list[str] = []
    tool = Tool.from_function(lambda city: ran.append(city), name="note")
    asked: list[ToolCall] = []

    def approve(call: ToolCall) -> object:
        asked.append(call)
        return verdict

    conversation, _ = connect(fake_provider).run_agent_loop_sync("Go", tools=[tool], approve=approve)

    assert results(conversation) == [("refused: the user did not allow it", True)]
    assert [call.name for call in asked] == ["note"]
    assert ran == []


def test_an_approval_may_be_async_and_outlast_the_tools_time(fake_provider: FakeProvider, connect: Connect) -> None:
    async def approve(call: ToolCall) -> bool:
        await asyncio.sleep(0.3)
        return call.name == "weather"

    conversation, _ = connect(fake_provider).run_agent_loop_sync(
        "Go", tools=[WEATHER], approve=approve, tool_timeout=0.1
    )

    [(_, is_error)] = results(conversation)
    assert not is_error


def test_an_approval_that_fails_refuses(fake_provider: FakeProvider, connect: Connect) -> None:
    def approve(_: ToolCall) -> bool:
        raise OSError("nobody there")

    conversation, _ = connect(fake_provider).run_agent_loop_sync("Go", tools=[WEATHER], approve=approve)

    assert results(conversation) == [("refused: the user did not allow it", True)]


# --- where tools run


def test_the_callers_context_variables_reach_tools_and_hooks(fake_provider: FakeProvider, connect: Connect) -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")
    seen: list[str] = []

    def blocking(city: str) -> str:
        seen.append(f"blocking {tenant.get()}")
        return city

    async def awaiting(city: str) -> str:
        seen.append(f"async {tenant.get()}")
        return city

    def approve(_: ToolCall) -> bool:
        seen.append(f"approve {tenant.get()}")
        return True

    def note(*_: object) -> None:
        seen.append(f"round {tenant.get()}")

    fake_provider.use_script([calls("blocking"), calls("awaiting"), Reply.text("done")])
    tools = [Tool.from_function(blocking), Tool.from_function(awaiting)]
    tenant.set("acme")
    connect(fake_provider).run_agent_loop_sync("Go", tools=tools, approve=approve, on_round=note)

    expected = ["approve", "blocking", "round", "approve", "async", "round", "round"]
    assert seen == [f"{what} acme" for what in expected]


def test_async_tools_run_in_the_loop_that_awaits_the_agent(fake_provider: FakeProvider, connect: Connect) -> None:
    loops: list[object] = []

    async def where(city: str) -> str:
        loops.append(asyncio.get_running_loop())
        return city

    client = connect(fake_provider)

    async def main() -> list[object]:
        await client.run_agent_loop("Go", tools=[Tool.from_function(where)])
        await client.process_agent_loops_async(["a", "b"], tools=[Tool.from_function(where)], show_progress=False)
        return [asyncio.get_running_loop()] * 3

    assert asyncio.run(main()) == loops


def test_a_blocking_call_inside_a_running_loop_runs_async_tools_too(
    fake_provider: FakeProvider, connect: Connect
) -> None:
    async def pause(city: str) -> str:
        await asyncio.sleep(0)
        return f"paused in {city}"

    client = connect(fake_provider)

    async def main() -> Conversation:
        return client.run_agent_loop_sync("Go", tools=[Tool.from_function(pause)], tool_timeout=5)[0]

    assert results(asyncio.run(main())) == [("paused in city", False)]


def test_a_tool_may_run_agents_of_its_own(fake_provider: FakeProvider, connect: Connect) -> None:
    """Fifty at once, more than there are tool threads: none may wait for a thread that another one holds."""
    client = connect(fake_provider)

    def delegate(task: str) -> str:
        return str(client.run_agent_loop_sync(task, tools=[WEATHER])[1].completion)

    started = time.monotonic()
    outcomes = client.process_agent_loops_sync(
        [f"task {n}" for n in range(50)], tools=[Tool.from_function(delegate)], show_progress=False, tool_timeout=20
    )

    assert time.monotonic() - started < 15
    assert {response.completion for _, response in outcomes} == {'Found: Found: {"city":"city","degrees":18}'}


def test_a_tool_of_a_server_elsewhere_is_offered_and_called(fake_provider: FakeProvider, connect: Connect) -> None:
    class Remote:
        name = "remote_weather"
        description = "Tell the weather."
        parameters = WEATHER.parameters

        async def acall(self, **arguments: Any) -> Any:
            return weather(**arguments)

    conversation, _ = connect(fake_provider).run_agent_loop_sync("Go", tools=[Remote()])

    assert results(conversation) == [('{"city":"city","degrees":18}', False)]


# --- many at once


def test_many_agents_run_at_once_without_a_thread_each(fake_provider_factory: Factory, connect: Connect) -> None:
    """Two rounds of 50 ms each for 200 agents: 20 seconds one after another. No tool ends before all have begun."""
    provider = fake_provider_factory(latency_s=0.05)
    client = connect(provider, max_concurrent_requests=50)
    most = 0

    def count_threads(city: str) -> str:
        nonlocal most
        wait_until(lambda: client.tracker.snapshot().answered >= 200)
        ours = [t for t in threading.enumerate() if t.name.startswith(("deluge-sync-tool", "deluge-sync-a"))]
        most = max(most, len(ours))
        return city

    tools = [Tool.from_function(count_threads)]
    started = time.monotonic()
    ids = [client.start_agent_loop_nowait(f"agent {n}", tools=tools) for n in range(200)]
    outcomes = [client.wait_for_agent_loop_sync(task_id) for task_id in ids]

    assert time.monotonic() - started < 10
    assert 0 < most < 60
    assert [response.completion for _, response in outcomes] == ["Found: city"] * 200
    assert [conversation[0].text for conversation, _ in outcomes] == [f"agent {n}" for n in range(200)]
    assert len(provider.ledger) == 400


def test_outcomes_keep_the_order_of_their_conversations(fake_provider: FakeProvider, connect: Connect) -> None:
    fake_provider.use_script(lambda record: Reply.text("x").after(0.2) if b"number 0" in record.body else None)
    prompts: list[Any] = [f"number {n}" for n in range(10)]
    outcomes = connect(fake_provider).process_agent_loops_sync([*prompts, 17], tools=[WEATHER], show_progress=False)

    assert [response.id for _, response in outcomes] == list(range(11))
    assert [conversation[0].text for conversation, _ in outcomes[:10]] == prompts
    assert outcomes[10][1].is_error
    assert "a prompt is a text" in str(outcomes[10][1].error_message)


def test_an_outcome_is_handed_out_once(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider)
    task_id = client.start_agent_loop_nowait("Go", tools=[WEATHER])
    client.wait_for_agent_loop_sync(task_id)

    with pytest.raises(UnknownTaskError, match=f"no task has the id {task_id}"):
        client.wait_for_agent_loop_sync(task_id)
    with pytest.raises(UnknownTaskError):
        asyncio.run(client.wait_for_agent_loop(99))


# --- the end


def hold_second_round(release: threading.Event) -> Callable[[RequestRecord], Reply | None]:
    def script(record: RequestRecord) -> Reply | None:
        if b'"tool"' in record.body:
            release.wait(10)
        return None

    return script


def test_closing_the_client_ends_its_loops_and_keeps_what_was_paid_for(
    fake_provider_factory: Factory, connect: Connect
) -> None:
    provider = fake_provider_factory(script=lambda record: Reply.hang(60) if b'"tool"' in record.body else None)
    client = connect(provider)
    ids = [client.start_agent_loop_nowait(f"agent {n}", tools=[WEATHER]) for n in range(5)]
    wait_until(lambda: len(provider.ledger) == 10)
    client.close()

    for task_id in ids:
        conversation, response = client.wait_for_agent_loop_sync(task_id)
        assert [message.role for message in conversation] == ["user", "assistant", "tool"]
        assert (response.is_error, response.error_kind) == (True, "cancelled")
        assert response.usage == response.rounds[0].usage
    with pytest.raises(ClientClosedError):
        client.run_agent_loop_sync("Go")
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "deluge-sync-tool"])


def test_closing_while_a_tool_runs_answers_its_call(fake_provider: FakeProvider, connect: Connect) -> None:
    runs, release = threading.Event(), threading.Event()

    def hangs(city: str) -> str:
        runs.set()
        release.wait(30)
        return city

    client = connect(fake_provider)
    task_id = client.start_agent_loop_nowait("Go", tools=[Tool.from_function(hangs)])
    try:
        assert runs.wait(10)
        client.close()
        conversation, response = client.wait_for_agent_loop_sync(task_id)
    finally:
        release.set()

    assert results(conversation) == [
        ("cancelled: the agent loop was ended before this call had finished", True),
    ]
    assert (response.is_error, response.error_kind) == (True, "cancelled")
    assert response.tool_calls
    assert response.cost is not None


@pytest.mark.parametrize("requests", [1, 20, 33, 70])
@pytest.mark.parametrize("has_hooks", [False, True], ids=["plain", "hooks"])
def test_closing_at_any_moment_ends_every_loop_with_every_call_answered(
    fake_provider_factory: Factory, connect: Connect, requests: int, has_hooks: bool
) -> None:
    async def awaiting(city: str) -> str:
        await asyncio.sleep(0.002)
        return city

    provider = fake_provider_factory(latency_s=0.005, script=lambda _: calls("weather", "awaiting", "missing"))
    client = connect(provider)
    hooks: dict[str, Any] = {"on_round": lambda *_: None, "approve": lambda _: True} if has_hooks else {}
    tools = [WEATHER, Tool.from_function(awaiting)]
    ids = [client.start_agent_loop_nowait("Go", tools=tools, max_rounds=1_000, **hooks) for _ in range(20)]
    wait_until(lambda: len(provider.ledger) >= requests)
    client.close()

    for task_id in ids:
        conversation, response = client.wait_for_agent_loop_sync(task_id)
        assert response.error_kind == "cancelled"
        paid = [each for each in response.rounds if not each.is_error]
        assert [message.role for message in conversation] == ["user", *["assistant", "tool"] * len(paid)]
        assert len(results(conversation)) == 3 * len(paid)


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_ctrl_c_keeps_what_was_paid_for(fake_provider_factory: Factory, connect: Connect, many: bool) -> None:
    provider = fake_provider_factory(script=lambda record: Reply.hang(60) if b'"tool"' in record.body else None)
    client = connect(provider)

    def interrupt() -> None:
        wait_until(lambda: any(b'"tool"' in record.body for record in provider.ledger))
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    run: Callable[..., Any] = client.process_agent_loops_sync if many else client.run_agent_loop_sync
    with pytest.raises(Interrupted) as interrupted:
        run("Go", tools=[WEATHER])

    [(conversation, response)] = interrupted.value.responses
    assert [message.role for message in conversation] == ["user", "assistant", "tool"]
    assert response.error_kind == "cancelled"
    assert response.cost == response.rounds[0].cost


def test_cancelling_the_task_ends_the_loop(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.hang(60))
    client = connect(provider)

    async def main() -> None:
        task = asyncio.create_task(client.run_agent_loop("Go", tools=[WEATHER]))
        while not provider.ledger:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    wait_until(lambda: client.tracker.snapshot().cancelled == 1)


def test_a_wait_that_is_given_up_leaves_the_loop_running(fake_provider_factory: Factory, connect: Connect) -> None:
    release = threading.Event()
    provider = fake_provider_factory(script=hold_second_round(release))
    client = connect(provider)

    async def main() -> str | None:
        task_id = client.start_agent_loop_nowait("Go", tools=[WEATHER])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.wait_for_agent_loop(task_id), 0.05)
        release.set()
        return (await client.wait_for_agent_loop(task_id))[1].completion

    assert asyncio.run(main()) == 'Found: {"city":"city","degrees":18}'


# --- wrong use


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_rounds": 0}, "max_rounds"),
        ({"max_rounds": 2.5}, "max_rounds"),
        ({"tool_timeout": 0}, "tool_timeout"),
        ({"max_result_chars": 0}, "max_result_chars"),
        ({"on_round": 3}, "on_round"),
        ({"approve": True}, "approve"),
        ({"tools": [Tool("idle")]}, "tool 'idle' has no function to run"),
        ({"tools": [WEATHER, WEATHER]}, "two tools are called 'weather'"),
        ({"tools": WEATHER}, "tools must be a list"),
        ({"tools": [weather]}, "each must be a Tool"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_use_is_refused_before_anything_is_sent(
    fake_provider: FakeProvider, connect: Connect, options: dict[str, Any], told: str
) -> None:
    client = connect(fake_provider)

    with pytest.raises(ConfigError, match=told):
        client.run_agent_loop_sync("Go", **options)
    with pytest.raises(ConfigError, match=told):
        client.start_agent_loop_nowait("Go", **options)
    with pytest.raises(ConfigError, match=told):
        client.process_agent_loops_sync(["Go"], **options)
    assert fake_provider.ledger == []


def test_other_calls_run_no_function(fake_provider: FakeProvider, connect: Connect) -> None:
    tool = Tool.from_function(lambda city: pytest.fail(f"it ran with {city}"), name="note")
    [response] = connect(fake_provider).process_prompts_sync("Go", tools=[tool], show_progress=False)

    assert [call.name for call in response.tool_calls] == ["note"]
