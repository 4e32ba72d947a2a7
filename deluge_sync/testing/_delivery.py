"""A decided reply cut into the pieces that leave one after another. Pure; `_connection` sends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deluge_sync.testing._reply import PLAIN
from deluge_sync.testing._wire import head_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deluge_sync.testing._reply import Delivery, Raw

__all__ = ["Outgoing", "pieces"]

_MIN_DRIP_INTERVAL_S = 0.01


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A decided reply: what, how, after how long, and how long to wait between the parts of a stream."""

    raw: Raw
    delivery: Delivery = PLAIN
    latency_s: float = 0.0
    chunk_delay_s: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether the client gets everything that the headers promise."""
        delivery = self.delivery
        return delivery.silent_s is None and delivery.share >= 1.0 and delivery.head_share >= 1.0


def pieces(outgoing: Outgoing, *, with_body: bool, keep_alive: bool) -> Iterator[tuple[float, bytes]]:
    """Pairs of (seconds to wait, bytes to send then), in order. None of them for a silent delivery."""
    delivery = outgoing.delivery
    if delivery.silent_s is not None:
        return
    raw = outgoing.raw
    body = _halved(raw.body) if delivery.half else raw.body
    own = {name.lower(): value for name, value in raw.headers.items()}
    head = head_bytes(raw.status, _framing(body) | own | ({} if keep_alive else {"connection": "close"}))
    parts = _cut(_chunked(body), delivery.share) if with_body else []
    if delivery.head_share < 1.0:
        head, parts = head[: int(len(head) * delivery.head_share)], []
    if delivery.head_rate or delivery.body_rate or (outgoing.chunk_delay_s and len(parts) > 1):
        yield from _drip(head, delivery.head_rate)
        for index, part in enumerate(parts):
            pause_s = outgoing.chunk_delay_s if index else 0.0
            yield from ((pause_s + wait_s, piece) for wait_s, piece in _drip(part, delivery.body_rate))
    else:
        yield 0.0, b"".join([head, *parts])


def _halved(body: bytes | tuple[bytes, ...]) -> bytes | tuple[bytes, ...]:
    return body[: len(body) // 2]


def _framing(body: bytes | tuple[bytes, ...]) -> dict[str, str]:
    return {"content-length": str(len(body))} if isinstance(body, bytes) else {"transfer-encoding": "chunked"}


def _chunked(body: bytes | tuple[bytes, ...]) -> list[bytes]:
    if isinstance(body, bytes):
        return [body]
    return [*(b"%x\r\n%s\r\n" % (len(part), part) for part in body), b"0\r\n\r\n"]


def _cut(parts: list[bytes], share: float) -> list[bytes]:
    """The first `share` of all bytes."""
    left = int(sum(map(len, parts)) * share)
    kept: list[bytes] = []
    for part in parts:
        kept.append(part[:left])
        left -= len(kept[-1])
    return [part for part in kept if part]


def _drip(data: bytes, rate: float | None) -> Iterator[tuple[float, bytes]]:
    """`data` at `rate` bytes a second: a byte at a time, or what falls due in 10 ms if that is more. None: at once."""
    if rate is None:
        yield 0.0, data
        return
    size = max(1, round(rate * _MIN_DRIP_INTERVAL_S))
    for start in range(0, len(data), size):
        yield size / rate, data[start : start + size]
