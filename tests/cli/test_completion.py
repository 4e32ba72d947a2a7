from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("shell", "sign"),
    [("bash", "complete -o nosort -F"), ("zsh", "#compdef deluge-sync"), ("fish", "complete --no-files")],
)
def test_each_shell_gets_its_script(cli: Any, shell: str, sign: str) -> None:
    ended = cli("completion", shell)
    assert (ended.status, ended.err) == (0, "")
    assert sign in ended.out
    assert "_DELUGE_SYNC_COMPLETE" in ended.out


def test_an_unknown_shell_is_a_wrong_use(cli: Any) -> None:
    assert cli("completion", "tcsh").status == 2


TYPED = [
    ("deluge-sync re", ["report"]),
    ("deluge-sync run --max-c", ["--max-cost"]),
    ("deluge-sync models --supports im", ["images"]),
    ("deluge-sync completion ", ["bash", "zsh", "fish"]),
]


@pytest.mark.parametrize(("typed", "offered"), TYPED)
def test_bash_completes_with_it(tmp_path: Path, typed: str, offered: list[str]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    program = Path(sys.executable).with_name("deluge-sync")
    if not program.exists():
        pytest.skip("the package is not installed beside this Python")
    script = f"""
        PATH={program.parent}:$PATH
        eval "$(deluge-sync completion bash)"
        COMP_WORDS=({typed}{" ''" if typed.endswith(" ") else ""})
        COMP_CWORD=$(({len(typed.split(" "))} - 1))
        _deluge_sync_completion deluge-sync
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run([bash, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=True)
    assert ran.stdout.split() == offered, ran.stderr
