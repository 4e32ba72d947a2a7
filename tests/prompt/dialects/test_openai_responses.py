"""The items of OpenAI's Responses: tables of what is written and read, round trips, the official package as judge."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseInputParam
from pydantic import TypeAdapter

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import (
    Conversation,
    File,
    Image,
    Message,
    ProviderPart,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from deluge_sync.prompt.dialects import openai_responses
from deluge_sync.prompt.dialects.openai_responses_load import load_answer

D = openai_responses.DIALECT
OFFICIAL: TypeAdapter[Any] = TypeAdapter(ResponseInputParam)

SPOKEN = {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed"}
IDENTITY = {"id": "msg_1", "status": "completed"}
SOURCE = {"type": "url_citation", "url": "https://x.test", "title": "X", "start_index": 0, "end_index": 3}
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Two"}, {"type": "summary_text", "text": "and two."}],
    "encrypted_content": "gAAAAsealed",
}
SEARCH = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "cubes"},
}
CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'}
SCREEN = {"type": "computer_call_output", "call_id": "cc", "output": {"type": "computer_screenshot", "file_id": "f"}}
LINKED = Image("https://example.com/a.png", detail="low")
IMAGE = {"type": "input_image", "detail": "low", "image_url": "https://example.com/a.png"}


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    return {**SPOKEN, "content": list(parts)}


def text(words: str, *sources: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": list(sources)}


def message(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **more}


# What stands in both directions: a message of ours, and the items of theirs that say the same.
PAIRS: list[tuple[Message, list[dict[str, Any]]]] = [
    (Message.system("Be brief."), [message("system", "Be brief.")]),
    (Message("system", [Text("Be brief.")], None, {D: {"role": "developer"}}), [message("developer", "Be brief.")]),
    (Message.user("Hi"), [message("user", "Hi")]),
    (Message.user(""), [message("user", "")]),
    (
        Message("user", [Text("What is"), Text(" this?"), LINKED]),
        [message("user", [{"type": "input_text", "text": "What is"}, {"type": "input_text", "text": " this?"}, IMAGE])],
    ),
    (
        Message("user", [Image(file_id="file-1", provider="openai")]),
        [message("user", [{"type": "input_image", "detail": "auto", "file_id": "file-1"}])],
    ),
    (
        Message("user", [Image("https://example.com/a.png", extra={D: {"detail": "original"}})]),
        [message("user", [{**IMAGE, "detail": "original"}])],
    ),
    (
        Message("user", [File(file_id="file-1", provider="openai"), File("https://example.com/a.pdf")]),
        [
            message(
                "user",
                [
                    {"type": "input_file", "file_id": "file-1"},
                    {"type": "input_file", "file_url": "https://example.com/a.pdf"},
                ],
            )
        ],
    ),
    (
        Message("user", [File(b"%PDF-1.7", filename="a.pdf")]),
        [
            message(
                "user",
                [{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjc="}],
            )
        ],
    ),
    (
        Message("user", [Text("long", {D: {"part": {"prompt_cache_breakpoint": {"mode": "explicit"}}}})]),
        [message("user", [{"type": "input_text", "text": "long", "prompt_cache_breakpoint": {"mode": "explicit"}}])],
    ),
    (Message.ai("Yes."), [message("assistant", "Yes.")]),
    (Message("assistant", [Text("One."), Text("Two.")]), [message("assistant", "One."), message("assistant", "Two.")]),
    (
        Message("assistant", [Text("Well.", {D: {"item": {"phase": "commentary"}}})]),
        [message("assistant", "Well.", phase="commentary")],
    ),
    (
        Message(
            "assistant",
            [
                Text("One", {D: {"item": IDENTITY, "part": {"annotations": [SOURCE]}}}),
                Text("two", {D: {"item": IDENTITY}}),
                Refusal("No more.", {D: {"item": IDENTITY}}),
                ProviderPart(D, {"type": "hologram", "shape": "cube"}),
            ],
        ),
        [
            said(
                text("One", SOURCE),
                text("two"),
                {"type": "refusal", "refusal": "No more."},
                {"type": "hologram", "shape": "cube"},
            )
        ],
    ),
    (
        Message(
            "assistant",
            [
                Thinking("Two\n\nand two.", ProviderPart(D, REASONING)),
                ProviderPart(D, SEARCH, "tool_calls"),
                Text("Four.", {D: {"item": IDENTITY}}),
                ToolCall("c1", "weather", {"city": "Rome"}, None, {D: {"id": "fc_1", "status": "completed"}}),
                ToolCall("c2", "f", {}, '{"a": '),
            ],
        ),
        [
            REASONING,
            SEARCH,
            said(text("Four.")),
            {**CALL, "id": "fc_1", "status": "completed"},
            {"type": "function_call", "call_id": "c2", "name": "f", "arguments": '{"a": '},
        ],
    ),
    (
        Message("tool", [ToolResult("c1", "18 °C"), ToolResult("c2", [Text("Look:"), LINKED])]),
        [
            {"type": "function_call_output", "call_id": "c1", "output": "18 °C"},
            {
                "type": "function_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "Look:"}, IMAGE],
            },
        ],
    ),
    (
        Message("tool", [ToolResult("c1", "ok", extra={D: {"status": "completed"}})]),
        [{"type": "function_call_output", "call_id": "c1", "output": "ok", "status": "completed"}],
    ),
    (Message("tool", [ProviderPart(D, SCREEN, "tool_calls")]), [SCREEN]),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_it_is_written_so(ours: Message, theirs: list[dict[str, Any]]) -> None:
    assert openai_responses.dump_messages([ours]) == theirs


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_it_is_read_so(ours: Message, theirs: list[dict[str, Any]]) -> None:
    assert Conversation.from_openai_responses(theirs).messages == [ours]


@pytest.mark.parametrize("theirs", [theirs for _, theirs in PAIRS])
def test_the_official_package_takes_it(theirs: list[dict[str, Any]]) -> None:
    checked = OFFICIAL.validate_python(theirs)
    assert len(OFFICIAL.dump_python(checked)) == len(theirs)


def test_every_system_message_stays_in_its_place() -> None:
    items = Conversation.system("a").user("b").system("c").ai("d").system("e").to_openai_responses()
    assert [(item["role"], item["content"]) for item in items] == [
        ("system", "a"), ("user", "b"), ("system", "c"), ("assistant", "d"), ("system", "e"),
    ]  # fmt: skip


def test_instructions_and_a_plain_text_are_messages_too() -> None:
    assert Conversation.from_openai_responses("Hi", instructions="Be brief.") == Conversation.system("Be brief.").user(
        "Hi"
    )


def test_a_message_may_come_without_its_type() -> None:
    assert Conversation.from_openai_responses([{"role": "user", "content": "Hi"}]) == Conversation.user("Hi")


def test_a_message_that_only_calls_tools_has_no_content() -> None:
    assert openai_responses.dump_messages([Message.ai().with_tool_call("c1", "weather", {"city": "Rome"})]) == [CALL]


def test_each_refusal_on_its_own_gets_an_id_of_its_own() -> None:
    refusal = Message("assistant", [Refusal("No.")])
    theirs = Conversation([refusal, Message.user("Please."), refusal]).to_openai_responses()
    assert [item.get("id") for item in theirs] == ["msg_0", None, "msg_2"]


def test_a_tool_message_that_says_nothing_here_is_left_out() -> None:
    assert openai_responses.dump_messages([Message("tool", [ProviderPart("anthropic", {"x": 1})])]) == []


def test_results_in_a_users_message_come_before_its_text() -> None:
    mixed = Message("user", [Text("And now?"), ToolResult("c1", "one")])
    assert openai_responses.dump_messages([mixed]) == [
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        message("user", "And now?"),
    ]


def test_a_refusal_on_its_own_gets_the_item_it_needs() -> None:
    (item,) = openai_responses.dump_messages([Message("assistant", [Refusal("No.")])])
    assert item == {**SPOKEN, "id": "msg_0", "content": [{"type": "refusal", "refusal": "No."}]}
    OFFICIAL.dump_python(OFFICIAL.validate_python([item]))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Message("assistant", [Thinking("secret plan"), Text("Yes.")]), [message("assistant", "Yes.")]),
        (Message("assistant", [Thinking("secret plan", ProviderPart("anthropic", {"type": "thinking"}))]), []),
        (Message("assistant", [ProviderPart("gemini", {"x": 1}), Text("Yes.")]), [message("assistant", "Yes.")]),
        (Message("assistant", [Text("Drawn:"), LINKED]), [message("assistant", "Drawn:")]),
        (Message("user", [Text("Hi"), ProviderPart("gemini", {"x": 1})]), [message("user", "Hi")]),
        (Message("user", [Text("Hi")], "Ann"), [message("user", "Hi")]),
        (
            Message("tool", [ToolResult("1", "boom", is_error=True)]),
            [{"type": "function_call_output", "call_id": "1", "output": "boom"}],
        ),
    ],
)
def test_what_the_format_cannot_say_is_left_out_with_a_debug_line(
    ours: Message, theirs: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="deluge_sync"):
        assert openai_responses.dump_messages([ours]) == theirs
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]
    assert "secret plan" not in caplog.text


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("hello", "not a dict with a type: 'hello'"),
        ({}, "its type must be a text, not None"),
        ({"type": 3}, "its type must be a text, not 3"),
        ({"role": "bot", "content": "x"}, "unknown role 'bot'"),
        ({"role": "user"}, "its content is a text or a list of parts, not NoneType"),
        ({"role": "user", "content": []}, "the user message has no content"),
        ({"role": "user", "content": ["x"]}, "a part of its content is no dict with a type: 'x'"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "text must be a text, not None"),
        ({"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}, "cannot hold a Refusal"),
        ({"type": "function_call"}, "a function call's name must be a text, not None"),
        ({"type": "function_call", "name": "f"}, "the call_id of function call 'f' must be a text"),
        ({"type": "function_call", "name": "f", "call_id": "1"}, "the arguments of 'f' must be a text"),
        ({"type": "function_call_output", "output": "x"}, "the call_id of a function's output must be a text"),
        ({"type": "function_call_output", "call_id": "1"}, "a function's output is a text or a list of parts"),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "/etc/hostname"}]},
            "allow_local_files=True",
        ),
        ({"role": "user", "content": [{"type": "input_file", "file_data": "/etc/hostname"}]}, "allow_local_files=True"),
    ],
)
def test_an_item_of_another_form_is_told_by_its_place(item: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Conversation.from_openai_responses([{"role": "user", "content": "fine"}, item])
    assert str(caught.value).startswith("item 1: ")
    assert told in str(caught.value)


def test_bottomless_nesting_is_told() -> None:
    data: dict[str, Any] = {"type": "odd"}
    for _ in range(5_000):
        data = {"type": "odd", "inner": data}
    with pytest.raises(ConfigError, match="item 0: nested too deeply"):
        Conversation.from_openai_responses([data])


def test_a_local_file_is_read_only_where_that_is_allowed(tmp_path: Any) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"Hello")
    item = message("user", [{"type": "input_file", "file_data": str(path), "filename": "a.txt"}])
    conversation = Conversation.from_openai_responses([item], allow_local_files=True)
    (part,) = conversation.to_openai_responses()[0]["content"]
    assert part["file_data"].endswith(";base64,SGVsbG8=")


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "assistant", "content": 5},
        {"type": "message", "role": "user", "content": "me?"},
        {"type": "function_call", "name": None},
        {"type": "message"},
        {},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
    ],
)
def test_an_odd_item_of_an_answer_is_kept_as_it_is(item: dict[str, Any]) -> None:
    assert load_answer([item]).parts == [ProviderPart(D, item, "tool_calls")]


def test_arguments_that_come_as_an_object_are_arguments() -> None:
    assert load_answer([{**CALL, "arguments": {"city": "Rome"}}]).tool_calls == [
        ToolCall("c1", "weather", {"city": "Rome"})
    ]


def test_nothing_is_shared_with_what_was_given_or_written() -> None:
    theirs = [copy.deepcopy(REASONING), said(text("One", copy.deepcopy(SOURCE))), copy.deepcopy(SEARCH)]
    conversation = Conversation.from_openai_responses(theirs)
    before = conversation.fingerprint
    for items in (theirs, conversation.to_openai_responses()):
        items[0]["summary"][0]["text"] = "changed"
        items[1]["content"][0]["annotations"].clear()
        items[2]["action"]["query"] = "changed"
    assert conversation.fingerprint == before


# --- round trips over everything the format can say

texts = st.text(max_size=12)
ids = st.text("abc123", min_size=1, max_size=5)
sources = st.lists(st.just(SOURCE), max_size=2)
spoken_parts = st.builds(text, texts) | st.builds(lambda words, found: text(words, *found), texts, sources)
spoken_parts |= st.builds(lambda words: {"type": "refusal", "refusal": words}, texts)
given_parts = st.builds(lambda words: {"type": "input_text", "text": words}, texts) | st.sampled_from(
    [IMAGE, {"type": "input_file", "file_url": "https://example.com/a.pdf"}, {"type": "input_audio", "data": "x"}]
)
given_contents = texts | st.lists(given_parts, min_size=2, max_size=3)
items = st.one_of(
    st.builds(message, st.sampled_from(["user", "system", "developer"]), given_contents),
    st.builds(lambda words: message("assistant", words), texts),
    st.builds(
        lambda name, parts: {**said(*parts), "id": f"msg_{name}"},
        st.uuids(),
        st.lists(spoken_parts, min_size=1, max_size=3),
    ),
    st.builds(
        lambda name, kind, thought: {
            "type": "reasoning",
            "id": f"rs_{name}",
            "summary": [{"type": "summary_text", "text": thought}],
            kind: thought,
        },
        ids,
        st.sampled_from(["encrypted_content", "brand_new"]),
        texts,
    ),
    st.builds(
        lambda name, arguments: {**CALL, "call_id": name, "arguments": arguments}, ids, st.just("{}") | texts.map(repr)
    ),
    st.builds(
        lambda name, output: {"type": "function_call_output", "call_id": name, "output": output}, ids, given_contents
    ),
    st.sampled_from([SEARCH, SCREEN, {"type": "item_reference", "id": "msg_9"}, {"type": "brand_new", "x": None}]),
)


@settings(max_examples=200, deadline=None)
@given(theirs=st.lists(items, max_size=6))
def test_what_was_read_is_written_again(theirs: list[dict[str, Any]]) -> None:
    assert Conversation.from_openai_responses(theirs).to_openai_responses() == theirs


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_conversation_can_be_written_and_read(
    data: st.DataObject, conversations: st.SearchStrategy[Conversation]
) -> None:
    conversation = data.draw(conversations)
    try:
        theirs = conversation.to_openai_responses()
    except ConfigError:  # a file that only another provider has, or a picture that is none
        return
    for item in theirs:
        if item.get("arguments", "x").strip() == "":
            item["arguments"] = "{}"  # both mean that there are none
    assert Conversation.from_openai_responses(theirs).to_openai_responses() == theirs


def test_a_picture_is_encoded_when_it_is_written(picture: Callable[..., bytes]) -> None:
    (item,) = Conversation([Message.user().with_image(picture(), max_size=10)]).to_openai_responses()
    (part,) = item["content"]
    assert Image(part["image_url"]).size == (10, 7)
