"""A stream is handed over as it arrives, and ends as it ended: whole, stopped, broken, silent or cut."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import Any

import pytest

from deluge_sync._http import HttpReply, HttpRequest, Leash, Transport
from deluge_sync.errors import DeadlineExceededError, TransportError

Clock = Callable[[], float]
Start = Callable[..., Any]
Post = Callable[..., HttpRequest]

EVENTS = [b"data: %d\n\n" % number for number in range(5)]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = CHUNKED + b"9\r\ndata: 0\n\n\r\n" * 2 + b"0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
IDLE_S = 0.2
LONGER_IDLE_S = 0.6  # where a machine that stops for tenths of a second must not end the wait
LATE_S = 0.1


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Taken(list[bytes]):
    """A consumer that keeps what it gets, and says so."""

    def __init__(self) -> None:
        self.arrived: SimpleQueue[bytes] = SimpleQueue()

    def __call__(self, data: bytes) -> bool:
        self.append(data)
        self.arrived.put(data)
        return True


@pytest.fixture
def taken() -> Taken:
    return Taken()


def fail(transport: Transport, request: HttpRequest, on_chunk: Any, **settings: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        transport.stream(request, on_chunk, **{"timeout_s": 10, **settings})
    return caught.value


# --- as it arrives


def squeezed() -> tuple[bytes, Callable[[bytes], bytes], bytes]:
    packer = zlib.compressobj(wbits=31)
    head = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head, lambda data: chunk(packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)), b"0\r\n\r\n"


FRAMINGS: dict[str, tuple[Callable[[], tuple[bytes, Callable[[bytes], bytes], bytes]], bool]] = {
    "chunked": (lambda: (CHUNKED, chunk, b"0\r\n\r\n"), True),
    "length": (lambda: (HEAD + b"Content-Length: %d\r\n\r\n" % len(b"".join(EVENTS)), bytes, b""), True),
    "until closed": (lambda: (HEAD + b"Connection: close\r\n\r\n", bytes, b""), False),
    "gzip": (squeezed, True),
}


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize(("framing", "is_kept"), FRAMINGS.values(), ids=FRAMINGS)
def test_nothing_that_has_arrived_is_held_back(
    framing: Any, is_kept: bool, is_tls: bool, listen: Start, tls: ssl.SSLContext, transport: Transport, post: Post
) -> None:
    """The server sends an event only when the consumer has the one before."""
    taken = Taken()

    def play(peer: Any, sock: socket.socket) -> None:
        while peer.read_request(sock):
            head, wrap, end = framing()
            sock.sendall(head)
            for event in EVENTS:
                sock.sendall(wrap(event))
                assert taken.arrived.get(timeout=5) == event
            sock.sendall(end)
            if not is_kept:
                return

    peer = listen(play, tls if is_tls else None)
    for _ in range(3):
        reply = transport.stream(post(peer.url), taken, timeout_s=10)
        assert (reply.status, reply.body, reply.is_streamed) == (200, b"", True)
        assert reply.headers["content-type"] == "text/event-stream"
    assert taken == EVENTS * 3
    assert peer.connections == (1 if is_kept else 3)


WHOLE_REPLIES = {
    "an error of the same type": (b"HTTP/1.1 429 Too Many\r\nContent-Type: text/event-stream\r\n", 429),
    "a document": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", 200),
    "no type": (b"HTTP/1.1 200 OK\r\n", 200),
    "a longer type": (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream-not\r\n", 200),
    "a redirect": (b"HTTP/1.1 307 Elsewhere\r\nContent-Type: text/event-stream\r\n", 307),
}


@pytest.mark.parametrize(("head", "status"), WHOLE_REPLIES.values(), ids=WHOLE_REPLIES)
def test_any_other_reply_comes_whole(
    head: bytes, status: int, answering: Start, transport: Transport, post: Post, taken: Taken
) -> None:
    peer = answering(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"{") + chunk(b"}") + b"0\r\n\r\n")
    for _ in range(2):
        reply = transport.stream(post(peer.url), taken, timeout_s=5)
        assert (reply.status, reply.body, reply.is_streamed) == (status, b"{}", False)
    assert (taken, peer.connections) == ([], 1)


@pytest.mark.parametrize(
    ("content_type", "settings"),
    [
        ("Text/Event-Stream; charset=utf-8", {}),
        ("application/vnd.amazon.eventstream", {}),
        ("application/x-ndjson", {"content_types": ["application/x-ndjson"]}),
    ],
)
def test_what_is_a_stream_is_told_by_its_type(
    content_type: str, settings: Any, answering: Start, transport: Transport, post: Post, taken: Taken
) -> None:
    peer = answering(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 2\r\n\r\nok" % content_type.encode())
    assert transport.stream(post(peer.url), taken, timeout_s=5, **settings).is_streamed
    assert b"".join(taken) == b"ok"


def test_an_empty_stream_is_one_too(answering: Start, transport: Transport, post: Post, taken: Taken) -> None:
    peer = answering(CHUNKED + b"0\r\n\r\n")
    for _ in range(2):
        assert transport.stream(post(peer.url), taken, timeout_s=5).is_streamed
    assert (taken, peer.connections) == ([], 1)


def test_send_takes_a_stream_whole(answering: Start, transport: Transport, post: Post) -> None:
    reply = transport.send(post(answering(WHOLE).url), timeout_s=5)
    assert (reply.body, reply.is_streamed) == (EVENTS[0] * 2, False)


def test_another_request_may_be_sent_while_a_chunk_is_used(answering: Start, transport: Transport, post: Post) -> None:
    peer, other = answering(WHOLE), answering(OK)
    told: list[bytes] = []

    def ask(_: bytes) -> bool:
        told.append(transport.send(post(other.url), timeout_s=5).body)
        return True

    for _ in range(2):
        transport.stream(post(peer.url), ask, timeout_s=5)
    assert set(told) == {b"ok"}
    assert (peer.connections, other.connections) == (1, 1)


# --- ended by the consumer


@pytest.fixture
def endless(listen: Start) -> Any:
    """A peer that streams until the client hangs up, and then sets `reached`."""

    def play(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(CHUNKED + chunk(EVENTS[0]))
        try:
            peer.drip(sock, chunk(EVENTS[0]))
        except OSError:
            peer.reached.set()

    return listen(play)


def test_a_consumer_that_has_enough_stops_the_stream_without_an_error(
    endless: Any, transport: Transport, post: Post
) -> None:
    taken: list[bytes] = []

    def take_one(data: bytes) -> bool:
        taken.append(data)
        return False

    for _ in range(2):
        assert transport.stream(post(endless.url), take_one, timeout_s=10).is_streamed
        assert endless.reached.wait(5)
    assert len(taken) == endless.connections == 2


def test_one_that_has_had_all_leaves_the_connection(answering: Start, transport: Transport, post: Post) -> None:
    peer = answering(HEAD + b"Content-Length: 2\r\n\r\nok")
    for _ in range(2):
        transport.stream(post(peer.url), lambda _: False, timeout_s=5)
    assert peer.connections == 1


@pytest.mark.parametrize("kind", [ValueError, OSError, KeyError, TimeoutError, KeyboardInterrupt, TransportError])
def test_what_a_consumer_raises_travels_out_as_it_is(
    kind: type[BaseException], endless: Any, transport: Transport, post: Post
) -> None:
    flaw = TransportError("broken", "mine", may_have_been_processed=False) if kind is TransportError else kind("mine")

    def refuse(_: bytes) -> bool:
        raise flaw

    with pytest.raises(kind) as caught:
        transport.stream(post(endless.url), refuse, timeout_s=10)
    assert caught.value is flaw
    assert (flaw.__cause__, flaw.__context__) == (None, None)
    assert endless.reached.wait(5)
    with pytest.raises(kind):
        transport.stream(post(endless.url), refuse, timeout_s=10)
    assert endless.connections == 2


# --- broken


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


BREAKS = {
    "before the first byte of the body": (CHUNKED, b""),
    "within a chunk": (CHUNKED + chunk(EVENTS[0]) + b"9\r\nda", EVENTS[0] + b"da"),
    "after a chunk": (CHUNKED + chunk(EVENTS[0]), EVENTS[0]),
    "short of its length": (HEAD + b"Content-Length: 99\r\n\r\n" + EVENTS[0], EVENTS[0]),
    "no size of a chunk": (CHUNKED + chunk(EVENTS[0]) + b"zz\r\n", EVENTS[0]),
    "no gzip": (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + EVENTS[0], b""),
}


@pytest.mark.parametrize(("sent", "delivered"), BREAKS.values(), ids=BREAKS)
def test_a_stream_that_breaks_tells_how_much_was_handed_over(
    sent: bytes, delivered: bytes, answering: Start, transport: Transport, post: Post, taken: Taken
) -> None:
    peer = answering(sent, then_close=True)
    leash = Leash(monotonic() + 10)
    error = fail(transport, post(peer.url), taken, leash=leash)
    assert (error.kind, error.may_have_been_processed) == ("broken", True)
    assert b"".join(taken) == delivered
    assert error.delivered_bytes == leash.delivered_bytes == len(delivered)
    assert (leash.has_reply_begun, leash.sends, len(peer.requests)) == (True, 1, 1)


@pytest.mark.parametrize("is_tls", [False, True])
def test_so_does_one_that_is_reset(
    is_tls: bool, listen: Start, tls: ssl.SSLContext, transport: Transport, post: Post, taken: Taken
) -> None:
    def play(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(CHUNKED + chunk(EVENTS[0]))
        taken.arrived.get(timeout=5)
        reset(sock)

    error = fail(transport, post(listen(play, tls if is_tls else None).url), taken)
    assert (error.kind, error.delivered_bytes, taken) == ("broken", len(EVENTS[0]), EVENTS[:1])


def test_a_reply_that_is_no_stream_delivers_nothing(answering: Start, transport: Transport, post: Post) -> None:
    peer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then_close=True)
    assert fail(transport, post(peer.url), None).delivered_bytes == 0


@pytest.mark.parametrize("packed", [False, True])
def test_a_stream_is_refused_at_the_cap(packed: bool, listen: Start, post: Post) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    head = HEAD + b"Content-Encoding: gzip\r\n\r\n" if packed else HEAD + b"\r\n"

    def flood(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(head)
        while True:
            sock.sendall(bomb if packed else bytes(1_000_000))

    sizes: list[int] = []

    def measure(data: bytes) -> bool:
        sizes.append(len(data))
        return True

    with closing(Transport(most_bytes=5_000_000)) as transport:
        error = fail(transport, post(listen(flood).url), measure)
    assert (error.kind, error.may_have_been_processed) == ("too_large", True)
    assert 4_000_000 < sum(sizes) == error.delivered_bytes <= 5_000_000
    assert max(sizes) <= 256 * 1024


def test_a_stale_connection_is_replaced_and_the_stream_handed_over_once(
    listen: Start, transport: Transport, post: Post, taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_once(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(WHOLE)

    monkeypatch.setattr("urllib3.connectionpool.is_connection_dropped", lambda conn: conn.is_closed)
    url = listen(answer_once).url
    for turn in range(1, 4):
        leash = Leash(monotonic() + 10)
        transport.stream(post(url), taken, timeout_s=10, idle_s=5, leash=leash)
        assert b"".join(taken) == EVENTS[0] * 2 * turn
        assert leash.sends == (1 if turn == 1 else 2)


# --- silent


def silent_after(sent: bytes) -> Callable[[Any, socket.socket], None]:
    def play(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(sent)
        peer.stopping.wait()

    return play


SILENCES = {
    "no reply": (b"", 0),
    "half the headers": (HEAD, 0),
    "no body": (CHUNKED, 0),
    "after a chunk": (CHUNKED + chunk(EVENTS[0]), 9),
    "within a chunk": (CHUNKED + b"9\r\ndata", 4),
    "within a body that closes": (HEAD + b"\r\ndata", 4),
    "an error": (b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nhal", 0),
}


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize(("sent", "delivered"), SILENCES.values(), ids=SILENCES)
def test_a_server_that_falls_silent_is_not_waited_for(
    sent: bytes,
    delivered: int,
    is_tls: bool,
    listen: Start,
    tls: ssl.SSLContext,
    transport: Transport,
    post: Post,
    taken: Taken,
    own_time: Clock,
) -> None:
    peer = listen(silent_after(sent), tls if is_tls else None)
    leash = Leash(monotonic() + 10)
    started, own_started = monotonic(), own_time()
    error = fail(transport, post(peer.url), taken, idle_s=IDLE_S, leash=leash)
    assert monotonic() - started >= IDLE_S
    assert own_time() - own_started < IDLE_S + LATE_S
    assert isinstance(error, DeadlineExceededError)
    assert "not a byte for 0.2 s" in str(error)
    assert (leash.cut_reason, error.delivered_bytes, error.may_have_been_processed) == ("idle", delivered, True)


@pytest.mark.parametrize(("of_leash", "of_call"), [(IDLE_S, 5.0), (5.0, IDLE_S), (IDLE_S, float("inf"))])
def test_the_shorter_of_two_idle_limits_counts(
    of_leash: float, of_call: float, listen: Start, transport: Transport, post: Post, taken: Taken, own_time: Clock
) -> None:
    leash = Leash(monotonic() + 10, idle_s=of_leash)
    started = own_time()
    fail(transport, post(listen(silent_after(CHUNKED)).url), taken, idle_s=of_call, leash=leash)
    assert own_time() - started < IDLE_S + LATE_S
    assert leash.cut_reason == "idle"


def test_every_byte_starts_the_wait_anew(listen: Start, transport: Transport, post: Post, taken: Taken) -> None:
    """Interim replies, headers and chunks, each a third of the limit after the one before: two limits in all."""
    steps = [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n", CHUNKED, *map(chunk, EVENTS)]

    def play(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        for step in [*steps, b"0\r\n\r\n"]:
            peer.stopping.wait(LONGER_IDLE_S / 3)
            sock.sendall(step)

    started = monotonic()
    transport.stream(post(listen(play).url), taken, timeout_s=10, idle_s=LONGER_IDLE_S)
    assert monotonic() - started > 2 * LONGER_IDLE_S
    assert taken == EVENTS


def test_so_do_bytes_that_do_not_unpack_to_anything_yet(
    listen: Start, transport: Transport, post: Post, taken: Taken
) -> None:
    packed = gzip.compress(b"x" * 50, 0)

    def play(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed))
        for place in range(0, len(packed), 8):
            peer.stopping.wait(LONGER_IDLE_S / 3)
            sock.sendall(packed[place : place + 8])

    transport.stream(post(listen(play).url), taken, timeout_s=10, idle_s=LONGER_IDLE_S)
    assert b"".join(taken) == b"x" * 50


def test_time_that_the_consumer_takes_is_not_the_servers(answering: Start, transport: Transport, post: Post) -> None:
    never = threading.Event()
    transport.stream(post(answering(WHOLE).url), lambda _: not never.wait(2 * IDLE_S), timeout_s=10, idle_s=IDLE_S)


def test_nor_is_the_time_to_send_the_request(listen: Start, transport: Transport, post: Post, taken: Taken) -> None:
    def read_late(peer: Any, sock: socket.socket) -> None:
        peer.stopping.wait(2 * LONGER_IDLE_S)
        peer.read_request(sock)
        sock.sendall(WHOLE)

    transport.stream(post(listen(read_late).url, b"x" * 32_000_000), taken, timeout_s=20, idle_s=LONGER_IDLE_S)
    assert b"".join(taken) == EVENTS[0] * 2


def test_nor_is_the_time_to_connect_again_after_a_stale_connection(
    listen: Start, transport: Transport, post: Post, taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_once(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(WHOLE)
        if peer.connections == 1:
            peer.read_request(sock)

    def look_up(*_: Any, flags: int = 0, **__: Any) -> Any:
        if flags:
            raise socket.gaierror
        peer.stopping.wait(2 * LONGER_IDLE_S)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", peer.port))]

    peer = listen(answer_once)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for _ in range(2):
        transport.stream(post(peer.url.replace("127.0.0.1", "slow.example")), taken, timeout_s=10, idle_s=LONGER_IDLE_S)
    assert (b"".join(taken), peer.connections, len(peer.requests)) == (EVENTS[0] * 4, 2, 3)


def test_a_hundred_streams_are_each_timed_alone(listen: Start, transport: Transport, post: Post) -> None:
    def play(peer: Any, sock: socket.socket) -> None:
        is_silent = b"silent" in peer.read_request(sock)
        sock.sendall(CHUNKED)
        for event in EVENTS:
            sock.sendall(chunk(event))
            peer.stopping.wait(0.3)
        if is_silent:
            peer.stopping.wait()
        sock.sendall(b"0\r\n\r\n")

    url = listen(play).url

    def ask(number: int) -> tuple[bytes, str]:
        taken = Taken()
        try:
            transport.stream(post(url, b"silent" if number % 2 else b""), taken, timeout_s=30, idle_s=1.0)
        except DeadlineExceededError as error:
            return b"".join(taken), str(error)
        return b"".join(taken), "whole"

    with ThreadPoolExecutor(100) as threads:
        outcomes = list(threads.map(ask, range(100)))
    assert {data for data, _ in outcomes} == {b"".join(EVENTS)}
    assert ["silent" in told for _, told in outcomes] == [False, True] * 50


# --- out of time, or cut


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize(
    ("head", "piece"),
    [(CHUNKED, b"1\r\nx\r\n"), (HEAD + b"\r\n", b"x"), (HEAD + b"Content-Length: 9999\r\n\r\n", b"x")],
)
def test_a_stream_that_goes_on_and_on_ends_with_its_time(
    head: bytes,
    piece: bytes,
    is_tls: bool,
    listen: Start,
    tls: ssl.SSLContext,
    transport: Transport,
    post: Post,
    own_time: Clock,
) -> None:
    def play(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(head)
        peer.drip(sock, piece)

    taken = Taken()
    started, own_started = monotonic(), own_time()
    error = fail(transport, post(listen(play, tls if is_tls else None).url), taken, timeout_s=1.0, idle_s=0.9)
    assert monotonic() - started >= 1.0
    assert own_time() - own_started < 1.0 + LATE_S
    assert isinstance(error, DeadlineExceededError)
    assert "time limit" in str(error)
    assert error.delivered_bytes == len(b"".join(taken)) > 0


@pytest.fixture
def in_thread() -> Iterator[Callable[..., Any]]:
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(1))
        yield threads.submit


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize("head", [CHUNKED, HEAD + b"\r\n"])
def test_a_stream_can_be_cut_while_the_next_chunk_is_awaited(
    head: bytes,
    is_tls: bool,
    listen: Start,
    tls: ssl.SSLContext,
    transport: Transport,
    post: Post,
    taken: Taken,
    in_thread: Start,
    own_time: Clock,
) -> None:
    first = chunk(EVENTS[0]) if head is CHUNKED else EVENTS[0]
    peer = listen(silent_after(head + first), tls if is_tls else None)
    leash = Leash(monotonic() + 30)
    call = in_thread(transport.stream, post(peer.url), taken, timeout_s=30, leash=leash)
    assert taken.arrived.get(timeout=5) == EVENTS[0]
    started = own_time()
    leash.cut("cancelled")
    error = call.exception(5)
    assert own_time() - started < 0.05
    assert isinstance(error, TransportError)
    assert (error.kind, error.delivered_bytes) == ("cancelled", len(EVENTS[0]))


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"])
def test_after_a_cut_nothing_more_is_handed_over(
    end: bytes, answering: Start, transport: Transport, post: Post
) -> None:
    peer = answering(CHUNKED + b"".join(map(chunk, EVENTS)) + end)  # all there with the first chunk
    leash = Leash(monotonic() + 30)
    taken: list[bytes] = []

    def cut_then_go_on(data: bytes) -> bool:
        taken.append(data)
        leash.cut("cancelled")
        return True

    error = fail(transport, post(peer.url), cut_then_go_on, leash=leash)
    assert (error.kind, error.delivered_bytes, taken) == ("cancelled", len(EVENTS[0]), EVENTS[:1])


def test_streams_cut_at_any_moment_hurt_nobody_else(listen: Start, transport: Transport, post: Post) -> None:
    def echo(peer: Any, sock: socket.socket) -> None:
        while request := peer.read_request(sock):
            sent = request.partition(b"\r\n\r\n")[2]
            sock.sendall(CHUNKED + chunk(sent))
            sock.sendall(chunk(sent) + b"0\r\n\r\n")

    url = listen(echo).url
    being_cut: SimpleQueue[Leash | None] = SimpleQueue()

    def cut_all() -> None:
        while leash := being_cut.get():
            leash.cut("cancelled")

    def ask(number: int) -> bool:
        sent, taken = b"%d" % number, Taken()
        leash = Leash(monotonic() + 30)

        def take(data: bytes) -> bool:
            if number % 2:
                being_cut.put(leash)
            return taken(data)

        try:
            transport.stream(post(url, sent), take, timeout_s=30, idle_s=20, leash=leash)
        except TransportError as error:
            return bool(number % 2) and error.kind == "cancelled" and (sent * 2).startswith(b"".join(taken))
        return b"".join(taken) == sent * 2

    cutter = threading.Thread(target=cut_all)
    cutter.start()
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(ask, range(1000)))
    being_cut.put(None)
    cutter.join()
    assert outcomes == [True] * 1000


def test_the_shared_connections_stream_too(answering: Start, post: Post, taken: Taken) -> None:
    from deluge_sync._http import stream

    ask = partial(stream, post(answering(WHOLE).url), taken)
    reply: HttpReply = ask(timeout_s=5, idle_s=5)
    assert reply.is_streamed
    assert b"".join(taken) == EVENTS[0] * 2
