"""What tools return and raise, as results that a model can read and every provider takes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

from deluge_sync.agent.results import error_result, failed_result, tool_result
from deluge_sync.errors import ToolArgumentsError
from deluge_sync.prompt import File, Image, Part, Text, ToolCall, ToolResult

CALL = ToolCall("c1", "look", {})
PICTURE = Image.of(b"\x89PNG\r\n\x1a\n" + bytes(20))


class City(BaseModel):
    name: str
    founded: date | None = None


@dataclasses.dataclass
class Point:
    x: int
    tags: set[str]


class Color(Enum):
    RED = "red"


class Odd:
    def __str__(self) -> str:
        return "an odd thing"


class Numbers:
    """As numpy's arrays and numbers are."""

    def tolist(self) -> list[float]:
        return [1.5, 2.5]


def text_of(value: Any, *, max_chars: int = 1_000) -> str:
    result = tool_result(CALL, value, max_chars=max_chars)
    assert (result.tool_call_id, result.is_error) == ("c1", False)
    assert isinstance(result.result, str)
    return result.result


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a text", "a text"),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        ({"ä": [1, None]}, '{"ä":[1,null]}'),
        (["a", "b"], '["a","b"]'),
        ([], "[]"),
        (City(name="Rome", founded=date(2, 4, 21)), '{"name":"Rome","founded":"0002-04-21"}'),
        ([City(name="Rome")], '[{"name":"Rome","founded":null}]'),
        (Point(1, {"a"}), '{"x":1,"tags":["a"]}'),
        ({"color": Color.RED, "price": Decimal("1.50")}, '{"color":"red","price":"1.50"}'),
        ((n * n for n in range(3)), "[0,1,4]"),
        (Odd(), '"an odd thing"'),
        ({"values": Numbers()}, '{"values":[1.5,2.5]}'),
        (b"\xff\x00", '"_wA="'),
    ],
    ids=lambda value: str(value)[:20],
)
def test_any_value_becomes_text(value: Any, written: str) -> None:
    assert text_of(value) == written


def test_what_json_cannot_say_is_still_valid_json() -> None:
    assert json.loads(text_of({"a": float("nan"), "b": [float("-inf")]})) == {"a": "nan", "b": ["-inf"]}


def test_half_a_character_does_not_spoil_the_next_request() -> None:
    assert text_of("caf\udce9 \U0001f600") == "caf\ufffd \U0001f600"
    assert text_of({"name": "caf\udce9"}).encode("utf-8")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (PICTURE, [PICTURE]),
        (Text("a"), [Text("a")]),
        (["see", PICTURE, {"n": 1}], [Text("see"), PICTURE, Text('{"n":1}')]),
        ({"name": "a", "plot": PICTURE}, [Text('{"name":"a","plot":"[image 1]"}'), PICTURE]),
    ],
    ids=["image", "text", "row", "inside"],
)
def test_images_and_texts_become_parts(value: Any, parts: Sequence[Part]) -> None:
    assert tool_result(CALL, value, max_chars=1_000).parts == tuple(parts)


def test_a_file_stays_a_file() -> None:
    document = File.of(b"%PDF-1.4", media_type="application/pdf", filename="a.pdf")

    assert tool_result(CALL, [document, "done"], max_chars=1_000).parts == (document, Text("done"))


def test_a_result_of_the_tools_own_keeps_its_error_and_gets_this_calls_id() -> None:
    own = ToolResult("whatever", [Text("x" * 20), PICTURE], is_error=True)
    result = tool_result(CALL, own, max_chars=5)

    assert (result.tool_call_id, result.is_error) == ("c1", True)
    assert result.parts == (Text("xxxxx\n[cut: the first 5 of 20 characters]"), PICTURE)


def test_a_long_result_is_cut_with_a_note() -> None:
    assert text_of("abcdefgh", max_chars=8) == "abcdefgh"
    assert text_of("abcdefgh", max_chars=3) == "abc\n[cut: the first 3 of 8 characters]"


def test_texts_of_a_row_share_what_may_be_said() -> None:
    parts = tool_result(CALL, [Text("aaaa"), PICTURE, Text("bbbb"), Text("cccc")], max_chars=6).parts

    texts = [part.text for part in parts if isinstance(part, Text)]
    assert [text.split("\n")[0] for text in texts] == ["aaaa", "bb", ""]
    assert PICTURE in parts


def test_a_value_that_contains_itself_is_told_as_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    result = tool_result(CALL, endless, max_chars=1_000)

    assert result.is_error
    assert result.text.startswith("the tool ran, but its result has no JSON form")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("city"), "KeyError: 'city'"),
        (ValueError(), "ValueError"),
        (ToolArgumentsError("look", ["city: is required"]), "wrong arguments for tool 'look': city: is required"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_error_is_told_by_type_and_message(error: Exception, told: str) -> None:
    assert failed_result(CALL, error) == ToolResult("c1", told, is_error=True)


def test_a_long_error_is_cut() -> None:
    assert len(error_result(CALL, "x" * 1_000_000).text) < 2_100
