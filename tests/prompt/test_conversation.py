from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import (
    Conversation,
    File,
    Image,
    Message,
    ProviderPart,
    Text,
    ToolResult,
    is_message_list,
    to_conversation,
)
from deluge_sync.prompt.dialects import log as log_dialect


@dataclass
class Answer:
    content: Message | None
    model_internal: str = "gpt-4.1-mini"
    error_message: str | None = None


def test_starters_begin_on_the_class_and_append_on_an_instance() -> None:
    conversation = Conversation.system("Be brief.")
    assert conversation.user("Hi").ai("Ho") is conversation
    assert [(message.role, message.text) for message in conversation] == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Ho"),
    ]
    assert Conversation.user("x") is not Conversation.user("x")
    assert Conversation.ai("y").messages == [Message.ai("y")]


def test_starters_keep_a_subclass() -> None:
    class Interview(Conversation):
        pass

    assert isinstance(Interview.user("x"), Interview)


def test_starters_are_documented() -> None:
    assert "on the class" in (vars(Conversation)["user"].__doc__ or "")


def test_length_index_and_equality() -> None:
    conversation = Conversation([Message.user("a"), Message.ai("b")])
    assert (len(conversation), conversation[-1].text) == (2, "b")
    assert conversation == Conversation.user("a").ai("b")
    assert conversation != Conversation.user("a")


def test_only_messages_are_taken() -> None:
    with pytest.raises(ConfigError, match=r"holds Messages, not dict; Conversation\.from_openai_chat reads"):
        Conversation([{"role": "user", "content": "x"}])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="not str"):
        Conversation().add("x")  # type: ignore[arg-type]


def test_a_response_is_appended_as_a_copy_and_its_model_remembered() -> None:
    content = Message.ai("Hello")
    conversation = Conversation.user("Hi").with_response(Answer(content))
    conversation[-1].with_text(" again")
    assert content.text == "Hello"
    assert conversation.model_used == "gpt-4.1-mini"


def test_a_failed_response_cannot_be_appended() -> None:
    conversation = Conversation.user("Hi")
    with pytest.raises(ConfigError, match="no content to add; its error: out of quota"):
        conversation.with_response(Answer(None, error_message="out of quota"))
    assert conversation == Conversation.user("Hi")


def test_parallel_tool_results_collect_in_one_message() -> None:
    conversation = Conversation.user("?").add(Message.ai().with_tool_call("1", "f", {}).with_tool_call("2", "g", {}))
    conversation.with_tool_result("1", "one").with_tool_result("2", {"n": 2}, is_error=True)
    assert len(conversation) == 3
    assert conversation[-1] == Message("tool", [ToolResult("1", "one"), ToolResult("2", '{"n":2}', True)])
    conversation.ai("so").with_tool_result("3", "three")
    assert len(conversation) == 5


def test_a_copy_changes_alone() -> None:
    conversation = Conversation([Message.user("a")], "m")
    other = conversation.copy()
    assert other == conversation
    other[0].with_text("b")
    other.user("c")
    assert conversation == Conversation([Message.user("a")], "m")


@pytest.mark.parametrize(
    "prompt",
    [
        "Hi",
        Message.user("Hi"),
        Conversation.user("Hi"),
        [{"role": "user", "content": "Hi"}],
        ({"role": "user", "content": [{"type": "text", "text": "Hi"}]},),
        [Message.user("Hi")],
    ],
)
def test_every_kind_of_prompt_becomes_a_conversation(prompt: Any) -> None:
    assert to_conversation(prompt) == Conversation.user("Hi")


def test_a_conversation_stays_the_same_object() -> None:
    conversation = Conversation.user("Hi")
    assert to_conversation(conversation) is conversation


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        (5, "not int: 5"),
        (None, "not NoneType: None"),
        (b"bytes", "not bytes"),
        ({"role": "user", "content": "x"}, "not dict"),
        ([], "no messages"),
        (Conversation(), "no messages"),
        ([{"role": "user", "content": "x"}, "y"], "message 1: not a dict with role and content: 'y'"),
        ([{"content": "x"}], "message 0: it has no role"),
        ([{"role": "bot", "content": "x"}], "message 0: unknown role 'bot'"),
        ([{"role": "user"}], "message 0: the user message has no content"),
    ],
)
def test_a_prompt_that_is_none_is_told(prompt: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        to_conversation(prompt)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ([{"role": "user", "content": "x"}], True),
        ([Message.user("x")], True),
        (["x", "y"], False),
        ([[{"role": "user", "content": "x"}]], False),
        ([{"prompt": "x"}], False),
        ([], False),
        ("role", False),
        (({"role": "user", "content": "x"},), False),
    ],
)
def test_a_message_list_is_told_from_a_list_of_prompts(value: object, is_one: bool) -> None:
    assert is_message_list(value) is is_one


@given(data=st.data())
def test_the_log_form_loses_nothing(data: st.DataObject, conversations: st.SearchStrategy[Conversation]) -> None:
    conversation = data.draw(conversations)
    again = Conversation.from_log(json.loads(json.dumps(conversation.to_log())))
    assert again == conversation
    assert again.fingerprint == conversation.fingerprint


@given(data=st.data())
def test_the_fingerprint_tells_what_differs(
    data: st.DataObject, conversations: st.SearchStrategy[Conversation]
) -> None:
    one, other = data.draw(conversations), data.draw(conversations)
    said, said_too = (json.dumps(each.to_log()["messages"], sort_keys=True) for each in (one, other))
    assert (one.fingerprint == other.fingerprint) == (said == said_too)


def test_the_fingerprint_is_the_hash_of_the_messages_in_the_log_form() -> None:
    # printf '%s' '[{"parts":[{"text":"Hi","type":"text"}],"role":"user"}]' | sha256sum
    assert Conversation.user("Hi").fingerprint == "bb6042d7e5f69aba4f391b78491fa58b12b72c62dfd436121adf91a5c9346964"


def test_the_fingerprint_does_not_ask_who_answered() -> None:
    assert Conversation([Message.user("a")], "m").fingerprint == Conversation.user("a").fingerprint


def test_a_lone_surrogate_has_a_fingerprint() -> None:
    assert len(Conversation.user("\ud800").fingerprint) == 64


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ({"version": 2, "messages": []}, "version 2; this reads version 1"),
        ({"messages": []}, "version None"),
        ({}, "not a stored conversation"),
        ({"version": 1, "messages": [{"role": "user"}]}, "KeyError"),
        ({"version": 1, "messages": [{"role": "user", "parts": [{"type": "hologram"}]}]}, "unknown type 'hologram'"),
        ({"version": 1, "messages": [{"role": "user", "parts": [{"type": "text"}]}]}, "KeyError"),
        ({"version": 1, "messages": ["x"]}, "not a stored message"),
    ],
)
def test_a_log_of_another_form_is_refused(stored: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Conversation.from_log(stored)


def test_count_adds_overhead_images_and_the_answer() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    with_image = Conversation.from_openai_chat([{"role": "user", "content": [{"type": "text", "text": "Hi"}, image]}])
    plain = Conversation.user("Hi")
    assert with_image.count_tokens() - plain.count_tokens() == 85
    assert with_image.count_tokens(img_tokens=1000) - plain.count_tokens() == 1000
    assert plain.count_tokens(max_new_tokens=50) - plain.count_tokens() == 50
    assert plain.count_tokens() == 3 + 4 + 1  # the prompt, the message, "Hi"


def test_everything_that_is_sent_is_counted() -> None:
    page = "word " * 200
    called = Conversation([Message.ai().with_tool_call("1", "f", {"text": page})]).count_tokens()
    result = Conversation().with_tool_result("1", [Text(page), Text(page)]).count_tokens()
    assert called > 160
    assert result > 320
    assert Conversation([Message.ai().with_thinking(page)]).count_tokens() < 10  # it is not sent


def test_user_takes_an_image_and_a_file() -> None:
    conversation = Conversation.user("Hi", image="a.png").user(file=File("b.pdf"))
    assert conversation.messages == [Message.user("Hi", image="a.png"), Message.user(file="b.pdf")]


def test_a_local_file_is_stored_by_its_content_and_comes_back_as_content(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    (tmp_path / "b.csv").write_bytes(b"a,b")
    conversation = Conversation.user("Hi", image=tmp_path / "a.gif", file=tmp_path / "b.csv")
    stored = json.dumps(conversation.to_log())
    assert str(tmp_path) not in stored
    again = Conversation.from_log(json.loads(stored))
    assert again[0].parts[1:] == [Image(b"GIF89a"), File(b"a,b", media_type="text/csv", filename="b.csv")]
    assert again.fingerprint == conversation.fingerprint


def test_what_is_made_smaller_is_stored_as_it_came() -> None:
    conversation = Conversation([Message.user().with_image(b"GIF89a" + bytes(20), max_size=10)])
    assert Conversation.from_log(conversation.to_log()) == conversation


def test_no_stored_path_is_read() -> None:
    for part in (
        {"type": "image", "url": "/etc/hostname"},
        {"type": "file", "url": "/etc/hostname"},
        {"type": "image", "path": "/etc/hostname"},
        {"type": "image", "base64": "/etc/hostname"},
    ):
        with pytest.raises(ConfigError):
            Conversation.from_log({"version": 1, "messages": [{"role": "user", "parts": [part]}]})


def test_media_can_be_stored_as_a_note_that_no_one_is_sent() -> None:
    conversation = Conversation.user("Hi", image="/nowhere/a.png").with_tool_result("1", [File(b"%PDF-1")])
    stored = conversation.to_log(media="placeholder")
    again = Conversation.from_log(json.loads(json.dumps(stored)))
    assert [part.data for part in again[0].parts[1:] if isinstance(part, ProviderPart)] == [
        {"type": "image", "was": "image '/nowhere/a.png'"}
    ]
    assert again.to_log() == again.to_log(media="placeholder") == stored
    assert again.to_openai() == [
        {"role": "user", "content": "Hi"},
        {"role": "tool", "tool_call_id": "1", "content": ""},
    ]
    with pytest.raises(ConfigError, match="cannot be read"):
        conversation.to_log()


def test_the_fingerprint_hashes_an_image_once_and_writes_no_base64(monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = Conversation.user("Hi", image=b"GIF89a" + bytes(5_000_000))
    first = conversation.fingerprint
    monkeypatch.setattr(Image, "_hash", lambda _: pytest.fail("hashed again"))
    monkeypatch.setattr(log_dialect, "b64encode", lambda _: pytest.fail("written as base64"))
    assert conversation.fingerprint == first
