"""Mistral's form: what is written and read, what cannot be said, round trips, the official package as the judge."""

from __future__ import annotations

import copy
import json
import logging
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mistralai.client import models as official

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
from deluge_sync.prompt.dialects import mistral

D = mistral.DIALECT
IMAGE = {"type": "image_url", "image_url": "https://example.com/a.png"}
DETAILED = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
DOCUMENT = {"type": "document_url", "document_url": "https://example.com/a.pdf", "document_name": "a.pdf"}
UPLOADED = {"type": "file", "file_id": "b2a0e8a4-0000-4000-8000-000000000001"}
REFERENCE = {"type": "reference", "reference_ids": [1, "two"]}
THOUGHT = {
    "type": "thinking",
    "thinking": [{"type": "text", "text": "2 and "}, REFERENCE, {"type": "text", "text": "2"}],
    "signature": "c2ln",
    "closed": True,
}
CALL = {"id": "A1b2C3d4E", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
ROME = ToolCall("A1b2C3d4E", "weather", {"city": "Rome"})

# What stands in both directions: a message of ours, and the one dict of theirs that says the same.
PAIRS: list[tuple[Message, dict[str, Any]]] = [
    (Message.system("Be brief."), {"role": "system", "content": "Be brief."}),
    (Message.user("Hi"), {"role": "user", "content": "Hi"}),
    (Message.user(""), {"role": "user", "content": ""}),
    (
        Message("user", [Text("What is"), Text(" this?"), Image("https://example.com/a.png")]),
        {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": " this?"}, IMAGE]},
    ),
    (Message("user", [Image("https://example.com/a.png", detail="low")]), {"role": "user", "content": [DETAILED]}),
    (Message("user", [File("https://example.com/a.pdf", filename="a.pdf")]), {"role": "user", "content": [DOCUMENT]}),
    (Message("user", [File(file_id=UPLOADED["file_id"], provider="mistral")]), {"role": "user", "content": [UPLOADED]}),
    (
        Message("user", [Text("a"), ProviderPart(D, REFERENCE)]),
        {"role": "user", "content": [{"type": "text", "text": "a"}, REFERENCE]},
    ),
    (Message.ai("Four."), {"role": "assistant", "content": "Four."}),
    (
        Message("assistant", [Text("Fo")], None, {D: {"prefix": True}}),
        {"role": "assistant", "content": "Fo", "prefix": True},
    ),
    (Message("assistant", [ROME]), {"role": "assistant", "tool_calls": [CALL]}),
    (
        Message("assistant", [Text("Let me see."), ROME]),
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]},
    ),
    (
        Message("assistant", [Thinking("2 and 2", ProviderPart(D, THOUGHT)), Text("4")]),
        {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "4"}]},
    ),
    (
        Message("tool", [ToolResult("A1b2C3d4E", "sunny")]),
        {"role": "tool", "tool_call_id": "A1b2C3d4E", "content": "sunny"},
    ),
    (
        Message("tool", [ToolResult("A1b2C3d4E", "sunny")], "weather"),
        {"role": "tool", "tool_call_id": "A1b2C3d4E", "content": "sunny", "name": "weather"},
    ),
    (
        Message("tool", [ToolResult("A1b2C3d4E", [Text("Here:"), Image("https://example.com/a.png")])]),
        {"role": "tool", "tool_call_id": "A1b2C3d4E", "content": [{"type": "text", "text": "Here:"}, IMAGE]},
    ),
]


def judge(messages: list[dict[str, Any]]) -> None:
    """The official types take all of it: nothing is of the wrong type, and nothing is dropped as unknown."""
    body = json.dumps({"model": "m", "messages": messages})
    taken = official.ChatCompletionRequest.model_validate_json(body, strict=True)
    assert taken.model_dump(mode="json", by_alias=True, exclude_unset=True) == json.loads(body)


@pytest.mark.parametrize(("message", "written"), PAIRS)
def test_a_message_is_written_and_read_the_same(message: Message, written: dict[str, Any]) -> None:
    given_before = copy.deepcopy(written)
    assert Conversation([message]).to_mistral() == [written]
    assert Conversation.from_mistral([written]).messages == [message]
    assert written == given_before
    judge([written])


@pytest.mark.parametrize(
    "flaw",
    [
        {"role": "user", "content": "Hi", "surprise": 1},
        {"role": "user", "content": [{"type": "text", "text": "Hi", "surprise": 1}]},
        {"role": "user", "content": [{"type": "hologram"}]},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": 1}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x", "detail": "vast"}}]},
    ],
)
def test_the_judge_looks_everywhere(flaw: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, ValueError)):
        judge([flaw])


@pytest.mark.parametrize(
    ("given_form", "message"),
    [
        (
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{**CALL, "index": 0, "function": {"name": "weather", "arguments": {"city": "Rome"}}}],
            },
            Message("assistant", [ROME]),
        ),
        (
            {"role": "user", "content": [{**IMAGE, "image_url": {"url": "https://example.com/a.png"}}]},
            Message("user", [Image("https://example.com/a.png")]),
        ),
        (
            {
                "role": "user",
                "content": [{"type": "document_url", "document_url": "data:application/pdf;base64,JVBERi0="}],
            },
            Message("user", [File(b"%PDF-", media_type="application/pdf")]),
        ),
        (
            {"role": "user", "content": [{"type": "document_url", "document_url": "JVBERi0="}]},
            Message("user", [File(b"%PDF-")]),
        ),
        (
            {"role": "tool", "tool_call_id": "A1b2C3d4E", "content": None},
            Message("tool", [ToolResult("A1b2C3d4E", "")]),
        ),
        (
            {"role": "system", "content": [{"type": "text", "text": "a"}, THOUGHT]},
            Message("system", [Text("a"), ProviderPart(D, THOUGHT)]),
        ),
    ],
)
def test_other_ways_to_say_the_same_are_read(given_form: dict[str, Any], message: Message) -> None:
    assert Conversation.from_mistral([given_form]).messages == [message]


def test_results_in_a_row_are_read_as_one_message() -> None:
    rows = [{"role": "tool", "tool_call_id": name, "content": name} for name in ("A1b2C3d4E", "F5g6H7i8J")]
    conversation = Conversation.from_mistral(rows)
    assert [result.text for result in conversation[0].tool_results] == ["A1b2C3d4E", "F5g6H7i8J"]
    assert conversation.to_mistral() == rows


# --- what the provider wants otherwise


def test_an_id_of_another_form_becomes_nine_letters_and_digits_wherever_it_occurs() -> None:
    conversation = Conversation.user("Weather?").add(
        Message("assistant", [ToolCall("call_1", "weather", {}), ToolCall("toolu_0123456789", "weather", {}), ROME])
    )
    for call_id in ("toolu_0123456789", "call_1", "A1b2C3d4E"):
        conversation.with_tool_result(call_id, call_id)
    _, said, *results = conversation.to_mistral()
    ids = [call["id"] for call in said["tool_calls"]]
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", call_id) for call_id in ids)
    assert len(set(ids)) == 3
    assert ids[2] == "A1b2C3d4E"
    assert [(row["tool_call_id"], row["content"]) for row in results] == [
        (ids[1], "toolu_0123456789"),
        (ids[0], "call_1"),
        (ids[2], "A1b2C3d4E"),
    ]
    assert conversation.to_mistral() == Conversation.from_log(conversation.to_log()).to_mistral()


@pytest.mark.parametrize(
    ("conversation", "order", "is_told"),
    [
        (Conversation.system("1").user("a").system("2").ai("b").user("c"), "1a2bc", False),
        (Conversation.system("1").user("a").ai("b").system("2").system("3").user("c"), "123abc", True),
        (Conversation.user("a").ai("b").system("1").user("c").system("2").ai("d").user("e"), "1abc2de", True),
        (Conversation.user("a").system("1").system("2"), "12a", True),
        (Conversation.system("1").system("2"), "12", False),
    ],
)
def test_a_system_message_that_cannot_stay_moves_up_and_says_so(
    conversation: Conversation, order: str, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "deluge_sync"):
        written = conversation.to_mistral()
    assert "".join(row["content"] for row in written) == order
    told = "left out of a Mistral message, which cannot say it: the place of a system message after an answer or last"
    assert [record.getMessage() for record in caplog.records] == [told] * is_told


@pytest.mark.parametrize(
    ("message", "written", "left_out"),
    [
        (Message("user", [Text("Hi")], "Ann"), [{"role": "user", "content": "Hi"}], "the name of a message"),
        (Message("assistant", [Refusal("no")]), [], "a Refusal"),
        (Message("assistant", [Thinking("hm"), Text("4")]), [{"role": "assistant", "content": "4"}], "a Thinking"),
        (
            Message("assistant", [Thinking("hm", ProviderPart("anthropic", {})), Text("4")]),
            [{"role": "assistant", "content": "4"}],
            "thinking kept for anthropic",
        ),
        (Message("user", [Text("Hi"), ProviderPart("gemini", {})]), [{"role": "user", "content": "Hi"}], "a part kept"),
        (
            Message("tool", [ToolResult("A1b2C3d4E", "no such city", is_error=True)]),
            [{"role": "tool", "tool_call_id": "A1b2C3d4E", "content": "no such city"}],
            "that a tool failed",
        ),
        (Message.ai(""), [], "an assistant message with nothing in it"),
    ],
)
def test_what_cannot_be_said_is_left_out_with_a_debug_line(
    message: Message, written: list[Any], left_out: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "deluge_sync"):
        assert Conversation([message]).to_mistral() == written
    assert any(f"cannot say it: {left_out}" in record.getMessage() for record in caplog.records)


def test_what_stands_beside_results_is_said_by_the_user() -> None:
    conversation = Conversation([Message("user", [ToolResult("A1b2C3d4E", "sunny"), Text("And now?")])])
    assert conversation.to_mistral() == [
        {"role": "tool", "tool_call_id": "A1b2C3d4E", "content": "sunny"},
        {"role": "user", "content": "And now?"},
    ]


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (File(file_id="x", provider="openai"), "not known to mistral"),
        (Image(file_id="x", provider="anthropic"), "not known to mistral"),
    ],
)
def test_a_file_of_another_provider_is_refused(part: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Conversation([Message("user", [part])]).to_mistral()


def test_a_system_message_with_a_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"put .* into a user message"):
        Conversation([Message("system", [Image("https://example.com/a.png")])]).to_mistral()


# --- what is read


def test_a_local_path_is_read_only_if_that_is_allowed(tmp_path: Any) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    path = str(tmp_path / "a.pdf")
    for part in ({"type": "document_url", "document_url": path}, {"type": "image_url", "image_url": path}):
        with pytest.raises(ConfigError, match=r"message 0: .* only with allow_local_files=True"):
            Conversation.from_mistral([{"role": "user", "content": [part]}])
    allowed = Conversation.from_mistral(
        [{"role": "user", "content": [{"type": "document_url", "document_url": path}]}], allow_local_files=True
    )
    assert allowed[0].files[0].data == b"%PDF-1.7"


@pytest.mark.parametrize(
    ("given_form", "problem"),
    [
        ("Hi", "message 0: not a dict with a role"),
        ({"role": "developer", "content": "Hi"}, "message 0: not a dict with a role"),
        ({"role": "user"}, "message 0: the user message has no content"),
        ({"role": "user", "content": 1}, "message 0: its content is a text or a list of parts, not int"),
        ({"role": "user", "content": ["Hi"]}, "message 0: a part of its content is no dict with a type"),
        ({"role": "user", "content": [{"type": "text"}]}, "message 0: text must be a text"),
        ({"role": "tool", "content": "x"}, "message 0: tool_call_id must be a text"),
        ({"role": "assistant", "tool_calls": {}}, "message 0: its tool_calls is no list"),
        ({"role": "assistant", "tool_calls": [1]}, "message 0: a tool call is no dict"),
        ({"role": "assistant", "tool_calls": [{"id": "a"}]}, "message 0: a tool call has no function"),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": 1}}]},
            "message 0: the arguments of tool call 'f' must be a text",
        ),
    ],
)
def test_what_is_not_of_this_form_is_named_by_its_place(given_form: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(problem)):
        Conversation.from_mistral([given_form])


texts = st.text(st.characters(codec="utf-8"), max_size=12)
ids = st.text("abcXYZ019", min_size=9, max_size=9)
names = st.text("abc_", min_size=1, max_size=6)
objects = st.dictionaries(texts, st.none() | st.integers() | texts, max_size=2)
text_parts = st.builds(Text, texts)
pictures = st.builds(Image, st.just("https://example.com/a.png"), detail=st.sampled_from(["auto", "low", "high"]))
shown = pictures | st.builds(File, st.just("https://example.com/a.pdf"), filename=st.none() | names)
thoughts = texts.map(
    lambda text: Thinking(text, ProviderPart(D, {"type": "thinking", "thinking": [{"type": "text", "text": text}]}))
)
calls = st.builds(ToolCall, ids, names, objects) | st.builds(ToolCall.from_text, ids, names, texts)
results = st.builds(ToolResult.of, ids, texts | st.lists(text_parts | shown, min_size=2, max_size=3))
messages = st.one_of(
    st.builds(Message, st.just("user"), st.lists(text_parts | shown, min_size=1, max_size=3)),
    st.builds(
        lambda said, more: Message("assistant", [said, *more]), text_parts | thoughts, st.lists(calls, max_size=2)
    ),
    st.builds(Message, st.just("tool"), st.lists(results, min_size=1, max_size=2)),
)


@given(st.lists(messages, min_size=1, max_size=4))
def test_a_conversation_comes_back_as_it_was_and_the_official_types_take_it(said: list[Message]) -> None:
    written = Conversation(said).to_mistral()
    judge(written)
    assert Conversation.from_mistral(written).to_mistral() == written
    back = [part for message in Conversation.from_mistral(written) for part in message.parts]
    spoken = [part for message in said for part in message.parts]
    # A text of nothing beside tool calls, or alone, says nothing.
    assert [part for part in back if part != Text("")] == [part for part in spoken if part != Text("")]


@given(data=st.data())
def test_whatever_a_conversation_holds_is_written_in_order_or_refused(
    data: st.DataObject, conversations: st.SearchStrategy[Conversation]
) -> None:
    """Foreign parts and fields included."""
    try:
        written = data.draw(conversations).to_mistral()
    except ConfigError:
        return  # some image or file has no form here
    assert json.loads(json.dumps(written)) == written
    for before, row in pairwise(written):
        assert row["role"] != "system" or before["role"] in ("system", "user")
    assert not written or written[-1]["role"] != "system" or {row["role"] for row in written} == {"system"}
    ids = [call["id"] for row in written for call in row.get("tool_calls", ()) if "id" in call]
    ids += [row["tool_call_id"] for row in written if row["role"] == "tool"]
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", call_id) for call_id in ids)
    assert all(row["content"] != [] for row in written if "content" in row)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "image_url", "url", "thinking"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=2))
def test_nothing_but_a_config_error_comes_of_what_is_not_of_this_form(given_forms: list[Any]) -> None:
    problem = ""
    try:
        loaded = mistral.load_messages(given_forms)
    except ConfigError as error:
        loaded, problem = [], str(error)
    assert problem.startswith("message ") if problem else len(loaded) <= len(given_forms)
