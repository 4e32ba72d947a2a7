"""Answers in pieces, from the public call to the wire and back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync import APIResponse, LLMClient, Tool
from deluge_sync.deltas import ToolCallDelta
from deluge_sync.errors import ConfigError
from deluge_sync.testing import Answer, FakeProvider, Reply, ScriptedCall

WEATHER = Tool("weather", None, {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
Connect = Callable[..., LLMClient]
SAYING = "one two three four five"


def split(items: list[Any]) -> tuple[list[Any], APIResponse]:
    *deltas, response = items
    assert isinstance(response, APIResponse)
    assert not any(isinstance(delta, APIResponse) for delta in deltas)
    return deltas, response


def test_the_answer_comes_in_pieces_and_ends_with_the_response(connect: Connect) -> None:
    with FakeProvider(script=[Reply.text(SAYING)]) as provider:
        client = connect(provider)
        deltas, response = split(list(client.stream_chat_sync("Count")))
        tracked = client.tracker.snapshot()
    assert len(deltas) > 3
    assert "".join(deltas) == SAYING == response.completion
    assert not response.is_error
    assert response.usage is not None
    assert response.usage.output_tokens > 0
    assert response.cost is not None
    assert (tracked.answered, tracked.in_flight) == (1, 0)


def test_the_first_piece_is_handed_out_before_the_last_is_sent(connect: Connect) -> None:
    """Whoever reads the first piece can decide what happens next: here it lets the provider go on."""
    with FakeProvider(script=[Reply.text(SAYING)], chunk_delay_s=0.05) as provider:
        stream = connect(provider).stream_chat_sync("Count")
        next(stream)
        assert not provider.answered()
        split(list(stream))
        assert len(provider.answered()) == 1


def test_a_streamed_answer_is_the_same_as_one_at_once(connect: Connect) -> None:
    with FakeProvider() as provider:
        client = connect(provider)
        _, streamed = split(list(client.stream_chat_sync("Count")))
        [whole] = client.process_prompts_sync(["Count"], show_progress=False)
    fields = ("completion", "usage", "finish_reason", "cost", "model_external", "is_error", "content")
    assert {name: getattr(streamed, name) for name in fields} == {name: getattr(whole, name) for name in fields}


def test_tool_calls_come_as_typed_pieces(connect: Connect) -> None:
    calls = [ScriptedCall("weather", '{"city": "Oslo"}'), ScriptedCall("weather", '{"city": "Rome"}')]
    with FakeProvider(script=[Reply.tool_calls(*calls)]) as provider:
        deltas, response = split(list(connect(provider).stream_chat_sync("Weather?", [WEATHER])))
    assert all(isinstance(delta, ToolCallDelta) for delta in deltas)
    assert "".join(delta.arguments for delta in deltas if delta.index == 1) == '{"city": "Rome"}'
    assert [dict(call.arguments) for call in response.tool_calls or ()] == [{"city": "Oslo"}, {"city": "Rome"}]


def test_a_stream_that_breaks_keeps_the_text_so_far_and_is_not_bought_again(connect: Connect) -> None:
    with FakeProvider(script=[Reply(Answer(text=SAYING), Reply.truncated().delivery)]) as provider:
        deltas, response = split(list(connect(provider).stream_chat_sync("Count")))
        assert len(provider.ledger) == 1
    assert deltas
    assert response.is_error
    assert response.completion == "".join(deltas)
    assert SAYING.startswith(response.completion)
    assert "part of the answer had been handed on" in str(response.error_message)


@pytest.mark.parametrize("trouble", [Reply.error(500), Reply.reset(), Reply.error(429, retry_after=0)])
def test_trouble_before_the_first_byte_is_tried_again(connect: Connect, trouble: Reply) -> None:
    with FakeProvider(script=[trouble]) as provider:
        deltas, response = split(list(connect(provider).stream_chat_sync("Count")))
        assert len(provider.ledger) == 2
    assert not response.is_error
    assert "".join(deltas) == response.completion


def test_an_error_is_a_response(connect: Connect) -> None:
    with FakeProvider(script=[Reply.error(401)]) as provider:
        deltas, response = split(list(connect(provider).stream_chat_sync("Count")))
    assert (deltas, response.error_kind) == ([], "auth")


def test_a_server_that_does_not_stream_gives_the_text_at_once(connect: Connect) -> None:
    body = b'{"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Four."}}]}'
    with FakeProvider(script=[Reply.raw(200, {"content-type": "application/json"}, body)]) as provider:
        deltas, response = split(list(connect(provider).stream_chat_sync("Count")))
    assert (deltas, response.completion) == (["Four."], "Four.")


class Kept(dict[str, APIResponse]):
    def get(self, prompt: Any, default: Any = None) -> Any:
        return super().get(prompt.messages[-1].text, default)

    def put(self, prompt: Any, response: APIResponse) -> None:
        self[prompt.messages[-1].text] = response


def test_an_answer_from_the_local_cache_is_streamed_too(connect: Connect) -> None:
    with FakeProvider() as provider:
        client = connect(provider, cache=Kept())
        _, first = split(list(client.stream_chat_sync("Count")))
        deltas, again = split(list(client.stream_chat_sync("Count")))
        assert len(provider.ledger) == 1
    assert (deltas, again.local_cache_hit) == ([first.completion], True)


def test_leaving_the_loop_cuts_the_answer_off(connect: Connect) -> None:
    with FakeProvider(script=[Reply.text(SAYING * 100)], chunk_delay_s=0.02) as provider:
        client = connect(provider)
        stream = client.stream_chat_sync("Count")
        next(stream)
        stream.close()
        assert client.process_prompts_sync(["Hello"], show_progress=False)[0].completion
        assert len(provider.ledger) == 2
        assert len(provider.answered()) == 1
        assert client.tracker.snapshot().cancelled == 1


def test_a_pause_in_the_stream_longer_than_the_idle_timeout_ends_it(connect: Connect) -> None:
    with FakeProvider(script=[Reply.text(SAYING)], chunk_delay_s=5) as provider:
        client = connect(provider, stream_idle_timeout=0.2, max_attempts=1)
        deltas, response = split(list(client.stream_chat_sync("Count")))
    assert (response.is_error, response.error_kind) == (True, "timeout")
    assert response.text == "".join(deltas)


def test_the_total_time_bounds_a_stream_that_never_pauses(connect: Connect) -> None:
    with FakeProvider(script=[Reply.text(SAYING * 100)], chunk_delay_s=0.02) as provider:
        client = connect(provider, request_timeout=0.5, max_attempts=1)
        deltas, response = split(list(client.stream_chat_sync("Count")))
    assert (response.is_error, response.error_kind) == (True, "timeout")
    assert response.completion == "".join(deltas) != ""


def test_wrong_use_raises_before_anything_is_sent(connect: Connect) -> None:
    with FakeProvider() as provider:
        client = connect(provider)
        with pytest.raises(ConfigError):
            client.stream_chat_sync(3)  # type: ignore[arg-type]  # what is tested
        with pytest.raises(ConfigError):
            client.stream_chat_sync("Hi", service_tier="golden")
        assert not provider.ledger


def test_stream_prints_the_text_and_returns_the_response(connect: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeProvider(script=[Reply.text("red \x1b[31m text")]) as provider:
        response = connect(provider).stream_sync("Colour")
    assert capsys.readouterr().out == "red [31m text\n"
    assert response.completion == "red \x1b[31m text"


def test_the_awaitable_forms_give_the_same(connect: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    async def main(client: LLMClient) -> tuple[list[Any], APIResponse]:
        items = [item async for item in client.stream_chat("Count")]
        return items, await client.stream("Count")

    with FakeProvider(script=[Reply.text(SAYING), Reply.text(SAYING)]) as provider:
        items, response = asyncio.run(main(connect(provider)))
    deltas, last = split(items)
    assert "".join(deltas) == last.completion == response.completion == SAYING
    assert capsys.readouterr().out == SAYING + "\n"


def test_cancelling_the_task_cuts_the_answer_off(connect: Connect) -> None:
    async def main(client: LLMClient) -> None:
        heard = asyncio.Event()

        async def listen() -> None:
            async for _ in client.stream_chat("Count"):
                heard.set()

        task = asyncio.create_task(listen())
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with FakeProvider(script=[Reply.text(SAYING * 100)], chunk_delay_s=0.02) as provider:
        client = connect(provider)
        asyncio.run(main(client))
        client.close()
        assert client.tracker.snapshot().cancelled == 1


def test_forty_streams_at_once_each_get_their_own_answer(connect: Connect) -> None:
    with FakeProvider(chunk_delay_s=0.001) as provider:
        client, said = connect(provider), {}

        def listen(number: int) -> None:
            deltas, response = split(list(client.stream_chat_sync(f"number {number}")))
            said[number] = ("".join(deltas), response.completion)

        threads = [threading.Thread(target=listen, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert said == {number: (f"You said: number {number}",) * 2 for number in range(40)}
