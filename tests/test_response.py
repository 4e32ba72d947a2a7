from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from deluge_sync.config import SamplingParams
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, Message
from deluge_sync.response import APIResponse, Round, Usage


def full_response() -> APIResponse:
    """A response in which no field has its default."""
    content = (
        Message.ai("It is 18 degrees.").with_thinking("look it up").with_tool_call("c1", "weather", {"city": "Rom"})
    )
    return APIResponse(
        id=7,
        model_internal="gpt-4.1-mini",
        prompt=Conversation.system("Be brief.").user("Weather?"),
        sampling_params=SamplingParams(temperature=0.5, logprobs=True, top_logprobs=2),
        status_code=200,
        is_error=True,
        error_message="cut off",
        usage=Usage(10, 5, 3, 2, 1, 4),
        content=content,
        thinking="look it up",
        model_external="gpt-4.1-mini-2025-04-14",
        region="eu",
        logprobs=[{"token": "It", "logprob": -0.25}],
        finish_reason="length",
        cost=0.0123,
        cache_hit=True,
        local_cache_hit=True,
        retry_with_different_model=True,
        give_up_if_no_other_models=True,
        response_id="resp_1",
        raw_response={"object": "chat.completion"},
        error_kind="TRUNCATED",
        attempts=3,
        latency_s=1.5,
        parsed={"total": 4},
        rounds=(
            Round("gpt-4.1-mini", False, Usage(4, 2), 0.0023, "tool_calls", 1, 0.5),
            Round("gpt-4.1-nano", True, None, None, None, 2, None),
        ),
    )


def test_total_counts_every_token_once() -> None:
    assert Usage(100, 20, 30, 7).total_tokens == 157


@pytest.mark.parametrize(("cache_read", "hit"), [(0, False), (1, True)])
def test_cache_hit_means_tokens_were_read(cache_read: int, hit: bool) -> None:
    assert Usage(5, 5, cache_read_tokens=cache_read, cache_write_tokens=9).has_cache_hit is hit


def test_usage_adds_up_field_by_field() -> None:
    assert Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40) == Usage(11, 22, 33, 44)
    assert sum([Usage(1, 1), Usage(2, 2, 2)], Usage(0, 0)) == Usage(3, 3, 2, 0)
    assert Usage(1, 2, 3, 4, 1, 2) + Usage(10, 20, 30, 40, 10, 20) == Usage(11, 22, 33, 44, 11, 22)


def test_parts_of_a_count_are_not_counted_again() -> None:
    assert Usage(100, 20, 30, 7, cache_write_1h_tokens=5, reasoning_tokens=15).total_tokens == 157


def test_stored_and_read_again_nothing_is_lost() -> None:
    response = full_response()
    defaults = {field.name: field.default for field in dataclasses.fields(APIResponse)}
    unset = [name for name, default in defaults.items() if getattr(response, name) == default]
    assert unset == []  # or the round trip below would prove nothing for that field
    stored = json.loads(json.dumps(response.to_dict()))
    assert APIResponse.from_dict(stored) == response


def test_the_stored_cost_is_not_computed_anew() -> None:
    stored = full_response().to_dict() | {"cost": 99.0}
    assert APIResponse.from_dict(stored).cost == 99.0
    assert APIResponse.from_dict(stored | {"cost": None}).cost is None


def test_what_was_stored_does_not_change_with_the_response() -> None:
    response = full_response()
    stored = response.to_dict()
    response.prompt.user("more")
    assert len(stored["prompt"]["messages"]) == 2


def test_an_answerless_response_has_no_completion() -> None:
    response = APIResponse(0, "m", Conversation.user("x"), SamplingParams(), 500, True, "boom")
    assert response.completion is None
    assert response.text == ""
    assert response.tool_calls == []
    assert response.input_tokens is None
    assert APIResponse.from_dict(response.to_dict()) == response


def test_shortcuts_read_content_and_usage() -> None:
    response = full_response()
    response.content = Message.ai("a").with_text("b").with_tool_call("c", "f", {})
    counts = (response.input_tokens, response.output_tokens, response.cache_read_tokens, response.cache_write_tokens)
    assert counts == (10, 5, 3, 2)
    assert (response.completion, response.text) == ("a", "ab")
    assert [call.name for call in response.tool_calls] == ["f"]


def test_a_missing_field_is_named() -> None:
    stored = full_response().to_dict()
    del stored["prompt"], stored["status_code"]
    with pytest.raises(ConfigError, match="lacks prompt, status_code"):
        APIResponse.from_dict(stored)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sampling_params", {"temperature": -1}),
        ("prompt", {"version": 99, "messages": []}),
        ("usage", {}),
        ("rounds", [{"usage": None}]),
        ("content", 3),
    ],
)
def test_an_unreadable_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{field} cannot be read"):
        APIResponse.from_dict(full_response().to_dict() | {field: value})


def test_a_field_of_a_later_version_is_passed_over() -> None:
    response = full_response()
    assert APIResponse.from_dict(response.to_dict() | {"invented_in_2031": 1}) == response


def test_importing_it_loads_no_pydantic() -> None:
    code = "import sys, deluge_sync.response, deluge_sync.prompt; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_parsed_answer_is_stored_as_its_json_value() -> None:
    class Sum(BaseModel):
        total: int

    response = dataclasses.replace(full_response(), parsed=Sum(total=4))
    assert APIResponse.from_dict(json.loads(json.dumps(response.to_dict()))).parsed == {"total": 4}


def with_image() -> APIResponse:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(5_000)
    prompt = Conversation.user("What is it?", image=picture)
    return dataclasses.replace(full_response(), prompt=prompt)


def test_stored_images_are_only_named() -> None:
    stored = json.dumps(with_image().to_dict())
    assert len(stored) < 3_000
    assert APIResponse.from_dict(json.loads(stored)).prompt.messages[0].text == "What is it?"


def test_stored_images_are_kept_when_asked_for() -> None:
    response = with_image()
    stored = json.loads(json.dumps(response.to_dict(keep_media=True)))
    assert APIResponse.from_dict(stored) == response


def test_the_answer_to_an_unreadable_image_can_be_stored(tmp_path: Path) -> None:
    prompt = Conversation.user("What is it?", image=tmp_path / "gone.png")
    response = dataclasses.replace(full_response(), prompt=prompt, is_error=True)
    assert APIResponse.from_dict(json.loads(json.dumps(response.to_dict()))).is_error
