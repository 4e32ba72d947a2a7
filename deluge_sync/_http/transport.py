"""Sends requests over kept connections, one pool per origin, and turns whatever goes wrong into a `TransportError`.

`body` reads what comes, `trouble` says what an exception means. Nothing is retried here but a request that met a
connection gone stale: idle until then, and closed before a byte of the reply. `Leash.sends` tells that it left twice.
"""

from __future__ import annotations

import threading
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from urllib3 import Retry

from deluge_sync._fork import start_afresh_in_child
from deluge_sync._http.body import MAX_REPLY_BYTES, STREAM_TYPES, Consumer, receive
from deluge_sync._http.connection import LeashedAdapter
from deluge_sync._http.leash import Leash, Reaper, leashed
from deluge_sync._http.message import HttpReply, HttpRequest
from deluge_sync._http.trouble import broken_off, guarded, is_over, too_large
from deluge_sync._secret import Secret
from deluge_sync.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from urllib3 import BaseHTTPResponse

    from deluge_sync._http.connection import LeashedConnection, LeashedPool
    from deluge_sync._http.reply import PlainReply

__all__ = ["Flight", "Transport", "shared"]

_STALE_WITHIN_S = 1.0
_IDLE_S = 5.0
_ONCE = Retry(False, redirect=False)
_NAMED = {"User-Agent": "deluge-sync"}
_FRAMING = frozenset({"content-length", "transfer-encoding"})
_MOST_HEADS = 64


class Transport:
    """Connections to any number of origins, for any number of threads.

    `_lock` guards the table of pools. After a fork the child starts with an empty table: a connection used by two
    processes hands one the other's answer.
    """

    def __init__(
        self,
        *,
        idle_s: float = _IDLE_S,
        most_bytes: int = MAX_REPLY_BYTES,
        accepts: Callable[[str], bool] | None = None,
    ) -> None:
        """`idle_s` is how long the thread that keeps the deadlines waits for another call before it ends.

        `most_bytes` is the largest body, decompressed. `accepts` says of an IP address whether it may be connected to;
        with it no proxy is used.
        """
        self._idle_s = idle_s
        self._most_bytes = most_bytes
        self._accepts = accepts
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._adapter = LeashedAdapter(self._accepts)
        self._pools: dict[str, LeashedPool] = {}
        self._heads: dict[tuple[object, ...], bytes | None] = {}
        self._reaper = Reaper(idle_s=self._idle_s)

    def send(self, request: HttpRequest, *, timeout_s: float, leash: Leash | None = None) -> HttpReply:
        """Send `request` and return the whole reply, whatever its status. Redirects are not followed.

        `timeout_s` is the total time from now to the last byte. With `leash`, its deadline counts instead, and another
        thread may cut the call.

        Raises:
            DeadlineExceededError: the time was up first.
            TransportError: no complete reply came; `kind` and `may_have_been_processed` say more.
        """
        return self._call(request, leash or Leash(monotonic() + timeout_s), None)

    def stream(
        self,
        request: HttpRequest,
        on_chunk: Callable[[bytes], bool],
        *,
        timeout_s: float,
        idle_s: float = inf,
        leash: Leash | None = None,
        content_types: Collection[str] | None = STREAM_TYPES,
    ) -> HttpReply:
        """Like `send`, but the body of a successful reply of one of `content_types` goes to `on_chunk` as it arrives.

        `on_chunk` gets the decompressed body in order, cut anywhere, never empty, in the calling thread. It returns
        whether to go on; after False the rest is not read and the connection is dropped, without an error. Only a body
        that was read to its end leaves its connection to the next call, so False is for a consumer that has gone. What
        `on_chunk` raises travels out as it is. The reply then has `is_streamed` and no body. Any other reply, whatever
        its status, comes whole and `on_chunk` is not called.

        `timeout_s` is the total time, `on_chunk` included. The server's next byte, the first one after the request has
        left too, is waited for no longer than `idle_s`; time spent in `on_chunk` is not the server's. `leash` is as for
        `send`; of two idle limits the shorter counts. With None as `content_types` it is any.

        Raises:
            DeadlineExceededError: the total time was up, or no byte came for `idle_s`; the message says which.
            TransportError: as for `send`. `delivered_bytes` says how much went to `on_chunk` before.
        """
        leash = leash or Leash(monotonic() + timeout_s)
        leash.idle_s = min(leash.idle_s, idle_s)
        return self._call(request, leash, Consumer(on_chunk, content_types))

    def close(self) -> None:
        """Close the idle connections and end the reaper. A later `send` opens new ones."""
        with self._lock:
            self._pools.clear()
            self._heads = {}
            self._adapter.close()
        self._reaper.close()

    def ready(self, request: HttpRequest) -> Flight | None:
        """A flight for `request` on a connection that is idle now; None where it takes `send`.

        That is also so for the first request that begins like this one.
        """
        pool, head = self._pools.get(_origin(request.url)), self._heads.get(_likeness(request))
        connection = pool.idle() if pool is not None and head is not None else None
        if pool is None or head is None or connection is None:
            return None
        return Flight(self, request, head, pool, connection)

    def _call(self, request: HttpRequest, leash: Leash, consumer: Consumer | None) -> HttpReply:
        self._reaper.watch(leash)
        return self._end(request, leash, consumer, monotonic(), partial(self._exchange, request, leash, consumer))

    def _end(
        self,
        request: HttpRequest,
        leash: Leash,
        consumer: Consumer | None,
        started: float,
        first: Callable[[], HttpReply | TransportError],
    ) -> HttpReply:
        """The outcome of the `first` exchange, or of a second one if that met a connection that had gone stale."""
        try:
            outcome = first()
            if _was_stale(outcome, leash) and monotonic() - started < _STALE_WITHIN_S:
                leash.on_fresh_connection, leash.was_sent = True, False
                leash.look_away()
                outcome = self._exchange(request, leash, consumer)
        finally:
            self._reaper.forget(leash)
        # Raised here and not where it was caught: a pending exception would carry the request with its headers.
        if isinstance(outcome, TransportError):
            outcome.delivered_bytes = leash.delivered_bytes
            raise outcome
        return outcome

    def _exchange(self, request: HttpRequest, leash: Leash, consumer: Consumer | None) -> HttpReply | TransportError:
        """The reply, or the error that took its place."""
        if is_over(leash):
            return broken_off(leash)
        return self._receive(leash, consumer, partial(self._open, request))

    def _receive(
        self,
        leash: Leash,
        consumer: Consumer | None,
        opened: Callable[[], HttpReply | PlainReply | BaseHTTPResponse | TransportError],
    ) -> HttpReply | TransportError:
        with leashed(leash):
            try:
                response = guarded(leash, opened)
                if isinstance(response, TransportError):
                    return response
                if isinstance(response, HttpReply):
                    is_short = len(response.body) <= self._most_bytes
                    return response if is_short else too_large(response.status, self._most_bytes)
                return receive(response, leash, consumer, most_bytes=self._most_bytes)
            finally:
                leash.take_back()

    def _open(self, request: HttpRequest) -> PlainReply | BaseHTTPResponse | TransportError:
        """The reply with its headers, its body unread."""
        pool = self._pool(request.url)
        response: PlainReply | BaseHTTPResponse
        head = self._head(pool, request)
        if head is not None:
            response = pool.ask(request.method, head, request.body).decoded()
        else:
            response = _ask_urllib3(pool, request)
        return _final(response)

    def _head(self, pool: LeashedPool, request: HttpRequest) -> bytes | None:
        """What a request begins with, or None where it cannot go the short way.

        Most requests to an address begin alike, so it is written once.
        """
        heads, key = self._heads, _likeness(request)  # one table: another thread may begin a new one
        if key in heads:
            return heads[key]
        is_short = pool.proxy is None and request.file is None and _is_plain(request)
        head = pool.head_of(request.method, _target(request.url, pool), _revealed(request)) if is_short else None
        if len(heads) >= _MOST_HEADS:
            self._heads = heads = {}
        heads[key] = head
        return head

    def _pool(self, url: str) -> LeashedPool:
        origin = _origin(url)
        pool = self._pools.get(origin)
        if pool is None:
            with self._lock:
                pool = self._pools.get(origin) or self._adapter.pool_for(url)
                self._pools[origin] = pool
        return pool


class Flight:
    """A request on a connection that was idle, which can be sent without waiting for its reply.

    For one thread at a time: `send`, and then `finish`, which need not wait once `fileno` is readable.
    """

    def __init__(
        self,
        transport: Transport,
        request: HttpRequest,
        head: bytes,
        pool: LeashedPool,
        connection: LeashedConnection,
    ) -> None:
        self._transport = transport
        self._request = request
        self._head = head
        self._pool = pool
        self._connection = connection
        self._problem: TransportError | None = None

    def send(self, leash: Leash) -> None:
        """Let the request leave. It must be finished then, also if it could not."""
        self._leash, self._sent_at = leash, monotonic()
        self._transport._reaper.watch(leash)
        with leashed(leash):
            self._problem = guarded(leash, self._say)

    def fileno(self) -> int:
        """The descriptor to wait for; -1 when there is nothing to wait for."""
        sock = None if self._problem is not None else self._connection.sock
        return -1 if sock is None else sock.fileno()

    def finish(self) -> HttpReply:
        """The whole reply. Raises what `Transport.send` raises."""
        first = partial(self._transport._receive, self._leash, None, self._hear)
        return self._transport._end(self._request, self._leash, None, self._sent_at, first)

    def _say(self) -> TransportError | None:
        if is_over(self._leash):
            self._pool._put_conn(self._connection)
            return broken_off(self._leash)
        self._pool.say(self._connection, self._request.method, self._head, self._request.body)
        return None

    def _hear(self) -> HttpReply | PlainReply | BaseHTTPResponse | TransportError:
        if self._problem is not None:
            return self._problem
        reply = self._pool.hear_at_once(self._connection, self._request.method)
        return reply if isinstance(reply, HttpReply) else _final(reply.decoded())


def _likeness(request: HttpRequest) -> tuple[object, ...]:
    """Requests for which this is the same begin alike, and go the same way."""
    return (request.method, request.url, request.file is None, *request.headers.items())


def _final(response: PlainReply | BaseHTTPResponse) -> PlainReply | BaseHTTPResponse | TransportError:
    if response.status >= 200:
        return response
    response.close()
    message = f"only an interim reply came, status {response.status}"
    return TransportError("broken", message, may_have_been_processed=True)


def _ask_urllib3(pool: LeashedPool, request: HttpRequest) -> BaseHTTPResponse:
    """The long way, for what the pool's own `ask` does not do: proxies, files, addresses that have to be quoted."""
    return pool.urlopen(
        request.method,
        _target(request.url, pool),
        body=request.body if request.file is None else request.file,
        headers=_revealed(request),
        retries=_ONCE,
        redirect=False,
        assert_same_host=False,
        timeout=None,  # the leash keeps the time
        preload_content=False,
        decode_content=False,
    )


def _is_plain(request: HttpRequest) -> bool:
    """Whether the address can be sent as it is, and nothing says how long the body is; http.client refuses blanks."""
    is_told = any(name.lower() in _FRAMING for name in request.headers)
    return not is_told and request.url.isascii() and "#" not in request.url


def _was_stale(outcome: HttpReply | TransportError, leash: Leash) -> bool:
    """Whether a connection that had been idle was closed before any byte of the reply."""
    is_broken = isinstance(outcome, TransportError) and outcome.kind == "broken"
    return is_broken and leash.was_reused and not leash.has_reply_begun


def _revealed(request: HttpRequest) -> dict[str, str]:
    return _NAMED | {name: _reveal(value) for name, value in request.headers.items()}


def _reveal(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _origin(url: str) -> str:
    """Scheme, host and port."""
    end = url.find("/", url.find("://") + 3)
    return url if end < 0 else url[:end]


def _target(url: str, pool: LeashedPool) -> str:
    """What stands in the request line: the path, or the whole URL for a proxy that forwards it."""
    is_forwarded = pool.proxy is not None and url[:5].lower() == "http:"
    return url if is_forwarded else url.removeprefix(_origin(url)) or "/"


shared = Transport()
