from __future__ import annotations

from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import File, Image, Message, Part, ProviderPart, Refusal, Text, Thinking, ToolCall, ToolResult


def test_with_methods_change_the_message_and_return_it() -> None:
    message = Message.ai("Let me see.")
    same = message.with_thinking("hm").with_tool_call("c1", "f", {"x": 1}).with_text("Done.")
    assert same is message
    assert message.parts == [Text("Let me see."), Thinking("hm"), ToolCall("c1", "f", {"x": 1}), Text("Done.")]


def test_add_names_do_the_same() -> None:
    built = Message.ai().add_text("a").add_thinking("b").add_tool_call("c", "f", {})
    assert built == Message.ai().with_text("a").with_thinking("b").with_tool_call("c", "f", {})
    assert Message("tool").add_tool_result("c", {"ok": True}).tool_results == [ToolResult("c", '{"ok":true}')]


def test_accessors_pick_their_kind_in_order() -> None:
    first, second = ToolCall("1", "f", {}), ToolCall("2", "g", {})
    message = Message("assistant", [Thinking("x"), Text("a"), first, Text("b"), second])
    assert message.text == "ab"
    assert message.completion == "a"
    assert message.thinking == "x"
    assert message.tool_calls == [first, second]
    assert message.tool_results == []
    assert message.refusal is None


def test_an_empty_message_says_nothing() -> None:
    message = Message.user()
    assert (message.text, message.completion, message.thinking, message.parts) == ("", None, None, [])


def test_a_refusal_is_not_a_completion() -> None:
    message = Message("assistant", [Refusal("I will not.")])
    assert (message.completion, message.refusal) == (None, "I will not.")


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("user", ToolCall("1", "f", {})),
        ("system", Thinking("x")),
        ("user", Refusal("no")),
        ("assistant", ToolResult("1", "x")),
        ("system", ToolResult("1", "x")),
    ],
)
def test_a_part_that_does_not_fit_the_role_is_refused(role: Any, part: Part) -> None:
    message = Message(role)
    with pytest.raises(ConfigError, match=f"a {role} message cannot hold a {type(part).__name__}"):
        message.with_part(part)
    assert message.parts == []
    with pytest.raises(ConfigError):
        Message(role, [part])


def test_wrong_roles_and_parts_are_named() -> None:
    with pytest.raises(ConfigError, match="unknown role 'bot'"):
        Message("bot")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="not a message part: 'hello'"):
        Message("user", ["hello"])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match=r"Message\.user\(text\)"):
        Message("user", "hello")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a str, not int: 5"):
        Message.user(5)  # type: ignore[arg-type]


def test_a_copy_grows_alone() -> None:
    message = Message("user", [Text("a")], "Ann", {"d": {"x": 1}})
    other = message.copy()
    assert other == message
    other.with_text("b")
    assert message.text == "a"


def test_the_given_list_is_not_kept() -> None:
    parts: list[Part] = [Text("a")]
    message = Message("user", parts)
    parts.append(ProviderPart("d", {}))
    assert message.parts == [Text("a")]


def test_images_and_files_are_parts_in_their_order() -> None:
    message = Message.user("Compare.").with_image("a.png", "low", 500).with_file(b"a,b", "text/csv", "x.csv")
    message.add_image(Image("b.png"), max_size=9).add_file(File("c.pdf"))
    assert message.images == [Image("a.png", detail="low", max_size=500), Image("b.png", max_size=9)]
    assert message.files == [File(b"a,b", media_type="text/csv", filename="x.csv"), File("c.pdf")]
    assert [type(part) for part in message.parts] == [Text, Image, File, Image, File]
    assert message.text == "Compare."


def test_a_user_message_takes_one_image_and_one_file() -> None:
    assert Message.user("Hi", image="a.png", file="b.pdf").parts == [Text("Hi"), Image("a.png"), File("b.pdf")]
    assert Message.user(image=b"GIF89a").parts == [Image(b"GIF89a")]


def test_a_tool_may_show_images_and_every_role_may_hold_them() -> None:
    image = Image(b"GIF89a")
    assert Message("tool").with_tool_result("1", [Text("a"), image]).tool_results[0].parts == (Text("a"), image)
    assert Message("tool").with_tool_result("1", image).tool_results[0].parts == (image,)
    assert Message("tool").with_tool_result("1", "a").tool_results[0].parts == (Text("a"),)
    assert Message("tool").with_tool_result("1", [image]).images == []
    for role in ("system", "user", "assistant", "tool"):
        assert Message(role, [image]).images == [image]
