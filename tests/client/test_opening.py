"""`open`, `close` and `reset_tracker`: one display over many calls, and a client that is opened again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from deluge_sync import LeakyBucketLimiter, LLMClient
from deluge_sync.errors import ClientClosedError, ConfigError
from deluge_sync.testing import FakeProvider

Connect = Callable[..., LLMClient]
Factory = Callable[..., FakeProvider]


def summaries(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The last line of each display; in a pipe there are others only after 5 s."""
    return re.findall(r"^\S+: (.* answered)", capsys.readouterr().err, re.MULTILINE)


def test_one_display_covers_all_calls_and_tasks(
    fake_provider: FakeProvider, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(fake_provider)
    assert client.open() is client
    client.process_prompts_sync(["a", "b"])
    list(client.process_prompts_iter(["c"]))
    client.wait_for_all_sync([client.start_nowait("d")])
    client.run_agent_loop_sync("e")
    assert summaries(capsys) == []
    client.close()

    assert summaries(capsys) == ["5 of 5 answered"]


def test_a_known_total_is_not_added_to(
    fake_provider: FakeProvider, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(fake_provider).open(total=10)
    client.process_prompts_sync(["a", "b"])
    client.start_sync("c")
    assert client.tracker.snapshot().total == 10
    client.open(total=5)
    assert client.tracker.snapshot().total == 15
    client.close()

    assert len(summaries(capsys)) == 1


def test_an_open_without_progress_silences_the_calls(
    fake_provider: FakeProvider, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(fake_provider).open(show_progress=False)
    client.process_prompts_sync(["a"])
    client.close()

    assert capsys.readouterr().err == ""


def test_a_client_can_be_closed_and_opened_again(
    fake_provider: FakeProvider, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(fake_provider)
    for round_number in range(3):
        client.open(total=2)
        answers = client.wait_for_all_sync([client.start_nowait(f"{n}") for n in range(2)])
        assert [each.completion for each in answers] == ["You said: 0", "You said: 1"]
        _, response = client.run_agent_loop_sync("x")
        assert not response.is_error
        client.close()
        with pytest.raises(ClientClosedError, match="open"):
            client.process_prompts_sync(["x"])
        with pytest.raises(ClientClosedError):
            client.run_agent_loop_sync("x")
        assert client.tracker.snapshot().answered == 3 * (round_number + 1)

    assert len(summaries(capsys)) == 3


def test_opening_again_forgets_no_limit(fake_provider: FakeProvider, connect: Connect) -> None:
    """Sixty a minute: a new client lets ten go at once, and the same client not ten more after each `open`."""
    client = connect(fake_provider, max_requests_per_minute=60, max_seconds_per_prompt=0.5)
    client.process_prompts_sync(["x"] * 10, show_progress=False)
    client.close()
    client.open(show_progress=False)
    later = client.process_prompts_sync(["x"] * 10, show_progress=False)

    assert sum(each.error_kind == "timeout" for each in later) >= 8


def test_limits_can_be_changed_while_closed(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, max_requests_per_minute=60, max_seconds_per_prompt=20)
    client.process_prompts_sync(["x"] * 10, show_progress=False)
    client.close()
    client.with_limits(max_requests_per_minute=600_000)
    client.open(show_progress=False)

    assert not any(each.is_error for each in client.process_prompts_sync(["x"] * 20, show_progress=False))


def test_leaving_a_with_block_closes_what_open_opened(
    fake_provider: FakeProvider, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(fake_provider)
    with client.open(total=1):
        client.start_sync("x")

    assert summaries(capsys) == ["1 of 1 answered"]
    with pytest.raises(ClientClosedError):
        client.start_sync("x")


def test_open_and_close_work_inside_an_event_loop(fake_provider: FakeProvider, connect: Connect) -> None:
    client = connect(fake_provider, limiter=LeakyBucketLimiter())

    async def main() -> None:
        for _ in range(2):
            client.open(total=1, show_progress=False)
            assert (await client.wait_for(client.start_nowait("x"))).completion == "You said: x"
            client.close()

    asyncio.run(main())


def test_resetting_counts_anew_on_the_display_too(
    fake_provider: FakeProvider, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(fake_provider).open(total=3)
    client.process_prompts_sync(["a", "b", "c"])
    client.reset_tracker()
    assert client.tracker.snapshot().answered == 0
    client.process_prompts_sync(["d"])
    client.close()

    assert summaries(capsys) == ["1 of 1 answered"]
    client.reset_tracker()
    assert client.tracker.snapshot().finished == 0


def test_a_snapshot_tells_what_the_client_does(fake_provider_factory: Factory, connect: Connect) -> None:
    provider = fake_provider_factory(faults={"error_400": 0.2}, seed=1)
    client = connect(provider, max_requests_per_minute=5_000)
    client.wait_for_all_sync([client.start_nowait(f"{n}") for n in range(50)])
    seen = client.tracker.snapshot()

    assert seen.total == seen.answered + seen.failed == 50
    assert seen.errors == {"bad_request": seen.failed}
    assert (seen.in_flight, seen.queued, seen.retried, seen.local_cache_hits) == (0, 0, 0, 0)
    assert seen.requests_last_minute == len(provider.ledger)
    assert seen.limits.requests_per_minute == 5_000
    assert seen.input_tokens == sum(record.prompt_tokens for record in provider.ledger)
    assert seen.cost_usd == pytest.approx((seen.input_tokens * 0.4 + seen.output_tokens * 1.6) / 1e6)


@pytest.mark.parametrize("wrong", [-1, 1.5, "7"])
def test_a_total_is_a_number_of_prompts(fake_provider: FakeProvider, connect: Connect, wrong: int) -> None:
    with pytest.raises(ConfigError, match="total"):
        connect(fake_provider).open(total=wrong)
