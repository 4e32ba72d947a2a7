"""The server as a client sees it on a socket, and the ledger that judges clients."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.testing import FAULTS, FakeProvider, Reply, RequestRecord

Clock = Callable[[], float]
Factory = Callable[..., FakeProvider]
Post = Callable[..., Any]
Dial = Callable[[FakeProvider], socket.socket]
ReadAll = Callable[[socket.socket], bytes]


# Ledger


def test_the_ledger_has_every_request_exactly_once_under_32_threads(
    fake_provider: FakeProvider, chat_body: Callable[..., bytes]
) -> None:
    def run(worker: int) -> list[str]:
        connection = http.client.HTTPConnection(fake_provider.url.removeprefix("http://"), timeout=5)
        said = []
        for number in range(10):
            connection.request(
                "POST", "/v1/chat/completions", chat_body(f"{worker}/{number}"), {"Authorization": f"Bearer k{worker}"}
            )
            said.append(json.loads(connection.getresponse().read())["choices"][0]["message"]["content"])
        connection.close()
        return said

    with ThreadPoolExecutor(32) as pool:
        answers = [answer for worker in pool.map(run, range(32)) for answer in worker]
    ledger = fake_provider.ledger
    assert [record.sequence for record in ledger] == list(range(320))
    asked = sorted((record.key, record.json["messages"][0]["content"]) for record in ledger)
    assert asked == sorted((f"k{worker}", f"{worker}/{number}") for worker in range(32) for number in range(10))
    assert sorted(answers) == sorted(f"You said: {worker}/{number}" for worker in range(32) for number in range(10))
    assert len(fake_provider.answered()) == 320
    assert len({record.client_port for record in ledger}) == 32
    assert all(record.finished is not None and record.finished >= record.arrived for record in ledger)
    assert 1 <= fake_provider.peak_in_flight <= 32
    assert fake_provider.busiest(3600.0) == 320
    assert fake_provider.busiest_tokens(3600.0) == sum(r.prompt_tokens + r.completion_tokens for r in ledger)


def test_a_record_tells_what_was_sent(fake_provider: FakeProvider, post: Post, chat_body: Callable[..., bytes]) -> None:
    before = time.monotonic()
    post(fake_provider, chat_body("x", seed=5), key="sk-1")
    (record,) = fake_provider.requests("/v1/chat/completions")
    assert (record.method, record.key, record.json["seed"]) == ("POST", "sk-1", 5)
    assert record.headers["authorization"] == "Bearer sk-1"
    assert before <= record.arrived <= time.monotonic()
    assert "sk-1" not in repr(record)
    assert fake_provider.requests("/v1/models") == []


def test_requests_in_flight_are_in_the_ledger(fake_provider: FakeProvider, dial: Dial, raw_request: bytes) -> None:
    arrived = threading.Event()

    def script(_record: RequestRecord) -> Reply:
        arrived.set()
        return Reply.hang(60)

    fake_provider.use_script(script)
    dial(fake_provider).sendall(raw_request)
    assert arrived.wait(5)
    (record,) = fake_provider.ledger
    assert (record.finished, record.status, record.answered) == (None, None, False)


def test_many_keep_alive_connections_are_served(fake_provider: FakeProvider, dial: Dial, raw_request: bytes) -> None:
    connections = [dial(fake_provider) for _ in range(256)]
    for _ in range(4):
        for connection in connections:
            connection.sendall(raw_request)
        for connection in connections:
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    assert len(fake_provider.answered()) == 1024


# Limits


def test_requests_over_the_limit_get_429_and_the_window_holds(fake_provider_factory: Factory, post: Post) -> None:
    provider = fake_provider_factory(requests_per_minute=300, burst_s=1.0)
    statuses = [post(provider).status for _ in range(30)]
    assert set(statuses) == {200, 429}
    assert statuses[:5] == [200] * 5
    admitted = [record.arrived for record in provider.answered()]
    for first, start in enumerate(admitted):
        for count, end in enumerate(admitted[first:], start=1):
            assert count <= 5 * (1 + end - start) + 1e-6


def test_a_client_that_waits_as_told_is_admitted(fake_provider_factory: Factory, post: Post) -> None:
    provider = fake_provider_factory(requests_per_minute=120, burst_s=0.5, retry_after="ms")
    assert post(provider).status == 200
    reply = post(provider)
    assert reply.status == 429
    wait_ms = int(reply.headers["retry-after-ms"])
    assert 1 <= wait_ms <= 500
    last = provider.ledger[-1].arrived
    time.sleep(max(0.0, last + wait_ms / 1000 - time.monotonic()))
    assert post(provider).status == 200


@pytest.mark.parametrize(("hint", "header", "value"), [("seconds", "retry-after", "1"), (7, "retry-after", "7")])
def test_the_retry_hint_is_as_ordered(
    fake_provider_factory: Factory, post: Post, hint: Any, header: str, value: str
) -> None:
    provider = fake_provider_factory(requests_per_minute=60, burst_s=1.0, retry_after=hint)
    post(provider)
    assert post(provider).headers[header] == value


def test_the_retry_hint_can_be_a_date_or_missing(fake_provider_factory: Factory, post: Post) -> None:
    dated = fake_provider_factory(requests_per_minute=60, burst_s=1.0, retry_after="date")
    silent = fake_provider_factory(requests_per_minute=60, burst_s=1.0, retry_after=None)
    post(dated)
    post(silent)
    reply = post(dated)
    wait = parsedate_to_datetime(reply.headers["retry-after"]) - parsedate_to_datetime(reply.headers["date"])
    assert 1 <= wait.total_seconds() <= 2
    assert not [name for name in post(silent).headers if name.startswith("retry")]


def test_every_reply_tells_where_the_limits_stand(
    fake_provider_factory: Factory, post: Post, chat_body: Callable[..., bytes]
) -> None:
    provider = fake_provider_factory(requests_per_minute=6, tokens_per_minute=600)
    reply = post(provider, chat_body("x" * 384, max_tokens=10))
    assert reply.headers["x-ratelimit-limit-requests"] == "6"
    assert reply.headers["x-ratelimit-remaining-requests"] == "5"
    assert reply.headers["x-ratelimit-reset-requests"] == "10s"
    assert reply.headers["x-ratelimit-remaining-tokens"] == "500"
    refused = post(provider, b"{}")
    assert (refused.status, refused.headers["x-ratelimit-remaining-requests"]) == (400, "4")
    quiet = fake_provider_factory(requests_per_minute=6, rate_limit_headers=False)
    assert not [name for name in post(quiet).headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize(("charge", "tokens"), [("max", 50), ("sum", 55), ("used", 8)])
def test_tokens_are_charged_as_ordered(
    fake_provider_factory: Factory, post: Post, chat_body: Callable[..., bytes], charge: str, tokens: int
) -> None:
    # The prompt has 5 tokens, one for its text and four for the message; the answer "You said: a" has 3.
    provider = fake_provider_factory(tokens_per_minute=100, token_charge=charge)
    post(provider, chat_body("a", max_tokens=50))
    assert provider.ledger[0].charged_tokens == tokens


def test_a_request_over_the_token_limit_is_refused(
    fake_provider_factory: Factory, post: Post, chat_body: Callable[..., bytes]
) -> None:
    provider = fake_provider_factory(tokens_per_minute=100)
    assert post(provider, chat_body(max_tokens=60)).status == 200
    reply = post(provider, chat_body(max_tokens=60))
    error = json.loads(reply.data)["error"]
    assert (reply.status, error["type"], error["code"]) == (429, "tokens", "rate_limit_exceeded")
    too_large = post(provider, chat_body(max_tokens=101))
    assert (too_large.status, too_large.headers["retry-after"]) == (429, None)
    assert "Request too large" in json.loads(too_large.data)["error"]["message"]


def test_requests_above_max_concurrent_are_turned_away(
    fake_provider_factory: Factory, post: Post, dial: Dial, raw_request: bytes
) -> None:
    provider = fake_provider_factory(max_concurrent=1, max_concurrent_status=503)
    arrived, release = threading.Event(), threading.Event()

    def script(record: RequestRecord) -> None:
        if record.sequence == 0:
            arrived.set()
            release.wait(5)

    provider.use_script(script)
    first = dial(provider)
    first.sendall(raw_request)
    assert arrived.wait(5)
    assert post(provider).status == 503
    release.set()
    assert first.recv(100).startswith(b"HTTP/1.1 200")
    assert post(provider).status == 200
    assert provider.peak_in_flight == 2


# Latency


def test_latency_is_waited_and_repeatable(fake_provider_factory: Factory, post: Post) -> None:
    drawn: list[float] = []

    def latency(rng: random.Random) -> float:
        drawn.append(rng.uniform(0.02, 0.04))
        return drawn[-1]

    for provider in (
        fake_provider_factory(latency_s=latency, seed=3),
        fake_provider_factory(latency_s=latency, seed=3),
    ):
        for _ in range(3):
            post(provider)
        for record, latency_s in zip(provider.ledger, drawn[-3:], strict=True):
            assert record.finished is not None
            assert record.finished - record.arrived >= latency_s
    assert drawn[:3] == drawn[3:]
    assert len(set(drawn)) == 3


def test_a_reply_may_have_a_latency_of_its_own(fake_provider: FakeProvider, post: Post) -> None:
    fake_provider.use_script([Reply.error(500).after(0.05)])
    assert post(fake_provider).status == 500
    (record,) = fake_provider.ledger
    assert record.finished is not None
    assert record.finished - record.arrived >= 0.05


def test_events_of_a_stream_can_be_spaced(
    fake_provider_factory: Factory, post: Post, chat_body: Callable[..., bytes]
) -> None:
    provider = fake_provider_factory(chunk_delay_s=0.01)
    reply = post(provider, chat_body("x", stream=True))
    events = reply.data.count(b"data: ")
    (record,) = provider.ledger
    assert record.finished is not None
    assert record.finished - record.arrived >= (events - 1) * 0.01


def test_a_client_that_hangs_up_ends_its_request(fake_provider: FakeProvider, dial: Dial, raw_request: bytes) -> None:
    fake_provider.use_script([Reply.text("late").after(60)])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""
    (record,) = fake_provider.ledger
    assert (record.status, record.complete, record.finished is not None) == (None, False, True)


# Misbehaviour


def test_reset_sends_rst(fake_provider: FakeProvider, dial: Dial, raw_request: bytes) -> None:
    fake_provider.use_script([Reply.reset()])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert fake_provider.ledger[0].status is None


def test_close_sends_fin_without_a_byte(
    fake_provider: FakeProvider, dial: Dial, raw_request: bytes, read_all: ReadAll
) -> None:
    fake_provider.use_script([Reply.close()])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    assert read_all(connection) == b""
    assert (fake_provider.ledger[0].status, fake_provider.ledger[0].complete) == (None, False)


def test_hang_says_nothing_and_then_closes(
    fake_provider: FakeProvider, dial: Dial, raw_request: bytes, read_all: ReadAll
) -> None:
    fake_provider.use_script([Reply.hang(0.05)])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    assert read_all(connection) == b""
    (record,) = fake_provider.ledger
    assert record.finished is not None
    assert record.finished - record.arrived >= 0.05


def test_truncated_sends_half_of_what_it_promised(
    fake_provider: FakeProvider, dial: Dial, raw_request: bytes, read_all: ReadAll
) -> None:
    fake_provider.use_script([Reply.truncated()])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    head, _, body = read_all(connection).partition(b"\r\n\r\n")
    promised = int(dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])[b"content-length"])
    assert len(body) == promised // 2
    (record,) = fake_provider.ledger
    assert (record.status, record.complete, record.answered) == (200, False, False)
    assert record.completion_tokens > 0


def test_truncated_headers_have_no_end(
    fake_provider: FakeProvider, dial: Dial, raw_request: bytes, read_all: ReadAll
) -> None:
    fake_provider.use_script([Reply.truncated(where="headers")])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    received = read_all(connection)
    assert received.startswith(b"HTTP/1.1 200")
    assert b"\r\n\r\n" not in received
    assert not fake_provider.ledger[0].complete


def test_a_truncated_stream_has_no_end(
    fake_provider: FakeProvider, post: Post, chat_body: Callable[..., bytes]
) -> None:
    fake_provider.use_script([Reply.truncated()])
    with pytest.raises(http.client.IncompleteRead):
        post(fake_provider, chat_body(stream=True))


def test_half_json_has_a_length_that_fits(fake_provider: FakeProvider, post: Post) -> None:
    fake_provider.use_script([Reply.half_json()])
    reply = post(fake_provider)
    assert reply.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.data)
    assert fake_provider.ledger[0].complete


def test_a_dripping_body_comes_slowly_after_its_headers(
    fake_provider: FakeProvider, dial: Dial, raw_request: bytes
) -> None:
    fake_provider.use_script([Reply.drip(5.0)])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    assert connection.recv(65_536).endswith(b"\r\n\r\n")
    assert 1 <= len(connection.recv(65_536)) < 10


def test_dripping_headers_come_slowly(fake_provider: FakeProvider, dial: Dial, raw_request: bytes) -> None:
    fake_provider.use_script([Reply.drip(50.0, where="headers")])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    assert b"HTTP/1.1 200".startswith(connection.recv(6))
    assert 1 <= len(connection.recv(65_536)) < 100


def test_a_client_that_leaves_a_drip_gets_no_complete_reply(
    fake_provider: FakeProvider, dial: Dial, raw_request: bytes
) -> None:
    fake_provider.use_script([Reply.drip(10.0)])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    connection.recv(65_536)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65_536):
        pass
    (record,) = fake_provider.ledger
    assert (record.status, record.complete) == (200, False)


def test_close_idle_closes_after_a_whole_reply_without_notice(
    fake_provider: FakeProvider, dial: Dial, raw_request: bytes, read_all: ReadAll
) -> None:
    fake_provider.use_script([Reply.close_idle()])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    reply = read_all(connection)
    assert b"connection:" not in reply.partition(b"\r\n\r\n")[0].lower()
    assert reply.endswith(b"}")
    assert fake_provider.ledger[0].answered


def test_a_stale_connection_dies_at_the_next_request(
    fake_provider: FakeProvider, dial: Dial, raw_request: bytes
) -> None:
    fake_provider.use_script([Reply.close_idle(when="next_request")])
    connection = dial(fake_provider)
    connection.sendall(raw_request)
    assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    connection.settimeout(0.05)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    connection.settimeout(5)
    connection.sendall(raw_request)
    # Which of the two the client sees depends on how far its own sending got.
    with contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""
    assert len(fake_provider.ledger) == 1


def test_bodies_that_are_no_answers(fake_provider: FakeProvider, post: Post) -> None:
    fake_provider.use_script(
        [
            Reply.html(502),
            Reply.not_utf8(),
            Reply.redirect("http://127.0.0.1:9/"),
            Reply.raw(299, {"x-a": "b"}, b"\x00"),
            Reply.error(400, code="c", message="m", type="t", param="p", headers={"x-should-retry": "true"}),
        ]
    )
    html, latin, redirect, raw, error = (post(fake_provider) for _ in range(5))
    assert (html.status, html.headers["content-type"]) == (502, "text/html")
    with pytest.raises(UnicodeDecodeError):
        latin.data.decode()
    assert (redirect.status, redirect.headers["location"]) == (307, "http://127.0.0.1:9/")
    assert (raw.status, raw.headers["x-a"], raw.data) == (299, "b", b"\x00")
    assert json.loads(error.data) == {"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}
    assert (error.status, error.headers["x-should-retry"]) == (400, "true")


def test_a_reply_or_script_that_cannot_be_is_logged_and_ends_its_request(
    fake_provider: FakeProvider, dial: Dial, raw_request: bytes, read_all: ReadAll, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_record: RequestRecord) -> Reply:
        raise RuntimeError("a mistake in the script")

    for script in ([Reply.raw(200, {"x": "\u2028"}, b"")], broken):
        fake_provider.use_script(script)
        connection = dial(fake_provider)
        connection.sendall(raw_request)
        assert read_all(connection) == b""
    assert [(r.status, r.complete, r.finished is not None) for r in fake_provider.ledger] == [(None, False, True)] * 2
    fake_provider.stop()  # the threads log after their connections are closed
    assert "a mistake in the script" in caplog.text


def test_faults_strike_as_often_as_ordered_and_always_the_same(fake_provider_factory: Factory, post: Post) -> None:
    chances = {"error_500": 0.3, "error_429": 0.2, "close_idle": 0.1}
    runs = []
    for _ in range(2):
        provider = fake_provider_factory(faults=chances, seed=11)
        runs.append([post(provider).status for _ in range(100)])
    assert runs[0] == runs[1]
    assert 18 <= runs[0].count(500) <= 42
    assert 10 <= runs[0].count(429) <= 30
    assert 40 <= runs[0].count(200) <= 60


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"hang"}))
def test_after_a_fault_the_provider_serves_on(
    fake_provider_factory: Factory, dial: Dial, raw_request: bytes, post: Post, name: str
) -> None:
    provider = fake_provider_factory(script=[FAULTS[name], None])
    connection = dial(provider)
    connection.sendall(raw_request)
    with contextlib.suppress(ConnectionResetError):
        connection.recv(1)
    assert post(provider).status == 200


def test_faults_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="error_418"):
        FakeProvider(faults={"error_418": 0.1})
    with pytest.raises(ConfigError, match="at most 1"):
        FakeProvider(faults={"reset": 0.6, "close": 0.6})


def test_a_fault_does_not_hide_a_wrong_key(fake_provider_factory: Factory, post: Post) -> None:
    provider = fake_provider_factory(faults={"error_500": 1.0}, api_keys=["right"])
    assert post(provider, key="wrong").status == 401
    assert post(provider, key="right").status == 500


def test_what_is_not_http_gets_400(fake_provider: FakeProvider, dial: Dial, read_all: ReadAll) -> None:
    connection = dial(fake_provider)
    connection.sendall(b"\x16\x03\x01 what\r\n")
    assert read_all(connection).startswith(b"HTTP/1.1 400")
    assert fake_provider.ledger == []


# Life


def test_stop_ends_hanging_replies_and_every_thread(
    fake_provider_factory: Factory, dial: Dial, raw_request: bytes, own_time: Clock
) -> None:
    before = set(threading.enumerate())
    arrived = threading.Semaphore(0)

    def script(record: RequestRecord) -> Reply:
        arrived.release()
        return [Reply.hang(600), Reply.drip(0.01), Reply.drip(0.01, where="headers")][record.sequence % 3]

    provider = fake_provider_factory(script=script)
    connections = [dial(provider) for _ in range(20)]
    for connection in connections[:15]:
        connection.sendall(raw_request)
    for _ in range(15):
        assert arrived.acquire(timeout=5)
    started = own_time()
    provider.stop()
    assert own_time() - started < 0.5
    assert set(threading.enumerate()) <= before
    provider.stop()
    assert all(record.finished is not None and not record.complete for record in provider.ledger)


def test_a_stopped_provider_starts_again_on_its_port(fake_provider: FakeProvider, post: Post) -> None:
    post(fake_provider)
    url = fake_provider.url
    fake_provider.stop()
    with pytest.raises(ConnectionRefusedError):
        post(fake_provider)
    fake_provider.start()
    assert fake_provider.url == url
    assert post(fake_provider).status == 200
    assert len(fake_provider.ledger) == 2


def test_down_refuses_connections(fake_provider: FakeProvider, post: Post) -> None:
    fake_provider.down("refuse")
    with pytest.raises(ConnectionRefusedError):
        post(fake_provider)
    fake_provider.up()
    assert post(fake_provider).status == 200


def test_down_closes_connections_open_and_new(
    fake_provider: FakeProvider, post: Post, dial: Dial, raw_request: bytes, read_all: ReadAll
) -> None:
    kept = dial(fake_provider)
    kept.sendall(raw_request)
    assert kept.recv(65_536).startswith(b"HTTP/1.1 200")
    fake_provider.down()
    assert read_all(kept) == b""
    assert read_all(dial(fake_provider)) == b""
    assert len(fake_provider.ledger) == 1
    fake_provider.up()
    assert post(fake_provider).status == 200


def test_down_with_503_is_in_the_ledger(fake_provider: FakeProvider, post: Post) -> None:
    fake_provider.down("503")
    reply = post(fake_provider)
    assert (reply.status, json.loads(reply.data)["error"]["code"]) == (503, "server_is_overloaded")
    fake_provider.up()
    assert post(fake_provider).status == 200
    assert [record.status for record in fake_provider.ledger] == [503, 200]


def test_an_address_is_only_known_after_start() -> None:
    with pytest.raises(ConfigError, match="start"):
        _ = FakeProvider().url


def test_it_speaks_https(
    fake_provider_factory: Factory, chat_body: Callable[..., bytes], loopback_pem: Path, own_time: Clock
) -> None:
    provider = fake_provider_factory(certfile=loopback_pem)
    assert provider.openai_url.startswith("https://127.0.0.1:")
    connection = http.client.HTTPSConnection(
        provider.url.removeprefix("https://"), timeout=5, context=ssl.create_default_context(cafile=str(loopback_pem))
    )
    for _ in range(2):
        connection.request("POST", "/v1/chat/completions", chat_body(), {"Authorization": "Bearer k"})
        assert connection.getresponse().read().endswith(b"}")
    assert len({record.client_port for record in provider.answered()}) == 1
    provider.use_script([Reply.hang(600)])
    connection.request("POST", "/v1/chat/completions", chat_body(), {"Authorization": "Bearer k"})
    while len(provider.ledger) < 3:
        time.sleep(0.001)
    started = own_time()
    provider.stop()
    assert own_time() - started < 0.5
    with pytest.raises((http.client.RemoteDisconnected, ssl.SSLError)):
        connection.getresponse()
    connection.close()


def test_a_client_that_never_shakes_hands_blocks_nobody(
    fake_provider_factory: Factory, chat_body: Callable[..., bytes], loopback_pem: Path
) -> None:
    provider = fake_provider_factory(certfile=loopback_pem)
    address = provider.url.removeprefix("https://")
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=5):
        connection = http.client.HTTPSConnection(
            address, timeout=5, context=ssl.create_default_context(cafile=str(loopback_pem))
        )
        connection.request("POST", "/v1/chat/completions", chat_body(), {"Authorization": "Bearer k"})
        assert connection.getresponse().status == 200
        connection.close()


def test_serve_runs_until_it_is_interrupted() -> None:
    code = "from deluge_sync.testing import serve; serve(0, models=['a'], on_ready=lambda url: print(url, flush=True))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        connection.request("GET", "/v1/models", headers={"Authorization": "Bearer k"})
        assert [model["id"] for model in json.loads(connection.getresponse().read())["data"]] == ["a"]
        connection.close()
        process.send_signal(signal.SIGINT)
        rest, trouble = process.communicate(timeout=10)
    assert (rest, trouble.splitlines()[-1]) == ("", "KeyboardInterrupt")
