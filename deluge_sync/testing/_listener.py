"""The listening socket, and one daemon thread for each connection."""

from __future__ import annotations

import logging
import socketserver
import ssl
import threading
import time
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from deluge_sync.testing._connection import Connection

if TYPE_CHECKING:
    from deluge_sync.testing._connection import ExchangeMaker

__all__ = ["Listener"]

log = logging.getLogger(__name__)

_POLL_S = 0.02
_JOIN_S = 0.4


class Listener(ThreadingHTTPServer):
    """Accepts connections and serves each in a thread of its own; `close()` ends all of it.

    While `turns_away` is true, a new connection is closed as soon as it is accepted. `_lock` guards `_connections`.
    The base class's handler classes are not used: a connection is a `Connection`.
    """

    request_queue_size = 1024
    daemon_threads = True

    def __init__(self, host: str, port: int, make_exchange: ExchangeMaker, *, tls: ssl.SSLContext | None) -> None:
        self._make_exchange = make_exchange
        self._lock = threading.Lock()
        self._connections: dict[Connection, threading.Thread] = {}
        self.turns_away = False
        super().__init__((host, port), socketserver.BaseRequestHandler)
        if tls is not None:
            # The handshake happens at the first read, in the connection's thread, so that a slow client blocks nobody.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_S,), name=f"fake-provider-{self.server_port}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop accepting, end every connection and wait for their threads. Takes less than half a second."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            threads = list(self._connections.values())
        self.drop_connections()
        deadline = time.monotonic() + _JOIN_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def drop_connections(self) -> None:
        """End every open connection at once."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.hang_up()

    # What follows replaces steps of the base classes.

    def server_bind(self) -> None:
        """Bind without the reverse DNS look-up that `HTTPServer` does."""
        socketserver.TCPServer.server_bind(self)
        self.server_port = self.server_address[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Whether to serve an accepted connection."""
        return not self.turns_away

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the connection's thread."""
        connection = Connection(request, client_address[1])
        thread = threading.Thread(
            target=self._serve, args=(connection,), name=f"fake-provider-{client_address[1]}", daemon=True
        )
        with self._lock:
            self._connections[connection] = thread
        thread.start()

    def handle_error(
        self,
        request: Any,  # noqa: ARG002
        client_address: Any,
    ) -> None:
        """Log what an accepted connection raised instead of printing it."""
        log.exception("connection of %s failed", client_address)

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve(self._make_exchange)
        except Exception:
            log.exception("a connection's thread failed")
        finally:
            with self._lock:
                del self._connections[connection]
