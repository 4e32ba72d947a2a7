"""The hold that another thread has on a call in flight: it can cut what the call is waiting for at any moment.

A socket timeout bounds one read, so a peer that sends a byte now and then is never late. The total time of a call is
therefore kept from outside: a `Reaper` thread shuts the socket down when the time is up, which wakes the blocked call
at once. `close()` would not wake it.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CutReason", "Leash", "Reaper", "calling", "leashed", "shut_down"]

_IDLE_S = 5.0
_LONGEST_WAIT_S = 86_400.0

CutReason = Literal["timeout", "idle", "cancelled"]


class Leash:
    """One call in flight. The calling thread lends a way to wake it; any thread may `cut`.

    `deadline` is an instant of `monotonic()`; `idle_s` bounds each wait for the server's next byte, once the request
    has left. `sends` is how often the request left, which is twice if it met a connection that had gone stale, and
    `delivered_bytes` how much of the reply was handed over.

    The calling thread sets them all. `_lock` guards what is lent and the reason, so that a socket that has gone back
    to the pool, where another call may have taken it, is never cut.
    """

    __slots__ = (
        "_cut_reason",
        "_hang_up",
        "_let_go",
        "_listens_since",
        "_lock",
        "deadline",
        "delivered_bytes",
        "has_reply_begun",
        "idle_s",
        "on_fresh_connection",
        "sends",
        "was_reused",
        "was_sent",
    )

    def __init__(self, deadline: float, *, idle_s: float = inf) -> None:
        self.deadline = deadline
        self.idle_s = idle_s
        self.sends = 0
        self.delivered_bytes = 0
        self.was_sent = False
        self.was_reused = False
        self.has_reply_begun = False
        self.on_fresh_connection = False
        self._listens_since = inf
        self._lock = threading.Lock()
        self._hang_up: Callable[[], None] | None = None
        self._let_go: Callable[[], None] | None = None
        self._cut_reason: CutReason | None = None

    @property
    def cut_reason(self) -> CutReason | None:
        """Why the call was cut, or None."""
        return self._cut_reason

    def remaining_s(self) -> float:
        """Seconds until the deadline, never negative, and never more than the system's timers take."""
        return min(max(0.0, self.deadline - monotonic()), _LONGEST_WAIT_S)

    def listen(self) -> None:
        """From now on the server has `idle_s` for its next byte. Costs no more than a look at the clock."""
        self._listens_since = monotonic()

    def look_away(self) -> None:
        """Nobody waits for the server now: what it has sent is being used."""
        self._listens_since = inf

    def overdue(self, now: float) -> CutReason | None:
        """Why the call is to be cut at `now`, or None."""
        if self.deadline <= now:
            return "timeout"
        return "idle" if self._listens_since + self.idle_s <= now else None

    def due_at(self, now: float) -> float:
        """When to look again whether it is `overdue`: never later than the instant at which it can become so.

        While nobody listens that is `idle_s` from now, because listening may begin at any moment.
        """
        return min(self.deadline, min(self._listens_since, now) + self.idle_s)

    def lend(self, hang_up: Callable[[], None], let_go: Callable[[], None] | None = None) -> None:
        """From now on `cut` calls `hang_up`, which must wake the calling thread; at once if the call is cut already.

        `let_go` is called when something else is lent or this is taken back.
        """
        with self._lock:
            self._drop()
            self._hang_up, self._let_go = hang_up, let_go
            if self._cut_reason is not None:
                hang_up()

    def take_back(self) -> None:
        """Nothing is to be cut any more: the socket goes back to the pool or is closed."""
        with self._lock:
            self._drop()

    def cut(self, reason: CutReason) -> None:
        """Wake the call, which then fails. The first reason stays; a call that has ended is not disturbed."""
        with self._lock:
            if self._cut_reason is None:
                self._cut_reason = reason
            if self._hang_up is not None:
                self._hang_up()

    def _drop(self) -> None:
        if self._let_go is not None:
            self._let_go()
        self._hang_up = self._let_go = None


calling = threading.local()
"""`calling.leash` is the leash of the call that this thread is making."""


class leashed:  # noqa: N801  (used like a function; a generator would take four times as long)
    """Within the block, connections used by this thread are lent to `leash`.

    Blocks may be nested: whoever is handed a chunk of one reply may send another request.
    """

    __slots__ = ("_leash", "_outer")

    def __init__(self, leash: Leash) -> None:
        self._leash = leash

    def __enter__(self) -> None:
        self._outer = getattr(calling, "leash", None)
        calling.leash = self._leash

    def __exit__(self, *_: object) -> None:
        calling.leash = self._outer


def shut_down(sock: socket.socket) -> None:
    """Wake whoever connects, sends or reads on the connection, through `sock` or a duplicate of it."""
    # The plain method also on a TLS socket: SSLSocket.shutdown would first drop its TLS state under the reader's feet,
    # which could then return ciphertext as if it were the reply.
    with suppress(OSError):  # the peer was faster
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Reaper:
    """Cuts every watched leash that is overdue, within a few milliseconds.

    One daemon thread, started with the first leash; it ends when `idle_s` have passed and it finds none. `_lock`
    guards everything. The thread looks at every leash when it wakes, which it does for deadlines and idle limits only:
    with calls that end in time and streams that flow that is once in a while, so a plain set does, and a call that has
    ended leaves nothing behind. A byte that arrives moves an idle limit without the thread being told: it finds that
    out when it wakes for the old one.
    """

    def __init__(self, *, idle_s: float = _IDLE_S) -> None:
        self._lock = threading.Lock()  # of `_changed`, which is only entered by who waits or notifies: it takes longer
        self._changed = threading.Condition(self._lock)
        self._watched: set[Leash] = set()
        self._wakes_at = 0.0
        self._idle_s = idle_s
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def watch(self, leash: Leash) -> None:
        """Cut `leash` at its deadline, or when it has been idle for too long, unless it is forgotten by then."""
        with self._lock:
            self._is_closing = False
            self._watched.add(leash)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="deluge-sync-reaper", daemon=True)
                thread.start()
                self._thread = thread
            elif leash.due_at(monotonic()) < self._wakes_at:
                self._changed.notify_all()

    def forget(self, leash: Leash) -> None:
        """The call has ended."""
        with self._lock:
            self._watched.discard(leash)
            if self._is_closing and not self._watched:
                self._changed.notify_all()

    def close(self) -> None:
        """End the thread, or let it end with the last call in flight. A later `watch` starts anew."""
        with self._changed:
            self._is_closing = True
            if self._watched:
                return
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while due := self._wait_for_due():
            for leash, reason in due.items():
                leash.cut(reason)

    def _wait_for_due(self) -> dict[Leash, CutReason]:
        """The leashes that are overdue and why, no longer watched; none when the thread is to end."""
        with self._changed:
            while self._thread is threading.current_thread():
                now = monotonic()
                due = {leash: reason for leash in self._watched if (reason := leash.overdue(now))}
                if due:
                    self._watched.difference_update(due)
                    return due
                idle_s = 0.0 if self._is_closing else self._idle_s
                self._wakes_at = min((leash.due_at(now) for leash in self._watched), default=now + idle_s)
                was_notified = self._changed.wait(min(self._wakes_at - now, self._idle_s))
                if not was_notified and not self._watched:
                    self._thread = None
            return {}
