"""Progress in a real Jupyter kernel: one output for each call, with and without ipywidgets."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

_OPEN = """
{first}
import threading
from deluge_sync._display import open_display
from deluge_sync.tracker import Snapshot

enough = threading.Event()
def snapshot():
    global count
    count += 1
    if count > 30:
        enough.set()
    return Snapshot(total=100, answered=min(count, 99), errors={{"[/foo]\\x1b[31m": 1}}, failed=1)

def run(kind="rich"):
    global count
    count = 0
    enough.clear()
    with open_display(kind, snapshot, label="job", interval_s=0.001):
        assert enough.wait(30)
"""
_CELLS = [
    'run()\nprint("done")',
    'run("tqdm")',
    "thread = threading.Thread(target=run)\nthread.start()\nthread.join()",
    'run("manual")',
]


_END = "at most 0 requests/min, 0:00 passed"


def executed(first: str) -> list[list[Any]]:
    """The outputs of each cell."""
    version: Any = nbformat.v4
    cells = [version.new_code_cell(text) for text in (_OPEN.format(first=first), *_CELLS)]
    notebook = version.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells[1:]]


def test_notebook_without_widgets_has_one_line_that_changes() -> None:
    printed, bar, threaded, manual = executed("import sys; sys.modules['ipywidgets'] = None")

    assert [output.output_type for output in printed] == ["display_data", "stream"]
    assert printed[1].text == "done\n"
    for outputs in (printed, bar, threaded):
        text = outputs[0].data["text/plain"]
        assert text.endswith(" of 100 answered, 1 failed ([/foo] 1), 0 retried, 0 tokens, cost $0.0000, " + _END)
        assert "\x1b" not in text
    assert (len(bar), len(threaded), manual) == (1, 1, [])


def test_notebook_with_widgets_has_one_bar() -> None:
    pytest.importorskip("ipywidgets")
    printed, bar, threaded, manual = executed("")

    assert [output.output_type for output in printed] == ["display_data", "stream"]
    for outputs in (printed, bar, threaded):
        assert "application/vnd.jupyter.widget-view+json" in outputs[0].data
    assert (len(bar), len(threaded), manual) == (1, 1, [])
