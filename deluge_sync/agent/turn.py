"""The tool calls of one answer, carried out at the same time: each becomes a result, whatever happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.agent.results import error_result, failed_result
from deluge_sync.agent.toolbox import readable_call
from deluge_sync.errors import ToolArgumentsError
from deluge_sync.prompt.parts import ToolCall, ToolResult
from deluge_sync.tool.running import run_blocking

if TYPE_CHECKING:
    from deluge_sync.agent.crew import Crew

__all__ = ["Turn"]

log = logging.getLogger(__name__)

_ABANDONED: Final = "cancelled: the agent loop was ended before this call had finished"


class Turn:
    """Carries out `calls`. `done` gets the results in the calls' order, once, in whichever thread had the last one.

    `begin` once; `abandon` from any thread. `_lock` guards the results; a call that has one takes no other.
    """

    def __init__(
        self, calls: Sequence[ToolCall], crew: Crew, done: Callable[[list[ToolResult]], None], *, was_cut_off: bool
    ) -> None:
        self._calls = calls
        self._crew = crew
        self._done = done
        self._was_cut_off = was_cut_off
        self._lock = threading.Lock()
        self._results: dict[int, ToolResult] = {}
        self._under_way: dict[int, Future[Any]] = {}

    def begin(self) -> None:
        """Start all calls. None waits for another, as far as there are threads."""
        for place, call in enumerate(self._calls):
            self._consider(place, call)

    def abandon(self) -> None:
        """Answer every call that has no result yet with one that says so, and cancel what can be cancelled."""
        for place, call in enumerate(self._calls):
            self._put(place, error_result(call, _ABANDONED))
        for future in list(self._under_way.values()):
            future.cancel()

    def _consider(self, place: int, call: ToolCall) -> None:
        if self._crew.toolbox.find(call.name) is None:
            names = ", ".join(self._crew.toolbox.names) or "none"
            self._put(place, error_result(call, f"there is no tool {call.name!r} here; the tools are: {names}"))
        elif self._crew.rules.approve is None and not call.is_malformed:
            self._run(place, call)
        else:
            self._follow(place, self._crew.in_thread(self._checked, call), self._checked_off)

    def _checked(self, call: ToolCall) -> ToolCall | ToolResult:
        """The call as it shall be run, or why it shall not. In a thread: repairing takes time, a person even more."""
        try:
            readable = readable_call(call, was_cut_off=self._was_cut_off)
        except ToolArgumentsError as error:
            return failed_result(call, error)
        return readable if self._is_approved(readable) else error_result(call, "refused: the user did not allow it")

    def _is_approved(self, call: ToolCall) -> bool:
        """Nothing but True allows a call: a text such as "no" counts as true elsewhere."""
        approve = self._crew.rules.approve
        if approve is None:
            return True
        try:
            verdict = run_blocking(partial(approve, call))
        except Exception as error:  # the caller's function may raise anything
            log.warning("approve failed, so the call is refused: %s", type(error).__name__, exc_info=True)
            return False
        if not isinstance(verdict, bool):
            log.warning("approve gave a %s instead of a bool, so the call is refused", type(verdict).__name__)
        return verdict is True

    def _checked_off(self, place: int, found: ToolCall | ToolResult) -> None:
        if isinstance(found, ToolCall):
            self._run(place, found)
        else:
            self._put(place, found)

    def _run(self, place: int, call: ToolCall) -> None:
        if place in self._results:
            return  # abandoned meanwhile
        tool = self._crew.toolbox.find(call.name)
        assert tool is not None  # looked up before
        self._follow(place, self._crew.carry_out(tool, call), self._put)

    def _follow(self, place: int, future: Future[Any], then: Callable[[int, Any], None]) -> None:
        """Go on with `then` once the future has a value; otherwise the call's result is what kept it from one."""
        self._under_way[place] = future

        def go_on(future: Future[Any]) -> None:
            try:
                then(place, future.result())
            except (Exception, CancelledError) as error:  # noqa: BLE001  (whatever it is, the call is answered)
                self._put(place, failed_result(self._calls[place], error))

        future.add_done_callback(go_on)
        if place in self._results:  # looked at after it was noted down: `abandon` writes the result first
            future.cancel()

    def _put(self, place: int, result: ToolResult) -> None:
        with self._lock:
            if place in self._results:
                return
            self._results[place] = result
            is_last = len(self._results) == len(self._calls)
        if is_last:
            self._done([self._results[place] for place in range(len(self._calls))])
