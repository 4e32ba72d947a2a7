"""Requests sent in two halves: `send` does not wait for the reply, `finish` takes it in. `conftest` has more of it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from time import monotonic
from typing import Any

import pytest

from deluge_sync._http import HttpRequest, Leash, Transport
from deluge_sync.errors import DeadlineExceededError, TransportError

Clock = Callable[[], float]
Start = Callable[..., Any]
Post = Callable[..., HttpRequest]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def transport() -> Iterator[Transport]:
    with closing(Transport()) as made:
        yield made


@pytest.fixture
def silent(listen: Start, transport: Transport, post: Post) -> Any:
    """A server that answers the first request of a connection, and to the others says nothing until it is let."""

    def answer(peer: Any, sock: socket.socket) -> None:
        is_first = True
        while peer.read_request(sock):
            if not is_first:
                peer.reached.set()
                peer.let.wait(10)
            sock.sendall(OK)
            is_first = False

    peer = listen(answer)
    peer.let = threading.Event()
    assert transport.send(post(peer.url), timeout_s=5).body == b"ok"
    return peer


def test_there_is_none_without_an_idle_connection(listen: Start, transport: Transport, post: Post) -> None:
    peer = listen(lambda peer, sock: peer.read_request(sock))
    assert transport.ready(post(peer.url)) is None
    assert peer.connections == 0


def test_sending_does_not_wait_and_the_connection_is_kept(silent: Any, transport: Transport, post: Post) -> None:
    for _ in range(3):
        silent.let.clear()
        flight = transport.ready(post(silent.url))
        assert flight is not None
        assert transport.ready(post(silent.url)) is None  # it has taken the only one
        flight.send(Leash(monotonic() + 10))
        assert flight.fileno() >= 0
        assert silent.reached.wait(10)
        silent.let.set()
        assert flight.finish().body == b"ok"
    assert silent.connections == 1


def test_a_call_that_is_over_before_it_is_sent_does_not_leave(silent: Any, transport: Transport, post: Post) -> None:
    leash = Leash(monotonic() + 10)
    leash.cut("cancelled")
    for _ in range(2):  # the connection goes back
        flight = transport.ready(post(silent.url))
        assert flight is not None
        flight.send(leash)
        assert flight.fileno() == -1
        with pytest.raises(TransportError) as caught:
            flight.finish()
        assert (caught.value.kind, caught.value.may_have_been_processed) == ("cancelled", False)
    assert len(silent.requests) == 1


@pytest.mark.parametrize("how", ["deadline", "cut"])
def test_a_call_that_ends_while_it_waits_becomes_readable(
    how: str, silent: Any, transport: Transport, post: Post, own_time: Clock
) -> None:
    leash = Leash(monotonic() + (0.2 if how == "deadline" else 30))
    flight = transport.ready(post(silent.url))
    assert flight is not None
    flight.send(leash)
    assert silent.reached.wait(10)
    if how == "cut":
        leash.cut("cancelled")
    began_at = own_time()
    with socket.socket(fileno=os.dup(flight.fileno())) as twin:
        twin.settimeout(10)
        assert twin.recv(1, socket.MSG_PEEK) == b""
    with pytest.raises(DeadlineExceededError if how == "deadline" else TransportError) as caught:
        flight.finish()
    assert caught.value.may_have_been_processed
    assert own_time() - began_at < 5
