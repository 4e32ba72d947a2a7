"""Clients against the embedded provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.testing import FakeProvider

Connect = Callable[..., LLMClient]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients of a provider, without limits unless told, and closes them."""
    with ExitStack() as stack:

        def make(provider: FakeProvider, model_names: str | list[str] = "gpt-4.1-mini", **settings: Any) -> LLMClient:
            unlimited = {"max_requests_per_minute": 10_000_000, "max_tokens_per_minute": 10**12}
            placed = {"base_url": provider.openai_url, "api_key": "sk-test-0123456789"}
            return stack.enter_context(LLMClient(model_names, **{**unlimited, **placed, **settings}))

        yield make
