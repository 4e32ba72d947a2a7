"""Arguments as the model meant them, and those that nobody may guess."""

from __future__ import annotations

from typing import Any

import pytest

from deluge_sync.agent.toolbox import Toolbox, readable_call
from deluge_sync.errors import ToolArgumentsError
from deluge_sync.prompt import ToolCall
from deluge_sync.tool import Tool


def call(text: str) -> ToolCall:
    return ToolCall.from_text("c1", "remove", text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{"path": "a"}', {"path": "a"}),
        ("", {}),
        ('{"path": "a",}', {"path": "a"}),
        ("{'path': 'a'}", {"path": "a"}),
        ('```json\n{"path": "a"}\n```', {"path": "a"}),
        ('{"path": "a", "deep": [1, 2}', {"path": "a", "deep": [1, 2]}),
    ],
)
def test_what_is_nearly_json_is_read(text: str, meant: dict[str, Any]) -> None:
    assert readable_call(call(text), was_cut_off=False).arguments == meant


@pytest.mark.parametrize("text", ["remove it", "[1, 2]", "42", '"path"', "{"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ToolArgumentsError, match="no JSON object"):
        readable_call(call(text), was_cut_off=False)


def test_arguments_that_were_cut_off_are_never_guessed() -> None:
    with pytest.raises(ToolArgumentsError, match="cut off at its token limit"):
        readable_call(call('{"path": "/home/ann/old'), was_cut_off=True)
    whole = call('{"path": "/home/ann/old"}')
    assert readable_call(whole, was_cut_off=True) is whole


def test_a_providers_own_tool_is_offered_and_not_run() -> None:
    search = {"type": "web_search"}
    own = Tool("own", run=print)
    box = Toolbox([search, own])

    assert box.offered == (search, own)
    assert box.names == ["own"]
    assert box.find("web_search") is None
