"""Opens TCP connections on a leash, and knows them all, so that a forked child can close its copies.

The threads that use the connections do not exist in the child, and as long as a copy is open, the server does not
see the parent hang up. Used by `connection` only. Sockets of a proxy that is itself reached over TLS
are urllib3's own and are not known here.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from urllib3.util import wait_for_read, wait_for_write

from deluge_sync._fork import start_afresh_in_child
from deluge_sync._http.leash import shut_down

if TYPE_CHECKING:
    from deluge_sync._http.leash import Leash
    from deluge_sync._http.resolver import Address

__all__ = ["TlsSocket", "is_untouched", "open_socket"]

_CONNECTING = (errno.EINPROGRESS, errno.EWOULDBLOCK)
_SO_MEMINFO = 55  # of Linux; the socket module has no name for it
_ESTABLISHED = 1


class _Open:
    """The sockets in use or idle. Any thread may add one: `WeakSet.add` comes down to one step of the interpreter."""

    def __init__(self) -> None:
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        start_afresh_in_child(self)

    def add(self, sock: socket.socket) -> None:
        self._sockets.add(sock)

    def _start_afresh(self) -> None:
        for sock in list(self._sockets):
            # Neither shut down, which would end the parent's connection, nor left to `close`, which waits for readers.
            # Detached, so that whoever holds the object in the child does not close a descriptor of something else.
            descriptor = sock.detach()
            if descriptor >= 0:
                os.close(descriptor)
        self._sockets = weakref.WeakSet()


_open = _Open()


class _Socket(socket.socket):
    """A socket that is known to `_open`, and so are its duplicates."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        sock = super().__new__(cls, *args, **kwargs)
        _open.add(sock)
        return sock


class TlsSocket(ssl.SSLSocket):
    """The same over TLS. Nobody else can reach it before the handshake has ended."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        sock = super().__new__(cls, *args, **kwargs)
        _open.add(sock)
        return sock


def open_socket(address: Address, options: Any, leash: Leash, timeout_s: float) -> socket.socket:
    """A connected, blocking socket, of which the leash holds a duplicate.

    The duplicate is for TLS, which moves the descriptor to a new object that nobody can reach before the handshake
    ends. It is lent when connecting has begun: a cut before that would be without effect.
    """
    sock = _Socket(address[0], socket.SOCK_STREAM)
    try:
        for option in options:
            sock.setsockopt(*option)
        _dial(sock, address, leash, timeout_s)
    except BaseException:
        sock.close()
        raise
    return sock


def is_untouched(sock: socket.socket) -> bool:
    """Whether the peer has neither closed an idle connection nor sent anything on it.

    A `poll` would let go of the interpreter, and with many busy threads taking it back is a tenth of what a request
    costs. Linux is therefore asked for the connection's state and the memory that unread bytes take, which keeps it.
    """
    if sys.platform == "linux":
        try:
            state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            unread = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4)
        except (OSError, AttributeError):  # an old kernel, or something of urllib3's that only looks like a socket
            pass
        else:
            return state == _ESTABLISHED and not any(unread)
    return not wait_for_read(sock, timeout=0.0)


def _dial(sock: socket.socket, address: Address, leash: Leash, timeout_s: float) -> None:
    sock.setblocking(False)
    error = sock.connect_ex(address[1])
    twin = sock.dup()
    leash.lend(partial(shut_down, twin), twin.close)
    if error in _CONNECTING:
        is_done = wait_for_write(sock, timeout_s)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if is_done else errno.ETIMEDOUT
    if error:
        raise OSError(error, os.strerror(error))
    sock.setblocking(True)
