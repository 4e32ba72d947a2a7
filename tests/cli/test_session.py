from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

from deluge_sync.cli.exits import ResultsError
from deluge_sync.cli.prompts import Prompt
from deluge_sync.cli.session import Session
from deluge_sync.config import SamplingParams
from deluge_sync.prompt import Conversation, Message
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from deluge_sync.client import LLMClient

PROMPTS = [Prompt(index, index + 1, f"q{index}", f"prompt {index}") for index in range(0, 10, 2)]
Script = Callable[["ScriptedClient", Iterator[Conversation]], Iterator[tuple[int, APIResponse]]]


class ScriptedClient:
    """Answers as its script says; `closed` is set by `close`, `display_ended` when the iteration is over."""

    def __init__(self, script: Script) -> None:
        self.closed = threading.Event()
        self.display_ended = threading.Event()
        self.settings: dict[str, Any] = {}
        self._script = script

    def process_prompts_iter(
        self, prompts: Iterable[Conversation], *, on_response: Callable[[int, APIResponse], None], **settings: Any
    ) -> Iterator[tuple[int, APIResponse]]:
        self.settings = settings
        try:
            for position, response in self._script(self, iter(prompts)):
                on_response(position, response)
                yield position, response
        finally:
            self.display_ended.set()

    def close(self) -> None:
        self.closed.set()


class Rows:
    """Results that keep their rows; the one numbered `breaks_at` raises `error`."""

    answered, failed, spent_usd = 3, 1, 0.5

    def __init__(self, *, breaks_at: int = -1, error: Exception | None = None) -> None:
        self.rows: list[bytes] = []
        self._breaks_at = breaks_at
        self._error = error

    def has(self, index: int) -> bool:
        raise AssertionError(f"asked for {index}; choosing prompts is the caller's part")

    def append(self, row: bytes) -> None:
        if self._error and len(self.rows) == self._breaks_at:
            raise self._error
        self.rows.append(row)

    def close(self) -> None:
        pass


def answered(prompt: Conversation, **fields: Any) -> APIResponse:
    content = Message.ai(f"re: {prompt[-1].text}")
    return APIResponse(0, "m", prompt, SamplingParams(), 200, False, None, content=content, **fields)


def failed(prompt: Conversation, kind: str, message: str = "no") -> APIResponse:
    return APIResponse(0, "m", prompt, SamplingParams(), None, True, message, error_kind=kind)


def run(script: Script, results: Rows, *, system: str | None = None) -> tuple[Session, ScriptedClient]:
    client = ScriptedClient(script)
    session = Session(cast("LLMClient", client), results, run="a-b", system=system)
    session.answer(PROMPTS, total=len(PROMPTS), show_progress=False)
    return session, client


def test_answers_in_any_order_reach_the_rows_of_their_prompts() -> None:
    def backwards(_: ScriptedClient, prompts: Iterator[Conversation]) -> Iterator[tuple[int, APIResponse]]:
        for position, prompt in reversed(list(enumerate(prompts))):
            yield position, failed(prompt, "server") if position == 1 else answered(prompt)

    results = Rows()
    session, client = run(backwards, results)
    starts = [row.split(b', "finish')[0] for row in results.rows]
    assert starts[0] == b'{"index": 8, "id": "q8", "completion": "re: prompt 8"'
    assert starts[4] == b'{"index": 0, "id": "q0", "completion": "re: prompt 0"'
    assert (session.answered, session.failed, session.earlier) == (3 + 4, 1 + 1, 4)
    assert client.settings == {"total": 5, "show_progress": False}


def test_when_the_money_is_up_nothing_more_is_read_and_no_row_is_written() -> None:
    def run_out(_: ScriptedClient, prompts: Iterator[Conversation]) -> Iterator[tuple[int, APIResponse]]:
        yield 0, answered(next(prompts))
        yield 1, failed(next(prompts), "budget", "not sent: it may cost $1, and of max_cost=0 US dollars 0 are spent")
        left_over.extend(prompts)

    left_over: list[Conversation] = []
    results = Rows()
    session = Session(cast("LLMClient", ScriptedClient(run_out)), results, run="a-b", max_cost_usd=2.0)
    session.answer(PROMPTS, total=5, show_progress=False)
    assert (len(results.rows), session.written, session.held_back, session.failed) == (1, 1, 1, 1)
    assert left_over == []


def test_a_prompt_that_exceeds_the_limits_is_a_failure_like_any_other() -> None:
    def too_large(_: ScriptedClient, prompts: Iterator[Conversation]) -> Iterator[tuple[int, APIResponse]]:
        for position, prompt in enumerate(prompts):
            yield position, failed(prompt, "over_limit", "the request exceeds the tokens of a minute")

    results = Rows()
    session, _ = run(too_large, results)
    assert (len(results.rows), session.held_back) == (5, 0)


def test_what_the_rows_have_cost_is_taken_off_the_budget() -> None:
    def none(_: ScriptedClient, prompts: Iterator[Conversation]) -> Iterator[tuple[int, APIResponse]]:
        yield 0, answered(next(prompts))

    for budget, left in ((2.0, 1.5), (0.25, 0.0)):
        client = ScriptedClient(none)
        session = Session(cast("LLMClient", client), Rows(), run="a-b", max_cost_usd=budget)
        session.answer(PROMPTS, total=5, show_progress=False)
        assert client.settings["max_cost"] == left


def test_prompts_are_read_only_when_the_client_asks_and_forgotten_when_answered() -> None:
    outstanding: list[int] = []

    def one_by_one(_: ScriptedClient, prompts: Iterator[Conversation]) -> Iterator[tuple[int, APIResponse]]:
        for position, prompt in enumerate(prompts):
            outstanding.append(len(session._sent))
            yield position, answered(prompt)

    session = Session(cast("LLMClient", ScriptedClient(one_by_one)), Rows(), run="a-b")
    session.answer(iter(PROMPTS), total=5, show_progress=False)
    assert outstanding == [1] * 5
    assert session._sent == {}


def test_the_system_text_goes_before_every_prompt() -> None:
    seen: list[list[str]] = []

    def look(_: ScriptedClient, prompts: Iterator[Conversation]) -> Iterator[tuple[int, APIResponse]]:
        for position, prompt in enumerate(prompts):
            seen.append([message.role for message in prompt])
            yield position, answered(prompt)

    run(look, Rows(), system="Be brief.")
    assert seen == [["system", "user"]] * 5


def test_ctrl_c_closes_the_client_and_keeps_what_had_arrived() -> None:
    def interrupted(client: ScriptedClient, prompts: Iterator[Conversation]) -> Iterator[tuple[int, APIResponse]]:
        yield 0, answered(next(prompts))
        second, third = next(prompts), next(prompts)
        os.kill(os.getpid(), signal.SIGINT)
        assert client.closed.wait(10)
        left_over.extend(prompts)
        yield 1, answered(second)
        yield 2, failed(third, "cancelled")

    left_over: list[Conversation] = []
    results = Rows()
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, results)
    assert len(results.rows) == 2
    assert left_over == [], "prompts were fed to a closed client"


@pytest.mark.parametrize("error", [ResultsError("disk full"), BrokenPipeError()])
def test_a_row_that_cannot_be_written_stops_the_sending(error: Exception) -> None:
    taken: list[int] = []

    def count(_: ScriptedClient, prompts: Iterator[Conversation]) -> Iterator[tuple[int, APIResponse]]:
        for position, prompt in enumerate(prompts):
            taken.append(position)
            yield position, answered(prompt)

    client = ScriptedClient(count)
    results = Rows(breaks_at=2, error=error)
    session = Session(cast("LLMClient", client), results, run="a-b")
    with pytest.raises(type(error)) as _caught:  # held, as a traceback keeps iterators alive
        session.answer(PROMPTS, total=5, show_progress=False)
    assert taken == [0, 1, 2]
    assert client.closed.is_set()
    assert client.display_ended.is_set(), "the summary would be written over the live display"
    assert (len(results.rows), session.answered) == (2, 3 + 2)


def test_an_error_of_the_client_is_raised_where_the_session_was_started() -> None:
    def broken(_: ScriptedClient, prompts: Iterator[Conversation]) -> Iterator[tuple[int, APIResponse]]:
        next(prompts)
        raise ZeroDivisionError("a bug")
        yield

    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(broken, Rows())
