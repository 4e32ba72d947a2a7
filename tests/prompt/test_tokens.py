"""The estimate against o200k_base, on texts that it was not fitted to."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deluge_sync.prompt import ProviderPart
from deluge_sync.prompt.message import Message
from deluge_sync.prompt.tokens import estimate_json_tokens, estimate_message_tokens, estimate_text_tokens

# Each with its `len(encoding.encode_ordinary(text))` by tiktoken 0.14, o200k_base.
SAMPLES: Final = {
    kind: (sample["tokens"], sample["text"])
    for kind, sample in json.loads((Path(__file__).parent / "token_samples.json").read_text("utf-8")).items()
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_estimate_is_within_15_percent(kind: str) -> None:
    counted, text = SAMPLES[kind]
    assert abs(estimate_text_tokens(text) / counted - 1) <= 0.15


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_text_four_times_as_long_counts_four_times(kind: str) -> None:
    _, text = SAMPLES[kind]
    assert estimate_text_tokens(text * 4) == pytest.approx(4 * estimate_text_tokens(text), rel=0.02)


@given(st.text(st.characters(), max_size=300))
def test_any_text_has_at_least_one_token_and_at_most_its_bytes(text: str) -> None:
    assert (1 if text else 0) <= estimate_text_tokens(text) <= len(text.encode("utf-8", "replace"))


@pytest.mark.parametrize("text", ["-" * 5000, " " * 5000, "\n" * 5000, "0" * 5000, "é" * 5000, "\ud800", "\x00" * 100])
def test_a_strange_text_is_counted_too(text: str) -> None:
    assert 1 <= estimate_text_tokens(text) <= len(text.encode("utf-8", "replace"))


def test_ten_thousand_pages_take_less_than_a_second() -> None:
    page = (SAMPLES["english"][1] * 5)[:3000]
    started = time.process_time()  # other processes may be busy; this is what the estimate itself takes
    for _ in range(1000):
        estimate_text_tokens(page)
    assert time.process_time() - started < 0.1 * 3  # room for a machine three times as slow


def test_a_name_and_every_message_cost_a_little() -> None:
    assert estimate_message_tokens([]) == 3
    assert estimate_message_tokens([Message.user("Hi")]) == 3 + 4 + 1
    assert estimate_message_tokens([Message("user", Message.user("Hi").parts, "Ann")]) == 3 + 4 + 1 + 1 + 1


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
    assert estimate_message_tokens([message]) == pytest.approx(7 + tokens, abs=2)


def test_a_schema_counts_by_its_keys_and_texts() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "description": "Where to look."}}}
    # 8 texts (type, object, properties, city, type, string, description, "Where to look.") of 11 tokens, 2 signs each
    assert estimate_json_tokens(schema) == pytest.approx(8 * 2 + 11, abs=6)
