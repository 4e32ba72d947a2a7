from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from rich.console import Console
from rich.file_proxy import FileProxy
from tqdm import tqdm

from deluge_sync._display.surface import Kind, choose_surface

if TYPE_CHECKING:
    from typing import TextIO


def choose(kind: Kind, stream: TextIO | None, env: dict[str, str] | None = None, *, has_board: bool = False) -> str:
    return choose_surface(kind, stream, has_board=has_board, env={"TERM": "xterm", **(env or {})})


@pytest.mark.parametrize(("kind", "surface"), [("rich", "panel"), ("tqdm", "bar"), ("manual", "log")])
def test_terminal_shows_what_was_asked_for(terminal: TextIO, kind: Kind, surface: str) -> None:
    assert choose(kind, terminal) == surface


@pytest.mark.parametrize("kind", ["rich", "tqdm"])
@pytest.mark.parametrize("env", [{"CI": "true"}, {"TERM": "dumb"}])
def test_ci_and_dumb_terminals_get_lines(terminal: TextIO, kind: Kind, env: dict[str, str]) -> None:
    assert choose(kind, terminal, env) == "lines"


@pytest.mark.parametrize("kind", ["rich", "tqdm"])
def test_pipe_gets_lines_even_with_forced_color(pipe: TextIO, kind: Kind) -> None:
    assert choose(kind, pipe, {"FORCE_COLOR": "1"}) == "lines"


def test_without_a_stream_there_is_the_log() -> None:
    assert choose("rich", None) == "log"


@pytest.mark.parametrize("value", ["", "0", "false", "False"])
def test_ci_that_is_said_not_to_be_one_is_none(terminal: TextIO, value: str) -> None:
    assert choose("rich", terminal, {"CI": value}) == "panel"


@pytest.mark.parametrize("kind", ["rich", "tqdm"])
@pytest.mark.parametrize(("widgets", "surface"), [(SimpleNamespace(IntProgress=object), "bar"), (None, "cell")])
def test_notebook_gets_a_bar_and_without_widgets_a_line(
    monkeypatch: pytest.MonkeyPatch, pipe: TextIO, kind: Kind, widgets: object, surface: str
) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stderr", pipe)
    assert choose(kind, pipe) == surface
    assert choose("manual", pipe) == "log"
    assert choose(kind, io.StringIO()) == "lines"


def test_below_a_bar_of_the_program_comes_another_bar(terminal: TextIO) -> None:
    with tqdm(total=1, file=io.StringIO()):
        assert choose("rich", terminal) == "bar"
    assert choose("rich", terminal) == "panel"


def test_live_display_of_the_program_keeps_its_terminal(terminal: TextIO) -> None:
    proxy = cast("TextIO", FileProxy(Console(file=io.StringIO()), terminal))
    assert choose("rich", proxy) == "lines"


def test_further_display_joins_the_panel_on_show(terminal: TextIO) -> None:
    assert choose("tqdm", terminal, has_board=True) == "panel"


def test_module_that_another_thread_is_importing_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, terminal: TextIO
) -> None:
    for name in ("tqdm.std", "rich.file_proxy", "IPython"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setattr(sys, "stderr", terminal)
    assert choose("rich", terminal) == "panel"
