"""How agent loops are made of what a client has. Loaded with the first loop: prompts need none of `agent`.

`client.agents` has the methods that users call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._engine.job import Run
from deluge_sync.agent import AgentLoop, Crew, Outcome, Plan, RoundHook, Rules, Toolbox
from deluge_sync.client import settings
from deluge_sync.client.collect import Collect
from deluge_sync.client.feed import Feed
from deluge_sync.client.prompts import as_prompts, length_of
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, ToolCall, to_conversation
from deluge_sync.response import Round

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from deluge_sync._engine.engine import Engine
    from deluge_sync.client.agents import AgentCalls

__all__ = ["LoopMaker", "has_paid_round"]

# So many loops are under way at once: enough to keep every worker busy, few enough for memory to stay flat.
_WINDOW: Final = 2_500


@dataclass(frozen=True, slots=True)
class _Refused:
    """A loop that ended before it began."""

    id: int
    future: Future[Outcome] = field(default_factory=Future)


class LoopMaker:
    """Makes the loops of one client, which lends what they need."""

    def __init__(self, client: AgentCalls) -> None:
        self._client = client

    def loop(
        self, conversation: Any, *, loop_id: int = 0, event_loop: AbstractEventLoop | None = None, **options: Any
    ) -> AgentLoop:
        make = self._maker(event_loop, **options)
        return make(loop_id, to_conversation(conversation))

    def loops(
        self, conversations: Any, *, show_progress: bool, event_loop: AbstractEventLoop | None = None, **options: Any
    ) -> Collect[Outcome]:
        conversations = as_prompts(conversations)
        make, engine = self._maker(event_loop, **options), self._client._running_engine()

        def prepare(position: int, prompt: Any) -> AgentLoop | _Refused:
            try:
                return make(position, to_conversation(prompt))
            except ConfigError as error:
                return _refused(engine, position, error)

        feed = Feed[Outcome](
            conversations,
            prepare,
            self._client._agents.start,
            _stop_all,
            window=_WINDOW,
            needs_all=True,
            is_answer=has_paid_round,
        )
        return Collect(feed, self._client._display(0, show=show_progress), length_of(conversations))

    def _maker(
        self,
        event_loop: AbstractEventLoop | None,
        *,
        tools: Any,
        max_rounds: int,
        tool_timeout: float | None,
        max_result_chars: int,
        on_round: RoundHook | None,
        approve: Callable[[ToolCall], Any] | None,
        max_cost: float | None,
        **extras: Any,
    ) -> Callable[[int, Conversation], AgentLoop]:
        """Makes loops that share what one call of the client learns about keys and models."""
        settings.check_whole_numbers(max_rounds=max_rounds, max_result_chars=max_result_chars)
        if tool_timeout is not None:
            settings.check_numbers(tool_timeout=tool_timeout)
        settings.check_callable("on_round", on_round)
        settings.check_callable("approve", approve)
        toolbox, rules = Toolbox(self._client._reached(tools)), Rules(tool_timeout, max_result_chars, approve)
        plan = Plan(self._client._extras(tools=toolbox.offered, **extras), max_rounds, on_round, self._client._expect)
        run = self._client._run(max_cost, service_tier=plan.extras.service_tier)
        engine, workshop = self._client._running_engine(), self._client._agents.workshop

        def make(loop_id: int, conversation: Conversation) -> AgentLoop:
            crew = Crew(workshop, toolbox, rules, loop=event_loop)
            return AgentLoop(loop_id, conversation, engine=engine, run=run, crew=crew, plan=plan)

        return make


def has_paid_round(outcome: Outcome) -> bool:
    return any(not each.is_error for each in outcome[1].rounds)


def _stop_all(loops: Iterable[AgentLoop | _Refused]) -> None:
    for loop in loops:
        if isinstance(loop, AgentLoop):
            loop.stop()


def _refused(engine: Engine, position: int, error: ConfigError) -> _Refused:
    """The outcome of a conversation that cannot be read: an error response of one round that was never sent."""
    response = engine.refuse(position, error, run=Run()).future.result()
    response.rounds = (Round.of(response),)
    refused = _Refused(position)
    refused.future.set_result((Conversation(), response))
    return refused
