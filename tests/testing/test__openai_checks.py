from __future__ import annotations

import json
from typing import Any

import pytest

from deluge_sync.testing._format import Refused
from deluge_sync.testing._openai_checks import checked_chat_request

HI = {"role": "user", "content": "hi"}
CALLING = {
    "role": "assistant",
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "r"}
OPEN_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
HALF_REQUIRED = {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"], "additionalProperties": False}
CLOSED_SCHEMA = {**OPEN_SCHEMA, "additionalProperties": False}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


def schema_format(**definition: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", **definition}}


REFUSED: list[tuple[dict[str, Any], str | None, str]] = [
    ({"messages": None}, "messages", "invalid_type"),
    ({"messages": []}, "messages", "empty_array"),
    ({"model": 1}, "model", "invalid_type"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ({"messages": [HI, {"content": "x"}]}, "messages[1].role", "missing_required_parameter"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "invalid_type"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content", "empty_array"),
    ({"messages": [HI, {**CALLING, "content": []}, RESULT]}, "messages[1].content", "empty_array"),
    ({"messages": [{"role": "assistant"}]}, "messages[0].content", "invalid_type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
        "missing_required_parameter",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].image_url.url",
        "missing_required_parameter",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
        "messages[0].content[0].type",
        "invalid_value",
    ),
    ({"messages": [HI, RESULT]}, "messages[1].role", "invalid_value"),
    ({"messages": [HI, CALLING, HI]}, "messages[2].role", "invalid_value"),
    ({"messages": [HI, CALLING]}, "messages", "invalid_value"),
    ({"messages": [HI, CALLING, RESULT, RESULT]}, "messages[3].role", "invalid_value"),
    ({"messages": [HI, {"role": "tool", "content": "x"}]}, "messages[1].tool_call_id", "missing_required_parameter"),
    ({"temperature": 2.5}, "temperature", "decimal_above_max_value"),
    ({"temperature": "0.5"}, "temperature", "invalid_type"),
    ({"top_p": -1}, "top_p", "integer_below_min_value"),
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", "invalid_value"),
    ({"n": 1.5}, "n", "invalid_type"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
    ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
    ({"top_k": 5}, "top_k", "unknown_parameter"),
    ({"tools": []}, "tools", "empty_array"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
    ({"tools": [tool(name="two words")]}, "tools[0].function.name", "invalid_value"),
    (
        {"tools": [tool(strict=True, parameters=OPEN_SCHEMA)]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    (
        {"tools": [tool(strict=True, parameters=HALF_REQUIRED)]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    ({"tool_choice": "auto"}, "tool_choice", "invalid_value"),
    (
        {"tools": [tool()], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice",
        "invalid_value",
    ),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
    ({"response_format": {"type": "json_object"}}, "messages", "invalid_value"),
    ({"response_format": schema_format(strict=True, schema={"type": "array"})}, "response_format", "invalid_value"),
    ({"response_format": schema_format(name="")}, "response_format.json_schema.name", "invalid_value"),
]

ACCEPTED: list[dict[str, Any]] = [
    {},
    {"temperature": None, "n": 1, "seed": 3, "stop": None},
    {"messages": [HI, CALLING, RESULT, HI]},
    {"messages": [HI, {**CALLING, "content": None}, RESULT]},
    {"messages": [{"role": "user", "content": ""}]},
    {"messages": [{"role": "user", "content": "as json"}], "response_format": {"type": "json_object"}},
    {"tools": [tool(strict=True, parameters=CLOSED_SCHEMA), tool(name="g", parameters=OPEN_SCHEMA)]},
    {"response_format": schema_format(strict=True, schema=CLOSED_SCHEMA)},
    {"response_format": schema_format(schema=OPEN_SCHEMA)},
]


def body(fields: dict[str, Any]) -> bytes:
    return json.dumps({"model": "m", "messages": [HI], **fields}).encode()


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED, ids=lambda value: str(value)[:60])
def test_wrong_requests_are_refused(fields: dict[str, Any], param: str | None, code: str) -> None:
    with pytest.raises(Refused) as caught:
        checked_chat_request(body(fields))
    assert (caught.value.spec.status, caught.value.spec.param, caught.value.spec.code) == (400, param, code)


@pytest.mark.parametrize("fields", ACCEPTED, ids=lambda value: str(value)[:60])
def test_right_requests_pass(fields: dict[str, Any]) -> None:
    assert checked_chat_request(body(fields))["model"] == "m"


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000], ids=lambda value: str(value)[:20])
def test_what_is_no_json_object_is_refused(garbage: bytes) -> None:
    with pytest.raises(Refused) as caught:
        checked_chat_request(garbage)
    assert caught.value.spec.code == "invalid_json"


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        checked_chat_request(b'{"messages": [{"role": "user", "content": "x"}]}')
    assert (caught.value.spec.param, caught.value.spec.code) == ("model", "missing_required_parameter")


def test_unknown_fields_can_be_let_through() -> None:
    assert checked_chat_request(body({"top_k": 5}), ignore_unknown=True)["top_k"] == 5
    with pytest.raises(Refused):
        checked_chat_request(body({"top_k": 5, "n": "x"}), ignore_unknown=True)
