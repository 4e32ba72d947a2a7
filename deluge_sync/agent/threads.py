"""A bounded number of daemon threads for what blocks: tools, approvals and hooks.

Not an executor: that one joins its threads when the interpreter ends, and a call that never returns takes a thread of
it for good. Here a call that overruns its time is written off, and another thread takes its place.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.errors import ClientClosedError

if TYPE_CHECKING:
    from deluge_sync.agent.alarms import Alarm, Alarms

__all__ = ["ToolThreads"]

_IDLE_S: Final = 5.0
_JOIN_S: Final = 1.0


@dataclass(slots=True, eq=False)
class _Errand:
    call: Callable[[], Any]
    timeout_s: float | None
    outcome: Future[Any] = field(default_factory=Future)
    alarm: Alarm | None = None
    is_over: bool = False
    is_written_off: bool = False


class ToolThreads:
    """Runs calls in at most `most` threads, first come, first served. Thread-safe.

    Beside them live the threads of calls that were written off: they cannot be stopped. Once there are
    `most_written_off` of them nothing new is taken, or every further call might cost one more thread.
    `_changed` guards all attributes; calls and futures are touched outside it.
    """

    def __init__(self, alarms: Alarms, *, most: int = 32, most_written_off: int = 256) -> None:
        self._alarms = alarms
        self._most = most
        self._most_written_off = most_written_off
        self._changed = threading.Condition()
        self._waiting: deque[_Errand] = deque()
        self._idle: set[threading.Thread] = set()
        self._alive = 0
        self._written_off = 0
        self._is_closed = False

    def run(self, call: Callable[[], Any], *, timeout_s: float | None = None) -> Future[Any]:
        """Run `call` when a thread is free. `timeout_s` counts from then.

        The future gets what it returns or raises; TimeoutError when it overran; RuntimeError when it cannot be run. It
        can be cancelled while it waits.
        """
        errand = _Errand(call, timeout_s)
        refusal = self._accept(errand)
        if refusal is not None:
            errand.outcome.set_exception(refusal)
        return errand.outcome

    def close(self) -> None:
        """Run nothing more and end the idle threads. What runs is left to its end."""
        with self._changed:
            self._is_closed = True
            dropped, idle = list(self._waiting), list(self._idle)
            self._waiting.clear()
            self._changed.notify_all()
        for errand in dropped:
            if errand.outcome.set_running_or_notify_cancel():
                errand.outcome.set_exception(ClientClosedError("the client is closed"))
        for thread in idle:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)

    def _accept(self, errand: _Errand) -> RuntimeError | None:
        """Queue the errand, or say why not."""
        with self._changed:
            if self._is_closed:
                return ClientClosedError("the client is closed")
            if self._written_off >= self._most_written_off:
                return RuntimeError(f"not run: {self._written_off} earlier calls overran their time and still run")
            self._waiting.append(errand)
            self._changed.notify()
            return self._grow()

    def _grow(self) -> RuntimeError | None:
        """Under the lock: start a thread if one is needed. That it cannot be matters only where there is no other."""
        if len(self._waiting) <= len(self._idle) or self._alive >= self._most:
            return None
        try:
            threading.Thread(target=self._work, name="deluge-sync-tool", daemon=True).start()
        except RuntimeError as error:
            if self._alive:
                return None
            self._waiting.pop()
            return error
        self._alive += 1
        return None

    def _work(self) -> None:
        while (errand := self._next()) is not None:
            if not self._carry_out(errand):
                return

    def _next(self) -> _Errand | None:
        """Wait for an errand. None: the thread may end."""
        thread = threading.current_thread()
        with self._changed:
            self._idle.add(thread)
            has_waited = False
            while not self._waiting and not self._is_closed and not has_waited:
                has_waited = not self._changed.wait(_IDLE_S)
            self._idle.discard(thread)
            if self._waiting:
                return self._waiting.popleft()
            self._alive -= 1
            return None

    def _carry_out(self, errand: _Errand) -> bool:
        """Whether the thread may go on: a written-off one was replaced."""
        if not errand.outcome.set_running_or_notify_cancel():
            return True
        if errand.timeout_s is not None:
            errand.alarm = self._alarms.set(errand.timeout_s, lambda: self._write_off(errand))
        value, error = None, None
        try:
            value = errand.call()
        except BaseException as raised:  # noqa: BLE001  (the caller's function; it is told through the future)
            error = raised
        with self._changed:
            errand.is_over = True
            self._written_off -= errand.is_written_off
        if errand.alarm is not None:
            errand.alarm.cancel()
        if errand.is_written_off:
            return False
        errand.outcome.set_result(value) if error is None else errand.outcome.set_exception(error)
        return True

    def _write_off(self, errand: _Errand) -> None:
        with self._changed:
            if errand.is_over:
                return
            errand.is_written_off = True
            self._written_off += 1
            self._alive -= 1
            self._grow()
        errand.outcome.set_exception(TimeoutError(f"it did not finish within {errand.timeout_s:g} s"))
