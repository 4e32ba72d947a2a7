"""Waiting for many connections at once, on real sockets."""

from __future__ import annotations

import gc
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("requests are watched for on Linux only", allow_module_level=True)

from deluge_sync._engine.watch import Watch

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    made.close()


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made = [socket.socketpair() for _ in range(3)]
    yield made
    for pair in made:
        for end in pair:
            end.close()


def test_what_has_come_is_told_however_early_it_came(watch: Watch, pairs: list[Pair]) -> None:
    pairs[0][1].send(b"x")
    for ours, _ in pairs:
        watch.add(ours.fileno())
    pairs[1][1].send(b"x")
    assert sorted(watch.wait(10)) == sorted(ours.fileno() for ours, _ in pairs[:2])
    assert watch.wait(0) == []  # each is told once


def test_a_connection_is_watched_anew_for_each_request(watch: Watch, pairs: list[Pair]) -> None:
    ours, peer = pairs[0]
    for _ in range(3):
        watch.add(ours.fileno())
        peer.send(b"x")
        assert watch.wait(10) == [ours.fileno()]
        ours.recv(1)


def test_the_end_of_a_connection_is_told_from_either_side(watch: Watch, pairs: list[Pair]) -> None:
    (ours, peer), (cut, _), _ = pairs
    watch.add(ours.fileno())
    peer.close()
    assert watch.wait(10) == [ours.fileno()]
    watch.add(cut.fileno())
    cut.shutdown(socket.SHUT_RDWR)  # as a leash does
    assert watch.wait(10) == [cut.fileno()]


def test_a_descriptor_that_was_closed_may_come_again_as_another(watch: Watch) -> None:
    for _ in range(2):
        ours, peer = socket.socketpair()
        with ours, peer:
            watch.add(ours.fileno())
            peer.send(b"x")
            assert watch.wait(10) == [ours.fileno()]


def test_the_bell_wakes_whoever_waits_or_will(watch: Watch) -> None:
    found: list[list[int]] = []
    waiter = threading.Thread(target=lambda: found.append(watch.wait(30)))
    waiter.start()
    watch.ring()
    waiter.join(10)
    assert found == [[]]
    watch.ring()
    watch.ring()
    assert watch.wait(30) == []
    assert watch.wait(0) == []  # nothing is left of the second


def descriptors() -> set[str]:
    return {link.name for link in Path("/proc/self/fd").iterdir()}


def test_its_descriptors_are_given_back() -> None:
    before = descriptors()
    closed, forgotten = Watch(), Watch()
    closed.close()
    closed.close()
    del forgotten
    gc.collect()
    assert descriptors() <= before
