"""Reads the body of a reply: to its end and whole, or chunk by chunk into the hands of a consumer. Used by `transport`.

One loop does both. It waits for bytes and not for a full buffer, so nothing that has arrived is held back, and it
never reads past the cap, however far a compressed body expands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deluge_sync._http.message import HttpReply
from deluge_sync._http.trouble import broken_off, guarded, too_large
from deluge_sync.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from urllib3 import BaseHTTPResponse

    from deluge_sync._http.leash import Leash
    from deluge_sync._http.reply import PlainReply

__all__ = ["MAX_REPLY_BYTES", "STREAM_TYPES", "Consumer", "receive"]

MAX_REPLY_BYTES = 64 * 1024 * 1024
STREAM_TYPES = frozenset({"text/event-stream", "application/vnd.amazon.eventstream"})
"""The content types of bodies that are of use before they have ended."""

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who takes which bodies as they arrive: successful ones of a content type in `content_types`, None for any."""

    on_chunk: Callable[[bytes], bool]
    content_types: Collection[str] | None

    def wants(self, status: int, headers: Mapping[str, str]) -> bool:
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        is_of_type = self.content_types is None or content_type in self.content_types
        return 200 <= status < 300 and is_of_type


def receive(
    response: PlainReply | BaseHTTPResponse, leash: Leash, consumer: Consumer | None, *, most_bytes: int
) -> HttpReply | TransportError:
    """The reply, once its body has been read, with everything that `consumer` did not take."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    is_streamed = consumer is not None and consumer.wants(response.status, headers)
    chunks: list[bytes] = []
    take = partial(_hand_on, leash, consumer.on_chunk) if consumer and is_streamed else partial(_keep, chunks)
    try:
        problem = _read(response, leash, take, most_bytes)
    finally:
        response.close()  # without effect on a connection that has gone back to its pool
    return problem or HttpReply(response.status, headers, b"".join(chunks), is_streamed)


def _read(
    response: PlainReply | BaseHTTPResponse, leash: Leash, take: Callable[[bytes], bool], most_bytes: int
) -> TransportError | None:
    """Give each piece of the body to `take` as soon as it is there, until the end or until `take` wants no more."""
    read = partial(response.read1, _CHUNK_BYTES, decode_content=True)
    total_bytes = 0
    while True:
        chunk = guarded(leash, read)
        if isinstance(chunk, TransportError):
            return chunk
        if leash.cut_reason is not None:
            # A reply that ends with its connection looks complete wherever it was cut.
            return broken_off(leash)
        total_bytes += len(chunk)
        if total_bytes > most_bytes:
            return too_large(response.status, most_bytes)
        if not chunk or not take(chunk):
            return None


def _keep(chunks: list[bytes], chunk: bytes) -> bool:
    chunks.append(chunk)
    return True


def _hand_on(leash: Leash, on_chunk: Callable[[bytes], bool], chunk: bytes) -> bool:
    leash.delivered_bytes += len(chunk)
    leash.look_away()
    goes_on = on_chunk(chunk)
    leash.listen()
    return goes_on
