"""Where each contender lives: an environment of its own under `.venv/bench`, made at first use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OURS = "deluge_sync"

# What is installed for each contender; ours is this checkout.
PACKAGES = {
    OURS: [str(ROOT)],
    "lm_deluge": ["lm_deluge"],
    "litellm": ["litellm"],
    "openai_threads": ["openai"],
    "openai_asyncio": ["openai"],
    "langchain": ["langchain-openai"],
    "requests_threads": ["requests"],
}
MODULES = {"openai_threads": "openai", "openai_asyncio": "openai", "langchain": "langchain_openai"}


def python_of(contender: str) -> Path:
    """The interpreter of the contender's own environment, which is made if it is not there."""
    packages = PACKAGES.get(contender, PACKAGES[OURS])
    home = ROOT / ".venv" / "bench" / packages[0].replace(str(ROOT), OURS)
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        editable = ["--editable"] if packages == PACKAGES[OURS] else []
        subprocess.run([python, "-m", "pip", "install", "--quiet", *editable, *packages], check=True)
        (home / "ready").touch()
    return python


def version_of(contender: str) -> str:
    """The installed version of the contender's package."""
    module = MODULES.get(contender, contender.removesuffix("_threads")).replace("_", "-")
    code = f"from importlib.metadata import version; print(version({module!r}))"
    return subprocess.run([python_of(contender), "-c", code], check=True, capture_output=True, text=True).stdout.strip()
