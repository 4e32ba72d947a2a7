"""The hold that another thread has on a call in flight: it can cut the call's socket at any moment.

A socket timeout bounds one read, so a peer that sends a byte now and then is never late. The total time of a call is
therefore kept from outside: a `Reaper` thread shuts the socket down when the time is up, which wakes the blocked call
at once. `close()` would not wake it.
"""

from __future__ import annotations

import heapq
import itertools
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import Literal

__all__ = ["CutReason", "Leash", "Reaper"]

_IDLE_S = 5.0

CutReason = Literal["timeout", "cancelled"]


class Leash:
    """One call in flight. The calling thread lends its socket; any thread may `cut`.

    `_lock` guards the socket and the reason, so that a socket that has gone back to the pool, where another call may
    have taken it, is never cut.
    """

    __slots__ = (
        "_cut_reason",
        "_lock",
        "_owns_socket",
        "_socket",
        "deadline",
        "on_fresh_connection",
        "was_reused",
        "was_sent",
    )

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.was_sent = False
        self.was_reused = False
        self.on_fresh_connection = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._owns_socket = False
        self._cut_reason: CutReason | None = None

    @property
    def cut_reason(self) -> CutReason | None:
        """Why the call was cut, or None."""
        return self._cut_reason

    def remaining_s(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - monotonic())

    def lend(self, sock: socket.socket, *, owned: bool = False) -> None:
        """Make `sock` the one that `cut` shuts down. An owned socket is closed when it is replaced or taken back."""
        with self._lock:
            self._drop()
            self._socket, self._owns_socket = sock, owned
            if self._cut_reason is not None:
                _shut_down(sock)

    def take_back(self) -> None:
        """Nothing is to be cut any more: the socket goes back to the pool or is closed."""
        with self._lock:
            self._drop()

    def cut(self, reason: CutReason) -> None:
        """Wake the call, which then fails. The first reason stays; a call that has ended is not disturbed."""
        with self._lock:
            if self._cut_reason is None:
                self._cut_reason = reason
            if self._socket is not None:
                _shut_down(self._socket)

    def _drop(self) -> None:
        if self._owns_socket and self._socket is not None:
            self._socket.close()
        self._socket, self._owns_socket = None, False


def _shut_down(sock: socket.socket) -> None:
    # The plain method also on a TLS socket: SSLSocket.shutdown would first drop its TLS state under the reader's feet,
    # which could then return ciphertext as if it were the reply.
    with suppress(OSError):  # the peer was faster
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Reaper:
    """Cuts every watched leash that is over its deadline, within a few milliseconds.

    One daemon thread, started with the first leash and ended when there has been none for a while. A call that ended
    in time stays in the heap until its deadline, as a leash without a socket. `_changed` guards the heap.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[tuple[float, int, Leash]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, leash: Leash) -> None:
        """Cut `leash` at its deadline, unless its call has ended by then."""
        with self._changed:
            heapq.heappush(self._heap, (leash.deadline, next(self._order), leash))
            if self._thread is None:
                self._closed = False
                self._thread = threading.Thread(target=self._run, name="deluge-sync-reaper", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is leash:
                self._changed.notify()

    def close(self) -> None:
        """End the thread. What is still watched is no longer cut; a later `watch` starts anew."""
        with self._changed:
            self._closed = True
            self._heap.clear()
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while (due := self._wait_for_due()) is not None:
            for leash in due:
                leash.cut("timeout")

    def _wait_for_due(self) -> list[Leash] | None:
        with self._changed:
            while not self._closed:
                now = monotonic()
                due = []
                while self._heap and self._heap[0][0] <= now:
                    due.append(heapq.heappop(self._heap)[2])
                if due:
                    return due
                if not self._changed.wait(self._heap[0][0] - now if self._heap else _IDLE_S) and not self._heap:
                    self._thread = None
                    return None
            return None
