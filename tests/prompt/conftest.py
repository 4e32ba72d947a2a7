"""Strategies for conversations, shared through fixtures (test modules do not import each other)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from deluge_sync.prompt import (
    Conversation,
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
tool_calls = st.builds(ToolCall, names, names, json_objects, st.none() | texts)
results: st.SearchStrategy[Any] = texts | st.lists(st.builds(Text, texts, extras) | provider_parts, max_size=3)
shared: st.SearchStrategy[Part] = st.builds(Text, texts, extras) | provider_parts
own: dict[Role, st.SearchStrategy[Part]] = {
    "system": shared,
    "user": shared,
    "tool": st.builds(ToolResult, names, results, st.booleans()) | shared,
    "assistant": st.one_of(
        shared,
        tool_calls,
        st.builds(Refusal, texts),
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
