"""Strategies for conversations, shared through fixtures (test modules do not import each other)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from PIL import Image as Pillow

from deluge_sync.prompt import (
    Conversation,
    File,
    Image,
    Message,
    Part,
    ProviderPart,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

texts = st.text(max_size=20)
names = st.text("abcdefgh_", min_size=1, max_size=8)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
extras = st.none() | st.dictionaries(names, json_objects, min_size=1, max_size=2)
provider_parts = st.builds(ProviderPart, names, json_objects, st.sampled_from(["content", "tool_calls"]))
tool_calls = st.builds(ToolCall, names, names, json_objects, st.none() | texts, extras)
PNG_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x02\x00\x00\x00\x03"
picture_bytes = st.sampled_from([PNG_HEAD, b"\xff\xd8\xff\xe0", b"GIF89a"]).flatmap(
    lambda head: st.binary(max_size=8).map(lambda rest: head + rest)
)
urls = st.builds("https://example.com/{}.{}".format, names, st.sampled_from(["png", "pdf", "x"]))
uploads = st.fixed_dictionaries(
    {"data": st.none(), "file_id": names, "provider": st.sampled_from(["openai", "anthropic", "gemini"])}
)
addresses = urls.map(lambda url: {"data": url}) | uploads
details = st.sampled_from(["auto", "low", "high"])
images = st.builds(
    lambda source, detail, max_size, extra: Image(**source, detail=detail, max_size=max_size, extra=extra),
    picture_bytes.map(lambda content: {"data": content}) | addresses,
    details,
    st.none() | st.integers(1, 4000),
    extras,
)
files = st.builds(
    lambda source, filename, extra: File(**source, filename=filename, extra=extra),
    st.builds(
        lambda content, media_type: {"data": content, "media_type": media_type},
        st.binary(max_size=8) | st.just(b"%PDF-1.7"),
        st.sampled_from([None, "text/csv", "application/json"]),
    )
    | addresses,
    st.none() | names.map("{}.pdf".format),
    extras,
)
media = images | files
results: st.SearchStrategy[Any] = texts | st.lists(st.builds(Text, texts, extras) | provider_parts | media, max_size=3)
shared: st.SearchStrategy[Part] = st.builds(Text, texts, extras) | provider_parts | media
own: dict[Role, st.SearchStrategy[Part]] = {
    "system": shared,
    "user": shared,
    "tool": st.builds(ToolResult, names, results, st.booleans(), extras) | shared,
    "assistant": st.one_of(
        shared,
        tool_calls,
        st.builds(Refusal, texts, extras),
        st.builds(Thinking, texts, st.none() | provider_parts),
    ),
}


@st.composite
def messages(draw: st.DrawFn) -> Message:
    role = draw(st.sampled_from(list(own)))
    return Message(role, draw(st.lists(own[role], max_size=4)), draw(st.none() | names), draw(extras))


@pytest.fixture(scope="session")
def conversations() -> st.SearchStrategy[Conversation]:
    """Conversations with every kind of part, in every field."""
    return st.builds(Conversation, st.lists(messages(), max_size=4), st.none() | names)


@pytest.fixture(scope="session")
def json_dicts() -> st.SearchStrategy[dict[str, Any]]:
    return json_objects


@pytest.fixture(scope="session")
def sendable_media() -> st.SearchStrategy[Image | File]:
    """Images and files that OpenAI's chat format can say, with nothing beside them."""
    contents = st.binary(max_size=8) | st.just(b"%PDF-1.7")
    return st.one_of(
        st.builds(lambda data, detail: Image(data, detail=detail), picture_bytes | urls, details),
        st.builds(lambda data, name: File(data, filename=name), contents, st.none() | names.map("{}.csv".format)),
        st.builds(lambda file_id: File(file_id=file_id, provider="openai"), names),
    )


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """A picture of this size, mode, colour and file format, as bytes."""

    def draw(size: tuple[int, int] = (30, 20), fmt: str = "PNG", *, mode: str = "RGB", **options: Any) -> bytes:
        out = io.BytesIO()
        Pillow.new(mode, size, options.pop("color", 0)).save(out, fmt, **options)
        return out.getvalue()

    return draw
