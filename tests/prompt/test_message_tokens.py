from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deluge_sync.prompt import File, Image, Message, ProviderPart, Text, ToolResult
from deluge_sync.prompt.message_tokens import count_message_tokens

ONE_MESSAGE = 3 + 4  # the prompt, and the message


def test_a_name_and_every_message_cost_a_little() -> None:
    assert count_message_tokens([]) == 3
    assert count_message_tokens([Message.user("Hi")]) == ONE_MESSAGE + 1
    assert count_message_tokens([Message("user", Message.user("Hi").parts, "Ann")]) == ONE_MESSAGE + 1 + 1 + 1


@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 90_000}}, 85),
        ({"type": "input_audio", "input_audio": {"data": "A" * 10_000, "format": "wav"}}, 100),
        ({"type": "file", "file": {"file_data": "A" * 10_000}}, 100),
    ],
)
def test_base64_of_media_is_not_taken_for_text(data: dict[str, Any], tokens: int) -> None:
    message = Message("user", [ProviderPart("openai-chat", data)])
    assert count_message_tokens([message]) == pytest.approx(ONE_MESSAGE + tokens, abs=2)


def test_a_schema_counts_by_its_keys_and_texts() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "description": "Where to look."}}}
    # 8 texts (type, object, properties, city, type, string, description, "Where to look.") of 11 tokens, 2 signs each
    counted = count_message_tokens([Message("user", [ProviderPart("d", schema)])])
    assert counted == pytest.approx(ONE_MESSAGE + 8 * 2 + 11, abs=6)


def test_every_text_is_counted_by_the_function_given() -> None:
    message = Message("user", [Text("abc"), ToolResult("1", [Text("de"), File(b"fghi")])])
    assert count_message_tokens([message], count_text=len) == ONE_MESSAGE + 3 + 8 + 2 + 4


def test_media_count_by_their_size_also_inside_tool_results(picture: Callable[..., bytes]) -> None:
    square = Image(picture((1024, 1024)))  # OpenAI's own example: 765 at high detail
    assert count_message_tokens([Message("user", [square])]) == ONE_MESSAGE + 765
    assert count_message_tokens([Message("tool", [ToolResult("1", [square])])]) == ONE_MESSAGE + 8 + 765
    assert count_message_tokens([Message("user", [square])], media_rule="gemini") == ONE_MESSAGE + 4 * 258


def test_an_image_of_unknown_size_counts_flat() -> None:
    for image in (Image("https://example.com/a.png"), Image("/nowhere/a.png"), Image(b"junk")):
        message = Message("user", [image])
        assert count_message_tokens([message]) == ONE_MESSAGE + 85
        assert count_message_tokens([message], img_tokens=1000) == ONE_MESSAGE + 1000
