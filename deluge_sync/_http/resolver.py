"""Looks host names up within a time limit. `getaddrinfo` has none and cannot be interrupted.

Each look-up runs in a daemon thread of its own; callers that ask for the same host meanwhile share it. Nothing is
remembered afterwards: caching names is the operating system's work. Called by the connections of this package.
"""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from deluge_sync._fork import start_afresh_in_child

if TYPE_CHECKING:
    from deluge_sync._http.leash import Leash

__all__ = ["Address", "Resolver"]

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""What `socket.socket` and its `connect` want."""


class Resolver:
    """Thread-safe. `_lock` guards the table of look-ups under way."""

    def __init__(self) -> None:
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], Future[list[Address]]] = {}

    def addresses(self, host: str, port: int, leash: Leash) -> list[Address]:
        """The addresses of `host`, in the order they should be tried.

        Raises:
            socket.gaierror: there is no such host.
            TimeoutError: the call's time was up, or it was cut; the look-up goes on for whoever asks next.
        """
        try:
            return _look_up(host, port, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            future = self._shared_look_up(host, port)
        is_over = threading.Event()
        leash.lend(is_over.set)
        future.add_done_callback(lambda _: is_over.set())
        is_over.wait(leash.remaining_s())
        return future.result(timeout=0)

    def _shared_look_up(self, host: str, port: int) -> Future[list[Address]]:
        key = (host, port)
        with self._lock:
            future = self._under_way.get(key)
            if future is not None:
                return future
            future = self._under_way[key] = Future()
        threading.Thread(target=self._resolve, args=(key, future), name=f"deluge-sync-dns-{host}", daemon=True).start()
        return future

    def _resolve(self, key: tuple[str, int], future: Future[list[Address]]) -> None:
        error: OSError | UnicodeError | None = None
        addresses: list[Address] = []
        try:
            addresses = _look_up(*key)
        except (OSError, UnicodeError) as exc:
            error = exc
        with self._lock:
            del self._under_way[key]
        if error is None:
            future.set_result(addresses)
        else:
            future.set_exception(socket.gaierror(socket.EAI_NONAME, f"cannot resolve {key[0]!r}"))


def _look_up(host: str, port: int, *, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys((family, address) for family, *_, address in found))
