"""Every Python block of the README and the docs runs, against the embedded provider."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deluge_sync.testing import FakeProvider

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
]

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CO_API_KEY", "EXAMPLE_API_KEY")


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block{number}" for number in range(len(BLOCKS))])
def test_the_block_runs(block: str, fake_provider: FakeProvider, tmp_path: Path) -> None:
    keys = dict.fromkeys(KEYS, "sk-test-0123456789")
    places = {
        "OPENAI_BASE_URL": fake_provider.openai_url,
        "ANTHROPIC_BASE_URL": fake_provider.anthropic_url,
        "GOOGLE_GEMINI_BASE_URL": fake_provider.gemini_url,
        "CO_API_URL": fake_provider.cohere_url,
    }
    environment = {**os.environ, **keys, **places, "XDG_STATE_HOME": str(tmp_path / "state")}

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) >= 5
