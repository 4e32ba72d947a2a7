"""Clients of the embedded provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.testing import FakeProvider


@pytest.fixture
def client_of() -> Iterator[Callable[..., LLMClient]]:
    """Makes clients of a provider, and closes them."""
    with ExitStack() as stack:

        def make(provider: FakeProvider, model: str = "gpt-4.1-mini", **settings: Any) -> LLMClient:
            placed: dict[str, Any] = {"base_url": provider.openai_url, "api_key": "sk-test-0123456789"}
            return stack.enter_context(LLMClient(model, **{**placed, **settings}))

        yield make
