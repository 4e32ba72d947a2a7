"""A slow or failing look-up costs the caller no more than its time, and the machine one thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from deluge_sync._http import HttpRequest, Leash, Transport
from deluge_sync._http.resolver import Resolver
from deluge_sync.errors import DeadlineExceededError, TransportError

Clock = Callable[[], float]
Start = Callable[..., Any]
Post = Callable[..., HttpRequest]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class SlowNames:
    """Stands for getaddrinfo: every name is 127.0.0.1, told when `answer` is set."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked: list[str] = []
        self.addresses = ["127.0.0.1"]
        self._ask = socket.getaddrinfo

    def __call__(self, host: str, port: int, *, flags: int = 0, **options: Any) -> Any:
        if flags or host[0].isdigit():
            return self._ask(host, port, flags=flags, **options)
        self.asked.append(host)
        self.answer.wait(10)
        return [found for address in self.addresses for found in self._ask(address, port, **options)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowNames]:
    names = SlowNames()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.answer.set()
    for thread in look_ups():
        thread.join(5)
    assert look_ups() == []


def look_ups() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("deluge-sync-dns")]


def test_a_slow_look_up_ends_in_time_for_every_caller_and_is_made_once(
    names: SlowNames, transport: Transport, post: Post, own_time: Clock
) -> None:
    def call(_: int) -> float:
        started, own_started = monotonic(), own_time()
        with pytest.raises(DeadlineExceededError) as caught:
            transport.send(post("http://slow.example"), timeout_s=0.3)
        assert not caught.value.may_have_been_processed
        assert monotonic() - started >= 0.3
        return own_time() - own_started - 0.3

    with ThreadPoolExecutor(50) as threads:
        late_s = list(threads.map(call, range(50)))
    assert max(late_s) < 0.1
    assert names.asked == ["slow.example"]
    assert len(look_ups()) == 1


def test_callers_share_the_answer_and_the_next_one_asks_again(names: SlowNames) -> None:
    resolver = Resolver()
    expected = [(socket.AF_INET, ("127.0.0.1", 80))]
    with ThreadPoolExecutor(50) as threads:
        calls = [threads.submit(resolver.addresses, "a.example", 80, Leash(monotonic() + 10)) for _ in range(50)]
        names.answer.set()
        assert [call.result(5) for call in calls] == [expected] * 50
    assert resolver.addresses("a.example", 80, Leash(monotonic() + 10)) == expected
    assert resolver._under_way == {}


def test_a_name_that_does_not_exist_is_told_without_a_traceback_of_others(
    transport: Transport, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(TransportError, match=r"cannot resolve 'nowhere\.example'") as caught:
        transport.send(post("http://nowhere.example"), timeout_s=5)
    assert (caught.value.kind, caught.value.may_have_been_processed) == ("connect", False)


def test_a_numeric_address_needs_no_thread(names: SlowNames) -> None:
    resolver = Resolver()
    assert resolver.addresses("127.0.0.1", 80, Leash(monotonic() + 1)) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert resolver.addresses("::1", 80, Leash(monotonic() + 1)) == [(socket.AF_INET6, ("::1", 80, 0, 0))]
    assert names.asked == []


def test_every_address_is_tried(names: SlowNames, answering: Start, transport: Transport, post: Post) -> None:
    names.addresses = ["127.0.0.2", "127.0.0.1"]  # nobody listens on the first
    names.answer.set()
    peer = answering(OK)
    assert transport.send(post(peer.url.replace("127.0.0.1", "two.example")), timeout_s=5).body == b"ok"


def test_an_address_that_hangs_leaves_time_for_the_next(
    names: SlowNames, full_backlog: str, transport: Transport, post: Post, own_time: Clock
) -> None:
    names.addresses = ["127.0.0.1", "127.0.0.2"]  # the first hangs, the second refuses
    names.answer.set()
    started = own_time()
    with pytest.raises(TransportError) as caught:
        transport.send(post(full_backlog.replace("127.0.0.1", "two.example")), timeout_s=1.6)
    assert own_time() - started < 1.4
    assert (caught.value.kind, str(caught.value)) == (
        "connect",
        "no connection: ConnectionRefusedError (Connection refused)",
    )


def test_ipv6_is_spoken(transport: Transport, post: Post) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener, ThreadPoolExecutor(1) as threads:
        call = threads.submit(transport.send, post(f"http://[::1]:{listener.getsockname()[1]}"), timeout_s=5)
        sock, _ = listener.accept()
        with sock:
            assert b"Host: [::1]:" in sock.recv(65_536)
            sock.sendall(OK)
            assert call.result(5).body == b"ok"
