"""Sends requests over kept connections, one pool per origin, and turns whatever goes wrong into a `TransportError`.

Nothing is retried here but a connection that turns out stale at its first reuse, which no server has seen.
"""

from __future__ import annotations

import threading
from ssl import SSLCertVerificationError
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests.exceptions import RequestException
from urllib3 import Retry
from urllib3.exceptions import HTTPError, ProtocolError, SSLError

from deluge_sync._fork import start_afresh_in_child
from deluge_sync._http.connection import LeashedAdapter, leashed
from deluge_sync._http.leash import Leash, Reaper
from deluge_sync._http.message import HttpReply, HttpRequest
from deluge_sync._secret import Secret
from deluge_sync.errors import DeadlineExceededError, TransportError

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

__all__ = ["MAX_REPLY_BYTES", "Transport", "shared"]

MAX_REPLY_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_STALE_WITHIN_S = 1.0
_IDLE_S = 5.0
_ONCE = Retry(False, redirect=False)


class Transport:
    """Connections to any number of origins, for any number of threads.

    `_lock` guards the table of pools. After a fork the child starts with an empty table: a connection used by two
    processes hands one the other's answer.
    """

    def __init__(self, *, idle_s: float = _IDLE_S) -> None:
        """`idle_s` is how long the thread that keeps the deadlines waits for another call before it ends."""
        self._idle_s = idle_s
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._adapter = LeashedAdapter()
        self._pools: dict[str, HTTPConnectionPool] = {}
        self._reaper = Reaper(idle_s=self._idle_s)

    def send(self, request: HttpRequest, *, timeout_s: float, leash: Leash | None = None) -> HttpReply:
        """Send `request` and return the whole reply, whatever its status. Redirects are not followed.

        `timeout_s` is the total time from now to the last byte. With `leash`, its deadline counts instead, and another
        thread may cut the call.

        Raises:
            DeadlineExceededError: the time was up first.
            TransportError: no complete reply came; `kind` and `may_have_been_processed` say more.
        """
        leash = leash or Leash(monotonic() + timeout_s)
        self._reaper.watch(leash)
        try:
            outcome = self._send_fresh_or_reused(request, leash)
        finally:
            self._reaper.forget(leash)
        # Raised here and not where it was caught: a pending exception would carry the request with its headers.
        if isinstance(outcome, TransportError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Close the idle connections and end the reaper. A later `send` opens new ones."""
        with self._lock:
            self._pools.clear()
            self._adapter.close()
        self._reaper.close()

    def _send_fresh_or_reused(self, request: HttpRequest, leash: Leash) -> HttpReply | TransportError:
        """The outcome of one exchange, or of a second one if the first met a connection that had gone stale."""
        started = monotonic()
        outcome = self._exchange(request, leash)
        if _was_stale(outcome, leash) and monotonic() - started < _STALE_WITHIN_S:
            leash.on_fresh_connection, leash.was_sent = True, False
            return self._exchange(request, leash)
        return outcome

    def _exchange(self, request: HttpRequest, leash: Leash) -> HttpReply | TransportError:
        """The reply, or the error that took its place."""
        if _is_over(leash):
            return _broken_off(leash)
        with leashed(leash):
            try:
                return self._send_once(request, leash)
            except (HTTPError, RequestException, OSError, ValueError) as exc:
                return _translate(exc, leash)
            finally:
                leash.take_back()

    def _send_once(self, request: HttpRequest, leash: Leash) -> HttpReply | TransportError:
        pool = self._pool(request.url)
        response = pool.urlopen(
            request.method,
            _target(request.url, pool),
            body=request.body,
            headers={name: _reveal(value) for name, value in request.headers.items()},
            retries=_ONCE,
            redirect=False,
            assert_same_host=False,
            timeout=None,  # the leash keeps the time
            preload_content=False,
            decode_content=False,
        )
        if response.status < 200:
            response.close()
            return TransportError(
                "broken", f"only an interim reply came, status {response.status}", may_have_been_processed=True
            )
        body = _read_capped(response)
        if body is None:
            response.close()
            return _too_large(response.status)
        if leash.cut_reason is not None:
            # A reply that ends with its connection looks complete wherever it was cut.
            return _broken_off(leash)
        return HttpReply(response.status, {name.lower(): value for name, value in response.headers.items()}, body)

    def _pool(self, url: str) -> HTTPConnectionPool:
        origin = url[: _origin_length(url)]
        pool = self._pools.get(origin)
        if pool is None:
            with self._lock:
                pool = self._pools.get(origin) or self._adapter.pool_for(url)
                self._pools[origin] = pool
        return pool


def _was_stale(outcome: HttpReply | TransportError, leash: Leash) -> bool:
    """Whether a connection that had been idle was closed before any byte of the reply."""
    is_broken = isinstance(outcome, TransportError) and outcome.kind == "broken"
    return is_broken and leash.was_reused and not leash.has_reply_begun


def _is_over(leash: Leash) -> bool:
    return leash.cut_reason is not None or leash.remaining_s() == 0


def _broken_off(leash: Leash) -> TransportError:
    """The error of a call that is over, for the first reason there was."""
    if leash.cut_reason == "cancelled":
        return TransportError("cancelled", "the call was cut", may_have_been_processed=leash.was_sent)
    return DeadlineExceededError("no complete reply within the time limit", may_have_been_processed=leash.was_sent)


def _translate(exc: Exception, leash: Leash) -> TransportError:
    if _is_over(leash):
        return _broken_off(leash)
    if leash.was_sent:
        return TransportError("broken", f"the reply broke off: {_name(exc)}", may_have_been_processed=True)
    if isinstance(exc, SSLError) and isinstance(exc.args[0], SSLCertVerificationError):
        return TransportError("tls", "the server's certificate could not be verified", may_have_been_processed=False)
    if isinstance(exc, ValueError):
        # http.client quotes an illegal header in its message, and the header may be the key.
        message = f"the request has an illegal URL, header or proxy: {type(exc).__name__}"
        return TransportError("illegal", message, may_have_been_processed=False)
    return TransportError("connect", f"no connection: {_name(exc)}", may_have_been_processed=False)


def _name(exc: Exception) -> str:
    """What went wrong, without the URL and headers that the exception's own text may quote."""
    cause = exc.args[-1] if isinstance(exc, ProtocolError) and exc.args else exc.__cause__ or exc
    reason = getattr(cause, "strerror", None)
    return f"{type(cause).__name__} ({reason})" if reason else type(cause).__name__


def _too_large(status: int) -> TransportError:
    message = f"the reply of status {status} exceeds {MAX_REPLY_BYTES:,} bytes"
    return TransportError("too_large", message, may_have_been_processed=True)


def _read_capped(response: Any) -> bytes | None:
    """The whole decompressed body, or None when it exceeds the cap."""
    chunks: list[bytes] = []
    total = 0
    while chunk := response.read(_CHUNK_BYTES, decode_content=True):
        total += len(chunk)
        if total > MAX_REPLY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _reveal(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _origin_length(url: str) -> int:
    """Where scheme, host and port end: `https://host:1/path` gives 14."""
    end = url.find("/", url.find("://") + 3)
    return len(url) if end < 0 else end


def _target(url: str, pool: HTTPConnectionPool) -> str:
    """What stands in the request line: the path, or the whole URL for a proxy that forwards it."""
    is_forwarded = pool.proxy is not None and url[:5].lower() == "http:"
    return url if is_forwarded else url[_origin_length(url) :] or "/"


shared = Transport()
