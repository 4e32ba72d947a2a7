"""urllib3's connections and pools, put on a leash: whatever a call waits for is lent to the call's `Leash`.

The calling thread names its leash with `leash.leashed(...)`; the connection finds it there. This is the one place that
reaches into urllib3's and http.client's classes, all of it in methods that they document for subclassing or have kept
since urllib3 2.0 and Python 3.11. Used by `transport` only.
"""

from __future__ import annotations

import os
import queue
from collections import deque
from contextlib import suppress
from functools import cached_property, partial
from http.client import HTTPConnection as PlainConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidProxyURL
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from deluge_sync._http.at_once import read_at_once
from deluge_sync._http.leash import calling, shut_down
from deluge_sync._http.reply import PlainReply, Reply
from deluge_sync._http.resolver import Resolver
from deluge_sync._http.sockets import TlsSocket, is_untouched, open_socket
from deluge_sync._http.trouble import AddressRefusedError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from ssl import SSLContext

    from deluge_sync._http.leash import Leash
    from deluge_sync._http.message import HttpReply
    from deluge_sync._http.resolver import Address

__all__ = ["LeashedAdapter"]

_KEPT_CONNECTIONS = 2048
_AT_ONCE_BYTES = 64 * 1024
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

_resolver = Resolver()


class LeashedConnection(HTTPConnection):
    """Counts what it has served, because only a connection that was idle before can have gone stale."""

    response_class = Reply
    served = 0

    def __init__(self, *args: Any, accepts: Callable[[str], bool] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.accepts = accepts

    @property
    def is_connected(self) -> bool:
        return self.sock is not None and is_untouched(self.sock)

    def _new_conn(self) -> socket.socket:
        self.served = 0
        return _connect(self, calling.leash)

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._prepare()
        super().request(*args, **kwargs)
        calling.leash.listen()

    def say(self, whole: bytes) -> None:
        """Send a request in one piece.

        http.client would send the head by itself, and urllib3 prepares for bodies that are no bytes and for replies
        that have to be decoded. Every call of the system gives the interpreter to another thread.
        """
        self._prepare()
        leash = self._leave()
        self.sock.sendall(whole)
        leash.listen()

    def hear_first(self) -> bytes:
        """Read what comes first of the reply; nothing where the connection was closed instead."""
        data: bytes = self.sock.recv(_AT_ONCE_BYTES)
        calling.leash.has_reply_begun = bool(data)
        return data

    def hear(self, method: str, begun: bytes = b"") -> Reply:
        """Read the reply as far as its headers. `begun` is what has been read of it."""
        reply = Reply(self.sock, method=method, begun=begun)
        try:
            reply.begin()
        except BaseException:
            reply.close()
            raise
        return reply

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        self._leave()
        super().endheaders(*args, **kwargs)

    def _leave(self) -> Leash:
        """Note that a request is about to leave."""
        leash: Leash = calling.leash
        leash.was_sent = True
        leash.sends += 1
        leash.has_reply_begun = False
        return leash

    def _prepare(self) -> None:
        """Connect if need be, and lend the connection to the call."""
        if self.sock is None:
            self.connect()
        leash: Leash = calling.leash
        leash.lend(partial(shut_down, cast("socket.socket", self.sock)))
        leash.was_reused = self.served > 0
        self.served += 1


class _HeadWriter(PlainConnection):
    """Writes the head of a request, and connects to nothing."""

    head = b""

    def send(self, data: Any) -> None:
        self.head += data


class _LeashedTlsConnection(LeashedConnection, HTTPSConnection):
    """The same over TLS."""


def _connect(connection: LeashedConnection, leash: Leash) -> socket.socket:
    """A TCP connection to the first address that answers within its share of the time left.

    An address is checked here, between look-up and connecting, so that none is connected to that was not checked.
    """
    host, port = connection._dns_host, connection.port
    problem: OSError = OSError("no address")
    try:
        addresses = _resolver.addresses(host.strip("[]"), port, leash)
    except OSError as exc:
        raise NewConnectionError(connection, f"look-up of {host!r} failed: {exc}") from exc
    addresses = _accepted(addresses, connection.accepts)
    for position, address in enumerate(addresses):
        share_s = leash.remaining_s() / (len(addresses) - position)
        try:
            return open_socket(address, connection.socket_options or (), leash, share_s)
        except OSError as exc:
            problem = exc
    raise NewConnectionError(connection, f"cannot connect to {host!r}: {problem}") from problem


def _accepted(addresses: list[Address], accepts: Callable[[str], bool] | None) -> list[Address]:
    accepted = [address for address in addresses if accepts is None or accepts(address[1][0])]
    if addresses and not accepted:
        raise AddressRefusedError
    return accepted


class _Idle:
    """Idle connections, the last in first out: the part of `queue.LifoQueue` that urllib3 uses, without its lock.

    `deque` needs none, and a lock that some other thread holds while the process forks would hang the child.
    """

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._connections: deque[HTTPConnection] = deque()

    def put(self, connection: HTTPConnection | None, *, block: bool = False) -> None:  # noqa: ARG002  # urllib3 names it
        if connection is None:  # urllib3's mark for "may be opened"
            return
        if len(self._connections) < self._maxsize:
            self._connections.append(connection)
        else:
            connection.close()

    def get(self, *, block: bool = False, timeout: float | None = None) -> HTTPConnection:  # noqa: ARG002
        try:
            return self._connections.pop()
        except IndexError:
            raise queue.Empty from None


class LeashedPool(HTTPConnectionPool):
    ConnectionCls = LeashedConnection
    QueueCls = _Idle  # type: ignore[assignment]  # no LifoQueue, but all that urllib3 asks of one

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)
        if calling.leash.on_fresh_connection and not connection.is_closed:
            connection.close()
            return self._new_conn()
        return connection

    def head_of(self, method: str, target: str, headers: Mapping[str, str]) -> bytes:
        """The head of a request, to its last header. http.client writes it, and refuses what is not allowed in it."""
        writer = _HeadWriter(self.host, self.port)
        writer.default_port = self.ConnectionCls.default_port
        names = {name.lower() for name in headers}
        writer.putrequest(method, target, skip_host="host" in names, skip_accept_encoding="accept-encoding" in names)
        for name, value in headers.items():
            writer.putheader(name, value)
        writer.endheaders()
        return writer.head.removesuffix(b"\r\n")

    def ask(self, method: str, head: bytes, body: bytes | None) -> PlainReply:
        """The short way to a reply, for requests that go to their server directly. `head` is of `head_of`."""
        connection = self._get_conn()
        self.say(connection, method, head, body)
        return self.hear(connection, method)

    def idle(self) -> LeashedConnection | None:
        """An idle connection that can be used, taken out of the pool: whoever has it puts it back, or closes it."""
        connection: LeashedConnection | None = None
        with suppress(queue.Empty):
            connection = self.pool.get() if self.pool is not None else None
        if connection is None or connection.is_connected:
            return connection
        connection.close()
        return None

    def say(self, connection: LeashedConnection, method: str, head: bytes, body: bytes | None) -> None:
        """Send a request in one piece; the first half of `ask`."""
        if body is None and method not in _WITH_BODY:
            whole = head + b"\r\n"
        else:
            body = body or b""  # some servers refuse a POST that does not tell its length
            whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        try:
            connection.say(whole)
        except BaseException:
            connection.close()
            raise

    def hear_at_once(self, connection: LeashedConnection, method: str) -> HttpReply | PlainReply:
        """Read the reply to what was said: all of it where that comes in one piece, or as `hear` does."""
        try:
            data = connection.hear_first()
        except BaseException:
            connection.close()
            raise
        reply = read_at_once(data)
        if reply is None or calling.leash.cut_reason is not None:
            return self.hear(connection, method, data)
        self._put_conn(connection)
        return reply

    def hear(self, connection: LeashedConnection, method: str, begun: bytes = b"") -> PlainReply:
        """Read the reply to what was said, as far as its headers; the second half of `ask`."""
        try:
            reply = connection.hear(method, begun)
        except BaseException:
            connection.close()
            raise
        return PlainReply(reply, partial(self._put_conn, connection), connection.close)

    def _put_conn(self, conn: Any) -> None:
        # First the leash lets go, then the connection becomes another call's: in the other order a late cut would hit
        # whoever took it.
        calling.leash.take_back()
        super()._put_conn(conn)


class _LeashedTlsPool(LeashedPool, HTTPSConnectionPool):
    ConnectionCls = _LeashedTlsConnection


_POOL_CLASSES = {"http": LeashedPool, "https": _LeashedTlsPool}


class LeashedAdapter(HTTPAdapter):
    """requests' adapter over leashed pools. It keeps no cookies and follows no redirect: a session would do that.

    Proxies are read from the environment once, when the pool of an origin is made; the CA bundle with the first.
    With `accepts`, which says of an IP address whether it may be connected to, no proxy is used: it would connect for
    us, and to an address that we do not see.
    """

    def __init__(self, accepts: Callable[[str], bool] | None = None) -> None:
        self._accepts = accepts
        super().__init__(pool_maxsize=_KEPT_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            scheme: partial(pool, accepts=self._accepts) for scheme, pool in _POOL_CLASSES.items()
        }

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy.lower().startswith("socks"):
            raise InvalidProxyURL("SOCKS proxies are not supported")
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOL_CLASSES
        return manager

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, settings = super().build_connection_pool_key_attributes(*args, **kwargs)
        return host, settings if host["scheme"] == "http" else {**settings, "ssl_context": self._tls_context}

    @cached_property
    def _tls_context(self) -> SSLContext:
        # One for all: left alone, urllib3 loads the CA bundle for every connection, which takes 20 ms of CPU.
        context = create_urllib3_context()
        context.sslsocket_class = TlsSocket
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
        if Path(bundle).is_dir():
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
        return context

    def pool_for(self, url: str) -> LeashedPool:
        """The pool of the URL's origin, with its proxy and certificates settled."""
        request = PreparedRequest()  # only what is needed to choose a pool: no headers, so no key
        request.method, request.url, request.headers = "POST", url, CaseInsensitiveDict()
        proxies = get_environ_proxies(url) if self._accepts is None else {}
        pool = self.get_connection_with_tls_context(request, True, proxies=proxies)
        return cast("LeashedPool", pool)
