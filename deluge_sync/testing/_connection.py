"""One connection: its requests read one after another, each reply sent the way its `Delivery` says.

Who answers is not known here: the listener hands in the function that turns an `Incoming` into an `Exchange`.
"""

from __future__ import annotations

import logging
import selectors
import socket
import struct
from typing import TYPE_CHECKING, BinaryIO, Protocol

from deluge_sync.testing._delivery import pieces
from deluge_sync.testing._wire import MalformedRequestError, head_bytes, read_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deluge_sync.testing._delivery import Outgoing
    from deluge_sync.testing._reply import End
    from deluge_sync.testing._wire import Incoming

__all__ = ["Connection", "Exchange", "ExchangeMaker"]

log = logging.getLogger(__name__)

_RST_ON_CLOSE = struct.pack("ii", 1, 0)
# poll, where there is one, also takes descriptors above 1023, which select refuses.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Exchange(Protocol):
    """One request being answered; `outgoing` is decided when it is made."""

    @property
    def outgoing(self) -> Outgoing:
        """The reply."""

    def finish(self, *, status: int | None, complete: bool) -> None:
        """How it went; `status` is None if nothing was sent. A second call corrects the first."""


class ExchangeMaker(Protocol):
    """Gives the `Exchange` of a request, or None to close the connection without a word."""

    def __call__(self, incoming: Incoming, client_port: int) -> Exchange | None: ...


class Connection:
    """A client's connection, served by one thread. Only `hang_up` may be called by another one."""

    def __init__(self, sock: socket.socket, client_port: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._client_port = client_port
        self._resets = False

    def serve(self, make_exchange: ExchangeMaker) -> None:
        """Answer requests until the client, a `Delivery` or `hang_up` ends the connection.

        A broken connection is normal here and raises nothing.
        """
        try:
            with self._sock.makefile("rb") as stream:
                while self._serve_one(stream, make_exchange):
                    pass
        except MalformedRequestError as error:
            self._refuse(str(error))
        except OSError as error:
            log.debug("connection of port %s broke: %s", self._client_port, error)
        finally:
            if not self._resets:
                # A process forked from this one may hold a copy of the socket; closing ours alone would send no FIN.
                self.hang_up()
            self._sock.close()

    def hang_up(self) -> None:
        """End it from another thread: whoever reads or waits on the socket wakes at once."""
        try:
            # The plain socket's shutdown: the TLS one would take the session away from the thread that reads.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        except OSError as error:
            log.debug("connection of port %s was closed already: %s", self._client_port, error)

    def _serve_one(self, stream: BinaryIO, make_exchange: ExchangeMaker) -> bool:
        incoming = read_request(stream, self._send_continue)
        exchange = make_exchange(incoming, self._client_port) if incoming else None
        if incoming is None or exchange is None:
            return False
        outgoing = exchange.outgoing
        parts = pieces(outgoing, with_body=incoming.method != "HEAD", keep_alive=incoming.keep_alive)
        if self._stays(outgoing.latency_s + (outgoing.delivery.silent_s or 0.0)):
            sent = self._send(parts, exchange)
        else:
            sent = False
            exchange.finish(status=None, complete=False)
        return self._goes_on(outgoing.delivery.end) and sent and incoming.keep_alive

    def _send(self, parts: Iterable[tuple[float, bytes]], exchange: Exchange) -> bool:
        """Send every part after its pause. Returns whether the client has the whole reply.

        The exchange is finished before its last bytes leave, so that a client that has the reply finds it recorded.
        """
        status: int | None = None
        outgoing = exchange.outgoing
        held: bytes | None = None
        try:
            for pause_s, part in parts:
                if held is not None:
                    self._sock.sendall(held)
                    status = outgoing.raw.status
                if not self._stays(pause_s):
                    exchange.finish(status=status, complete=False)
                    return False
                held = part
            if held is not None:
                status = outgoing.raw.status
            exchange.finish(status=status, complete=outgoing.is_whole)
            self._sock.sendall(held or b"")
        except BaseException:
            exchange.finish(status=status, complete=False)
            raise
        return outgoing.is_whole

    def _goes_on(self, end: End) -> bool:
        """Do what the delivery says about the end of the connection; whether there is a next request to read."""
        self._resets = end == "reset"
        if self._resets:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        if end == "close_at_next":
            # Closing with the request unread makes the kernel answer it with a reset.
            self._stays(None)
        return end == "keep"

    def _stays(self, seconds: float | None) -> bool:
        """Wait; False as soon as the client hangs up (clients here do not pipeline, so any sign of life is that)."""
        if seconds is not None and seconds <= 0:
            return True
        with _Selector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            return not selector.select(seconds)

    def _send_continue(self) -> None:
        self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, reason: str) -> None:
        log.debug("port %s sent something else than HTTP: %s", self._client_port, reason)
        try:
            self._sock.sendall(head_bytes(400, {"content-length": "0", "connection": "close"}))
        except OSError as error:
            log.debug("connection of port %s broke: %s", self._client_port, error)
