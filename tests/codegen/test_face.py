"""The `__init__.py` of a generated package: ordinary imports for a type checker, names on demand at run time."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from codegen.face import render_face
from codegen.opening import open_document


def test_the_package_lists_every_name_with_its_module(toy: dict[str, Any]) -> None:
    for name in ("Shape", "Circle", "Square"):
        del toy["components"]["schemas"][name]
    for name in ("Question", "Answer"):
        del toy["components"]["schemas"][name]["properties"]["shapes"]
    assert (
        render_face(open_document(toy), "toy", "# header")
        == '''\
# header
"""Toy: the operations we call, typed. `api(...)` makes the caller.

Each name is loaded with the module of its API when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deluge_sync._lazy import lazy_names
from deluge_sync.sdk.toy._provider import api, provider

if TYPE_CHECKING:
    from deluge_sync.sdk.toy._asking import Piece, Question, ask
    from deluge_sync.sdk.toy._shared import Answer, Speed
    from deluge_sync.sdk.toy._things import list_things

__all__ = [
    "Answer",
    "Piece",
    "Question",
    "Speed",
    "api",
    "ask",
    "list_things",
    "provider",
]

if not TYPE_CHECKING:  # a type checker would take any name for one of the package
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Answer": "._shared",
            "Piece": "._asking",
            "Question": "._asking",
            "Speed": "._shared",
            "ask": "._asking",
            "list_things": "._things",
        },
    )
'''
    )


def test_a_package_with_uploads_has_their_class_too(toy: dict[str, Any]) -> None:
    fields = toy["components"]["schemas"]["Question"]["properties"]
    fields["file"] = {"type": "string", "format": "binary"}
    text = render_face(open_document(toy), "toy", "# header")
    assert "from deluge_sync.sdk._base import Upload\n" in text
    assert '    "Upload",\n    "api",\n' in text
    assert '"Upload": "' not in text


def test_a_program_loads_the_modules_of_the_names_it_uses_alone() -> None:
    script = """
import sys
from deluge_sync.sdk import openai
print("ChatCompletionRequest" in dir(openai), hasattr(openai, "Nothing"))
openai.ChatCompletionRequest, openai.create_chat_completion
print(sorted(name.rpartition(".")[2] for name in sys.modules if name.startswith("deluge_sync.sdk.openai.")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n['_chat', '_provider', '_shared']\n"
