from __future__ import annotations

import json
from typing import Any

import pytest

from deluge_sync.testing._format import Refused
from deluge_sync.testing._openai_responses_checks import check_history, checked_response_request

HI = {"type": "message", "role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "1", "output": "r"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
OPEN_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
CLOSED_SCHEMA = {**OPEN_SCHEMA, "additionalProperties": False}


def spoken(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "id": "msg_1", "content": list(parts), **more}


def tool(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "name": "f", **fields}


def form(**fields: Any) -> dict[str, Any]:
    return {"text": {"format": {"type": "json_schema", "name": "n", "schema": CLOSED_SCHEMA, **fields}}}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"input": None}, "input", "invalid_type"),
    ({"input": []}, "input", "missing_required_parameter"),
    ({"input": ""}, "input", "missing_required_parameter"),
    ({"surprise": 1}, "surprise", "unknown_parameter"),
    ({"seed": 1}, "seed", "unknown_parameter"),
    ({"model": 1}, "model", "invalid_type"),
    ({"input": [HI, {"content": "x"}]}, "input[1].type", "missing_required_parameter"),
    ({"input": [{"type": "smell"}]}, "input[0].type", "invalid_value"),
    ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role", "invalid_value"),
    ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
    ({"input": [{**HI, "surprise": 1}]}, "input[0].surprise", "unknown_parameter"),
    (
        {"input": [{**HI, "content": [{"type": "input_text"}]}]},
        "input[0].content[0].text",
        "missing_required_parameter",
    ),
    (
        {"input": [{**HI, "content": [{"type": "input_image", "image_url": "x"}]}]},
        "input[0].content[0].detail",
        "missing_required_parameter",
    ),
    ({"input": [{**HI, "content": [{"type": "output_text", "text": "x"}]}]}, "input[0].content[0]", "invalid_value"),
    ({"input": [spoken({"type": "input_text", "text": "x"})]}, "input[0].content[0]", "invalid_value"),
    ({"input": [{**HI, "id": "x"}]}, "input[0].id", "invalid_value"),
    ({"input": [{**CALL, "id": "call_1"}]}, "input[0].id", "invalid_value"),
    ({"input": [{**REASONING, "id": "x"}]}, "input[0].id", "invalid_value"),
    ({"input": [{**CALL, "call_id": "x" * 65}]}, "input[0].call_id", "string_above_max_length"),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id", "missing_required_parameter"),
    ({"input": [{**REASONING, "encrypted_content": "x"}]}, "input[0]", "invalid_encrypted_content"),
    ({"temperature": 3}, "temperature", "integer_above_max_value"),
    ({"top_p": -0.1}, "top_p", "decimal_below_min_value"),
    ({"top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value"),
    ({"tools": [{"type": "smell"}]}, "tools[0].type", "invalid_value"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name", "missing_required_parameter"),
    ({"tools": [tool(name="a b")]}, "tools[0].name", "invalid_value"),
    ({"tools": [tool(strict=True, parameters=OPEN_SCHEMA)]}, "tools[0].parameters", "invalid_function_parameters"),
    ({"tools": [tool()], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice", "invalid_value"),
    (form(name="a b"), "text.format.name", "invalid_value"),
    (form(strict=True, schema=OPEN_SCHEMA), "text.format.schema", "invalid_json_schema"),
    ({"text": {"format": {"type": "json_object"}}}, "input", "invalid_value"),
    ({"include": ["everything"]}, "include[0]", "invalid_value"),
    ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "invalid_value"),
    ({"stream_options": {"include_obfuscation": False}}, "stream_options", "invalid_value"),
    ({"background": True, "store": False}, "background", "invalid_value"),
]


def body_of(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": "hi", **fields}).encode()


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED)
def test_a_flaw_is_told_by_its_parameter(fields: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        checked_response_request(body_of(**fields))
    spec = caught.value.spec
    assert (spec.status, spec.param, spec.code) == (400, param, code)


@pytest.mark.parametrize(
    "fields",
    [
        {
            "input": [
                HI,
                spoken({"type": "output_text", "text": "x", "annotations": []}),
                {"role": "user", "content": "y"},
            ]
        },
        {"input": [HI, REASONING, {**CALL, "id": "fc_1", "status": "completed"}, RESULT]},
        {"input": [{**RESULT, "output": [{"type": "input_image", "detail": "auto", "file_id": "file-1"}]}]},
        {"input": [{"type": "item_reference", "id": "msg_1"}, HI]},
        {"input": [], "previous_response_id": "resp_1"},
        {"tools": [{"type": "web_search"}, tool(), tool(strict=True, parameters=CLOSED_SCHEMA)]},
        {"tools": [tool()], "tool_choice": {"type": "function", "name": "f"}},
        {"input": "as json", "text": {"format": {"type": "json_object"}, "verbosity": "low"}},
        form(strict=True),
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"background": True, "reasoning": {"effort": "high", "summary": "auto"}, "max_output_tokens": 16},
    ],
)
def test_a_sound_request_is_taken(fields: dict[str, Any]) -> None:
    assert checked_response_request(body_of(**fields))["model"] == "m"


def test_fields_of_imitators_pass_if_that_is_allowed() -> None:
    request = checked_response_request(body_of(seed=1, input=[{**HI, "surprise": 1}]), ignore_unknown=True)
    assert request["seed"] == 1


@pytest.mark.parametrize("items", [[HI, CALL], [HI, RESULT], [HI, CALL, {**RESULT, "call_id": "2"}]])
def test_calls_and_results_belong_together(items: list[dict[str, Any]]) -> None:
    check_history([HI, CALL, RESULT])
    with pytest.raises(Refused, match="No tool"):
        check_history(items)
