"""Pairs of questions that differ in one field and nothing else: each field there is must make another key.

A field that is added to one of these values fails a test here until the table says what a change of it looks like, or
that it shapes no answer.
"""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from typing import Any, cast

import pytest

from deluge_sync import Conversation, File, Image, Message, SamplingParams, Tool
from deluge_sync._adapters.call import Extras
from deluge_sync._engine.cache_key import CacheKeys
from deluge_sync._engine.pool import Route
from deluge_sync.models import Model
from deluge_sync.prompt.parts import Part, ProviderPart, Refusal, Text, Thinking, ToolCall, ToolResult

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
NOTE = {"openai-chat": {"x": 1}}
OTHER_NOTE = {"openai-chat": {"x": 2}}

# A value's class, what one is made of, and each of its fields with another value for it (or several, where a field
# can only change together with others).
TABLE: dict[type, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    SamplingParams: (
        {"logprobs": True, "top_logprobs": 2},
        {
            "temperature": {"temperature": 0.5},
            "top_p": {"top_p": 0.5},
            "json_mode": {"json_mode": True},
            "max_new_tokens": {"max_new_tokens": 9},
            "reasoning_effort": {"reasoning_effort": "low"},
            "logprobs": {"logprobs": False, "top_logprobs": None},
            "top_logprobs": {"top_logprobs": 3},
            "strict_tools": {"strict_tools": False},
            "thinking_budget": {"thinking_budget": 0},
            "seed": {"seed": 0},
            "stop": {"stop": ("x",)},
        },
    ),
    Tool: (
        {"name": "look"},
        {
            "name": {"name": "see"},
            "description": {"description": "Look."},
            "parameters": {"parameters": {"type": "object", "properties": {"where": {"type": "string"}}}},
        },
    ),
    Message: (
        {"role": "user", "parts": [Text("x")]},
        {
            "role": {"role": "system"},
            "parts": {"parts": [Text("x"), Text("")]},
            "name": {"name": "Ann"},
            "extra": {"extra": NOTE},
        },
    ),
    Text: ({"text": "x"}, {"text": {"text": "y"}, "extra": {"extra": NOTE}}),
    Refusal: ({"text": "x"}, {"text": {"text": "y"}, "extra": {"extra": NOTE}}),
    Thinking: (
        {"content": "x", "origin": ProviderPart("anthropic", {"signature": "one"})},
        {"content": {"content": "y"}, "origin": {"origin": ProviderPart("anthropic", {"signature": "two"})}},
    ),
    ProviderPart: (
        {"dialect": "openai-chat", "data": {"x": 1}},
        {"dialect": {"dialect": "gemini"}, "data": {"data": {"x": 2}}, "place": {"place": "tool_calls"}},
    ),
    ToolCall: (
        {"id": "1", "name": "look", "arguments": {"where": "here"}, "extra": NOTE},
        {
            "id": {"id": "2"},
            "name": {"name": "see"},
            "arguments": {"arguments": {"where": "there"}},
            "raw_arguments": {"raw_arguments": '{"where":  "here"}'},
            "extra": {"extra": OTHER_NOTE},
        },
    ),
    ToolResult: (
        {"tool_call_id": "1", "result": "x"},
        {
            "tool_call_id": {"tool_call_id": "2"},
            "result": {"result": [Text("x")]},
            "is_error": {"is_error": True},
            "extra": {"extra": NOTE},
        },
    ),
    Image: (
        {"file_id": "1", "provider": "openai"},
        {
            "data": {"data": PNG, "file_id": None, "provider": None},
            "detail": {"detail": "high"},
            "max_size": {"max_size": 100},
            "media_type": {"media_type": "image/png"},
            "file_id": {"file_id": "2"},
            "provider": {"provider": "anthropic"},
            "extra": {"extra": NOTE},
        },
    ),
    File: (
        {"file_id": "1", "provider": "openai"},
        {
            "data": {"data": b"%PDF-1.4", "file_id": None, "provider": None},
            "media_type": {"media_type": "application/pdf"},
            "filename": {"filename": "a.pdf"},
            "file_id": {"file_id": "2"},
            "provider": {"provider": "anthropic"},
            "extra": {"extra": NOTE},
        },
    ),
    Model: (
        {"id": "mini", "name": "mini", "provider": "one", "api_spec": "openai", "api_base": "https://one.example/v1"},
        {
            "id": {"id": "other"},
            "name": {"name": "other"},
            "provider": {"provider": "two"},
            "api_spec": {"api_spec": "anthropic"},
        },
    ),
    Extras: (
        {"headers": {"x-beta": "1"}},
        {
            "tools": {"tools": ({"type": "web_search"},)},
            "output_schema": {"output_schema": {"type": "object"}},
            "prefer_model": {"prefer_model": "mini"},
            "headers": {"headers": {"x-beta": "2"}},
            "body": {"body": {"top_k": 5}},
        },
    ),
}

SHAPES_NO_ANSWER = {
    Tool: {"run", "binding"},  # what is done with the answer
    Extras: {
        "cache_pattern",  # what a provider stores, and not what it says
        "service_tier",
        "background",
        "wish",  # of texts that become numbers, which are stored in another way
        "written",  # what follows from all others
    },
}

CHANGES = [(kind, name) for kind, (_, changes) in TABLE.items() for name in changes]


def key(value: Any) -> str:
    """The key of a question that has the value in it, and is otherwise always the same."""
    model = value if isinstance(value, Model) else Model.for_base_url("mini", "https://one.example/v1")
    params = value if isinstance(value, SamplingParams) else SamplingParams()
    extras = value if isinstance(value, Extras) else Extras(tools=(value,)) if isinstance(value, Tool) else Extras()
    nothing = cast("Any", None)
    route = Route(model, params, nothing, "https://one.example/v1", nothing, nothing)
    return CacheKeys([route]).key(prompt_with(value), extras)


def prompt_with(value: Any) -> Conversation:
    if isinstance(value, Message):
        return Conversation([value])
    if not isinstance(value, Part):
        return Conversation().user("x")
    is_result = isinstance(value, ToolResult)
    return Conversation([Message("tool" if is_result else "assistant", [value])])


def names_of(kind: type) -> set[str]:
    if issubclass(kind, SamplingParams):
        return set(kind.model_fields)
    if is_dataclass(kind):
        return {field.name for field in fields(kind)}
    return set(inspect.signature(kind).parameters)


@pytest.mark.parametrize(("kind", "name"), CHANGES, ids=lambda each: getattr(each, "__name__", each))
def test_a_change_of_the_field_makes_another_key(kind: type, name: str) -> None:
    base, changes = TABLE[kind]
    assert key(kind(**base)) == key(kind(**base))
    assert key(kind(**{**base, **changes[name]})) != key(kind(**base))


@pytest.mark.parametrize("kind", [kind for kind in TABLE if kind is not Model], ids=lambda kind: kind.__name__)
def test_every_field_is_in_the_table(kind: type) -> None:
    assert names_of(kind) == set(TABLE[kind][1]) | SHAPES_NO_ANSWER.get(kind, set())


def test_a_models_other_fields_follow_from_its_id() -> None:
    base, _ = TABLE[Model]
    assert key(Model(**base, supports_images=True)) == key(Model(**base))


@pytest.mark.parametrize("kind", SHAPES_NO_ANSWER, ids=lambda kind: kind.__name__)
def test_what_shapes_no_answer_is_no_field_of_the_table(kind: type) -> None:
    assert not SHAPES_NO_ANSWER[kind] & set(TABLE[kind][1])


def test_the_bytes_of_an_image_and_of_a_file_make_keys_of_their_own() -> None:
    parts: list[Any] = [make(data) for make in (Image, File) for data in (PNG, PNG + b"\0")]
    assert len({key(part) for part in parts}) == 4


def test_where_an_image_or_a_file_lies_makes_a_key_of_its_own() -> None:
    urls = ["https://one.example/a.png", "https://two.example/a.png"]
    parts: list[Any] = [make(url) for make in (Image, File) for url in urls]
    assert len({key(part) for part in parts}) == 4
