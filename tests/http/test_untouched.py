"""Whether an idle connection can be used again: asked of the kernel, with a poll as the judge."""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from urllib3.util import wait_for_read

from deluge_sync._http import sockets
from deluge_sync._http.sockets import is_untouched

Pair = tuple[socket.socket, socket.socket]
RST_ON_CLOSE = struct.pack("ii", 1, 0)


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
    peer.close()


TOUCHES: dict[str, Callable[[socket.socket], object]] = {
    "a byte": lambda peer: peer.sendall(b"x"),
    "much": lambda peer: peer.sendall(b"x" * 60_000),
    "an end": lambda peer: peer.shutdown(socket.SHUT_WR),
    "closed": socket.socket.close,
    "reset": reset,
}


@pytest.fixture(params=["the kernel", "a poll"])
def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """A connection, and the peer's end of it."""
    if request.param == "a poll":
        monkeypatch.setattr(sockets, "_SO_MEMINFO", 0x7FFF)
    elif sys.platform != "linux":
        pytest.skip("only Linux is asked like this")
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        peer, _ = listener.accept()
        with peer:
            yield ours, peer


def test_an_idle_connection_is_untouched_also_after_use(pair: Pair) -> None:
    ours, peer = pair
    assert is_untouched(ours)
    ours.sendall(b"x" * 1_000)
    peer.sendall(b"y" * 60_000)
    left = 60_000
    while left:
        left -= len(ours.recv(65_536))
    assert is_untouched(ours)


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES.keys())
def test_whatever_the_peer_does_is_noticed(pair: Pair, touch: Callable[[socket.socket], object]) -> None:
    ours, peer = pair
    touch(peer)
    give_up_at = time.monotonic() + 10
    while not wait_for_read(ours, timeout=0.0):  # what was sent has arrived
        assert time.monotonic() < give_up_at
    assert not is_untouched(ours)


def test_the_kernel_is_asked_without_a_poll(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    polled: list[object] = []
    monkeypatch.setattr(sockets, "wait_for_read", lambda *given, **_: polled.append(given))
    is_untouched(pair[0])
    assert bool(polled) == (sockets._SO_MEMINFO == 0x7FFF)
