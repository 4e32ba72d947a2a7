"""The agent loops of `LLMClient`. `aio.agents` has the awaitable half."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.errors import ClientClosedError, Interrupted

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.engine import Engine
    from deluge_sync._engine.job import Run
    from deluge_sync.agent import AgentLoop, Agents, AgentTool, Outcome, RoundHook
    from deluge_sync.client.collect import Collect
    from deluge_sync.client.loop_maker import LoopMaker
    from deluge_sync.prompt import Prompt, ToolCall
    from deluge_sync.tracker import Tracker

__all__ = ["AgentCalls"]

_SIGNAL_CHECK_S: Final = 0.25
_LAST_WORDS_S: Final = 1.0


class AgentCalls:
    """The agent loops of a client. `LLMClient` inherits from it and makes what is declared here."""

    if TYPE_CHECKING:
        tracker: Tracker
        _lock: threading.Lock
        _is_closed: bool
        _task_numbers: Iterator[int]
        _made_agents: Agents | None

        def _running_engine(self) -> Engine: ...
        def _reached(self, tools: Any) -> Any: ...
        def _extras(
            self,
            *,
            tools: Any,
            output_schema: Any,
            cache: str | None,
            service_tier: str | None,
            prefer_model: str | None,
        ) -> Extras: ...
        def _run(self, max_cost: float | None, *, service_tier: str | None) -> Run: ...
        def _expect(self, count: int | None) -> None: ...
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
        max_cost: float | None = None,
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
            max_cost=max_cost,
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
        max_cost: float | None = None,
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
            max_cost=max_cost,
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
        max_cost: float | None = None,
    ) -> list[Outcome]:
        """Run a loop for each conversation, at most 2,500 at once, and wait: `(conversation, response)` in their order.

        Arguments as in `run_agent_loop_sync`; a response's `id` is the place of its conversation. One that cannot be
        read becomes an error response. The progress display counts rounds. `max_cost` is for all loops together.

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
            max_cost=max_cost,
        )
        try:
            return call.run()
        except KeyboardInterrupt:
            raise Interrupted(call.partial(wait_s=_LAST_WORDS_S)) from None

    # --- how a loop is made

    @property
    def _agents(self) -> Agents:
        """All loops of the client: those that run, and those whose outcome was not asked for."""
        from deluge_sync.agent import Agents  # with the first loop: prompts need none of it

        with self._lock:
            if self._made_agents is None:
                self._made_agents = Agents(self._task_numbers, is_closed=self._is_closed)
            return self._made_agents

    def _agent_loop(self, conversation: Any, **options: Any) -> AgentLoop:
        return self._loop_maker().loop(conversation, **options)

    def _agent_loops(self, conversations: Any, **options: Any) -> Collect[Outcome]:
        return self._loop_maker().loops(conversations, **options)

    def _loop_maker(self) -> LoopMaker:
        from deluge_sync.client.loop_maker import LoopMaker  # with the first loop: it loads all of `agent`

        return LoopMaker(self)


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
    from deluge_sync.client.loop_maker import has_paid_round  # the loop has loaded it

    with suppress(TimeoutError):
        outcome = loop.future.result(timeout=_LAST_WORDS_S)
        return outcome if has_paid_round(outcome) else None
    return None
