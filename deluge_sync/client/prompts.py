"""What a caller passes as prompts, as an iterable of them. The prompts themselves are read one by one, later."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, Message, is_message_list

__all__ = ["as_prompts", "length_of"]


def as_prompts(prompts: Any) -> Iterable[Any]:
    """One prompt is a list of one: a text and a conversation could be iterated too, and mean something else.

    Raises:
        ConfigError: it is nothing that could be iterated.
    """
    if isinstance(prompts, str | Message | Conversation) or is_message_list(prompts):
        return [prompts]
    if not isinstance(prompts, Iterable):
        raise ConfigError(f"prompts must be an iterable of prompts; got {prompts!r:.80}")
    return prompts


def length_of(prompts: Iterable[Any]) -> int | None:
    """How many they are, where that is known."""
    return len(prompts) if isinstance(prompts, Sized) else None
