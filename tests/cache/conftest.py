"""What the tests of the caches share. The whole sizes are marked `soak` and run with `pytest tests/cache -m soak`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation, Message, SamplingParams, Usage

Ask = Callable[[str], Conversation]
Answer = Callable[..., APIResponse]


@pytest.fixture
def ask() -> Ask:
    """A prompt as the engine gives it to a cache."""

    def make(text: str) -> Conversation:
        return Conversation().user(text).keyed(f"key of {text}")

    return make


@pytest.fixture
def answer() -> Answer:
    def make(text: str = "Four.", **fields: Any) -> APIResponse:
        known: dict[str, Any] = {
            "id": 7,
            "model_internal": "gpt-4.1-mini",
            "prompt": Conversation().user("What is 2 + 2?"),
            "sampling_params": SamplingParams(temperature=0.5, stop=("END",)),
            "status_code": 200,
            "is_error": False,
            "error_message": None,
            "usage": Usage(3, 2, cache_read_tokens=1),
            "content": Message.ai(text),
            "finish_reason": "stop",
            "cost": 0.25,
        }
        return APIResponse(**{**known, **fields})

    return make


@pytest.fixture
def program() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python programs and ends those that a test leaves behind."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, *arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", source, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
