"""Sends requests over kept connections, one pool per origin, and turns whatever goes wrong into a `TransportError`.

Nothing is retried here but a connection that turns out stale at its first reuse, which no server has seen.
"""

from __future__ import annotations

import os
import threading
from http.client import RemoteDisconnected
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest
from requests.exceptions import RequestException
from requests.structures import CaseInsensitiveDict
from urllib3 import Timeout
from urllib3.exceptions import HTTPError, ProtocolError, SSLError

from deluge_sync._fork import start_afresh_in_child
from deluge_sync._http.connection import LeashedAdapter, leashed
from deluge_sync._http.leash import Leash, Reaper
from deluge_sync._http.message import HttpReply, HttpRequest
from deluge_sync._secret import Secret
from deluge_sync.errors import DeadlineExceededError, TransportError

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

__all__ = ["MAX_REPLY_BYTES", "Transport", "send"]

MAX_REPLY_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_KEPT_CONNECTIONS = 2048
_STALE_WITHIN_S = 1.0


class Transport:
    """Connections to any number of origins, for any number of threads.

    `_lock` guards the table of pools. After a fork the child starts with an empty table: a connection used by two
    processes hands one the other's answer.
    """

    def __init__(self) -> None:
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._adapter = LeashedAdapter(pool_maxsize=_KEPT_CONNECTIONS)
        self._pools: dict[str, HTTPConnectionPool] = {}
        self._reaper = Reaper()

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
        started = monotonic()
        outcome = self._exchange(request, leash)
        if isinstance(outcome, _StaleConnectionError) and monotonic() - started < _STALE_WITHIN_S:
            leash.on_fresh_connection, leash.was_sent = True, False
            outcome = self._exchange(request, leash)
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

    def _exchange(self, request: HttpRequest, leash: Leash) -> HttpReply | TransportError:
        """The reply, or the error that took its place."""
        with leashed(leash):
            try:
                return self._send_once(request, leash)
            except (HTTPError, RequestException, OSError) as exc:
                return _translate(exc, leash)
            except ValueError:
                # http.client quotes an illegal header in its message, and the header may be the key.
                return TransportError(
                    "connect", "the request has an illegal URL or header", may_have_been_processed=False
                )
            finally:
                leash.take_back()

    def _send_once(self, request: HttpRequest, leash: Leash) -> HttpReply | TransportError:
        pool = self._pool(request)
        response = pool.urlopen(
            request.method,
            request.url[_origin_length(request.url) :] or "/",
            body=request.body,
            headers={name: _reveal(value) for name, value in request.headers.items()},
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(connect=max(leash.remaining_s(), 0.001), read=None),
            preload_content=False,
            decode_content=False,
        )
        if response.status < 200:
            # An interim reply is no answer, and what follows it on this connection would be taken for the next one.
            response.close()
            return _broken(f"only an interim reply came, status {response.status}", leash)
        body = _read_capped(response)
        if body is None:
            response.close()
            return _too_large(response.status)
        return HttpReply(response.status, {name.lower(): value for name, value in response.headers.items()}, body)

    def _pool(self, request: HttpRequest) -> HTTPConnectionPool:
        origin = request.url[: _origin_length(request.url)]
        pool = self._pools.get(origin)
        if pool is None:
            with self._lock:
                pool = self._pools.get(origin) or self._adapter.pool_for(_prepared(request), verify=_ca_bundle())
                self._pools[origin] = pool
        return pool


class _StaleConnectionError(TransportError):
    """A connection that had been idle was closed before any byte of the reply."""


def _translate(exc: Exception, leash: Leash) -> TransportError:
    if leash.cut_reason == "timeout" or leash.remaining_s() == 0:
        return DeadlineExceededError("no complete reply within the time limit", may_have_been_processed=leash.was_sent)
    if leash.cut_reason == "cancelled":
        return TransportError("cancelled", "the call was cut", may_have_been_processed=leash.was_sent)
    if leash.was_sent and leash.was_reused and _had_no_reply(exc):
        return _StaleConnectionError("broken", f"the reply broke off: {_name(exc)}", may_have_been_processed=True)
    if leash.was_sent:
        return _broken(f"the reply broke off: {_name(exc)}", leash)
    if isinstance(exc, SSLError) and "certificate" in str(exc).lower():
        return TransportError("tls", "the server's certificate could not be verified", may_have_been_processed=False)
    return TransportError("connect", f"no connection: {_name(exc)}", may_have_been_processed=False)


def _had_no_reply(exc: Exception) -> bool:
    cause = exc.args[-1] if isinstance(exc, ProtocolError) and exc.args else exc
    return isinstance(cause, RemoteDisconnected | ConnectionResetError | BrokenPipeError)


def _broken(message: str, leash: Leash) -> TransportError:
    return TransportError("broken", message, may_have_been_processed=leash.was_sent)


def _too_large(status: int) -> TransportError:
    message = f"the reply of status {status} exceeds {MAX_REPLY_BYTES:,} bytes"
    return TransportError("too_large", message, may_have_been_processed=True)


def _name(exc: Exception) -> str:
    """What went wrong, without the URL and headers that the exception's own text may quote."""
    cause = exc.args[-1] if isinstance(exc, ProtocolError) and exc.args else exc.__cause__ or exc
    reason = getattr(cause, "strerror", None)
    return f"{type(cause).__name__} ({reason})" if reason else type(cause).__name__


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


def _prepared(request: HttpRequest) -> PreparedRequest:
    """What requests needs to choose a pool: no headers, so no key."""
    prepared = PreparedRequest()
    prepared.method, prepared.url, prepared.headers = request.method, request.url, CaseInsensitiveDict()
    return prepared


def _ca_bundle() -> bool | str:
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


_shared = Transport()
send = _shared.send
