"""Database connections of the client's threads: none stays open once an answer has been written down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deluge_sync.testing import FakeProvider

_PROGRAM = """
import os, threading
import django
django.setup()
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.backends.signals import connection_created
from django.test import RequestFactory

call_command("migrate", run_syncdb=True, verbosity=0)

from django_app import views
from django_app.llm import client
from django_app.models import Expense

opened = []
connection_created.connect(lambda connection, **_: opened.append((threading.current_thread().name, connection)),
                           weak=False)

def open_files():
    database = os.environ["DJANGO_DATABASE"]
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return sum(os.path.realpath(link) == database for link in links if os.path.lexists(link))

views.names(RequestFactory().get("/names", {"thing": "a boat"}))
elsewhere = [each for name, each in opened if name != threading.current_thread().name]
assert len(elsewhere) == 20, opened
assert [each for each in elsewhere if each.connection is not None] == []
connections.close_all()
assert open_files() == 0, open_files()
assert Expense.objects.count() == 20

with transaction.atomic():  # postprocess is called in this very thread, and leaves its transaction alone
    Expense.objects.create(model_name="m", tokens=1, cost_usd=None)
    before = connection.connection
    [response] = client.process_prompts_sync([object()], show_progress=False)
    assert response.is_error
    assert connection.connection is before
assert Expense.objects.count() == 21

wrong = client.process_prompts_sync(["x"] * 3, show_progress=False)
assert not any(response.error_message for response in wrong), wrong
print("fine")
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
def test_threads_of_the_client_leave_no_connection_open(
    examples: Path, user_environment: dict[str, str], fake_provider: FakeProvider, tmp_path: Path
) -> None:
    environment = {
        **user_environment,
        "PYTHONPATH": str(examples),
        "DJANGO_SETTINGS_MODULE": "django_app.settings",
        "DJANGO_DATABASE": str(tmp_path / "db.sqlite3"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PROGRAM],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr
    assert len(fake_provider.ledger) == 23
