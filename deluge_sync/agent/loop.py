"""One agent loop: a state machine that the futures' callbacks drive, so that no thread waits for it.

    asking (a job of the engine) -> acting (a `Turn` of tool calls) -> telling (`on_round`) -> asking ... -> ended

`rounds` decides, `turn` acts, the engine asks; this only carries what one gives to the other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from deluge_sync._adapters.failure import FailureKind
from deluge_sync.agent.rounds import MAX_ROUNDS, CallTools, Ended, decide, summary, with_answer, with_results
from deluge_sync.agent.turn import Turn
from deluge_sync.errors import ClientClosedError
from deluge_sync.prompt import Conversation
from deluge_sync.response import APIResponse, Round

if TYPE_CHECKING:
    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.engine import Engine
    from deluge_sync._engine.job import Job, Run
    from deluge_sync.agent.crew import Crew
    from deluge_sync.prompt.parts import ToolResult

__all__ = ["AgentLoop", "Outcome", "Plan", "RoundHook"]

log = logging.getLogger(__name__)

Outcome: TypeAlias = tuple[Conversation, APIResponse]
RoundHook: TypeAlias = Callable[[Conversation, APIResponse], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a loop asks, and how often at most. `expect` is told of each request that comes."""

    extras: Extras
    max_rounds: int = 5
    on_round: RoundHook | None = None
    expect: Callable[[int], object] = lambda _: None


class AgentLoop:
    """Asks, carries out the tool calls, asks again. `future` gets the conversation and the response of all of it.

    The conversation given is not changed. `start` once; `stop` from any thread. Between the two each step is begun by
    the end of the one before, so that only `stop` and the end can meet: `_lock` lets one of them end the loop.
    """

    def __init__(
        self, loop_id: int, conversation: Conversation, *, engine: Engine, run: Run, crew: Crew, plan: Plan
    ) -> None:
        self.id = loop_id
        self.future: Future[Outcome] = Future()
        self.future.set_running_or_notify_cancel()  # so that nobody can cancel it, but `stop`
        self._prompt = conversation.copy()
        self._conversation = self._prompt
        self._engine = engine
        self._run = run
        self._crew = crew
        self._plan = plan
        self._rounds: list[Round] = []
        self._last: APIResponse | None = None
        self._first_sent_at: float | None = None
        self._answered_at: float | None = None
        self._job: Job | None = None
        self._turn: Turn | None = None
        self._is_telling = False
        self._is_stopping = False
        self._lock = threading.Lock()
        self._has_ended = False

    @property
    def has_paid(self) -> bool:
        """At least one round was answered."""
        return any(not each.is_error for each in self._rounds)

    def start(self) -> None:
        """Send the first request.

        Raises:
            ClientClosedError: the client was closed.
        """
        self._ask(self._plan.extras)

    def stop(self) -> None:
        """End the loop as soon as can be. What was answered is kept; each call of a tool gets a result."""
        self._is_stopping = True
        job, turn = self._job, self._turn
        if turn is not None:
            turn.abandon()
        elif self._is_telling:
            self._end_as_cancelled()
        elif job is not None:
            self._engine.cancel([job])

    # --- asking

    def _ask(self, extras: Extras) -> None:
        self._plan.expect(1)
        prompt = self._conversation
        job = self._crew.within(self._engine.prepare, self.id, prompt, run=self._run, extras=extras)
        self._job = job
        job.future.add_done_callback(lambda future: self._guarded(self._answered, future.result()))
        self._engine.start(job)
        if self._is_stopping:  # looked at after it was started: `stop` sets the flag first, and cancels then
            self._engine.cancel([job])

    def _ask_again(self) -> None:
        try:
            self._ask(replace(self._plan.extras, prefer_model="last"))
        except ClientClosedError:
            self._end_as_cancelled()

    def _answered(self, response: APIResponse) -> None:
        self._job = None
        self._note(response)
        step = decide(response)
        if isinstance(step, Ended) and step.is_error:
            self._end()
            return
        self._conversation = with_answer(self._conversation, response)
        if isinstance(step, CallTools):
            self._act(step)
        else:
            self._tell(wants_more=not isinstance(step, Ended))

    def _note(self, response: APIResponse) -> None:
        self._answered_at = monotonic()
        if self._first_sent_at is None and response.latency_s is not None:
            self._first_sent_at = self._answered_at - response.latency_s
        self._last = response
        self._rounds.append(Round.of(response))

    # --- acting

    def _act(self, step: CallTools) -> None:
        done = partial(self._guarded, self._acted)
        self._turn = turn = Turn(step.calls, self._crew, done, was_cut_off=step.was_cut_off)
        turn.begin()
        if self._is_stopping:  # as in `_ask`
            turn.abandon()

    def _acted(self, results: Sequence[ToolResult]) -> None:
        self._turn = None
        self._conversation = with_results(self._conversation, results)
        self._tell(wants_more=True)

    # --- telling

    def _tell(self, *, wants_more: bool) -> None:
        """Let the caller's hook see the round, and go on."""
        hook = self._plan.on_round
        if hook is None or self._is_stopping:
            self._go_on(wants_more=wants_more)
            return
        self._is_telling = True
        told = self._crew.in_thread(hook, self._conversation.copy(), self._last)
        told.add_done_callback(lambda future: self._guarded(self._told, future, wants_more))

    def _told(self, future: Future[Any], wants_more: bool) -> None:
        self._is_telling = False
        error = future.exception()
        if error is None:
            self._go_on(wants_more=wants_more)
            return
        log.warning("on_round failed, which ends the agent loop: %s", type(error).__name__, exc_info=error)
        message = f"on_round failed: {type(error).__name__}: {error}"
        if wants_more:
            self._end_as_error(FailureKind.INTERNAL, message)
        else:
            self._end(error_message=message)

    def _go_on(self, *, wants_more: bool) -> None:
        if not wants_more:
            self._end()
        elif self._is_stopping:
            self._end_as_cancelled()
        elif len(self._rounds) >= self._plan.max_rounds:
            self._end(finish_reason=MAX_ROUNDS)
        else:
            self._ask_again()

    # --- ending

    def _end_as_cancelled(self) -> None:
        self._end_as_error(FailureKind.CANCELLED, "the agent loop was ended before its last answer")

    def _end_as_error(self, kind: FailureKind, message: str) -> None:
        self._end(is_error=True, error_kind=kind.value, error_message=message)

    def _end(self, **changes: Any) -> None:
        with self._lock:
            has_ended, self._has_ended = self._has_ended, True
        if has_ended:
            return
        assert self._last is not None  # nothing ends before the first answer
        response = summary(self._last, self._rounds, latency_s=self._latency_s(), **{"prompt": self._prompt, **changes})
        self.future.set_result((self._conversation.copy(), response))

    def _latency_s(self) -> float | None:
        if self._answered_at is None or self._first_sent_at is None:
            return None
        return self._answered_at - self._first_sent_at

    def _guarded(self, step: Callable[..., None], *args: Any) -> None:
        """A future swallows what its callbacks raise, and nobody would ever hear of this loop again."""
        if self._has_ended:
            return
        try:
            step(*args)
        except Exception as error:
            log.exception("an agent loop failed")
            self._end_as_error(FailureKind.INTERNAL, f"{type(error).__name__}: {error}")
