"""What `LLMClient` shows of its work: a display for each call, or one over many calls from `open` to `close`."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Self

from deluge_sync.client import settings
from deluge_sync.tracker import Snapshot

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from deluge_sync.agent import Agents
    from deluge_sync.tool.mcp.registry import Holder
    from deluge_sync.tracker import Tracker

__all__ = ["Opening"]


class _Session:
    """From `open` to `close`. `before` is what the tracker had counted when it began."""

    def __init__(self, before: Snapshot, *, is_total_known: bool) -> None:
        self.before = before
        self.is_total_known = is_total_known
        self.display = ExitStack()


class Opening:
    """`LLMClient` inherits from it and makes what is declared here; its `_lock` guards `_session`."""

    if TYPE_CHECKING:
        name: str | None
        progress: settings.Progress
        tracker: Tracker
        _lock: threading.Lock
        _is_closed: bool
        _made_agents: Agents | None
        _mcp: Holder

    _session: _Session | None = None

    def open(self, total: int | None = None, show_progress: bool = True) -> Self:
        """Show one display over all calls and tasks until `close`, and return the client. Opens a closed one again.

        Nobody needs to open a client in order to use it: a call shows its own display, and threads and connections come
        with the first prompt. Needs no event loop and works inside one. A second `open` before `close` only adds its
        `total`.

        Args:
            total: prompts that will come; without it each call and task adds its own number when it begins.
            show_progress: False shows nothing until `close`, whatever the calls say.
        """
        if total is not None and total != 0:
            settings.check_whole_numbers(total=total)
        before = self.tracker.snapshot()
        with self._lock:
            if self._is_closed:
                if self._made_agents is not None:
                    self._made_agents.reopen()
                self._mcp.reopen()
                self._is_closed = False
            session = self._session
            is_new = session is None
            if session is None:
                session = self._session = _Session(before, is_total_known=total is not None)
        if total is not None:
            self.tracker.expect(total)
        if is_new and show_progress:
            self._show(session)
        return self

    def reset_tracker(self) -> None:
        """Count anew from 0, also on the display that `open` shows. What is under way goes on; budgets stay spent."""
        self.tracker.reset()
        session = self._session
        if session is not None:
            session.before, session.is_total_known = Snapshot(), False

    # --- how it is shown

    def _expect(self, count: int | None) -> None:
        """So many prompts will come, unless `open` was told of all of them."""
        session = self._session
        if session is None or not session.is_total_known:
            self.tracker.expect(count)

    def _display(self, total: int | None, *, show: bool) -> AbstractContextManager[object]:
        """The display of one call, of which `total` prompts will come."""
        tracker, before = self.tracker, self.tracker.snapshot()
        self._expect(total)
        if not show or self._session is not None:
            return nullcontext()
        return self._display_of(lambda: tracker.snapshot().since(before))

    def _show(self, session: _Session) -> None:
        tracker = self.tracker
        session.display.enter_context(self._display_of(lambda: tracker.snapshot().since(session.before)))

    def _display_of(self, snapshot: Callable[[], Snapshot]) -> AbstractContextManager[object]:
        from deluge_sync._display import open_display  # with the first call that is shown

        return open_display(self.progress, snapshot, label=self.name)

    def _end_session(self) -> None:
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.display.close()
