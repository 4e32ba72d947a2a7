"""`import deluge_sync` costs next to nothing and does nothing; its names come when they are used."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import deluge_sync
from deluge_sync.testing import FakeProvider


def run(script: str, *, cwd: Path | None = None) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=cwd, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def test_importing_loads_nothing_beyond_the_standard_library_and_no_event_loop() -> None:
    script = """
import sys
before = set(sys.modules)
import deluge_sync
new = {name.partition(".")[0] for name in set(sys.modules) - before}
heavy = {"asyncio", "concurrent", "http", "ssl", "multiprocessing", "urllib", "email", "json", "inspect"}
print(sorted((new - set(sys.stdlib_module_names)) | (new & heavy)))
print([name for name in sys.modules if name.startswith("deluge_sync.")])
"""
    assert run(script) == "['deluge_sync']\n[]\n"


def test_a_client_alone_loads_no_display_no_sdk_and_no_event_loop() -> None:
    script = """
import sys
from deluge_sync import LLMClient
LLMClient()
theirs = ["asyncio", "requests", "urllib3", "rich", "tqdm", "click", "tiktoken", "PIL", "diskcache", "dotenv", "yaml"]
ours = ["deluge_sync.sdk", "deluge_sync.cli", "deluge_sync.testing"]
print([name for name in theirs + ours if name in sys.modules])
"""
    assert run(script) == "[]\n"


FIRST_ANSWER = """
import sys
from deluge_sync import LLMClient
client = LLMClient("gpt-4.1-mini", base_url=sys.argv[1], api_key="not-a-key")
[response] = client.process_prompts_sync(["Hi"], show_progress=False)
assert response.completion == "You said: Hi"
print(*sys.modules)
"""
# What a plain prompt has no use for. It would cost every script that asks one.
ROOMS = {"agent", "batch", "cli", "embedding", "pipelines", "testing", "_display", "_engine.estimate", "_adapters.sse"}
TOOLS = {"tool.tool", "tool.params", "tool.arguments", "tool.mcp.server", "tool.mcp.config"}
OTHER_FORMATS = {"anthropic", "bedrock", "gemini", "mistral", "openai_responses", "embeddings"}
THEIRS = {
    "asyncio",
    "rich",
    "tqdm",
    "click",
    "tiktoken",
    "PIL",
    "diskcache",
    "dotenv",
    "yaml",
    "docstring_parser",
    "mcp",
}


def test_the_first_answer_loads_only_what_an_answer_needs(fake_provider: FakeProvider) -> None:
    """Counted, not timed: the time depends on what else the machine does."""
    command = [sys.executable, "-W", "error", "-c", FIRST_ANSWER, fake_provider.openai_url]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    loaded = {name.removeprefix("deluge_sync.") for name in done.stdout.split()}

    assert loaded & (ROOMS | TOOLS | THEIRS | {f"_adapters.{name}" for name in OTHER_FORMATS}) == set()
    assert {name for name in loaded if name.startswith("sdk.") and not name.startswith("sdk._")} == {
        "sdk.openai",
        "sdk.openai._chat",
        "sdk.openai._provider",
        "sdk.openai._shared",
    }


WATCH = """
import importlib, logging, os, sys, typing
opened, asked = [], []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
class Watched(type(os.environ)):
    def __getitem__(self, name):
        asked.append(name)
        return super().__getitem__(name)
os.environ.__class__ = Watched
"""


def test_importing_opens_nothing_but_code_and_asks_for_no_variable() -> None:
    script = WATCH + "import deluge_sync\nprint([name for name in opened if '.py' not in name], asked)"

    assert run(script) == "[] []\n"


def test_making_a_client_reads_no_key(tmp_path: Path) -> None:
    """What it is built on asks for variables of its own; none of them is ours or the provider's."""
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-x\n")
    script = (
        WATCH
        + """
from deluge_sync import LLMClient
LLMClient()
print([name for name in opened if name.endswith(".env")], [name for name in asked if "OPENAI" in name])
"""
    )
    assert run(script, cwd=tmp_path) == "[] []\n"


def test_a_star_import_gives_the_public_names_and_no_others() -> None:
    names: dict[str, object] = {}
    exec("from deluge_sync import *", names)
    names.pop("__builtins__")

    assert set(names) == set(deluge_sync.__all__)
    assert names["__version__"] == deluge_sync.__version__


def test_dir_lists_every_public_name_before_it_is_used() -> None:
    script = "import deluge_sync; print(set(deluge_sync.__all__) <= set(dir(deluge_sync)))"

    assert run(script) == "True\n"


@pytest.mark.parametrize("name", sorted(set(deluge_sync.__all__) - {"__version__"}))
def test_every_public_name_is_found_and_says_where_it_is_from(name: str) -> None:
    found = getattr(deluge_sync, name)

    assert found.__name__ == name
    assert found.__module__.startswith("deluge_sync.")
    assert found.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'deluge_sync' has no attribute 'Client'"):
        _ = deluge_sync.Client
    with pytest.raises(ImportError):
        exec("from deluge_sync import Client")
    assert not hasattr(deluge_sync, "__wrapped__")


def test_the_version_is_that_of_the_installed_package() -> None:
    assert deluge_sync.__version__ == importlib.metadata.version("deluge-sync")
