"""The Flask and the Django example under a real gunicorn: threads, several processes, with and without preloading."""

from __future__ import annotations

import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.testing import FakeProvider, Reply

APPS = ["flask_app:app", "django_app.wsgi"]


def said(provider: FakeProvider) -> list[str]:
    """What the provider was asked, request by request."""
    return [record.json["messages"][-1]["content"] for record in provider.ledger]


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_each_of_200_visitors_at_once_gets_the_own_answer_and_so_do_the_last_ones_after_a_sigterm(
    gunicorn: Callable[..., Any], fake_provider: FakeProvider, wait_until: Callable[[Callable[[], bool]], None],
    app: str, options: tuple[str, ...],
) -> None:  # fmt: skip
    site = gunicorn(app, "--threads", "100", "--graceful-timeout", "30", *options)
    markers = [f"marker-{number}-" for number in range(200)]

    with ThreadPoolExecutor(200) as visitors:
        got = list(visitors.map(lambda marker: site.get("/answer", question=marker), markers))

    assert [status for status, _ in got] == [200] * 200
    assert [body["answer"] for _, body in got] == [f"You said: {marker}" for marker in markers]
    assert Counter(said(fake_provider)) == Counter(markers)  # asked once each, so paid for once
    assert len(fake_provider.ledger) == 200

    fake_provider.use_script(lambda _: Reply.text("late, but here").after(1.0))
    with ThreadPoolExecutor(20) as visitors:
        visits = [visitors.submit(site.get, "/answer", question=f"{number}") for number in range(20)]
        wait_until(lambda: len(fake_provider.ledger) == 220)
        site.process.send_signal(signal.SIGTERM)
        last = [visit.result() for visit in visits]
    assert [(status, body["answer"]) for status, body in last] == [(200, "late, but here")] * 20
    assert site.process.wait(timeout=60) == 0
    assert len(fake_provider.ledger) == 220


def test_twenty_questions_of_a_visitor_are_asked_at_once_and_written_down(
    gunicorn: Callable[..., Any], fake_provider: FakeProvider, tmp_path: Path
) -> None:
    fake_provider.use_script(lambda _: Reply.text("Bob").after(1.0))
    site = gunicorn("django_app.wsgi", "--threads", "4")

    status, names = site.get("/names", thing="a boat")

    assert status == 200
    assert [name["answer"] for name in names.values()] == ["Bob"] * 20
    assert len(fake_provider.ledger) == 20
    assert fake_provider.peak_in_flight > 10
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        [(count, cost)] = database.execute("SELECT count(*), sum(cost_usd) FROM django_app_expense")
    assert count == 20
    assert cost == pytest.approx(sum(name["cost"] for name in names.values()))


def test_a_list_of_questions_is_answered_in_its_order(
    gunicorn: Callable[..., Any], fake_provider: FakeProvider
) -> None:
    fake_provider.use_script(lambda record: Reply.error(400) if b"bad" in record.body else None)
    site = gunicorn("flask_app:app", "--threads", "4")

    with closing(HTTPConnection("127.0.0.1", site.port, timeout=60)) as connection:
        connection.request("POST", "/answers", '["one", "bad", "three"]', {"Content-Type": "application/json"})
        got = connection.getresponse().read().decode()

    assert "You said: one" in got
    assert '{"error":"bad_request"}' in got
    assert got.index("one") < got.index("bad_request") < got.index("three")


@pytest.mark.parametrize("app", APPS)
def test_an_answer_arrives_in_pieces_and_a_visitor_who_goes_away_ends_it(
    gunicorn: Callable[..., Any], fake_provider_factory: Any, user_environment: dict[str, str],
    wait_until: Callable[[Callable[[], bool]], None], read_event: Callable[..., Any], app: str,
) -> None:  # fmt: skip
    long_story = Reply.text("word " * 500)
    provider = fake_provider_factory(
        chunk_delay_s=0.02, script=lambda record: long_story if b"story" in record.body else None
    )
    user_environment["OPENAI_BASE_URL"] = provider.openai_url
    site = gunicorn(app, "--threads", "4")

    with closing(site.connect("/stream", question="one two three")) as connection:
        reply = connection.getresponse()
        assert reply.getheader("Content-Type").startswith("text/event-stream")
        events: list[tuple[str, Any]] = []
        while not events or events[-1][0] == "message":
            events.append(read_event(reply))
    pieces = [data for kind, data in events if kind == "message"]
    assert len(pieces) > 1
    assert "".join(pieces) == events[-1][1]["answer"] == "You said: one two three"
    assert events[-1][0] == "end"

    with closing(site.connect("/stream", question="a story")) as connection:
        reply = connection.getresponse()
        assert read_event(reply)[0] == "message"
    wait_until(lambda: provider.ledger[1].finished is not None)
    assert not provider.ledger[1].complete


_LIMITED = """
import os
from flask_app import app, client

client.with_limits(max_requests_per_minute=5)

@app.after_request
def tell(response):
    response.headers["X-Process"] = str(os.getpid())
    return response
"""


def test_limits_hold_in_each_process_by_itself(
    gunicorn: Callable[..., Any], fake_provider: FakeProvider, wait_until: Callable[[Callable[[], bool]], None],
    tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "limited.py").write_text(_LIMITED)
    # A process takes the five that it may answer and the eight that it may keep waiting; the others go to the other.
    options = ["--threads", "8", "--worker-connections", "8", "--graceful-timeout", "1", "--preload"]
    site = gunicorn("limited:app", *options, cwd=tmp_path)
    processes: list[str | None] = []

    def visit(number: int) -> None:
        with suppress(OSError), closing(site.connect("/answer", question=f"{number}")) as connection:
            processes.append(connection.getresponse().getheader("X-Process"))

    with ThreadPoolExecutor(30) as visitors:
        for number in range(30):
            visitors.submit(visit, number)
        wait_until(lambda: len(processes) >= 10)
        site.process.send_signal(signal.SIGTERM)
    assert site.process.wait(timeout=60) == 0

    assert sorted(Counter(processes).values()) == [5, 5]
    assert len(fake_provider.ledger) == 10
