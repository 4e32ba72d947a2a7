from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import openai
import pytest

from deluge_sync.testing import FakeProvider, Reply

SUITE = """
import sys

def test_loading_the_plugin_loads_no_server():
    assert "deluge_sync.testing.plugin" in sys.modules
    assert "deluge_sync.testing._provider" not in sys.modules
    assert "requests" not in sys.modules
    assert "pydantic" not in sys.modules

def test_fixtures(fake_provider, fake_provider_factory):
    assert fake_provider.url.startswith("http://127.0.0.1:")
    assert fake_provider_factory(models=["a"]).url != fake_provider.url
"""


def test_the_fixtures_are_there_wherever_the_package_is_installed(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    # Plugins of other packages are left out: what they import is not ours to judge.
    left_out = [f"-pno:{point.name}" for point in entry_points(group="pytest11") if point.name != "deluge_sync"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-pno:cacheprovider", *left_out, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout
    assert "warning" not in run.stdout + run.stderr


def test_the_fixture_has_no_limits_and_obeys_scripts(
    fake_provider: FakeProvider, official: Callable[..., openai.OpenAI]
) -> None:
    client = official(fake_provider)
    fake_provider.use_script([Reply.error(500)])
    with pytest.raises(openai.InternalServerError):
        client.models.list()
    assert "x-ratelimit-limit-requests" not in client.models.with_raw_response.list().headers
