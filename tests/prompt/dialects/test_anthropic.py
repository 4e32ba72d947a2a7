"""Anthropic's form: tables of what is written and read, round trips, and the official package as the judge."""

from __future__ import annotations

import base64
import copy
import logging
from typing import Any

import pytest
from anthropic.types import MessageParam
from hypothesis import given, settings
from hypothesis import strategies as st
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
from deluge_sync.prompt.dialects import anthropic

D = anthropic.DIALECT
OFFICIAL: TypeAdapter[list[Any]] = TypeAdapter(list[MessageParam])
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02")
PDF = b"%PDF-1.4 %%EOF"
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


# What stands in both directions: a part of the user's, and the block that says the same.
USERS: list[tuple[Part, dict[str, Any]]] = [
    (Text("Hi"), {"type": "text", "text": "Hi"}),
    (Text("Hi", {D: MARK}), {"type": "text", "text": "Hi", **MARK}),
    (Image(PNG), {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64(PNG)}}),
    (
        Image("https://pictures.test/a.png", extra={D: MARK}),
        {"type": "image", "source": {"type": "url", "url": "https://pictures.test/a.png"}, **MARK},
    ),
    (Image(file_id="file_1", provider=D), {"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
    (
        File(PDF, filename="a.pdf", extra={D: {"context": "A draft.", "citations": {"enabled": True}}}),
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)},
            "title": "a.pdf",
            "context": "A draft.",
            "citations": {"enabled": True},
        },
    ),
    (
        File(PDF),
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)}},
    ),
    (
        File("Größe\n".encode(), media_type="text/plain", filename="note"),
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Größe\n"},
            "title": "note",
        },
    ),
    (
        File("https://papers.test/a.pdf"),
        {"type": "document", "source": {"type": "url", "url": "https://papers.test/a.pdf"}},
    ),
    (
        File("https://papers.test/a.pdf", filename="The paper"),
        {"type": "document", "source": {"type": "url", "url": "https://papers.test/a.pdf"}, "title": "The paper"},
    ),
    (
        File(file_id="file_2", provider=D, filename="b"),
        {"type": "document", "source": {"type": "file", "file_id": "file_2"}, "title": "b"},
    ),
]
THOUGHT = {"type": "thinking", "thinking": "Two and two.", "signature": "c2ln"}
PLACE = {"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None}
CITED = {"citations": [{**PLACE, "start_char_index": 0, "end_char_index": 1}]}
ASSISTANTS: list[tuple[Part, dict[str, Any]]] = [
    (Text("Ho"), {"type": "text", "text": "Ho"}),
    (Text("It is x.", {D: CITED}), {"type": "text", "text": "It is x.", **CITED}),
    (Thinking("Two and two.", ProviderPart(D, THOUGHT)), THOUGHT),
    (
        ProviderPart(D, {"type": "redacted_thinking", "data": "ZW5j"}),
        {"type": "redacted_thinking", "data": "ZW5j"},
    ),
    (ToolCall("a", "f", {"x": [1]}), {"type": "tool_use", "id": "a", "name": "f", "input": {"x": [1]}}),
    (
        ToolCall("a", "f", {}, extra={D: {"caller": {"type": "direct"}}}),
        {"type": "tool_use", "id": "a", "name": "f", "input": {}, "caller": {"type": "direct"}},
    ),
    (
        ProviderPart(D, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}),
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
    ),
]
RESULTS: list[tuple[ToolResult, dict[str, Any]]] = [
    (ToolResult("a", "sunny"), {"type": "tool_result", "tool_use_id": "a", "content": "sunny"}),
    (ToolResult("a", ""), {"type": "tool_result", "tool_use_id": "a"}),
    (
        ToolResult("a", "no", is_error=True, extra={D: MARK}),
        {"type": "tool_result", "tool_use_id": "a", "content": "no", "is_error": True, **MARK},
    ),
    (
        ToolResult("a", [part for part, _ in USERS[:7]]),
        {"type": "tool_result", "tool_use_id": "a", "content": [block for _, block in USERS[:7]]},
    ),
]


@pytest.mark.parametrize(("part", "block"), USERS)
def test_what_a_user_says_is_written_and_read(part: Part, block: dict[str, Any]) -> None:
    check_both_ways(Message("user", [Text("See:"), part]), "user", [{"type": "text", "text": "See:"}, block])


@pytest.mark.parametrize(("part", "block"), ASSISTANTS)
def test_what_the_model_says_is_written_and_read(part: Part, block: dict[str, Any]) -> None:
    check_both_ways(Message("assistant", [part, Text("So.")]), "assistant", [block, {"type": "text", "text": "So."}])


@pytest.mark.parametrize(("result", "block"), RESULTS)
def test_a_result_is_written_and_read(result: ToolResult, block: dict[str, Any]) -> None:
    check_both_ways(Message("tool", [result, ToolResult("b", "x")]), "user", [block, RESULT_B])


RESULT_B = {"type": "tool_result", "tool_use_id": "b", "content": "x"}


def check_both_ways(message: Message, role: str, content: list[dict[str, Any]]) -> None:
    expected = {"role": role, "content": content}
    system, written = Conversation([message]).to_anthropic()
    assert (system, written) == (None, [expected])
    OFFICIAL.validate_python(written, strict=True)
    before = copy.deepcopy(expected)
    assert Conversation.from_anthropic([expected]).messages == [message]
    assert expected == before


def test_a_single_text_is_a_plain_string() -> None:
    assert Conversation.system("Be brief.").user("Hi").ai("Ho").to_anthropic() == (
        "Be brief.",
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
    )


def test_all_system_messages_go_to_the_top() -> None:
    system, messages = Conversation.system("One.").user("Hi").system("Two.").to_anthropic()
    assert system == [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    assert messages == [{"role": "user", "content": "Hi"}]


def test_a_system_message_read_from_between_the_others_goes_back_there() -> None:
    said = [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "In German."},
        {"role": "user", "content": "Go on."},
    ]
    conversation = Conversation.from_anthropic(said, system=[{"type": "text", "text": "Be brief.", **MARK}])
    assert [message.role for message in conversation] == ["system", "user", "system", "user"]
    assert conversation.to_anthropic() == ([{"type": "text", "text": "Be brief.", **MARK}], said)


def test_messages_of_one_role_become_one_and_results_come_first() -> None:
    calls: list[Part] = [ToolCall("a", "f", {}), ToolCall("b", "f", {})]
    conversation = Conversation(
        [Message.user("One."), Message.user("Two."), Message.ai("Well."), Message("assistant", calls)]
    )
    conversation.add(Message("tool", [ToolResult("a", "1")])).user("Hurry.").add(
        Message("tool", [ToolResult("b", "2")])
    )
    _, messages = conversation.to_anthropic()
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [block["type"] for block in messages[1]["content"]] == ["text", "tool_use", "tool_use"]
    assert [block.get("tool_use_id", block.get("text")) for block in messages[2]["content"]] == ["a", "b", "Hurry."]


LEFT_OUT: list[tuple[Message, str]] = [
    (Message("assistant", [Thinking("private")]), "thinking without its signature"),
    (
        Message("assistant", [Thinking("private", ProviderPart("gemini", {"private": 1}))]),
        "thinking without its signature",
    ),
    (Message("assistant", [Refusal("private")]), "a refusal"),
    (Message("assistant", [ProviderPart("openai-chat", {"type": "private"})]), "a part kept for openai-chat"),
    (Message("assistant", [Image(PNG)]), "what the model itself drew"),
    (Message("assistant", [Text(" \n")]), "blank text"),
    (Message("assistant", []), "an empty assistant message"),
]


@pytest.mark.parametrize(("message", "told"), LEFT_OUT, ids=[told for _, told in LEFT_OUT])
def test_what_the_format_cannot_say_is_left_out_with_a_debug_line(
    message: Message, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "deluge_sync"):
        written = Conversation([Message.user("Hi"), message, Message.user("Ho")]).to_anthropic()
    texts = [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Ho"}]
    assert written == (None, [{"role": "user", "content": texts}])
    assert told in caplog.text
    assert "private" not in caplog.text


def test_arguments_that_are_no_object_are_left_out_and_the_call_stays(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "deluge_sync"):
        _, [message] = Conversation([Message("assistant", [ToolCall.from_text("a", "f", '{"x": ')])]).to_anthropic()
    assert message["content"] == [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]
    assert "the arguments of a call of f" in caplog.text


def test_ids_of_other_providers_are_written_so_that_call_and_result_still_meet() -> None:
    conversation = Conversation([Message("assistant", [ToolCall("call:1.é", "f", {}), ToolCall("", "g", {})])])
    conversation.with_tool_result("call:1.é", "1").with_tool_result("", "2")
    _, [calls, results] = conversation.to_anthropic()
    ids = [block["id"] for block in calls["content"]]
    assert ids == ["call_3a_1_2e__e9_", "call"]
    assert [block["tool_use_id"] for block in results["content"]] == ids


def test_blanks_at_the_end_of_an_answer_to_go_on_with_are_left_out() -> None:
    _, messages = Conversation.user("Hi").ai("Once upon \n").to_anthropic()
    assert messages[-1]["content"] == "Once upon"
    _, messages = Conversation.user("Hi").ai("Once upon ").user("Go on").to_anthropic()
    assert messages[1]["content"] == "Once upon "


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (Message("user", [File(b"PK\x03\x04\xff\xfe", filename="a.zip")]), "takes PDF, text in UTF-8 and images"),
        (Message("user", [File(file_id="file-1", provider="openai")]), "not known to anthropic"),
        (Message("user", [Image(file_id="file-1", provider="openai")]), "not known to anthropic"),
        (Message("system", [Image(PNG)]), "takes only text in system messages"),
        (Message("assistant", [ToolCall("a", "f", {"x": object()})]), "cannot be written as JSON"),
    ],
)
def test_what_would_make_the_answer_nonsense_is_refused(message: Message, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Conversation([message]).to_anthropic()


def test_a_file_that_is_an_image_is_sent_as_one() -> None:
    _, [message] = Conversation([Message("user", [File(PNG)])]).to_anthropic()
    assert message["content"][0]["source"]["media_type"] == "image/png"
    _, [message] = Conversation(
        [Message("user", [File(file_id="f", provider=D, media_type="image/png")])]
    ).to_anthropic()
    assert message["content"] == [{"type": "image", "source": {"type": "file", "file_id": "f"}}]


# --- reading what comes from outside


KEPT: list[dict[str, Any]] = [
    {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]},
    {"type": "document", "source": {"type": "content", "content": "x"}},
    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "%PDF-1.4"}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": b64(PNG)}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64(PNG), "brand_new": 1}},
    {"type": "container_upload", "file_id": "f"},
    {"type": "thinking", "thinking": "in a user's message", "signature": "x"},
]


@pytest.mark.parametrize("block", KEPT, ids=[block["type"] for block in KEPT])
def test_blocks_without_a_type_of_ours_are_kept_and_go_back(block: dict[str, Any]) -> None:
    conversation = Conversation.from_anthropic([{"role": "user", "content": [block]}])
    assert conversation.messages == [Message("user", [ProviderPart(D, block)])]
    assert conversation.to_anthropic()[1] == [{"role": "user", "content": [block]}]


def test_a_title_that_is_the_name_in_the_url_is_kept() -> None:
    source = {"type": "url", "url": "https://papers.test/a.pdf"}
    said = [{"role": "user", "content": [{"type": "document", "source": source, "title": "a.pdf"}]}]
    assert Conversation.from_anthropic(said).to_anthropic()[1] == said


def test_results_and_words_of_one_message_are_two_of_ours() -> None:
    content = [RESULT_B, {"type": "text", "text": "Go on."}]
    conversation = Conversation.from_anthropic([{"role": "user", "content": content}])
    assert conversation.messages == [Message("tool", [ToolResult("b", "x")]), Message.user("Go on.")]
    assert conversation.to_anthropic()[1] == [{"role": "user", "content": content}]


@pytest.mark.parametrize(
    ("given_message", "problem"),
    [
        ("Hi", "not a dict"),
        ({"content": "Hi"}, "unknown role None"),
        ({"role": "tool", "content": "Hi"}, "unknown role 'tool'"),
        ({"role": "user"}, "a text or a list of blocks, not NoneType"),
        ({"role": "user", "content": []}, "has no content"),
        ({"role": "user", "content": ["Hi"]}, "no dict with a type"),
        ({"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "/etc/passwd"}}]}, "http"),
        (
            {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "file:///etc/passwd"}}]},
            "http",
        ),
        (
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "/etc/passwd"}}
                ],
            },
            "no base64",
        ),
    ],
)
def test_what_is_no_message_of_this_form_is_named_by_its_place(given_message: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=rf"message 1: .*{problem}"):
        Conversation.from_anthropic([{"role": "user", "content": "Hi"}, given_message])


def test_a_bad_system_is_named_too() -> None:
    with pytest.raises(ConfigError, match="system: its content is a text"):
        Conversation.from_anthropic([], system=7)


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def test_bottomless_nesting_is_an_error_of_its_own() -> None:
    with pytest.raises(ConfigError, match="message 0: nested too deeply"):
        Conversation.from_anthropic([{"role": "user", "content": [{"type": "odd", "x": deep(100_000)}]}])


# --- there and back


user_turns = st.lists(st.sampled_from([part for part, _ in USERS]), min_size=1, max_size=4).map(
    lambda parts: Message("user", parts)
)
assistant_turns = st.lists(st.sampled_from([part for part, _ in ASSISTANTS]), min_size=1, max_size=4).map(
    lambda parts: Message("assistant", parts)
)
result_turns = st.lists(st.sampled_from([result for result, _ in RESULTS]), min_size=1, max_size=3).map(
    lambda parts: Message("tool", [*parts])
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Turns that alternate, as this format has them; what the user says may follow results."""
    said = [Message.system(text) for text in draw(st.lists(st.sampled_from(["Be brief.", "In German."]), max_size=2))]
    for _ in range(draw(st.integers(1, 3))):
        said.extend(draw(st.sampled_from([[user_turns], [result_turns], [result_turns, user_turns]]).flatmap(together)))
        said.append(draw(assistant_turns))
    return Conversation([*said, Message.user("Go on.")])


def together(strategies: list[st.SearchStrategy[Message]]) -> st.SearchStrategy[list[Message]]:
    return st.tuples(*strategies).map(list)


@settings(max_examples=150, deadline=None)
@given(conversation=conversations())
def test_a_conversation_comes_back_as_it_was(conversation: Conversation) -> None:
    system, messages = conversation.to_anthropic()
    OFFICIAL.validate_python(messages, strict=True)
    again = Conversation.from_anthropic(messages, system)
    assert again.messages == conversation.messages
    assert again.to_anthropic() == (system, messages)
    assert Conversation.from_log(conversation.to_log()).to_anthropic() == (system, messages)
