"""Answers thousands to millions of prompts through hosted language models, from plain synchronous Python.

    from deluge_sync import LLMClient

    client = LLMClient("gpt-4.1-mini", max_requests_per_minute=1_000)
    responses = client.process_prompts_sync(["What is the capital of France?"])

Each public name is loaded when it is first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deluge_sync._engine.estimate import Estimate, ModelEstimate
    from deluge_sync._engine.limiter import LeakyBucketLimiter
    from deluge_sync.agent import execute_tool_calls
    from deluge_sync.client import LLMClient
    from deluge_sync.config import SamplingParams
    from deluge_sync.embedding import Embeddings, Ranking
    from deluge_sync.errors import DelugeError, EmbeddingError, Interrupted, RerankError
    from deluge_sync.models import register_model
    from deluge_sync.prompt import Conversation, File, Image, Message
    from deluge_sync.response import APIResponse, Round, Usage
    from deluge_sync.tool import MCPServer, Tool, ToolParams

__all__ = [
    "APIResponse",
    "Conversation",
    "DelugeError",
    "EmbeddingError",
    "Embeddings",
    "Estimate",
    "File",
    "Image",
    "Interrupted",
    "LLMClient",
    "LeakyBucketLimiter",
    "MCPServer",
    "Message",
    "ModelEstimate",
    "Ranking",
    "RerankError",
    "Round",
    "SamplingParams",
    "Tool",
    "ToolParams",
    "Usage",
    "__version__",
    "execute_tool_calls",
    "register_model",
]

__version__ = "0.1.0"

_HOMES = {
    "APIResponse": "deluge_sync.response",
    "Conversation": "deluge_sync.prompt",
    "DelugeError": "deluge_sync.errors",
    "EmbeddingError": "deluge_sync.errors",
    "Embeddings": "deluge_sync.embedding",
    "Estimate": "deluge_sync._engine.estimate",
    "File": "deluge_sync.prompt",
    "Image": "deluge_sync.prompt",
    "Interrupted": "deluge_sync.errors",
    "LLMClient": "deluge_sync.client",
    "LeakyBucketLimiter": "deluge_sync._engine.limiter",
    "MCPServer": "deluge_sync.tool",
    "Message": "deluge_sync.prompt",
    "ModelEstimate": "deluge_sync._engine.estimate",
    "Ranking": "deluge_sync.embedding",
    "RerankError": "deluge_sync.errors",
    "Round": "deluge_sync.response",
    "SamplingParams": "deluge_sync.config",
    "Tool": "deluge_sync.tool",
    "ToolParams": "deluge_sync.tool",
    "Usage": "deluge_sync.response",
    "execute_tool_calls": "deluge_sync.agent",
    "register_model": "deluge_sync.models",
}

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
