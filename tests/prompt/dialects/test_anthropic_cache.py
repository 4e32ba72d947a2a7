"""Prompt caching for Anthropic: what a pattern marks, the limit of four, and lives of five minutes and an hour."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, Message, Text
from deluge_sync.prompt.dialects.anthropic_cache import CACHE_PATTERNS, with_cache_marks

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
FIVE = {"type": "ephemeral", "ttl": "5m"}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def request(**changes: Any) -> dict[str, Any]:
    return {
        "tools": [{"name": "a"}, {"name": "b"}],
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Well"},
            {"role": "user", "content": [text("Two"), text("Three")]},
            {"role": "assistant", "content": "Well"},
            {"role": "user", "content": "Four"},
        ],
        **changes,
    }


def marks(written: dict[str, Any]) -> dict[str, Any]:
    """Where marks are in a request, and what they say."""
    found: dict[str, Any] = {}
    places = [("tools", written.get("tools", [])), ("system", written.get("system", []))]
    places += [(f"message {n}", message["content"]) for n, message in enumerate(written.get("messages", []))]
    for name, blocks in places:
        for n, block in enumerate(blocks if isinstance(blocks, list) else []):
            if "cache_control" in block:
                found[f"{name}.{n}"] = block["cache_control"]
    return found | ({"top": written["cache_control"]} if "cache_control" in written else {})


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("tools_only", ["tools.1"]),
        ("system_and_tools", ["tools.1", "system.0"]),
        ("last_user_message", ["message 4.0"]),
        ("last_2_user_messages", ["message 2.1", "message 4.0"]),
        ("last_3_user_messages", ["message 0.0", "message 2.1", "message 4.0"]),
        ("automatic", ["top"]),
    ],
)
@pytest.mark.parametrize(("life", "mark"), [("", MARK), (":5m", MARK), (":1h", HOUR)])
def test_a_pattern_marks_the_last_block_of_what_it_names(
    pattern: str, expected: list[str], life: str, mark: dict[str, Any]
) -> None:
    given, before = request(), request()
    written = with_cache_marks(given, pattern + life)
    assert marks(written) == dict.fromkeys(expected, mark)
    assert given == before


@pytest.mark.parametrize("pattern", CACHE_PATTERNS)
def test_nothing_to_mark_is_no_trouble(pattern: str) -> None:
    written = with_cache_marks({"messages": []}, pattern)
    assert marks(written).keys() <= {"top"}


def test_unmarked_texts_stay_plain() -> None:
    written = with_cache_marks(request(), "last_user_message")
    assert (written["system"], written["messages"][0]["content"]) == ("Be brief.", "One")


def test_a_conversation_marks_what_is_its_own() -> None:
    conversation = Conversation.system("Be brief.").user("Hi")
    assert conversation.to_anthropic("system_and_tools:1h") == (
        [text("Be brief.", cache_control=HOUR)],
        [{"role": "user", "content": "Hi"}],
    )
    assert conversation.to_anthropic("automatic") == conversation.to_anthropic("tools_only")
    assert conversation.to_anthropic() == conversation.to_anthropic("tools_only")


@pytest.mark.parametrize("pattern", ["", "system", "last_4_user_messages", "automatic:2h", "tools_only:1h:1h", "5m"])
def test_an_unknown_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown cache pattern .*; known are system_and_tools, tools_only"):
        Conversation.user("Hi").to_anthropic(pattern)


def own_marks(count: int) -> list[dict[str, Any]]:
    return [text(f"long {n}", cache_control=copy.deepcopy(FIVE)) for n in range(count)]


@pytest.mark.parametrize(
    ("own", "added"),
    [
        (0, ["message 0.0", "message 2.1", "message 4.0"]),
        (1, ["message 0.0", "message 2.1", "message 4.0"]),
        (2, ["message 2.1", "message 4.0"]),
        (3, ["message 4.0"]),
        (4, []),
    ],
)
def test_the_prompts_own_marks_are_kept_and_four_are_never_exceeded(own: int, added: list[str]) -> None:
    given = request(system=[*own_marks(own), text("end")])
    found = marks(with_cache_marks(given, "last_3_user_messages"))
    assert [place for place in found if place.startswith("message")] == added
    assert len(found) == own + len(added) <= 4


def test_more_than_four_of_its_own_are_refused() -> None:
    with pytest.raises(ConfigError, match="more than 4 cache_control marks"):
        with_cache_marks(request(system=own_marks(5)), "tools_only")


def test_marks_inside_a_result_count_too() -> None:
    result = {"type": "tool_result", "tool_use_id": "a", "content": own_marks(4)}
    given = request(messages=[{"role": "user", "content": [result]}])
    assert marks(with_cache_marks(given, "system_and_tools")) == {}


def test_a_block_that_is_marked_already_stays_as_it_is() -> None:
    given = request(tools=[{"name": "a", "cache_control": FIVE}])
    assert marks(with_cache_marks(given, "system_and_tools")) == {"tools.0": FIVE, "system.0": MARK}


def test_an_hour_never_stands_behind_five_minutes() -> None:
    early_five = request(tools=[{"name": "a", "cache_control": FIVE}])
    assert marks(with_cache_marks(early_five, "last_user_message:1h"))["message 4.0"] == MARK
    late_hour = request(messages=[{"role": "user", "content": [text("x", cache_control=HOUR)]}])
    assert marks(with_cache_marks(late_hour, "system_and_tools")) == {
        "tools.1": HOUR,
        "system.0": HOUR,
        "message 0.0": HOUR,
    }
    middle_five = request(system=[text("x", cache_control=FIVE)])
    found = marks(with_cache_marks(middle_five, "last_user_message:1h"))
    assert found == {"system.0": FIVE, "message 4.0": MARK}


def test_a_prompts_own_marks_need_no_pattern() -> None:
    conversation = Conversation([Message("user", [Text("long", {"anthropic": {"cache_control": HOUR}})])])
    assert conversation.to_anthropic()[1][0]["content"] == [text("long", cache_control=HOUR)]
