"""The notebook in a real kernel, as Jupyter runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from deluge_sync.testing import FakeProvider


def test_the_notebook_runs_and_shows_one_bar_for_each_call(
    examples: Path, user_environment: dict[str, str], fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in user_environment.items():
        monkeypatch.setenv(name, value)
    notebook: Any = nbformat.read(examples / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells)  # kept without outputs

    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()

    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    capitals, awaited, streamed, spent = codes[1:5]
    for cell in (capitals, awaited):
        kinds = [output.output_type for output in cell.outputs]
        assert kinds == ["display_data", "stream"], kinds
        assert "application/vnd.jupyter.widget-view+json" in cell.outputs[0].data
    assert "Peru -> You said: One word: the capital of Peru?" in capitals.outputs[1].text
    assert "You said: Why is grass green?" in awaited.outputs[1].text
    assert "You said: Tell me about GCRA." in streamed.outputs[0].text
    assert spent.outputs[0].text.startswith("8 answers")
    assert len(fake_provider.ledger) == 8
