"""urllib3's connections and pools, put on a leash: every socket they open or reuse is lent to the call's `Leash`.

The calling thread names its leash with `leashed(...)`; the connection finds it there. This is the one place that
reaches into urllib3's classes, all of it in methods that urllib3 documents for subclassing or has kept since 2.0.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util.connection import create_connection

from deluge_sync._http.leash import Leash
from deluge_sync._http.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import PreparedRequest

__all__ = ["LeashedAdapter", "leashed"]

_resolver = Resolver()
_calling = threading.local()


@contextmanager
def leashed(leash: Leash) -> Iterator[None]:
    """Within the block, connections used by this thread are lent to `leash`."""
    _calling.leash = leash
    try:
        yield
    finally:
        del _calling.leash


class _LeashedConnection(HTTPConnection):
    """Counts what it has served, because only a connection that was idle before can have gone stale."""

    served = 0

    def _new_conn(self) -> socket.socket:
        leash: Leash = _calling.leash
        sock = _connect(self, leash)
        # Wrapping in TLS moves the descriptor to a new object that is not reachable until the handshake ends. A
        # duplicate reaches the same connection meanwhile.
        leash.lend(sock.dup(), owned=True)
        return sock

    def connect(self) -> None:
        self.served = 0
        super().connect()
        _calling.leash.lend(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        leash: Leash = _calling.leash
        if leash.on_fresh_connection and self.served:
            self.close()
        if self.sock is None:
            self.connect()
        leash.was_reused = self.served > 0
        leash.lend(cast("socket.socket", self.sock))
        leash.was_sent = True
        self.served += 1
        super().request(*args, **kwargs)


class _LeashedTlsConnection(_LeashedConnection, HTTPSConnection):
    """The same over TLS."""


def _connect(connection: HTTPConnection, leash: Leash) -> socket.socket:
    """A connected TCP socket to the first address that answers within the time left."""
    host, port = connection._dns_host, connection.port
    problem: OSError = OSError("no address")
    try:
        addresses = _resolver.addresses(host, port, timeout_s=leash.remaining_s())
    except OSError as exc:
        raise NewConnectionError(connection, f"look-up of {host!r} failed: {exc}") from exc
    for position, address in enumerate(addresses):
        share_s = leash.remaining_s() / (len(addresses) - position)
        try:
            return create_connection((address, port), max(share_s, 0.001), socket_options=connection.socket_options)
        except OSError as exc:
            problem = exc
    raise NewConnectionError(connection, f"cannot connect to {host!r}: {problem}") from problem


class _LeashedPool(HTTPConnectionPool):
    ConnectionCls = _LeashedConnection

    def _put_conn(self, conn: Any) -> None:
        # First the leash lets go, then the connection becomes another call's: in the other order a late cut would hit
        # whoever took it.
        _calling.leash.take_back()
        super()._put_conn(conn)


class _LeashedTlsPool(_LeashedPool, HTTPSConnectionPool):
    ConnectionCls = _LeashedTlsConnection


_POOL_CLASSES = {"http": _LeashedPool, "https": _LeashedTlsPool}


class LeashedAdapter(HTTPAdapter):
    """requests' adapter over leashed pools. It keeps no cookies and follows no redirect: a session would do that.

    Proxies are read from the environment once, when the pool of an origin is made.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOL_CLASSES

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOL_CLASSES
        return manager

    def pool_for(self, request: PreparedRequest, *, verify: bool | str) -> HTTPConnectionPool:
        """The pool of the request's origin, with its proxy and certificates settled."""
        url = cast("str", request.url)
        pool = self.get_connection_with_tls_context(request, verify, proxies=get_environ_proxies(url))
        self.cert_verify(pool, url, verify, None)  # type: ignore[no-untyped-call]  # the stubs leave it bare
        return cast("HTTPConnectionPool", pool)
