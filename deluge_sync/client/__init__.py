"""`LLMClient`: what a user holds. Settings are checked here and prompts become jobs; no HTTP and no retry.

llm_client > feed | routes > settings
"""

from __future__ import annotations

from deluge_sync.client.llm_client import LLMClient

__all__ = ["LLMClient"]
