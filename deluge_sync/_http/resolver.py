"""Looks host names up within a time limit. `getaddrinfo` has none and cannot be interrupted.

Each look-up runs in a daemon thread of its own; callers that ask for the same host meanwhile share it. Nothing is
remembered afterwards: caching names is the operating system's work.
"""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future

from deluge_sync._fork import start_afresh_in_child

__all__ = ["Resolver"]


class Resolver:
    """Thread-safe. `_lock` guards the table of look-ups under way."""

    def __init__(self) -> None:
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], Future[list[str]]] = {}

    def addresses(self, host: str, port: int, *, timeout_s: float) -> list[str]:
        """The numeric addresses of `host`, in the order they should be tried.

        Raises:
            socket.gaierror: there is no such host.
            TimeoutError: no answer within `timeout_s`; the look-up goes on for whoever asks next.
        """
        try:
            return _look_up(host, port, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            return list(self._shared_look_up(host, port).result(timeout_s))

    def _shared_look_up(self, host: str, port: int) -> Future[list[str]]:
        key = (host, port)
        with self._lock:
            future = self._under_way.get(key)
            if future is not None:
                return future
            future = self._under_way[key] = Future()
        threading.Thread(target=self._resolve, args=(key, future), name=f"deluge-sync-dns-{host}", daemon=True).start()
        return future

    def _resolve(self, key: tuple[str, int], future: Future[list[str]]) -> None:
        error: OSError | UnicodeError | None = None
        addresses: list[str] = []
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


def _look_up(host: str, port: int, *, flags: int = 0) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
