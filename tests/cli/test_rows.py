from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from deluge_sync.cli.prompts import Prompt
from deluge_sync.cli.rows import OWN_KEYS, encode_row, make_row
from deluge_sync.config import SamplingParams
from deluge_sync.prompt import Conversation, Message, Text, ToolCall
from deluge_sync.response import APIResponse, Usage

RUN = "0123456789ab-cdef01234567"
MOMENT = datetime(2026, 11, 23, 14, 5, 6, 789_123, tzinfo=UTC)


def response(**fields: Any) -> APIResponse:
    given: dict[str, Any] = {"status_code": 200, "is_error": False, "error_message": None, **fields}
    return APIResponse(0, "gpt-4.1-mini", Conversation.user("Hi"), SamplingParams(), **given)


def row(prompt: Prompt, answer: APIResponse) -> dict[str, Any]:
    return make_row(prompt, answer, RUN, finished_at=MOMENT)


def test_a_row_tells_everything_in_a_fixed_order() -> None:
    answer = response(
        content=Message.ai("Ho"),
        usage=Usage(10, 2, 3, 4),
        cost=0.0015,
        finish_reason="stop",
        attempts=2,
        latency_s=1.23456,
    )
    made = row(Prompt(7, 9, "q7", "Hi", {"topic": "x", "n": [1]}), answer)
    assert list(made.items()) == [
        ("index", 7),
        ("id", "q7"),
        ("topic", "x"),
        ("n", [1]),
        ("completion", "Ho"),
        ("finish_reason", "stop"),
        ("model", "gpt-4.1-mini"),
        (
            "usage",
            {
                "input_tokens": 10,
                "output_tokens": 2,
                "cache_read_tokens": 3,
                "cache_write_tokens": 4,
                "cache_write_1h_tokens": 0,
                "reasoning_tokens": 0,
            },
        ),
        ("cost", 0.0015),
        ("error", None),
        ("attempts", 2),
        ("latency", 1.235),
        ("finished_at", "2026-11-23T14:05:06.789Z"),
        ("run", RUN),
    ]


def test_a_failed_prompt_has_an_error_and_nulls() -> None:
    answer = response(status_code=None, is_error=True, error_message="refused", error_kind="connect", attempts=5)
    made = row(Prompt(0, 1, 0, "Hi"), answer)
    assert made["error"] == {"kind": "connect", "message": "refused"}
    assert [made[key] for key in ("completion", "finish_reason", "usage", "cost", "latency")] == [None] * 5


def test_part_of_an_answer_is_kept_beside_the_error() -> None:
    made = row(Prompt(0, 1, 0, "Hi"), response(is_error=True, error_message="cut", content=Message.ai("Once upon")))
    assert made["completion"] == "Once upon"
    assert made["error"] == {"kind": "unknown", "message": "cut"}


@pytest.mark.parametrize("name", sorted(OWN_KEYS - {"id"}))
def test_a_carried_field_with_a_name_of_ours_is_renamed(name: str) -> None:
    made = row(Prompt(0, 1, 0, "Hi", {name: "theirs"}), response(content=Message.ai("Ho")))
    assert made[f"input_{name}"] == "theirs"
    assert made.get(name) != "theirs"


def test_a_renamed_field_overwrites_no_other() -> None:
    carried = {"cost": 1, "input_cost": 2, "input_input_cost": 3}
    made = row(Prompt(0, 1, 0, "Hi", carried), response(cost=0.5))
    assert {name: value for name, value in made.items() if "cost" in name} == {
        "input_cost": 2,
        "input_input_cost": 3,
        "input_input_input_cost": 1,
        "cost": 0.5,
    }


def test_thinking_tool_calls_and_logprobs_are_kept() -> None:
    content = Message.ai("Let me see.").with_tool_call("c1", "look", {"at": "x"})
    made = row(Prompt(0, 1, 0, "Hi"), response(content=content, thinking="Hm.", logprobs=[{"token": "Let"}]))
    assert made["thinking"] == "Hm."
    assert made["tool_calls"] == [{"id": "c1", "name": "look", "arguments": {"at": "x"}}]
    assert made["logprobs"] == [{"token": "Let"}]
    assert "content" not in made


def test_thinking_inside_the_message_is_kept_too() -> None:
    made = row(Prompt(0, 1, 0, "Hi"), response(content=Message.ai("Ho").with_thinking("Hm.")))
    assert made["thinking"] == "Hm."


@pytest.mark.parametrize(
    "content",
    [
        Message.ai("one").with_text("two"),
        Message("assistant", [ToolCall.from_text("c1", "look", "{broken")]),
        Message("assistant", [Text("Ho", {"openai-chat": {"annotations": ["a"]}})]),
    ],
    ids=["two texts", "malformed arguments", "a text with annotations"],
)
def test_what_no_other_key_tells_is_in_the_content(content: Message) -> None:
    answer = response(content=content)
    made = json.loads(encode_row(row(Prompt(0, 1, 0, "Hi"), answer)))
    stored = {**answer.to_dict(), "content": made["content"]}
    assert APIResponse.from_dict(stored).content == content


def test_a_line_is_utf8_without_escapes_and_opens_with_the_index() -> None:
    line = encode_row(row(Prompt(0, 1, 0, "Hi"), response(content=Message.ai("é\n\u2028\U0001f600"))))
    assert line.startswith(b'{"index": 0, ')
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert "é\\n\u2028\U0001f600".encode() in line


def test_text_that_utf8_cannot_hold_is_written_all_the_same() -> None:
    line = encode_row(row(Prompt(0, 1, 0, "Hi"), response(content=Message.ai("half \ud83d é"))))
    assert json.loads(line)["completion"] == "half \ud83d é"
