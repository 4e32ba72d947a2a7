"""Total times: of an attempt, whatever the provider does with it, and of a prompt, wherever it waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.testing import FakeProvider, Reply

_SILENCES = {
    "drips the body": Reply.drip(20.0),
    "drips the headers": Reply.drip(20.0, where="headers"),
    "says nothing": Reply.hang(60.0),
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("silence", list(_SILENCES))
@pytest.mark.parametrize(
    ("calls", "timeout_s", "p99_s"),
    # Late by what a busy machine with few cores makes of a hundred threads; the whole size holds the promise itself.
    [pytest.param(100, 1, 1.0, id="100"), pytest.param(1_000, 2, 0.1, id="1000", marks=pytest.mark.soak)],
)
def test_every_attempt_ends_at_its_total_time(
    scheme: str,
    silence: str,
    calls: int,
    timeout_s: int,
    p99_s: float,
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    loopback_pem: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., None],
    record_property: Callable[[str, object], None],
) -> None:
    options: dict[str, Any] = {"script": lambda _: _SILENCES[silence]}
    if scheme == "https":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(loopback_pem))
        options |= {"certfile": loopback_pem, "keyfile": loopback_pem}
    provider = fake_provider_factory(**options)
    client = connect(provider, max_concurrent_requests=100, request_timeout=timeout_s, max_attempts=1)

    # All fail, and a provider that never answers counts as down: each hundred is a run of a client of its own.
    late: list[float] = []
    for _ in range(calls // 100):
        responses = client.process_prompts_sync(["x"] * 100, show_progress=False)
        assert {response.error_kind for response in responses} == {"timeout"}
        late += [(response.latency_s or 0.0) - timeout_s for response in responses]
        client.close()
        client = connect(provider, max_concurrent_requests=100, request_timeout=timeout_s, max_attempts=1)

    late.sort()
    median, p99, most = late[len(late) // 2], late[int(len(late) * 0.99) - 1], late[-1]
    record_property("late", f"median {median * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, most {most * 1e3:.0f} ms")
    assert late[0] > -0.01
    assert p99 < p99_s

    # The provider, too, saw each call hang up in time.
    wait_until(lambda: all(record.finished is not None for record in provider.ledger))
    held = sorted((record.finished or 0.0) - record.arrived - timeout_s for record in provider.ledger)
    assert len(held) == calls
    assert held[int(calls * 0.99) - 1] < p99_s


@pytest.fixture
def hanging_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A resolver that answers no name in example. until the test is over; the names it was asked for."""
    is_over = threading.Event()
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def hang(host: Any, *arguments: Any, **options: Any) -> Any:
        if not str(host).endswith(".example"):
            return resolve(host, *arguments, **options)
        if not options.get("flags"):  # whether it is an address already may be asked, and is answered at once
            asked.append(host)
            is_over.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield asked
    is_over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("deluge-sync-dns"):
            thread.join(10)


def test_a_resolver_that_hangs_holds_no_prompt_longer_than_its_total_time(
    hanging_names: list[str],
    fake_provider: FakeProvider,
    connect: Callable[..., LLMClient],
    own_time: Callable[[], float],
) -> None:
    client = connect(
        fake_provider, base_url="http://slow.example/v1", max_concurrent_requests=50, request_timeout=1, max_attempts=1
    )
    started = own_time()

    responses = client.process_prompts_sync(["x"] * 50, show_progress=False)
    took_s = own_time() - started
    client.close()

    assert took_s < 2.0
    assert own_time() - started < 3.0
    assert {response.error_kind for response in responses} == {"timeout"}
    assert max(response.latency_s or 0.0 for response in responses) < 1.5
    assert len(hanging_names) == 1


def test_closing_does_not_wait_for_a_resolver_that_hangs(
    hanging_names: list[str],
    fake_provider: FakeProvider,
    connect: Callable[..., LLMClient],
    wait_until: Callable[..., None],
    own_time: Callable[[], float],
) -> None:
    client = connect(fake_provider, base_url="http://slow.example/v1", request_timeout=30)
    calling = threading.Thread(target=lambda: list(client.process_prompts_iter(["x"] * 20, show_progress=False)))
    calling.start()
    wait_until(lambda: client.tracker.snapshot().in_flight == 20 and len(hanging_names) > 0)
    started = own_time()

    client.close()
    calling.join(10)

    assert own_time() - started < 1.0
    assert not calling.is_alive()


def test_a_prompt_ends_at_its_deadline_while_it_waits_for_the_limiter(
    fake_provider: FakeProvider, connect: Callable[..., LLMClient], own_time: Callable[[], float]
) -> None:
    client = connect(fake_provider, max_requests_per_minute=10, max_seconds_per_prompt=1)
    started = own_time()

    responses = client.process_prompts_sync([f"{number}" for number in range(200)], show_progress=False)

    assert own_time() - started < 2.5
    unsent = [response for response in responses if response.attempts == 0]
    assert len(fake_provider.ledger) == 200 - len(unsent) <= 11
    assert {(response.error_kind, response.error_message) for response in unsent} == {
        ("timeout", "its time was up before it could be sent")
    }


def test_a_prompt_ends_at_its_deadline_while_it_waits_for_another_attempt(
    fake_provider_factory: Callable[..., FakeProvider], connect: Callable[..., LLMClient], own_time: Callable[[], float]
) -> None:
    provider = fake_provider_factory(script=lambda _: Reply.error(503, retry_after=5))
    client = connect(provider, max_seconds_per_prompt=1)
    started = own_time()

    [response] = client.process_prompts_sync(["x"], show_progress=False)

    assert own_time() - started < 1.5
    assert response.attempts == len(provider.ledger) == 1
    assert "no time is left for another attempt" in str(response.error_message)


def test_a_prompt_ends_at_its_deadline_while_the_key_is_paused(
    fake_provider_factory: Callable[..., FakeProvider], connect: Callable[..., LLMClient], own_time: Callable[[], float]
) -> None:
    provider = fake_provider_factory(script=[Reply.error(429, retry_after=30)])
    client = connect(provider, max_seconds_per_prompt=1, max_concurrent_requests=1)
    started = own_time()

    responses = client.process_prompts_sync([f"{number}" for number in range(50)], show_progress=False)

    assert own_time() - started < 2.5
    assert all(response.is_error for response in responses)
    assert len(provider.ledger) == 1


def test_a_prompt_ends_at_its_deadline_while_its_provider_is_down(
    fake_provider_factory: Callable[..., FakeProvider], connect: Callable[..., LLMClient], own_time: Callable[[], float]
) -> None:
    provider = fake_provider_factory()
    provider.down("503")
    client = connect(provider, max_seconds_per_prompt=2)
    started = own_time()

    responses = client.process_prompts_sync([f"{number}" for number in range(100)], show_progress=False)

    assert own_time() - started < 4
    assert all(response.is_error for response in responses)
