"""Sends one HTTP request and returns its reply, whole or as it arrives, within a total time.

The only importer of requests and urllib3. It knows nothing of models, retries or limits. Adapters build an
`HttpRequest` without touching this package's machinery; the engine hands it to a `Transport`. `send` and `stream` are
the same over one transport for the whole process, for direct SDK calls. requests and urllib3 take 60 ms to import, so
they are loaded with the first transport.

    transport > connection > reply, sockets, resolver > leash
              > body > trouble
    message: what crosses the wire; multipart, file_body: ways to write a body
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from deluge_sync._http.file_body import FileBody
from deluge_sync._http.leash import Leash
from deluge_sync._http.message import HttpReply, HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync._http.transport import Flight, Transport

__all__ = ["FileBody", "Flight", "HttpReply", "HttpRequest", "Leash", "Transport", "send", "stream"]


def send(request: HttpRequest, *, timeout_s: float) -> HttpReply:
    """`Transport.send` over the connections that the whole process shares. For any number of threads."""
    from deluge_sync._http.transport import shared

    return shared.send(request, timeout_s=timeout_s)


def stream(
    request: HttpRequest, on_chunk: Callable[[bytes], bool], *, timeout_s: float, idle_s: float = inf
) -> HttpReply:
    """`Transport.stream` over the connections that the whole process shares. For any number of threads."""
    from deluge_sync._http.transport import shared

    return shared.stream(request, on_chunk, timeout_s=timeout_s, idle_s=idle_s)


def __getattr__(name: str) -> Any:
    if name not in ("Flight", "Transport"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deluge_sync._http import transport

    return getattr(transport, name)
