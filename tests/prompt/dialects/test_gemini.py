"""Gemini's form: tables of what is written and read, round trips, and Google's own types as the judge."""

from __future__ import annotations

import base64
import copy
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

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
from deluge_sync.prompt.dialects import gemini

D = gemini.DIALECT
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x02\x00\x00\x00\x03"
HEIC = b"\x00\x00\x00\x18ftypheic"
PNG_PART = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}
PDF_PART = {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0xLjc="}}
UPLOADED = "https://generativelanguage.googleapis.com/v1beta/files/abc"
THOUGHT = {"text": "Hm.", "thought": True, "thoughtSignature": "c2ln"}
SIGNED = {D: {"thoughtSignature": "c2ln"}}
CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
VIDEO = File(file_id=UPLOADED, provider="gemini", media_type="video/mp4", extra={D: {"videoMetadata": {"fps": 2}}})
CALL = {"functionCall": {"id": "c1", "name": "f", "args": {"city": "Rome"}}}

# What stands in both directions: a message of ours, and the one content of theirs that says the same.
PAIRS: list[tuple[Message, dict[str, Any]]] = [
    (Message.user("Hi"), {"role": "user", "parts": [{"text": "Hi"}]}),
    (Message.user(""), {"role": "user", "parts": [{"text": ""}]}),
    (Message.ai("Ho"), {"role": "model", "parts": [{"text": "Ho"}]}),
    (Message("user", [Text("a"), Text("b")]), {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}),
    (Message("user", [Text("What?"), Image(PNG)]), {"role": "user", "parts": [{"text": "What?"}, PNG_PART]}),
    (
        Message("user", [Image(PNG, detail="low")]),
        {"role": "user", "parts": [{**PNG_PART, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}}]},
    ),
    (
        Message("user", [Image(PNG, extra={D: {"mediaResolution": {"level": "MEDIA_RESOLUTION_MEDIUM"}}})]),
        {"role": "user", "parts": [{**PNG_PART, "mediaResolution": {"level": "MEDIA_RESOLUTION_MEDIUM"}}]},
    ),
    (
        Message("user", [File(HEIC)]),
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/heic", "data": "AAAAGGZ0eXBoZWlj"}}]},
    ),
    (Message("user", [File(b"%PDF-1.7")]), {"role": "user", "parts": [PDF_PART]}),
    (
        Message("user", [Image("https://example.com/a.png"), File("https://example.com/x", media_type="a/b")]),
        {
            "role": "user",
            "parts": [
                {"fileData": {"fileUri": "https://example.com/a.png", "mimeType": "image/png"}},
                {"fileData": {"fileUri": "https://example.com/x", "mimeType": "a/b"}},
            ],
        },
    ),
    (
        Message(
            "user",
            [
                File(
                    file_id=UPLOADED,
                    provider="gemini",
                    media_type="video/mp4",
                    extra={D: {"videoMetadata": {"fps": 2}}},
                )
            ],
        ),
        {
            "role": "user",
            "parts": [{"fileData": {"fileUri": UPLOADED, "mimeType": "video/mp4"}, "videoMetadata": {"fps": 2}}],
        },
    ),
    (
        Message("user", [ProviderPart(D, {"fileData": {"fileUri": "gs://bucket/a", "mimeType": "a/b"}})]),
        {"role": "user", "parts": [{"fileData": {"fileUri": "gs://bucket/a", "mimeType": "a/b"}}]},
    ),
    (
        Message("user", [ProviderPart(D, {"inlineData": {"mimeType": "image/png", "data": "no base64!"}})]),
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "no base64!"}}]},
    ),
    (
        Message("assistant", [Thinking("Hm.", ProviderPart(D, THOUGHT)), Text("Four.", SIGNED)]),
        {"role": "model", "parts": [THOUGHT, {"text": "Four.", "thoughtSignature": "c2ln"}]},
    ),
    (
        Message("assistant", [Text("Four."), Text("", SIGNED)]),
        {"role": "model", "parts": [{"text": "Four."}, {"text": "", "thoughtSignature": "c2ln"}]},
    ),
    (
        Message("assistant", [Thinking("", ProviderPart(D, {**PNG_PART, "thought": True}))]),
        {"role": "model", "parts": [{**PNG_PART, "thought": True}]},
    ),
    (
        Message("assistant", [ProviderPart(D, CODE), Text("1"), Image(PNG, extra=SIGNED)]),
        {"role": "model", "parts": [CODE, {"text": "1"}, {**PNG_PART, "thoughtSignature": "c2ln"}]},
    ),
    (Message("assistant", [ToolCall("c1", "f", {"city": "Rome"})]), {"role": "model", "parts": [CALL]}),
    (
        Message("assistant", [ToolCall("gemini_call_0", "f", {}, None, SIGNED)]),
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}]},
    ),
    (
        Message("assistant", [ToolCall("c1", "f", {}, None, {D: {"functionCall": {"willContinue": True}}})]),
        {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "f", "args": {}, "willContinue": True}}]},
    ),
]


@pytest.mark.parametrize(("message", "written"), PAIRS)
def test_it_is_written_so(message: Message, written: dict[str, Any]) -> None:
    assert Conversation([message]).to_gemini() == (None, [written])


@pytest.mark.parametrize(("message", "written"), PAIRS)
def test_it_is_read_so(message: Message, written: dict[str, Any]) -> None:
    assert Conversation.from_gemini([written]) == Conversation([message])


@pytest.mark.parametrize("written", [written for _, written in PAIRS])
def test_googles_package_takes_it(written: dict[str, Any]) -> None:
    if not any(odd in str(written) for odd in ("willContinue", "no base64!")):  # of another API, or of none
        types.Content.model_validate_json(json.dumps(written), strict=True)


ASKED = Conversation([Message("assistant", [ToolCall("c1", "f", {}), ToolCall("gemini_call_1", "g", {})])])
RESULTS: list[tuple[ToolResult, dict[str, Any]]] = [
    (ToolResult("c1", "18 °C"), {"id": "c1", "name": "f", "response": {"output": "18 °C"}}),
    (ToolResult("gemini_call_1", "18 °C"), {"name": "g", "response": {"output": "18 °C"}}),
    (ToolResult("c1", "no such city", is_error=True), {"id": "c1", "name": "f", "response": {"error": "no such city"}}),
    (ToolResult("c1", '{"degrees":18}'), {"id": "c1", "name": "f", "response": {"degrees": 18}}),
    (ToolResult("c1", "{}"), {"id": "c1", "name": "f", "response": {}}),
    (ToolResult("c1", '{"a": 1}'), {"id": "c1", "name": "f", "response": {"output": '{"a": 1}'}}),
    (ToolResult("c1", '{"a":NaN}'), {"id": "c1", "name": "f", "response": {"output": '{"a":NaN}'}}),
    (ToolResult("c1", '{"output":"x"}'), {"id": "c1", "name": "f", "response": {"output": '{"output":"x"}'}}),
    (ToolResult("c1", '{"output":{"x":1}}'), {"id": "c1", "name": "f", "response": {"output": {"x": 1}}}),
    (ToolResult("c1", '{"error":"x","code":1}'), {"id": "c1", "name": "f", "response": {"error": "x", "code": 1}}),
    (
        ToolResult("c1", [Text("Here."), Image(PNG), File(b"%PDF-1.7")]),
        {"id": "c1", "name": "f", "response": {"output": "Here."}, "parts": [PNG_PART, PDF_PART]},
    ),
]


@pytest.mark.parametrize(("result", "written"), RESULTS)
def test_a_result_is_written_so_and_read_so(result: ToolResult, written: dict[str, Any]) -> None:
    conversation = ASKED.copy().add(Message("tool", [result]))
    _, contents = conversation.to_gemini()
    assert contents[1] == {"role": "user", "parts": [{"functionResponse": written}]}
    assert Conversation.from_gemini(contents) == conversation
    types.Content.model_validate_json(json.dumps(contents[1]), strict=True)


def test_results_in_a_row_are_one_content() -> None:
    conversation = Conversation.user("Hi").add(ASKED[0]).add(Message("tool", [ToolResult("c1", "one")]))
    conversation.add(Message("tool", [ToolResult("gemini_call_1", "two")])).user("And?")
    _, contents = conversation.to_gemini()
    assert [content["role"] for content in contents] == ["user", "model", "user", "user"]
    assert [part["functionResponse"]["name"] for part in contents[2]["parts"]] == ["f", "g"]


def test_what_a_result_shows_from_elsewhere_stands_beside_it() -> None:
    result = ToolResult("c1", [Image(PNG), Image("https://example.com/a.png")])
    _, contents = ASKED.copy().add(Message("tool", [result])).to_gemini()
    inside, beside = contents[1]["parts"]
    assert inside["functionResponse"]["parts"] == [PNG_PART]
    assert beside == {"fileData": {"fileUri": "https://example.com/a.png", "mimeType": "image/png"}}


def test_a_result_without_its_call_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'c9' answers no call before it.*; keep the message that has the call"):
        Conversation.user("Hi").with_tool_result("c9", "x").to_gemini()


def test_results_without_ids_find_their_calls_by_name_and_order() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"functionCall": {"name": name}}

    def result(name: str, said: str) -> dict[str, Any]:
        return {"functionResponse": {"name": name, "response": {"output": said}}}

    contents = [
        {"role": "model", "parts": [call("f"), call("g"), call("f")]},
        {"role": "function", "parts": [result("g", "1"), result("f", "2"), result("f", "3")]},
        {"role": "model", "parts": [call("f")]},
        {"role": "user", "parts": [result("f", "4")]},
    ]
    conversation = Conversation.from_gemini(contents)
    results = [(result.tool_call_id, result.text) for message in conversation for result in message.tool_results]
    assert results == [("gemini_call_1", "1"), ("gemini_call_0", "2"), ("gemini_call_2", "3"), ("gemini_call_3", "4")]
    assert [message.role for message in conversation] == ["assistant", "tool", "assistant", "tool"]


def test_every_system_message_arrives(caplog: pytest.LogCaptureFixture) -> None:
    conversation = Conversation.system("a").system("b").user("c").ai("d").system("e")
    with caplog.at_level(logging.DEBUG, logger="deluge_sync"):
        system, contents = conversation.to_gemini()
    assert system == {"parts": [{"text": "a"}, {"text": "b"}, {"text": "e"}]}
    assert [content["parts"][0]["text"] for content in contents] == ["c", "d"]
    assert [record.getMessage() for record in caplog.records] == [
        "left out of a Gemini request, which cannot say it: the place of a system message in the middle"
    ]


@pytest.mark.parametrize("parts", [[{"text": "Be brief."}], {"text": "Be brief."}, None])
def test_a_system_instruction_is_read(parts: Any) -> None:
    instruction = {"parts": parts} if parts else "Be brief."
    assert Conversation.from_gemini([], instruction) == Conversation.system("Be brief.")


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (Message("assistant", [Thinking("secret plan"), Text("Yes.")]), [{"text": "Yes."}]),
        (Message("assistant", [Thinking("p", ProviderPart("anthropic", {"x": 1})), Text("Yes.")]), [{"text": "Yes."}]),
        (Message("assistant", [Refusal("secret plan"), Text("Yes.")]), [{"text": "Yes."}]),
        (Message("user", [Text("Hi"), ProviderPart("openai-chat", {"x": 1})]), [{"text": "Hi"}]),
        (Message("user", [Text("Hi")], "Ann"), [{"text": "Hi"}]),
        (Message("user", [File(b"%PDF-1.7", filename="secret plan.pdf")]), [PDF_PART]),
        (
            Message("assistant", [ToolCall.from_text("c1", "f", '{"secret plan')]),
            [{"functionCall": {"id": "c1", "name": "f", "args": {}}}],
        ),
    ],
)
def test_what_the_format_cannot_say_is_left_out_with_a_debug_line(
    message: Message, written: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="deluge_sync"):
        [content] = gemini.dump_contents([message])
    assert content["parts"] == written
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]
    assert "secret plan" not in caplog.text


@pytest.mark.parametrize("message", [Message.ai(""), Message("assistant"), Message("assistant", [Thinking("x")])])
def test_an_assistant_message_with_nothing_to_say_is_left_out(message: Message) -> None:
    assert gemini.dump_contents([Message.user("a"), message, Message.user("b")]) == [
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "user", "parts": [{"text": "b"}]},
    ]


def test_before_gemini_3_a_resolution_is_not_told() -> None:
    message = Message("user", [Image(PNG, detail="high")])
    assert gemini.dump_contents([message], gemini_3=False) == [{"role": "user", "parts": [PNG_PART]}]


@pytest.mark.parametrize("file_id", ["abc", "files/abc", UPLOADED])
def test_an_uploaded_file_is_named_by_its_uri(file_id: str) -> None:
    assert gemini.dump_file(File(file_id=file_id, provider="google")) == {"fileData": {"fileUri": UPLOADED}}


def test_a_file_of_another_provider_is_refused() -> None:
    with pytest.raises(ConfigError, match="not known to gemini"):
        gemini.dump_image(Image(file_id="file-1", provider="openai"))


def test_one_unreadable_image_is_a_config_error_when_it_is_written() -> None:
    with pytest.raises(ConfigError, match=r"/nowhere/a.png' cannot be read"):
        Conversation.user("What is this?", image="/nowhere/a.png").to_gemini()


def test_keys_in_snake_case_are_read() -> None:
    given_content = {
        "role": "model",
        "parts": [
            {"inline_data": {"mime_type": "image/png", "data": base64.b64encode(PNG).decode()}},
            {"function_call": {"id": "1", "name": "f", "args": {"mime_type": "kept"}}, "thought_signature": "c2ln"},
        ],
    }
    [message] = gemini.load_contents([given_content])
    assert message.parts == [Image(PNG), ToolCall("1", "f", {"mime_type": "kept"}, None, SIGNED)]


@pytest.mark.parametrize(
    ("given_content", "told"),
    [
        ("hello", "not a dict with parts"),
        ({"role": "assistant", "parts": []}, "the role user or model"),
        ({"role": "user"}, "it has no list of parts"),
        ({"role": "user", "parts": "x"}, "it has no list of parts"),
        ({"role": "user", "parts": ["x"]}, "a part is no dict: 'x'"),
        ({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}, "'f' answers no call"),
    ],
)
def test_a_content_of_another_form_is_told_by_its_place(given_content: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Conversation.from_gemini([{"role": "user", "parts": [{"text": "fine"}]}, given_content])
    assert str(caught.value).startswith("content 1: ")
    assert told in str(caught.value)


def test_a_system_instruction_of_another_form_is_told() -> None:
    with pytest.raises(ConfigError, match="the system instruction: it has no list of parts"):
        Conversation.from_gemini([], {"role": "system"})


def test_bottomless_nesting_is_told() -> None:
    data: dict[str, Any] = {}
    for _ in range(5000):
        data = {"inner": data}
    with pytest.raises(ConfigError, match="content 0: nested too deeply"):
        Conversation.from_gemini([{"role": "user", "parts": [data]}])


@pytest.mark.parametrize("uri", ["/etc/hostname", "file:///etc/hostname", "a.png"])
def test_a_uri_that_is_no_url_is_kept_and_never_read(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(PNG)
    part = {"fileData": {"fileUri": uri, "mimeType": "image/png"}}
    [message] = gemini.load_contents([{"role": "user", "parts": [part]}])
    assert message.parts == [ProviderPart(D, part)]


def test_nothing_is_shared_with_what_was_given_or_written() -> None:
    given_contents = [{"role": "model", "parts": [copy.deepcopy(CALL), {"custom": {"a": [1]}}]}]
    conversation = Conversation.from_gemini(given_contents)
    before = conversation.fingerprint
    given_contents[0]["parts"][0]["functionCall"]["args"]["city"] = "changed"  # type: ignore[index]
    _, written = conversation.to_gemini()
    written[0]["parts"][0]["functionCall"]["args"]["city"] = "changed"
    written[0]["parts"][1]["custom"]["a"].append(2)
    assert conversation.fingerprint == before


# --- round trips over everything the format can say

texts = st.text(max_size=12)
names = st.text("abc", min_size=1, max_size=4)
values = st.dictionaries(texts, st.integers() | texts | st.lists(texts, max_size=2), max_size=2)
beside = st.dictionaries(st.sampled_from(["thoughtSignature", "partMetadata", "brandNew"]), texts | values, max_size=2)
said_by_all = st.sampled_from(
    [
        {"text": "Hi"},
        {"text": "", "thoughtSignature": "c2ln"},
        PNG_PART,
        PDF_PART,
        {"fileData": {"fileUri": UPLOADED, "mimeType": "image/png"}},
        {"fileData": {"fileUri": "https://example.com/b"}},
        {**PNG_PART, "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}},
        CODE,
        {"text": "odd", "inlineData": {}},
    ]
)
model_parts = said_by_all | st.sampled_from([THOUGHT, {**CODE, "thought": True}])
with_more = st.builds(lambda part, more: {**more, **part}, model_parts, beside)


@st.composite
def exchanges(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A question, an answer with calls (each with an id), and their results."""
    number = draw(st.integers(0, 3))
    ids = draw(st.lists(names, min_size=number, max_size=number, unique=True))
    calls = [{"functionCall": {"id": each, "name": f"f{each}", "args": draw(values)}} for each in ids]
    responses = st.one_of(
        st.fixed_dictionaries({"error": texts}), st.builds(lambda text: {"output": f"said {text}"}, texts), values
    )
    results: list[Any] = [
        {"functionResponse": {"id": each, "name": f"f{each}", "response": draw(responses)}} for each in ids
    ]
    contents: list[dict[str, Any]] = [
        {"role": "user", "parts": draw(st.lists(said_by_all, min_size=1, max_size=3))},
        {"role": "model", "parts": [*draw(st.lists(with_more, min_size=1, max_size=3)), *calls]},
    ]
    return [*contents, {"role": "user", "parts": results}] if results else contents


@settings(max_examples=300, deadline=None)
@given(contents=exchanges())
def test_what_google_says_comes_back_as_it_was(contents: list[dict[str, Any]]) -> None:
    given_system = {"parts": [{"text": "a"}, {"text": "b"}]}
    assert Conversation.from_gemini(contents, given_system).to_gemini() == (given_system, contents)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_every_conversation_is_written_or_refused(data: st.DataObject, conversations: Any) -> None:
    """It is JSON, each content says something, and read and written again it is the same."""
    conversation = data.draw(conversations)
    try:
        system, contents = conversation.to_gemini()
    except ConfigError:
        return
    assert all(content["parts"] for content in contents)
    json.dumps([system, contents])
    assert Conversation.from_gemini(contents, system).to_gemini() == (system, contents)


compact_texts = values.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False))
json_texts = texts | values.map(json.dumps) | compact_texts


@given(text=json_texts, is_error=st.booleans())
def test_any_text_of_a_tool_comes_back_as_it_was(text: str, is_error: bool) -> None:
    conversation = ASKED.copy().add(Message("tool", [ToolResult("c1", text, is_error)]))
    _, contents = conversation.to_gemini()
    assert Conversation.from_gemini(contents) == conversation


def test_the_log_keeps_what_gemini_said() -> None:
    conversation = Conversation([message for message, _ in PAIRS])
    assert Conversation.from_log(json.loads(json.dumps(conversation.to_log()))) == conversation
