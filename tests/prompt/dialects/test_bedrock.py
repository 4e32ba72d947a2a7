"""Converse messages: what is written for each kind of part, what is left out, and answers read."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import Any

import pytest

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
from deluge_sync.prompt.dialects import bedrock
from deluge_sync.prompt.dialects.bedrock_cache import with_cache_points
from deluge_sync.prompt.dialects.bedrock_media import document_name

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4 %%EOF"
CALL = Message("assistant", [ToolCall("a", "f", {"x": None})])


def b64(data: bytes) -> dict[str, str]:
    return {"bytes": base64.b64encode(data).decode()}


def turns(*messages: Message) -> list[dict[str, Any]]:
    return bedrock.dump_messages(messages)[1]


def contents(*messages: Message) -> list[Any]:
    return [turn["content"] for turn in turns(*messages)]


# --- turns


def test_all_system_messages_stand_on_top() -> None:
    system, messages = Conversation.system("A").user("Hi").system("B").ai("Ho").to_bedrock()
    assert system == [{"text": "A"}, {"text": "B"}]
    assert messages == [
        {"role": "user", "content": [{"text": "Hi"}]},
        {"role": "assistant", "content": [{"text": "Ho"}]},
    ]
    assert Conversation.user("Hi").to_bedrock()[0] == []


def test_one_side_in_a_row_is_one_turn_with_its_results_first() -> None:
    said = Message.user("And?")
    written = turns(Message.user("Hi"), Message.user("there"), CALL, said, Message("tool", [ToolResult("a", "b")]))
    assert [turn["role"] for turn in written] == ["user", "assistant", "user"]
    assert written[0]["content"] == [{"text": "Hi"}, {"text": "there"}]
    assert written[2]["content"] == [{"toolResult": {"toolUseId": "a", "content": [{"text": "b"}]}}, {"text": "And?"}]


def test_blanks_at_the_end_of_a_beginning_are_cut() -> None:
    assert contents(Message.user("Hi"), Message.ai("So: \n"))[1] == [{"text": "So:"}]
    assert contents(Message.ai("So: "), Message.user("Hi"))[0] == [{"text": "So: "}]


def test_what_is_written_shares_nothing_with_the_prompt() -> None:
    arguments: dict[str, Any] = {"x": {"y": [1]}}
    message = Message("assistant", [ToolCall("a", "f", arguments)])
    contents(message)[0][0]["toolUse"]["input"]["x"]["y"].append(2)
    assert arguments == {"x": {"y": [1]}}


# --- parts


@pytest.mark.parametrize(
    ("call_id", "known"),
    [("tooluse_a.b:c-1", "tooluse_a.b:c-1"), ("call/1", "call_2f_1"), ("", "call"), ("é", "_e9_")],
)
def test_ids_of_other_providers_are_made_to_fit(call_id: str, known: str) -> None:
    call, result = Message("assistant", [ToolCall(call_id, "f", {})]), Message("tool", [ToolResult(call_id, "b")])
    [[called], [answered]] = contents(call, result)
    assert called["toolUse"]["toolUseId"] == answered["toolResult"]["toolUseId"] == known


def test_a_long_id_is_shortened_the_same_way_twice_and_unlike_others() -> None:
    ids = ["x" * 65, "x" * 65, "x" * 66, "x" * 64]
    written = [contents(Message("assistant", [ToolCall(one, "f", {})]))[0][0]["toolUse"]["toolUseId"] for one in ids]
    assert all(len(one) == 64 for one in written)
    assert written[0] == written[1]
    assert len(set(written)) == 3
    assert written[3] == ids[3]


def test_results_have_texts_images_files_and_a_status() -> None:
    parts: list[Part] = [Text("Here."), Image(PNG), File(PDF, filename="a.pdf"), Text(" ")]
    [[block]] = contents(Message("tool", [ToolResult("a", parts, is_error=True)]))
    assert block["toolResult"] == {
        "toolUseId": "a",
        "content": [
            {"text": "Here."},
            {"image": {"format": "png", "source": b64(PNG)}},
            {"document": {"name": "a", "format": "pdf", "source": b64(PDF)}},
        ],
        "status": "error",
    }


@pytest.mark.parametrize(
    ("file", "block"),
    [
        (File(PDF, filename="a.pdf"), {"document": {"name": "a", "format": "pdf", "source": b64(PDF)}}),
        (File(b"a;b", filename="b.csv"), {"document": {"name": "b", "format": "csv", "source": b64(b"a;b")}}),
        (File(b"# A", filename="a.md"), {"document": {"name": "a", "format": "md", "source": b64(b"# A")}}),
        (File(b"x = 1", filename="a.py"), {"document": {"name": "a", "format": "txt", "source": b64(b"x = 1")}}),
        (File(PNG), {"image": {"format": "png", "source": b64(PNG)}}),
        (File(b"ID3\0"), {"audio": {"format": "mp3", "source": b64(b"ID3\0")}}),
        (File(b"\0\0\0\x18ftypisom"), {"video": {"format": "mp4", "source": b64(b"\0\0\0\x18ftypisom")}}),
    ],
)  # fmt: skip
def test_a_file_is_a_block_of_its_kind(file: File, block: dict[str, Any]) -> None:
    assert bedrock.dump_file(file) == block


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        (None, "document"),
        ("report.pdf", "report"),
        ("Q3_results (final) [v2].xlsx", "Q3 results (final) [v2]"),
        ("a..b  c\n.d.txt", "a b c d"),
        ("отчёт.pdf", "document"),
        ("x" * 300 + ".pdf", "x" * 200),
        ("folder/a-1.csv", "a-1"),
    ],
)
def test_the_name_of_a_document_is_made_to_fit(filename: str | None, name: str) -> None:
    assert document_name(filename) == name


def test_documents_of_one_name_are_told_apart_wherever_they_stand() -> None:
    file = File(PDF, filename="a.pdf")
    result = Message("tool", [ToolResult("a", [file])])
    long = File(PDF, filename="x" * 200)
    written = contents(Message("user", [Text("?"), file, file]), CALL, result, Message("user", [long, long]))
    names = [block["document"]["name"] for block in (*written[0][1:], *written[2][1:])]
    assert [*names, written[2][0]["toolResult"]["content"][0]["document"]["name"]] == [
        "a",
        "a (2)",
        "x" * 200,
        "x" * 190 + " (2)",
        "a (3)",
    ]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Image("https://pictures.test/a.png"), "pictures.test"),
        (Image(file_id="file-1", provider="openai"), "not known to bedrock"),
        (File(b"\x00\x01\xff"), "Bedrock takes PNG"),
        (File("/nonexistent/a.pdf"), "a.pdf"),
    ],
)
def test_media_that_cannot_be_sent_are_refused(part: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        turns(Message("user", [part]))


def test_a_picture_in_a_system_message_is_refused() -> None:
    with pytest.raises(ConfigError, match="only text in system messages"):
        turns(Message("system", [Image(PNG)]))


def test_a_local_file_is_read_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    file = File(path)
    path.write_bytes(b"late")
    assert bedrock.dump_file(file)["document"]["source"] == b64(b"late")


def test_the_providers_own_fields_are_written_beside() -> None:
    file = File(PDF, filename="a.pdf", extra={"bedrock": {"citations": {"enabled": True}}, "openai-chat": {"x": 1}})
    assert bedrock.dump_file(file)["document"]["citations"] == {"enabled": True}
    point = ProviderPart("bedrock", {"cachePoint": {"type": "default"}})
    assert bedrock.dump_messages([Message("system", [Text("A"), point])])[0] == [{"text": "A"}, dict(point.data)]


@pytest.mark.parametrize(
    ("role", "part", "told"),
    [
        ("user", Text(" \n"), "blank text"),
        ("assistant", Refusal("no"), "a refusal"),
        ("assistant", Thinking("Hm."), "reasoning without its signature"),
        (
            "assistant",
            Thinking("Hm.", ProviderPart("anthropic", {"type": "thinking", "thinking": "Hm.", "signature": "s"})),
            "reasoning without its signature",
        ),
        ("user", ProviderPart("anthropic", {"type": "text"}), "a part kept for anthropic"),
        ("assistant", Image(PNG), "what the model itself drew or wrote"),
        ("system", ProviderPart("bedrock", {"image": {}}), "a block of a system message that is no text"),
    ],
)
def test_what_the_format_cannot_say_is_left_out_with_a_debug_line(
    role: Any, part: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        system, messages = bedrock.dump_messages([Message(role, [part])])
    assert (system, messages) == ([], [])
    assert any(told in record.getMessage() for record in caplog.records)
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def test_what_a_detail_or_a_name_says_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        turns(Message("user", [Image(PNG, detail="low")], name="Ann"))
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "how closely an image is looked at",
        "a message's name",
    ]


def test_arguments_that_are_no_object_are_none(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        [[block]] = contents(Message("assistant", [ToolCall.from_text("a", "f", "{broken")]))
    assert block["toolUse"]["input"] == {}
    assert "which are no JSON object" in caplog.text


@pytest.mark.parametrize("arguments", [{"half \ud83d": 1}, {"a": "half \ud83d"}, {"a": object()}])
def test_arguments_that_json_cannot_say_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="the arguments of tool call 'f' cannot be written as JSON"):
        turns(Message("assistant", [ToolCall("a", "f", arguments)]))


# --- reading


def test_an_answer_is_read_block_by_block() -> None:
    blocks: list[dict[str, Any]] = [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
        {"text": "Four."},
        {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x": 1}}},
        {"toolUse": {"toolUseId": "b", "name": "f", "input": "{broken", "later": True}},
        {"citationsContent": {"content": [{"text": "Five."}]}},
        {"hologram": {}},
    ]
    parts = bedrock.load_answer(blocks).parts
    assert parts == [
        Thinking("Hm.", ProviderPart("bedrock", blocks[0])),
        Text("Four."),
        ToolCall("a", "f", {"x": 1}),
        ToolCall("b", "f", {}, "{broken", {"bedrock": {"later": True}}),
        Text("Five."),
        ProviderPart("bedrock", {"hologram": {}}),
    ]


def test_a_call_goes_back_with_what_was_said_beside_it() -> None:
    block = {"toolUse": {"toolUseId": "b", "name": "f", "input": {}, "later": True}}
    assert contents(bedrock.load_answer([block])) == [[block]]


# --- cache points


def test_points_are_set_behind_what_is_marked_and_nothing_is_changed() -> None:
    request: dict[str, Any] = {
        "tools": [{"toolSpec": {"name": "f"}}],
        "system": [{"text": "A"}],
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}, {"role": "assistant", "content": [{"text": "Ho"}]}],
    }
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    written = with_cache_points(request, "system_and_tools:1h")
    assert written["tools"] == [*request["tools"], point]
    assert written["system"] == [*request["system"], point]
    assert written["messages"] == request["messages"]
    assert with_cache_points(request, "automatic:1h")["messages"][-1]["content"] == [{"text": "Ho"}, point]
    assert str(request).count("cachePoint") == 0


def test_a_point_behind_nothing_says_nothing() -> None:
    lonely = {"system": [{"cachePoint": {"type": "default"}}, {"text": "A"}]}
    assert with_cache_points(lonely, "tools_only") == {"system": [{"text": "A"}]}
