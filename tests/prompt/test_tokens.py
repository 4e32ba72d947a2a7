"""The estimate against o200k_base, on texts that it was not fitted to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deluge_sync.prompt.tokens import estimate_text_tokens

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


def test_a_page_is_counted_alike_each_time(record_property: Callable[[str, object], None]) -> None:
    """The time is told and not judged: it is the machine's as much as ours."""
    page = (SAMPLES["english"][1] * 5)[:3000]
    began_s = time.process_time()
    counts = {estimate_text_tokens(page) for _ in range(1000)}
    record_property("a page of 3 KB", f"{(time.process_time() - began_s) * 1e3:.0f} us")
    assert len(counts) == 1
