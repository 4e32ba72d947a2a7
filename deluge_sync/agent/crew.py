"""What carries out the tool calls of an agent loop: threads, event loops, time limits and the caller's rules."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.agent.alarms import Alarms
from deluge_sync.agent.coroutines import LoopThread, run_in_loop
from deluge_sync.agent.results import failed_result, tool_result
from deluge_sync.agent.threads import ToolThreads
from deluge_sync.errors import MCPToolError, ToolArgumentsError
from deluge_sync.prompt.parts import ToolResult
from deluge_sync.tool.running import is_async

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from deluge_sync.agent.toolbox import Toolbox
    from deluge_sync.prompt.parts import ToolCall
    from deluge_sync.tool import Tool

__all__ = ["Crew", "Rules", "Workshop"]

log = logging.getLogger(__name__)

# A tool may run an agent of its own and wait for it. Its tools get other threads, or all could wait for one another.
_DEPTH: Final[contextvars.ContextVar[int]] = contextvars.ContextVar("deluge_sync_agent_depth", default=0)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the caller said about tool calls. `tool_timeout_s` None: no limit."""

    tool_timeout_s: float | None = 60.0
    max_result_chars: int = 100_000
    approve: Callable[[ToolCall], Any] | None = None


class Workshop:
    """The threads and the event loop that all agent loops of one client share; begun when first used. Thread-safe."""

    def __init__(self) -> None:
        self.alarms = Alarms()
        self.async_tools = LoopThread()
        self._threads: dict[int, ToolThreads] = {}

    def threads(self, depth: int) -> ToolThreads:
        """The threads for loops that were begun at this depth: 0, or 1 inside the tool of such a loop, and so on."""
        return self._threads.get(depth) or self._threads.setdefault(depth, ToolThreads(self.alarms))

    def close(self) -> None:
        """Run nothing more. What runs in a thread is left to its end, what is async is cancelled."""
        for threads in list(self._threads.values()):
            threads.close()
        self.async_tools.close()


class Crew:
    """Runs what one agent loop needs to have run, each with the context variables of whoever made the crew."""

    def __init__(
        self, workshop: Workshop, toolbox: Toolbox, rules: Rules, *, loop: AbstractEventLoop | None = None
    ) -> None:
        self.toolbox = toolbox
        self.rules = rules
        self._workshop = workshop
        self._context = contextvars.copy_context()
        depth = _DEPTH.get()
        self._threads = workshop.threads(depth)
        self._inner = contextvars.copy_context()
        self._inner.run(_DEPTH.set, depth + 1)
        self._loop = loop

    def within(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function` here and now, with the caller's context variables."""
        return self._context.copy().run(partial(function, *args, **kwargs))

    def in_thread(self, function: Callable[..., Any], *args: Any, timeout_s: float | None = None) -> Future[Any]:
        """Call `function` in a thread."""
        # A copy each: a context can be entered by one thread at a time.
        return self._threads.run(partial(self._inner.copy().run, function, *args), timeout_s=timeout_s)

    def carry_out(self, tool: Tool, call: ToolCall) -> Future[ToolResult]:
        """Run the tool. The future gets its result, also if the tool fails; its exception says why it did not end."""
        timeout_s = self.rules.tool_timeout_s
        if tool.run is None or not is_async(tool.run):
            return self.in_thread(self._run, tool, call, timeout_s=timeout_s)
        return run_in_loop(
            self._loop or self._workshop.async_tools.loop(),
            partial(self._arun, tool, call),
            context=self._inner.copy(),
            alarms=self._workshop.alarms,
            timeout_s=timeout_s,
        )

    def _run(self, tool: Tool, call: ToolCall) -> ToolResult:
        try:
            return self._told(call, tool.call(**call.arguments))
        except MCPToolError as error:
            return self._told_failure(call, error)
        except BaseException as error:  # noqa: BLE001  (a tool may raise anything, such as argparse's SystemExit)
            return _failed(call, error)

    async def _arun(self, tool: Tool, call: ToolCall) -> ToolResult:
        try:
            return self._told(call, await tool.acall(**call.arguments))
        except MCPToolError as error:
            return self._told_failure(call, error)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a SystemExit would end the loop and all in it)
            return _failed(call, error)

    def _told_failure(self, call: ToolCall, error: MCPToolError) -> ToolResult:
        """The server's own words and images for what went wrong, which are meant for the model."""
        log.debug("MCP server %r says that a call of %s failed", error.server_name, error.tool_name)
        return self._told(call, ToolResult(call.id, error.parts or str(error), is_error=True))

    def _told(self, call: ToolCall, value: Any) -> ToolResult:
        return tool_result(call, value, max_chars=self.rules.max_result_chars)


def _failed(call: ToolCall, error: BaseException) -> ToolResult:
    if isinstance(error, ToolArgumentsError):
        log.debug("the model called %s with arguments that do not fit", call.name)
    else:
        log.warning("tool %s failed: %s", call.name, type(error).__name__, exc_info=error)
    return failed_result(call, error)
