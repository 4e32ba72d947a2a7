"""The agent loops of `LLMClient`: arguments checked, conversations turned into loops. `aio` has the awaitable half."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._engine.job import Run
from deluge_sync.agent import AgentLoop, Agents, AgentTool, Crew, Outcome, Plan, RoundHook, Rules, Toolbox
from deluge_sync.client import settings
from deluge_sync.client.collect import Collect
from deluge_sync.client.feed import Feed
from deluge_sync.client.prompts import as_prompts, length_of
from deluge_sync.errors import ClientClosedError, ConfigError, Interrupted
from deluge_sync.prompt import Conversation, Prompt, ToolCall, to_conversation
from deluge_sync.response import Round

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from contextlib import AbstractContextManager

    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.engine import Engine
    from deluge_sync.tracker import Tracker

__all__ = ["AgentCalls"]

_SIGNAL_CHECK_S: Final = 0.25
_LAST_WORDS_S: Final = 1.0
# So many loops are under way at once: enough to keep every worker busy, few enough for memory to stay flat.
_WINDOW: Final = 2_500


@dataclass(frozen=True, slots=True)
class _Refused:
    """A loop that ended before it began."""

    id: int
    future: Future[Outcome] = field(default_factory=Future)


class AgentCalls:
    """The agent loops of a client. `LLMClient` inherits from it and makes what is declared here."""

    if TYPE_CHECKING:
        tracker: Tracker
        _agents: Agents

        def _running_engine(self) -> Engine: ...
        def _extras(
            self,
            *,
            tools: Any,
            output_schema: Any,
            cache: str | None,
            service_tier: str | None,
            prefer_model: str | None,
        ) -> Extras: ...
        def _display(self, total: int | None, *, show: bool) -> AbstractContextManager[object]: ...

    def run_agent_loop_sync(
        self,
        conversation: Prompt,
        *,
        tools: Sequence[AgentTool] | None = None,
        max_rounds: int = 5,
        tool_timeout: float | None = 60,
        max_result_chars: int = 100_000,
        on_round: RoundHook | None = None,
        approve: Callable[[ToolCall], Any] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> Outcome:
        """Ask, run the tools that the model calls, and ask again, until it calls none: `(conversation, response)`.

        The conversation is a new one, with every answer and every result. The response is the last answer, with the
        usage, cost and attempts of the whole loop; `response.rounds` has them one by one. Where a later round fails,
        the conversation so far is given, ready to be sent again, and the response is the error. All rounds are asked
        of the model that answered the first, as long as it can answer.

        The calls of one answer run at the same time: blocking functions in threads of the client (32 at once, shared
        by all its loops), async ones in an event loop: that in which `run_agent_loop` is awaited, here and for loops
        that are only started one of the client's own. They see the caller's context variables. What goes wrong with a
        call (no such tool, wrong arguments, an exception, no time left) is told to the model as its result.

        Args:
            tools: `Tool`s with a function, or anything with a name, parameters and an `acall`. A dict is a tool in the
                provider's own form, which the provider runs.
            max_rounds: requests at most. Where the model wants more, its last calls are still carried out, and
                `response.finish_reason` is "max_rounds".
            tool_timeout: seconds for one call from its beginning; None for no limit. A function that runs in a thread
                cannot be stopped: it is left behind, and what it returns is dropped.
            max_result_chars: characters of one result at most; what is beyond is cut off, with a note.
            on_round: called with the conversation so far (a copy) and that round's response, after its tools have run,
                one round after another. What it raises ends the loop as an error that keeps everything.
            approve: called with each call before it is run; nothing but True allows it. May wait for a person.

        Other arguments as in `process_prompts_sync`.

        Raises:
            ConfigError, MissingKeyError: before anything is sent.
            Interrupted: Ctrl-C. Its `responses` has what is returned otherwise, up to there, or None.
        """
        loop = self._agent_loop(
            conversation,
            tools=tools,
            max_rounds=max_rounds,
            tool_timeout=tool_timeout,
            max_result_chars=max_result_chars,
            on_round=on_round,
            approve=approve,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        )
        self._agents.start(loop)
        return _wait(loop)

    def start_agent_loop_nowait(
        self,
        conversation: Prompt,
        *,
        tools: Sequence[AgentTool] | None = None,
        max_rounds: int = 5,
        tool_timeout: float | None = 60,
        max_result_chars: int = 100_000,
        on_round: RoundHook | None = None,
        approve: Callable[[ToolCall], Any] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> int:
        """Begin what `run_agent_loop_sync` does and return at once: an id for `wait_for_agent_loop`.

        Thousands may be under way at the same time; none of them holds a thread while it waits.
        """
        loop = self._agent_loop(
            conversation,
            loop_id=self._agents.next_id(),
            tools=tools,
            max_rounds=max_rounds,
            tool_timeout=tool_timeout,
            max_result_chars=max_result_chars,
            on_round=on_round,
            approve=approve,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        )
        self._agents.keep(loop)  # first, so that a Ctrl-C cannot lose what was begun
        try:
            self._agents.start(loop)
        except ClientClosedError:
            self._agents.hand_out(loop)
            raise
        return loop.id

    def wait_for_agent_loop_sync(self, task_id: int) -> Outcome:
        """What the loop of this id gave, once it has ended. It is handed out once.

        Raises:
            UnknownTaskError: there is no such loop, or its outcome was handed out.
            Interrupted: Ctrl-C, which ends this loop. It can still be waited for, and so can all others.
        """
        loop = self._agents.find(task_id)
        outcome = _wait(loop)
        self._agents.hand_out(loop)
        return outcome

    def process_agent_loops_sync(
        self,
        conversations: Iterable[Prompt] | Prompt,
        *,
        tools: Sequence[AgentTool] | None = None,
        max_rounds: int = 5,
        show_progress: bool = True,
        tool_timeout: float | None = 60,
        max_result_chars: int = 100_000,
        on_round: RoundHook | None = None,
        approve: Callable[[ToolCall], Any] | None = None,
        output_schema: Any = None,
        cache: str | None = None,
        service_tier: str | None = None,
        prefer_model: str | None = None,
    ) -> list[Outcome]:
        """Run a loop for each conversation, at most 2,500 at once, and wait: `(conversation, response)` in their order.

        Arguments as in `run_agent_loop_sync`; a response's `id` is the place of its conversation. One that cannot be
        read becomes an error response. The progress display counts rounds.

        Raises:
            ConfigError, MissingKeyError: before anything is sent.
            Interrupted: Ctrl-C. Its `responses` has, in the same order, what every loop had come to, or None.
        """
        call = self._agent_loops(
            conversations,
            show_progress=show_progress,
            tools=tools,
            max_rounds=max_rounds,
            tool_timeout=tool_timeout,
            max_result_chars=max_result_chars,
            on_round=on_round,
            approve=approve,
            output_schema=output_schema,
            cache=cache,
            service_tier=service_tier,
            prefer_model=prefer_model,
        )
        try:
            return call.run()
        except KeyboardInterrupt:
            raise Interrupted(call.partial(wait_s=_LAST_WORDS_S)) from None

    # --- how a loop is made

    def _agent_loop(
        self, conversation: Any, *, loop_id: int = 0, event_loop: AbstractEventLoop | None = None, **options: Any
    ) -> AgentLoop:
        make = self._loop_maker(event_loop, **options)
        return make(loop_id, to_conversation(conversation))

    def _agent_loops(
        self, conversations: Any, *, show_progress: bool, event_loop: AbstractEventLoop | None = None, **options: Any
    ) -> Collect[Outcome]:
        conversations = as_prompts(conversations)
        make, engine = self._loop_maker(event_loop, **options), self._running_engine()

        def prepare(position: int, prompt: Any) -> AgentLoop | _Refused:
            try:
                return make(position, to_conversation(prompt))
            except ConfigError as error:
                return _refused(engine, position, error)

        feed = Feed[Outcome](
            conversations, prepare, self._agents.start, _stop_all, window=_WINDOW, is_answer=_has_paid_round
        )
        return Collect(feed, self._display(0, show=show_progress), length_of(conversations))

    def _loop_maker(
        self,
        event_loop: AbstractEventLoop | None,
        *,
        tools: Any,
        max_rounds: int,
        tool_timeout: float | None,
        max_result_chars: int,
        on_round: RoundHook | None,
        approve: Callable[[ToolCall], Any] | None,
        **extras: Any,
    ) -> Callable[[int, Conversation], AgentLoop]:
        """Makes loops that share what one call of the client learns about keys and models."""
        settings.check_whole_numbers(max_rounds=max_rounds, max_result_chars=max_result_chars)
        if tool_timeout is not None:
            settings.check_numbers(tool_timeout=tool_timeout)
        settings.check_callable("on_round", on_round)
        settings.check_callable("approve", approve)
        toolbox, rules = Toolbox(tools), Rules(tool_timeout, max_result_chars, approve)
        plan = Plan(self._extras(tools=toolbox.offered, **extras), max_rounds, on_round, self.tracker.expect)
        engine, run, workshop = self._running_engine(), Run(), self._agents.workshop

        def make(loop_id: int, conversation: Conversation) -> AgentLoop:
            crew = Crew(workshop, toolbox, rules, loop=event_loop)
            return AgentLoop(loop_id, conversation, engine=engine, run=run, crew=crew, plan=plan)

        return make


def _wait(loop: AgentLoop) -> Outcome:
    """The loop's outcome. The wait is cut in slices for Ctrl-C, as in `Feed`."""
    try:
        while True:
            with suppress(TimeoutError):
                return loop.future.result(timeout=_SIGNAL_CHECK_S)
    except KeyboardInterrupt:
        loop.stop()
        raise Interrupted([_last_words(loop)]) from None


def _last_words(loop: AgentLoop) -> Outcome | None:
    """What a loop that was stopped has to show, or None."""
    with suppress(TimeoutError):
        outcome = loop.future.result(timeout=_LAST_WORDS_S)
        return outcome if _has_paid_round(outcome) else None
    return None


def _has_paid_round(outcome: Outcome) -> bool:
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
