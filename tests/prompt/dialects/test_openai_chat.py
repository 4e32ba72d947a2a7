"""The OpenAI chat form: tables of what is written and read, round trips, and the official package as the judge."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import (
    Conversation,
    File,
    Image,
    Message,
    Part,
    ProviderPart,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from deluge_sync.prompt.dialects import openai_chat

D = openai_chat.DIALECT
OFFICIAL: TypeAdapter[list[Any]] = TypeAdapter(list[ChatCompletionMessageParam])
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
CLOSER = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}}
LINKED = Image("https://example.com/a.png", detail="low")
AUDIO = {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}
SIGNED = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
CUSTOM = {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}

# What stands in both directions: a message of ours, and the one dict of theirs that says the same.
PAIRS: list[tuple[Message, dict[str, Any]]] = [
    (Message.system("Be brief."), {"role": "system", "content": "Be brief."}),
    (Message.user("Hi"), {"role": "user", "content": "Hi"}),
    (Message.user(""), {"role": "user", "content": ""}),
    (Message("user", [Text("Hi")], "Ann"), {"role": "user", "content": "Hi", "name": "Ann"}),
    (
        Message("system", [Text("Be brief.")], None, {D: {"role": "developer"}}),
        {"role": "developer", "content": "Be brief."},
    ),
    (
        Message("user", [Text("What is"), Text(" this?"), LINKED]),
        {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": " this?"}, IMAGE]},
    ),
    (Message("user", [LINKED]), {"role": "user", "content": [IMAGE]}),
    (Message("user", [ProviderPart(D, AUDIO)]), {"role": "user", "content": [AUDIO]}),
    (
        Message("user", [Text("long", {D: {"cache_control": {"type": "ephemeral"}}})]),
        {"role": "user", "content": [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}]},
    ),
    (
        Message("assistant", [ToolCall("c1", "weather", {"city": "Rome"})]),
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
    ),
    (
        Message("assistant", [ToolCall("c1", "weather", {"city": "Rome"}, None, {D: SIGNED})]),
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, **SIGNED}]},
    ),
    (
        Message("assistant", [Text("Let me see."), ToolCall("c1", "weather", {"city": "Rome"})]),
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]},
    ),
    (
        Message("assistant", [ProviderPart(D, CUSTOM, "tool_calls"), ToolCall("c1", "weather", {"city": "Rome"})]),
        {"role": "assistant", "content": None, "tool_calls": [CUSTOM, CALL]},
    ),
    (
        Message("assistant", [ToolCall("c1", "f", {}, '{"a": ')]),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}],
        },
    ),
    (
        Message("assistant", [Refusal("I will not.")]),
        {"role": "assistant", "content": None, "refusal": "I will not."},
    ),
    (
        Message("assistant", [Text("Part one."), Refusal("No more.")]),
        {"role": "assistant", "content": "Part one.", "refusal": "No more."},
    ),
    (
        Message("assistant", [Refusal("No."), Text("But this:")]),
        {
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": "No."}, {"type": "text", "text": "But this:"}],
        },
    ),
    (
        Message("assistant", [], None, {D: {"audio": {"id": "audio_1"}}}),
        {"role": "assistant", "content": "", "audio": {"id": "audio_1"}},
    ),
    (Message("tool", [ToolResult("c1", "18 °C")]), {"role": "tool", "tool_call_id": "c1", "content": "18 °C"}),
    (
        Message("tool", [ToolResult("c1", [Text("a"), Text("b")])]),
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
    ),
]


@pytest.mark.parametrize(("message", "written"), PAIRS)
def test_it_is_written_so(message: Message, written: dict[str, Any]) -> None:
    assert openai_chat.dump_messages([message]) == [written]


@pytest.mark.parametrize(("message", "written"), PAIRS)
def test_it_is_read_so(message: Message, written: dict[str, Any]) -> None:
    if written.get("audio"):
        written = {**written, "content": None}  # as the provider writes it; both say the same
    assert openai_chat.load_messages([written]) == [message]


@pytest.mark.parametrize(("message", "written"), PAIRS)
def test_the_official_package_takes_it(message: Message, written: dict[str, Any]) -> None:
    checked = OFFICIAL.validate_python(openai_chat.dump_messages([message]))
    # Lists inside are only checked when they are walked, which dumping does.
    assert OFFICIAL.dump_python(checked)[0]["role"] == written["role"]


def test_every_system_message_stays_in_its_place() -> None:
    conversation = Conversation.system("a").user("b").system("c").ai("d").system("e")
    assert [message["content"] for message in conversation.to_openai()] == ["a", "b", "c", "d", "e"]
    assert [message["role"] for message in conversation.to_openai()][::2] == ["system"] * 3


def test_each_tool_result_is_a_message_and_they_come_back_as_one() -> None:
    conversation = Conversation().with_tool_result("1", "one").with_tool_result("2", "two")
    written = [
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "2", "content": "two"},
    ]
    assert conversation.to_openai() == written
    assert Conversation.from_openai_chat(written) == conversation


def test_a_tool_result_in_a_user_message_comes_before_its_text() -> None:
    message = Message("user", [Text("And now?"), ToolResult("1", "one")], "Ann")
    assert openai_chat.dump_messages([message]) == [
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "user", "content": "And now?", "name": "Ann"},
    ]


def test_text_beside_a_tool_result_is_said_by_the_user() -> None:
    message = Message("tool", [ToolResult("1", "one"), Text("Go on.")])
    assert openai_chat.dump_messages([message])[1] == {"role": "user", "content": "Go on."}


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (
            Message("assistant", [Thinking("secret plan"), Text("Yes.")]),
            [{"role": "assistant", "content": "Yes."}],
        ),
        (Message("assistant", [Thinking("secret plan")]), [{"role": "assistant", "content": ""}]),
        (Message("user", [Text("Hi"), ProviderPart("gemini", {"x": 1})]), [{"role": "user", "content": "Hi"}]),
        (
            Message("assistant", [ProviderPart("gemini", {"x": 1}, "tool_calls"), Text("Yes.")]),
            [{"role": "assistant", "content": "Yes."}],
        ),
        (
            Message("tool", [ToolResult("1", "boom", is_error=True)]),
            [{"role": "tool", "tool_call_id": "1", "content": "boom"}],
        ),
        (Message("assistant", [Text("Drawn:"), LINKED]), [{"role": "assistant", "content": "Drawn:"}]),
        (Message("assistant", [File(b"x"), Text("Yes.")]), [{"role": "assistant", "content": "Yes."}]),
    ],
)
def test_what_the_format_cannot_say_is_left_out_with_a_debug_line(
    message: Message, written: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="deluge_sync"):
        assert openai_chat.dump_messages([message]) == written
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]
    assert "secret plan" not in caplog.text


@pytest.mark.parametrize("content", ["", None, []])
def test_an_empty_text_beside_tool_calls_is_no_text(content: Any) -> None:
    given_message = {"role": "assistant", "content": content, "tool_calls": [CALL]}
    assert openai_chat.load_messages([given_message]) == [
        Message("assistant", [ToolCall("c1", "weather", {"city": "Rome"})])
    ]


def test_a_reply_dumped_with_its_nulls_reads_clean() -> None:
    reply = {"role": "assistant", "content": "Yes.", "refusal": None, "audio": None, "function_call": None}
    assert openai_chat.load_messages([reply | {"tool_calls": None}]) == [Message.ai("Yes.")]


@pytest.mark.parametrize(
    ("given_message", "told"),
    [
        ("hello", "not a dict with role and content: 'hello'"),
        ({"content": "x"}, "it has no role"),
        ({"role": "bot", "content": "x"}, "unknown role 'bot'"),
        ({"role": 3, "content": "x"}, "unknown role 3"),
        ({"role": "function", "name": "f", "content": "x"}, "role 'function' is out of use"),
        ({"role": "user"}, "the user message has no content"),
        ({"role": "user", "content": None}, "the user message has no content"),
        ({"role": "system", "content": []}, "the system message has no content"),
        ({"role": "assistant"}, "the assistant message has no content"),
        ({"role": "user", "content": 5}, "a text or a list of parts, not int"),
        ({"role": "user", "content": ["x"]}, "no dict with a type: 'x'"),
        ({"role": "user", "content": [{"text": "x"}]}, "no dict with a type"),
        ({"role": "user", "content": [{"type": "text"}]}, "text must be a text, not None"),
        ({"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}, "cannot hold a Refusal"),
        ({"role": "user", "content": "x", "tool_calls": [CALL]}, "cannot hold a ToolCall"),
        ({"role": "user", "content": "x", "name": 5}, "name must be a text, not 5"),
        ({"role": "tool", "content": "x"}, "tool_call_id must be a text, not None"),
        ({"role": "tool", "tool_call_id": "1"}, "the tool message has no content"),
        ({"role": "assistant", "tool_calls": "x"}, "its tool_calls is no list: 'x'"),
        ({"role": "assistant", "tool_calls": ["x"]}, "a tool call is no dict: 'x'"),
        ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "a tool call has no function"),
        ({"role": "assistant", "tool_calls": [{"id": "1", "function": {}}]}, "a tool call's name must be a text"),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
            "the id of tool call 'f' must be a text",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {}}}]},
            "the arguments of tool call 'f' must be a text",
        ),
    ],
)
def test_a_message_of_another_form_is_told_by_its_place(given_message: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Conversation.from_openai_chat([{"role": "user", "content": "fine"}, given_message])
    assert str(caught.value).startswith("message 1: ")
    assert told in str(caught.value)


def test_bottomless_nesting_is_told() -> None:
    data: dict[str, Any] = {"type": "odd"}
    for _ in range(5000):
        data = {"type": "odd", "inner": data}
    with pytest.raises(ConfigError, match="message 0: nested too deeply"):
        Conversation.from_openai_chat([{"role": "user", "content": [data]}])


@pytest.mark.parametrize(("role", "is_read"), [("system", True), ("assistant", False), ("tool", False)])
def test_an_image_outside_a_users_message_comes_back_as_it_was(role: str, is_read: bool) -> None:
    given_message = {"role": role, "content": [IMAGE], **({"tool_call_id": "1"} if role == "tool" else {})}
    conversation = Conversation.from_openai_chat([given_message])
    assert conversation.to_openai() == [given_message]
    assert (conversation[0].images == [LINKED]) is is_read


def test_the_index_that_vendors_write_into_a_call_is_not_sent_back() -> None:
    messages = openai_chat.load_messages([{"role": "assistant", "tool_calls": [{**CALL, "index": 0, "x": None}]}])
    assert openai_chat.dump_messages(messages)[0]["tool_calls"] == [CALL]


def test_images_of_tool_results_follow_the_last_result_in_a_row() -> None:
    conversation = Conversation.user("Look.").add(
        Message.ai().with_tool_call("1", "f", {}).with_tool_call("2", "f", {})
    )
    conversation.add(Message("tool", [ToolResult("1", [Text("one"), LINKED])]))  # results in two messages
    conversation.add(Message("tool", [ToolResult("2", [LINKED.with_detail("high")])])).user("And?")
    assert conversation.to_openai()[2:] == [
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "2", "content": ""},
        {"role": "user", "content": [IMAGE, CLOSER]},
        {"role": "user", "content": "And?"},
    ]
    OFFICIAL.dump_python(OFFICIAL.validate_python(conversation.to_openai()))


def test_images_of_the_last_tool_results_end_the_prompt() -> None:
    message = Message("user", [ToolResult("1", [LINKED]), ToolResult("2", "two")])
    assert [written["role"] for written in openai_chat.dump_messages([message])] == ["tool", "tool", "user"]


def test_one_unreadable_image_is_a_config_error_when_it_is_written() -> None:
    conversation = Conversation.user("What is this?", image="/nowhere/a.png")
    with pytest.raises(ConfigError, match=r"/nowhere/a.png' cannot be read"):
        conversation.to_openai()


def test_nothing_is_shared_with_what_was_given_or_written() -> None:
    given_messages = [{"role": "user", "content": [copy.deepcopy(IMAGE)], "extra": {"a": [1]}}]
    conversation = Conversation.from_openai_chat(given_messages)
    before = conversation.fingerprint
    given_messages[0]["content"][0]["image_url"]["url"] = "changed"  # type: ignore[index]
    written = conversation.to_openai()
    written[0]["extra"]["a"].append(2)
    written[0]["content"][0]["image_url"]["url"] = "changed"
    assert conversation.fingerprint == before


# --- round trips over everything the format can say

texts = st.text(max_size=12)
ids = st.text("abc123", min_size=1, max_size=5)
values = st.dictionaries(
    st.text("xyz", min_size=1, max_size=2), st.integers() | texts | st.lists(texts, max_size=2), max_size=2
)
unknown_fields = st.dictionaries(st.sampled_from(["audio", "weight", "cache_control"]), values, max_size=2)
text_parts = st.builds(lambda text, extra: {**extra, "type": "text", "text": text}, texts, unknown_fields)
odd_parts = st.builds(lambda kind, data: {"type": kind, kind: data}, st.sampled_from(["image_url", "file"]), values)
media_parts = st.builds(
    lambda fields, more, inside: {**more, **fields, (kind := fields["type"]): {**fields[kind], **inside}},
    st.sampled_from(
        [
            IMAGE,
            {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODlh"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjc="}},
        ]
    ),
    unknown_fields,
    unknown_fields | st.just({"detail": "original"}),
)
contents = texts | st.lists(text_parts | odd_parts | media_parts, min_size=1, max_size=3)
calls = st.builds(
    lambda call_id, name, arguments: {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    ids,
    ids,
    st.sampled_from(['{"a":1}', '{"a": 1}', "{oops", "[]", '{"ü":"\\u00fc"}', "{}"]),
)
custom_calls = st.builds(lambda call_id: {"id": call_id, "type": "custom", "custom": {"name": "f", "input": "x"}}, ids)
spoken = st.builds(
    lambda role, content, name, more: {**more, "role": role, "content": content, **name},
    st.sampled_from(["system", "developer", "user"]),
    contents,
    st.just({}) | st.builds(lambda name: {"name": name}, ids),
    unknown_fields,
)
answers = st.builds(
    lambda content, refusal, tool_calls, more: {
        **more,
        "role": "assistant",
        "content": content,
        **({"refusal": refusal} if refusal is not None else {}),
        **({"tool_calls": tool_calls} if tool_calls else {}),
    },
    contents,
    st.none() | texts,
    st.lists(calls | custom_calls, max_size=2),
    unknown_fields,
)
tool_messages = st.builds(
    lambda call_id, content: {"role": "tool", "tool_call_id": call_id, "content": content}, ids, contents
)


def normal_form(message: dict[str, Any]) -> dict[str, Any]:
    """The one way in which we write what can be said in two: a lone plain text as a string, no text as null."""
    content = message["content"]
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        content = content[0]["text"]
    if content == "" and message["role"] == "assistant" and message.get("tool_calls"):
        content = None
    return {**message, "content": content}


@given(st.lists(spoken | answers | tool_messages, max_size=4))
def test_reading_and_writing_loses_nothing(given_messages: list[dict[str, Any]]) -> None:
    expected = [normal_form(message) for message in given_messages]
    for message in expected:
        if message["content"] == "" and message.get("refusal") is not None:
            message["content"] = None  # an empty text beside a refusal says nothing either
    conversation = Conversation.from_openai_chat(given_messages)
    assert conversation.to_openai() == expected
    assert Conversation.from_openai_chat(conversation.to_openai()).to_openai() == expected


@given(data=st.data())
def test_no_conversation_is_written_with_an_empty_list(
    data: st.DataObject, conversations: st.SearchStrategy[Conversation]
) -> None:
    try:
        messages = data.draw(conversations).to_openai()
    except ConfigError:
        return  # some image or file has no form here
    assert not any([] in written.values() for written in messages)


@given(data=st.data())
def test_what_a_user_shows_comes_back_equal(
    data: st.DataObject, sendable_media: st.SearchStrategy[Image | File]
) -> None:
    parts: list[Part] = data.draw(st.lists(sendable_media | st.builds(Text, texts), min_size=1, max_size=4))
    conversation = Conversation([Message("user", parts), Message.ai("Yes.")])
    written = conversation.to_openai()
    assert Conversation.from_openai_chat(written) == conversation
    OFFICIAL.dump_python(OFFICIAL.validate_python(written))
