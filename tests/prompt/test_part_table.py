"""The table of parts and formats in docs/prompts-and-media.md, checked by writing each part in each format."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, File, Image, Message, ProviderPart, Refusal, Text, Thinking, ToolCall

DOCS: Final = Path(__file__).parent.parent.parent / "docs" / "prompts-and-media.md"
BEGIN, END = "<!-- parts -->\n", "<!-- end of parts -->"
PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PDF: Final = b"%PDF-1.4 %%EOF"
URL: Final = "https://documents.test/a"

FORMATS: Final[dict[str, tuple[str, str, Callable[[Conversation], Any]]]] = {
    "OpenAI chat": ("openai-chat", "openai", Conversation.to_openai),
    "OpenAI Responses": ("openai-responses", "openai", Conversation.to_openai_responses),
    "Anthropic": ("anthropic", "anthropic", Conversation.to_anthropic),
    "Gemini": ("gemini", "gemini", Conversation.to_gemini),
    "Mistral": ("mistral", "mistral", Conversation.to_mistral),
    "Bedrock": ("bedrock", "bedrock", Conversation.to_bedrock),
}
THOUGHTS: Final[dict[str, dict[str, Any]]] = {
    "openai-responses": {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"},
    "anthropic": {"type": "thinking", "thinking": "Hm.", "signature": "signed"},
    "gemini": {"text": "Hm.", "thought": True, "thoughtSignature": "signed"},
    "mistral": {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
    "bedrock": {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "signed"}}},
}

Pair = tuple[Conversation, Conversation]


def in_user(part: Any) -> Pair:
    plain = Message.user("Look.")
    return Conversation([plain.copy()]), Conversation([plain.copy().with_part(part)])


def in_answer(part: Any) -> Pair:
    said, asked = Message.ai("Yes."), Message.user("Look.")
    return Conversation([asked, said.copy(), asked]), Conversation(
        [asked, Message("assistant", [part, *said.parts]), asked]
    )


def in_result(result: Any, *, is_error: bool = False) -> Pair:
    def asked() -> Conversation:
        return Conversation([Message.user("Go."), Message("assistant", [ToolCall("call00001", "go", {})])])

    return asked().with_tool_result("call00001", "done"), asked().with_tool_result(
        "call00001", result, is_error=is_error
    )


def named() -> Pair:
    return Conversation([Message.user("Hi")]), Conversation([Message("user", [Text("Hi")], name="Ada")])


def thought(dialect: str) -> Pair:
    return in_answer(Thinking("Hm.", ProviderPart(dialect, THOUGHTS.get(dialect, {"type": "none"}))))


PARTS: Final[dict[str, Callable[[str, str], Pair]]] = {
    "text": lambda *_: in_user(Text("More.")),
    "image, as data": lambda *_: in_user(Image(PNG)),
    "image, by URL": lambda *_: in_user(Image(URL + ".png")),
    "image, by file id": lambda _, vendor: in_user(Image(file_id="file-1", provider=vendor, media_type="image/png")),
    "PDF, as data": lambda *_: in_user(File(PDF, filename="a.pdf")),
    "PDF, by URL": lambda *_: in_user(File(URL + ".pdf", media_type="application/pdf")),
    "PDF, by file id": lambda _, vendor: in_user(File(file_id="file-1", provider=vendor, media_type="application/pdf")),
    "text document": lambda *_: in_user(File(b"plain words", filename="a.txt", media_type="text/plain")),
    "name of a message": lambda *_: named(),
    "tool call": lambda *_: in_answer(ToolCall("call00001", "go", {})),
    "image in a tool result": lambda *_: in_result([Text("done"), Image(PNG)]),
    "that a tool failed": lambda *_: in_result("done", is_error=True),
    "refusal": lambda *_: in_answer(Refusal("No.")),
    "thinking of its own, with its signature": lambda dialect, _: thought(dialect),
    "thinking of another provider": lambda *_: in_answer(Thinking("Hm.", ProviderPart("elsewhere", {"type": "x"}))),
}


def cell(part: Callable[[str, str], Pair], dialect: str, vendor: str, write: Callable[[Conversation], Any]) -> str:
    try:
        without, with_it = part(dialect, vendor)
        return "left out" if write(without) == write(with_it) else "yes"
    except ConfigError:
        return "refused"


def table() -> str:
    """The Markdown table as it has to be."""
    rows = [["", *FORMATS], ["---", *["---"] * len(FORMATS)]]
    rows += [[name, *(cell(part, *how) for how in FORMATS.values())] for name, part in PARTS.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def test_the_docs_say_what_each_format_can_say() -> None:
    text = DOCS.read_text("utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table().strip()


def test_no_thinking_of_another_provider_becomes_visible_text() -> None:
    for dialect, vendor, write in FORMATS.values():
        _, conversation = PARTS["thinking of another provider"](dialect, vendor)
        assert "Hm." not in str(write(conversation))
